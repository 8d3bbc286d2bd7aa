//! What of a project runs, how many of it, and what it may use; changed in the live release, without a deployment.

use super::count::Count;
use super::{Head, Tab};
use crate::access::{Needs, Routes};
use crate::app::AppState;
use crate::error::ApiError;
use crate::extract::{CsrfForm, Id};
use crate::pages::shell::{Section, Shell};
use crate::pages::web::{self, Visitor};
use crate::pages::{assets, icon};
use crate::service::projects::{self, scale};
use crate::store::deployments::{self, DeploymentRow};
use crate::store::projects::ProjectRow;
use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use devflow_domain::access::Action;
use devflow_domain::command_line;
use devflow_protocol::ProjectId;
use devflow_protocol::job::Part;
use devflow_protocol::outcome::{ServiceKind, ServiceTold};
use devflow_protocol::project::{Limits, Process, ProcessKind};
use devflow_protocol::text::StepName;
use serde_json::json;
use std::collections::BTreeMap;

/// The page and what its forms are sent to.
pub(super) fn router() -> Routes {
    Routes::new()
        .get(
            "/projects/{id}/processes",
            Needs::project(Action::SeeProject),
            show,
        )
        .post(
            "/projects/{id}/processes",
            Needs::project(Action::ChangeSettings),
            scale,
        )
        .post(
            "/projects/{id}/processes/restart",
            Needs::project(Action::Operate),
            restart,
        )
}

/// A process beside what answers visitors.
pub(crate) struct ProcessRow {
    pub(crate) name: String,
    pub(crate) command: String,
    /// None of a scheduler, of which there is one.
    pub(crate) count: Option<Count>,
    pub(crate) stop_wait_s: u16,
}

/// A service of a compose file beside the one that visitors reach.
pub(crate) struct ServiceRow {
    pub(crate) name: String,
    pub(crate) image: String,
    /// How it is run, for a person.
    pub(crate) how: &'static str,
}

/// A limit in the form.
pub(crate) struct LimitField {
    /// Its name in the settings.
    pub(crate) name: &'static str,
    pub(crate) label: &'static str,
    pub(crate) hint: &'static str,
    pub(crate) least: u32,
    pub(crate) most: u32,
    pub(crate) value: String,
}

#[derive(Template)]
#[template(path = "project/processes.html")]
pub(crate) struct ProcessesPage {
    pub(crate) shell: Shell,
    pub(crate) project: Head,
    /// When the settings that the form shows became what they are.
    pub(crate) version: i64,
    /// On which the containers of a Dockerfile listen; None of PHP-FPM.
    pub(crate) port: Option<u16>,
    /// How many containers answer visitors.
    pub(crate) replicas: u8,
    /// The service of a compose file that visitors reach.
    pub(crate) compose: Option<String>,
    /// The other services of the live release's compose file.
    pub(crate) services: Vec<ServiceRow>,
    pub(crate) processes: Vec<ProcessRow>,
    pub(crate) limits: Vec<LimitField>,
    pub(crate) live: bool,
    pub(crate) may_change: bool,
    pub(crate) problem: Option<String>,
}

/// What was typed, by the names of the fields.
type Typed = BTreeMap<String, String>;

/// Before the name of a worker in the name of its field.
const WORKER: &str = "worker.";

/// Limits that mean nothing to an image of the project's own.
const PHP_ONLY: [&str; 2] = ["max_children", "php_memory_mib"];

fn limit_fields(limits: &Limits, typed: &Typed) -> Vec<LimitField> {
    let field = |name, label, hint, (least, most), set: u32| LimitField {
        name,
        label,
        hint,
        least,
        most,
        value: typed.get(name).cloned().unwrap_or_else(|| set.to_string()),
    };
    vec![
        field(
            "max_children",
            "Requests at once",
            "Children of PHP-FPM; they are started when they are needed.",
            (1, 1_000),
            limits.max_children.into(),
        ),
        field(
            "memory_mib",
            "Memory, MiB",
            "Of each container.",
            (64, 1_048_576),
            limits.memory_mib,
        ),
        field(
            "cpu_milli",
            "CPU, thousandths of a core",
            "Of each container.",
            (50, 256_000),
            limits.cpu_milli,
        ),
        field(
            "php_memory_mib",
            "PHP’s memory_limit, MiB",
            "Of one request.",
            (16, 1_048_576),
            limits.php_memory_mib,
        ),
        field(
            "execution_s",
            "Longest request, seconds",
            "Then it is ended.",
            (1, 3_600),
            limits.execution_s.into(),
        ),
    ]
}

