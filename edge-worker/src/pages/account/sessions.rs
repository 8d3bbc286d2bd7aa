//! Where one is signed in.

use crate::app::AppState;
use crate::auth::account;
use crate::error::ApiError;
use crate::extract::{CsrfForm, Id, Paging, Query};
use crate::pages::assets;
use crate::pages::moment::Moment;
use crate::pages::project::actions::Press;
use crate::pages::shell::{Section, Shell};
use crate::pages::web::{self, Visitor};
use crate::platform;
use crate::store::users::SessionRow;
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use devflow_protocol::{LoginId, UnixMillis};

/// A session.
pub(crate) struct Row {
    pub(crate) id: String,
    /// Such as `Firefox on Linux`.
    pub(crate) device: String,
    /// Address and country.
    pub(crate) place: String,
    pub(crate) started: Moment,
    pub(crate) used: Moment,
    pub(crate) this: bool,
}

#[derive(Template)]
#[template(path = "account/show.html")]
pub(crate) struct AccountPage {
    pub(crate) shell: Shell,
    pub(crate) email: String,
    pub(crate) rows: Vec<Row>,
    pub(crate) next: Option<String>,
}

impl AccountPage {
    fn others(&self) -> bool {
        self.next.is_some() || self.rows.iter().any(|row| !row.this)
    }
}

fn row(session: &SessionRow, this: &str, now: UnixMillis) -> Row {
    Row {
        id: session.id.to_string(),
        device: session.device.clone(),
        place: match &session.country {
            Some(country) => format!("{} · {country}", session.address),
            None => session.address.clone(),
        },
        started: Moment::new(session.created_at, now),
        used: Moment::new(session.seen_at, now),
        this: session.id.as_str() == this,
    }
}

/// `GET /account`
#[worker::send]
pub(crate) async fn show(
    State(state): State<AppState>,
    visitor: Visitor,
    Query(paging): Query<Paging>,
) -> Result<Response, ApiError> {
    let now = platform::now();
    let me = &visitor.signed_in;
    let page = account::sessions(&state, me, paging.cursor.as_deref().unwrap_or_default()).await?;
    let rows = page.items.iter().map(|session| row(session, &me.login, now));
    visitor.page(&AccountPage {
        shell: visitor.shell("Your account", Section::Account, None),
        email: me.email.clone(),
        rows: rows.collect(),
        next: page.next.map(|next| web::query("/account", &[("cursor", &next)])),
    })
}

/// `POST /account/sessions/{id}/revoke`
#[worker::send]
pub(crate) async fn revoke(
    State(state): State<AppState>,
    Id(id): Id<LoginId>,
    form: CsrfForm<Press>,
) -> Result<Response, ApiError> {
    let revoked = account::revoke(&state, &form.signed_in, &id).await;
    web::done(revoked, "/account", |()| "The session has ended.".to_owned())
}

/// `POST /account/sessions/revoke`
#[worker::send]
pub(crate) async fn revoke_others(
    State(state): State<AppState>,
    form: CsrfForm<Press>,
) -> Result<Response, ApiError> {
    let revoked = account::revoke_others(&state, &form.signed_in).await;
    web::done(revoked, "/account", |()| {
        "All other sessions have ended.".to_owned()
    })
}
