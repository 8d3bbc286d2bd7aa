//! What follows from an authentic, stored delivery, and why. The reason is kept and shown.

use super::{Event, Push};
use devflow_protocol::ProjectId;
use devflow_protocol::text::{GitSha, RefName};

/// A project that listens to a hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Follower {
    /// The project.
    pub project: ProjectId,
    /// The ref it deploys.
    pub ref_name: RefName,
    /// Globs of paths that matter to it; empty means all.
    pub path_filter: Vec<String>,
    /// The commit that the last push of this ref brought, whatever became of it.
    pub last_head: Option<GitSha>,
    /// A person stopped it: a push does not bring its site back.
    pub stopped: bool,
    /// Its server is being drained: nothing new is deployed there.
    pub draining: bool,
}

/// What is decided about a delivery as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The provider tries the hook out: 200.
    Ping,
    /// Nothing to deploy, for one reason: 200.
    Ignored(String),
    /// Decided for each project.
    Projects(Vec<ProjectDecision>),
}

/// What is decided for one project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectDecision {
    /// The project.
    pub project: ProjectId,
    /// What happens.
    pub action: Action,
}

/// What happens to a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A deployment is queued.
    Deploy,
    /// Nothing, for this reason.
    Skip(String),
}

impl Verdict {
    /// One sentence for the delivery's row.
    pub fn reason(&self) -> String {
        match self {
            Self::Ping => "The provider tried the hook out.".to_owned(),
            Self::Ignored(reason) => reason.clone(),
            Self::Projects(decisions) => {
                let skipped = decisions.iter().filter_map(|decision| match &decision.action {
                    Action::Skip(reason) => Some(reason.as_str()),
                    Action::Deploy => None,
                });
                let mut reasons: Vec<&str> = skipped.collect();
                reasons.dedup();
                match (self.deployments().count(), reasons.is_empty()) {
                    (0, _) => reasons.join(" "),
                    (1, true) => "A deployment was queued.".to_owned(),
                    (n, true) => format!("{n} deployments were queued."),
                    (1, false) => format!(
                        "A deployment was queued. For other projects: {}",
                        reasons.join(" ")
                    ),
                    (n, false) => format!("{n} deployments were queued. For others: {}", reasons.join(" ")),
                }
            }
        }
    }

    /// The projects that are deployed.
    pub fn deployments(&self) -> impl Iterator<Item = &ProjectId> {
        let decisions: &[ProjectDecision] = match self {
            Self::Projects(decisions) => decisions,
            Self::Ping | Self::Ignored(_) => &[],
        };
        decisions
            .iter()
            .filter(|decision| decision.action == Action::Deploy)
            .map(|decision| &decision.project)
    }
}

/// Decides what a delivery means for the projects that listen to its hook.
pub fn decide(event: &Event, followers: &[Follower]) -> Verdict {
    match event {
        Event::Ping => Verdict::Ping,
        Event::Other { name } if name.is_empty() => {
            Verdict::Ignored("The delivery does not say what event it is.".to_owned())
        }
        Event::Other { name } => Verdict::Ignored(format!("`{name}` is not an event that deploys.")),
        Event::Deleted { ref_name } => Verdict::Ignored(format!("{ref_name} was deleted.")),
        Event::Several { refs, more } => Verdict::Ignored(several(refs, *more)),
        Event::Push(_) if followers.is_empty() => {
            Verdict::Ignored("No project listens to this hook.".to_owned())
        }
        Event::Push(push) => Verdict::Projects(
            followers
                .iter()
                .map(|follower| ProjectDecision {
                    project: follower.project.clone(),
                    action: action(push, follower),
                })
                .collect(),
        ),
    }
}

fn several(refs: &[String], more: usize) -> String {
    let named = refs.join(", ");
    let rest = if more == 0 {
        String::new()
    } else {
        format!(" and {more} more")
    };
    format!("The push is to {named}{rest}, none of which the project deploys.")
}

fn action(push: &Push, follower: &Follower) -> Action {
    if push.ref_name != follower.ref_name {
        return Action::Skip(format!(
            "The push is to {}, the project deploys {}.",
            in_words(&push.ref_name),
            in_words(&follower.ref_name)
        ));
    }
    if follower.stopped {
        return Action::Skip("The project is stopped; deploy it by hand to start it again.".to_owned());
    }
    if follower.draining {
        return Action::Skip(
            "Its server is being drained, so nothing new is deployed there; replay this delivery when that is over."
                .to_owned(),
        );
    }
    if follower.last_head.as_ref() == Some(&push.after) {
        return Action::Skip(format!(
            "{} already is the last commit that was pushed.",
            push.after.short()
        ));
    }
    if let Some(marker) = &push.skip_marker {
        return Action::Skip(format!("The commit message says {marker}."));
    }
    match &push.files {
        Some(files) if !follower.path_filter.is_empty() && !any_matches(files, &follower.path_filter) => {
            Action::Skip("No changed file matches the project's path filter.".to_owned())
        }
        Some(_) | None => Action::Deploy,
    }
}

