//! Who is in, and who is invited.

use super::name;
use crate::app::AppState;
use crate::auth::second;
use crate::error::ApiError;
use crate::extract::{CsrfForm, Query};
use crate::pages::look::{Badge, Tone};
use crate::pages::moment::{Exact, Moment};
use crate::pages::shell::{Section, Shell};
use crate::pages::web::{self, Visitor};
use crate::pages::{assets, icon};
use crate::platform;
use crate::service::{invitations, reencryption};
use crate::store::deployments::FROM_NEWEST;
use crate::store::people::{self, InvitationRow, PersonRow};
use crate::store::reencryption::Progress;
use crate::store::{InBatch as _, Page, StoreError, second_factors};
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use devflow_domain::access::{Action, Role};
use devflow_protocol::dsse::fingerprint;
use devflow_protocol::{UnixMillis, UserId};
use serde::Deserialize;

/// A person.
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) email: String,
    pub(crate) yourself: bool,
    pub(crate) badge: Badge,
    /// Such as `Admin`, or `2 projects`.
    pub(crate) role: String,
    pub(crate) has_factor: bool,
    pub(crate) seen: Option<Moment>,
}

/// An open invitation.
pub(crate) struct Invited {
    pub(crate) id: String,
    pub(crate) email: String,
    pub(crate) role: String,
    pub(crate) until: Exact,
    /// An invitation above the visitor is not theirs to take back.
    pub(crate) may_revoke: bool,
}

#[derive(Template)]
#[template(path = "people/list.html")]
pub(crate) struct PeoplePage {
    pub(crate) shell: Shell,
    pub(crate) rows: Vec<Row>,
    pub(crate) invited: Vec<Invited>,
    /// All must have a second factor.
    pub(crate) factor_required: bool,
    /// True where the visitor decides about that.
    pub(crate) may_require: bool,
    /// Fingerprints of this installation's keys.
    pub(crate) job_key: String,
    pub(crate) recovery_key: Option<String>,
    /// How far the replacement of the data key is, in a sentence; None where none goes on.
    pub(crate) reencryption: Option<String>,
    pub(crate) next: Option<String>,
    /// Where further invitations are.
    pub(crate) more_invited: Option<String>,
}

/// Where the two lists of the page begin.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Shown {
    #[serde(default)]
    cursor: String,
    /// The cursor of the invitations.
    #[serde(default)]
    invited: String,
}

/// The look of whether somebody may come in.
pub(super) fn badge(disabled: bool) -> Badge {
    let (tone, word) = if disabled {
        (Tone::Idle, "Shut out")
    } else {
        (Tone::Good, "Active")
    };
    Badge { tone, word }
}

/// A role for all projects, else in how many there is one.
fn role_words(role: Option<Role>, projects: usize) -> String {
    match (role, projects) {
        (Some(role), _) => name(role).to_owned(),
        (None, 0) => "No role".to_owned(),
        (None, 1) => "1 project".to_owned(),
        (None, many) => format!("{many} projects"),
    }
}

fn row(person: &PersonRow, me: &UserId, now: UnixMillis) -> Result<Row, StoreError> {
    Ok(Row {
        id: person.id.to_string(),
        email: person.email.clone(),
        yourself: person.id == *me,
        badge: badge(person.disabled_at.is_some()),
        role: role_words(person.role, person.projects()?.len()),
        has_factor: person.has_factor != 0,
        seen: person.seen_at.map(|at| Moment::new(at, now)),
    })
}

fn invited(row: &InvitationRow, actor: Option<Role>) -> Result<Invited, StoreError> {
    Ok(Invited {
        id: row.id.to_string(),
        email: row.email.clone(),
        role: role_words(row.role, row.projects()?.len()),
        until: Exact(row.expires_at),
        may_revoke: invitations::may_revoke(actor, row),
    })
}

/// How far everything that is encrypted at rest is under the key of now.
fn told(progress: &Progress) -> String {
    let done = progress.changed_before + progress.changed;
    match (progress.done_at, progress.unreadable) {
        (None, _) => format!(
            "A new key; {done} values are encrypted with it so far, the cron trigger goes on each minute."
        ),
        (Some(_), 0) => format!(
            "A new key; all {done} values are encrypted with it. End it with cargo xtask rotate data-key --finish."
        ),
        (Some(_), lost) => format!(
            "A new key; {done} values are encrypted with it, and {lost} that neither key opens: the Worker's log names them."
        ),
    }
}

/// `GET /people`
#[worker::send]
pub(crate) async fn show(
    State(state): State<AppState>,
    visitor: Visitor,
    Query(shown): Query<Shown>,
) -> Result<Response, ApiError> {
    let now = platform::now();
    let before = if shown.invited.is_empty() {
        FROM_NEWEST
    } else {
        &shown.invited
    };
    let answers = state
        .db
        .batch(vec![
            people::list(&shown.cursor),
            people::invitations(now, before),
            second_factors::required(),
        ])
        .await?;
    let rows: Vec<PersonRow> = answers.first().rows()?;
    let open: Vec<InvitationRow> = answers.get(1).rows()?;
    let required: Option<serde_json::Value> = answers.get(2).first_row()?;
    let key = &state.config.data_key;
    let reencryption = match key.previous_id() {
        Some(_) => Some(told(
            &reencryption::progress(&state.db, key).await?.unwrap_or_default(),
        )),
        None => None,
    };
    let page = Page::new(rows, |row| row.email.clone());
    let open = Page::new(open, |row| row.id.to_string());
    let (me, actor) = (&visitor.signed_in.user, visitor.signed_in.access.0.fleet);
    let rows = page.items.iter().map(|person| row(person, me, now));
    let invited = open.items.iter().map(|row| invited(row, actor));
    visitor.page(&PeoplePage {
        shell: visitor.shell("People", Section::People, None),
        rows: rows.collect::<Result<_, _>>()?,
        invited: invited.collect::<Result<_, _>>()?,
        factor_required: required.is_some(),
        may_require: visitor.signed_in.access.may(Action::ManageSecurity, None),
        job_key: state.config.keychain.fingerprint(),
        recovery_key: state.config.keychain.recovery_key.as_ref().map(fingerprint),
        reencryption,
        next: page.next.map(|next| web::query("/people", &[("cursor", &next)])),
        more_invited: open
            .next
            .map(|next| web::query("/people", &[("cursor", &shown.cursor), ("invited", &next)])),
    })
}

/// Whether all must have a second factor.
#[derive(Deserialize)]
pub(crate) struct Rule {
    #[serde(default)]
    required: String,
}

/// `POST /people/second-factor`
#[worker::send]
pub(crate) async fn require_factor(
    State(state): State<AppState>,
    form: CsrfForm<Rule>,
) -> Result<Response, ApiError> {
    let required = form.form.required == "1";
    let done = second::require(&state, &form.signed_in.caller(), required).await;
    web::done(done, "/people", |()| {
        if required {
            "Whoever has no second factor sets one up before anything else.".to_owned()
        } else {
            "A second factor is everybody's own choice.".to_owned()
        }
    })
}
