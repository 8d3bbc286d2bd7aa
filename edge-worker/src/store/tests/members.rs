//! Invitations, roles, and the owner who stays.

use crate::store::deployments::FROM_NEWEST;
use crate::store::people::{self, InvitationRow, NewInvitation, PersonRow};
use crate::store::testing::{TestDb, id, project};
use crate::store::users::{
    self, KeyCallerRow, NewKey, NewOwner, NewSession, Place, SessionCallerRow, UserRow,
};
use crate::store::{Page, Statement, activity};
use devflow_domain::access::{Action, Grants, Role, Scope, Verdict, decide};
use devflow_protocol::{ProjectId, UnixMillis, UserId};
use std::collections::BTreeMap;

const NOW: UnixMillis = UnixMillis(1_000);

fn user(number: i64) -> UserId {
    id!(UserId, number)
}

/// One project and its owner, user 1.
fn with_owner() -> TestDb {
    let db = TestDb::with_project();
    db.run(users::insert_owner(&NewOwner {
        id: &user(1),
        email: "owner@shop.test",
        password_hash: "x",
        now: NOW,
    }));
    db
}

fn invite(db: &TestDb, number: i64, email: &str, role: Option<Role>, projects: &BTreeMap<ProjectId, Role>) {
    db.batch(people::insert_invitation(&NewInvitation {
        token_hash: &format!("token {number}"),
        id: &id!(InvitationId, number),
        email,
        role,
        projects,
        invited_by: &user(1),
        now: NOW,
        expires_at: NOW.plus(100),
    }));
}

fn accept(db: &TestDb, number: i64, at: UnixMillis) -> rusqlite::Result<Vec<usize>> {
    let made = people::accept(&format!("token {number}"), &user(number), "hash", at);
    db.try_batch(made.into_iter().chain([joined()]))
}

fn joined() -> Statement {
    activity::record(NOW, "usr", "user.join", "usr", "")
}

fn add(db: &TestDb, number: i64, role: Option<Role>) {
    invite(
        db,
        number,
        &format!("p{number}@shop.test"),
        role,
        &BTreeMap::new(),
    );
    accept(db, number, NOW).unwrap();
}

fn session(user: &UserId, token_hash: &str) -> Statement {
    users::insert_session(&NewSession {
        token_hash,
        id: &id!(LoginId, 1),
        user,
        place: &Place {
            device: "Firefox on Linux".to_owned(),
            address: "192.0.2.1".to_owned(),
            country: None,
        },
        now: NOW,
    })
}

fn grants(db: &TestDb, token_hash: &str) -> Option<Grants> {
    let row: Option<SessionCallerRow> = db.first(users::session(token_hash, NOW));
    row.map(|row| row.grants(NOW).unwrap())
}

#[test]
fn invitation_makes_one_person_with_its_roles_once_and_in_time() {
    let db = with_owner();
    let gone = id!(ProjectId, 77);
    let roles = [(project(), Role::Maintainer), (gone, Role::Admin)].into();
    invite(&db, 2, "jane@shop.test", None, &roles);
    assert!(accept(&db, 2, NOW.plus(100)).is_err(), "it is over at its end");
    assert_eq!(accept(&db, 2, NOW.plus(99)).unwrap(), [1, 1, 1, 1]);
    let jane: PersonRow = db.first(people::by_id(&user(2))).unwrap();
    assert_eq!((jane.email.as_str(), jane.role), ("jane@shop.test", None));
    assert_eq!(jane.projects().unwrap(), [(project(), Role::Maintainer)].into());
    // The same link again makes nobody, and leaves no record.
    let records = db.text("SELECT count(*) || '' FROM activity_logs");
    assert!(accept(&db, 2, NOW).is_err());
    assert_eq!(db.text("SELECT count(*) || '' FROM activity_logs"), records);
}

