//! Handing out jobs: one of a project at a time, the identical envelope until it is acknowledged, and what goes back
//! to the queue.

use crate::store::lease::{self, LeaseRequest, Materials, UnacknowledgedRow};
use crate::store::testing::{TestDb, id, server};
use crate::store::{jobs, lease::Arguments, servers, statement};
use devflow_protocol::job::Trigger;
use devflow_protocol::{JobId, UnixMillis};

/// What one poll gets: the envelope that waits, or the job that is leased.
#[derive(Debug, PartialEq, Eq)]
enum Got {
    Again(String),
    Leased(JobId, u32, i64),
    Nothing,
}

fn poll_paused(db: &TestDb, token: &str, now: i64, paused: bool) -> Got {
    let request = LeaseRequest {
        server: &server(),
        lease: token,
        last_sequence: 50,
        paused,
        now: UnixMillis(now),
        expires_at: UnixMillis(now + 30),
    };
    let statements = lease::lease(&request);
    let [release, unacknowledged, _, _, materials] = statements.clone();
    let before: Option<UnacknowledgedRow> = {
        db.run(release);
        db.first(unacknowledged)
    };
    db.batch(statements);
    if let Some(row) = before {
        return Got::Again(row.envelope);
    }
    match db.first::<Materials>(materials) {
        None => Got::Nothing,
        Some(materials) => {
            db.run(lease::store_envelope(
                &materials.id,
                token,
                &format!("envelope {token}"),
            ));
            Got::Leased(materials.id, materials.attempt, materials.sequence)
        }
    }
}

fn poll(db: &TestDb, token: &str, now: i64) -> Got {
    poll_paused(db, token, now, false)
}

fn states(job: &str, deployment: &str) -> (String, String) {
    (job.to_owned(), deployment.to_owned())
}

#[test]
fn lease_moves_job_and_sequence_on() {
    let db = TestDb::with_project();
    db.queue(10, 1, Trigger::Push);
    assert_eq!(poll(&db, "t1", 100), Got::Leased(id!(JobId, 10), 1, 101));
    assert_eq!(db.states(10), states("leased", "queued"));
    assert_eq!(db.text("SELECT cast(last_sequence AS TEXT) FROM servers"), "101");
}

#[test]
fn unacknowledged_envelope_is_sent_again_and_gone_after_the_acknowledgement() {
    let db = TestDb::with_project();
    db.queue(10, 1, Trigger::Push);
    poll(&db, "t1", 100);
    assert_eq!(poll(&db, "t2", 110), Got::Again("envelope t1".to_owned()));
    assert_eq!(
        db.batch(jobs::acknowledge(
            &id!(JobId, 10),
            &server(),
            1,
            "t1",
            UnixMillis(111)
        )),
        [1, 1]
    );
    assert_eq!(poll(&db, "t3", 112), Got::Nothing);
    assert_eq!(db.states(10), states("running", "preparing"));
    assert_eq!(db.text("SELECT envelope FROM jobs"), "");
}

#[test]
fn lease_that_runs_out_unacknowledged_is_the_next_attempt() {
    let db = TestDb::with_project();
    db.queue(10, 1, Trigger::Push);
    poll(&db, "t1", 100);
    assert_eq!(poll(&db, "t2", 131), Got::Leased(id!(JobId, 10), 2, 132));
    // The first attempt's acknowledgement is too late.
    assert_eq!(
        db.batch(jobs::acknowledge(
            &id!(JobId, 10),
            &server(),
            1,
            "t1",
            UnixMillis(132)
        )),
        [0, 0]
    );
}

#[test]
fn acknowledged_lease_never_goes_back_by_itself() {
    let db = TestDb::with_project();
    db.queue(10, 1, Trigger::Push);
    poll(&db, "t1", 100);
    db.batch(jobs::acknowledge(
        &id!(JobId, 10),
        &server(),
        1,
        "t1",
        UnixMillis(101),
    ));
    assert_eq!(poll(&db, "t2", 1_000_000), Got::Nothing);
    db.run(lease::release_all_expired(UnixMillis(1_000_000)));
    assert_eq!(db.states(10), states("running", "preparing"));
}

