//! A project's hook: the address that its provider sends to, and the secret that both know.

use crate::app::AppState;
use crate::auth::Actor;
use crate::crypt;
use crate::error::ApiError;
use crate::platform;
use crate::store::hooks::HookRow;
use crate::store::{activity, hooks};
use devflow_domain::webhook::Provider;
use devflow_protocol::ProjectId;

/// The address that a provider sends to.
pub(crate) fn url(state: &AppState, hook: &HookRow) -> String {
    format!(
        "{}/hooks/{}/{}",
        state.config.public_origin,
        hook.provider.as_str(),
        hook.id
    )
}

/// The hook of a project.
pub(crate) async fn of_project(state: &AppState, project: &ProjectId) -> Result<Option<HookRow>, ApiError> {
    Ok(state.db.first(hooks::of_project(project)).await?)
}

/// The secret of a hook; that somebody looked is recorded.
pub(crate) async fn reveal_secret(
    state: &AppState,
    actor: &Actor,
    hook: &HookRow,
) -> Result<String, ApiError> {
    let now = platform::now();
    state
        .db
        .run(activity::record(
            now,
            &actor.0,
            "hook.reveal",
            hook.id.as_str(),
            "",
        ))
        .await?;
    secret(state, hook)
}

/// Gives a hook a new secret; deliveries that are signed with the one before are refused from then on.
pub(crate) async fn renew_secret(state: &AppState, actor: &Actor, hook: &HookRow) -> Result<(), ApiError> {
    let secret = new_secret(hook.provider);
    let context = crypt::hook_context(hook.id.as_str());
    let sealed = state
        .config
        .data_key
        .encrypt(&context, secret.as_bytes(), platform::entropy());
    let record = activity::record(platform::now(), &actor.0, "hook.renew", hook.id.as_str(), "");
    state
        .db
        .batch(vec![hooks::set_secret(&hook.id, &sealed), record])
        .await?;
    Ok(())
}

/// The secret of a hook, to check a delivery with.
pub(crate) fn secret(state: &AppState, hook: &HookRow) -> Result<String, ApiError> {
    let plain = state
        .config
        .data_key
        .decrypt(&crypt::hook_context(hook.id.as_str()), &hook.secret)?;
    String::from_utf8(plain)
        .map_err(|error| ApiError::Internal(format!("a hook's secret is no text: {error}")))
}

/// Most sign with the secret's text; GitLab and generic senders by Standard Webhooks, whose keys are base64 after `whsec_`.
pub(super) fn new_secret(provider: Provider) -> String {
    let entropy = platform::entropy::<32>();
    match provider {
        Provider::Github | Provider::Bitbucket | Provider::Gitea => hex::encode(entropy),
        Provider::Gitlab | Provider::Generic => crypt::signing_secret(entropy),
    }
}