fn process_row(process: &Process, typed: &Typed) -> ProcessRow {
    let field = format!("{WORKER}{}", process.name);
    let count = typed.get(&field).cloned();
    let count = count.unwrap_or_else(|| process.count.to_string());
    ProcessRow {
        name: process.name.to_string(),
        command: command_line::join(&process.argv),
        count: (process.kind == ProcessKind::Worker)
            .then(|| Count::new(field, process.name.as_str(), count).in_form("scale")),
        stop_wait_s: process.stop_wait_s,
    }
}

fn service_row(service: &ServiceTold) -> Option<ServiceRow> {
    let how = match service.kind {
        ServiceKind::Web => return None,
        ServiceKind::Release => "each release has its own",
        ServiceKind::Kept => "goes on from release to release, with its volumes",
        ServiceKind::Task => "runs once in each deployment",
    };
    Some(ServiceRow {
        name: service.name.to_string(),
        image: service
            .image
            .as_ref()
            .map_or_else(|| "built from the repository".to_owned(), ToString::to_string),
        how,
    })
}

/// The services of the release that is live.
async fn services(state: &AppState, row: &ProjectRow) -> Result<Vec<ServiceRow>, ApiError> {
    let Some(live) = &row.live_deployment else {
        return Ok(Vec::new());
    };
    let row: Option<DeploymentRow> = state.db.first(deployments::by_id(live)).await?;
    let services = row
        .and_then(|row| row.made())
        .map(|made| made.services)
        .unwrap_or_default();
    Ok(services.iter().filter_map(service_row).collect())
}

/// The page, with what was typed and cannot be taken.
async fn view(
    state: &AppState,
    visitor: &Visitor,
    id: &ProjectId,
    typed: &Typed,
    problem: Option<String>,
) -> Result<ProcessesPage, ApiError> {
    let card = projects::card(state, id).await?;
    let settings = card.project.settings()?;
    let project = Head::new(&card, Some(Tab::Processes), &visitor.signed_in.access)?;
    let title = format!("Processes of {}", project.name);
    let container = settings.container();
    let compose = container
        .as_ref()
        .and_then(|container| container.compose.as_ref());
    let compose = compose.map(|compose| compose.service.to_string());
    let services = match compose {
        Some(_) => services(state, &card.project).await?,
        None => Vec::new(),
    };
    let mut limits = limit_fields(&settings.limits, typed);
    limits.retain(|field| container.is_none() || !PHP_ONLY.contains(&field.name));
    Ok(ProcessesPage {
        shell: visitor.shell(title, Section::Projects, Some(super::topic(id))),
        version: version(&card.project),
        processes: settings
            .all_processes()
            .iter()
            .map(|process| process_row(process, typed))
            .collect(),
        limits,
        port: container.as_ref().map(|container| container.port),
        replicas: container.map_or(1, |container| container.replicas),
        compose,
        services,
        live: card.project.live_deployment.is_some(),
        may_change: visitor.signed_in.access.may(Action::ChangeSettings, Some(id)),
        project,
        problem,
    })
}

fn version(row: &ProjectRow) -> i64 {
    row.updated_at.0
}

/// `GET /projects/{id}/processes`
#[worker::send]
pub(crate) async fn show(
    State(state): State<AppState>,
    visitor: Visitor,
    Id(id): Id<ProjectId>,
) -> Result<Response, ApiError> {
    visitor.page(&view(&state, &visitor, &id, &Typed::new(), None).await?)
}

