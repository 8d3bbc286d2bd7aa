//! The overview.

use super::{ago, badge, project, shell};
use crate::pages::look::{Badge, Tone};
use crate::pages::project::{Head, Tab};
use crate::pages::shell::{Section, Theme};
use crate::pages::{go, icon, overview, spark};
use askama::Template;

fn card(name: &str, badge: Badge, subject: Option<&str>) -> overview::Card {
    let id = name.to_lowercase().replace(|c: char| !c.is_alphanumeric(), "-");
    overview::Card {
        project: Head {
            id: format!("prj_{id}"),
            badge,
            can_run: subject.is_some(),
            can_share: false,
            stopped: badge.word == "Stopped",
            tab: None,
            ..project::head(name, Tab::Deployments)
        },
        branch: "main".to_owned(),
        last: subject.map(|subject| overview::Last {
            id: "dep_1".to_owned(),
            subject: subject.to_owned(),
            commit: Some("4f2a91c".to_owned()),
            word: badge.word.to_lowercase(),
            when: ago(190),
        }),
        answers: spark::Spark::of("[44, 40, 52, 41]").filter(|_| subject.is_some()),
    }
}

pub(in crate::pages::tests) fn overview(theme: Theme, names: &[&str]) -> String {
    let states = [
        badge(Tone::Good, "Online"),
        badge(Tone::Busy, "Building"),
        badge(Tone::Warn, "Deployment failed"),
        badge(Tone::Idle, "Stopped"),
        badge(Tone::Idle, "Not deployed"),
    ];
    let cards: Vec<_> = names
        .iter()
        .zip(states.iter().cycle())
        .map(|(name, badge)| {
            let subject = "Show the delivery date in the basket and on the order's confirmation";
            card(name, *badge, (badge.word != "Not deployed").then_some(subject))
        })
        .collect();
    let page = overview::OverviewPage {
        shell: shell("Projects", Section::Projects, theme),
        counts: crate::store::dashboard::Counts {
            projects: i64::try_from(cards.len()).unwrap(),
            servers: i64::from(!cards.is_empty()) * 3,
            servers_online: i64::from(!cards.is_empty()) * 2,
            servers_missing: i64::from(!cards.is_empty()),
            deploying: 1,
            waiting: 0,
            failing: 2,
        },
        may_create: true,
        may_add_server: true,
        groups: vec![overview::Group { head: None, cards }],
        view: overview::View::All,
        search: String::new(),
        more_found: false,
        next: None,
    };
    page.render().unwrap()
}

/// Two servers, one project each.
pub(in crate::pages::tests) fn by_server(theme: Theme, name: &str) -> String {
    let group = |server: &str, project: &str| overview::Group {
        head: Some((server.to_owned(), format!("/servers/srv_{server}"))),
        cards: vec![card(project, badge(Tone::Good, "Online"), Some("First version"))],
    };
    let page = overview::OverviewPage {
        shell: shell("Projects", Section::Projects, theme),
        counts: crate::store::dashboard::Counts {
            projects: 2,
            servers: 2,
            servers_online: 2,
            ..Default::default()
        },
        may_create: true,
        may_add_server: true,
        groups: vec![group("web-1", name), group("web-2", "Blog")],
        view: overview::View::ByServer,
        search: String::new(),
        more_found: false,
        next: Some("/?view=by_server&cursor=web-2%2Fblog".to_owned()),
    };
    page.render().unwrap()
}

pub(in crate::pages::tests) fn go(theme: Theme, name: &str) -> String {
    let entry = |icon, name: String, acts| go::Entry {
        icon,
        name,
        detail: "Project on web-1".to_owned(),
        path: "/projects/prj_1".to_owned(),
        acts,
    };
    let page = go::GoPage {
        shell: shell("Go to", Section::Go, theme),
        typed: name.to_owned(),
        entries: vec![
            entry(icon::PROJECTS, name.to_owned(), false),
            entry(icon::DEPLOY, format!("Deploy {name}"), true),
        ],
    };
    page.render().unwrap()
}
