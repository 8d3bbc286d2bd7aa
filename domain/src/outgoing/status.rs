//! Commit statuses: one request that puts beside a commit, at its Git provider, whether it is live. Sources: GitHub
//! <https://docs.github.com/en/rest/commits/statuses>, GitLab
//! <https://docs.gitlab.com/api/commits/#set-commit-pipeline-status>, Bitbucket Cloud
//! <https://developer.atlassian.com/cloud/bitbucket/rest/api-group-commit-statuses>, Gitea and Forgejo `/api/swagger`
//! (`POST /repos/{owner}/{repo}/statuses/{sha}`).

use super::message::Deployment;
use super::{Event, one_line};
use crate::webhook::Provider;
use serde_json::{Value, json};

/// The shortest of the providers' limits of a description: GitHub's, in characters.
const DESCRIPTION_CHARS: usize = 140;

/// Where a project's commits are.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Whose API it is.
    pub provider: Provider,
    /// The root of the API, such as `https://api.github.com`, without a slash at its end.
    pub root: &'a str,
    /// The repository's path there, such as `acme/shop`.
    pub repository: &'a str,
    /// What may set statuses.
    pub token: &'a str,
}

/// A request to a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The address.
    pub url: String,
    /// Headers beside `content-type` and `user-agent`.
    pub headers: Vec<(&'static str, String)>,
    /// JSON.
    pub body: String,
}

/// The root of the API of a provider for repositories on `host`. None where a provider has none that is known.
pub fn api_root(provider: Provider, host: &str) -> Option<String> {
    match provider {
        Provider::Github if host == "github.com" => Some("https://api.github.com".to_owned()),
        Provider::Github => Some(format!("https://{host}/api/v3")),
        Provider::Gitlab => Some(format!("https://{host}/api/v4")),
        Provider::Bitbucket => Some("https://api.bitbucket.org/2.0".to_owned()),
        Provider::Gitea => Some(format!("https://{host}/api/v1")),
        Provider::Generic => None,
    }
}

/// The request that tells of a deployment; None where there is nothing to say it of: no commit, or a provider without
/// statuses. `origin` is the address of the dashboard.
pub fn request(event: Event, told: &Deployment<'_>, place: Place<'_>, origin: &str) -> Option<Request> {
    let commit = told.commit?;
    // A segment of dots would lead elsewhere in the API.
    if place
        .repository
        .split('/')
        .any(|part| matches!(part, "" | "." | ".."))
    {
        return None;
    }
    let name = format!("devflow/{}", told.project.slug);
    let link = format!("{origin}/deployments/{}", told.id);
    let words = description(event, told);
    let state = state(place.provider, event)?;
    let (root, path) = (place.root, place.repository);
    let (url, headers, body): (String, Vec<(&'static str, String)>, Value) = match place.provider {
        Provider::Github => (
            format!("{root}/repos/{}/statuses/{commit}", encoded(path, true)),
            vec![
                ("accept", "application/vnd.github+json".to_owned()),
                ("authorization", format!("Bearer {}", place.token)),
                ("x-github-api-version", "2022-11-28".to_owned()),
            ],
            json!({"state": state, "target_url": link, "description": words, "context": name}),
        ),
        Provider::Gitlab => (
            format!("{root}/projects/{}/statuses/{commit}", encoded(path, false)),
            vec![("private-token", place.token.to_owned())],
            json!({"state": state, "target_url": link, "description": words, "name": name, "ref": short(told.ref_name)}),
        ),
        // The key is what a later status replaces; it may have 40 characters.
        Provider::Bitbucket => (
            format!(
                "{root}/repositories/{}/commit/{commit}/statuses/build",
                encoded(path, true)
            ),
            vec![("authorization", format!("Bearer {}", place.token))],
            json!({"key": format!("devflow-{}", told.project.slug), "state": state, "name": name, "url": link,
                "description": words}),
        ),
        Provider::Gitea => (
            format!("{root}/repos/{}/statuses/{commit}", encoded(path, true)),
            vec![("authorization", format!("token {}", place.token))],
            json!({"state": state, "target_url": link, "description": words, "context": name}),
        ),
        Provider::Generic => return None,
    };
    Some(Request {
        url,
        headers,
        body: body.to_string(),
    })
}

/// True for the refusal by which GitLab says that the status is what it is to be already: a message may come twice.
pub fn is_set_already(provider: Provider, status: u16, said: &str) -> bool {
    provider == Provider::Gitlab && status == 400 && said.contains("Cannot transition status")
}

/// What a provider calls how a deployment stands.
fn state(provider: Provider, event: Event) -> Option<&'static str> {
    let [pending, success, failure, ended] = match provider {
        Provider::Github => ["pending", "success", "failure", "error"],
        Provider::Gitlab => ["pending", "success", "failed", "canceled"],
        Provider::Bitbucket => ["INPROGRESS", "SUCCESSFUL", "FAILED", "STOPPED"],
        Provider::Gitea => ["pending", "success", "failure", "warning"],
        Provider::Generic => return None,
    };
    match event {
        Event::Queued | Event::Started => Some(pending),
        Event::Live | Event::Recovered => Some(success),
        Event::Failed | Event::RolledBack => Some(failure),
        Event::Cancelled | Event::Superseded => Some(ended),
        Event::Test => None,
    }
}