/// What was typed, as numbers; fields that are not on the form are told.
fn read(typed: &Typed) -> Result<scale::Wanted, String> {
    let mut wanted = scale::Wanted::default();
    for (field, text) in typed.iter().filter(|(field, _)| *field != "version") {
        let whole = |most: u32| match text.trim().parse::<u32>() {
            Ok(number) if number <= most => Ok(number),
            _ => Err(format!(
                "{} is a whole number of at most {most}",
                field.trim_start_matches(WORKER)
            )),
        };
        if let Some(name) = field.strip_prefix(WORKER) {
            let name: StepName = name.parse().map_err(|_| format!("there is no worker {name}"))?;
            let count = u8::try_from(whole(32)?).map_err(|error| error.to_string())?;
            wanted.workers.insert(name, count);
        } else {
            let number = whole(1_048_576)?;
            wanted.limits.insert(field.clone(), json!(number));
        }
    }
    Ok(wanted)
}

/// `POST /projects/{id}/processes`
#[worker::send]
pub(crate) async fn scale(
    State(state): State<AppState>,
    Id(id): Id<ProjectId>,
    headers: HeaderMap,
    form: CsrfForm<Typed>,
) -> Result<Response, ApiError> {
    let CsrfForm { signed_in, form } = form;
    let seen_version = form
        .get("version")
        .and_then(|text| text.parse().ok())
        .unwrap_or(0);
    let seen = |at: devflow_protocol::UnixMillis| {
        if at.0 == seen_version {
            return Ok(());
        }
        let text = "The project’s settings changed meanwhile. Look at its processes as they are now and repeat the change.";
        Err(ApiError::Conflict("changed_meanwhile", text.to_owned()))
    };
    let done = match read(&form) {
        Err(problem) => Err(ApiError::invalid("processes", problem)),
        Ok(wanted) => scale::scale(&state, &signed_in.actor(), &id, seen, wanted).await,
    };
    let path = format!("/projects/{id}/processes");
    match done {
        Err(ApiError::Invalid(problems)) => {
            let texts: Vec<String> = problems.into_iter().map(|(_, text)| text).collect();
            let visitor = Visitor::new(signed_in, &headers, &path);
            web::refused(&view(&state, &visitor, &id, &form, Some(texts.join("; "))).await?)
        }
        done => web::done(done, &path, |job| {
            match job {
                Some(_) => "Saved. The server brings the live release to it now; no request is lost.",
                None => "Saved. The first deployment starts with it.",
            }
            .to_owned()
        }),
    }
}

/// What is started anew: a worker by its name, or what answers visitors where none is named.
#[derive(serde::Deserialize)]
pub(crate) struct Which {
    worker: Option<StepName>,
}

/// `POST /projects/{id}/processes/restart`
#[worker::send]
pub(crate) async fn restart(
    State(state): State<AppState>,
    Id(id): Id<ProjectId>,
    form: CsrfForm<Which>,
) -> Result<Response, ApiError> {
    let name = form
        .form
        .worker
        .as_ref()
        .map_or("web", StepName::as_str)
        .to_owned();
    let part = form.form.worker.map_or(Part::Web, |name| Part::Worker { name });
    let asked = scale::restart_part(&state, &form.signed_in.actor(), &id, part).await;
    web::done(asked, &format!("/projects/{id}/processes"), |_| {
        format!("The server was asked to start {name} anew.")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(fields: &[(&str, &str)]) -> Typed {
        fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn read_takes_workers_and_limits() {
        let wanted = read(&typed(&[
            ("version", "7"),
            ("worker.queue", " 3 "),
            ("memory_mib", "768"),
        ]))
        .unwrap();
        assert_eq!(
            wanted
                .workers
                .into_iter()
                .map(|(name, count)| (name.to_string(), count))
                .collect::<Vec<_>>(),
            [("queue".to_owned(), 3)]
        );
        assert_eq!(json!(wanted.limits), json!({"memory_mib": 768}));
    }

    #[test]
    fn read_says_which_number_is_wrong() {
        for (field, text) in [
            ("worker.queue", "33"),
            ("worker.queue", "-1"),
            ("worker.queue", "many"),
        ] {
            assert_eq!(
                read(&typed(&[(field, text)])).unwrap_err(),
                "queue is a whole number of at most 32"
            );
        }
        assert!(
            read(&typed(&[("memory_mib", "1.5")]))
                .unwrap_err()
                .starts_with("memory_mib")
        );
        assert!(
            read(&typed(&[("worker.../x", "1")]))
                .unwrap_err()
                .contains("no worker")
        );
    }
}
