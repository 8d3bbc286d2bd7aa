//! Whatever bytes arrive, reading a webhook ends in an event or in an error, and what is kept of it stays small.

use devflow_domain::webhook::{Delivery, Event, Provider, concerning, decide, read};
use devflow_protocol::limits::DELIVERY_EVENT_BYTES;
use proptest::prelude::*;

const BODIES: [&str; 5] = [
    r#"{"ref":"refs/heads/main","before":"1111111111111111111111111111111111111111",
        "after":"2222222222222222222222222222222222222222","head_commit":{"message":"Cart","author":{"name":"Ann"}},
        "commits":[{"added":["b"],"removed":[],"modified":["a"]}]}"#,
    r#"{"ref":"refs/tags/v1","before":"1111111111111111111111111111111111111111",
        "after":"2222222222222222222222222222222222222222","checkout_sha":null,"commits":[],"total_commits_count":0}"#,
    r#"{"push":{"changes":[{"new":{"type":"branch","name":"main","target":{"hash":"2222222222222222222222222222222222222222",
        "message":"Cart","author":{"raw":"Ann <a@example.com>"}}},"old":null},{"new":null,"old":null}]}}"#,
    r#"{"ref":"refs/heads/main","before":"1111111111111111111111111111111111111111","total_commits":1,
        "after":"2222222222222222222222222222222222222222","head_commit":{"id":"2222222222222222222222222222222222222222"},
        "commits":[{"added":["b"],"removed":[],"modified":["a"]}]}"#,
    r#"{"ref":"refs/heads/main","sha":"2222222222222222222222222222222222222222","files":["a"]}"#,
];

fn event_name(provider: Provider) -> (&'static str, &'static str) {
    match provider {
        Provider::Github => ("x-github-event", "push"),
        Provider::Gitlab => ("x-gitlab-event", "Push Hook"),
        Provider::Bitbucket => ("x-event-key", "repo:push"),
        Provider::Gitea => ("x-gitea-event", "push"),
        Provider::Generic => ("x-devflow-event", "push"),
    }
}

fn check(provider: Provider, body: &[u8]) {
    let (name, value) = event_name(provider);
    let header = |wanted: &str| (wanted == name).then(|| value.to_owned());
    if let Ok(events) = read(Delivery {
        provider,
        header: &header,
        body,
    }) {
        let event = concerning(events, &"refs/heads/main".parse().expect("a ref"));
        let kept = serde_json::to_vec(&event).expect("an event is JSON");
        assert!(kept.len() <= DELIVERY_EVENT_BYTES, "{} bytes", kept.len());
        assert_eq!(
            serde_json::from_slice::<Event>(&kept).expect("reads what it wrote"),
            event
        );
        assert!(!decide(&event, &[]).reason().is_empty());
    }
}

fn provider() -> impl Strategy<Value = Provider> {
    prop::sample::select(Provider::ALL.to_vec())
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(provider in provider(), body in prop::collection::vec(any::<u8>(), 0..300)) {
        check(provider, &body);
    }

    #[test]
    fn damaged_bodies_are_read_or_refused(
        provider in provider(),
        body in prop::sample::select(BODIES.to_vec()),
        at in any::<prop::sample::Index>(),
        put in "\\PC{0,6}",
        cut in 0_usize..8,
    ) {
        let at = at.index(body.len());
        let mut bytes = body.as_bytes().to_vec();
        bytes.splice(at..(at + cut).min(bytes.len()), put.bytes());
        check(provider, &bytes);
    }

    #[test]
    fn long_texts_are_cut_to_what_is_kept(
        provider in provider(),
        message in "\\PC{0,600}",
        files in prop::collection::vec("[a-z\"\\\\/\u{1}]{1,80}", 0..120),
    ) {
        let sha = "2".repeat(40);
        let commit = serde_json::json!({"id": sha, "message": message, "author": {"name": message},
            "added": files, "modified": [], "removed": []});
        let body = match provider {
            Provider::Generic => serde_json::json!({"ref": "refs/heads/main", "sha": sha, "message": message,
                "author": message, "files": files}),
            Provider::Bitbucket => serde_json::json!({"push": {"changes": files.iter().map(|name| serde_json::json!({
                "new": {"type": "branch", "name": name, "target": {"hash": sha, "message": message,
                "author": {"raw": message}}}})).collect::<Vec<_>>()}}),
            Provider::Github | Provider::Gitlab | Provider::Gitea => serde_json::json!({"ref": "refs/heads/main", "before": "1".repeat(40),
                "after": sha, "head_commit": commit, "commits": [commit], "total_commits_count": 1}),
        };
        check(provider, body.to_string().as_bytes());
    }
}
