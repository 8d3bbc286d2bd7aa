//! Keys of requests that are done once.

use crate::store::idempotency::{self, KeyRow};
use crate::store::retention;
use crate::store::testing::TestDb;
use devflow_domain::idempotency::KNOWN_MS;
use devflow_protocol::UnixMillis;

#[test]
fn key_is_taken_once_a_day_and_keeps_its_answer() {
    let db = TestDb::core();
    let now = UnixMillis(5);
    assert_eq!(db.run(idempotency::take("k", "first", now)), 1);
    assert_eq!(
        db.run(idempotency::take("k", "second", now.plus(KNOWN_MS - 1))),
        0
    );
    assert_eq!(db.run(idempotency::keep("k", 201, "sealed")), 1);
    let kept = KeyRow {
        fingerprint: "first".to_owned(),
        answer: Some("sealed".to_owned()),
        status: Some(201),
        created_at: now,
    };
    assert_eq!(db.all::<KeyRow>(idempotency::by_key("k")), [kept]);

    assert_eq!(db.run(idempotency::take("k", "second", now.plus(KNOWN_MS))), 1);
    let taken_anew = KeyRow {
        fingerprint: "second".to_owned(),
        answer: None,
        status: None,
        created_at: now.plus(KNOWN_MS),
    };
    assert_eq!(db.all::<KeyRow>(idempotency::by_key("k")), [taken_anew]);
}

#[test]
fn key_goes_with_its_refusal_or_its_day() {
    let db = TestDb::core();
    let now = UnixMillis(5);
    db.run(idempotency::take("a", "f", now));
    assert_eq!(db.run(idempotency::give_back("a")), 1);
    db.run(idempotency::take("b", "f", now));
    db.run(idempotency::take("c", "f", now.plus(1)));
    db.batch(retention::expired_tokens(now.plus(KNOWN_MS)));
    assert_eq!(db.all::<KeyRow>(idempotency::by_key("b")), []);
    assert_eq!(db.all::<KeyRow>(idempotency::by_key("c")).len(), 1);
}
