//! The second factor: setting it up, recovery codes, taking it away.

use super::qr::Qr;
use crate::app::AppState;
use crate::auth::SignedIn;
use crate::auth::passkeys;
use crate::auth::second::{self, Factor, Secret};
use crate::error::ApiError;
use crate::extract::CsrfForm;
use crate::pages::moment::Moment;
use crate::pages::project::actions::Press;
use crate::pages::shell::{Section, Shell};
use crate::pages::web::{self, Visitor};
use crate::pages::{assets, icon};
use crate::platform;
use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;

const PATH: &str = "/account/second-factor";

/// What an app takes.
pub(crate) struct Shown {
    pub(crate) qr: Option<Qr>,
    pub(crate) text: String,
}

#[derive(Template)]
#[template(path = "account/second.html")]
pub(crate) struct SecondPage {
    pub(crate) shell: Shell,
    pub(crate) required: bool,
    /// Where the first code has to be given.
    pub(crate) secret: Option<Shown>,
    /// Since when codes of an app count, where they do.
    pub(crate) there: Option<Moment>,
    /// True where browsers offer passkeys for this installation.
    pub(crate) passkeys_possible: bool,
    /// Passkeys that count.
    pub(crate) passkeys: usize,
    /// Recovery codes that are left.
    pub(crate) codes_left: i64,
    pub(crate) problem: Option<String>,
}

impl SecondPage {
    fn has_factor(&self) -> bool {
        self.there.is_some() || self.passkeys > 0
    }
}

/// Recovery codes, shown once.
#[derive(Template)]
#[template(path = "account/codes.html")]
pub(crate) struct CodesPage {
    pub(crate) shell: Shell,
    pub(crate) codes: Vec<String>,
}

async fn page(state: &AppState, visitor: &Visitor, problem: Option<String>) -> Result<SecondPage, ApiError> {
    let shown = |secret: Secret| Shown {
        qr: Qr::new(&secret.uri),
        text: secret.text,
    };
    let (secret, there) = match second::of(state, &visitor.signed_in).await? {
        Factor::None => (None, None),
        Factor::Begun(secret) => (Some(shown(secret)), None),
        Factor::There { since } => (None, Some(Moment::new(since, platform::now()))),
    };
    Ok(SecondPage {
        shell: visitor.shell("Second factor", Section::Account, None),
        required: second::is_required(state).await?,
        secret,
        there,
        passkeys_possible: passkeys::are_possible(state),
        passkeys: passkeys::list(state, &visitor.signed_in).await?.len(),
        codes_left: second::codes_left(state, &visitor.signed_in).await?,
        problem,
    })
}

/// `GET /account/second-factor`
#[worker::send]
pub(crate) async fn show(State(state): State<AppState>, visitor: Visitor) -> Result<Response, ApiError> {
    let page = page(&state, &visitor, None).await?;
    visitor.page(&page)
}

/// `POST /account/second-factor/begin`
#[worker::send]
pub(crate) async fn begin(
    State(state): State<AppState>,
    form: CsrfForm<Press>,
) -> Result<Response, ApiError> {
    second::set_up(&state, &form.signed_in).await?;
    Ok(web::go(PATH))
}

/// The first code.
#[derive(Deserialize)]
pub(crate) struct FirstCode {
    code: String,
}

pub(super) fn codes_page(
    signed_in: SignedIn,
    headers: &HeaderMap,
    codes: Vec<String>,
) -> Result<Response, ApiError> {
    let visitor = Visitor::new(signed_in, headers, PATH);
    visitor.page(&CodesPage {
        shell: visitor.shell("Recovery codes", Section::Account, None),
        codes,
    })
}

/// `POST /account/second-factor/confirm`
#[worker::send]
pub(crate) async fn confirm(
    State(state): State<AppState>,
    headers: HeaderMap,
    form: CsrfForm<FirstCode>,
) -> Result<Response, ApiError> {
    match second::confirm(&state, form.signed_in.clone(), &form.form.code).await {
        Ok(confirmed) => {
            let mut response = codes_page(confirmed.signed_in, &headers, confirmed.codes)?;
            web::set_cookie(&mut response, &confirmed.cookie)?;
            Ok(response)
        }
        Err(ApiError::Invalid(problems)) => {
            let visitor = Visitor::new(form.signed_in, &headers, PATH);
            let problem = problems.into_iter().next().map(|(_, problem)| problem);
            web::refused(&page(&state, &visitor, problem).await?)
        }
        Err(error) => web::done::<()>(Err(error), PATH, |()| String::new()),
    }
}

/// `POST /account/second-factor/codes`
#[worker::send]
pub(crate) async fn codes(
    State(state): State<AppState>,
    headers: HeaderMap,
    form: CsrfForm<Press>,
) -> Result<Response, ApiError> {
    let codes = second::renew_codes(&state, &form.signed_in).await?;
    codes_page(form.signed_in, &headers, codes)
}

/// `POST /account/second-factor/remove`
#[worker::send]
pub(crate) async fn remove(
    State(state): State<AppState>,
    form: CsrfForm<Press>,
) -> Result<Response, ApiError> {
    let removed = second::remove(&state, &form.signed_in).await;
    let left = passkeys::list(&state, &form.signed_in).await?;
    web::done(removed, PATH, |()| {
        if left.is_empty() {
            "Your password alone signs you in from now on.".to_owned()
        } else {
            "Codes of the app open nothing any more; your passkeys do.".to_owned()
        }
    })
}
