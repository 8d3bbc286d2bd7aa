//! A new data key on the real tables: everything is found and encrypted anew, bit by bit, and nothing is lost.

use crate::crypt::{self, DataKey};
use crate::service::reencryption::{begin, end_look, next, take};
use crate::store::reencryption::{self, COLUMNS, Progress, ROWS, SealedRow};
use crate::store::testing::{TestDb, project};
use crate::store::{Statement, statement};
use devflow_protocol::UnixMillis;
use devflow_protocol::job::environment_context;

fn old() -> DataKey {
    DataKey::new([1; 32])
}

fn new() -> DataKey {
    DataKey::new([3; 32]).after([1; 32])
}

fn environment(version: u32, key: &DataKey) -> Statement {
    let context = environment_context(&project(), version);
    let plain = format!("value {version}");
    statement!(
        "INSERT INTO environments (project, version, sealed, names, actor, changes, created_at)
        VALUES (?1, ?2, ?3, '[]', 'usr_1', '{}', 1)",
        &project(),
        version,
        key.encrypt(&context, plain.as_bytes(), [0; 12])
    )
}

/// A value of each kind, and `environments` of them.
fn filled(environments: u32) -> TestDb {
    let (db, key) = (TestDb::with_project(), old());
    db.batch((1..=environments).map(|version| environment(version, &key)));
    let secret = |context: String| key.encrypt(&context, b"secret", [0; 12]);
    db.batch([
        statement!(
            "UPDATE hooks SET secret = ?1",
            secret(crypt::hook_context(crate::store::testing::hook().as_str()))
        ),
        statement!(
            "INSERT INTO endpoints (id, kind, name, address, sealed, events, created_at, updated_at)
            VALUES ('ept_1', 'webhook', 'x', 'x', ?1, '[]', 1, 1)",
            secret(crypt::endpoint_context("ept_1"))
        ),
        statement!(
            "INSERT INTO users (id, email, password_hash, role, created_at) VALUES ('usr_1', 'a@b.c', 'x', 'owner', 1)"
        ),
        statement!(
            "INSERT INTO second_factors (user, secret, last_step, created_at) VALUES ('usr_1', ?1, 0, 1)",
            secret(crypt::second_factor_context("usr_1"))
        ),
        statement!(
            "INSERT INTO idempotency_keys (key, fingerprint, answer, status, created_at) VALUES ('k', 'f', ?1, 200, 1)",
            secret("idempotency/k".to_owned())
        ),
        statement!(
            "INSERT INTO repository_tokens (owner, repository, sealed, actor, created_at)
            VALUES ('prj_1', 'https://h.test/a', ?1, 'usr_1', 1)",
            secret(crypt::repository_context("prj_1", &"https://h.test/a".parse().unwrap()))
        ),
    ]);
    db
}

/// One run of the cron trigger; gives the rows that it changed.
fn run(db: &TestDb, key: &DataKey, progress: &mut Progress) -> usize {
    let (mut left, mut changed) = (ROWS, 0);
    while let Some(statement) = next(progress).filter(|_| left > 0) {
        let rows: Vec<SealedRow> = db.all(statement);
        left = left.saturating_sub(rows.len());
        let (batch, _) = take(progress, key, rows);
        changed += db.batch(batch).iter().sum::<usize>();
    }
    end_look(progress, UnixMillis(9));
    changed
}

/// What is still not under the key of now, over all columns.
fn left(db: &TestDb, key: &DataKey) -> Vec<SealedRow> {
    let rows =
        |column: &reencryption::Column| db.all(column.not_under(key.id(), &reencryption::Place::default()));
    COLUMNS.iter().flat_map(rows).collect()
}

#[test]
fn everything_is_encrypted_anew_bit_by_bit_and_opens_without_the_key_before() {
    let (db, key) = (filled(50), new());
    let mut progress = begin(&key);
    let mut runs = Vec::new();
    while progress.done_at.is_none() {
        // What is kept between two runs is the row alone.
        let kept: Progress = serde_json::from_str(&serde_json::to_string(&progress).unwrap()).unwrap();
        progress = kept;
        runs.push(run(&db, &key, &mut progress));
        assert!(runs.len() < 9, "{progress:?}");
    }
    // 50 environments and five others, 20 at most a run; then a look that finds nothing.
    assert_eq!(runs, [20, 20, 15, 0]);
    assert_eq!((progress.changed_before, progress.unreadable), (55, 0));
    assert_eq!(left(&db, &key), []);
    let alone = DataKey::new([3; 32]);
    for row in left(&db, &old()) {
        let plain = alone.decrypt(&row.context, &row.sealed).unwrap();
        if row.context.starts_with("environment/") {
            assert_eq!(plain, format!("value {}", row.version).into_bytes());
        }
    }
    let secret = db.text("SELECT secret FROM second_factors");
    assert_eq!(
        alone.decrypt(&crypt::second_factor_context("usr_1"), &secret),
        Ok(b"secret".to_vec())
    );
}

#[test]
fn value_that_is_written_with_the_key_before_meanwhile_is_found_by_the_next_look() {
    let (db, key) = (filled(1), new());
    let mut progress = begin(&key);
    assert_eq!(run(&db, &key, &mut progress), 6);
    assert_eq!(
        progress.done_at, None,
        "another look follows a look that changed something"
    );
    db.run(environment(2, &old()));
    assert_eq!(run(&db, &key, &mut progress), 1);
    assert_eq!(progress.done_at, None);
    assert_eq!(run(&db, &key, &mut progress), 0);
    assert_eq!(progress.done_at, Some(UnixMillis(9)));
}

#[test]
fn value_that_is_changed_meanwhile_is_not_put_back() {
    let (db, key) = (filled(1), new());
    let rows: Vec<SealedRow> = db.all(COLUMNS[1].not_under(key.id(), &reencryption::Place::default()));
    db.run(statement!("UPDATE hooks SET secret = 'renewed'"));
    assert_eq!(
        db.run(COLUMNS[1].replace(&rows[0], "the old one, encrypted anew")),
        0
    );
    assert_eq!(db.text("SELECT secret FROM hooks"), "renewed");
}

#[test]
fn value_that_no_key_opens_is_counted_and_stays() {
    let (db, key) = (filled(1), new());
    let broken = DataKey::new([7; 32]).encrypt("hook/x", b"secret", [0; 12]);
    db.run(statement!("UPDATE hooks SET secret = ?1", broken.as_str()));
    let mut progress = begin(&key);
    assert_eq!(run(&db, &key, &mut progress), 5);
    assert_eq!(run(&db, &key, &mut progress), 0);
    assert_eq!((progress.unreadable, progress.done_at), (1, Some(UnixMillis(9))));
    assert_eq!(db.text("SELECT secret FROM hooks"), broken);
}
