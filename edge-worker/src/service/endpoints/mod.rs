//! Endpoints: who outside is told what happens, in all projects or in one.

mod input;
mod sealed;

pub(crate) use input::{Changes, New};
pub(crate) use sealed::{ROTATION_MS, Sealed};

use super::outgoing;
use crate::app::AppState;
use crate::auth::Actor;
use crate::crypt;
use crate::error::ApiError;
use crate::platform;
use crate::store::endpoints::{EndpointRow, MOST, NewEndpoint};
use crate::store::outbox::{MessageRow, Which};
use crate::store::{Statement, activity, endpoints, outbox};
use devflow_domain::outgoing::Kind;
use devflow_domain::outgoing::status::api_root;
use devflow_domain::repository::place;
use devflow_domain::webhook::Provider;
use devflow_protocol::{EndpointId, MessageId, ProjectId, UnixMillis};
use input::{check_address, check_token, endpoint_name, events_of, shown};
use sealed::Previous;

/// Endpoints of a project, or of all projects.
pub(crate) async fn list(
    state: &AppState,
    project: Option<&ProjectId>,
) -> Result<Vec<EndpointRow>, ApiError> {
    Ok(state.db.all(endpoints::of(project)).await?)
}

/// One endpoint.
pub(crate) async fn get(state: &AppState, id: &EndpointId) -> Result<EndpointRow, ApiError> {
    let row = state.db.first(endpoints::by_id(id)).await?;
    row.ok_or_else(|| ApiError::no_such("endpoint"))
}

/// An endpoint and its newest messages.
pub(crate) async fn log(
    state: &AppState,
    id: &EndpointId,
) -> Result<(EndpointRow, Vec<MessageRow>), ApiError> {
    let answers = state
        .db
        .batch(vec![endpoints::by_id(id), outbox::of_endpoint(id)])
        .await?;
    let [row, messages] = answers.as_slice() else {
        return Err(ApiError::Internal(
            "two statements gave other than two answers".to_owned(),
        ));
    };
    let row = row.first()?.ok_or_else(|| ApiError::no_such("endpoint"))?;
    Ok((row, messages.rows()?))
}

/// Whose API tells of a project's commits, and its root unless another is given.
async fn status_place(
    state: &AppState,
    project: Option<&ProjectId>,
    url: Option<String>,
) -> Result<(Provider, String), ApiError> {
    let Some(project) = project else {
        return Err(ApiError::invalid("kind", "commit statuses belong to one project"));
    };
    let row = super::projects::get(state, project).await?;
    let hook = super::projects::hook::of_project(state, project).await?;
    let provider = hook
        .map(|hook| hook.provider)
        .ok_or_else(|| ApiError::no_such("hook"))?;
    let repository = row.settings()?.repository;
    let host = place(repository.as_str()).map(|(host, _)| host);
    let usual = host.and_then(|host| api_root(provider, &host));
    let root = url.filter(|url| !url.trim().is_empty()).or(usual.clone());
    match (usual, root) {
        (Some(_), Some(root)) => Ok((provider, root)),
        _ => Err(ApiError::invalid(
            "kind",
            "the project's provider keeps no commit statuses; GitHub, GitLab, Bitbucket, Gitea and Forgejo do",
        )),
    }
}

