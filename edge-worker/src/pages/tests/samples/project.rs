//! A project's pages.

use super::{ago, badge, shell};
use crate::pages::look::{Badge, Tone};
use crate::pages::moment::Length;
use crate::pages::people::project_choices;
use crate::pages::project::fields::Plan;
use crate::pages::project::{
    Head, Tab, count::Count, deliveries, deployments, environment, form, hook, members, pipeline, processes,
    servers, times, wizard,
};
use crate::pages::prose::Prose;
use crate::pages::shell::{Section, Theme};
use askama::Template;
use devflow_domain::access::Role;
use devflow_domain::settings::ProjectSettings;
use devflow_domain::webhook::Provider;
use serde_json::json;
use std::collections::BTreeMap;

pub(in crate::pages::tests) fn head(name: &str, tab: Tab) -> Head {
    Head {
        id: "prj_1".to_owned(),
        name: name.to_owned(),
        badge: badge(Tone::Good, "Online"),
        domain: Some("shop.example.com".to_owned()),
        kind: "Laravel, PHP 8.4".to_owned(),
        server: "srv_1".to_owned(),
        server_name: "web-1".to_owned(),
        further_servers: 1,
        server_missing: false,
        can_deploy: true,
        can_run: true,
        can_scale: true,
        can_change: true,
        can_remove: true,
        can_share: true,
        sees_servers: true,
        stopped: false,
        removing: false,
        tab: Some(tab),
    }
}

fn deployment_row(n: i64, badge: Badge, reason: Option<&str>, subject: &str) -> deployments::Row {
    deployments::Row {
        id: format!("dep_{n}"),
        badge,
        subject: subject.to_owned(),
        commit: Some("4f2a91c".to_owned()),
        branch: "main".to_owned(),
        reason: reason.map(|reason| Prose(reason.to_owned())),
        by: "push by Ada Lovelace".to_owned(),
        took: Some(Length(2_840 + n * 100)),
        when: ago(n * n * 1_900),
    }
}

fn target(name: &str, badge: Badge, differs: bool) -> servers::TargetView {
    servers::TargetView {
        server: "srv_1".to_owned(),
        name: name.to_owned(),
        badge,
        live: Some("dep_2".to_owned()),
        differs,
    }
}

pub(in crate::pages::tests) fn deployments(theme: Theme, name: &str) -> String {
    let subject = format!("Basket of {name}: show the delivery date");
    let rows = vec![
        deployment_row(1, badge(Tone::Busy, "Migrating"), None, &subject),
        deployment_row(2, badge(Tone::Good, "Live"), None, &subject),
        deployment_row(
            3,
            badge(Tone::Bad, "Failed"),
            Some("composer could not find acme/core in a version that fits ^3.0"),
            &subject,
        ),
        deployment_row(
            4,
            badge(Tone::Bad, "Rolled back"),
            Some("9 of 10 requests answered 500"),
            &subject,
        ),
        deployment_row(5, badge(Tone::Idle, "Superseded"), None, &subject),
    ];
    let page = deployments::DeploymentsPage {
        shell: shell(name, Section::Projects, theme),
        project: head(name, Tab::Deployments),
        first_page: true,
        live: Some("dep_2".to_owned()),
        live_commit: "4f2a91c".to_owned(),
        branch: "main".to_owned(),
        repository: "git@github.com:acme/shop.git".to_owned(),
        domains: "shop.example.com, www.shop.example.com".to_owned(),
        processes: "queue × 2, schedule".to_owned(),
        times: Some(times::Times {
            bars: vec![times::Bar {
                x: 1,
                title: subject.clone(),
                parts: vec![times::Part {
                    stage: 1,
                    y: 0,
                    height: 1_000,
                }],
            }],
            width: 200,
            longest: Length(2_000),
            stages: vec![(1, "Dependencies and build", Length(2_000))],
            summary: format!("{subject} took 2.0 s"),
        }),
        waiting: None,
        targets: vec![
            target(name, badge(Tone::Good, "Online"), false),
            target("web-2", badge(Tone::Warn, "Out of contact"), true),
        ],
        rows,
        next: Some("/projects/prj_1?before=x".to_owned()),
    };
    page.render().unwrap()
}

