//! Who outside is told what happens.

use super::project::head;
use super::{ago, badge, shell};
use crate::pages::endpoints::list::{FleetPage, NewForm, ProjectPage, Row};
use crate::pages::endpoints::{EndpointPage, Message, choices};
use crate::pages::look::Tone;
use crate::pages::moment::Length;
use crate::pages::project::Tab;
use crate::pages::shell::{Section, Theme};
use askama::Template;
use devflow_domain::outgoing::{Event, Kind};

fn form(text: &str, problem: Option<(Kind, String)>) -> NewForm {
    NewForm {
        action: "/endpoints".to_owned(),
        name: text.to_owned(),
        url: String::new(),
        choices: choices(&[Event::Live, Event::Failed]),
        provider: Some("GitHub"),
        problem,
    }
}

pub(in crate::pages::tests) fn fleet(theme: Theme, text: &str) -> String {
    let row = |n: u8, badge, name: &str| Row {
        id: format!("ept_{n}"),
        name: name.to_owned(),
        badge,
        kind: "Signed webhook",
        address: "https://example.com/hooks/devflow".to_owned(),
    };
    let page = FleetPage {
        shell: shell("Notifications", Section::Endpoints, theme),
        rows: vec![
            row(1, badge(Tone::Good, "On"), text),
            row(2, badge(Tone::Bad, "Not taken"), "Release notes"),
            row(3, badge(Tone::Idle, "Turned off"), "Old billing"),
        ],
        form: form("", None),
        may_change: true,
    };
    page.render().unwrap()
}

pub(in crate::pages::tests) fn of_project(theme: Theme, text: &str) -> String {
    let page = ProjectPage {
        shell: shell("Notifications of Shop", Section::Projects, theme),
        project: head("Shop", Tab::Endpoints),
        rows: vec![],
        form: form(
            text,
            Some((Kind::Slack, format!("url: {text} has to begin with https://"))),
        ),
        may_change: true,
    };
    page.render().unwrap()
}

pub(in crate::pages::tests) fn one(theme: Theme, text: &str) -> String {
    let message = |n: u8, badge, what, detail: Option<&str>| Message {
        id: format!("dep_{n}.2"),
        badge,
        what,
        project: Some(text.to_owned()),
        deployment: Some(format!("dep_{n}")),
        answer: Some("503 in 1.2 s".to_owned()),
        detail: detail.map(str::to_owned),
        attempts: n.into(),
        next: (n > 1).then_some(Length(300_000)),
        when: ago(i64::from(n) * 3_000),
    };
    let page = EndpointPage {
        shell: shell(text, Section::Endpoints, theme),
        id: "ept_1".to_owned(),
        name: text.to_owned(),
        kind: "Signed webhook",
        badge: badge(Tone::Bad, "Not taken"),
        address: "https://example.com/hooks/devflow".to_owned(),
        project: Some(("prj_1".to_owned(), text.to_owned())),
        disabled: None,
        failing: Some(ago(7_300)),
        choices: Some(choices(&[Event::Live, Event::Failed])),
        messages: vec![
            message(3, badge(Tone::Warn, "Tries again"), "Failed", Some(text)),
            message(1, badge(Tone::Good, "Delivered"), "Live", None),
        ],
        secret: Some("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD".to_owned()),
        may_change: true,
        may_test: true,
        told: "",
    };
    page.render().unwrap()
}
