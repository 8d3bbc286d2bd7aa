//! Servers and their enrolment.

use super::{NOW, ago, badge, shell};
use crate::pages::look::Tone;
use crate::pages::moment::Exact;
use crate::pages::shell::{Section, Theme};
use crate::pages::{enrolment, servers};
use askama::Template;

pub(in crate::pages::tests) fn servers(theme: Theme, name: &str) -> String {
    let row = |n: i64, badge, name: &str| servers::list::Row {
        id: format!("srv_{n}"),
        badge,
        draining: n == 12,
        name: name.to_owned(),
        hostname: format!("{name}.example.net"),
        machine: "Debian GNU/Linux 12 · 4 cores · 8 GB".to_owned(),
        load: (n == 1).then(|| "load 0.42 · memory 40 % · disk 71 %".to_owned()),
        runner: (n > 0).then(|| "0.1.0".to_owned()),
        heard: (n > 0).then(|| servers::list::Heard {
            what: "heard of",
            when: ago(12),
            unanswered: (n == 12).then(|| ago(600)),
        }),
        projects: n,
    };
    let page = servers::list::ServersPage {
        shell: shell("Servers", Section::Servers, theme),
        may_manage: true,
        rows: vec![
            row(1, badge(Tone::Good, "Online"), name),
            row(12, badge(Tone::Warn, "Out of contact"), "web-2"),
            row(0, badge(Tone::Idle, "Not connected"), "web-3"),
        ],
        next: None,
    };
    page.render().unwrap()
}

pub(in crate::pages::tests) fn server(theme: Theme, name: &str) -> String {
    let page = servers::ServerPage {
        shell: shell(name, Section::Servers, theme),
        id: "srv_1".to_owned(),
        name: name.to_owned(),
        badge: badge(Tone::Warn, "Out of contact"),
        pending: false,
        missing: true,
        may_manage: true,
        may_ping: true,
        draining: Some(ago(90)),
        since: "Went out of contact",
        since_when: ago(4_000),
        heard: Some(ago(4_100)),
        answered: Some(ago(4_130)),
        meters: vec![servers::load::Meter {
            name: "Disk",
            text: "72.0 of 80.0 GB".to_owned(),
            width: 900,
            high: true,
        }],
        facts: vec![
            ("Host name", "web-1.example.net".to_owned()),
            ("System", "Debian GNU/Linux 12".to_owned()),
            ("Cores", "4".to_owned()),
            ("Memory", "8 GB".to_owned()),
            ("Runner", "0.1.0".to_owned()),
        ],
        deploy_key: Some(
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJr0n2J8mWmYvQm8x1g6m3nUe0q0 devflow".to_owned(),
        ),
        projects: vec![servers::ProjectRow {
            id: "prj_1".to_owned(),
            badge: badge(Tone::Good, "Online"),
            name: "Shop".to_owned(),
            domain: "shop.example.com".to_owned(),
        }],
        unknown: vec!["blog".to_owned(), "wiki".to_owned()],
        all_projects: Some("/?view=by_server&cursor=web-1%2F".to_owned()),
        jobs: vec![servers::JobRow {
            badge: badge(Tone::Idle, "Waits"),
            verb: "Deployment".to_owned(),
            detail: "Shop".to_owned(),
            when: ago(30),
        }],
        test: Some(format!("{name} answered after 34 ms.")),
        newer: Some("0.2.0".to_owned()),
    };
    page.render().unwrap()
}

pub(in crate::pages::tests) fn enrol(theme: Theme, name: &str) -> String {
    let page = enrolment::EnrolPage {
        shell: shell("Connect", Section::Servers, theme),
        id: "srv_1".to_owned(),
        name: name.to_owned(),
        command: "{ echo token=dfe_Zm9vYmFyYmF6cXV4; curl -fsSL https://devflow.example.com/install; } | sudo sh -s -- --fingerprint sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae".to_owned(),
        installs: true,
        expires: Exact(NOW),
    };
    page.render().unwrap()
}

pub(in crate::pages::tests) fn new_server(theme: Theme, name: &str) -> String {
    let page = enrolment::NewServerPage {
        shell: shell("Add a server", Section::Servers, theme),
        name: name.to_owned(),
        problem: Some("there is a server of that name already; choose another".to_owned()),
    };
    page.render().unwrap()
}
