//! Who did what, newest first.

use super::moment::Moment;
use super::shell::{Section, Shell};
use super::web::{self, Visitor};
use super::{assets, icon};
use crate::app::AppState;
use crate::error::ApiError;
use crate::extract::Query;
use crate::platform;
use crate::service::FLEET;
use crate::store::archives::{self, ProblemRow};
use crate::store::dashboard::{self, FEED_LOOKED_THROUGH, FeedEnd, FeedFilter, FeedRow};
use crate::store::{InBatch as _, Page, activity};
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use devflow_domain::refusals::OTHERS;
use devflow_protocol::time::UnixMillis;
use serde::Deserialize;

/// One thing that was done.
pub(crate) struct Row {
    /// What, in words.
    pub(crate) sentence: String,
    pub(crate) subject: String,
    pub(crate) link: Option<String>,
    pub(crate) actor: String,
    pub(crate) detail: String,
    pub(crate) when: Moment,
}

#[derive(Template)]
#[template(path = "activity.html")]
pub(crate) struct ActivityPage {
    pub(crate) shell: Shell,
    /// What is wrong with the trail itself.
    pub(crate) problem: Option<String>,
    pub(crate) rows: Vec<Row>,
    pub(crate) next: Option<String>,
    pub(crate) what: String,
    pub(crate) who: String,
}

/// What the feed can be narrowed to: the first word of an action, and its name.
const WHAT: [(&str, &str); 16] = [
    ("", "Everything"),
    ("session", "Signing in and out"),
    ("second_factor", "Second factors"),
    ("passkey", "Passkeys"),
    ("key", "API keys"),
    ("user", "People"),
    ("project", "Projects"),
    ("environment", "Environments"),
    ("deployment", "Deployments"),
    ("delivery", "Deliveries"),
    ("hook", "Webhooks"),
    ("endpoint", "Notifications"),
    ("server", "Servers"),
    ("audit", "The audit trail"),
    ("keys", "This installation's keys"),
    ("refusal", "Refusals"),
];

impl ActivityPage {
    /// The choices, and which one is made.
    fn choices(&self) -> impl Iterator<Item = (&'static str, &'static str, bool)> + '_ {
        WHAT.iter()
            .map(|(value, name)| (*value, *name, *value == self.what))
    }

    fn is_filtered(&self) -> bool {
        !self.what.is_empty() || !self.who.is_empty()
    }
}

