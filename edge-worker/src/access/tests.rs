//! Every route of the router, with what it needs.

use super::{Door, Needs, On};
use axum::http::Method;
use devflow_domain::access::{Area, Grants, Role, Scope, Through, Verdict, decide};
use devflow_protocol::ProjectId;
use std::collections::BTreeSet;
use std::fmt::Write as _;

#[test]
fn routes_that_need_nobody_are_these() {
    let routes = crate::app::routes();
    let open: Vec<String> = routes
        .list()
        .iter()
        .filter_map(|route| match route.needs {
            Needs::Open(door) => Some(format!("{} {} {door:?}", route.method, route.path)),
            Needs::May(..) => None,
        })
        .collect();
    insta::assert_snapshot!(open.join("\n"));
}

#[test]
fn routes_are_there_once_and_their_action_fits_their_path() {
    let routes = crate::app::routes();
    let mut seen = BTreeSet::new();
    for route in routes.list() {
        let name = format!("{} {}", route.method, route.path);
        assert!(seen.insert(name.clone()), "{name} is there twice");
        let Needs::May(action, on) = route.needs else {
            continue;
        };
        assert_eq!(action.area() == Area::Project, on != On::Fleet, "{name}");
        assert_eq!(on == On::Project, route.path.contains("/projects/{id}"), "{name}");
        let reads = route.method == Method::GET;
        assert!(
            reads || !matches!(action.as_str().split('_').next(), Some("see")) || name.ends_with("/revoke"),
            "{name}"
        );
    }
}

#[test]
fn routes_refuse_each_role_that_lacks_the_action() {
    let project: ProjectId = ProjectId::new(devflow_protocol::UnixMillis(1), [0; 10]);
    for route in crate::app::routes().list() {
        let Needs::May(action, on) = route.needs else {
            continue;
        };
        let about = (on != On::Fleet).then_some(&project);
        for role in [
            None,
            Some(Role::Viewer),
            Some(Role::Maintainer),
            Some(Role::Admin),
            Some(Role::Owner),
        ] {
            let grants = Grants {
                fleet: role,
                projects: [].into(),
                through: Through::Session {
                    proven: true,
                    lacks_factor: false,
                },
            };
            let enough = action.least_role().is_none_or(|least| role >= Some(least));
            let verdict = decide(&grants, action, about);
            assert_eq!(
                verdict == Verdict::Allowed,
                enough,
                "{} {} {role:?}",
                route.method,
                route.path
            );
        }
    }
}

/// What `docs/ACCESS.md` says about the routes.
fn table() -> String {
    let mut text = String::from(
        "| route | action | least role | least scope of a key | proof |\n| --- | --- | --- | --- | --- |\n",
    );
    for route in crate::app::routes().list() {
        let cells = match route.needs {
            Needs::Open(Door::Anybody) => "open |  |  | ".to_owned(),
            Needs::Open(Door::Token) => "open: one-time token |  |  | ".to_owned(),
            Needs::Open(Door::Provider) => "open: the provider's signature |  |  | ".to_owned(),
            Needs::Open(Door::Runner) => {
                "open: a signature of the runner, or of its enrolment token |  |  | ".to_owned()
            }
            Needs::May(action, _) => {
                let page = !route.path.starts_with("/api/");
                let scope = action
                    .least_scope()
                    .filter(|_| !page)
                    .map_or("no key", Scope::as_str);
                format!(
                    "{} | {} | {scope} | {}",
                    action.as_str(),
                    action.least_role().map_or("", Role::as_str),
                    if action.needs_proof() { "yes" } else { "" },
                )
            }
        };
        let _ = writeln!(text, "| `{} {}` | {cells} |", route.method, route.path);
    }
    text
}

#[test]
fn routes_are_listed_in_the_documentation() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/ACCESS.md");
    let text = std::fs::read_to_string(file).unwrap();
    let (head, _) = text.split_once("| route |").unwrap();
    let expected = format!("{head}{}", table());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(file, &expected).unwrap();
    }
    assert!(
        text == expected,
        "docs/ACCESS.md is out of date; run the test with UPDATE_DOCS=1 and look at the difference"
    );
}