pub(in crate::pages::tests) fn environment(theme: Theme, value: &str) -> String {
    let variable = |name: &str, shown: &str, editing| environment::Variable {
        name: name.to_owned(),
        shown: shown.to_owned(),
        editing,
    };
    let page = environment::EnvironmentPage {
        shell: shell("Environment", Section::Projects, theme),
        project: head("Shop", Tab::Environment),
        version: 7,
        revealed: false,
        pending: true,
        variables: vec![
            variable("APP_ENV", environment::MASK, false),
            variable("APP_KEY", environment::MASK, false),
            variable("MAIL_FROM_NAME", value, true),
            variable("STRIPE_SECRET", environment::MASK, false),
        ],
        history: vec![environment::Version {
            number: 7,
            changes: vec![
                ("added", "STRIPE_SECRET".to_owned()),
                ("changed", "APP_URL, MAIL_FROM_NAME".to_owned()),
            ],
            by: value.to_owned(),
            when: ago(4_000),
            live: Some(("dep_1".to_owned(), ago(3_000))),
        }],
        may_change: true,
        may_see: true,
        problem: None,
        lines: String::new(),
    };
    page.render().unwrap()
}

pub(in crate::pages::tests) fn deliveries(theme: Theme, reason: &str) -> String {
    let row = |n: i64, badge, reason: &str, deployment: Option<&str>| deliveries::Row {
        is_new: n == 1,
        id: format!("dlv_{n}"),
        badge,
        reason: Prose(reason.to_owned()),
        event: "push to main".to_owned(),
        provider: "GitHub",
        when: ago(n * 700),
        deployment: deployment.map(str::to_owned),
        can_replay: true,
    };
    let page = deliveries::DeliveriesPage {
        shell: shell("Deliveries", Section::Projects, theme),
        project: head("Shop", Tab::Deliveries),
        rows: vec![
            row(
                1,
                badge(Tone::Good, "Deployed"),
                "push of 4f2a91c to main",
                Some("dep_1"),
            ),
            row(2, badge(Tone::Idle, "Ignored"), reason, None),
            row(
                3,
                badge(Tone::Idle, "Ignored"),
                "the push is to feature/basket, this project follows main",
                None,
            ),
        ],
        next: None,
    };
    page.render().unwrap()
}

pub(in crate::pages::tests) fn hook(theme: Theme, branch: &str) -> String {
    let guide = hook::guide(Provider::Github);
    let page = hook::HookPage {
        shell: shell("Webhook", Section::Projects, theme),
        project: head("Shop", Tab::Hook),
        provider: guide.name,
        deploy_key: Some(
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJr0n2J8mWmYvQm8x1g6m3nUe0q0 devflow web-1".to_owned(),
        ),
        key_place: guide.key_place,
        where_to_add: guide.where_to_add,
        secret_field: guide.secret_field,
        last_step: guide.last_step,
        url: "https://devflow.example.com/hooks/github/hok_01h2e8kqvbfwea724h75qc655w".to_owned(),
        secret: None,
        may_test: true,
        may_see: true,
        branch: branch.to_owned(),
    };
    page.render().unwrap()
}

pub(in crate::pages::tests) fn pipeline(theme: Theme, text: &str) -> String {
    let settings = json!({
        "framework": "laravel",
        "repository": "https://git.example.com/shop.git",
        "domains": ["shop.example.com"],
        "hooks": [
            { "name": "warm-up", "at": "before_switch", "argv": ["php", "artisan", "app:warm-up", text] },
            { "name": "purge-cdn", "at": "after_switch", "argv": ["sh", "-c", "curl -fsS -X PURGE https://cdn.example.com"],
              "timeout_s": 30 },
        ],
    });
    let settings: ProjectSettings = serde_json::from_value(settings).unwrap();
    let mut form = pipeline::HookForm::new(7);
    form.command = text.to_owned();
    form.problem = Some(format!("{text} is no command"));
    let page = pipeline::page(
        shell("Pipeline", Section::Projects, theme),
        head("Shop", Tab::Pipeline),
        &settings,
        &settings.to_spec("shop".parse().unwrap()),
        true,
        form,
    );
    page.render().unwrap()
}

pub(in crate::pages::tests) fn project_form() -> form::ProjectForm {
    form::ProjectForm {
        name: "Shop".to_owned(),
        slug: "shop".to_owned(),
        server: "srv_1".to_owned(),
        provider: "github".to_owned(),
        repository: "git@github.com:acme/shop.git".to_owned(),
        branch: "main".to_owned(),
        framework: "laravel".to_owned(),
        php: "8.4".to_owned(),
        dockerfile: "Dockerfile".to_owned(),
        compose_file: "compose.yaml".to_owned(),
        compose_service: "web".to_owned(),
        port: "8080".to_owned(),
        replicas: "1".to_owned(),
        domains: "shop.example.com\nwww.shop.example.com".to_owned(),
        mariadb: true,
        memory_mib: "512".to_owned(),
        cpu_milli: "2000".to_owned(),
        max_children: "8".to_owned(),
        body_mib: "64".to_owned(),
        keep: "5".to_owned(),
        observe_s: "10".to_owned(),
        processes: form::ProjectForm::new().processes,
        ..form::ProjectForm::default()
    }
}

