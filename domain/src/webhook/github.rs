//! GitHub's bodies: <https://docs.github.com/en/webhooks/webhook-events-and-payloads#push>.

use super::push::{RawPush, cut, is_zero};
use super::{Delivery, Event};
use serde::Deserialize;

/// GitHub lists at most this many commits of a push.
const COMMITS_LISTED: usize = 2048;

/// A push as GitHub, Gitea and Forgejo tell it.
#[derive(Deserialize)]
pub(super) struct Body {
    #[serde(rename = "ref")]
    ref_name: String,
    before: String,
    after: String,
    #[serde(default)]
    deleted: bool,
    #[serde(default)]
    forced: bool,
    head_commit: Option<Commit>,
    #[serde(default)]
    pub(super) commits: Vec<Commit>,
    /// Gitea's: the true number, also where `commits` is cut.
    pub(super) total_commits: Option<usize>,
}

#[derive(Default, Deserialize)]
pub(super) struct Commit {
    #[serde(default)]
    id: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    author: Author,
    added: Option<Vec<String>>,
    removed: Option<Vec<String>>,
    modified: Option<Vec<String>>,
}

#[derive(Default, Deserialize)]
struct Author {
    #[serde(default)]
    name: String,
}

pub(super) fn read(delivery: Delivery<'_>) -> Result<Event, String> {
    let name = (delivery.header)("x-github-event").unwrap_or_default();
    match name.as_str() {
        "ping" => return Ok(Event::Ping),
        "push" => {}
        _ => {
            return Ok(Event::Other {
                name: cut(&name, 100),
            });
        }
    }
    let form = (delivery.header)("content-type")
        .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    let body: Body = if form {
        let (_, payload) = form_urlencoded::parse(delivery.body)
            .find(|(key, _)| key == "payload")
            .ok_or("the form has no field `payload`")?;
        serde_json::from_str(&payload)
    } else {
        serde_json::from_slice(delivery.body)
    }
    .map_err(|error| error.to_string())?;
    let whole = body.commits.len() < COMMITS_LISTED;
    body.into_event(whole)
}

impl Body {
    /// The event; `whole` says that the list of commits is not cut.
    pub(super) fn into_event(self, whole: bool) -> Result<Event, String> {
        if self.deleted || is_zero(&self.after) {
            return Ok(Event::Deleted {
                ref_name: cut(&self.ref_name, 250),
            });
        }
        let files = self.changed_files().filter(|_| whole);
        let head = self.head_commit.unwrap_or_default();
        // An annotated tag's `after` is the tag object; the head commit is what is deployed.
        let is_tag = self.ref_name.starts_with("refs/tags/") && !head.id.is_empty();
        RawPush {
            ref_name: self.ref_name,
            after: if is_tag { head.id } else { self.after },
            author: head.author.name,
            message: head.message,
            files,
        }
        .into_event()
    }

    fn changed_files(&self) -> Option<Vec<String>> {
        if is_zero(&self.before) || self.forced || self.commits.is_empty() {
            return None;
        }
        let mut files = Vec::new();
        for commit in &self.commits {
            for list in [&commit.added, &commit.removed, &commit.modified] {
                files.extend_from_slice(list.as_ref()?);
            }
        }
        Some(files)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webhook::{Provider, Push};

    fn event(name: &str, content_type: &str, body: &[u8]) -> Result<Event, String> {
        let header = |wanted: &str| match wanted {
            "x-github-event" => Some(name.to_owned()),
            "content-type" => Some(content_type.to_owned()),
            _ => None,
        };
        read(Delivery {
            provider: Provider::Github,
            header: &header,
            body,
        })
    }

    const PUSH: &str = r#"{"ref":"refs/heads/feature/cart","before":"1111111111111111111111111111111111111111",
        "after":"2222222222222222222222222222222222222222","deleted":false,"forced":false,
        "head_commit":{"message":"Cart\n\nbody","author":{"name":"Ann"},"added":["b"],"removed":[],"modified":["a"]},
        "commits":[{"message":"Cart","added":["b"],"removed":[],"modified":["a"]}],"repository":{"full_name":"acme/shop"}}"#;

    fn push(files: Option<Vec<String>>) -> Event {
        Event::Push(Push {
            ref_name: "refs/heads/feature/cart".parse().expect("a ref"),
            after: "2".repeat(40).parse().expect("a commit"),
            subject: "Cart".into(),
            author: "Ann".into(),
            skip_marker: None,
            files,
        })
    }

    #[test]
    fn push_is_read_from_json_and_from_a_form() {
        let expected = push(Some(vec!["a".into(), "b".into()]));
        assert_eq!(
            event("push", "application/json", PUSH.as_bytes()).as_ref(),
            Ok(&expected)
        );
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("payload", PUSH)
            .finish();
        assert_eq!(
            event("push", "application/x-www-form-urlencoded", form.as_bytes()).as_ref(),
            Ok(&expected)
        );
    }

    #[test]
    fn file_list_is_not_trusted_for_new_branches_and_forced_pushes() {
        let new_branch = PUSH.replace(&"1".repeat(40), &"0".repeat(40));
        let forced = PUSH.replace("\"forced\":false", "\"forced\":true");
        for body in [new_branch, forced] {
            assert_eq!(event("push", "application/json", body.as_bytes()), Ok(push(None)));
        }
    }

    #[test]
    fn annotated_tag_deploys_its_commit() {
        let (object, commit) = ("2".repeat(40), "3".repeat(40));
        let head = format!("\"head_commit\":{{\"id\":\"{commit}\",");
        let tag = PUSH
            .replace("refs/heads/feature/cart", "refs/tags/v1")
            .replace("\"head_commit\":{", &head);
        assert!(tag.contains(&object));
        let Ok(Event::Push(found)) = event("push", "application/json", tag.as_bytes()) else {
            panic!("a push")
        };
        assert_eq!(found.after.as_str(), commit);
        // A branch is where it says it is.
        let branch = PUSH.replace("\"head_commit\":{", &head);
        let Ok(Event::Push(found)) = event("push", "application/json", branch.as_bytes()) else {
            panic!("a push")
        };
        assert_eq!(found.after.as_str(), object);
    }

    #[test]
    fn deletions_pings_and_other_events_are_named() {
        let deleted = PUSH
            .replace(&"2".repeat(40), &"0".repeat(40))
            .replace("\"deleted\":false", "\"deleted\":true");
        let deleted_event = Event::Deleted {
            ref_name: "refs/heads/feature/cart".into(),
        };
        assert_eq!(event("push", "", deleted.as_bytes()), Ok(deleted_event));
        assert_eq!(event("ping", "", b"{}"), Ok(Event::Ping));
        assert_eq!(
            event("issues", "", b"{}"),
            Ok(Event::Other {
                name: "issues".into()
            })
        );
    }

    #[test]
    fn broken_bodies_are_errors() {
        for body in [
            "",
            "{",
            "[]",
            "{\"ref\":1}",
            "{\"ref\":\"refs/heads/x\",\"before\":\"\",\"after\":\"zz\"}",
        ] {
            assert!(
                event("push", "application/json", body.as_bytes()).is_err(),
                "{body}"
            );
        }
        assert!(event("push", "application/x-www-form-urlencoded", b"x=1").is_err());
    }
}