/// What an action is called.
fn sentence(action: &str) -> String {
    let known = match action {
        "user.set_up" => "Set up DevFlow Pro as",
        "user.invite" => "Invited somebody",
        "user.uninvite" => "Took back an invitation",
        "user.join" => "Accepted an invitation as",
        "user.role" => "Gave a role for all projects to",
        "user.project_role" => "Gave a role for a project to",
        "user.project_role_taken" => "Took a role for a project from",
        "user.disable" => "Shut out",
        "user.enable" => "Let in again",
        "user.delete" => "Deleted a person",
        "session.start" => "Signed in",
        "session.end" => "Signed out",
        "session.refused" => "Gave a wrong password for",
        "second_factor.set_up" => "Set up a second factor",
        "second_factor.codes" => "Made new recovery codes for",
        "second_factor.recovery" => "Used a recovery code of",
        "second_factor.refused" => "Gave a wrong code for",
        "second_factor.remove" => "Took away the second factor of",
        "second_factor.require" => "Made a second factor required of all",
        "second_factor.allow_none" => "Made a second factor everybody's own choice",
        "passkey.add" => "Added a passkey to",
        "passkey.rename" => "Renamed a passkey of",
        "passkey.remove" => "Took away a passkey of",
        "passkey.use" => "Used a passkey of",
        "passkey.refused" => "Gave a passkey that was refused for",
        "session.prove" => "Said again who they are",
        "session.revoke" => "Ended a session of theirs",
        "session.revoke_others" => "Ended all other sessions of theirs",
        "user.password" => "Changed their password",
        "user.password_not_compared" => "Set a password that was not compared with those of data breaches:",
        "session.proof_refused" => "Gave a wrong password while signed in",
        "project.create" => "Made the project",
        "project.update" => "Changed the settings of",
        "project.stop" => "Stopped",
        "project.restart" => "Restarted",
        "project.scale" => "Scaled",
        "project.remove" => "Removed the project",
        "project.corrected" => "Told otherwise of",
        "edge.restored" => "Was restored from a copy",
        "server.unknown_projects" => "Has projects that are not known here:",
        "environment.replace" => "Changed the environment of",
        "environment.reveal" => "Looked at the environment of",
        "repository_token.set" => "Gave an access token for the repository to",
        "repository_token.remove" => "Took the repository’s access token from",
        "hook.renew" => "Made a new webhook secret for",
        "hook.test" => "Tried out the webhook of",
        "hook.reveal" => "Looked at the webhook secret of",
        "deployment.start" => "Deployed",
        "deployment.redeploy" => "Deployed again",
        "deployment.roll_back" => "Rolled back",
        "deployment.cancel" => "Cancelled a deployment of",
        "deployment.abandon" => "Gave up on a deployment of",
        "endpoint.create" => "Added the notification endpoint",
        "endpoint.update" => "Changed the notification endpoint",
        "endpoint.renew" => "Made a new secret for the notification endpoint",
        "endpoint.remove" => "Removed a notification endpoint",
        "endpoint.test" => "Sent a test to",
        "endpoint.resend" => "Sent a message again to",
        "delivery.replay" => "Replayed a delivery of",
        "server.create" => "Added the server",
        "server.invite" => "Made a new command for the server",
        "server.enrol" => "Connected the server",
        "server.rename" => "Renamed the server",
        "server.drain" => "Began to drain the server",
        "server.undrain" => "Ended draining the server",
        "server.remove" => "Removed the server",
        "server.inspect" => "Had a repository looked at by",
        "server.ping" => "Tested the connection of",
        "server.update" => "Updated the runner of",
        "audit.broken" => "Found the audit trail to be another one than was sealed:",
        "audit.export" => "Exported the audit trail",
        "keys.job_key" => "Signs jobs with a new key",
        "key.create" => "Made an API key",
        "key.rotate" => "Rotated an API key",
        "key.revoke" => "Revoked an API key",
        "key.login" => "Let a device log in with an API key",
        "key.login_refused" => "Refused a device that wanted to log in",
        "key.log_out" => "Logged a device out, whose API key has ended",
        "refusal.not_allowed" => "Was refused what their role or key does not cover:",
        "refusal.not_found" => "Was refused what they may not see:",
        "refusal.second_factor_needed" => "Had to set up a second factor first for:",
        "refusal.csrf" => "Was refused for a form that is not theirs, or out of date:",
        "refusal.foreign_origin" => "Was refused for a request from a page of another site",
        "refusal.unauthenticated" => "Was refused without an API key or a session:",
        "refusal.wrong_key" => "Was refused with an API key that is not known:",
        "refusal.key_expired" => "Was refused with an API key that is over:",
        "refusal.wrong_credentials" | "refusal.wrong_password" => "Was refused with a wrong password:",
        "refusal.wrong_code" | "refusal.too_late" => "Was refused with a wrong code:",
        "refusal.rate_limited" => "Was refused for asking too often:",
        "refusal.more" => "Was refused, and there were too many kinds of it for a row each",
        other if other.starts_with("refusal.") => {
            return format!(
                "Was refused ({}):",
                other.trim_start_matches("refusal.").replace('_', " ")
            );
        }
        other => return other.replace(['.', '_'], " "),
    };
    known.to_owned()
}

/// The page of what was done something to.
fn link(row: &FeedRow) -> Option<String> {
    row.subject_name.as_ref()?;
    match row.subject.split('_').next()? {
        "prj" => Some(format!("/projects/{}", row.subject)),
        "srv" => Some(format!("/servers/{}", row.subject)),
        "dep" => Some(format!("/deployments/{}", row.subject)),
        "usr" => Some(format!("/people/{}", row.subject)),
        "ept" => Some(format!("/endpoints/{}", row.subject)),
        _ => None,
    }
}

