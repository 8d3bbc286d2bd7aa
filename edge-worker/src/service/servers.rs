//! Servers: adding one, its enrolment, a ping, its name, draining and removing it.

use super::{FLEET, check_name, releases};
use crate::app::AppState;
use crate::auth::Actor;
use crate::error::ApiError;
use crate::hub::Contact;
use crate::platform;
use crate::store::servers::{Enrolled, Enrolment, ServerRow, ServerState};
use crate::store::{InBatch as _, Page, activity, jobs, servers};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use devflow_protocol::enrol::{EnrolClaims, EnrolError, EnrolRequest, EnrolToken};
use devflow_protocol::keys::write_key;
use devflow_protocol::runner_api::EnrolAnswer;
use devflow_protocol::{JobId, ServerId, UnixMillis};
use std::collections::HashMap;
use zeroize::Zeroizing;

/// How long an enrolment token can be used, in milliseconds.
const ENROLMENT_MS: i64 = 60 * 60_000;

/// What a person needs to enrol a server. The token is shown this once; what is kept cannot enrol anything.
pub(crate) struct Invitation {
    pub(crate) token: Zeroizing<String>,
    /// The token's public half, by which the enrolment is known again.
    kept: String,
    /// The job key's, to compare with what the runner pins.
    pub(crate) fingerprint: String,
    pub(crate) expires_at: UnixMillis,
    /// To be run on the server.
    pub(crate) command: String,
    /// Whether the command installs the runner too.
    pub(crate) installs: bool,
}

/// One server.
pub(crate) async fn get(state: &AppState, id: &ServerId) -> Result<ServerRow, ApiError> {
    state
        .db
        .first(servers::by_id(id))
        .await?
        .ok_or_else(|| ApiError::no_such("server"))
}

/// Servers by name from a cursor on, and what is known of the contact with each.
pub(crate) async fn page(
    state: &AppState,
    cursor: Option<&str>,
) -> Result<(Page<ServerRow>, HashMap<String, Contact>), ApiError> {
    let rows = state.db.all(servers::list(cursor.unwrap_or_default())).await?;
    let page = Page::new(rows, |row: &ServerRow| row.name.clone());
    let ids: Vec<&ServerId> = page.items.iter().map(|row| &row.id).collect();
    let contacts = state.hub().contacts(&ids).await;
    Ok((page, contacts))
}

/// What is answered where something new is to be deployed to a server that is being drained.
pub(crate) fn draining(name: &str) -> ApiError {
    ApiError::Conflict(
        "server_draining",
        format!(
            "{name} is being drained, so nothing new is deployed there. End that on the server's page first."
        ),
    )
}

/// Refuses where nothing new is to be deployed to a server. Going back to a kept release is not new.
pub(crate) async fn check_takes_work(state: &AppState, id: &ServerId) -> Result<(), ApiError> {
    let row = get(state, id).await?;
    match row.draining_since {
        None => Ok(()),
        Some(_) => Err(draining(&row.name)),
    }
}

fn server_name(name: &str) -> Result<&str, ApiError> {
    check_name(name, 60, "give the server a name of 1 to 60 characters")
}

fn name_taken(name: &str) -> ApiError {
    ApiError::Conflict(
        "name_taken",
        format!("There is a server named {name}; take another name."),
    )
}

/// Gives a server another name; nothing on the machine is called by it.
pub(crate) async fn rename(
    state: &AppState,
    actor: &Actor,
    id: &ServerId,
    name: &str,
) -> Result<(), ApiError> {
    let (name, before) = (server_name(name)?, get(state, id).await?.name);
    if name == before {
        return Ok(());
    }
    let batch = vec![
        servers::rename(id, &before, name),
        activity::record_if_changed(
            platform::now(),
            &actor.0,
            "server.rename",
            id.as_str(),
            &format!("from {before}"),
        ),
    ];
    match state.db.batch(batch).await {
        Ok(answers) if answers.first().is_some_and(|answer| answer.changes() > 0) => {}
        Ok(_) => {
            return Err(ApiError::Conflict(
                "changed_meanwhile",
                "Somebody else renamed the server just now; load it again and repeat the change.".to_owned(),
            ));
        }
        Err(error) if error.is_duplicate("servers.name") => return Err(name_taken(name)),
        Err(error) => return Err(error.into()),
    }
    state.signal(None, vec![FLEET.to_owned()]);
    Ok(())
}

