//! The end of a job: fenced by its attempt, with its deployment and its project in one batch.

use crate::store::projects::{self, ProjectState};
use crate::store::testing::{TestDb, id, project, server};
use crate::store::{compared, deployments, events, jobs, servers, statement};
use devflow_protocol::UnixMillis;
use devflow_protocol::event::DeploymentState;
use devflow_protocol::job::Trigger;
use devflow_protocol::runner_api::ProjectReport;

fn running(db: &TestDb, number: i64) {
    db.queue(number, 1, Trigger::Manual);
    db.batch([
        statement!(
            "UPDATE jobs SET state = 'running', lease = 't', attempt = 2, acked_at = 5 WHERE state = 'queued'"
        ),
        statement!("UPDATE deployments SET state = 'switching' WHERE state = 'queued'"),
    ]);
}

fn complete(db: &TestDb, number: i64, attempt: u32) -> Vec<usize> {
    complete_with(db, number, attempt, "{}", None)
}

fn complete_with(
    db: &TestDb,
    number: i64,
    attempt: u32,
    manifest: &str,
    answer_ms: Option<u32>,
) -> Vec<usize> {
    let job = id!(JobId, number);
    let report = ProjectReport {
        slug: "shop".parse().unwrap(),
        live: Some(id!(DeploymentId, number)),
        kept: vec![id!(DeploymentId, number)],
    };
    db.batch([
        deployments::finish(
            &job,
            attempt,
            DeploymentState::Live,
            None,
            Some(manifest),
            UnixMillis(9),
        ),
        projects::report(&job, attempt, &report, Some(ProjectState::Active), answer_ms),
        jobs::finish(&job, attempt, "{}", UnixMillis(9)),
    ])
}

#[test]
fn completion_counts_once_and_only_for_its_attempt() {
    let db = TestDb::with_project();
    running(&db, 10);
    assert_eq!(complete(&db, 10, 1), [0, 0, 0]);
    assert_eq!(complete(&db, 10, 2), [1, 1, 1]);
    assert_eq!(complete(&db, 10, 2), [0, 0, 0]);
    assert_eq!(db.states(10), ("done".to_owned(), "live".to_owned()));
    assert_eq!(
        db.text("SELECT live_deployment FROM projects"),
        id!(DeploymentId, 10).to_string()
    );
}

