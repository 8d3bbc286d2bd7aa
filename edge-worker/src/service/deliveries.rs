//! The durable inbox: an authentic delivery is decided on and stored, with all that follows, in one batch; then it
//! is answered. A delivery that is there already changes nothing.

use super::{bodies, projects, servers, topics};
use crate::app::AppState;
use crate::auth::Actor;
use crate::error::ApiError;
use crate::platform;
use crate::store::deliveries::{DeliveryRow, NewDelivery, StoredRow};
use crate::store::deployments::{DeploymentRow, NewDeployment, NewestRow};
use crate::store::hooks::HookRow;
use crate::store::projects::{ProjectState, read_settings};
use crate::store::{IdRow, InBatch as _, Statement, StoreError, activity, deliveries, deployments, hooks};
use axum::body::Bytes;
use devflow_domain::webhook::{
    self, AuthError, Delivery, Event, Follower, Known, Provider, Push, Trial, Verdict,
};
use devflow_protocol::job::Trigger;
use devflow_protocol::limits::DELIVERY_EVENT_BYTES;
use devflow_protocol::runner_api::HeadFound;
use devflow_protocol::{DeliveryId, DeploymentId, HookId, JobId, ProjectId, ServerId};

/// Where a delivery comes from.
struct Origin<'a> {
    /// What makes it one delivery, however often it comes.
    key: &'a str,
    event_name: &'a str,
    trigger: Trigger,
}

/// What the sender is told.
pub(crate) struct Receipt {
    pub(crate) delivery: DeliveryId,
    /// `deploy`, `ignored`, `ping` or `duplicate`.
    pub(crate) decision: &'static str,
    pub(crate) reason: String,
    pub(crate) deployments: Vec<DeploymentId>,
}

/// Receives a delivery: authenticates, decides, stores.
pub(crate) async fn receive(
    state: &AppState,
    hook: &HookId,
    delivery: Delivery<'_>,
    raw: &Bytes,
) -> Result<Receipt, ApiError> {
    let hook: HookRow = state
        .db
        .first(hooks::by_id(hook))
        .await?
        .ok_or_else(|| ApiError::no_such("hook"))?;
    if hook.provider != delivery.provider {
        return Err(ApiError::no_such("hook"));
    }
    let secret = projects::hook::secret(state, &hook)?;
    let authentic = webhook::authenticate(delivery, &secret, platform::now()).map_err(|error| {
        let code = match error {
            AuthError::Missing => "signature_missing",
            AuthError::Mismatch => "wrong_signature",
            AuthError::Stale => "stale_signature",
        };
        ApiError::Unauthenticated(code, format!("{error}."))
    })?;
    // An authentic body that cannot be read is kept like any other that deploys nothing: some providers switch a
    // hook off that answers 4xx.
    let (event, verdict) = match webhook::read(delivery) {
        Ok(events) => {
            let event = webhook::concerning(events, &hook.ref_name);
            let verdict = webhook::decide(&event, &followers(&hook)?);
            (event, verdict)
        }
        Err(error) => {
            let reason = format!("{error}.");
            (
                Event::Other {
                    name: "unreadable".to_owned(),
                },
                Verdict::Ignored(reason),
            )
        }
    };
    let origin = Origin {
        key: &authentic.delivery_id,
        event_name: event_name(&event),
        trigger: Trigger::Push,
    };
    let receipt = store(state, &hook, &origin, &event, &verdict).await?;
    if receipt.decision != "duplicate" {
        bodies::keep(state, &receipt.delivery, raw.clone());
    }
    Ok(receipt)
}

/// Sends a delivery to the hook of a project, signed as its provider signs, through the same checks as any other.
pub(crate) async fn try_out(
    state: &AppState,
    actor: &Actor,
    project: &ProjectId,
) -> Result<Receipt, ApiError> {
    let hook = projects::hook::of_project(state, project)
        .await?
        .ok_or_else(|| ApiError::no_such("hook"))?;
    let (now, id) = (platform::now(), platform::new_id(DeliveryId::new));
    let secret = projects::hook::secret(state, &hook)?;
    let trial = Trial::new(hook.provider, &secret, id.as_str(), now);
    let record = activity::record(now, &actor.0, "hook.test", hook.id.as_str(), "");
    state.db.run(record).await?;
    let header = |name: &str| trial.header(name);
    let delivery = Delivery {
        provider: hook.provider,
        header: &header,
        body: &trial.body,
    };
    receive(state, &hook.id, delivery, &Bytes::copy_from_slice(&trial.body)).await
}