fn description(event: Event, told: &Deployment<'_>) -> String {
    let why = |words: &str| match told.reason {
        Some(reason) => format!("{words}: {reason}"),
        None => words.to_owned(),
    };
    let text = match event {
        Event::Test => "Test".to_owned(),
        Event::Queued | Event::Started => "Is being deployed".to_owned(),
        Event::Live | Event::Recovered => "Is live".to_owned(),
        Event::Failed => why("Was not deployed"),
        Event::RolledBack => why("Was taken back"),
        Event::Cancelled => "The deployment was cancelled".to_owned(),
        Event::Superseded => "A newer commit took its place".to_owned(),
    };
    let line = one_line(&text);
    if line.chars().count() <= DESCRIPTION_CHARS {
        return line;
    }
    let cut: String = line.chars().take(DESCRIPTION_CHARS - 1).collect();
    cut + "…"
}

/// A branch or tag by its short name.
fn short(ref_name: &str) -> &str {
    let name = ref_name.strip_prefix("refs/heads/");
    name.or_else(|| ref_name.strip_prefix("refs/tags/"))
        .unwrap_or(ref_name)
}

/// A path, percent-encoded; slashes stay where they part it.
fn encoded(path: &str, slashes: bool) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                text.push(char::from(byte));
            }
            b'/' if slashes => text.push('/'),
            _ => write!(text, "%{byte:02X}").expect("a text takes more"),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outgoing::message::sample;

    const COMMIT: &str = "4f2a91c0000000000000000000000000000000aa";

    fn told(reason: Option<&str>) -> Deployment<'_> {
        Deployment {
            ref_name: "refs/heads/feature/x",
            commit: Some(COMMIT),
            subject: None,
            author: None,
            reason,
            ..sample()
        }
    }

    fn made(
        provider: Provider,
        repository: &str,
        event: Event,
    ) -> (String, Vec<(&'static str, String)>, Value) {
        let host = "git.example.com";
        let root = api_root(provider, host).expect("a root");
        let place = Place {
            provider,
            root: &root,
            repository,
            token: "t0ken",
        };
        let request = request(event, &told(None), place, "https://devflow.test").expect("a request");
        (
            request.url,
            request.headers,
            serde_json::from_str(&request.body).expect("JSON"),
        )
    }

    #[test]
    fn requests_are_what_each_provider_documents() {
        let link = "https://devflow.test/deployments/dep_1";
        assert_eq!(
            api_root(Provider::Github, "github.com").as_deref(),
            Some("https://api.github.com")
        );
        let (url, headers, body) = made(Provider::Github, "acme/shop", Event::Live);
        assert_eq!(
            url,
            format!("https://git.example.com/api/v3/repos/acme/shop/statuses/{COMMIT}")
        );
        assert_eq!(headers[0], ("accept", "application/vnd.github+json".to_owned()));
        assert_eq!(headers[1], ("authorization", "Bearer t0ken".to_owned()));
        let expected = json!({"state": "success", "target_url": link, "description": "Is live", "context": "devflow/shop"});
        assert_eq!(body, expected);
        let (url, headers, body) = made(Provider::Gitlab, "acme/web/shop", Event::Failed);
        assert_eq!(
            url,
            format!("https://git.example.com/api/v4/projects/acme%2Fweb%2Fshop/statuses/{COMMIT}")
        );
        assert_eq!(headers, [("private-token", "t0ken".to_owned())]);
        let expected = json!({"state": "failed", "target_url": link, "description": "Was not deployed",
            "name": "devflow/shop", "ref": "feature/x"});
        assert_eq!(body, expected);
        let (url, headers, body) = made(Provider::Bitbucket, "acme/shop", Event::Queued);
        assert_eq!(
            url,
            format!("https://api.bitbucket.org/2.0/repositories/acme/shop/commit/{COMMIT}/statuses/build")
        );
        assert_eq!(headers, [("authorization", "Bearer t0ken".to_owned())]);
        let expected = json!({"key": "devflow-shop", "state": "INPROGRESS", "name": "devflow/shop", "url": link,
            "description": "Is being deployed"});
        assert_eq!(body, expected);
        let (url, headers, body) = made(Provider::Gitea, "acme/shop", Event::Superseded);
        assert_eq!(
            url,
            format!("https://git.example.com/api/v1/repos/acme/shop/statuses/{COMMIT}")
        );
        assert_eq!(headers, [("authorization", "token t0ken".to_owned())]);
        assert_eq!(body["state"], "warning");
    }

    #[test]
    fn nothing_is_said_without_a_commit_or_to_who_keeps_no_statuses() {
        let place = |provider| Place {
            provider,
            root: "https://git.example.com",
            repository: "acme/shop",
            token: "t",
        };
        let bare = Deployment {
            commit: None,
            ..told(None)
        };
        assert_eq!(request(Event::Live, &bare, place(Provider::Github), ""), None);
        assert_eq!(
            request(Event::Live, &told(None), place(Provider::Generic), ""),
            None
        );
        assert_eq!(
            request(Event::Test, &told(None), place(Provider::Github), ""),
            None
        );
        assert_eq!(api_root(Provider::Generic, "git.example.com"), None);
        for repository in ["acme/../../user", "acme//shop", ".", ""] {
            let elsewhere = Place {
                repository,
                ..place(Provider::Github)
            };
            assert_eq!(
                request(Event::Live, &told(None), elsewhere, ""),
                None,
                "{repository}"
            );
        }
    }

    #[test]
    fn texts_stay_within_the_providers_limits_and_paths_in_their_place() {
        let long = "composer:\n".to_owned() + &"ü".repeat(2_000);
        let words = description(Event::Failed, &told(Some(&long)));
        assert_eq!(words.chars().count(), DESCRIPTION_CHARS);
        assert!(words.starts_with("Was not deployed: composer: ü") && words.ends_with('…'));
        // The longest slug has 32 characters.
        assert!(format!("devflow-{}", "a".repeat(32)).len() <= 40);
        assert_eq!(encoded("acme/x?y#z", true), "acme/x%3Fy%23z");
        assert_eq!(encoded("ä/b", false), "%C3%A4%2Fb");
    }

    #[test]
    fn status_that_gitlab_has_already_is_no_refusal() {
        let said = r#"{"message":"Cannot transition status via :enqueue from :pending"}"#;
        assert!(is_set_already(Provider::Gitlab, 400, said));
        assert!(!is_set_already(Provider::Gitlab, 404, said));
        assert!(!is_set_already(Provider::Github, 400, said));
    }
}
