//! Pages with made-up content: usual, empty and hostile.

use crate::pages::look::{Badge, Tone};
use crate::pages::moment::{Length, Moment};
use crate::pages::output::Output;
use crate::pages::project::{Head, Tab, deliveries, deployments, environment, form, hook};
use crate::pages::shell::{CsrfField, Mood, Notice, Section, Shell, Theme};
use crate::pages::{activity, deployment, enrolment, keys, output, overview, servers, sign_in};
use askama::Template;
use devflow_domain::webhook::Provider;
use devflow_protocol::event::{Event, Happening, StepOutcome, Stream};
use devflow_protocol::time::UnixMillis;

const NOW: UnixMillis = UnixMillis(1_795_381_500_000);

fn ago(seconds: i64) -> Moment {
    Moment::new(NOW.plus(-seconds * 1_000), NOW)
}

fn badge(tone: Tone, word: &'static str) -> Badge {
    Badge { tone, word }
}

pub(super) fn shell(title: &str, section: Section, theme: Theme) -> Shell {
    Shell {
        title: title.to_owned(),
        section,
        sections: vec![
            Section::Projects,
            Section::Servers,
            Section::Activity,
            Section::Keys,
        ],
        theme,
        csrf: CsrfField("dG9rZW4".to_owned()),
        who: "owner@example.com".to_owned(),
        notice: None,
        topic: Some("fleet".to_owned()),
        mood: Mood::Calm,
        path: "/".to_owned(),
    }
}

fn card(name: &str, badge: Badge, subject: Option<&str>) -> overview::Card {
    overview::Card {
        id: format!(
            "prj_{}",
            name.to_lowercase().replace(|c: char| !c.is_alphanumeric(), "-")
        ),
        name: name.to_owned(),
        badge,
        domain: Some("shop.example.com".to_owned()),
        kind: "Laravel, PHP 8.4".to_owned(),
        server: "web-1".to_owned(),
        server_missing: false,
        branch: "main".to_owned(),
        last: subject.map(|subject| overview::Last {
            id: "dep_1".to_owned(),
            subject: subject.to_owned(),
            commit: Some("4f2a91c".to_owned()),
            word: badge.word.to_lowercase(),
            when: ago(190),
        }),
        can_run: subject.is_some(),
        stopped: badge.word == "Stopped",
        removing: false,
    }
}

pub(super) fn overview(theme: Theme, names: &[&str]) -> String {
    let states = [
        badge(Tone::Good, "Online"),
        badge(Tone::Busy, "Building"),
        badge(Tone::Warn, "Last deployment failed"),
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
            running: 1,
            failed: 0,
        },
        cards,
        search: String::new(),
        next: None,
    };
    page.render().unwrap()
}

pub(super) fn head(name: &str, tab: Tab) -> Head {
    Head {
        id: "prj_1".to_owned(),
        name: name.to_owned(),
        badge: badge(Tone::Good, "Online"),
        domain: Some("shop.example.com".to_owned()),
        kind: "Laravel, PHP 8.4".to_owned(),
        server: "srv_1".to_owned(),
        server_name: "web-1".to_owned(),
        server_missing: false,
        can_run: true,
        stopped: false,
        removing: false,
        tab,
    }
}

fn deployment_row(n: i64, badge: Badge, reason: Option<&str>, subject: &str) -> deployments::Row {
    deployments::Row {
        id: format!("dep_{n}"),
        badge,
        subject: subject.to_owned(),
        commit: Some("4f2a91c".to_owned()),
        branch: "main".to_owned(),
        reason: reason.map(str::to_owned),
        by: "push by Ada Lovelace".to_owned(),
        took: Some(Length(2_840 + n * 100)),
        when: ago(n * n * 1_900),
    }
}

pub(super) fn deployments(theme: Theme, name: &str) -> String {
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
        waiting: None,
        rows,
        next: Some("/projects/prj_1?before=x".to_owned()),
    };
    page.render().unwrap()
}

