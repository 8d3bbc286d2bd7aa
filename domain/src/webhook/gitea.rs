//! Gitea's and Forgejo's bodies, which are GitHub's with differences:
//! <https://docs.gitea.com/usage/webhooks#event-information>.
//!
//! The list of commits is cut at what the feed shows (5 unless configured), and a body does not say that a push was
//! forced. A forced push that leaves nothing but dropped commits lists none, and is not filtered by paths.

use super::github::Body;
use super::push::cut;
use super::{Delivery, Event};
use serde::Deserialize;

/// `delete`: the name alone, and what it is.
#[derive(Deserialize)]
struct Deletion {
    #[serde(rename = "ref")]
    name: String,
    ref_type: String,
}

pub(super) fn read(delivery: Delivery<'_>) -> Result<Event, String> {
    let header = delivery.header;
    let name = header("x-gitea-event")
        .or_else(|| header("x-forgejo-event"))
        .unwrap_or_default();
    match name.as_str() {
        "push" => {
            let body: Body = serde_json::from_slice(delivery.body).map_err(|error| error.to_string())?;
            let whole = body.total_commits == Some(body.commits.len());
            body.into_event(whole)
        }
        "delete" => {
            let deletion: Deletion =
                serde_json::from_slice(delivery.body).map_err(|error| error.to_string())?;
            let folder = if deletion.ref_type == "tag" {
                "tags"
            } else {
                "heads"
            };
            // Newer versions write the whole name.
            let short = deletion.name.strip_prefix(&format!("refs/{folder}/"));
            let short = short.unwrap_or(&deletion.name);
            let ref_name = cut(&format!("refs/{folder}/{short}"), 250);
            Ok(Event::Deleted { ref_name })
        }
        other => Ok(Event::Other {
            name: cut(other, 100),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webhook::Provider;

    fn event(header_name: &str, name: &str, body: &str) -> Result<Event, String> {
        let header = |wanted: &str| (wanted == header_name).then(|| name.to_owned());
        read(Delivery {
            provider: Provider::Gitea,
            header: &header,
            body: body.as_bytes(),
        })
    }

    const PUSH: &str = r#"{"ref":"refs/heads/main","before":"1111111111111111111111111111111111111111",
        "after":"2222222222222222222222222222222222222222","compare_url":"https://git.example.com/c","total_commits":1,
        "commits":[{"id":"2222222222222222222222222222222222222222","message":"Fix\n","author":{"name":"Ann"},
        "added":[],"removed":null,"modified":["app/x.php"]}],
        "head_commit":{"id":"2222222222222222222222222222222222222222","message":"Fix\n","author":{"name":"Ann"},
        "added":[],"removed":[],"modified":["app/x.php"]},"repository":{"full_name":"acme/shop"}}"#;

    fn files(event: Result<Event, String>) -> Option<Vec<String>> {
        match event {
            Ok(Event::Push(push)) => push.files,
            other => panic!("a push, not {other:?}"),
        }
    }

    #[test]
    fn push_is_read_by_either_name_and_a_cut_commit_list_is_not_trusted() {
        let listed = PUSH.replace("\"removed\":null", "\"removed\":[]");
        let expected = Some(vec!["app/x.php".to_owned()]);
        assert_eq!(files(event("x-gitea-event", "push", &listed)), expected);
        assert_eq!(files(event("x-forgejo-event", "push", &listed)), expected);
        assert_eq!(files(event("x-gitea-event", "push", PUSH)), None);
        let cut = listed.replace("\"total_commits\":1", "\"total_commits\":7");
        assert_eq!(files(event("x-gitea-event", "push", &cut)), None);
        let older = listed.replace("\"total_commits\":1,", "");
        assert_eq!(files(event("x-gitea-event", "push", &older)), None);
    }

    #[test]
    fn annotated_tag_deploys_its_commit() {
        let object = "\"after\":\"3333333333333333333333333333333333333333\"";
        let tag = PUSH
            .replace("refs/heads/main", "refs/tags/v1")
            .replace("\"after\":\"2222222222222222222222222222222222222222\"", object);
        let Ok(Event::Push(push)) = event("x-gitea-event", "push", &tag) else {
            panic!("a push")
        };
        assert_eq!(push.after.as_str(), "2".repeat(40));
    }

    #[test]
    fn deletions_are_read_from_both_events_and_others_are_named() {
        let deleted = |name: &str| {
            Ok(Event::Deleted {
                ref_name: name.to_owned(),
            })
        };
        let push = PUSH.replace(
            "\"after\":\"2222222222222222222222222222222222222222\"",
            "\"after\":\"0000000000000000000000000000000000000000\"",
        );
        assert_eq!(event("x-gitea-event", "push", &push), deleted("refs/heads/main"));
        let branch = r#"{"ref":"old/x","ref_type":"branch","pusher_type":"user"}"#;
        assert_eq!(
            event("x-gitea-event", "delete", branch),
            deleted("refs/heads/old/x")
        );
        let tag = r#"{"ref":"refs/tags/v1","ref_type":"tag"}"#;
        assert_eq!(event("x-gitea-event", "delete", tag), deleted("refs/tags/v1"));
        let other = Event::Other {
            name: "issues".into(),
        };
        assert_eq!(event("x-gitea-event", "issues", "{}"), Ok(other));
    }
}
