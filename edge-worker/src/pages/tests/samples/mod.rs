//! Pages with made-up content: usual, empty and hostile. One file for each file of pages.

pub(super) mod account;
pub(super) mod compare;
pub(super) mod deployment;
pub(super) mod endpoints;
pub(super) mod overview;
pub(super) mod people;
pub(super) mod project;
pub(super) mod servers;

use crate::pages::look::{Badge, Tone};
use crate::pages::moment::Moment;
use crate::pages::project::wizard::Stage;
use crate::pages::shell::{CsrfField, Mood, Section, Shell, Theme};
use devflow_protocol::time::UnixMillis;

const NOW: UnixMillis = UnixMillis(1_795_381_500_000);

fn ago(seconds: i64) -> Moment {
    Moment::new(NOW.plus(-seconds * 1_000), NOW)
}

fn badge(tone: Tone, word: &'static str) -> Badge {
    Badge { tone, word }
}

fn shell(title: &str, section: Section, theme: Theme) -> Shell {
    Shell {
        title: title.to_owned(),
        section,
        sections: vec![
            Section::Go,
            Section::Projects,
            Section::Servers,
            Section::People,
            Section::Activity,
            Section::Endpoints,
            Section::Keys,
            Section::Account,
        ],
        theme,
        csrf: CsrfField("dG9rZW4".to_owned()),
        who: "owner@example.com".to_owned(),
        notice: None,
        topic: Some("fleet".to_owned()),
        mood: Mood::Calm,
        now: NOW,
        path: "/".to_owned(),
    }
}

/// Every page, with `text` wherever a stranger's text can get to.
pub(super) fn all(theme: Theme, text: &str) -> Vec<(&'static str, String)> {
    let mut form = project::project_form();
    form.name = text.to_owned();
    form.domains = text.to_owned();
    form.processes = project::typed_processes(text);
    form.problems = vec![("domains".to_owned(), format!("{text} is not a host name"))];
    vec![
        (
            "overview",
            overview::overview(theme, &[text, "Blog", "Intranet", "Landing page", "Docs"]),
        ),
        ("overview-by-server", overview::by_server(theme, text)),
        ("overview-empty", overview::overview(theme, &[])),
        ("go", overview::go(theme, text)),
        ("project", project::deployments(theme, text)),
        ("compare", compare::compare(theme, text)),
        ("compare-empty", compare::nothing(theme, text)),
        ("environment", project::environment(theme, text)),
        ("deliveries", project::deliveries(theme, text)),
        ("hook", project::hook(theme, text)),
        ("pipeline", project::pipeline(theme, text)),
        ("processes", project::processes(theme, text)),
        ("members", project::members(theme, text)),
        ("new", project::new_project(theme, form.clone())),
        ("start", project::start(theme, Stage::Ask, text)),
        ("look", project::start(theme, Stage::Look, text)),
        (
            "look-failed",
            project::start(theme, Stage::Failed(text.to_owned()), text),
        ),
        ("settings", project::settings(theme, form)),
        ("deployment", deployment::deployment(theme, false, text)),
        ("deployment-failed", deployment::deployment(theme, true, text)),
        ("servers", servers::servers(theme, text)),
        ("server", servers::server(theme, text)),
        ("enrol", servers::enrol(theme, text)),
        ("server-new", servers::new_server(theme, text)),
        ("endpoints", endpoints::fleet(theme, text)),
        ("endpoints-empty", endpoints::of_project(theme, text)),
        ("endpoint", endpoints::one(theme, text)),
        ("keys", account::keys(theme, text)),
        ("reference", account::reference(theme)),
        ("account", account::sessions(theme, text)),
        ("password", account::password(theme, text)),
        ("second-none", account::second(theme, 0)),
        ("second-begun", account::second(theme, 1)),
        ("second-there", account::second(theme, 2)),
        ("codes", account::codes(theme)),
        ("prove", account::prove(theme, text)),
        ("device-ask", account::device(theme, 0, text)),
        ("device", account::device(theme, 1, text)),
        ("device-too-much", account::device(theme, 2, text)),
        ("device-in", account::device(theme, 3, text)),
        ("device-refused", account::device(theme, 4, text)),
        ("sign-in-code", account::sign_in_code(theme, text, false)),
        ("sign-in-passkey", account::sign_in_code(theme, text, true)),
        ("passkeys-none", account::passkeys(theme, text, 0)),
        ("passkeys", account::passkeys(theme, text, 2)),
        ("passkeys-full", account::passkeys(theme, text, 10)),
        ("activity", account::activity(theme, text)),
        ("sign-in", account::sign_in(theme, text)),
        ("set-up", account::set_up(theme, text)),
        ("people", people::list(theme, text)),
        ("person", people::person(theme, text)),
        ("invite", people::invite(theme, text)),
        ("invited", people::invited(theme, text)),
        ("join", people::join(theme, text)),
    ]
}