pub(super) fn environment(theme: Theme, value: &str) -> String {
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
        problem: None,
        lines: String::new(),
    };
    page.render().unwrap()
}

pub(super) fn deliveries(theme: Theme, reason: &str) -> String {
    let row = |n: i64, badge, reason: &str, deployment: Option<&str>| deliveries::Row {
        id: format!("dlv_{n}"),
        badge,
        reason: reason.to_owned(),
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

pub(super) fn hook(theme: Theme, branch: &str) -> String {
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
        branch: branch.to_owned(),
    };
    page.render().unwrap()
}

pub(super) fn project_form() -> form::ProjectForm {
    form::ProjectForm {
        name: "Shop".to_owned(),
        slug: "shop".to_owned(),
        server: "srv_1".to_owned(),
        provider: "github".to_owned(),
        repository: "git@github.com:acme/shop.git".to_owned(),
        branch: "main".to_owned(),
        framework: "laravel".to_owned(),
        php: "8.4".to_owned(),
        domains: "shop.example.com\nwww.shop.example.com".to_owned(),
        mariadb: true,
        memory_mib: "512".to_owned(),
        cpu_milli: "2000".to_owned(),
        max_children: "8".to_owned(),
        body_mib: "64".to_owned(),
        keep: "5".to_owned(),
        observe_s: "10".to_owned(),
        ..form::ProjectForm::default()
    }
}

pub(super) fn new_project(theme: Theme, form: form::ProjectForm) -> String {
    let page = form::NewProjectPage {
        shell: shell("New project", Section::Projects, theme),
        servers: vec![
            ("srv_1".to_owned(), "web-1".to_owned()),
            ("srv_2".to_owned(), "web-2".to_owned()),
        ],
        form,
    };
    page.render().unwrap()
}

pub(super) fn settings(theme: Theme, form: form::ProjectForm) -> String {
    let page = form::SettingsPage {
        shell: shell("Settings", Section::Projects, theme),
        project: head(&form.name, Tab::Settings),
        form,
    };
    page.render().unwrap()
}

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

pub(super) fn deployment(theme: Theme, failed: bool, text: &str) -> String {
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
        said: failed.then(|| deployment::Said {
            tone: Tone::Bad,
            head: "The migration failed, and the release before serves on.",
            text: format!(
                "SQLSTATE[42S21]: the column {text} is there already. Correct the migration and push again."
            ),
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
        output: Output {
            lines: output::lines(&sample_events(text)),
            last: 21,
            more: false,
            earlier: None,
        },
    };
    page.render().unwrap()
}

pub(super) fn servers(theme: Theme, name: &str) -> String {
    let row = |n: i64, badge, name: &str| servers::Row {
        id: format!("srv_{n}"),
        badge,
        name: name.to_owned(),
        hostname: format!("{name}.example.net"),
        machine: "Debian GNU/Linux 12 · 4 cores · 8 GB".to_owned(),
        projects: n,
    };
    let page = servers::ServersPage {
        shell: shell("Servers", Section::Servers, theme),
        rows: vec![
            row(1, badge(Tone::Good, "Online"), name),
            row(12, badge(Tone::Warn, "Out of contact"), "web-2"),
            row(0, badge(Tone::Idle, "Not connected"), "web-3"),
        ],
        next: None,
    };
    page.render().unwrap()
}

pub(super) fn server(theme: Theme, name: &str) -> String {
    let page = servers::ServerPage {
        shell: shell(name, Section::Servers, theme),
        id: "srv_1".to_owned(),
        name: name.to_owned(),
        badge: badge(Tone::Warn, "Out of contact"),
        pending: false,
        missing: true,
        since: "Went out of contact",
        since_when: ago(4_000),
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
        jobs: vec![servers::JobRow {
            badge: badge(Tone::Idle, "Waits"),
            verb: "Deployment".to_owned(),
            detail: "Shop".to_owned(),
            when: ago(30),
        }],
        test: Some(format!("{name} answered after 34 ms.")),
    };
    page.render().unwrap()
}

pub(super) fn enrol(theme: Theme, name: &str) -> String {
    let page = enrolment::EnrolPage {
        shell: shell("Connect", Section::Servers, theme),
        id: "srv_1".to_owned(),
        name: name.to_owned(),
        command: "printf %s 'dfe_Zm9vYmFyYmF6cXV4' | host-runner enrol --config /etc/devflow/runner.toml --edge https://devflow.example.com --fingerprint sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae".to_owned(),
        expires: "2025-11-22 21:26:49 UTC".to_owned(),
    };
    page.render().unwrap()
}

pub(super) fn new_server(theme: Theme, name: &str) -> String {
    let page = enrolment::NewServerPage {
        shell: shell("Add a server", Section::Servers, theme),
        name: name.to_owned(),
        problem: Some("there is a server of that name already; choose another".to_owned()),
    };
    page.render().unwrap()
}

pub(super) fn keys(theme: Theme, name: &str) -> String {
    let mut shell = shell("API keys", Section::Keys, theme);
    shell.notice = Some(Notice {
        good: true,
        text: format!("The key {name} was revoked."),
    });
    let page = keys::KeysPage {
        shell,
        rows: vec![keys::Row {
            id: "key_1".to_owned(),
            name: name.to_owned(),
            made: ago(90_000),
        }],
        made: Some("dfp_4J1v8mZk2uXq".to_owned()),
    };
    page.render().unwrap()
}

pub(super) fn activity(theme: Theme, subject: &str) -> String {
    let row = |sentence: &str, n| activity::Row {
        sentence: sentence.to_owned(),
        subject: subject.to_owned(),
        link: Some("/projects/prj_1".to_owned()),
        actor: "owner@example.com".to_owned(),
        detail: String::new(),
        when: ago(n),
    };
    let page = activity::ActivityPage {
        shell: shell("Activity", Section::Activity, theme),
        rows: vec![
            row("Asked for a deployment of", 60),
            row("Changed the environment of", 4_000),
        ],
        next: None,
    };
    page.render().unwrap()
}

pub(super) fn sign_in(theme: Theme, email: &str) -> String {
    let page = sign_in::SignInPage {
        theme,
        problem: Some("The e-mail address or the password is not right.".to_owned()),
        email: email.to_owned(),
        next: "/".to_owned(),
    };
    page.render().unwrap()
}

pub(super) fn set_up(theme: Theme, token: &str) -> String {
    let page = sign_in::SetUpPage {
        theme,
        problem: None,
        email: String::new(),
        token: token.to_owned(),
    };
    page.render().unwrap()
}

/// Every page, with `text` wherever a stranger's text can get to.
pub(super) fn all(theme: Theme, text: &str) -> Vec<(&'static str, String)> {
    let mut form = project_form();
    form.name = text.to_owned();
    form.domains = text.to_owned();
    form.problems = vec![("domains".to_owned(), format!("{text} is not a host name"))];
    vec![
        (
            "overview",
            overview(theme, &[text, "Blog", "Intranet", "Landing page", "Docs"]),
        ),
        ("overview-empty", overview(theme, &[])),
        ("project", deployments(theme, text)),
        ("environment", environment(theme, text)),
        ("deliveries", deliveries(theme, text)),
        ("hook", hook(theme, text)),
        ("new", new_project(theme, form.clone())),
        ("settings", settings(theme, form)),
        ("deployment", deployment(theme, false, text)),
        ("deployment-failed", deployment(theme, true, text)),
        ("servers", servers(theme, text)),
        ("server", server(theme, text)),
        ("enrol", enrol(theme, text)),
        ("server-new", new_server(theme, text)),
        ("keys", keys(theme, text)),
        ("activity", activity(theme, text)),
        ("sign-in", sign_in(theme, text)),
        ("set-up", set_up(theme, text)),
    ]
}
