//! Deliveries and what follows from them: once for each id, newest wins among the queued.

use crate::store::deliveries::{self, NewDelivery, StoredRow};
use crate::store::deployments::{self, NewDeployment, NewestRow};
use crate::store::hooks::{self, HookRow};
use crate::store::lease::{self, LeaseRequest};
use crate::store::testing::{TestDb, commit, hook, id, main_ref, project, server};
use crate::store::{jobs, retention, statement};
use devflow_domain::webhook::Provider;
use devflow_protocol::UnixMillis;
use devflow_protocol::job::Trigger;

/// One push as the hooks route writes it; ids are made of `number`. Gives what each statement changed.
fn push(db: &TestDb, number: i64, key: &str, digit: char) -> Vec<usize> {
    let (delivery, deployment) = (id!(DeliveryId, number), id!(DeploymentId, number));
    let now = UnixMillis(number);
    let mut batch = vec![
        deliveries::insert(&NewDelivery {
            id: &delivery,
            provider: Provider::Github,
            hook: &hook(),
            project: &project(),
            delivery_key: key,
            event_name: "push",
            event: "{}",
            decision: "deploy",
            reason: "A deployment was queued.",
            deployment: Some(&deployment),
            now,
        }),
        deliveries::note_head(&project(), &main_ref(), &commit(digit), &delivery),
    ];
    batch.extend(deployments::supersede_queued(
        &project(),
        &main_ref(),
        &deployment,
        &delivery,
        now,
    ));
    batch.extend(deployments::queue(
        &NewDeployment {
            id: &deployment,
            job: &id!(JobId, number),
            project: &project(),
            server: &server(),
            trigger: Trigger::Push,
            ref_name: &main_ref(),
            commit: Some(&commit(digit)),
            subject: Some("Subject"),
            author: Some("Author"),
            delivery: Some(&delivery),
            target: None,
            force: false,
            now,
        },
        Some(&delivery),
    ));
    db.batch(batch)
}

fn states(job: &str, deployment: &str) -> (String, String) {
    (job.to_owned(), deployment.to_owned())
}

#[test]
fn delivery_that_arrives_again_changes_nothing() {
    let db = TestDb::with_project();
    assert_eq!(push(&db, 10, "key-1", 'a'), [1, 1, 0, 0, 1, 0, 1]);
    assert_eq!(push(&db, 11, "key-1", 'a'), [0, 0, 0, 0, 0, 0, 0]);
    let first: StoredRow = db
        .first(deliveries::stored(Provider::Github, &hook(), "key-1"))
        .unwrap();
    assert_eq!(
        (first.id, first.deployment),
        (id!(DeliveryId, 10), Some(id!(DeploymentId, 10)))
    );
    assert_eq!(db.states(10), states("queued", "queued"));
}

#[test]
fn newer_push_supersedes_queued_pushes_and_nothing_else() {
    let db = TestDb::with_project();
    push(&db, 10, "key-1", 'a');
    db.queue(11, 1, Trigger::Manual);
    db.queue(12, 1, Trigger::Replay);
    db.queue(13, 1, Trigger::Found);
    push(&db, 14, "key-2", 'b');
    for number in [10, 13] {
        assert_eq!(db.states(number), states("done", "superseded"));
    }
    for number in [11, 12, 14] {
        assert_eq!(db.states(number), states("queued", "queued"));
    }
    assert_eq!(db.text("SELECT last_head FROM projects"), "b".repeat(40));
}

#[test]
fn project_of_a_found_push_is_known_by_its_folder_on_that_server_alone() {
    let db = TestDb::with_project();
    db.queue(10, 1, Trigger::Manual);
    push(&db, 11, "key-1", 'b');
    let shop = "shop".parse().unwrap();
    let hook: Option<HookRow> = db.first(hooks::of_slug(&server(), &shop));
    assert_eq!(hook.map(|row| row.last_head), Some(Some(commit('b'))));
    let newest: Option<NewestRow> = db.first(deployments::newest(&server(), &shop));
    assert_eq!(newest.map(|row| row.id), Some(id!(DeploymentId, 11)));
    let foreign = id!(ServerId, 9);
    assert!(db.first::<HookRow>(hooks::of_slug(&foreign, &shop)).is_none());
    assert!(
        db.first::<NewestRow>(deployments::newest(&foreign, &shop))
            .is_none()
    );
}

#[test]
fn newer_push_supersedes_one_whose_lease_nobody_acknowledged() {
    let db = TestDb::with_project();
    push(&db, 10, "key-1", 'a');
    db.batch(lease::lease(&LeaseRequest {
        server: &server(),
        lease: "t1",
        last_sequence: 0,
        paused: false,
        now: UnixMillis(100),
        expires_at: UnixMillis(130),
    }));
    push(&db, 11, "key-2", 'b');
    assert_eq!(db.states(10), states("done", "superseded"));
    let late = jobs::acknowledge(&id!(JobId, 10), &server(), 1, "t1", UnixMillis(110));
    assert_eq!(db.batch(late), [0, 0]);
}

#[test]
fn late_duplicate_of_an_older_push_does_not_supersede_the_newer_one() {
    let db = TestDb::with_project();
    push(&db, 10, "key-1", 'a');
    push(&db, 11, "key-2", 'b');
    push(&db, 12, "key-1", 'a');
    assert_eq!(db.states(11), states("queued", "queued"));
}

#[test]
fn push_never_touches_a_running_deployment() {
    let db = TestDb::with_project();
    push(&db, 10, "key-1", 'a');
    db.batch([
        crate::store::statement!("UPDATE deployments SET state = 'building'"),
        crate::store::statement!("UPDATE jobs SET state = 'running', lease = 't'"),
    ]);
    push(&db, 11, "key-2", 'b');
    assert_eq!(db.states(10), states("running", "building"));
    assert_eq!(db.states(11), states("queued", "queued"));
}

#[test]
fn second_running_deployment_of_a_project_is_refused_by_the_database() {
    let db = TestDb::with_project();
    db.queue(10, 1, Trigger::Manual);
    db.queue(11, 1, Trigger::Manual);
    let both = crate::store::statement!("UPDATE deployments SET state = 'preparing'");
    assert!(db.try_batch([both]).is_err());
}

#[test]
fn retention_deletes_deliveries_that_are_too_old_and_no_others() {
    let db = TestDb::with_project();
    for number in 1..=3 {
        push(&db, number, &format!("key-{number}"), 'a');
    }
    let deleted = db.batch([retention::deliveries(project().as_str(), UnixMillis(3))]);
    let left: Vec<crate::store::IdRow> = db.all(statement!("SELECT id FROM deliveries"));
    let left: Vec<String> = left.into_iter().map(|row| row.id).collect();
    assert_eq!((deleted, left), (vec![2], vec![id!(DeliveryId, 3).to_string()]));
}

#[test]
fn deleted_ref_has_no_head_any_more() {
    let db = TestDb::with_project();
    push(&db, 10, "key-1", 'a');
    let forget =
        |ref_name: &str, number: i64| deliveries::forget_head(&project(), ref_name, &id!(DeliveryId, number));
    assert_eq!(db.run(forget("refs/heads/main", 11)), 0);
    assert_eq!(db.run(forget("refs/heads/dev", 10)), 0);
    assert_eq!(db.run(forget("refs/heads/main", 10)), 1);
    assert_eq!(db.text("SELECT last_head FROM projects"), "");
}