/// Makes an endpoint; where it has a secret, that is told this once.
pub(crate) async fn create(
    state: &AppState,
    actor: &Actor,
    project: Option<&ProjectId>,
    new: New,
) -> Result<(EndpointRow, Option<String>), ApiError> {
    if let Some(project) = project {
        super::projects::get(state, project).await?;
    }
    let name = endpoint_name(&new.name)?;
    let (provider, url) = match new.kind {
        Kind::Webhook | Kind::Slack => (None, new.url.unwrap_or_default()),
        Kind::Status => {
            let (provider, root) = status_place(state, project, new.url).await?;
            (Some(provider), root)
        }
    };
    let token = match (new.kind, new.token) {
        (Kind::Status, token) => Some(check_token(&token.unwrap_or_default())?),
        (_, None) => None,
        (_, Some(_)) => return Err(ApiError::invalid("token", "is for commit statuses only")),
    };
    let address = check_address(state, &url)?;
    let events = events_of(new.kind, new.events.as_deref())?;
    let (now, id) = (platform::now(), platform::new_id(EndpointId::new));
    let secret = (new.kind == Kind::Webhook).then(|| crypt::signing_secret(platform::entropy()));
    let sealed = Sealed {
        address: address.as_str().to_owned(),
        secret: secret.clone(),
        provider,
        token,
        previous: None,
    };
    let insert = endpoints::insert(&NewEndpoint {
        id: &id,
        project,
        kind: new.kind,
        name: &name,
        address: &shown(new.kind, &address),
        sealed: &sealed.seal(state, &id),
        events: &events,
        now,
    });
    let record = activity::record_if_changed(now, &actor.0, "endpoint.create", id.as_str(), &name);
    let answers = state.db.batch(vec![insert, record]).await?;
    if answers.first().is_none_or(|answer| answer.changes() == 0) {
        return Err(ApiError::Conflict(
            "too_many",
            format!("There are {MOST} endpoints already; remove one first."),
        ));
    }
    Ok((get(state, &id).await?, secret))
}

/// Writes a changed endpoint, if nobody else changed it meanwhile.
async fn save(
    state: &AppState,
    actor: &Actor,
    mut row: EndpointRow,
    action: &str,
    more: Vec<Statement>,
) -> Result<EndpointRow, ApiError> {
    let seen_at = row.updated_at;
    row.updated_at = platform::now().max(seen_at.plus(1));
    let mut batch = vec![
        endpoints::update(&row, seen_at),
        activity::record_if_changed(row.updated_at, &actor.0, action, row.id.as_str(), &row.name),
    ];
    batch.extend(more);
    let answers = state.db.batch(batch).await?;
    if answers.first().is_none_or(|answer| answer.changes() == 0) {
        return Err(ApiError::Conflict(
            "changed_meanwhile",
            "Somebody else changed the endpoint just now; load it again and repeat the change.".to_owned(),
        ));
    }
    Ok(row)
}

/// Changes what is given of the version that `seen` accepts. Turned off, it is told nothing, and what waited for it is given up.
pub(crate) async fn update(
    state: &AppState,
    actor: &Actor,
    id: &EndpointId,
    seen: impl FnOnce(UnixMillis) -> Result<(), ApiError>,
    changes: Changes,
) -> Result<EndpointRow, ApiError> {
    let mut row = get(state, id).await?;
    seen(row.updated_at)?;
    if let Some(name) = changes.name {
        row.name = endpoint_name(&name)?;
    }
    if let Some(events) = changes.events {
        row.events = events_of(row.kind, Some(&events))?;
    }
    if let Some(url) = changes.url {
        let address = check_address(state, &url)?;
        let old = Sealed::open(&state.config.data_key, id, &row.sealed)?;
        // Or whoever may change the address could have the token sent to a host of theirs.
        if row.kind == Kind::Status && old.address != address.as_str() && changes.token.is_none() {
            return Err(ApiError::invalid(
                "token",
                "give the token again, because it would be sent to another address",
            ));
        }
        row.address = shown(row.kind, &address);
        let sealed = Sealed {
            address: address.as_str().to_owned(),
            ..old
        };
        row.sealed = sealed.seal(state, id);
    }
    if let Some(token) = changes.token {
        if row.kind != Kind::Status {
            return Err(ApiError::invalid("token", "is for commit statuses only"));
        }
        let sealed = Sealed {
            token: Some(check_token(&token)?),
            ..Sealed::open(&state.config.data_key, id, &row.sealed)?
        };
        row.sealed = sealed.seal(state, id);
    }
    match changes.enabled {
        Some(true) => (row.disabled, row.failing_since) = (None, None),
        Some(false) if row.disabled.is_none() => {
            row.disabled = Some("Turned off by a person.".to_owned());
        }
        Some(false) | None => {}
    }
    save(
        state,
        actor,
        row,
        "endpoint.update",
        vec![outbox::give_up_of_disabled(id)],
    )
    .await
}

