//! People and invitations.

use super::{NOW, ago, badge, shell};
use crate::pages::look::Tone;
use crate::pages::moment::Exact;
use crate::pages::people::{Choice, invite, join, list, person, project_choices};
use crate::pages::shell::{Section, Theme};
use askama::Template;
use devflow_domain::access::Role;

fn fleet() -> Vec<Choice> {
    let none = Choice {
        value: "",
        name: "None",
        chosen: true,
    };
    [none].into_iter().chain(project_choices(None)).collect()
}

pub(in crate::pages::tests) fn list(theme: Theme, email: &str) -> String {
    let row = |n: i64, email: &str, role: &str| list::Row {
        id: format!("usr_{n}"),
        email: email.to_owned(),
        yourself: n == 1,
        badge: if n == 3 {
            badge(Tone::Idle, "Shut out")
        } else {
            badge(Tone::Good, "Active")
        },
        role: role.to_owned(),
        has_factor: n == 1,
        seen: (n < 3).then(|| ago(n * 4_000)),
    };
    let page = list::PeoplePage {
        shell: shell("People", Section::People, theme),
        rows: vec![
            row(1, "owner@example.com", "Owner"),
            row(2, email, "Maintainer"),
            row(3, "freelancer@agency.example", "2 projects"),
        ],
        invited: vec![list::Invited {
            id: "inv_1".to_owned(),
            email: email.to_owned(),
            role: "Viewer".to_owned(),
            until: Exact(NOW),
            may_revoke: true,
        }],
        factor_required: false,
        may_require: true,
        job_key: "sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae".to_owned(),
        recovery_key: None,
        reencryption: Some("A new key; 12 values are encrypted with it so far.".to_owned()),
        next: None,
        more_invited: Some("/people?invited=inv_1".to_owned()),
    };
    page.render().unwrap()
}

pub(in crate::pages::tests) fn person(theme: Theme, text: &str) -> String {
    let page = person::PersonPage {
        shell: shell(text, Section::People, theme),
        id: "usr_2".to_owned(),
        email: text.to_owned(),
        yourself: false,
        badge: badge(Tone::Good, "Active"),
        disabled: false,
        has_factor: true,
        joined: ago(900_000),
        seen: Some(ago(4_000)),
        role: "None",
        roles: fleet(),
        project_roles: vec![person::ProjectRole {
            project: "prj_1".to_owned(),
            name: text.to_owned(),
            choices: project_choices(Some(Role::Maintainer)),
        }],
        projects: vec![("flowers".to_owned(), text.to_owned())],
        new_roles: project_choices(None),
        may_change: true,
    };
    page.render().unwrap()
}

pub(in crate::pages::tests) fn invite(theme: Theme, text: &str) -> String {
    let page = invite::InvitePage {
        shell: shell("Invite somebody", Section::People, theme),
        email: text.to_owned(),
        roles: fleet(),
        project: text.to_owned(),
        project_roles: project_choices(Some(Role::Viewer)),
        projects: vec![("flowers".to_owned(), text.to_owned())],
        problem: Some(format!(
            "{text} is here already; change their role on their page."
        )),
    };
    page.render().unwrap()
}

pub(in crate::pages::tests) fn invited(theme: Theme, email: &str) -> String {
    let page = invite::InvitedPage {
        shell: shell("The invitation", Section::People, theme),
        email: email.to_owned(),
        link: "https://devflow.example.com/join?token=Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4".to_owned(),
        until: Exact(NOW),
    };
    page.render().unwrap()
}

pub(in crate::pages::tests) fn join(theme: Theme, text: &str) -> String {
    let page = join::JoinPage {
        theme,
        email: text.to_owned(),
        token: text.to_owned(),
        problem: Some("password: 12 to 256 characters".to_owned()),
    };
    page.render().unwrap()
}
