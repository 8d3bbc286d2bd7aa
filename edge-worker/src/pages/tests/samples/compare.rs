//! Two deployments side by side.

use super::{ago, badge, project, shell};
use crate::pages::look::Tone;
use crate::pages::project::Tab;
use crate::pages::project::compare::view::{Compared, Fact, List, Migration, Side, StepTimes};
use crate::pages::project::compare::{Choice, ComparePage};
use crate::pages::shell::{Section, Theme};
use askama::Template;
use devflow_domain::compare::Difference;

fn page(theme: Theme, name: &str, compared: Option<Compared>) -> String {
    let choice = |n: u8| Choice {
        id: format!("dep_{n}"),
        words: format!("Live: 4f2a91c {name}"),
    };
    let page = ComparePage {
        shell: shell(name, Section::Projects, theme),
        project: project::head(name, Tab::Deployments),
        choices: vec![choice(2), choice(1)],
        from: "dep_1".to_owned(),
        to: "dep_2".to_owned(),
        compared,
    };
    page.render().unwrap()
}

pub(in crate::pages::tests) fn nothing(theme: Theme, name: &str) -> String {
    page(theme, name, None)
}

pub(in crate::pages::tests) fn compare(theme: Theme, text: &str) -> String {
    let side = |n: u8| Side {
        id: format!("dep_{n}"),
        badge: badge(Tone::Good, "Live"),
        subject: text.to_owned(),
        when: ago(600),
    };
    let fact = |name, before: &str, after: &str| Fact {
        name,
        before: before.to_owned(),
        after: after.to_owned(),
        same: before == after,
    };
    let difference = |before: Option<&str>, after: Option<&str>| Difference {
        name: text.to_owned(),
        before: before.map(str::to_owned),
        after: after.map(str::to_owned),
    };
    let rows = vec![
        difference(Some("v12.30.0"), Some(text)),
        difference(None, Some(text)),
        difference(Some(text), None),
    ];
    let compared = Compared {
        before: side(1),
        after: side(2),
        commits: Some(text.to_owned()),
        facts: vec![fact("Author", text, "Grace Hopper"), fact("PHP", "8.4", "8.4")],
        packages: vec![List {
            head: "Composer packages",
            rows,
        }],
        migrations: vec![Migration {
            name: text.to_owned(),
            new: true,
            destructive: Some(text.to_owned()),
        }],
        variables: vec![("Added", text.to_owned())],
        many_versions: false,
        steps: vec![StepTimes {
            name: text.to_owned(),
            before: "310 ms".to_owned(),
            after: "290 ms".to_owned(),
        }],
        unknown: None,
    };
    page(theme, text, Some(compared))
}
