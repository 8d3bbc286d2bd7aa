//! Whatever bytes arrive, reading a webhook ends in an event or in an error, and what is kept of it stays small.

#[path = "checks/webhook.rs"]
mod webhook;

use devflow_domain::webhook::Provider;
use proptest::prelude::*;
use webhook::read_or_refused;

const BODIES: [&str; 5] = [
    include_str!("../../fuzz/corpus/webhook/github.json"),
    include_str!("../../fuzz/corpus/webhook/gitlab.json"),
    include_str!("../../fuzz/corpus/webhook/bitbucket.json"),
    include_str!("../../fuzz/corpus/webhook/gitea.json"),
    include_str!("../../fuzz/corpus/webhook/generic.json"),
];

fn provider() -> impl Strategy<Value = Provider> {
    prop::sample::select(Provider::ALL.to_vec())
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(provider in provider(), body in prop::collection::vec(any::<u8>(), 0..300)) {
        read_or_refused(provider, &body);
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
        read_or_refused(provider, &bytes);
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
        read_or_refused(provider, body.to_string().as_bytes());
    }
}
