//! Which projects the overview shows, and in what order.

use crate::store::cards::{self, ProjectCard, Show};
use crate::store::testing::{TestDb, id, server};
use crate::store::{Statement, projects, servers};
use devflow_protocol::UnixMillis;
use devflow_protocol::job::Trigger;

fn slugs(db: &TestDb, statement: Statement) -> Vec<String> {
    let cards: Vec<ProjectCard> = db.all(statement);
    cards
        .into_iter()
        .map(|card| card.project.slug.to_string())
        .collect()
}

/// Projects `shop` (1), `blog` (2) and `web-shop` (3).
fn three_projects() -> TestDb {
    let db = TestDb::with_project();
    db.add_project(2, "blog");
    db.add_project(3, "web-shop");
    db
}

#[test]
fn page_is_in_the_order_of_slugs_and_tells_of_a_next_one() {
    let db = three_projects();
    assert_eq!(
        slugs(&db, cards::page(Show::All, "", 9, None)),
        ["blog", "shop", "web-shop"]
    );
    assert_eq!(slugs(&db, cards::page(Show::All, "", 1, None)), ["blog", "shop"]);
    assert_eq!(
        slugs(&db, cards::page(Show::All, "blog", 9, None)),
        ["shop", "web-shop"]
    );
}

#[test]
fn pages_of_one_state_show_what_is_in_it() {
    let db = three_projects();
    let set = |number: i64, state: &str| {
        db.text(&format!(
            "UPDATE deployments SET state = '{state}' WHERE id = '{}' RETURNING id",
            id!(DeploymentId, number)
        ));
    };
    let shown = || {
        [Show::Deploying, Show::Failing, Show::Stopped].map(|show| slugs(&db, cards::page(show, "", 9, None)))
    };
    assert_eq!(shown(), [vec![], vec![], Vec::<String>::new()]);
    for (number, project) in [(10, 1), (20, 2), (30, 3)] {
        db.queue(number, project, Trigger::Manual);
    }
    set(10, "failed");
    set(20, "building");
    set(30, "rolled_back");
    db.text("UPDATE projects SET state = 'stopped' WHERE slug = 'web-shop' RETURNING id");
    assert_eq!(
        shown(),
        [vec!["blog"], vec!["shop", "web-shop"], vec!["web-shop"]]
    );
    // A cancelled deployment tells nothing new; one that is live does.
    db.queue(40, 1, Trigger::Manual);
    set(40, "cancelled");
    set(20, "live");
    assert_eq!(shown(), [vec![], vec!["shop", "web-shop"], vec!["web-shop"]]);
    db.queue(50, 1, Trigger::Manual);
    set(50, "live");
    assert_eq!(shown(), [vec![], vec!["web-shop"], vec!["web-shop"]]);
}

#[test]
fn page_of_what_is_deploying_goes_on_behind_a_project_s_id() {
    let db = three_projects();
    for number in 1..=3 {
        db.queue(number * 10, number, Trigger::Manual);
    }
    db.text("UPDATE deployments SET state = 'building' RETURNING id");
    let page = |after: &str, rows| slugs(&db, cards::page(Show::Deploying, after, rows, None));
    assert_eq!(page("", 9), ["shop", "blog", "web-shop"]);
    assert_eq!(page("", 1), ["shop", "blog"]);
    assert_eq!(page(id!(ProjectId, 1).as_str(), 9), ["blog", "web-shop"]);
}

