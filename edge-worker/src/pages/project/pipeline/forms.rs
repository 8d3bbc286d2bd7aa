//! Adding, changing and removing a hook.

use super::{HookForm, view};
use crate::app::AppState;
use crate::error::ApiError;
use crate::extract::{CsrfForm, Id};
use crate::pages::web::{self, Visitor};
use crate::service::projects;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use devflow_domain::command_line;
use devflow_domain::hooks::Hook;
use devflow_protocol::{ProjectId, UnixMillis};
use serde_json::{Map, json};

fn path(id: &ProjectId) -> String {
    format!("/projects/{id}/pipeline")
}

/// What was typed, as a hook.
fn read(form: &HookForm) -> Result<Hook, String> {
    let name = form.name.trim();
    let argv = command_line::split(&form.command).map_err(|error| error.to_string())?;
    if argv.is_empty() {
        return Err("type the command that is to run".to_owned());
    }
    let timeout_s: u32 = form
        .timeout_s
        .trim()
        .parse()
        .map_err(|_| "the time is a whole number of seconds".to_owned())?;
    let hook = json!({ "name": name, "at": form.at, "argv": argv, "timeout_s": timeout_s });
    serde_json::from_value(hook).map_err(|error| error.to_string())
}

/// Sets the hooks of the version that the page showed.
async fn save(
    state: &AppState,
    id: &ProjectId,
    actor: &crate::auth::Actor,
    version: i64,
    change: impl FnOnce(&mut Vec<Hook>),
) -> Result<(), ApiError> {
    let row = projects::get(state, id).await?;
    let mut hooks = row.settings()?.hooks;
    change(&mut hooks);
    let seen = |at: UnixMillis| {
        if at.0 == version {
            Ok(())
        } else {
            Err(ApiError::Conflict(
                "changed_meanwhile",
                "The project's settings changed meanwhile. Look at the pipeline as it is now and repeat the change.".to_owned(),
            ))
        }
    };
    let fields = Map::from_iter([("hooks".to_owned(), json!(hooks))]);
    projects::update(state, actor, id, seen, fields).await.map(drop)
}

/// `POST /projects/{id}/pipeline/set`: adds a hook, or changes the one of that name.
#[worker::send]
pub(crate) async fn set(
    State(state): State<AppState>,
    Id(id): Id<ProjectId>,
    headers: HeaderMap,
    form: CsrfForm<HookForm>,
) -> Result<Response, ApiError> {
    let CsrfForm { signed_in, mut form } = form;
    let saved = match read(&form) {
        Err(problem) => Err(ApiError::invalid("hooks", problem)),
        Ok(hook) => {
            let put = |hooks: &mut Vec<Hook>| match hooks.iter_mut().find(|it| it.name == hook.name) {
                Some(there) => *there = hook,
                None => hooks.push(hook),
            };
            save(&state, &id, &signed_in.actor(), form.version, put).await
        }
    };
    match saved {
        Err(ApiError::Invalid(problems)) => {
            let texts: Vec<String> = problems.into_iter().map(|(_, text)| text).collect();
            form.problem = Some(texts.join("; "));
            let visitor = Visitor::new(signed_in, &headers, &path(&id));
            web::refused(&view(&state, &visitor, &id, None, Some(form)).await?)
        }
        saved => web::done(saved, &path(&id), |()| {
            format!("The hook {} runs from the next deployment on.", form.name.trim())
        }),
    }
}

/// `POST /projects/{id}/pipeline/remove`
#[worker::send]
pub(crate) async fn remove(
    State(state): State<AppState>,
    Id(id): Id<ProjectId>,
    form: CsrfForm<HookForm>,
) -> Result<Response, ApiError> {
    let CsrfForm { signed_in, form } = form;
    let gone = |hooks: &mut Vec<Hook>| hooks.retain(|hook| hook.name.as_str() != form.name);
    let removed = save(&state, &id, &signed_in.actor(), form.version, gone).await;
    web::done(removed, &path(&id), |()| {
        format!("The hook {} is gone from the next deployment on.", form.name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn form(command: &str, timeout_s: &str) -> HookForm {
        HookForm {
            name: " warm ".to_owned(),
            at: "before_switch".to_owned(),
            command: command.to_owned(),
            timeout_s: timeout_s.to_owned(),
            ..HookForm::default()
        }
    }

    #[test]
    fn read_makes_an_argument_list_of_the_line() {
        let hook = read(&form("sh -c 'php artisan app:warm && date'", "60")).unwrap();
        let shown: Value = serde_json::to_value(&hook).unwrap();
        assert_eq!(
            shown,
            json!({ "name": "warm", "at": "before_switch", "argv": ["sh", "-c", "php artisan app:warm && date"],
                    "timeout_s": 60 })
        );
        assert_eq!(
            HookForm::of(&hook, 1).command,
            "sh -c 'php artisan app:warm && date'"
        );
    }

    #[test]
    fn read_says_what_is_wrong() {
        assert!(
            read(&form("a && b", "60"))
                .unwrap_err()
                .contains("without a shell")
        );
        assert!(read(&form(" ", "60")).unwrap_err().contains("type the command"));
        assert!(read(&form("a", "soon")).unwrap_err().contains("whole number"));
    }
}