#[test]
fn completion_keeps_packages_apart_from_the_manifest() {
    let db = TestDb::with_project();
    running(&db, 10);
    let manifest = r#"{"environment_version":3,"packages":{"composer":{"acme/core":"1.0"}}}"#;
    complete_with(&db, 10, 2, manifest, None);
    assert_eq!(
        db.text("SELECT manifest FROM deployments"),
        r#"{"environment_version":3}"#
    );
    let row: compared::ComparedRow = db
        .first(compared::compared(&project(), &id!(DeploymentId, 10)))
        .unwrap();
    assert_eq!(row.packages.unwrap(), r#"{"composer":{"acme/core":"1.0"}}"#);
    assert_eq!(row.deployment.id, id!(DeploymentId, 10));
}

#[test]
fn completion_keeps_the_newest_twenty_answer_times_of_releases_that_went_live() {
    let db = TestDb::with_project();
    for number in 0..23 {
        running(&db, number + 10);
        let ms = u32::try_from(number).unwrap();
        complete_with(&db, number + 10, 2, "{}", (number != 5).then_some(ms));
    }
    let kept: Vec<i64> = serde_json::from_str(&db.text("SELECT answer_times FROM projects")).unwrap();
    let expected: Vec<i64> = (2..23).filter(|number| *number != 5).collect();
    assert_eq!(kept, expected);
}

#[test]
fn completion_after_a_person_gave_up_tells_what_is_live_and_changes_nothing_else() {
    let db = TestDb::with_project();
    running(&db, 10);
    db.batch(servers::mark_missing(server().as_str(), UnixMillis(20)));
    assert_eq!(
        db.states(10),
        ("out_of_contact".to_owned(), "out_of_contact".to_owned())
    );
    assert_eq!(
        db.batch(deployments::abandon(
            &id!(DeploymentId, 10),
            "silent",
            UnixMillis(21)
        )),
        // The deployment with the project that it makes failing and the count of those, and the job.
        [3, 1]
    );
    // Nothing follows from it but what is true: which release serves there.
    assert_eq!(complete(&db, 10, 2), [0, 1, 0]);
    assert_eq!(db.states(10), ("abandoned".to_owned(), "failed".to_owned()));
}

#[test]
fn deployment_that_ended_while_its_server_was_silent_is_taken_over() {
    let db = TestDb::with_project();
    running(&db, 10);
    db.batch(servers::mark_missing(server().as_str(), UnixMillis(20)));
    assert_eq!(complete(&db, 10, 2), [1, 1, 1]);
    assert_eq!(db.states(10), ("done".to_owned(), "live".to_owned()));
}

#[test]
fn regained_contact_goes_on_where_it_stood() {
    let db = TestDb::with_project();
    running(&db, 10);
    db.batch(servers::mark_missing(server().as_str(), UnixMillis(20)));
    assert_eq!(db.batch(jobs::regain_contact(&id!(JobId, 10), 2)), [1, 1]);
    assert_eq!(db.states(10), ("running".to_owned(), "switching".to_owned()));
}

#[test]
fn cancel_ends_at_once_only_what_no_runner_has_acknowledged() {
    let db = TestDb::with_project();
    running(&db, 10);
    assert_eq!(
        db.batch(deployments::cancel_unacknowledged(
            &id!(DeploymentId, 10),
            UnixMillis(30)
        )),
        [0, 0]
    );
    db.queue(11, 1, Trigger::Manual);
    assert_eq!(
        db.batch(deployments::cancel_unacknowledged(
            &id!(DeploymentId, 11),
            UnixMillis(30)
        )),
        [1, 1]
    );
    assert_eq!(db.states(11), ("done".to_owned(), "cancelled".to_owned()));
}

#[test]
fn removal_that_succeeded_takes_the_project_along() {
    let db = TestDb::with_project();
    db.run(projects::mark_removing(&id!(ProjectId, 1)));
    db.run(jobs::insert(&jobs::NewJob {
        id: &id!(JobId, 10),
        server: &server(),
        project: Some(&id!(ProjectId, 1)),
        verb: "remove_project",
        arguments: "{}",
        now: UnixMillis(10),
    }));
    db.run(statement!(
        "UPDATE jobs SET state = 'running', lease = 't', attempt = 1"
    ));
    assert_eq!(db.run(projects::delete_removed(&id!(JobId, 10), 2)), 0);
    assert!(db.run(projects::delete_removed(&id!(JobId, 10), 1)) > 0);
    assert_eq!(db.text("SELECT cast(count(*) AS TEXT) FROM hooks"), "0");
}

#[test]
fn removal_that_failed_gives_the_project_back() {
    let db = TestDb::with_project();
    db.run(projects::mark_removing(&id!(ProjectId, 1)));
    db.run(jobs::insert(&jobs::NewJob {
        id: &id!(JobId, 10),
        server: &server(),
        project: Some(&id!(ProjectId, 1)),
        verb: "remove_project",
        arguments: "{}",
        now: UnixMillis(10),
    }));
    db.run(statement!(
        "UPDATE jobs SET state = 'running', lease = 't', attempt = 1"
    ));
    assert_eq!(db.run(projects::keep_after_all(&id!(JobId, 10), 1)), 1);
    assert_eq!(db.text("SELECT state FROM projects"), "active");
}

#[test]
fn second_cancel_of_a_job_is_not_queued() {
    let db = TestDb::with_project();
    let cancel = |number| {
        jobs::insert_cancel(&jobs::NewJob {
            id: &id!(JobId, number),
            server: &server(),
            project: Some(&id!(ProjectId, 1)),
            verb: "cancel",
            arguments: "{\"job\":\"job_1\"}",
            now: UnixMillis(10),
        })
    };
    assert_eq!(db.batch([cancel(20), cancel(21)]), [1, 0]);
}

fn keep(db: &TestDb, first: u64, last: u64, body: &str) -> (Vec<usize>, Option<u64>) {
    let job = id!(JobId, 1);
    let [append, insert, kept] = events::keep(&events::Fresh {
        job: &job,
        attempt: 1,
        first,
        last,
        body,
        now: UnixMillis(1),
    });
    let changed = db.batch([append, insert]);
    let kept: Option<events::LastRow> = db.first(kept);
    (changed, kept.map(|row| row.last))
}

fn chunks(db: &TestDb, after: i64) -> Vec<(u64, String)> {
    let rows: Vec<events::ChunkRow> = db.all(events::after(&id!(JobId, 1), 1, after, 10));
    rows.into_iter().map(|row| (row.first, row.body)).collect()
}

#[test]
fn events_that_follow_go_into_one_chunk_and_those_that_come_again_change_nothing() {
    let db = TestDb::logs();
    assert_eq!(keep(&db, 1, 3, "[1,2,3]"), (vec![0, 1], Some(3)));
    assert_eq!(keep(&db, 1, 3, "[1,2,3]"), (vec![0, 0], Some(3)));
    // Grown since the answer was lost: nothing is taken, and the caller hears what is there.
    assert_eq!(keep(&db, 1, 4, "[1,2,3,4]"), (vec![0, 0], Some(3)));
    assert_eq!(keep(&db, 4, 4, "[4]"), (vec![1, 0], Some(4)));
    // A gap is a chunk of its own.
    assert_eq!(keep(&db, 6, 6, "[6]"), (vec![0, 1], Some(6)));
    assert_eq!(keep(&db, 2, 3, "[2,3]"), (vec![0, 0], Some(6)));
    assert_eq!(
        chunks(&db, 0),
        [(1, "[1,2,3,4]".to_owned()), (6, "[6]".to_owned())]
    );
    assert_eq!(chunks(&db, 4), [(6, "[6]".to_owned())]);
}

#[test]
fn events_beyond_a_chunk_s_room_begin_the_next() {
    let db = TestDb::logs();
    let long = format!("[\"{}\"]", "x".repeat(40_000));
    assert_eq!(keep(&db, 1, 1, &long), (vec![0, 1], Some(1)));
    assert_eq!(keep(&db, 2, 2, &long), (vec![0, 1], Some(2)));
    assert_eq!(keep(&db, 3, 3, "[3]"), (vec![1, 0], Some(3)));
    assert_eq!(chunks(&db, 0).len(), 2);
}
