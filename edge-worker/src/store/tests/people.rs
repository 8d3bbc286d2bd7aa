//! Accounts, sessions, and what is deleted in time.

use crate::store::retention::{self, PrunedRow};
use crate::store::testing::{TestDb, id};
use crate::store::users::{self, CallerRow, NewKey, NewOwner, NewSession, SessionRow};
use crate::store::{Page, activity, keys, statement};
use devflow_domain::access::Scope;
use devflow_domain::api_key::KEYS_EACH;
use devflow_protocol::UnixMillis;
use devflow_protocol::job::Trigger;

fn owner(number: i64, email: &str) -> crate::store::Statement {
    users::insert_owner(&NewOwner {
        id: &id!(UserId, number),
        email,
        password_hash: "x",
        now: UnixMillis(1),
    })
}

fn session(token_hash: &str, now: UnixMillis) -> crate::store::Statement {
    users::insert_session(&users::NewSession {
        token_hash,
        id: &id!(LoginId, 1),
        user: &id!(UserId, 1),
        place: &place("192.0.2.1"),
        now,
    })
}

fn place(address: &str) -> users::Place {
    users::Place {
        device: "Firefox on Linux".to_owned(),
        address: address.to_owned(),
        country: None,
    }
}

#[test]
fn second_owner_is_refused_by_the_database() {
    let db = TestDb::core();
    db.run(owner(1, "a@shop.test"));
    assert!(db.try_batch([owner(2, "b@shop.test")]).is_err());
}

#[test]
fn keys_beyond_the_most_are_refused_with_all_that_comes_along() {
    let db = TestDb::core();
    db.run(owner(1, "a@shop.test"));
    let add = |number: i64| {
        users::insert_key(&NewKey {
            token_hash: &format!("key {number}"),
            id: &id!(ApiKeyId, number),
            user: &id!(UserId, 1),
            name: "CI",
            scope: Scope::Read,
            projects: None,
            expires_at: None,
            now: UnixMillis(1),
        })
    };
    let most = i64::try_from(KEYS_EACH).unwrap();
    for number in 0..most {
        db.run(add(number));
    }
    // As where a key is rotated: the old one goes on.
    let rotated = [add(most), keys::end(&id!(ApiKeyId, 0), UnixMillis(2))];
    let refused = db.try_batch(rotated).unwrap_err().to_string();
    assert_eq!(refused, "NOT NULL constraint failed: api_keys.name");
    assert_eq!(db.text("SELECT max(expires_at) || '' FROM api_keys"), "");
    db.run(users::delete_key(&id!(ApiKeyId, 0), &id!(UserId, 1)));
    assert_eq!(db.run(add(most)), 1);
}

#[test]
fn pages_of_sessions_have_each_session_once_also_those_used_at_the_same_time() {
    let db = TestDb::core();
    db.run(owner(1, "a@shop.test"));
    let (now, user) = (UnixMillis(1_000), id!(UserId, 1));
    for number in 0..120 {
        db.run(users::insert_session(&NewSession {
            token_hash: &format!("hash {number}"),
            id: &id!(LoginId, number),
            user: &user,
            place: &place("192.0.2.1"),
            // Three of each time.
            now: now.plus(number / 3),
        }));
    }
    let (mut cursor, mut seen, mut pages) = (String::new(), Vec::new(), 0);
    loop {
        let rows: Vec<SessionRow> = db.all(users::sessions_of(&user, now, &cursor));
        let page = Page::new(rows, SessionRow::cursor);
        seen.extend(page.items.iter().map(|row| row.id.clone()));
        pages += 1;
        let Some(next) = page.next else { break };
        cursor = next;
    }
    let newest_first: Vec<_> = (0..120).rev().map(|number| id!(LoginId, number)).collect();
    assert_eq!((pages, seen), (3, newest_first));
    let first: Vec<SessionRow> = db.all(users::sessions_of(&user, now, "no cursor"));
    assert_eq!(first.len(), 51);
}

#[test]
fn activity_is_recorded_only_where_the_statement_before_it_changed_something() {
    let db = TestDb::core();
    db.run(owner(1, "a@shop.test"));
    let rename = |id: i64| users::set_password(&id!(UserId, id), "another");
    let record = |action| activity::record_if_changed(UnixMillis(1), "usr", action, "usr", "");
    db.batch([rename(1), record("there")]);
    db.batch([rename(2), record("nobody")]);
    assert_eq!(db.text("SELECT group_concat(action) FROM activity_logs"), "there");
}

#[test]
fn session_ends_when_idle_and_at_its_end() {
    let db = TestDb::core();
    db.run(owner(1, "a@shop.test"));
    let start = UnixMillis(1_000);
    db.run(session("hash", start));
    let holds = |at: UnixMillis| db.first::<CallerRow>(users::session("hash", at)).is_some();
    assert!(holds(start) && !holds(start.plus(users::IDLE_MS)));
    let listed = |at: UnixMillis| db.all::<SessionRow>(users::sessions_of(&id!(UserId, 1), at, ""));
    assert_eq!(
        (listed(start).len(), listed(start.plus(users::IDLE_MS)).len()),
        (1, 0)
    );
    let late = start.plus(users::ABSOLUTE_MS - 1);
    db.run(users::touch_session("hash", &place("198.51.100.7"), late));
    assert_eq!(listed(late)[0].address, "198.51.100.7");
    assert!(holds(start.plus(users::ABSOLUTE_MS - 1)) && !holds(start.plus(users::ABSOLUTE_MS)));
}

#[test]
fn activity_is_only_added_to() {
    let db = TestDb::core();
    db.run(activity::record(
        UnixMillis(1),
        "usr",
        "project.create",
        "prj",
        "",
    ));
    assert!(
        db.try_batch([statement!("UPDATE activity_logs SET actor = 'else'")])
            .is_err()
    );
}

#[test]
fn retention_keeps_the_newest_fifty_and_what_can_be_rolled_back_to() {
    let db = TestDb::with_project();
    for number in 100..155 {
        db.queue(number, 1, Trigger::Manual);
    }
    db.run(statement!("UPDATE deployments SET state = 'failed'"));
    let kept = format!("[\"{}\"]", id!(DeploymentId, 101));
    db.run(statement!("UPDATE projects SET kept_releases = ?1", kept));
    let pruned: Vec<PrunedRow> = db.all(retention::deployments_to_prune(
        crate::store::testing::project().as_str(),
        UnixMillis(0),
    ));
    let names: Vec<String> = pruned.iter().map(|row| row.deployment.clone()).collect();
    let expected: Vec<String> = [100, 102, 103, 104]
        .iter()
        .map(|n| id!(DeploymentId, *n).to_string())
        .collect();
    assert_eq!(names, expected);
    assert_eq!(db.batch(retention::delete_deployment(&names[0])), [1, 1]);
}

#[test]
fn retention_finds_jobs_that_belong_to_nothing() {
    let db = TestDb::with_project();
    db.queue(10, 1, Trigger::Manual);
    db.queue(11, 1, Trigger::Manual);
    db.run(statement!("UPDATE jobs SET state = 'done'"));
    db.run(statement!(
        "DELETE FROM deployments WHERE id = ?1",
        &id!(DeploymentId, 11)
    ));
    let before = id!(JobId, 1_000);
    let stray: Vec<crate::store::IdRow> = db.all(retention::stray_jobs(before.as_str()));
    assert_eq!(
        stray.iter().map(|row| row.id.clone()).collect::<Vec<_>>(),
        [id!(JobId, 11).to_string()]
    );
}
