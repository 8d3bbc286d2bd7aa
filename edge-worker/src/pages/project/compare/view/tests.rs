//! Two deployments side by side.

use super::*;
use serde_json::{Value, json};

const ID: &str = "01h2e8kqvbfwea724h75qc655w";

fn row(commit: &str, made: Option<&Value>, packages: Option<&Value>) -> ComparedRow {
    let steps = json!([{ "step": "fetch", "outcome": "ok", "ms": 310 }, { "step": commit, "outcome": "ok", "ms": 5_000 }]);
    serde_json::from_value(json!({
        "id": format!("dep_{ID}"), "project": format!("prj_{ID}"), "server": format!("srv_{ID}"), "kind": "deploy",
        "trigger_kind": "push", "state": if made.is_some() { "live" } else { "failed" }, "ref_name": "refs/heads/main",
        "commit_sha": commit.repeat(40), "subject": "Basket", "author": "Ada", "steps": steps.to_string(),
        "manifest": made.map(ToString::to_string), "packages": packages.map(ToString::to_string), "queued_at": 0,
        "started_at": 0, "finished_at": 9_000, "project_name": "Shop",
    }))
    .unwrap()
}

fn made(php: &str, version: u32, migrations: &[&str]) -> Value {
    json!({
        "release": format!("dep_{ID}"), "commit": "a".repeat(40), "image_digest": "sha256:0123456789abcdef",
        "environment_version": version, "migrations": migrations, "steps": [], "framework": "laravel", "php": php,
        "destructive": { "drop_prices": "drop table prices" },
    })
}

fn known(versions: &[Value]) -> Known {
    Known {
        provider: Some(Provider::Github),
        repository: "git@github.com:acme/shop.git".to_owned(),
        now: UnixMillis(10_000),
        versions: versions
            .iter()
            .map(|changes| ChangesRow {
                changes: changes.to_string(),
            })
            .collect(),
    }
}

#[test]
fn compared_tells_what_differs_and_marks_what_does_not() {
    let before = row(
        "a",
        Some(&made("8.3", 2, &["orders"])),
        Some(&json!({ "composer": { "acme/core": "1.0" } })),
    );
    let after = row(
        "b",
        Some(&made("8.4", 4, &["orders", "drop_prices"])),
        Some(&json!({ "composer": { "acme/core": "1.1" }, "npm": { "vite": "7.1.7" } })),
    );
    let versions = [
        json!({ "added": ["A", "B"] }),
        json!({ "changed": ["C"], "removed": ["A"] }),
    ];
    let page = compared(&before, &after, known(&versions));
    let facts: Vec<_> = page
        .facts
        .iter()
        .map(|it| format!("{} {} {} {}", it.name, it.before, it.after, it.same))
        .collect();
    assert_eq!(
        facts,
        [
            "Commit aaaaaaa bbbbbbb false",
            "Branch main main true",
            "Author Ada Ada true",
            "Asked for by push push true",
            "Framework Laravel Laravel true",
            "PHP 8.3 8.4 false",
            "Image 0123456789ab 0123456789ab true",
            "Environment version 2 version 4 false",
            "Took 9.0 s 9.0 s true",
        ]
    );
    let packages: Vec<_> = page
        .packages
        .iter()
        .map(|list| (list.head, list.rows.len()))
        .collect();
    assert_eq!(packages, [("Composer packages", 1), ("npm packages", 1)]);
    assert_eq!(
        page.variables,
        [("Added", "B".to_owned()), ("Changed", "C".to_owned())]
    );
    let new: Vec<_> = page
        .migrations
        .iter()
        .map(|it| (it.name.as_str(), it.new, it.destructive.is_some()))
        .collect();
    assert_eq!(new, [("drop_prices", true, true)]);
    let steps: Vec<_> = page
        .steps
        .iter()
        .map(|it| format!("{} {} {}", it.name, it.before, it.after))
        .collect();
    assert_eq!(steps, ["fetch 310 ms 310 ms", "b – 5.0 s", "a 5.0 s –"]);
    assert!(
        page.commits
            .is_some_and(|url| url.starts_with("https://github.com/acme/shop/compare/aaa"))
    );
    assert_eq!(page.unknown, None);
}

#[test]
fn compared_the_other_way_round_takes_back() {
    let [old, new] = [
        made("8.3", 2, &["orders"]),
        made("8.3", 3, &["orders", "drop_prices"]),
    ];
    let none = json!({});
    let page = compared(
        &row("b", Some(&new), Some(&none)),
        &row("a", Some(&old), Some(&none)),
        known(&[json!({ "added": ["B"] })]),
    );
    assert_eq!(page.variables, [("Removed", "B".to_owned())]);
    assert!(!page.migrations[0].new && page.migrations[0].destructive.is_some());
}

#[test]
fn compared_says_why_something_is_not_known() {
    let (live, failed) = (
        row("a", Some(&made("8.3", 2, &["orders"])), None),
        row("b", None, None),
    );
    let page = compared(&live, &failed, known(&[]));
    assert!(page.is_quiet() && page.unknown.is_some_and(|why| why.contains("did not go live")));
    let page = compared(&live, &live, known(&[]));
    assert!(
        page.unknown
            .is_some_and(|why| why.contains("no packages are known"))
    );
    assert_eq!(page.commits, None);
}
