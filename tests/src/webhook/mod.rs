//! What Git providers send: bodies as theirs, signed as theirs.

mod hosts;

pub use hosts::{send_bitbucket, send_gitea};

use crate::git::Push;
use crate::http::{Answer, Client};
use anyhow::Result;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use std::time::{SystemTime, UNIX_EPOCH};

/// A project's hook, as the API shows it.
#[derive(Clone, Debug)]
pub struct Hook {
    /// Where deliveries go.
    pub url: String,
    /// The shared secret.
    pub secret: String,
}

/// A delivery as GitHub would make it.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// `X-GitHub-Event`.
    pub event: String,
    /// `X-GitHub-Delivery`.
    pub id: String,
    /// The raw body.
    pub body: Vec<u8>,
}

impl Delivery {
    /// GitHub's `push` event of a pushed commit.
    pub fn push(push: &Push) -> Self {
        Self::new("push", &push_body(push))
    }

    /// An event with a fresh delivery id.
    pub fn new(event: &str, body: &Value) -> Self {
        Self {
            event: event.to_owned(),
            id: unique_id(),
            body: body.to_string().into_bytes(),
        }
    }

    /// Sends it, signed with the hook's secret.
    pub fn send(&self, hook: &Hook) -> Result<Answer> {
        self.send_signed(
            hook,
            &format!("sha256={}", hmac_hex(hook.secret.as_bytes(), &self.body)),
        )
    }

    /// Sends it with any signature.
    pub fn send_signed(&self, hook: &Hook, signature: &str) -> Result<Answer> {
        let headers = [
            ("content-type", "application/json"),
            ("user-agent", "GitHub-Hookshot/0000000"),
            ("x-github-event", self.event.as_str()),
            ("x-github-delivery", self.id.as_str()),
            ("x-hub-signature-256", signature),
        ];
        Client::default().send("POST", &hook.url, &headers, Some(&self.body))
    }
}

/// Sends a push as GitLab before 19.0 does: the secret itself in a header.
pub fn send_gitlab_token(hook: &Hook, push: &Push) -> Result<Answer> {
    let body = json!({
        "object_kind": "push", "event_name": "push", "ref": push.ref_name, "before": push.before, "after": push.after,
        "checkout_sha": push.after, "total_commits_count": 1,
        "project": {"path_with_namespace": "acme/shop", "git_http_url": "https://gitlab.example.com/acme/shop.git"},
        "commits": [{"id": push.after, "message": push.message, "author": {"name": "Ada"}, "added": push.files, "modified": [], "removed": []}],
    });
    let id = unique_id();
    let headers = [
        ("content-type", "application/json"),
        ("x-gitlab-event", "Push Hook"),
        ("x-gitlab-token", hook.secret.as_str()),
        ("idempotency-key", id.as_str()),
    ];
    Client::default().send("POST", &hook.url, &headers, Some(body.to_string().as_bytes()))
}

/// Sends `{ref, sha}` as a CI system would, signed by Standard Webhooks.
pub fn send_generic(hook: &Hook, push: &Push) -> Result<Answer> {
    let body = json!({"ref": push.ref_name, "sha": push.after}).to_string();
    let id = unique_id();
    let at = SystemTime::now()
        .duration_since(UNIX_EPOCH)?
        .as_secs()
        .to_string();
    let key = hook.secret.strip_prefix("whsec_").map_or_else(
        || Ok(hook.secret.clone().into_bytes()),
        |encoded| BASE64_STANDARD.decode(encoded),
    )?;
    let signature = format!(
        "v1,{}",
        BASE64_STANDARD.encode(hmac(&key, format!("{id}.{at}.{body}").as_bytes()))
    );
    let headers = [
        ("content-type", "application/json"),
        ("webhook-id", id.as_str()),
        ("webhook-timestamp", at.as_str()),
        ("webhook-signature", signature.as_str()),
    ];
    Client::default().send("POST", &hook.url, &headers, Some(body.as_bytes()))
}

/// The body of GitHub's `push` event, as far as anyone reads it.
pub fn push_body(push: &Push) -> Value {
    let zeros = "0".repeat(40);
    json!({
        "ref": push.ref_name,
        "before": push.before,
        "after": push.after,
        "created": push.before == zeros,
        "deleted": push.after == zeros,
        "forced": push.forced,
        "repository": {"full_name": "acme/shop", "clone_url": "https://github.example.com/acme/shop.git", "default_branch": "main"},
        "pusher": {"name": "ada", "email": "ada@example.com"},
        "head_commit": if push.after == zeros { Value::Null } else { commit(push) },
        "commits": if push.after == zeros { json!([]) } else { json!([commit(push)]) },
    })
}

fn commit(push: &Push) -> Value {
    json!({
        "id": push.after, "message": push.message, "timestamp": "2026-01-01T12:00:00Z",
        "author": {"name": "Ada", "email": "ada@example.com", "username": "ada"},
        "added": [], "removed": [], "modified": push.files,
    })
}

fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

/// HMAC-SHA256 in hex, as GitHub signs.
pub fn hmac_hex(key: &[u8], message: &[u8]) -> String {
    hex::encode(hmac(key, message))
}

fn unique_id() -> String {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    let text = hex::encode(bytes);
    format!(
        "{}-{}-{}-{}-{}",
        &text[..8],
        &text[8..12],
        &text[12..16],
        &text[16..20],
        &text[20..]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signature_of_githubs_documented_example_is_as_documented() {
        assert_eq!(
            hmac_hex(b"It's a Secret to Everybody", b"Hello, World!"),
            "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
        );
    }
}