/// Makes a new secret, told this once; messages are signed with both for [`ROTATION_MS`].
pub(crate) async fn renew_secret(
    state: &AppState,
    actor: &Actor,
    id: &EndpointId,
) -> Result<(EndpointRow, String), ApiError> {
    let mut row = get(state, id).await?;
    let before = Sealed::open(&state.config.data_key, id, &row.sealed)?;
    let Some(old) = before.secret.clone() else {
        return Err(ApiError::Conflict(
            "no_secret",
            "Messages to this endpoint are not signed; its address is what has to stay secret.".to_owned(),
        ));
    };
    let secret = crypt::signing_secret(platform::entropy());
    let sealed = Sealed {
        secret: Some(secret.clone()),
        previous: Some(Previous {
            secret: old,
            until: platform::now().plus(ROTATION_MS),
        }),
        ..before
    };
    row.sealed = sealed.seal(state, id);
    Ok((save(state, actor, row, "endpoint.renew", vec![]).await?, secret))
}

/// Removes an endpoint with its log.
pub(crate) async fn remove(
    state: &AppState,
    actor: &Actor,
    id: &EndpointId,
) -> Result<EndpointRow, ApiError> {
    let row = get(state, id).await?;
    let record = activity::record_if_changed(
        platform::now(),
        &actor.0,
        "endpoint.remove",
        id.as_str(),
        &row.name,
    );
    state.db.batch(vec![endpoints::delete(id), record]).await?;
    Ok(row)
}

/// Sends a test now; gives what came of it.
pub(crate) async fn test(state: &AppState, actor: &Actor, id: &EndpointId) -> Result<MessageRow, ApiError> {
    let row = get(state, id).await?;
    refuse_disabled(&row)?;
    if row.kind == Kind::Status {
        return Err(ApiError::Conflict(
            "no_test",
            "A status belongs to a commit: deploy one to see whether it is taken.".to_owned(),
        ));
    }
    let (now, message) = (platform::now(), platform::new_id(MessageId::new));
    let batch = vec![
        outbox::insert_test(id, &message, now),
        activity::record(now, &actor.0, "endpoint.test", id.as_str(), &row.name),
    ];
    state.db.batch(batch).await?;
    send_now(state, id, message.as_str()).await
}

/// Sends a message again, now; gives what came of it.
pub(crate) async fn again(
    state: &AppState,
    actor: &Actor,
    id: &EndpointId,
    message: &str,
) -> Result<MessageRow, ApiError> {
    let row = get(state, id).await?;
    refuse_disabled(&row)?;
    let now = platform::now();
    let batch = vec![
        outbox::again(id, message, now),
        activity::record_if_changed(now, &actor.0, "endpoint.resend", id.as_str(), &row.name),
        outbox::one(id, message),
    ];
    let answers = state.db.batch(batch).await?;
    let found: Option<MessageRow> = crate::store::InBatch::first_row(answers.last())?;
    found.ok_or_else(|| ApiError::no_such("message"))?;
    send_now(state, id, message).await
}

fn refuse_disabled(row: &EndpointRow) -> Result<(), ApiError> {
    match &row.disabled {
        None => Ok(()),
        Some(_) => Err(ApiError::Conflict(
            "disabled",
            "The endpoint is turned off; turn it on first.".to_owned(),
        )),
    }
}

async fn send_now(state: &AppState, id: &EndpointId, message: &str) -> Result<MessageRow, ApiError> {
    outgoing::drain(&state.outgoing(), Which::One(id, message)).await?;
    let row = state.db.first(outbox::one(id, message)).await?;
    row.ok_or_else(|| ApiError::no_such("message"))
}
