//! Passkeys: how many there may be, their counts, challenges that are spent, and the last factor that stays.

use crate::store::passkeys::{self as store, NewPasskey, PasskeyRow};
use crate::store::second_factors::{self, CountRow};
use crate::store::testing::{TestDb, id};
use crate::store::users::{self, NewOwner, UserRow};
use crate::store::{Statement, people};
use devflow_domain::access::Role;
use devflow_domain::passkey::{MAX_KEYS, NewKey, Used};
use devflow_protocol::{PasskeyId, UnixMillis, UserId};

const NOW: UnixMillis = UnixMillis(1_000);

fn me() -> UserId {
    id!(UserId, 1)
}

fn key(number: usize) -> PasskeyId {
    id!(PasskeyId, i64::try_from(number).unwrap())
}

fn with_owner() -> TestDb {
    let db = TestDb::core();
    db.run(users::insert_owner(&NewOwner {
        id: &me(),
        email: "owner@shop.test",
        password_hash: "x",
        now: NOW,
    }));
    db
}

fn insert(number: usize, credential: &str) -> Statement {
    let made = NewKey {
        credential: vec![],
        public_key: vec![],
        sign_count: 0,
        verified: true,
        backup_eligible: true,
        backed_up: false,
    };
    store::insert(&NewPasskey {
        id: &key(number),
        user: &me(),
        name: "Phone",
        credential,
        public_key: "k",
        key: &made,
        discoverable: true,
        transports: "[]",
        now: NOW,
    })
}

fn used(sign_count: u32) -> Used {
    Used {
        sign_count,
        verified: true,
        backed_up: true,
    }
}

fn refusal(outcome: rusqlite::Result<Vec<usize>>) -> String {
    outcome.map_or_else(|error| error.to_string(), |changes| format!("{changes:?}"))
}

#[test]
fn passkeys_are_ten_at_most_and_each_credential_is_there_once() {
    let db = with_owner();
    for number in 0..MAX_KEYS {
        db.run(insert(number, &format!("c{number}")));
    }
    assert_eq!(refusal(db.try_batch([insert(20, "c20")])), store::TOO_MANY);
    db.batch(store::delete(&me(), &key(3)));
    let twice = refusal(db.try_batch([insert(20, "c4")]));
    assert!(
        twice.contains("UNIQUE constraint failed: passkeys.credential"),
        "{twice}"
    );
    db.run(insert(20, "c20"));
    let rows: Vec<PasskeyRow> = db.all(store::of(&me()));
    assert_eq!(rows.len(), MAX_KEYS);
    assert!(rows[0].is_enough());
}

#[test]
fn passkey_counts_as_a_factor() {
    let db = with_owner();
    let is_asked_for = || db.first::<UserRow>(users::by_id(&me())).unwrap().has_factor();
    assert!(!is_asked_for());
    db.run(insert(1, "c1"));
    assert!(is_asked_for());
}

#[test]
fn touch_fails_unless_the_count_grows_or_there_is_none() {
    let db = with_owner();
    db.run(insert(1, "c1"));
    let touch = |count| refusal(db.try_batch([store::touch(&key(1), used(count), NOW)]));
    let answers = [0, 0, 3, 3, 2, 0, 4].map(touch);
    let refused = "NOT NULL constraint failed: passkeys.sign_count";
    assert_eq!(answers, ["[1]", "[1]", "[1]", refused, refused, refused, "[1]"]);
    let row: PasskeyRow = db.first(store::by_credential("c1")).unwrap();
    assert_eq!((row.sign_count, row.backed_up, row.used_at), (4, 1, Some(NOW)));
    assert_eq!(
        refusal(db.try_batch([store::touch(&key(9), used(1), NOW)])),
        "[0]"
    );
}

