//! Enrolment and sessions of runners.

use crate::store::servers::{self, Enrolled, Enrolment, RunnerRow, ServerState};
use crate::store::testing::{TestDb, id, server};
use devflow_protocol::UnixMillis;

fn enrol(db: &TestDb, token: &str, now: i64) -> Option<Enrolled> {
    let [keys, enrolled, spend] = servers::enrol(&Enrolment {
        token,
        signing_key: "a2V5",
        sealing_key: "a2V5",
        facts: "{}",
        now: UnixMillis(now),
    });
    db.run(keys);
    let row = db.first(enrolled);
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
