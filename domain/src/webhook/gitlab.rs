//! GitLab's bodies: <https://docs.gitlab.com/user/project/integrations/webhook_events/#push-events>.

use super::push::{RawPush, cut, is_zero};
use super::{Delivery, Event};
use serde::Deserialize;

#[derive(Deserialize)]
struct Body {
    #[serde(rename = "ref")]
    ref_name: String,
    before: String,
    after: String,
    checkout_sha: Option<String>,
    #[serde(default)]
    commits: Vec<Commit>,
    /// True even where the list of commits is cut at 20.
    total_commits_count: Option<usize>,
}

#[derive(Deserialize)]
struct Commit {
    id: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    author: Author,
    #[serde(default)]
    added: Vec<String>,
    #[serde(default)]
    modified: Vec<String>,
    #[serde(default)]
    removed: Vec<String>,
}

#[derive(Default, Deserialize)]
struct Author {
    #[serde(default)]
    name: String,
}

pub(super) fn read(delivery: Delivery<'_>) -> Result<Event, String> {
    let name = (delivery.header)("x-gitlab-event").unwrap_or_default();
    if !matches!(name.as_str(), "Push Hook" | "Tag Push Hook") {
        return Ok(Event::Other {
            name: cut(&name, 100),
        });
    }
    let body: Body = serde_json::from_slice(delivery.body).map_err(|error| error.to_string())?;
    if is_zero(&body.after) {
        return Ok(Event::Deleted {
            ref_name: cut(&body.ref_name, 250),
        });
    }
    // An annotated tag's `after` is the tag object; `checkout_sha` is the commit.
    let commit = body.checkout_sha.clone().unwrap_or_else(|| body.after.clone());
    let whole = body.total_commits_count == Some(body.commits.len()) && !body.commits.is_empty();
    let files = (whole && !is_zero(&body.before)).then(|| {
        let lists = body
            .commits
            .iter()
            .flat_map(|c| [&c.added, &c.modified, &c.removed]);
        lists.flatten().cloned().collect()
    });
    let head = body.commits.iter().find(|listed| listed.id == commit);
    RawPush {
        ref_name: body.ref_name,
        after: commit,
        message: head.map(|head| head.message.clone()).unwrap_or_default(),
        author: head.map(|head| head.author.name.clone()).unwrap_or_default(),
        files,
    }
    .into_event()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webhook::{Provider, Push};

    fn event(name: &str, body: &str) -> Result<Event, String> {
        let header = |wanted: &str| (wanted == "x-gitlab-event").then(|| name.to_owned());
        read(Delivery {
            provider: Provider::Gitlab,
            header: &header,
            body: body.as_bytes(),
        })
    }

    const PUSH: &str = r#"{"object_kind":"push","ref":"refs/heads/main","before":"1111111111111111111111111111111111111111",
        "after":"2222222222222222222222222222222222222222","checkout_sha":"2222222222222222222222222222222222222222",
        "commits":[{"id":"2222222222222222222222222222222222222222","message":"Fix","author":{"name":"Ann"},
        "added":[],"modified":["app/x.php"],"removed":[]}],"total_commits_count":1}"#;

    fn push(files: Option<Vec<String>>) -> Event {
        Event::Push(Push {
            ref_name: "refs/heads/main".parse().expect("a ref"),
            after: "2".repeat(40).parse().expect("a commit"),
            subject: "Fix".into(),
            author: "Ann".into(),
            skip_marker: None,
            files,
        })
    }

    #[test]
    fn push_is_read_and_a_cut_commit_list_is_not_trusted() {
        assert_eq!(event("Push Hook", PUSH), Ok(push(Some(vec!["app/x.php".into()]))));
        let cut_list = PUSH.replace("\"total_commits_count\":1", "\"total_commits_count\":21");
        assert_eq!(event("Push Hook", &cut_list), Ok(push(None)));
    }

    #[test]
    fn annotated_tag_deploys_its_commit() {
        let tag = PUSH.replace("refs/heads/main", "refs/tags/v1").replace(
            "\"after\":\"2222222222222222222222222222222222222222\"",
            "\"after\":\"3333333333333333333333333333333333333333\"",
        );
        let Ok(Event::Push(found)) = event("Tag Push Hook", &tag) else {
            panic!("a push")
        };
        assert_eq!(found.after.as_str(), "2".repeat(40));
    }

    #[test]
    fn deletion_and_other_events_are_named() {
        let deletion = r#"{"ref":"refs/heads/x","before":"1111111111111111111111111111111111111111",
            "after":"0000000000000000000000000000000000000000","checkout_sha":null,"commits":[],"total_commits_count":0}"#;
        assert_eq!(
            event("Push Hook", deletion),
            Ok(Event::Deleted {
                ref_name: "refs/heads/x".into()
            })
        );
        assert_eq!(
            event("Note Hook", "{}"),
            Ok(Event::Other {
                name: "Note Hook".into()
            })
        );
    }
}