#[test]
fn second_job_of_a_project_waits_while_another_project_s_is_leased() {
    let db = TestDb::with_project();
    db.add_project(2, "blog");
    db.queue(10, 1, Trigger::Manual);
    db.queue(11, 1, Trigger::Manual);
    db.queue(12, 2, Trigger::Manual);
    assert_eq!(poll(&db, "t1", 100), Got::Leased(id!(JobId, 10), 1, 101));
    db.batch(jobs::acknowledge(
        &id!(JobId, 10),
        &server(),
        1,
        "t1",
        UnixMillis(101),
    ));
    assert_eq!(poll(&db, "t2", 102), Got::Leased(id!(JobId, 12), 1, 103));
    db.batch(jobs::acknowledge(
        &id!(JobId, 12),
        &server(),
        1,
        "t2",
        UnixMillis(104),
    ));
    assert_eq!(poll(&db, "t3", 105), Got::Nothing);
    assert_eq!(db.states(11), states("queued", "queued"));
}

#[test]
fn cancel_passes_by_the_project_s_running_job_and_reaches_a_paused_runner() {
    let db = TestDb::with_project();
    db.queue(10, 1, Trigger::Manual);
    poll(&db, "t1", 100);
    db.batch(jobs::acknowledge(
        &id!(JobId, 10),
        &server(),
        1,
        "t1",
        UnixMillis(101),
    ));
    db.queue(11, 1, Trigger::Manual);
    let arguments = Arguments {
        job: Some(id!(JobId, 10)),
        ..Arguments::default()
    };
    db.run(jobs::insert(&jobs::NewJob {
        id: &id!(JobId, 20),
        server: &server(),
        project: Some(&id!(ProjectId, 1)),
        verb: "cancel",
        arguments: &serde_json::to_string(&arguments).unwrap(),
        now: UnixMillis(102),
    }));
    assert_eq!(
        poll_paused(&db, "t2", 103, true),
        Got::Leased(id!(JobId, 20), 1, 104)
    );
}

#[test]
fn paused_runner_gets_no_new_work() {
    let db = TestDb::with_project();
    db.queue(10, 1, Trigger::Manual);
    assert_eq!(poll_paused(&db, "t1", 100, true), Got::Nothing);
    assert_eq!(db.states(10), states("queued", "queued"));
}

#[test]
fn update_is_asked_for_once_until_it_has_ended_also_of_a_server_that_is_drained() {
    let db = TestDb::with_project();
    db.run(servers::set_draining(&server(), Some(UnixMillis(50))));
    let ask = |n| {
        let id = id!(JobId, n);
        db.run(jobs::insert_once(&jobs::NewJob {
            id: &id,
            server: &server(),
            project: None,
            verb: "update",
            arguments: "{}",
            now: UnixMillis(60),
        }))
    };
    assert_eq!([ask(20), ask(21)], [1, 0]);
    assert_eq!(poll_paused(&db, "t1", 100, true), Got::Nothing);
    assert_eq!(poll(&db, "t2", 101), Got::Leased(id!(JobId, 20), 1, 102));
    assert_eq!(ask(22), 0);
    for (state, asked) in [("out_of_contact", 0), ("abandoned", 1)] {
        db.run(statement!(
            "UPDATE jobs SET state = ?2, envelope = NULL, finished_at = iif(?2 = 'abandoned', 6, NULL) WHERE id = ?1",
            &id!(JobId, 20),
            state
        ));
        assert_eq!(ask(23), asked, "{state}");
    }
}

#[test]
fn job_that_the_journal_does_not_know_is_queued_as_the_next_attempt() {
    let db = TestDb::with_project();
    db.queue(10, 1, Trigger::Manual);
    poll(&db, "t1", 100);
    db.batch(jobs::acknowledge(
        &id!(JobId, 10),
        &server(),
        1,
        "t1",
        UnixMillis(101),
    ));
    assert_eq!(
        db.all::<jobs::HeldRow>(jobs::held(&server(), UnixMillis(101))),
        []
    );
    let held: Vec<jobs::HeldRow> = db.all(jobs::held(&server(), UnixMillis(102)));
    assert_eq!(
        held.iter()
            .map(|row| (row.id.clone(), row.attempt))
            .collect::<Vec<_>>(),
        [(id!(JobId, 10), 1)]
    );
    assert_eq!(db.batch(jobs::requeue(&id!(JobId, 10), 1)), [1, 1]);
    assert_eq!(db.states(10), states("queued", "queued"));
    assert_eq!(poll(&db, "t2", 110), Got::Leased(id!(JobId, 10), 2, 111));
    // Said twice about the first attempt, it changes nothing.
    assert_eq!(db.batch(jobs::requeue(&id!(JobId, 10), 1)), [0, 0]);
}