/// Begins or ends draining a server.
pub(crate) async fn drain(
    state: &AppState,
    actor: &Actor,
    id: &ServerId,
    wanted: bool,
) -> Result<(), ApiError> {
    if get(state, id).await?.draining_since.is_some() == wanted {
        return Ok(());
    }
    let now = platform::now();
    let action = if wanted { "server.drain" } else { "server.undrain" };
    state
        .db
        .batch(vec![
            servers::set_draining(id, wanted.then_some(now)),
            activity::record_if_changed(now, &actor.0, action, id.as_str(), ""),
        ])
        .await?;
    state.signal(None, vec![FLEET.to_owned()]);
    Ok(())
}

/// Removes a server without projects. Its runner is refused from then on.
pub(crate) async fn remove(state: &AppState, actor: &Actor, id: &ServerId) -> Result<ServerRow, ApiError> {
    let row = get(state, id).await?;
    let now = platform::now();
    let mut batch: Vec<_> = servers::delete(id, now).into();
    batch.push(activity::record(
        now,
        &actor.0,
        "server.remove",
        id.as_str(),
        &row.name,
    ));
    match state.db.batch(batch).await {
        Ok(_) => {}
        Err(error) if error.is_referenced() => {
            return Err(ApiError::Conflict(
                "server_has_projects",
                format!("There are projects on {}; remove them first.", row.name),
            ));
        }
        Err(error) => return Err(error.into()),
    }
    state.signal(Some(id), vec![FLEET.to_owned()]);
    Ok(row)
}

/// Adds a server, to be enrolled.
pub(crate) async fn create(
    state: &AppState,
    actor: &Actor,
    name: &str,
) -> Result<(ServerRow, Invitation), ApiError> {
    let name = server_name(name)?;
    let (now, id) = (platform::now(), platform::new_id(ServerId::new));
    let invitation = new_invitation(state, now, false).await?;
    let mut batch = vec![servers::insert(&id, name, now)];
    batch.extend(servers::insert_enrolment(
        &invitation.kept,
        &id,
        invitation.expires_at,
    ));
    batch.push(activity::record(
        now,
        &actor.0,
        "server.create",
        id.as_str(),
        name,
    ));
    match state.db.batch(batch).await {
        Ok(_) => {}
        Err(error) if error.is_duplicate("servers.name") => return Err(name_taken(name)),
        Err(error) => return Err(error.into()),
    }
    state.signal(None, vec![FLEET.to_owned()]);
    Ok((get(state, &id).await?, invitation))
}

/// Makes a new enrolment token; older unused ones end. A server that is enrolled again takes over with new keys.
pub(crate) async fn invite(state: &AppState, actor: &Actor, id: &ServerId) -> Result<Invitation, ApiError> {
    let enrolled = get(state, id).await?.state != ServerState::Pending;
    let now = platform::now();
    let invitation = new_invitation(state, now, enrolled).await?;
    let mut batch: Vec<_> = servers::insert_enrolment(&invitation.kept, id, invitation.expires_at).into();
    batch.push(activity::record(now, &actor.0, "server.invite", id.as_str(), ""));
    state.db.batch(batch).await?;
    Ok(invitation)
}

/// `again` where the server has keys, which the new ones end.
async fn new_invitation(state: &AppState, now: UnixMillis, again: bool) -> Result<Invitation, ApiError> {
    let token = EnrolToken::from_seed(platform::entropy());
    let text = token.to_text();
    // What the runner pins, and whom it signs its enrolment for.
    let fingerprint = state.config.keychain.fingerprint();
    let installs = releases::current(state).await?.is_some();
    let mut command = if installs {
        install_command(&state.config.public_origin, &text, &fingerprint)
    } else {
        enrol_command(&state.config.public_origin, &text, &fingerprint)
    };
    if again {
        command.push_str(" --force");
    }
    Ok(Invitation {
        command,
        installs,
        token: text,
        kept: token.fingerprint(),
        fingerprint,
        expires_at: now.plus(ENROLMENT_MS),
    })
}

