//! Pushes as Bitbucket Cloud, Gitea and Forgejo send them, with the fields of their documentation.

use super::{Hook, hmac_hex, unique_id};
use crate::git::Push;
use crate::http::{Answer, Client};
use anyhow::Result;
use serde_json::{Value, json};

/// Sends a push of several refs as Bitbucket Cloud does: one delivery tells of all.
pub fn send_bitbucket(hook: &Hook, pushes: &[Push]) -> Result<Answer> {
    let changes: Vec<Value> = pushes.iter().map(bitbucket_change).collect();
    let body = json!({
        "push": {"changes": changes},
        "repository": {"type": "repository", "full_name": "acme/shop", "scm": "git", "is_private": true},
        "actor": {"type": "user", "display_name": "Ada"},
    })
    .to_string();
    let (signature, id) = (hmac_hex(hook.secret.as_bytes(), body.as_bytes()), unique_id());
    let headers = [
        ("content-type", "application/json"),
        ("user-agent", "Bitbucket-Webhooks/2.0"),
        ("x-event-key", "repo:push"),
        ("x-hook-uuid", "0d7c3fd2-6e0f-4b5c-9f51-62d9ea3c6ee3"),
        ("x-request-uuid", &id),
        ("x-attempt-number", "1"),
        ("x-hub-signature", &format!("sha256={signature}")),
    ];
    Client::default().send("POST", &hook.url, &headers, Some(body.as_bytes()))
}

fn bitbucket_change(push: &Push) -> Value {
    let zeros = "0".repeat(40);
    let (kind, name) = match push.ref_name.strip_prefix("refs/tags/") {
        Some(name) => ("tag", name),
        None => ("branch", push.ref_name.trim_start_matches("refs/heads/")),
    };
    let state = |hash: &str| {
        if hash == zeros {
            return Value::Null;
        }
        json!({"type": kind, "name": name, "target": {
            "type": "commit", "hash": hash, "message": push.message, "date": "2026-01-01T12:00:00+00:00",
            "author": {"type": "author", "raw": "Ada <ada@example.com>", "user": {"display_name": "Ada"}},
            "parents": [{"type": "commit", "hash": push.before}],
        }})
    };
    json!({
        "old": state(&push.before), "new": state(&push.after), "created": push.before == zeros,
        "closed": push.after == zeros, "forced": push.forced, "truncated": false,
        "commits": [{"type": "commit", "hash": push.after, "message": push.message}],
    })
}

/// Sends a push as Gitea does, which carries GitHub's headers too, or as Forgejo, which carries all three.
pub fn send_gitea(hook: &Hook, push: &Push, forgejo: bool) -> Result<Answer> {
    let commit = json!({
        "id": push.after, "message": format!("{}\n", push.message), "timestamp": "2026-01-01T12:00:00Z",
        "author": {"name": "Ada", "email": "ada@example.com", "username": "ada"},
        "verification": null, "added": [], "removed": [], "modified": push.files,
    });
    let body = json!({
        "ref": push.ref_name, "before": push.before, "after": push.after, "total_commits": 1,
        "compare_url": "https://git.example.com/acme/shop/compare/a...b", "commits": [commit], "head_commit": commit,
        "repository": {"id": 1, "full_name": "acme/shop", "clone_url": "https://git.example.com/acme/shop.git"},
        "pusher": {"login": "ada"}, "sender": {"login": "ada"},
    })
    .to_string();
    let (signature, id) = (hmac_hex(hook.secret.as_bytes(), body.as_bytes()), unique_id());
    let github = format!("sha256={signature}");
    let mut headers = vec![
        ("content-type", "application/json"),
        ("x-gitea-event", "push"),
        ("x-gitea-delivery", &id),
        ("x-gitea-signature", &signature),
        ("x-github-event", "push"),
        ("x-github-delivery", &id),
        ("x-hub-signature-256", &github),
    ];
    if forgejo {
        headers.extend([
            ("x-forgejo-event", "push"),
            ("x-forgejo-delivery", id.as_str()),
            ("x-forgejo-signature", signature.as_str()),
        ]);
    }
    Client::default().send("POST", &hook.url, &headers, Some(body.as_bytes()))
}
