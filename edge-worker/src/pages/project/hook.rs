//! How to connect a repository: deploy key, webhook address and secret, in the provider's own words.

use super::Head;
use crate::pages::shell::Shell;
use crate::pages::{assets, icon};
use askama::Template;
use devflow_domain::webhook::Provider;

#[derive(Template)]
#[template(path = "project/hook.html")]
pub(crate) struct HookPage {
    pub(crate) shell: Shell,
    pub(crate) project: Head,
    pub(crate) provider: &'static str,
    pub(crate) deploy_key: Option<String>,
    pub(crate) key_place: &'static str,
    pub(crate) where_to_add: &'static str,
    pub(crate) secret_field: &'static str,
    pub(crate) last_step: &'static str,
    pub(crate) url: String,
    pub(crate) secret: Option<String>,
    pub(crate) branch: String,
}

/// What a person does at a provider.
pub(crate) struct Guide {
    pub(crate) name: &'static str,
    pub(crate) key_place: &'static str,
    pub(crate) where_to_add: &'static str,
    pub(crate) secret_field: &'static str,
    pub(crate) last_step: &'static str,
}

/// The provider's name.
pub(crate) fn name(provider: Provider) -> &'static str {
    guide(provider).name
}

/// The steps at a provider.
pub(crate) fn guide(provider: Provider) -> Guide {
    match provider {
        Provider::Github => Guide {
            name: "GitHub",
            key_place: "in the repository under Settings → Deploy keys → Add deploy key",
            where_to_add: "In the repository, open Settings → Webhooks → Add webhook, and give this as payload URL, \
                           with the content type application/json:",
            secret_field: "Give this as secret:",
            last_step: "Leave “Just the push event” as it is and add the webhook. GitHub sends a ping, which is \
                        answered but not listed.",
        },
        Provider::Gitlab => Guide {
            name: "GitLab",
            key_place: "in the project under Settings → Repository → Deploy keys",
            where_to_add: "In the project, open Settings → Webhooks → Add new webhook, and give this as URL:",
            secret_field: "Give this as signing token, or as secret token where your GitLab is older than 19.0:",
            last_step: "Tick “Push events” (and “Tag push events” if you deploy tags) and add the webhook. Its \
                        Test button sends a push.",
        },
        Provider::Generic => Guide {
            name: "any system",
            key_place: "where your Git host keeps its deploy keys",
            where_to_add: "Let your CI system or Git host send a POST with a JSON body of ref and sha to:",
            secret_field: "Sign it as Standard Webhooks describes (webhook-id, webhook-timestamp, \
                           webhook-signature) with this secret:",
            last_step: "A webhook-id is taken once: send the same one again when you retry, a new one for a new push.",
        },
    }
}
