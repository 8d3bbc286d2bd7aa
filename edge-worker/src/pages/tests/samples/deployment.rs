//! A deployment.

use super::{NOW, ago, badge, shell};
use crate::pages::look::{Badge, Tone};
use crate::pages::moment::{Length, Moment};
use crate::pages::output::Output;
use crate::pages::prose::Prose;
use crate::pages::shell::{Mood, Section, Theme};
use crate::pages::{deployment, happened, output};
use askama::Template;
use devflow_protocol::event::{Event, Happening, StepOutcome, Stream};

fn sample_events(text: &str) -> Vec<Event> {
    let out = |step: &str, stream, text: &str| Happening::Output {
        step: step.parse().unwrap(),
        stream,
        text: text.to_owned(),
    };
    let started = |step: &str| Happening::StepStarted {
        step: step.parse().unwrap(),
    };
    let mut events = vec![
        started("fetch"),
        Happening::Commit {
            sha: "4f2a91c0b7".repeat(4).parse().unwrap(),
            subject: "Show the delivery date in the basket".to_owned(),
            author: "Ada Lovelace".to_owned(),
        },
        started("composer"),
        out("composer", Stream::Err, "Installing dependencies from lock file"),
        out(
            "composer",
            Stream::Out,
            "  - Installing \u{1b}[32macme/core\u{1b}[39m (\u{1b}[33m3.2.1\u{1b}[39m): Extracting archive",
        ),
        out(
            "composer",
            Stream::Out,
            "\u{1b}[30;42mGenerating optimized autoload files\u{1b}[0m",
        ),
        started("npm-build"),
        out(
            "npm-build",
            Stream::Out,
            "\u{1b}[36mvite v6.0.1\u{1b}[39m building for production...",
        ),
        out("npm-build", Stream::Out, text),
    ];
    for n in 0..12 {
        let line = format!("public/build/assets/page-{n}.js   \u{1b}[1m{n}1.4 kB\u{1b}[22m │ gzip: {n}.2 kB");
        events.push(out("npm-build", Stream::Out, &line));
    }
    events.push(Happening::StepFinished {
        step: "migrate".parse().unwrap(),
        outcome: StepOutcome::Failed,
        ms: 812,
    });
    (1..)
        .zip(events)
        .map(|(n, what)| Event { n, at: NOW, what })
        .collect()
}

fn part(name: &str, badge: Badge, reason: Option<&str>) -> deployment::servers::PartView {
    deployment::servers::PartView {
        server: "srv_1".to_owned(),
        name: name.to_owned(),
        badge,
        reason: reason.map(|reason| Prose(reason.to_owned())),
        shown: reason.is_some(),
    }
}

pub(in crate::pages::tests) fn deployment(theme: Theme, failed: bool, text: &str) -> String {
    use deployment::chart::Progress as P;
    let step = |name: &str, progress, start, width, ms: i64| deployment::chart::StepRow {
        name: name.to_owned(),
        progress,
        start,
        width,
        ms: (progress != P::Running && progress != P::Skipped).then_some(Length(ms)),
        since: (progress == P::Running).then(|| Moment::running(NOW.plus(-ms), NOW)),
    };
    let mut shell = shell("Show the delivery date", Section::Projects, theme);
    shell.mood = if failed { Mood::Failed } else { Mood::Busy };
    let page = deployment::DeploymentPage {
        shell,
        id: "dep_1".to_owned(),
        project: "prj_1".to_owned(),
        project_name: "Shop".to_owned(),
        server: "srv_1".to_owned(),
        server_name: "web-1".to_owned(),
        badge: if failed {
            badge(Tone::Bad, "Failed")
        } else {
            badge(Tone::Busy, "Migrating")
        },
        subject: text.to_owned(),
        commit: Some("4f2a91c0b7".repeat(4)),
        author: Some("Ada Lovelace".to_owned()),
        branch: "main".to_owned(),
        by: "push".to_owned(),
        running: !failed,
        failed,
        live: false,
        kept: failed,
        can_cancel: !failed,
        can_abandon: false,
        can_roll_back: failed,
        can_redeploy: failed,
        sees_servers: true,
        said: failed.then(|| deployment::Said {
            tone: Tone::Bad,
            head: "It failed. The release before serves on; visitors noticed nothing.",
            text: Prose(format!(
                "SQLSTATE[42S21]: the column {text} is there already. Correct the migration and push again."
            )),
            step: Some("migrate".to_owned()),
        }),
        queued: ago(14),
        started: Some(ago(13)),
        took: failed.then_some(Length(12_900)),
        running_since: (!failed).then(|| Moment::running(NOW.plus(-12_900), NOW)),
        current_step: (!failed).then(|| "migrate".to_owned()),
        steps: vec![
            step("fetch", P::Ok, 0, 40, 410),
            step("checkout", P::Ok, 40, 60, 640),
            step("composer", P::Ok, 100, 210, 2_300),
            step("npm-build", P::Ok, 310, 400, 4_410),
            step("storage-link", P::Skipped, 710, 4, 0),
            step("config-cache", P::Ok, 714, 50, 530),
            step("boot-check", P::Ok, 764, 90, 902),
            step(
                "migrate",
                if failed { P::Failed } else { P::Running },
                854,
                146,
                1_300,
            ),
        ],
        no_steps: "",
        servers: vec![
            part("web-1", badge(Tone::Good, "Live"), None),
            part("web-2", badge(Tone::Bad, "Failed"), Some(text)),
        ],
        shown: failed.then(|| deployment::servers::Shown {
            server: "srv_1".to_owned(),
            name: text.to_owned(),
        }),
        output: Output {
            lines: output::lines(&sample_events(text)),
            last: 21,
            more: false,
            earlier: None,
            by_script: false,
        },
    };
    page.render().unwrap()
}

/// Two notes; no page, so it stands in none of the lists of pages.
pub(in crate::pages::tests) fn happened(reason: &str) -> String {
    let note = |n: i64, good: bool| happened::Note {
        id: format!("dep_{n}"),
        project: "prj_1".to_owned(),
        project_name: "Shop".to_owned(),
        word: if good { "live" } else { "failed" }.to_owned(),
        good,
        reason: (!good).then(|| Prose(reason.to_owned())),
    };
    let notes = happened::Happened {
        notes: vec![note(2, true), note(1, false)],
        until: NOW,
    };
    notes.render().unwrap()
}