#[test]
fn invitation_of_the_same_address_or_of_who_loses_their_role_ends() {
    let db = with_owner();
    invite(&db, 2, "jane@shop.test", Some(Role::Viewer), &BTreeMap::new());
    invite(&db, 3, "Jane@shop.test", Some(Role::Admin), &BTreeMap::new());
    let open: Vec<InvitationRow> = db.all(people::invitations(NOW, FROM_NEWEST));
    assert_eq!(
        open.iter().map(|row| row.role).collect::<Vec<_>>(),
        [Some(Role::Admin)]
    );
    assert!(accept(&db, 2, NOW).is_err());
    let found = |statement: Statement| {
        let row: Option<InvitationRow> = db.first(statement);
        row.map(|row| (row.id, row.role))
    };
    let newer = Some((id!(InvitationId, 3), Some(Role::Admin)));
    assert_eq!(found(people::invitation_to("JANE@shop.test", NOW)), newer);
    assert_eq!(found(people::invitation_by_id(&id!(InvitationId, 3), NOW)), newer);
    assert_eq!(found(people::invitation_by_id(&id!(InvitationId, 2), NOW)), None);
    let over = NOW.plus(100);
    assert_eq!(found(people::invitation_to("jane@shop.test", over)), None);
    assert_eq!(found(people::invitation_by_id(&id!(InvitationId, 3), over)), None);
    db.run(people::delete_invitations_by(&user(1)));
    assert!(accept(&db, 3, NOW).is_err());
    assert!(db.all::<PersonRow>(people::list("")).len() == 1);
}

#[test]
fn pages_of_invitations_have_each_once_newest_first() {
    let db = with_owner();
    for number in 2..62 {
        invite(
            &db,
            number,
            &format!("p{number}@shop.test"),
            Some(Role::Viewer),
            &BTreeMap::new(),
        );
    }
    let page = |before: &str| {
        let rows: Vec<InvitationRow> = db.all(people::invitations(NOW, before));
        Page::new(rows, |row| row.id.to_string())
    };
    let first = page(FROM_NEWEST);
    let second = page(&first.next.clone().unwrap());
    assert_eq!(second.next, None);
    let seen: Vec<_> = [first.items, second.items]
        .concat()
        .into_iter()
        .map(|row| row.id)
        .collect();
    let newest_first: Vec<_> = (2..62).rev().map(|number| id!(InvitationId, number)).collect();
    assert_eq!(seen, newest_first);
}

#[test]
fn decision_that_was_made_on_somebody_else_than_they_are_now_changes_nothing() {
    let db = with_owner();
    add(&db, 2, Some(Role::Viewer));
    db.add_project(2, "blog");
    let (shop, blog) = (project(), id!(ProjectId, 2));
    let now = || -> PersonRow { db.first(people::by_id(&user(2))).unwrap() };
    let viewer = now();
    let decisions = || {
        [
            people::set_role(&user(2), Some(Role::Admin)),
            people::set_project_role(&user(2), &blog, Some(Role::Viewer)),
            people::set_project_role(&user(2), &shop, Some(Role::Maintainer)),
            people::set_project_role(&user(2), &shop, None),
            people::set_disabled(&user(2), Some(NOW)),
            people::set_disabled(&user(2), None),
        ]
    };
    for decision in decisions() {
        let seen = now();
        assert_eq!(db.batch([people::still(&seen), decision.clone()]), [1, 1]);
        assert_ne!(now().version(), seen.version(), "{decision:?}");
        for late in decisions() {
            let refused = db.try_batch([people::still(&seen), late]).unwrap_err();
            assert_eq!(
                refused.to_string(),
                "NOT NULL constraint failed: users.created_at",
                "after {decision:?}"
            );
        }
    }
    db.run(people::set_role(&user(2), Some(Role::Viewer)));
    db.run(people::set_project_role(&user(2), &blog, None));
    assert_eq!(now().version(), viewer.version());
    assert_eq!(db.batch([people::still(&viewer)]), [1]);
}