/// The name of a delivery that no provider sent.
pub(crate) const FOUND: &str = "found";

/// Takes a push that a runner found in the repository. What a delivery or a deployment brought before is no news.
pub(crate) async fn found(state: &AppState, server: &ServerId, head: &HeadFound) -> Result<(), ApiError> {
    let asked = vec![
        hooks::of_slug(server, &head.slug),
        deployments::newest(server, &head.slug),
    ];
    let answers = state.db.batch(asked).await?;
    let [hook, newest] = answers.as_slice() else {
        return Err(ApiError::Internal(
            "two statements gave other than two answers".to_owned(),
        ));
    };
    // A folder of a project that has moved on is nobody's any more.
    let Some(hook) = hook.first::<HookRow>()? else {
        return Ok(());
    };
    let newest: Option<NewestRow> = newest.first()?;
    let known = Known {
        ref_name: &hook.ref_name,
        last_head: hook.last_head.as_ref(),
        newest: newest.as_ref().and_then(|row| row.commit_sha.as_ref()),
    };
    let Some(event) = webhook::found(head, known) else {
        return Ok(());
    };
    // Said again because an answer was lost, it is the same; found again after another deployment, it is not.
    let since = newest.as_ref().map_or("start", |row| row.id.as_str());
    let origin = Origin {
        key: &format!("{FOUND}:{}:{since}", head.commit),
        event_name: FOUND,
        trigger: Trigger::Found,
    };
    let verdict = webhook::decide(&event, &followers(&hook)?);
    store(state, &hook, &origin, &event, &verdict).await.map(drop)
}

fn followers(hook: &HookRow) -> Result<Vec<Follower>, StoreError> {
    if hook.project_state == ProjectState::Removing {
        return Ok(vec![]);
    }
    Ok(vec![Follower {
        project: hook.project.clone(),
        ref_name: hook.ref_name.clone(),
        path_filter: read_settings(&hook.settings)?.path_filter,
        last_head: hook.last_head.clone(),
        stopped: hook.project_state == ProjectState::Stopped,
        draining: hook.draining != 0,
    }])
}

/// What a delivery's row keeps of the event: at most [`DELIVERY_EVENT_BYTES`].
fn kept_event(event: &Event) -> Result<String, ApiError> {
    let as_json =
        |event: &Event| serde_json::to_string(event).map_err(|error| ApiError::Internal(error.to_string()));
    let json = as_json(event)?;
    match event {
        Event::Push(push) if json.len() > DELIVERY_EVENT_BYTES => as_json(&Event::Push(Push {
            files: None,
            ..push.clone()
        })),
        _ => Ok(json),
    }
}

fn event_name(event: &Event) -> &str {
    match event {
        Event::Ping => "ping",
        Event::Push(_) | Event::Several { .. } => "push",
        Event::Deleted { .. } => "deleted",
        Event::Other { name } => name,
    }
}

fn decision(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Ping => "ping",
        _ if verdict.deployments().next().is_some() => "deploy",
        _ => "ignored",
    }
}

async fn store(
    state: &AppState,
    hook: &HookRow,
    origin: &Origin<'_>,
    event: &Event,
    verdict: &Verdict,
) -> Result<Receipt, ApiError> {
    let (now, id) = (platform::now(), platform::new_id(DeliveryId::new));
    let deployment = (decision(verdict) == "deploy").then(|| platform::new_id(DeploymentId::new));
    let (reason, kept) = (verdict.reason(), kept_event(event)?);
    let mut batch = vec![deliveries::insert(&NewDelivery {
        id: &id,
        provider: hook.provider,
        hook: &hook.id,
        project: &hook.project,
        delivery_key: origin.key,
        event_name: origin.event_name,
        event: &kept,
        decision: decision(verdict),
        reason: &reason,
        deployment: deployment.as_ref(),
        now,
    })];
    batch.extend(consequences(
        hook,
        event,
        &id,
        deployment.as_ref(),
        origin.trigger,
    ));
    let answers = state.db.batch(batch).await?;
    let stored: Option<IdRow> = answers.first().first_row()?;
    if stored.is_none() {
        let first = deliveries::stored(hook.provider, &hook.id, origin.key);
        let first = state.db.first(first).await?;
        let first =
            first.ok_or_else(|| ApiError::Internal("a duplicate delivery was not there".to_owned()))?;
        return Ok(duplicate(first));
    }
    if deployment.is_some() {
        state.signal(
            Some(&hook.server),
            topics(Some(&hook.project), deployment.as_ref()),
        );
        state.drain_outbox(answers.last())?;
    } else {
        state.signal(None, vec![format!("project:{}", hook.project)]);
    }
    Ok(Receipt {
        delivery: id,
        decision: decision(verdict),
        reason,
        deployments: deployment.into_iter().collect(),
    })
}

