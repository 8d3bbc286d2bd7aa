//! A deployment's output as lines of HTML, made of its numbered events.

use super::ansi;
use super::moment::Length;
use super::web::{self, Visitor};
use crate::app::AppState;
use crate::error::ApiError;
use crate::extract::{Id, Query};
use crate::service::output;
use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use devflow_protocol::event::{Event, Happening, StepOutcome, Stream};
use devflow_protocol::{DeploymentId, ServerId};
use serde::Deserialize;

/// A line; its number is that of its event, so a link to it stays true.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) n: u64,
    /// The step that failed there, which a link can name.
    pub(crate) failed: Option<String>,
    pub(crate) class: &'static str,
    /// Escaped, see [`ansi::to_html`].
    pub(crate) html: String,
}

/// Lines that a browser lays out together, once they come into view; `output.css` knows how high so many are.
const BLOCK: usize = 100;

/// Some lines, and where to go on.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Output {
    pub(crate) lines: Vec<Line>,
    /// The number of the last event that was looked at.
    pub(crate) last: u64,
    /// True where more may be there already.
    pub(crate) more: bool,
    /// The address that shows the first lines, where these are not.
    pub(crate) earlier: Option<String>,
    /// True where a page's script asked.
    pub(crate) by_script: bool,
}

impl Output {
    pub(crate) fn blocks(&self) -> std::slice::Chunks<'_, Line> {
        self.lines.chunks(BLOCK)
    }

    /// What a link to a line names. A page's script finds lines by their numbers, so those that it fetches need no name: each
    /// name costs the browser time whenever the page is brought up to date.
    pub(crate) fn name(&self, line: &Line) -> Option<String> {
        match &line.failed {
            Some(step) => Some(format!("failed-{step}")),
            None => (!self.by_script).then(|| format!("L{}", line.n)),
        }
    }
}

/// Turns events into lines.
pub(crate) fn lines<'a>(events: impl IntoIterator<Item = &'a Event>) -> Vec<Line> {
    events.into_iter().filter_map(line).collect()
}

fn line(event: &Event) -> Option<Line> {
    let (class, html) = match &event.what {
        Happening::Output { stream, text, .. } => {
            let class = match stream {
                Stream::Out => "out",
                Stream::Err => "err",
                Stream::Runner => "runner",
            };
            (class, ansi::to_html(text))
        }
        Happening::StepStarted { step } => ("step", ansi::to_html(step.as_str())),
        Happening::StepFinished {
            step,
            outcome: StepOutcome::Failed,
            ms,
        } => {
            let took = Length(i64::try_from(*ms).unwrap_or(i64::MAX));
            (
                "step failed",
                format!("{} failed after {took}", ansi::to_html(step.as_str())),
            )
        }
        Happening::Commit { sha, subject, author } => (
            "runner",
            format!(
                "{} {} ({})",
                sha.short(),
                ansi::to_html(subject),
                ansi::to_html(author)
            ),
        ),
        Happening::State { .. } | Happening::StepFinished { .. } => return None,
    };
    let failed = match &event.what {
        Happening::StepFinished { step, .. } => Some(step.to_string()),
        _ => None,
    };
    Some(Line {
        n: event.n,
        failed,
        class,
        html,
    })
}

/// The lines after those that a page has.
#[derive(Template)]
#[template(path = "output.html")]
pub(crate) struct OutputFragment {
    pub(crate) output: Output,
}

/// Lines that come with the page itself; its script fetches the others when the page is there.
pub(crate) const FIRST_EVENTS: usize = 1_000;

/// Reads what comes after an event, at most `most` events.
pub(crate) async fn read(
    state: &AppState,
    id: &DeploymentId,
    from: &After,
    most: usize,
) -> Result<Output, ApiError> {
    let After { after, server } = from;
    let after = *after;
    let output::Output { mut events, .. } = output::after(state, id, server.as_ref(), after).await?;
    events.truncate(most);
    let last = events.last().map_or(after, |event| event.n);
    Ok(Output {
        lines: lines(&events),
        last,
        more: !events.is_empty(),
        earlier: (after > 0).then(|| match server {
            None => format!("/deployments/{id}"),
            Some(server) => format!("/deployments/{id}?server={server}"),
        }),
        by_script: false,
    })
}

/// Where to go on.
#[derive(Deserialize)]
pub(crate) struct After {
    #[serde(default)]
    pub(crate) after: u64,
    /// Which of several servers.
    pub(crate) server: Option<ServerId>,
}

/// `GET /deployments/{id}/output?after=N`: a part of the page.
#[worker::send]
pub(crate) async fn show(
    State(state): State<AppState>,
    _visitor: Visitor,
    Id(id): Id<DeploymentId>,
    Query(after): Query<After>,
) -> Result<Response, ApiError> {
    let output = Output {
        by_script: true,
        ..read(&state, &id, &after, usize::MAX).await?
    };
    web::html(StatusCode::OK, &OutputFragment { output })
}

#[cfg(test)]
mod tests {
    use super::*;
    use devflow_protocol::time::UnixMillis;

    #[test]
    fn lines_show_steps_output_and_failures_and_escape_all_of_it() {
        let step = || "composer".parse().unwrap();
        let events = [
            Happening::StepStarted { step: step() },
            Happening::Output {
                step: step(),
                stream: Stream::Err,
                text: "\u{1b}[31m<b>no</b>\u{1b}[0m".to_owned(),
            },
            Happening::Commit {
                sha: "a".repeat(40).parse().unwrap(),
                subject: "<img src=x>".to_owned(),
                author: "O'Hara".to_owned(),
            },
            Happening::StepFinished {
                step: step(),
                outcome: StepOutcome::Failed,
                ms: 1_500,
            },
        ];
        let events: Vec<Event> = (1..)
            .zip(events)
            .map(|(n, what)| Event {
                n,
                at: UnixMillis(0),
                what,
            })
            .collect();
        let named = |by_script: bool| -> Vec<_> {
            let output = Output {
                lines: lines(&events),
                by_script,
                ..Output::default()
            };
            output.lines.iter().map(|line| output.name(line)).collect()
        };
        let failed = Some("failed-composer".to_owned());
        assert_eq!(named(true), [None, None, None, failed.clone()]);
        assert_eq!(
            named(false)[1..],
            [Some("L2".to_owned()), Some("L3".to_owned()), failed]
        );
        let shown: Vec<_> = lines(&events)
            .into_iter()
            .map(|line| format!("{} {}: {}", line.n, line.class, line.html))
            .collect();
        assert_eq!(
            shown,
            [
                "1 step: composer",
                "2 err: <span class=\"f-red\">&lt;b&gt;no&lt;/b&gt;</span>",
                "3 runner: aaaaaaa &lt;img src=x&gt; (O&#39;Hara)",
                "4 step failed: composer failed after 1.5 s",
            ]
        );
    }
}