#[test]
fn page_by_tag_shows_a_project_under_each_of_its_tags_and_goes_on_behind_one() {
    let db = three_projects();
    for (number, phrases) in [
        (1, r##"["shop","#acme","#city"]"##),
        (2, r#"["blog"]"#),
        (3, r##"["web","#acme"]"##),
    ] {
        db.text("UPDATE projects SET updated_at = 7 RETURNING id");
        for statement in projects::find_by(&id!(ProjectId, number), phrases, UnixMillis(7)) {
            db.run(statement);
        }
    }
    let page = |tag: &str, project: &str, rows: usize| -> Vec<String> {
        let cards: Vec<ProjectCard> = db.all(cards::by_tag(tag, project, rows));
        let words = cards
            .into_iter()
            .map(|card| format!("{} {}", card.tag.unwrap(), card.project.slug));
        words.collect()
    };
    let all = ["#acme shop", "#acme web-shop", "#city shop"];
    assert_eq!(page("", "", 9), all);
    assert_eq!(page("", "", 1), all[..2]);
    assert_eq!(page("#acme", id!(ProjectId, 1).as_str(), 9), all[1..]);
    assert_eq!(page("#city", "", 9), all[2..]);
    assert_eq!(page("zoo", "", 9), Vec::<String>::new());
}

#[test]
fn page_by_server_goes_on_behind_a_project() {
    let db = three_projects();
    let other = id!(ServerId, 2);
    db.run(servers::insert(&other, "app-1", UnixMillis(1)));
    db.text(&format!(
        "UPDATE projects SET server = '{other}' WHERE slug = 'web-shop' RETURNING id"
    ));
    let all = ["web-shop", "blog", "shop"];
    assert_eq!(slugs(&db, cards::by_server("", "", 9)), all);
    assert_eq!(slugs(&db, cards::by_server("app-1", "web-shop", 9)), all[1..]);
    assert_eq!(slugs(&db, cards::by_server("web-1", "blog", 9)), all[2..]);
}

#[test]
fn search_finds_by_prefix_and_forgets_what_a_project_was_called() {
    let db = three_projects();
    let at = UnixMillis(3);
    db.batch(projects::find_by(
        &id!(ProjectId, 1),
        r#"["shop", "shoes & more"]"#,
        at,
    ));
    db.batch(projects::find_by(
        &id!(ProjectId, 3),
        r#"["web-shop", "shop"]"#,
        at,
    ));
    assert_eq!(slugs(&db, cards::found("sho", 9, None)), ["shop", "web-shop"]);
    assert_eq!(slugs(&db, cards::found("shoe", 9, None)), ["shop"]);
    for prefix in ["%", "_", "'", "shops", "zzz"] {
        assert_eq!(slugs(&db, cards::found(prefix, 9, None)), [""; 0], "{prefix}");
    }
    // What somebody who came too late would have written is not found.
    db.batch(projects::find_by(
        &id!(ProjectId, 1),
        r#"["late"]"#,
        UnixMillis(2),
    ));
    assert_eq!(slugs(&db, cards::found("late", 9, None)), [""; 0]);
    let written = db.batch(projects::find_by(&id!(ProjectId, 1), r#"["shop", "boots"]"#, at));
    assert_eq!(written, [1, 1]);
    assert_eq!(slugs(&db, cards::found("shoe", 9, None)), [""; 0]);
    assert_eq!(slugs(&db, cards::found("boo", 9, None)), ["shop"]);
    db.run(projects::delete(&id!(ProjectId, 3)));
    assert_eq!(slugs(&db, cards::found("web", 9, None)), [""; 0]);
}

#[test]
fn servers_know_how_many_projects_they_have() {
    let db = three_projects();
    let count = || {
        let row: Option<servers::ServerRow> = db.first(servers::by_id(&server()));
        row.map(|row| row.projects)
    };
    assert_eq!(count(), Some(3));
    db.run(projects::delete(&id!(ProjectId, 3)));
    assert_eq!(count(), Some(2));
}

#[test]
fn who_sees_some_projects_gets_only_those_in_every_view() {
    let db = three_projects();
    let only = |numbers: &[i64]| {
        let ids: Vec<_> = numbers.iter().map(|number| id!(ProjectId, *number)).collect();
        Some(serde_json::to_string(&ids).unwrap())
    };
    for number in 1..=3 {
        db.queue(number * 10, number, Trigger::Manual);
    }
    db.text("UPDATE deployments SET state = 'failed' RETURNING id");
    db.queue(40, 3, Trigger::Manual);
    db.text(&format!(
        "UPDATE deployments SET state = 'building' WHERE id = '{}' RETURNING id",
        id!(DeploymentId, 40)
    ));
    let shown = |show, numbers: &[i64]| slugs(&db, cards::page(show, "", 9, only(numbers)));
    assert_eq!(shown(Show::All, &[1, 3, 7]), ["shop", "web-shop"]);
    assert_eq!(shown(Show::All, &[]), [""; 0]);
    assert_eq!(shown(Show::Failing, &[2]), ["blog"]);
    assert_eq!(shown(Show::Deploying, &[1, 3]), ["web-shop"]);
    assert_eq!(shown(Show::Stopped, &[1, 2, 3]), [""; 0]);
    for (number, words) in [(1, r#"["shop"]"#), (3, r#"["web-shop", "shop"]"#)] {
        db.batch(projects::find_by(&id!(ProjectId, number), words, UnixMillis(3)));
    }
    assert_eq!(slugs(&db, cards::found("sho", 9, only(&[2, 3]))), ["web-shop"]);
}