/// What follows from a delivery, each only if that very delivery is stored.
fn consequences(
    hook: &HookRow,
    event: &Event,
    delivery: &DeliveryId,
    deployment: Option<&DeploymentId>,
    trigger: Trigger,
) -> Vec<Statement> {
    let project = &hook.project;
    match event {
        Event::Push(push) => {
            // Of another ref nothing is noted. Should the project begin to follow it at this very moment, its head is found.
            if push.ref_name != hook.ref_name {
                return vec![];
            }
            let mut batch = vec![deliveries::note_head(
                project,
                &push.ref_name,
                &push.after,
                delivery,
            )];
            if let Some(deployment) = deployment {
                batch.extend(deployments::supersede_queued(
                    project,
                    &push.ref_name,
                    deployment,
                    delivery,
                    platform::now(),
                ));
                batch.extend(queue(hook, push, deployment, delivery, trigger));
            }
            batch
        }
        Event::Deleted { ref_name } => vec![deliveries::forget_head(project, ref_name, delivery)],
        Event::Ping | Event::Several { .. } | Event::Other { .. } => vec![],
    }
}

/// What the sender of a delivery is told that is there already: what became of it the first time.
fn duplicate(first: StoredRow) -> Receipt {
    Receipt {
        delivery: first.id,
        decision: "duplicate",
        reason: "This delivery was received before.".to_owned(),
        deployments: first.deployment.into_iter().collect(),
    }
}

fn queue(
    hook: &HookRow,
    push: &Push,
    deployment: &DeploymentId,
    delivery: &DeliveryId,
    trigger: Trigger,
) -> [Statement; 3] {
    let job = platform::new_id(JobId::new);
    let new = NewDeployment {
        id: deployment,
        job: &job,
        project: &hook.project,
        server: &hook.server,
        trigger,
        ref_name: &push.ref_name,
        commit: Some(&push.after),
        subject: Some(&push.subject),
        author: Some(&push.author),
        delivery: Some(delivery),
        target: None,
        force: false,
        now: platform::now(),
    };
    deployments::queue(&new, Some(delivery))
}

/// One delivery.
pub(crate) async fn get(state: &AppState, id: &DeliveryId) -> Result<DeliveryRow, ApiError> {
    state
        .db
        .first(deliveries::by_id(id))
        .await?
        .ok_or_else(|| ApiError::no_such("delivery"))
}

/// Deploys what a stored push brought, again, whatever was decided then.
pub(crate) async fn replay(
    state: &AppState,
    actor: &Actor,
    id: &DeliveryId,
) -> Result<DeploymentRow, ApiError> {
    let row = get(state, id).await?;
    let event: Event = serde_json::from_str(&row.event)
        .map_err(|error| StoreError::unreadable("deliveries.event", &error))?;
    let Event::Push(push) = event else {
        return Err(ApiError::Conflict(
            "not_a_push",
            "Only a push can be replayed; this delivery is none.".to_owned(),
        ));
    };
    let hook: HookRow = state
        .db
        .first(hooks::by_id(&row.hook))
        .await?
        .ok_or_else(|| ApiError::no_such("hook"))?;
    if hook.project_state == ProjectState::Removing {
        return Err(projects::removing());
    }
    if hook.draining != 0 {
        return Err(servers::draining("A server of the project"));
    }
    let (now, deployment) = (platform::now(), platform::new_id(DeploymentId::new));
    let mut batch: Vec<Statement> = queue(&hook, &push, &deployment, id, Trigger::Replay).into();
    batch.push(activity::record(
        now,
        &actor.0,
        "delivery.replay",
        id.as_str(),
        deployment.as_str(),
    ));
    let answers = state.db.batch(batch).await?;
    state.signal(Some(&hook.server), topics(Some(&hook.project), Some(&deployment)));
    state.drain_outbox(answers.get(2))?;
    super::deployments::get(state, &deployment).await
}

/// The provider of a path, if it is one.
pub(crate) fn provider(name: &str) -> Result<Provider, ApiError> {
    Provider::from_name(name).ok_or_else(|| ApiError::no_such("provider"))
}
