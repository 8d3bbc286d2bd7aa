//! Enrolment and sessions of runners; servers that are renamed, drained and deleted.

use crate::store::hooks::{self, HookRow};
use crate::store::jobs;
use crate::store::projects;
use crate::store::servers::{self, Enrolled, Enrolment, RunnerRow, ServerRow, ServerState};
use crate::store::statement;
use crate::store::testing::{TestDb, hook, id, project, server};
use devflow_protocol::UnixMillis;

fn enrol(db: &TestDb, token: &str, now: i64) -> Option<Enrolled> {
    let [keys, enrolled, record, spend] = servers::enrol(&Enrolment {
        token,
        signing_key: "a2V5",
        sealing_key: "a2V5",
        facts: "{}",
        now: UnixMillis(now),
    });
    db.run(keys);
    let row = db.first(enrolled);
    let records = db.run(record);
    assert_eq!(records, usize::from(row.is_some()));
    db.run(spend);
    row
}

#[test]
fn enrolment_token_works_once_and_in_time() {
    let db = TestDb::core();
    db.run(servers::insert(&server(), "web-1", UnixMillis(1)));
    db.batch(servers::insert_enrolment("one", &server(), UnixMillis(100)));
    assert!(enrol(&db, "other", 50).is_none());
    assert!(enrol(&db, "one", 100).is_none());
    let enrolled = enrol(&db, "one", 50).unwrap();
    assert_eq!(
        (enrolled.id, enrolled.edge_id.len()),
        (server(), "edge_".len() + 32)
    );
    assert!(enrol(&db, "one", 51).is_none());
}

#[test]
fn newer_invitation_ends_the_older_one() {
    let db = TestDb::core();
    db.run(servers::insert(&server(), "web-1", UnixMillis(1)));
    db.batch(servers::insert_enrolment("one", &server(), UnixMillis(100)));
    db.batch(servers::insert_enrolment("two", &server(), UnixMillis(100)));
    assert!(enrol(&db, "one", 50).is_none());
    assert!(enrol(&db, "two", 50).is_some());
}

#[test]
fn older_session_does_not_take_over_again() {
    let db = TestDb::with_project();
    let (older, newer) = (id!(RunnerSessionId, 1), id!(RunnerSessionId, 2));
    assert_eq!(
        db.run(servers::start_session(&server(), &newer, Some("{\"cpus\":2}"))),
        1
    );
    assert_eq!(db.run(servers::start_session(&server(), &older, None)), 0);
    let row: RunnerRow = db.first(servers::runner(&server())).unwrap();
    assert_eq!(
        (row.session, row.state),
        (Some(newer.to_string()), ServerState::Pending)
    );
}

#[test]
fn draining_keeps_when_it_began_and_is_seen_by_hooks() {
    let db = TestDb::with_project();
    let since = || -> Option<UnixMillis> {
        db.first::<ServerRow>(servers::by_id(&server()))
            .unwrap()
            .draining_since
    };
    let seen = || -> u8 { db.first::<HookRow>(hooks::by_id(&hook())).unwrap().draining };
    let set = |at| db.run(servers::set_draining(&server(), at));
    assert_eq!((since(), seen()), (None, 0));
    assert_eq!([set(Some(UnixMillis(5))), set(Some(UnixMillis(9)))], [1, 0]);
    assert_eq!((since(), seen()), (Some(UnixMillis(5)), 1));
    assert_eq!([set(None), set(None)], [1, 0]);
    assert_eq!((since(), seen()), (None, 0));
}

#[test]
fn server_is_deleted_with_its_queue_and_not_while_it_has_projects() {
    let db = TestDb::with_project();
    db.run(jobs::insert(&jobs::NewJob {
        id: &id!(JobId, 5),
        server: &server(),
        project: None,
        verb: "ping",
        arguments: "{}",
        now: UnixMillis(5),
    }));
    let refused = db
        .try_batch(servers::delete(&server(), UnixMillis(9)))
        .unwrap_err()
        .to_string();
    assert!(refused.contains("FOREIGN KEY constraint failed"), "{refused}");
    assert!(db.first::<ServerRow>(servers::by_id(&server())).is_some());
    db.run(projects::delete(&project()));
    assert_eq!(db.batch(servers::delete(&server(), UnixMillis(9)))[1], 1);
    assert!(db.first::<ServerRow>(servers::by_id(&server())).is_none());
    assert_eq!(db.text("SELECT CAST(sum(value) AS TEXT) FROM totals"), "0");
}

#[test]
fn work_of_a_deleted_server_is_given_up() {
    let db = TestDb::with_project();
    db.run(projects::delete(&project()));
    for (n, state) in [(5, "running"), (6, "out_of_contact"), (7, "done")] {
        let job = id!(JobId, n);
        db.run(jobs::insert(&jobs::NewJob {
            id: &job,
            server: &server(),
            project: None,
            verb: "inspect",
            arguments: "{}",
            now: UnixMillis(5),
        }));
        db.run(statement!(
            "UPDATE jobs SET state = ?2, lease = 't', finished_at = iif(?2 = 'done', 6, NULL) WHERE id = ?1",
            &job,
            state
        ));
    }
    db.batch(servers::delete(&server(), UnixMillis(9)));
    assert_eq!(
        db.text(
            "SELECT group_concat(state || ' ' || finished_at, ', ') FROM (SELECT * FROM jobs ORDER BY id)"
        ),
        "abandoned 9, abandoned 9, done 6"
    );
}
