//! What only the pages ask.

use crate::store::dashboard::{self, Counts, FeedEnd, FeedFilter, FeedRow, OpenJob, ServerProject};
use crate::store::keys::{self, KeyRow};
use crate::store::testing::{TestDb, id, project, server};
use crate::store::{activity, servers, users};
use devflow_domain::access::Scope;
use devflow_protocol::UnixMillis;
use devflow_protocol::job::Trigger;

#[test]
fn counts_follow_what_is_there_and_goes_on() {
    let db = TestDb::with_project();
    let counted = || -> Counts { db.first(dashboard::counts(None)).unwrap() };
    let pending = Counts {
        projects: 1,
        servers: 1,
        ..Counts::default()
    };
    assert_eq!(counted(), pending);
    db.run(servers::mark_online(&server(), UnixMillis(4)));
    for number in [10, 20, 30] {
        db.queue(number, 1, Trigger::Manual);
    }
    for (number, state, job) in [(10, "rolled_back", "done"), (20, "building", "done")] {
        db.text(&format!(
            "UPDATE deployments SET state = '{state}' WHERE id = '{}' RETURNING id",
            id!(DeploymentId, number)
        ));
        db.text(&format!(
            "UPDATE jobs SET state = '{job}' WHERE id = '{}' RETURNING id",
            id!(JobId, number)
        ));
    }
    let busy = Counts {
        projects: 1,
        servers: 1,
        servers_online: 1,
        servers_missing: 0,
        deploying: 1,
        waiting: 1,
        failing: 1,
    };
    assert_eq!(counted(), busy);
    db.text("UPDATE servers SET state = 'missing' RETURNING id");
    db.run(crate::store::projects::delete(&project()));
    let rest = Counts {
        servers: 1,
        servers_missing: 1,
        waiting: 1,
        ..Counts::default()
    };
    assert_eq!(counted(), rest);
}

#[test]
fn counts_of_some_projects_leave_out_the_others_and_the_servers() {
    let db = TestDb::with_project();
    db.add_project(2, "blog");
    let only = |numbers: &[i64]| -> Counts {
        let ids: Vec<_> = numbers.iter().map(|number| id!(ProjectId, *number)).collect();
        db.first(dashboard::counts(Some(serde_json::to_string(&ids).unwrap())))
            .unwrap()
    };
    db.queue(10, 1, Trigger::Manual);
    db.text("UPDATE deployments SET state = 'failed' RETURNING id");
    let shop = Counts {
        projects: 1,
        waiting: 1,
        failing: 1,
        ..Counts::default()
    };
    assert_eq!(only(&[1]), shop);
    assert_eq!(only(&[2]).failing + only(&[2]).waiting, 0);
    assert_eq!(only(&[]), Counts::default());
}

#[test]
fn server_shows_its_projects_and_open_jobs() {
    let db = TestDb::with_project();
    db.queue(10, 1, Trigger::Push);
    let projects: Vec<ServerProject> = db.all(dashboard::projects_of_server(&server()));
    let jobs: Vec<OpenJob> = db.all(dashboard::open_jobs(&server()));
    assert_eq!(
        projects.iter().map(|row| row.id.clone()).collect::<Vec<_>>(),
        [project()]
    );
    let jobs: Vec<_> = jobs
        .into_iter()
        .map(|job| (job.verb, job.state, job.project_name))
        .collect();
    assert_eq!(
        jobs,
        [("deploy".to_owned(), "queued".to_owned(), Some("shop".to_owned()))]
    );
    assert!(!db.plan(&dashboard::open_jobs(&server())).contains("SCAN j"));
}

#[test]
fn keys_are_those_of_their_owner_and_go_when_revoked() {
    let db = TestDb::with_project();
    let (owner, key) = (id!(UserId, 1), id!(ApiKeyId, 1));
    let new = users::NewOwner {
        id: &owner,
        email: "owner@example.com",
        password_hash: "x",
        now: UnixMillis(1),
    };
    db.run(users::insert_owner(&new));
    db.run(users::insert_key(&users::NewKey {
        token_hash: "hash",
        id: &key,
        user: &owner,
        name: "CI",
        scope: Scope::Admin,
        projects: None,
        expires_at: None,
        now: UnixMillis(2),
    }));
    let names = |user| -> Vec<String> {
        let rows: Vec<KeyRow> = db.all(keys::of_user(user));
        rows.into_iter().map(|row| row.name).collect()
    };
    let other = id!(UserId, 2);
    assert_eq!((names(&owner), names(&other)), (vec!["CI".to_owned()], vec![]));
    assert_eq!(db.run(users::delete_key(&key, &other)), 0);
    assert_eq!(db.run(users::delete_key(&key, &owner)), 1);
    assert_eq!(names(&owner), [""; 0]);
}

#[test]
fn feed_names_who_and_what_newest_first() {
    let db = TestDb::with_project();
    let deployment = db.queue(10, 1, Trigger::Manual);
    let subject = deployment.to_string();
    db.run(activity::record(
        UnixMillis(5),
        "usr_gone",
        "deployment.start",
        &subject,
        "",
    ));
    let rows: Vec<FeedRow> = db.all(dashboard::feed(i64::MAX, &FeedFilter::default()));
    let told: Vec<_> = rows
        .into_iter()
        .map(|row| (row.actor_name, row.action, row.subject_name))
        .collect();
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        told,
        [
            (None, "deployment.start".to_owned(), some("shop")),
            (some("web-1"), "server.enrol".to_owned(), some("web-1")),
        ]
    );
}

#[test]
fn feed_is_narrowed_by_what_and_by_who() {
    let db = TestDb::with_project();
    db.run(users::insert_owner(&users::NewOwner {
        id: &id!(UserId, 1),
        email: "Owner@example.com",
        password_hash: "x",
        now: UnixMillis(1),
    }));
    // Beside the enrolment of the server, which is there.
    let owner = id!(UserId, 1).to_string();
    for action in ["project.update", "server.ping", "serverless.thing"] {
        db.run(activity::record(UnixMillis(1), &owner, action, "", ""));
    }
    let actions = |what, who| -> Vec<String> {
        let rows: Vec<FeedRow> = db.all(dashboard::feed(i64::MAX, &FeedFilter { what, who }));
        rows.into_iter().map(|row| row.action).collect()
    };
    assert_eq!(actions("server", ""), ["server.ping", "server.enrol"]);
    assert_eq!(actions("server", "owner@"), ["server.ping"]);
    assert_eq!(actions("", "nobody"), [""; 0]);
    let end: FeedEnd = db.first(dashboard::feed_end(i64::MAX)).unwrap();
    assert_eq!((end.id, end.rows), (Some(1), 4));
}
