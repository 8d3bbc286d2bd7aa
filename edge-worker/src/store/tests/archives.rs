//! What leaves the trail for the bucket, on the real migrations: only what is old, sealed and followed, and in order.

use crate::store::archives::{self, ArchiveRow, BeginRow, NewArchive};
use crate::store::audit::{self, EndRow, TrailRow};
use crate::store::testing::TestDb;
use crate::store::{Statement, activity, statement};
use devflow_protocol::UnixMillis;
use devflow_protocol::audit::{Row, Sealed, seal};
use ed25519_dalek::SigningKey;

/// 2001, long ago.
const OLD: i64 = 1_000_000_000_000;

fn act(at: i64) -> Statement {
    activity::record(UnixMillis(at), "usr_1", "project.update", "prj_1", "")
}

/// Seals what is not sealed yet.
fn sealed(db: &TestDb) -> Sealed {
    let end: EndRow = db.first(audit::end()).unwrap();
    let last = end.last.unwrap_or(0);
    let rows: Vec<TrailRow> = db.all(audit::rows_after(last, 500));
    let rows: Vec<Row> = rows.into_iter().map(|row| row.split().0).collect();
    let before = end.number.zip(end.head.as_deref());
    let key = SigningKey::from_bytes(&[7; 32]);
    let sealed = seal(&end.edge_id, before, &rows, &key, UnixMillis(OLD)).unwrap();
    db.run(audit::seal(&sealed, last));
    sealed
}

fn archive(segment: &Sealed) -> [Statement; 4] {
    archives::insert(&NewArchive {
        last: segment.segment.last,
        number: segment.segment.number,
        head: &segment.head,
        object: "audit/1.jsonl.gz",
        now: UnixMillis(OLD + 5),
    })
}

/// Two rows in a segment, one in another, one in a third.
fn trail() -> (TestDb, [Sealed; 3]) {
    let db = TestDb::core();
    db.batch([act(OLD), act(OLD + 1)]);
    let first = sealed(&db);
    db.run(act(OLD + 2));
    let second = sealed(&db);
    db.run(act(OLD + 3));
    let third = sealed(&db);
    (db, [first, second, third])
}

fn ids(db: &TestDb) -> Vec<i64> {
    let rows: Vec<TrailRow> = db.all(audit::rows_after(0, 500));
    rows.iter().map(|row| row.id).collect()
}

fn due(db: &TestDb, before: i64, pause: i64) -> Option<BeginRow> {
    db.first(archives::due(UnixMillis(before), UnixMillis(pause)))
}

#[test]
fn segment_that_is_old_leaves_with_its_rows_and_personal_parts_and_the_trail_goes_on() {
    let (db, [first, ..]) = trail();
    db.run(statement!(
        "INSERT INTO users (id, email, password_hash, role, created_at) VALUES ('usr_1', 'a@shop.test', 'x', 'owner', 1)"
    ));
    db.run(statement!(
        "INSERT INTO activity_personal (activity, person, at, salt, value) VALUES (1, 'usr_1', 1, 's', 'v')"
    ));
    assert!(due(&db, OLD + 1, OLD).is_none(), "its last row is not old enough");
    let begin = due(&db, OLD + 2, OLD).unwrap();
    assert_eq!((begin.last, begin.number, begin.head), (None, None, None));
    db.batch(archive(&first));
    assert_eq!(ids(&db), [3, 4]);
    assert_eq!(db.text("SELECT count(*) || '' FROM activity_personal"), "0");
    let found: ArchiveRow = db.first(archives::after(0)).unwrap();
    assert_eq!((found.last, found.object.as_str()), (2, "audit/1.jsonl.gz"));
    assert!(db.first::<ArchiveRow>(archives::after(2)).is_none());
    // A pause, then the next one begins behind it.
    assert!(due(&db, OLD + 9, OLD + 5).is_none());
    let begin = due(&db, OLD + 9, OLD + 6).unwrap();
    assert_eq!(
        (begin.last, begin.number, begin.head),
        (Some(2), Some(1), Some(first.head))
    );
    db.run(act(OLD + 4));
    assert_eq!(sealed(&db).segment.number, 4);
}

