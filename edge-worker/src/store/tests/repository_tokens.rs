//! Access tokens for repositories: a change that came too late changes none, and none outlives what it belongs to.

use crate::store::lease::{self, LeaseRequest, Materials};
use crate::store::repository_tokens::{self, LOOK_MS, TokenRow};
use crate::store::testing::{TestDb, id, project, server};
use crate::store::{jobs, projects, retention};
use devflow_protocol::UnixMillis;
use devflow_protocol::job::Trigger;

fn token(sealed: &str) -> TokenRow {
    TokenRow {
        repository: "https://git.test/a/b.git".to_owned(),
        sealed: sealed.to_owned(),
        actor: "usr_1".to_owned(),
        created_at: UnixMillis(5),
    }
}

fn kept(db: &TestDb) -> String {
    db.text("SELECT group_concat(owner || ' ' || sealed) FROM repository_tokens")
}

/// The token that goes with what is leased next.
fn leased(db: &TestDb) -> Option<String> {
    let statements = lease::lease(&LeaseRequest {
        server: &server(),
        lease: "t",
        last_sequence: 0,
        paused: false,
        now: UnixMillis(100),
        expires_at: UnixMillis(200),
    });
    let materials = statements[lease::LEASED].clone();
    db.batch(statements);
    db.first::<Materials>(materials)
        .expect("a job is leased")
        .repository_token
}

#[test]
fn token_is_changed_only_with_the_project_and_goes_with_it() {
    let db = TestDb::with_project();
    let (made_at, id) = (UnixMillis(3), project());
    assert_eq!(db.run(repository_tokens::set(&id, &token("first"), made_at)), 1);
    assert_eq!(
        db.run(repository_tokens::set(&id, &token("late"), UnixMillis(2))),
        0
    );
    assert_eq!(kept(&db), format!("{id} first"));
    assert_eq!(db.run(repository_tokens::set(&id, &token("second"), made_at)), 1);
    assert_eq!(db.run(repository_tokens::take_away(&id, UnixMillis(2))), 0);
    let row: TokenRow = db.first(repository_tokens::of(id.as_str())).expect("it is there");
    assert_eq!((row.sealed.as_str(), row.created_at), ("second", UnixMillis(5)));
    assert_eq!(db.run(repository_tokens::take_away(&id, made_at)), 1);
    db.run(repository_tokens::set(&id, &token("third"), made_at));
    db.run(projects::delete(&id));
    assert_eq!(kept(&db), "");
}

#[test]
fn deployment_is_leased_with_the_token_of_its_project() {
    let db = TestDb::with_project();
    db.queue(10, 1, Trigger::Push);
    db.run(repository_tokens::set(
        &project(),
        &token("sealed"),
        UnixMillis(3),
    ));
    assert_eq!(leased(&db).as_deref(), Some("sealed"));
}

#[test]
fn token_of_a_look_goes_with_its_job_and_is_forgotten_after_an_hour() {
    let db = TestDb::with_project();
    let look = id!(JobId, 10);
    db.run(jobs::insert(&jobs::NewJob {
        id: &look,
        server: &server(),
        project: None,
        verb: "inspect",
        arguments: "{}",
        now: UnixMillis(5),
    }));
    db.run(repository_tokens::insert_for_look(&look, &token("of the look")));
    db.run(repository_tokens::set(&project(), &token("stays"), UnixMillis(3)));
    assert_eq!(leased(&db).as_deref(), Some("of the look"));
    db.batch(retention::expired_tokens(UnixMillis(LOOK_MS + 4)));
    assert!(kept(&db).contains("of the look"));
    db.batch(retention::expired_tokens(UnixMillis(LOOK_MS + 5)));
    assert_eq!(kept(&db), format!("{} stays", project()));
    db.run(repository_tokens::insert_for_look(&look, &token("again")));
    assert_eq!(db.run(repository_tokens::forget(&look)), 1);
}
