//! A deployment: where it stands, its steps as a chart of time, and its output as it is printed.

use super::assets;
use super::icon::{self, Icon};
use super::look::{Badge, Tone};
use super::moment::{Length, Moment};
use super::output::Output;
use super::shell::Shell;
use askama::Template;

/// How far a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Running,
    Ok,
    Skipped,
    Failed,
    /// It was under way when the deployment ended.
    Ended,
}

/// A step, placed on a line of 1,000 units from the first step's start to now or the end.
pub(crate) struct StepRow {
    pub(crate) name: String,
    pub(crate) progress: Progress,
    pub(crate) start: u32,
    pub(crate) width: u32,
    pub(crate) ms: Option<Length>,
    /// Since when it runs.
    pub(crate) since: Option<Moment>,
}

impl StepRow {
    fn class(&self) -> &'static str {
        match self.progress {
            Progress::Running => "running",
            Progress::Ok => "ok",
            Progress::Skipped => "skipped",
            Progress::Failed => "failed",
            Progress::Ended => "waiting",
        }
    }

    fn word(&self) -> &'static str {
        match self.progress {
            Progress::Running => "running",
            Progress::Ok => "done",
            Progress::Skipped => "skipped",
            Progress::Failed => "failed",
            Progress::Ended => "not finished",
        }
    }

    fn icon(&self) -> Icon {
        match self.progress {
            Progress::Running => icon::RUNNING,
            Progress::Ok => icon::OK,
            Progress::Failed => icon::FAILED,
            Progress::Skipped | Progress::Ended => icon::SKIPPED,
        }
    }
}

/// What the page says on top about where things stand.
pub(crate) struct Said {
    pub(crate) tone: Tone,
    pub(crate) head: &'static str,
    pub(crate) text: String,
    /// The line of the output to look at.
    pub(crate) line: Option<u64>,
}

#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one thing that the template shows or not"
)]
#[derive(Template)]
#[template(path = "deployment.html")]
pub(crate) struct DeploymentPage {
    pub(crate) shell: Shell,
    pub(crate) id: String,
    pub(crate) project: String,
    pub(crate) project_name: String,
    pub(crate) server: String,
    pub(crate) server_name: String,
    pub(crate) badge: Badge,
    pub(crate) subject: String,
    pub(crate) commit: Option<String>,
    pub(crate) author: Option<String>,
    pub(crate) branch: String,
    pub(crate) by: String,
    pub(crate) running: bool,
    pub(crate) failed: bool,
    pub(crate) live: bool,
    pub(crate) kept: bool,
    pub(crate) can_cancel: bool,
    pub(crate) can_roll_back: bool,
    pub(crate) can_redeploy: bool,
    pub(crate) said: Option<Said>,
    pub(crate) queued: Moment,
    pub(crate) started: Option<Moment>,
    pub(crate) took: Option<Length>,
    pub(crate) running_since: Option<Moment>,
    pub(crate) current_step: Option<String>,
    pub(crate) steps: Vec<StepRow>,
    pub(crate) no_steps: &'static str,
    pub(crate) output: Output,
}
