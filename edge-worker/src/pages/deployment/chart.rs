//! The steps of a deployment as a chart of time.

use crate::pages::icon::{self, Icon};
use crate::pages::moment::{Length, Moment};
use crate::store::deployments::{DeploymentRow, StepRow as StoredStep};
use devflow_domain::deployment::is_final;
use devflow_protocol::event::StepOutcome;
use devflow_protocol::time::UnixMillis;

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
    pub(super) fn class(&self) -> &'static str {
        match self.progress {
            Progress::Running => "running",
            Progress::Ok => "ok",
            Progress::Skipped => "skipped",
            Progress::Failed => "failed",
            Progress::Ended => "waiting",
        }
    }

    pub(super) fn word(&self) -> &'static str {
        match self.progress {
            Progress::Running => "running",
            Progress::Ok => "done",
            Progress::Skipped => "skipped",
            Progress::Failed => "failed",
            Progress::Ended => "not finished",
        }
    }

    pub(super) fn icon(&self) -> Icon {
        match self.progress {
            Progress::Running => icon::RUNNING,
            Progress::Ok => icon::OK,
            Progress::Failed => icon::FAILED,
            Progress::Skipped | Progress::Ended => icon::SKIPPED,
        }
    }
}
/// Units of a bar in the chart of steps.
const CHART: i64 = 1_000;

/// Places the steps on one line of time, one after the other where their starts are not known.
pub(super) fn chart(steps: &[StoredStep], row: &DeploymentRow, now: UnixMillis) -> Vec<StepRow> {
    let over = is_final(row.state);
    let mut cursor = row.started_at.unwrap_or(row.queued_at);
    let mut placed = Vec::new();
    for step in steps {
        let from = step.started_at.unwrap_or(cursor);
        let ms = step.ms.map(|ms| i64::try_from(ms).unwrap_or(i64::MAX));
        let until = match ms {
            Some(ms) => from.plus(ms),
            None if over => row.finished_at.unwrap_or(from),
            None => now,
        };
        cursor = until;
        placed.push((step, from, until, ms));
    }
    let first = placed.first().map_or(now, |(_, from, ..)| *from);
    let whole = placed
        .iter()
        .map(|(_, _, until, _)| until.since(first))
        .max()
        .unwrap_or(0)
        .max(1);
    let units = |ms: i64| u32::try_from((ms.clamp(0, whole) * CHART) / whole).unwrap_or(0);
    placed
        .into_iter()
        .map(|(step, from, until, ms)| {
            let progress = match step.outcome {
                Some(StepOutcome::Ok) => Progress::Ok,
                Some(StepOutcome::Skipped) => Progress::Skipped,
                Some(StepOutcome::Failed) => Progress::Failed,
                None if over => Progress::Ended,
                None => Progress::Running,
            };
            let start = units(from.since(first)).min(996);
            StepRow {
                name: step.step.to_string(),
                progress,
                start,
                width: units(until.since(from)).clamp(4, 1_000 - start),
                ms: ms.filter(|_| progress != Progress::Skipped).map(Length),
                since: (progress == Progress::Running).then(|| Moment::running(from, now)),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn deployment(state: &str, finished_at: Option<i64>) -> DeploymentRow {
        let id = |prefix: &str| format!("{prefix}_01h2e8kqvbfwea724h75qc655w");
        let row = json!({
            "id": id("dep"), "project": id("prj"), "server": id("srv"), "kind": "deploy", "trigger_kind": "push",
            "state": state, "ref_name": "refs/heads/main", "steps": "[]", "queued_at": 0, "started_at": 1_000,
            "finished_at": finished_at, "project_name": "Shop",
        });
        serde_json::from_value(row).unwrap()
    }

    fn steps(json: serde_json::Value) -> Vec<StoredStep> {
        serde_json::from_value(json).unwrap()
    }

    fn shown(rows: &[StepRow]) -> Vec<String> {
        let row = |row: &StepRow| format!("{} {:?} {}+{}", row.name, row.progress, row.start, row.width);
        rows.iter().map(row).collect()
    }

    #[test]
    fn chart_places_finished_steps_one_after_the_other() {
        let steps = steps(json!([
            { "step": "fetch", "outcome": "ok", "ms": 250 },
            { "step": "link", "outcome": "skipped", "ms": 0 },
            { "step": "build", "outcome": "failed", "ms": 750 },
        ]));
        let rows = chart(&steps, &deployment("failed", Some(2_000)), UnixMillis(9_000));
        assert_eq!(
            shown(&rows),
            ["fetch Ok 0+250", "link Skipped 250+4", "build Failed 250+750"]
        );
    }

    #[test]
    fn chart_lets_a_running_step_grow_until_now() {
        let steps = steps(json!([
            { "step": "fetch", "outcome": "ok", "ms": 500, "started_at": 1_000 },
            { "step": "build", "outcome": null, "ms": null, "started_at": 2_000 },
        ]));
        let rows = chart(&steps, &deployment("building", None), UnixMillis(3_000));
        assert_eq!(shown(&rows), ["fetch Ok 0+250", "build Running 500+500"]);
        assert!(rows[1].since.is_some() && rows[1].ms.is_none());
    }

    #[test]
    fn chart_ends_an_unfinished_step_with_its_deployment() {
        let steps = steps(json!([{ "step": "build", "outcome": null, "ms": null, "started_at": 1_000 }]));
        let rows = chart(&steps, &deployment("cancelled", Some(1_400)), UnixMillis(9_000));
        assert_eq!(shown(&rows), ["build Ended 0+1000"]);
    }
}