#[test]
fn problem_is_told_once_until_it_is_another_one_or_gone() {
    let (db, _) = trail();
    let noted = |problem: &str| db.batch(archives::note_problem(problem, UnixMillis(OLD)))[0];
    let told = || db.text("SELECT group_concat(detail) FROM activity_logs WHERE action = 'audit.broken'");
    let found = || due(&db, OLD + 2, OLD).unwrap().problem;
    assert_eq!(found(), None);
    assert_eq!((noted("row 2"), noted("row 2"), noted("row 2")), (1, 0, 0));
    assert_eq!((told(), found()), ("row 2".to_owned(), Some("row 2".to_owned())));
    let row: archives::ProblemRow = db.first(archives::problem()).unwrap();
    assert_eq!(row.problem, "row 2");
    assert_eq!((noted("row 1"), noted("row 1")), (1, 0));
    db.run(archives::forget_problem());
    assert_eq!(found(), None);
    assert_eq!(noted("row 1"), 1);
    assert_eq!(told(), "row 2,row 1,row 1");
}

#[test]
fn newest_segment_never_leaves_however_old_it_is() {
    let (db, [first, second, third]) = trail();
    db.batch(archive(&first));
    db.batch(archive(&second));
    assert!(due(&db, OLD + 99, OLD + 99).is_none());
    assert!(db.try_batch(archive(&third)).is_err());
    assert_eq!(ids(&db), [4]);
}

#[test]
fn nothing_leaves_that_is_young_out_of_order_or_not_as_it_was_sealed() {
    let (db, [first, second, _]) = trail();
    let mut forged = first.clone();
    forged.head = "another".to_owned();
    assert!(db.try_batch(archive(&forged)).is_err(), "another head");
    let mut half = first.clone();
    half.segment.last = 1;
    assert!(db.try_batch(archive(&half)).is_err(), "half of a segment");
    db.batch(archive(&second));
    assert_eq!(ids(&db), [4], "what is before it leaves with it");
    assert!(db.try_batch(archive(&first)).is_err(), "behind what has left");

    let young = TestDb::core();
    // In the far future, so that it is young whenever this runs.
    young.run(act(OLD * 10));
    let first = sealed(&young);
    young.run(act(OLD * 10));
    sealed(&young);
    assert!(young.try_batch(archive(&first)).is_err(), "of the last 90 days");
    assert_eq!(ids(&young), [1, 2]);
}

#[test]
fn what_has_left_is_neither_put_in_again_nor_are_others_taken_out() {
    let (db, [first, ..]) = trail();
    db.batch(archive(&first));
    for attempt in [
        "INSERT INTO activity_logs (id, at, actor, action, subject) VALUES (2, 1, 'a', 'b', 'c')",
        "INSERT OR REPLACE INTO activity_logs (id, at, actor, action, subject) VALUES (1, 1, 'a', 'b', 'c')",
        "INSERT INTO audit_segments (last, number, head, envelope) VALUES (2, 1, 'x', '{}')",
        "INSERT OR REPLACE INTO audit_segments (last, number, head, envelope) VALUES (1, 1, 'x', '{}')",
        "DELETE FROM activity_logs WHERE id = 3",
        "UPDATE activity_logs SET actor = 'usr_2' WHERE id = 3",
        "DELETE FROM audit_segments WHERE last = 3",
        "UPDATE audit_archives SET object = 'elsewhere'",
        "DELETE FROM audit_archives",
        "INSERT OR REPLACE INTO audit_archives SELECT last, 1, head, 'elsewhere', 1 FROM audit_archives",
    ] {
        assert!(db.try_batch([statement!(attempt)]).is_err(), "{attempt}");
    }
    assert_eq!(ids(&db), [3, 4]);
}