#[test]
fn challenge_is_spent_once_and_forgotten_when_it_is_over() {
    let db = with_owner();
    let spend = || refusal(db.try_batch([store::spend("h", NOW.plus(5))]));
    assert_eq!(spend(), "[1]");
    assert!(spend().contains("UNIQUE constraint failed") && spend().contains("spent_challenges.hash"));
    let forget = |at| db.batch(crate::store::retention::expired_tokens(at)).pop();
    assert_eq!((forget(NOW), forget(NOW.plus(5))), (Some(0), Some(1)));
}

#[test]
fn last_factor_stays_while_all_must_have_one() {
    let db = with_owner();
    db.run(insert(1, "c1"));
    db.run(insert(2, "c2"));
    db.run(second_factors::begin(&me(), "secret", NOW));
    db.batch(second_factors::renew_codes(&me(), &["a".to_owned()]));
    db.run(second_factors::set_required(true));
    let delete = |number| refusal(db.try_batch(store::delete(&me(), &key(number))));
    let remove_app = || refusal(db.try_batch(second_factors::remove(&me())));
    assert_eq!(delete(1), "[0, 1]");
    // An app without its first code is no factor.
    let refused = "NOT NULL constraint failed: passkeys.name";
    assert_eq!(delete(2), refused);
    db.run(second_factors::confirm(&me(), 7, NOW));
    assert_eq!(delete(2), "[0, 1]");
    assert_eq!(remove_app(), "NOT NULL constraint failed: second_factors.secret");
    let left = || {
        db.first::<CountRow>(second_factors::codes_left(&me()))
            .unwrap()
            .count
    };
    db.run(insert(3, "c3"));
    assert_eq!((remove_app(), left()), ("[0, 1, 0]".to_owned(), 1));
    assert_eq!(delete(3), refused);
    db.run(second_factors::set_required(false));
    assert_eq!(delete(3), "[0, 1]");
    db.run(second_factors::forget_codes(&me()));
    assert_eq!(left(), 0);
}

#[test]
fn drop_all_takes_every_factor_also_while_all_must_have_one() {
    let db = with_owner();
    db.run(second_factors::begin(&me(), "secret", NOW));
    db.run(second_factors::confirm(&me(), 7, NOW));
    db.batch(second_factors::renew_codes(&me(), &["a".to_owned()]));
    db.run(insert(1, "c1"));
    db.run(second_factors::set_required(true));
    assert_eq!(db.batch(second_factors::drop_all(&me())), [1, 1, 1]);
    assert!(!db.first::<UserRow>(users::by_id(&me())).unwrap().has_factor());
}

#[test]
fn passkey_of_somebody_who_is_shut_out_or_gone_is_not_found() {
    let db = with_owner();
    db.run(insert(1, "c1"));
    // Somebody else decides from now on.
    let invitation = people::NewInvitation {
        token_hash: "t",
        id: &id!(InvitationId, 1),
        email: "jane@shop.test",
        role: Some(Role::Owner),
        projects: &[].into(),
        invited_by: &me(),
        now: NOW,
        expires_at: NOW.plus(9),
    };
    db.batch(people::insert_invitation(&invitation));
    db.batch(people::accept("t", &id!(UserId, 2), "x", NOW));
    let found = || db.first::<PasskeyRow>(store::by_credential("c1")).is_some();
    let seen = [None, Some(NOW), None].map(|at| {
        db.run(people::set_disabled(&me(), at));
        found()
    });
    assert_eq!(seen, [true, false, true]);
    db.run(people::delete(&me()));
    assert!(!found());
}

#[test]
fn rename_changes_nothing_that_has_another_name_by_now_or_is_somebody_elses() {
    let db = with_owner();
    db.run(insert(1, "c"));
    let name = |statement: Statement| {
        db.run(statement);
        let rows: Vec<PasskeyRow> = db.all(store::of(&me()));
        rows[0].name.clone()
    };
    assert_eq!(name(store::rename(&me(), &key(1), "Phone", "Tablet")), "Tablet");
    assert_eq!(name(store::rename(&me(), &key(1), "Phone", "Late")), "Tablet");
    let other = id!(UserId, 2);
    assert_eq!(name(store::rename(&other, &key(1), "Tablet", "Mine")), "Tablet");
}