/// For a server that has nothing yet. `echo` is part of the shell, so no list of processes shows the token.
fn install_command(edge: &str, token: &str, fingerprint: &str) -> String {
    format!(
        "{{ echo token={token}; curl -fsSL {edge}/install; }} | sudo sh -s -- --fingerprint {fingerprint}"
    )
}

/// For a server that has a runner.
fn enrol_command(edge: &str, token: &str, fingerprint: &str) -> String {
    format!("printf %s '{token}' | sudo host-runner enrol --edge {edge} --fingerprint {fingerprint}")
}

fn refused(error: &EnrolError) -> ApiError {
    let words = format!("{error}.");
    match error {
        EnrolError::TokenKey => ApiError::invalid("token_key", words),
        EnrolError::Shape(_) => ApiError::invalid("claims", words),
        EnrolError::Envelope(_) | EnrolError::OtherEdge => ApiError::Unauthenticated("bad_signature", words),
    }
}

/// Checks keys and facts; gives the facts as they are stored.
fn check_claims(claims: &EnrolClaims) -> Result<String, ApiError> {
    for (field, key) in [
        ("signing_key", &claims.signing_key),
        ("sealing_key", &claims.sealing_key),
    ] {
        if STANDARD.decode(key).ok().is_none_or(|bytes| bytes.len() != 32) {
            return Err(ApiError::invalid(field, "32 bytes in base64"));
        }
    }
    let facts = serde_json::to_string(&claims.facts)
        .map_err(|error| ApiError::invalid("facts", error.to_string()))?;
    if facts.len() > 8192 {
        return Err(ApiError::invalid("facts", "at most 8192 bytes"));
    }
    Ok(facts)
}

/// Gives a server its runner's keys, where a token that is still good has signed them.
pub(crate) async fn enrol(state: &AppState, request: &EnrolRequest) -> Result<EnrolAnswer, ApiError> {
    let opened = request
        .open(&state.config.keychain.fingerprint())
        .map_err(|error| refused(&error))?;
    let (claims, now) = (opened.claims, platform::now());
    let facts = check_claims(&claims)?;
    let answers = state
        .db
        .batch(
            servers::enrol(&Enrolment {
                token: &opened.token,
                signing_key: &claims.signing_key,
                sealing_key: &claims.sealing_key,
                facts: &facts,
                now,
            })
            .into(),
        )
        .await?;
    let enrolled: Option<Enrolled> = answers.get(1).first_row()?;
    let Some(enrolled) = enrolled else {
        return Err(ApiError::Unauthenticated(
            "wrong_token",
            "The enrolment token is unknown, used or too old; make a new one on the server's page."
                .to_owned(),
        ));
    };
    state.signal(None, vec![FLEET.to_owned()]);
    Ok(EnrolAnswer {
        server: enrolled.id,
        edge: enrolled.edge_id,
        job_key: write_key(&state.config.keychain.job_key),
        now,
    })
}

/// Asks a server to answer.
pub(crate) async fn ping(state: &AppState, actor: &Actor, id: &ServerId) -> Result<JobId, ApiError> {
    get(state, id).await?;
    let (now, job) = (platform::now(), platform::new_id(JobId::new));
    let new = jobs::NewJob {
        id: &job,
        server: id,
        project: None,
        verb: "ping",
        arguments: "{}",
        now,
    };
    state
        .db
        .batch(vec![
            jobs::insert(&new),
            activity::record(now, &actor.0, "server.ping", id.as_str(), job.as_str()),
        ])
        .await?;
    state.signal(Some(id), vec![]);
    Ok(job)
}
