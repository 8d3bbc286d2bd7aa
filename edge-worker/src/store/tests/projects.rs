//! Projects beside each other on one server.

use crate::store::environments::{self, LiveRow, NewVersion, PastVersion};
use crate::store::projects::{self, TakenHostName};
use crate::store::testing::{TestDb, id, project, server};
use crate::store::{statement, users};
use devflow_protocol::job::Trigger;
use devflow_protocol::{ProjectId, ServerId, UnixMillis};

#[test]
fn host_name_is_taken_by_another_project_of_the_same_server_only() {
    let db = TestDb::with_project();
    let other = id!(ProjectId, 2);
    db.add_project(2, "blog");
    db.run(statement!(
        "UPDATE projects SET settings = '{\"domains\":[\"a.test\",\"b.test\"]}' WHERE slug = 'shop'"
    ));
    let taken = |server: &ServerId, except: &ProjectId, domains: &str| {
        db.first::<TakenHostName>(projects::host_name_taken(server, except, domains))
    };
    assert_eq!(
        taken(&server(), &other, r#"["c.test","b.test"]"#),
        Some(TakenHostName {
            domain: "b.test".to_owned(),
            name: "shop".to_owned()
        })
    );
    assert_eq!(taken(&server(), &other, r#"["c.test"]"#), None);
    assert_eq!(taken(&server(), &project(), r#"["b.test"]"#), None);
    assert_eq!(taken(&id!(ServerId, 9), &other, r#"["b.test"]"#), None);
}

#[test]
fn history_tells_who_changed_what_and_since_when_it_is_live() {
    let db = TestDb::with_project();
    let owner = id!(UserId, 1);
    let version = |version, actor: &str, changes: &str| {
        db.batch(environments::insert(&NewVersion {
            project: &project(),
            version,
            sealed: "sealed",
            names: "[]",
            actor,
            changes,
            now: UnixMillis(i64::from(version) * 10),
        }));
    };
    db.run(users::insert_owner(&users::NewOwner {
        id: &owner,
        email: "owner@example.com",
        password_hash: "x",
        now: UnixMillis(1),
    }));
    version(1, "usr_gone", r#"{"added":["A"]}"#);
    version(2, owner.as_str(), r#"{"changed":["A"]}"#);
    for (number, live) in [(100, 1), (200, 1), (300, 1)] {
        let deployment = db.queue(number, 1, Trigger::Manual);
        db.text(&format!(
            "UPDATE deployments SET manifest = '{{\"environment_version\":{live}}}', finished_at = {number} + 5
             WHERE id = '{deployment}' RETURNING id"
        ));
    }
    let told: Vec<PastVersion> = db.all(environments::history(&project()));
    let past = |version: u32, changes: &str, actor: Option<&str>| PastVersion {
        version,
        created_at: UnixMillis(i64::from(version) * 10),
        changes: changes.to_owned(),
        actor_name: actor.map(str::to_owned),
    };
    assert_eq!(
        told,
        [
            past(2, r#"{"changed":["A"]}"#, Some("owner@example.com")),
            past(1, r#"{"added":["A"]}"#, None),
        ]
    );
    let live: Vec<LiveRow> = db.all(environments::live(&project()));
    let row = |number: i64| LiveRow {
        id: id!(DeploymentId, number),
        finished_at: Some(UnixMillis(number + 5)),
        version: Some(1),
    };
    assert_eq!(live, [row(100), row(200), row(300)]);
}
