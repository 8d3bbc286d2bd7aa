//! How long the last deployments of a project took, stage by stage, as a chart of bars.

use crate::pages::moment::Length;
use crate::store::deployments::DeploymentRow;
use devflow_domain::plan::plan;
use devflow_protocol::event::DeploymentState;
use devflow_protocol::project::ProjectSpec;
use std::collections::HashMap;

/// Most deployments in the chart, and fewest that can be compared.
const BARS: usize = 20;
const FEWEST: usize = 2;
/// Units of the chart: of a bar with the gap beside it, and of the longest deployment.
const WIDTH: u32 = 10;
const HEIGHT: u64 = 1_000;

/// What a deployment spends its time with.
const STAGES: [&str; 4] = [
    "Fetch and check out",
    "Dependencies and build",
    "Start, migrate and check",
    "Switch and watch",
];

/// A part of a bar.
pub(crate) struct Part {
    /// Place of its stage in [`Times::stages`].
    pub(crate) stage: usize,
    pub(crate) y: u64,
    pub(crate) height: u64,
}

/// A deployment.
pub(crate) struct Bar {
    pub(crate) x: u32,
    /// What a pointer that rests on it is told.
    pub(crate) title: String,
    pub(crate) parts: Vec<Part>,
}

/// The chart.
pub(crate) struct Times {
    pub(crate) bars: Vec<Bar>,
    pub(crate) width: u32,
    pub(crate) longest: Length,
    /// Each stage with what it took in the newest deployment.
    pub(crate) stages: Vec<(usize, &'static str, Length)>,
    /// The chart in words.
    pub(crate) summary: String,
}

fn stage(state: DeploymentState) -> usize {
    use DeploymentState as S;
    match state {
        S::Queued | S::Preparing => 0,
        S::Building => 1,
        S::Starting | S::Migrating | S::Checking => 2,
        S::Switching
        | S::Observing
        | S::Live
        | S::Failed
        | S::RolledBack
        | S::Cancelled
        | S::Superseded
        | S::OutOfContact => 3,
    }
}

/// Puts the chart together of `rows`, the newest first; None where there is too little to compare.
pub(crate) fn times(rows: &[DeploymentRow], spec: &ProjectSpec) -> Option<Times> {
    let planned: HashMap<&str, usize> = plan(spec)
        .iter()
        .map(|step| (step.name, stage(step.state)))
        .collect();
    // A step that the pipeline does not have any more was a command of the build most likely.
    let stage_of = |name: &str| planned.get(name).copied().unwrap_or(1);
    let mut counted: Vec<(&DeploymentRow, [u64; 4])> = Vec::new();
    for row in rows.iter().filter(|row| row.state == DeploymentState::Live) {
        let mut sums = [0; 4];
        for step in row.steps() {
            sums[stage_of(step.step.as_str())] += step.ms.unwrap_or(0);
        }
        if sums.iter().any(|ms| *ms > 0) {
            counted.push((row, sums));
        }
        if counted.len() == BARS {
            break;
        }
    }
    if counted.len() < FEWEST {
        return None;
    }
    let whole = |sums: &[u64; 4]| sums.iter().sum::<u64>();
    let longest = counted.iter().map(|(_, sums)| whole(sums)).max().unwrap_or(1);
    let shortest = counted.iter().map(|(_, sums)| whole(sums)).min().unwrap_or(1);
    let newest = counted[0].1;
    let bars = counted.iter().rev().zip(0..).map(|((row, sums), place)| Bar {
        x: place * WIDTH + 1,
        title: format!("{}: {}", super::deployments::subject(row), length(whole(sums))),
        parts: parts(sums, longest),
    });
    Some(Times {
        // Bars are as wide where there are few of them.
        width: WIDTH * u32::try_from(BARS).unwrap_or(u32::MAX / WIDTH),
        longest: length(longest),
        stages: STAGES
            .iter()
            .enumerate()
            .map(|(place, name)| (place, *name, length(newest[place])))
            .collect(),
        summary: format!(
            "The last {} deployments that went live took {} to {}.",
            counted.len(),
            length(shortest),
            length(longest)
        ),
        bars: bars.collect(),
    })
}

fn length(ms: u64) -> Length {
    Length(i64::try_from(ms).unwrap_or(i64::MAX))
}

/// The parts of a bar, the first stage at its foot.
fn parts(sums: &[u64; 4], longest: u64) -> Vec<Part> {
    let mut top = HEIGHT;
    let mut parts = Vec::new();
    for (stage, ms) in sums.iter().enumerate() {
        let height = (ms * HEIGHT / longest.max(1)).min(top);
        top -= height;
        if height > 0 {
            parts.push(Part {
                stage,
                y: top,
                height,
            });
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use devflow_domain::settings::ProjectSettings;
    use serde_json::json;

    fn row(state: &str, steps: &serde_json::Value) -> DeploymentRow {
        let id = |prefix: &str| format!("{prefix}_01h2e8kqvbfwea724h75qc655w");
        serde_json::from_value(json!({
            "id": id("dep"), "project": id("prj"), "server": id("srv"), "kind": "deploy", "trigger_kind": "push",
            "state": state, "ref_name": "refs/heads/main", "subject": "Basket", "steps": steps.to_string(),
            "queued_at": 0, "project_name": "Shop",
        }))
        .unwrap()
    }

    fn spec() -> ProjectSpec {
        let settings: ProjectSettings = serde_json::from_value(json!({
            "framework": "laravel", "repository": "https://git.test/a.git", "domains": ["a.test"],
        }))
        .unwrap();
        settings.to_spec("shop".parse().unwrap())
    }

    fn steps(fetch: u64, build: u64) -> serde_json::Value {
        json!([
            { "step": "fetch", "outcome": "ok", "ms": fetch },
            { "step": "a-step-of-before", "outcome": "ok", "ms": build },
            { "step": "switch", "outcome": null, "ms": null },
        ])
    }

    #[test]
    fn times_stacks_stages_and_measures_all_bars_by_the_longest() {
        let rows = [
            row("live", &steps(500, 500)),
            row("failed", &steps(9_000, 9_000)),
            row("live", &steps(500, 1_500)),
        ];
        let times = times(&rows, &spec()).unwrap();
        let shown: Vec<Vec<(usize, u64, u64)>> = times
            .bars
            .iter()
            .map(|bar| {
                bar.parts
                    .iter()
                    .map(|part| (part.stage, part.y, part.height))
                    .collect()
            })
            .collect();
        // The older one, which took longest, comes first.
        assert_eq!(
            shown,
            [
                vec![(0, 750, 250), (1, 0, 750)],
                vec![(0, 750, 250), (1, 500, 250)]
            ]
        );
        assert_eq!(
            times.summary,
            "The last 2 deployments that went live took 1.0 s to 2.0 s."
        );
    }

    #[test]
    fn times_says_nothing_of_a_single_deployment() {
        assert!(times(&[row("live", &steps(1, 1)), row("live", &json!([]))], &spec()).is_none());
    }
}
