//! Bitbucket Cloud's bodies: <https://support.atlassian.com/bitbucket-cloud/docs/event-payloads/#Push>.
//!
//! One push may move several refs, and a body never lists files, so a path filter lets all of them through.

use super::push::{RawPush, cut};
use super::{Delivery, Event};
use serde::Deserialize;

#[derive(Deserialize)]
struct Body {
    push: Changes,
}

#[derive(Deserialize)]
struct Changes {
    changes: Vec<Change>,
}

/// `new` is null where the ref was deleted, `old` where it was made.
#[derive(Deserialize)]
struct Change {
    new: Option<Ref>,
    old: Option<Ref>,
}

#[derive(Deserialize)]
struct Ref {
    #[serde(rename = "type")]
    kind: String,
    name: String,
    target: Target,
}

impl Ref {
    fn whole_name(&self) -> String {
        let folder = match self.kind.as_str() {
            "branch" => "heads",
            "tag" | "annotated_tag" => "tags",
            other => other,
        };
        format!("refs/{folder}/{}", self.name)
    }
}

/// The commit, also where the ref is an annotated tag.
#[derive(Deserialize)]
struct Target {
    hash: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    author: Author,
}

#[derive(Default, Deserialize)]
struct Author {
    /// `Name <address>`
    #[serde(default)]
    raw: String,
}

pub(super) fn read(delivery: Delivery<'_>) -> Result<Vec<Event>, String> {
    let name = (delivery.header)("x-event-key").unwrap_or_default();
    if name != "repo:push" {
        let name = cut(&name, 100);
        return Ok(vec![Event::Other { name }]);
    }
    let body: Body = serde_json::from_slice(delivery.body).map_err(|error| error.to_string())?;
    body.push.changes.into_iter().filter_map(event).collect()
}

/// A change of nothing to nothing says nothing.
fn event(change: Change) -> Option<Result<Event, String>> {
    let Some(new) = change.new else {
        let ref_name = cut(&change.old?.whole_name(), 250);
        return Some(Ok(Event::Deleted { ref_name }));
    };
    let author = new.target.author.raw.split('<').next().unwrap_or_default();
    let push = RawPush {
        ref_name: new.whole_name(),
        author: author.trim().to_owned(),
        after: new.target.hash,
        message: new.target.message,
        files: None,
    };
    Some(push.into_event())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webhook::{Provider, Push};
    use serde_json::{Value, json};

    fn events(name: &str, body: &Value) -> Result<Vec<Event>, String> {
        let header = |wanted: &str| (wanted == "x-event-key").then(|| name.to_owned());
        let body = body.to_string();
        read(Delivery {
            provider: Provider::Bitbucket,
            header: &header,
            body: body.as_bytes(),
        })
    }

    fn reference(kind: &str, name: &str, digit: &str) -> Value {
        json!({"type": kind, "name": name, "target": {"type": "commit", "hash": digit.repeat(40),
            "message": "Fix\n\nbody", "author": {"type": "author", "raw": "Ann Lee <ann@example.com>"}}})
    }

    fn push(ref_name: &str, digit: &str) -> Event {
        Event::Push(Push {
            ref_name: ref_name.parse().expect("a ref"),
            after: digit.repeat(40).parse().expect("a commit"),
            subject: "Fix".into(),
            author: "Ann Lee".into(),
            skip_marker: None,
            files: None,
        })
    }

    #[test]
    fn push_of_several_refs_is_one_event_for_each() {
        let body = json!({"actor": {"display_name": "Ann"}, "push": {"changes": [
            {"new": reference("branch", "feature/cart", "2"), "old": reference("branch", "feature/cart", "1"), "forced": true},
            {"new": reference("tag", "v1", "3"), "old": null, "created": true},
            {"new": null, "old": reference("branch", "old", "4"), "closed": true},
            {"new": reference("bookmark", "main", "5"), "old": null},
            {"new": null, "old": null},
        ]}});
        let expected = vec![
            push("refs/heads/feature/cart", "2"),
            push("refs/tags/v1", "3"),
            Event::Deleted {
                ref_name: "refs/heads/old".into(),
            },
            Event::Other {
                name: "push to refs/bookmark/main".into(),
            },
        ];
        assert_eq!(events("repo:push", &body), Ok(expected));
    }

    #[test]
    fn other_events_are_named_and_broken_bodies_are_errors() {
        let other = Event::Other {
            name: "pullrequest:created".into(),
        };
        assert_eq!(events("pullrequest:created", &json!({})), Ok(vec![other]));
        for body in [
            json!({}),
            json!({"push": {}}),
            json!({"push": {"changes": [{"new": {"type": "branch", "name": "main"}}]}}),
            json!({"push": {"changes": [{"new": reference("branch", "main", "zz")}]}}),
        ] {
            assert!(events("repo:push", &body).is_err(), "{body}");
        }
    }
}