fn in_words(ref_name: &RefName) -> String {
    let kind = if ref_name.as_str().starts_with("refs/tags/") {
        "tag"
    } else {
        "branch"
    };
    format!("{kind} {}", ref_name.short())
}

fn any_matches(files: &[String], globs: &[String]) -> bool {
    files
        .iter()
        .any(|file| globs.iter().any(|glob| fast_glob::glob_match(glob, file)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use devflow_protocol::UnixMillis;

    fn sha(digit: &str) -> GitSha {
        digit.repeat(40).parse().expect("a commit")
    }

    fn push() -> Push {
        Push {
            ref_name: "refs/heads/main".parse().expect("a ref"),
            after: sha("2"),
            subject: "Fix".into(),
            author: "Ann".into(),
            skip_marker: None,
            files: Some(vec!["docs/readme.md".into(), "app/Models/Order.php".into()]),
        }
    }

    fn follower() -> Follower {
        Follower {
            project: ProjectId::new(UnixMillis(1), [1; 10]),
            ref_name: "refs/heads/main".parse().expect("a ref"),
            path_filter: vec![],
            last_head: Some(sha("1")),
            stopped: false,
            draining: false,
        }
    }

    fn decided(push: Push, follower: Follower) -> String {
        let verdict = decide(&Event::Push(push), &[follower]);
        format!("{} {}", verdict.deployments().count(), verdict.reason())
    }

    #[test]
    fn push_deploys_unless_a_rule_says_why_not() {
        let filter = |globs: &[&str]| Follower {
            path_filter: globs.iter().map(|glob| (*glob).to_owned()).collect(),
            ..follower()
        };
        let marked = Push {
            skip_marker: Some("[skip ci]".into()),
            ..push()
        };
        let tag = Push {
            ref_name: "refs/tags/main".parse().expect("a ref"),
            ..push()
        };
        let untrusted = Push {
            files: None,
            ..push()
        };
        let cases = [
            (push(), follower(), "1 A deployment was queued."),
            (
                push(),
                Follower {
                    last_head: None,
                    ..follower()
                },
                "1 A deployment was queued.",
            ),
            (
                push(),
                Follower {
                    last_head: Some(sha("2")),
                    ..follower()
                },
                "0 2222222 already is the last commit that was pushed.",
            ),
            (
                push(),
                Follower {
                    stopped: true,
                    ..follower()
                },
                "0 The project is stopped; deploy it by hand to start it again.",
            ),
            (
                push(),
                Follower {
                    draining: true,
                    ..follower()
                },
                "0 Its server is being drained, so nothing new is deployed there; replay this delivery when that is \
                 over.",
            ),
            (marked, follower(), "0 The commit message says [skip ci]."),
            (
                tag,
                follower(),
                "0 The push is to tag main, the project deploys branch main.",
            ),
            (push(), filter(&["app/**"]), "1 A deployment was queued."),
            (
                push(),
                filter(&["tests/**", "*.md"]),
                "0 No changed file matches the project's path filter.",
            ),
            (untrusted, filter(&["tests/**"]), "1 A deployment was queued."),
        ];
        for (push, follower, expected) in cases {
            assert_eq!(decided(push, follower), expected);
        }
    }

    #[test]
    fn forced_push_back_to_an_older_commit_deploys_again() {
        let back = Push {
            after: sha("1"),
            ..push()
        };
        assert_eq!(
            decided(
                back,
                Follower {
                    last_head: Some(sha("2")),
                    ..follower()
                }
            ),
            "1 A deployment was queued."
        );
    }

    #[test]
    fn everything_else_is_ignored_with_a_reason() {
        let reason = |event| decide(&event, &[follower()]).reason();
        assert_eq!(reason(Event::Ping), "The provider tried the hook out.");
        assert_eq!(
            reason(Event::Deleted {
                ref_name: "refs/heads/x".into()
            }),
            "refs/heads/x was deleted."
        );
        assert_eq!(
            reason(Event::Other {
                name: "issues".into()
            }),
            "`issues` is not an event that deploys."
        );
        assert_eq!(
            reason(Event::Several {
                refs: vec!["refs/heads/x".into(), "refs/tags/v1".into()],
                more: 3
            }),
            "The push is to refs/heads/x, refs/tags/v1 and 3 more, none of which the project deploys."
        );
        assert_eq!(
            decide(&Event::Push(push()), &[]).reason(),
            "No project listens to this hook."
        );
    }
}