/// Everything about two processes is `text`.
pub(in crate::pages::tests) fn typed_processes(text: &str) -> Plan {
    let of = ["laravel", "own"].into_iter();
    let fields =
        of.flat_map(|of| ["name", "kind", "command", "count"].map(|what| format!("process.{of}.0.{what}")));
    Plan::from(
        fields
            .map(|field| (field, text.to_owned()))
            .collect::<BTreeMap<_, _>>(),
    )
}

pub(in crate::pages::tests) fn members(theme: Theme, email: &str) -> String {
    let row = |email: &str, yourself| members::Member {
        email: email.to_owned(),
        yourself,
        choices: project_choices(Some(Role::Maintainer)),
    };
    let page = members::MembersPage {
        shell: shell("People", Section::Projects, theme),
        project: head(email, Tab::Settings),
        rows: vec![row("owner@example.com", true), row(email, false)],
        new_roles: project_choices(None),
    };
    page.render().unwrap()
}

pub(in crate::pages::tests) fn new_project(theme: Theme, form: form::ProjectForm) -> String {
    let page = form::NewProjectPage {
        shell: shell("New project", Section::Projects, theme),
        servers: vec![
            ("srv_1".to_owned(), "web-1".to_owned()),
            ("srv_2".to_owned(), "web-2".to_owned()),
        ],
        reasons: vec![format!("It requires PHP {}: 8.4.", form.name)],
        form,
    };
    page.render().unwrap()
}

pub(in crate::pages::tests) fn start(theme: Theme, stage: wizard::Stage, text: &str) -> String {
    let page = wizard::StartPage {
        shell: shell("New project", Section::Projects, theme),
        servers: vec![("srv_1".to_owned(), text.to_owned())],
        asked: wizard::Asked {
            server: "srv_1".to_owned(),
            repository: text.to_owned(),
            branch: text.to_owned(),
            ..wizard::Asked::default()
        },
        token_user: text.to_owned(),
        stage,
        problem: Some(("branch", text.to_owned())),
        key: Some(("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA devflow".to_owned(), "there")),
    };
    page.render().unwrap()
}

pub(in crate::pages::tests) fn settings(theme: Theme, form: form::ProjectForm) -> String {
    let page = form::SettingsPage {
        shell: shell("Settings", Section::Projects, theme),
        project: head(&form.name, Tab::Settings),
        can_place: true,
        servers: vec![("srv_1".to_owned(), form.name.clone())],
        places: vec![
            servers::Place {
                number: 1,
                server: "srv_1".to_owned(),
            },
            servers::Place {
                number: 2,
                server: String::new(),
            },
        ],
        keeps_going: true,
        form,
    };
    page.render().unwrap()
}

pub(in crate::pages::tests) fn processes(theme: Theme, name: &str) -> String {
    let row = |name: &str, command: &str, count: Option<&str>| processes::ProcessRow {
        name: name.to_owned(),
        command: command.to_owned(),
        count: count.map(|count| Count::new(format!("worker.{name}"), name, count.to_owned())),
        stop_wait_s: 60,
    };
    let page = processes::ProcessesPage {
        shell: shell(name, Section::Projects, theme),
        project: head(name, Tab::Processes),
        version: 1,
        port: None,
        replicas: 1,
        compose: Some(name.to_owned()),
        services: vec![processes::ServiceRow {
            name: name.to_owned(),
            image: name.to_owned(),
            how: "goes on from release to release, with its volumes",
        }],
        processes: vec![
            row("queue", name, Some("2")),
            row("schedule", "php artisan schedule:run", None),
        ],
        limits: vec![processes::LimitField {
            name: "memory_mib",
            label: "Memory, MiB",
            hint: "Of each container.",
            least: 64,
            most: 1_048_576,
            value: name.to_owned(),
        }],
        live: true,
        may_change: true,
        problem: Some(format!("{name} is a whole number of at most 32")),
    };
    page.render().unwrap()
}
