//! What a server has of its projects against what the edge knows of them. The server is right: a release is what is on its disk,
//! and the edge's database may be a copy from yesterday.

use devflow_protocol::runner_api::{KnownRelease, Standing};
use devflow_protocol::text::Slug;
use devflow_protocol::{DeploymentId, ProjectId};

/// A project of the server as the edge knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Which.
    pub project: ProjectId,
    /// Its folder.
    pub slug: Slug,
    /// Stopped by a person.
    pub stopped: bool,
    /// The release that serves.
    pub live: Option<DeploymentId>,
    /// Releases that can be gone back to, newest first.
    pub kept: Vec<DeploymentId>,
    /// The newest version of its environment.
    pub environment_version: u32,
    /// A job of it is at work, or it is being removed: the end of that tells how it stands.
    pub busy: bool,
}

/// What is put right of a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Correction {
    /// Which.
    pub project: ProjectId,
    /// Stopped by a person.
    pub stopped: bool,
    /// The release that serves.
    pub live: Option<DeploymentId>,
    /// Releases that can be gone back to, newest first.
    pub kept: Vec<DeploymentId>,
    /// All releases that the server told of.
    pub releases: Vec<KnownRelease>,
    /// What changed, in words for the activity.
    pub words: String,
}

/// What follows from what a server told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Projects that stand otherwise than was known.
    pub corrections: Vec<Correction>,
    /// Folders of projects that are not known, in order.
    pub unknown: Vec<Slug>,
}

/// Compares what a server has with what is known of it.
pub fn compare(known: Vec<Known>, told: &[Standing]) -> Verdict {
    let mut unknown: Vec<Slug> = told
        .iter()
        .filter(|standing| !known.iter().any(|project| project.slug == standing.slug))
        .map(|standing| standing.slug.clone())
        .collect();
    unknown.sort_unstable();
    let corrections = known
        .into_iter()
        .filter(|project| !project.busy)
        .filter_map(|project| {
            let standing = told.iter().find(|standing| standing.slug == project.slug);
            correct(project, standing)
        })
        .collect();
    Verdict { corrections, unknown }
}

fn correct(known: Known, told: Option<&Standing>) -> Option<Correction> {
    let (live, stopped, releases) = match told {
        Some(told) => (told.live.clone(), told.stopped, told.releases.clone()),
        // Nothing of it is on the server; whether it is stopped cannot be seen there.
        None => (None, known.stopped, vec![]),
    };
    let kept: Vec<DeploymentId> = releases
        .iter()
        .filter(|release| release.kept)
        .map(|release| release.deployment.clone())
        .collect();
    if (&live, stopped, &kept) == (&known.live, known.stopped, &known.kept) {
        return None;
    }
    let mut words = Vec::new();
    if live != known.live {
        let name = |id: &Option<DeploymentId>| id.as_ref().map_or("nothing".to_owned(), ToString::to_string);
        words.push(format!("live is {}, not {}", name(&live), name(&known.live)));
    }
    if stopped != known.stopped {
        words.push(
            if stopped {
                "it is stopped"
            } else {
                "it is not stopped"
            }
            .to_owned(),
        );
    }
    if kept != known.kept {
        words.push(format!("{} releases are kept", kept.len()));
    }
    let environment = releases.iter().map(|release| release.environment_version).max();
    if let Some(version) = environment.filter(|version| *version > known.environment_version) {
        words.push(format!(
            "it runs with version {version} of its environment, of which {} is the newest here: look at it before you deploy",
            known.environment_version
        ));
    }
    Some(Correction {
        project: known.project,
        stopped,
        live,
        kept,
        releases,
        words: words.join("; "),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use devflow_protocol::UnixMillis;

    fn dep(number: u8) -> DeploymentId {
        DeploymentId::new(UnixMillis(i64::from(number)), [number; 10])
    }

    fn release(number: u8, kept: bool) -> KnownRelease {
        KnownRelease {
            deployment: dep(number),
            kept,
            ref_name: "refs/heads/main".parse().expect("a ref"),
            commit: "a".repeat(40).parse().expect("a commit"),
            subject: "Fix".into(),
            environment_version: 3,
        }
    }

    fn told(slug: &str, live: Option<u8>, releases: Vec<KnownRelease>) -> Standing {
        Standing {
            slug: slug.parse().expect("a slug"),
            stopped: false,
            live: live.map(dep),
            releases,
        }
    }

    fn known(slug: &str, live: Option<u8>, kept: &[u8]) -> Known {
        Known {
            project: ProjectId::new(UnixMillis(1), [1; 10]),
            slug: slug.parse().expect("a slug"),
            stopped: false,
            live: live.map(dep),
            kept: kept.iter().copied().map(dep).collect(),
            environment_version: 3,
            busy: false,
        }
    }

    #[test]
    fn compare_says_nothing_where_both_know_the_same() {
        let same = told("shop", Some(2), vec![release(2, true), release(1, true)]);
        assert_eq!(
            compare(vec![known("shop", Some(2), &[2, 1])], &[same]),
            Verdict::default()
        );
    }

    #[test]
    fn compare_takes_the_servers_word_for_what_is_live_and_kept() {
        let newer = told("shop", Some(3), vec![release(3, false), release(2, true)]);
        let verdict = compare(vec![known("shop", Some(1), &[1])], &[newer]);
        let correction = &verdict.corrections[0];
        assert_eq!(
            (&correction.live, &correction.kept, correction.releases.len()),
            (&Some(dep(3)), &vec![dep(2)], 2)
        );
        assert_eq!(
            correction.words,
            format!("live is {}, not {}; 1 releases are kept", dep(3), dep(1))
        );
    }

    #[test]
    fn compare_knows_a_project_that_is_gone_and_one_that_nobody_knows() {
        let found = vec![
            told("zoo", None, vec![]),
            told("blog", Some(1), vec![release(1, true)]),
        ];
        let verdict = compare(vec![known("shop", Some(1), &[1])], &found);
        assert_eq!(verdict.corrections[0].live, None);
        let unknown: Vec<&str> = verdict.unknown.iter().map(Slug::as_str).collect();
        assert_eq!(unknown, ["blog", "zoo"]);
    }

    #[test]
    fn compare_leaves_a_project_alone_whose_job_is_at_work() {
        let mut busy = known("shop", Some(1), &[1]);
        busy.busy = true;
        let verdict = compare(vec![busy], &[told("shop", Some(2), vec![release(2, true)])]);
        assert_eq!(verdict, Verdict::default());
    }

    #[test]
    fn compare_tells_of_an_environment_that_is_older_than_the_one_in_use() {
        let mut behind = known("shop", Some(1), &[1]);
        behind.environment_version = 2;
        let mut stopped = told("shop", Some(1), vec![release(1, true)]);
        stopped.stopped = true;
        let words = &compare(vec![behind], &[stopped]).corrections[0].words;
        assert!(
            words.starts_with("it is stopped; it runs with version 3 of its environment, of which 2"),
            "{words}"
        );
    }
}