fn actor(row: &FeedRow) -> String {
    let name = row.actor_name.clone();
    if row.actor == activity::STRANGER {
        return "somebody who is not known".to_owned();
    }
    if row.actor == OTHERS {
        return "several".to_owned();
    }
    if row.actor == activity::EDGE {
        return "this installation".to_owned();
    }
    match row.actor.split('_').next() {
        Some("key") => name.map_or_else(
            || "an API key that is gone".to_owned(),
            |name| format!("API key “{name}”"),
        ),
        Some("srv") => name.map_or_else(
            || "a server that is gone".to_owned(),
            |name| format!("server {name}"),
        ),
        _ => name.unwrap_or_else(|| "somebody who is gone".to_owned()),
    }
}

/// How often something was refused.
fn times(count: &str) -> String {
    if count == "1" {
        "once".to_owned()
    } else {
        format!("{count} times")
    }
}

fn list_row(row: &FeedRow, now: UnixMillis) -> Row {
    let is_id = |text: &str| {
        text.split_once('_')
            .is_some_and(|(prefix, rest)| prefix.len() == 3 && rest.len() == 26)
    };
    let refused = row.action.starts_with("refusal.");
    let subject = match &row.subject_name {
        Some(name) => name.clone(),
        // What was wanted: an action or a path.
        None if refused && row.subject == "enter" => "coming in".to_owned(),
        None if refused => row.subject.replace('_', " "),
        None => String::new(),
    };
    let says_more = !is_id(&row.detail) && !row.detail.eq_ignore_ascii_case(&subject);
    Row {
        sentence: sentence(&row.action),
        subject,
        link: link(row),
        actor: actor(row),
        detail: if refused {
            times(&row.detail)
        } else if says_more {
            row.detail.clone()
        } else {
            String::new()
        },
        when: Moment::new(row.at, now),
    }
}

/// Which page of the feed.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Look {
    cursor: String,
    what: String,
    who: String,
}

fn cursor(text: &str) -> Result<i64, ApiError> {
    if text.is_empty() {
        return Ok(i64::MAX >> 11);
    }
    let wrong = |_| ApiError::invalid("cursor", "the place in the list that a page named");
    text.parse().map_err(wrong)
}

/// Where the next page begins: after the last row, or where a filtered page stopped to look.
fn next(page: &Page<FeedRow>, end: Option<&FeedEnd>) -> Option<String> {
    let stopped = end.filter(|end| end.rows == FEED_LOOKED_THROUGH);
    let stopped = stopped.and_then(|end| end.id).map(|id| id.to_string());
    page.next.clone().or(stopped)
}

/// `GET /activity`
#[worker::send]
pub(crate) async fn list(
    State(state): State<AppState>,
    visitor: Visitor,
    Query(look): Query<Look>,
) -> Result<Response, ApiError> {
    let before = cursor(&look.cursor)?;
    // Only what there is to choose: D1 refuses long patterns.
    let known = WHAT.iter().map(|(value, _)| *value);
    let filter = FeedFilter {
        what: known
            .into_iter()
            .find(|value| *value == look.what)
            .unwrap_or_default(),
        who: look.who.trim(),
    };
    let mut batch = vec![dashboard::feed(before, &filter), archives::problem()];
    batch.extend((!filter.is_empty()).then(|| dashboard::feed_end(before)));
    let answers = state.db.batch(batch).await?;
    let rows: Vec<FeedRow> = answers.first().rows()?;
    let problem: Option<ProblemRow> = answers.get(1).first_row()?;
    let end: Option<FeedEnd> = answers.get(2).first_row()?;
    let page = Page::of(dashboard::FEED_ROWS, rows, |row| row.id.to_string());
    let next = next(&page, end.as_ref());
    let next = next.map(|next| {
        let fields = [
            ("cursor", next.as_str()),
            ("what", &look.what),
            ("who", &look.who),
        ];
        web::query("/activity", &fields)
    });
    let now = platform::now();
    visitor.page(&ActivityPage {
        shell: visitor.shell("Activity", Section::Activity, Some(FLEET.to_owned())),
        problem: problem.map(|row| row.problem),
        rows: page.items.iter().map(|row| list_row(row, now)).collect(),
        next,
        what: look.what,
        who: look.who,
    })
}