#[test]
fn last_owner_is_neither_removed_disabled_nor_lowered() {
    let db = with_owner();
    add(&db, 2, Some(Role::Admin));
    let attempts = || {
        [
            people::delete(&user(1)),
            people::set_disabled(&user(1), Some(NOW)),
            people::set_role(&user(1), Some(Role::Admin)),
            people::set_role(&user(1), None),
        ]
    };
    for attempt in attempts() {
        let refused = db.try_batch([attempt.clone()]).unwrap_err().to_string();
        assert!(refused.contains(people::LAST_OWNER), "{attempt:?}: {refused}");
    }
    // A second owner who is shut out does not count.
    db.run(people::set_role(&user(2), Some(Role::Owner)));
    db.run(people::set_disabled(&user(2), Some(NOW)));
    for attempt in attempts() {
        assert!(db.try_batch([attempt]).is_err());
    }
    db.run(people::set_disabled(&user(2), None));
    for attempt in attempts().into_iter().skip(1) {
        assert_eq!(db.batch([attempt, people::set_disabled(&user(1), None)])[0], 1);
        db.run(people::set_role(&user(1), Some(Role::Owner)));
    }
    db.run(people::delete(&user(1)));
    assert!(db.try_batch([people::delete(&user(2))]).is_err());
}

#[test]
fn roles_of_a_project_are_given_changed_and_taken() {
    let db = with_owner();
    add(&db, 2, None);
    db.run(session(&user(2), "s"));
    let may = |action| decide(&grants(&db, "s").unwrap(), action, Some(&project()));
    let give = |role| db.run(people::set_project_role(&user(2), &project(), role));
    assert_eq!(may(Action::SeeProject), Verdict::Hidden);
    give(Some(Role::Viewer));
    assert_eq!(
        (may(Action::SeeProject), may(Action::Deploy)),
        (Verdict::Allowed, Verdict::Refused)
    );
    give(Some(Role::Maintainer));
    assert_eq!(
        (may(Action::Deploy), may(Action::SeeSecrets)),
        (Verdict::Allowed, Verdict::Refused)
    );
    give(None);
    assert_eq!(may(Action::SeeProject), Verdict::Hidden);
    assert_eq!(
        db.run(people::set_project_role(
            &user(2),
            &id!(ProjectId, 77),
            Some(Role::Viewer)
        )),
        0
    );
}

#[test]
fn person_who_is_shut_out_has_no_session_key_or_sign_in_until_let_in_again() {
    let db = with_owner();
    add(&db, 2, Some(Role::Admin));
    let key = |hash: &str| db.first::<KeyCallerRow>(users::key(hash)).is_some();
    let known = || db.first::<UserRow>(users::by_email("p2@shop.test")).is_some();
    db.run(session(&user(2), "s"));
    db.run(users::insert_key(&NewKey {
        token_hash: "k",
        id: &id!(ApiKeyId, 1),
        user: &user(2),
        name: "CI",
        scope: Scope::Admin,
        projects: None,
        expires_at: None,
        now: NOW,
    }));
    assert!(grants(&db, "s").is_some() && key("k") && known());
    db.batch([
        people::set_disabled(&user(2), Some(NOW)),
        people::end_sessions(&user(2), ""),
    ]);
    assert!(grants(&db, "s").is_none() && !key("k") && !known());
    db.run(people::set_disabled(&user(2), None));
    assert!(grants(&db, "s").is_none() && key("k") && known());
}

#[test]
fn deleted_person_leaves_records_and_nothing_else() {
    let db = with_owner();
    add(&db, 2, Some(Role::Admin));
    db.run(session(&user(2), "s"));
    db.run(people::set_project_role(&user(2), &project(), Some(Role::Viewer)));
    let roles = BTreeMap::new();
    db.batch(people::insert_invitation(&NewInvitation {
        token_hash: "t",
        id: &id!(InvitationId, 9),
        email: "friend@shop.test",
        role: Some(Role::Viewer),
        projects: &roles,
        invited_by: &user(2),
        now: NOW,
        expires_at: NOW.plus(100),
    }));
    db.run(activity::record(
        NOW,
        user(2).as_str(),
        "project.create",
        project().as_str(),
        "",
    ));
    db.run(people::delete(&user(2)));
    for table in ["sessions", "project_roles", "invitations"] {
        assert_eq!(
            db.text(&format!("SELECT count(*) || '' FROM {table}")),
            "0",
            "{table}"
        );
    }
    assert_eq!(
        db.text("SELECT actor FROM activity_logs WHERE action = 'project.create'"),
        user(2).to_string()
    );
}
