//! The sealed trail on the real migrations: what was written is proven, and nothing gets around it.

use crate::store::audit::{self, EndRow, SegmentRow, TrailRow, lines};
use crate::store::testing::{TestDb, id};
use crate::store::users::{self, NewOwner};
use crate::store::{Statement, activity, statement};
use devflow_protocol::UnixMillis;
use devflow_protocol::audit::{Line, Personal, Report, Row, Tampered, seal, verify};
use devflow_protocol::keys::write_key;
use ed25519_dalek::SigningKey;

fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

fn act(n: i64) -> Statement {
    activity::record(UnixMillis(n), "usr_1", "project.update", "prj_1", "")
}

fn end(db: &TestDb) -> EndRow {
    db.first(audit::end()).expect("settings have the edge's id")
}

/// Makes what a sealer would write that read just now.
fn sealing(db: &TestDb) -> Option<Statement> {
    let end = end(db);
    let last = end.last.unwrap_or(0);
    let rows: Vec<TrailRow> = db.all(audit::rows_after(last, 500));
    let rows: Vec<Row> = rows.into_iter().map(|row| row.split().0).collect();
    let before = end.number.zip(end.head.as_deref());
    let sealed = seal(&end.edge_id, before, &rows, &key(), UnixMillis(9))?;
    Some(audit::seal(&sealed, last))
}

fn export(db: &TestDb) -> Vec<Line> {
    let rows: Vec<TrailRow> = db.all(audit::rows_after(0, 500));
    let segments: Vec<SegmentRow> = db.all(audit::segments_after(0, 500));
    let head = Line::Head {
        version: 1,
        edge: end(db).edge_id,
        key: write_key(&key().verifying_key()),
        earlier: vec![],
    };
    std::iter::once(head)
        .chain(lines(rows, segments).unwrap())
        .collect()
}

fn check(db: &TestDb, known: Option<&str>) -> Result<Report, Tampered> {
    let texts: Vec<String> = export(db)
        .iter()
        .map(|line| serde_json::to_string(line).unwrap())
        .collect();
    verify(
        texts.iter().map(String::as_str),
        &[key().verifying_key()],
        known,
        &[],
    )
}

#[test]
fn trail_of_several_writers_is_sealed_in_order_and_proven() {
    let db = TestDb::core();
    assert!(sealing(&db).is_none(), "there is nothing to seal");
    db.batch([act(1), act(2)]);
    assert_eq!(db.run(sealing(&db).unwrap()), 1);
    // Rows that came while a sealer was at work are the next one's.
    db.run(act(3));
    let slow = sealing(&db).unwrap();
    db.run(act(4));
    assert_eq!(db.run(slow), 1);
    let report = check(&db, None).unwrap();
    assert_eq!(
        (report.sealed_rows, report.unsealed_rows, report.segments),
        (3, 1, 2)
    );
    assert_eq!(report.head, end(&db).head);
}

#[test]
fn two_sealers_at_once_make_one_segment() {
    let db = TestDb::core();
    db.run(act(1));
    let (one, other) = (sealing(&db).unwrap(), sealing(&db).unwrap());
    assert_eq!(db.run(one), 1);
    // The slower one ends with the same row, which is there: nothing of it is written.
    assert!(db.try_batch([other]).is_err() || check(&db, None).unwrap().segments == 1);
    db.run(act(2));
    db.run(sealing(&db).unwrap());
    assert_eq!(check(&db, None).unwrap().sealed_rows, 2);
}

