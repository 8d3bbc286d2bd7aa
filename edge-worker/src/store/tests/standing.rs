//! What a server told of its projects, put right on the real tables.

use crate::store::standing::{self, KnownRow, UnknownRow};
use crate::store::testing::{TestDb, commit, id, main_ref, project, server};
use crate::store::{Statement, servers, statement};
use devflow_domain::standing::{Correction, Known, compare};
use devflow_protocol::job::Trigger;
use devflow_protocol::runner_api::{KnownRelease, Standing};
use devflow_protocol::{ServerId, UnixMillis};

const NOW: UnixMillis = UnixMillis(99);

fn told() -> Standing {
    let release = |number, kept| KnownRelease {
        deployment: id!(DeploymentId, number),
        kept,
        ref_name: main_ref(),
        commit: commit('b'),
        subject: "Fix".to_owned(),
        environment_version: 0,
    };
    Standing {
        slug: "shop".parse().unwrap(),
        stopped: false,
        live: Some(id!(DeploymentId, 20)),
        releases: vec![release(20, true), release(10, true)],
    }
}

fn corrections(db: &TestDb) -> Vec<Correction> {
    corrections_on(db, &server())
}

fn corrections_on(db: &TestDb, server: &ServerId) -> Vec<Correction> {
    let known: Vec<KnownRow> = db.all(standing::known(server));
    compare(known.into_iter().map(Known::from).collect(), &[told()]).corrections
}

fn batch(correction: &Correction) -> Vec<Statement> {
    let mut batch = Vec::from(standing::correct(&server(), correction, NOW));
    for release in &correction.releases {
        batch.extend(standing::adopt(&server(), &project(), release, NOW));
    }
    batch
}

#[test]
fn project_is_put_right_with_releases_that_were_not_known_and_nobody_is_told() {
    let db = TestDb::with_project();
    db.run(statement!(
        "INSERT INTO endpoints (id, name, kind, address, sealed, events, created_at, updated_at)
        VALUES ('ept_1', 'x', 'webhook', 'x', 'x', '[\"queued\",\"live\"]', 1, 1)"
    ));
    // One of the two is known, and its message waits.
    db.queue(10, 1, Trigger::Push);
    db.run(statement!("UPDATE deployments SET state = 'failed'"));
    db.run(statement!("UPDATE jobs SET state = 'done'"));
    let messages = "SELECT group_concat(id) FROM outbox WHERE event = 'queued'";
    let waiting = db.text(messages);
    let found = corrections(&db);
    db.batch(batch(&found[0]));
    assert_eq!(
        db.text("SELECT live_deployment FROM projects"),
        id!(DeploymentId, 20).to_string()
    );
    assert_eq!(
        db.text("SELECT group_concat(state || ' ' || trigger_kind || ' ' || queued_at) FROM deployments"),
        "failed push 10,live found 20"
    );
    assert_eq!(db.text(messages), waiting);
    let told = db.text("SELECT action || ' ' || actor FROM activity_logs ORDER BY id DESC LIMIT 1");
    assert_eq!(told, format!("project.corrected {}", server()));
    assert_eq!(corrections(&db), []);
}

#[test]
fn project_whose_job_began_meanwhile_is_left_alone() {
    let db = TestDb::with_project();
    let found = corrections(&db);
    db.queue(30, 1, Trigger::Push);
    db.run(statement!("UPDATE jobs SET state = 'running', lease = 't'"));
    let records = "SELECT 'n' || count(*) FROM activity_logs";
    let before = db.text(records);
    db.batch(standing::correct(&server(), &found[0], NOW));
    assert_eq!(
        db.text("SELECT coalesce(live_deployment, 'none') FROM projects"),
        "none"
    );
    assert_eq!(
        db.text(records),
        before,
        "nothing was done, so nothing is on record"
    );
    assert_eq!(corrections(&db), []);
}

#[test]
fn further_server_of_a_project_is_put_right_by_its_own_word_alone() {
    let db = TestDb::with_project();
    let second = id!(ServerId, 2);
    db.run(servers::insert(&second, "web-2", UnixMillis(1)));
    db.run(statement!(
        "INSERT INTO further_targets (project, server, position) VALUES (?1, ?2, 1)",
        &project(),
        &second
    ));
    let found = corrections_on(&db, &second);
    db.batch(standing::correct(&second, &found[0], NOW));
    assert_eq!(
        db.text("SELECT coalesce(p.live_deployment, 'none') || ' ' || t.live_deployment FROM projects p, further_targets t"),
        format!("none {}", id!(DeploymentId, 20))
    );
    let told = db.text("SELECT group_concat(actor) FROM activity_logs WHERE action = 'project.corrected'");
    assert_eq!(told, second.to_string());
    assert_eq!(corrections_on(&db, &second), []);
    assert_eq!(corrections(&db).len(), 1, "the first server has not told yet");
}

#[test]
fn what_a_server_told_is_kept_with_folders_that_are_not_known() {
    let db = TestDb::with_project();
    db.run(standing::told(&server(), "abc", Some("[\"blog\"]")));
    let row: UnknownRow = db.first(standing::unknown(&server())).unwrap();
    assert_eq!(row.unknown_projects.as_deref(), Some("[\"blog\"]"));
    assert_eq!(db.text("SELECT standing FROM servers"), "abc");
}
