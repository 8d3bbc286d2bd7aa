//! Second factors: codes and recovery codes are spent once, and all may have to have one.

use crate::store::second_factors::{self as store, CountRow, FactorRow};
use crate::store::testing::{TestDb, id};
use crate::store::users::{self, NewOwner, NewSession, Place, SessionCallerRow, UserRow};
use devflow_domain::access::{Action, Verdict, decide};
use devflow_protocol::{UnixMillis, UserId};

const NOW: UnixMillis = UnixMillis(1_000);

fn me() -> UserId {
    id!(UserId, 1)
}

fn with_owner() -> TestDb {
    let db = TestDb::core();
    db.run(users::insert_owner(&NewOwner {
        id: &me(),
        email: "owner@shop.test",
        password_hash: "x",
        now: NOW,
    }));
    db.run(users::insert_session(&NewSession {
        token_hash: "s",
        id: &id!(LoginId, 1),
        user: &me(),
        place: &Place {
            device: String::new(),
            address: String::new(),
            country: None,
        },
        now: NOW,
    }));
    db
}

fn is_asked_for(db: &TestDb) -> bool {
    let statements = [users::by_email("owner@shop.test"), users::by_id(&me())];
    let [by_email, by_id] = statements.map(|statement| db.first::<UserRow>(statement).unwrap().has_factor());
    assert_eq!(by_email, by_id, "the same person, however they are found");
    by_id
}

#[test]
fn factor_counts_once_its_first_code_was_given() {
    let db = with_owner();
    db.run(store::begin(&me(), "first", NOW));
    db.run(store::begin(&me(), "second", NOW));
    assert!(!is_asked_for(&db));
    assert_eq!(db.run(store::confirm(&me(), 7, NOW)), 1);
    assert!(is_asked_for(&db));
    // Whoever begins again changes nothing of one that counts.
    db.run(store::begin(&me(), "third", NOW));
    assert_eq!(db.run(store::confirm(&me(), 9, NOW)), 0);
    let row: FactorRow = db.first(store::of(&me())).unwrap();
    assert_eq!((row.secret.as_str(), row.last_step), ("second", 7));
    db.batch(store::drop_all(&me()));
    assert!(!is_asked_for(&db));
}

#[test]
fn codes_are_spent_once() {
    let db = with_owner();
    db.run(store::begin(&me(), "secret", NOW));
    db.run(store::confirm(&me(), 7, NOW));
    let spent = [7, 8, 8, 6, 9].map(|step| db.run(store::spend_step(&me(), step)));
    assert_eq!(spent, [0, 1, 0, 0, 1]);
    db.batch(store::renew_codes(&me(), &["a".to_owned(), "b".to_owned()]));
    let spent = ["a", "a", "c"].map(|hash| db.run(store::spend_code(&me(), hash)));
    assert_eq!(spent, [1, 0, 0]);
    db.batch(store::renew_codes(&me(), &["d".to_owned()]));
    assert_eq!(db.run(store::spend_code(&me(), "b")), 0);
    assert_eq!(db.first::<CountRow>(store::codes_left(&me())).unwrap().count, 1);
}

#[test]
fn factor_that_all_must_have_keeps_a_session_to_its_account() {
    let db = with_owner();
    let verdict = || {
        let row: SessionCallerRow = db.first(users::session("s", NOW)).unwrap();
        decide(&row.grants(NOW).unwrap(), Action::SeePeople, None)
    };
    assert_eq!(verdict(), Verdict::Allowed);
    db.run(store::set_required(true));
    db.run(store::set_required(true));
    assert_eq!(verdict(), Verdict::SetUpFactor);
    db.run(store::begin(&me(), "secret", NOW));
    assert_eq!(verdict(), Verdict::SetUpFactor);
    db.run(store::confirm(&me(), 7, NOW));
    assert_eq!(verdict(), Verdict::Allowed);
    db.batch(store::drop_all(&me()));
    db.run(store::set_required(false));
    assert_eq!(verdict(), Verdict::Allowed);
}