#[test]
fn rows_and_segments_are_neither_changed_nor_taken_out_nor_put_in_again() {
    let db = TestDb::core();
    db.batch([act(1), act(2), act(3)]);
    db.run(sealing(&db).unwrap());
    for attempt in [
        "UPDATE activity_logs SET actor = 'usr_2' WHERE id = 2",
        "DELETE FROM activity_logs WHERE id = 3",
        "INSERT OR REPLACE INTO activity_logs (id, at, actor, action, subject) VALUES (2, 1, 'a', 'b', 'c')",
        "INSERT OR REPLACE INTO activity_logs (id, at, actor, action, subject) VALUES (3, 1, 'a', 'b', 'c')",
        "INSERT INTO activity_logs (id, at, actor, action, subject) VALUES (0, 1, 'a', 'b', 'c')",
        "INSERT INTO activity_logs (id, at, actor, action, subject) VALUES (-1, 1, 'a', 'b', 'c')",
        "UPDATE audit_segments SET head = 'x'",
        "DELETE FROM audit_segments",
        "INSERT OR REPLACE INTO audit_segments (last, number, head, envelope) VALUES (3, 1, 'x', '{}')",
    ] {
        assert!(db.try_batch([statement!(attempt)]).is_err(), "{attempt}");
    }
    assert_eq!(check(&db, None).unwrap().sealed_rows, 3);
}

#[test]
fn who_gets_around_the_triggers_is_found() {
    let db = TestDb::core();
    db.batch([act(1), act(2)]);
    db.run(sealing(&db).unwrap());
    let head = end(&db).head;
    db.run(statement!("DROP TRIGGER activity_logs_never_change"));
    db.run(statement!(
        "UPDATE activity_logs SET actor = 'usr_2' WHERE id = 1"
    ));
    assert_eq!(check(&db, None).unwrap_err().line, 4);
    db.run(statement!("DROP TRIGGER activity_logs_never_go"));
    db.run(statement!("DROP TRIGGER audit_segments_never_go"));
    db.batch([
        statement!("DELETE FROM activity_logs"),
        statement!("DELETE FROM audit_segments"),
    ]);
    db.run(act(9));
    db.run(sealing(&db).unwrap());
    // A trail that was made again proves itself, but not to who kept the head.
    assert!(check(&db, None).is_ok());
    assert!(check(&db, head.as_deref()).is_err());
}

#[test]
fn deletion_of_a_person_erases_what_is_said_of_them_and_leaves_the_chain_whole() {
    let db = TestDb::core();
    db.run(users::insert_owner(&NewOwner {
        id: &id!(UserId, 1),
        email: "a@shop.test",
        password_hash: "x",
        now: UnixMillis(1),
    }));
    let personal = Personal {
        salt: "salt".to_owned(),
        value: "192.0.2.1".to_owned(),
    };
    db.batch(activity::record_of_person(
        UnixMillis(1),
        &id!(UserId, 1),
        "session.start",
        "lgn_1",
        &personal,
    ));
    db.run(act(2));
    db.run(sealing(&db).unwrap());
    let said = |db: &TestDb| {
        export(db)
            .iter()
            .any(|line| format!("{line:?}").contains("192.0.2.1"))
    };
    assert!(said(&db) && check(&db, None).unwrap().erased == 0);
    // An owner leaves only where there is another.
    db.run(statement!(
        "INSERT INTO users (id, email, password_hash, role, created_at) VALUES ('usr_2', 'b@shop.test', 'x', 'owner', 1)"
    ));
    db.run(statement!("DELETE FROM users WHERE email = 'a@shop.test'"));
    assert!(!said(&db));
    let report = check(&db, None).unwrap();
    assert_eq!((report.sealed_rows, report.erased), (2, 1));
}

#[test]
fn job_keys_are_noted_once_and_a_new_one_goes_on_record() {
    let db = TestDb::core();
    let other = SigningKey::from_bytes(&[8; 32]).verifying_key();
    let first = key().verifying_key();
    for (now, key) in [(1, &first), (2, &first), (3, &other), (4, &other)] {
        db.batch(audit::note_job_key(key, UnixMillis(now)));
    }
    let keys: Vec<audit::JobKeyRow> = db.all(audit::job_keys());
    assert_eq!(audit::earlier(keys, &other), [write_key(&first)]);
    let rows: Vec<TrailRow> = db.all(audit::rows_after(0, 9));
    let rows: Vec<Row> = rows.into_iter().map(|row| row.split().0).collect();
    let told = rows
        .iter()
        .map(|row| (row.at.0, row.action.as_str(), row.actor.as_str()));
    assert_eq!(told.collect::<Vec<_>>(), [(3, "keys.job_key", activity::EDGE)]);
    assert!(rows[0].detail.starts_with("sha256:"));
}
