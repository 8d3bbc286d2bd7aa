//! A project on several servers: its servers in their order, whose turn it is, and what the end of a turn changes.

use crate::service::parts::{self as turns, Advance, Ended};
use crate::store::lease::{self, LeaseRequest, Materials};
use crate::store::parts::{self, PartRow, SilentRow};
use crate::store::targets::{self, TargetRow};
use crate::store::testing::{TestDb, id, project, server};
use crate::store::{jobs, projects, servers, statement};
use devflow_domain::deployment::End;
use devflow_domain::targets::Policy;
use devflow_protocol::job::Trigger;
use devflow_protocol::runner_api::ProjectReport;
use devflow_protocol::{DeploymentId, JobId, ServerId, UnixMillis};

fn other(number: i64) -> ServerId {
    id!(ServerId, number)
}

/// A project on three servers that poll; release 5 is live and kept on all.
fn on_three(policy: Policy) -> TestDb {
    let db = TestDb::with_project();
    for number in [2, 3] {
        db.run(servers::insert(
            &other(number),
            &format!("web-{number}"),
            UnixMillis(1),
        ));
    }
    db.run(statement!(
        "UPDATE servers SET signing_key = 'k', sealing_key = 'k', state = 'online'"
    ));
    set(&db, &[server(), other(2), other(3)], policy).unwrap();
    let live = id!(DeploymentId, 5);
    let kept = serde_json::to_string(&[&live]).unwrap();
    for table in ["projects", "further_targets"] {
        let sql = match table {
            "projects" => "UPDATE projects SET live_deployment = ?1, kept_releases = ?2",
            _ => "UPDATE further_targets SET live_deployment = ?1, kept_releases = ?2",
        };
        db.run(statement!(sql, &live, kept.as_str()));
    }
    db
}

fn set(db: &TestDb, list: &[ServerId], policy: Policy) -> rusqlite::Result<Vec<usize>> {
    let list = serde_json::to_string(list).unwrap();
    db.try_batch(targets::set(&project(), &list, policy, UnixMillis(3)))
}

fn names(db: &TestDb) -> Vec<String> {
    let all: Vec<TargetRow> = db.all(targets::of_project(&project()));
    all.into_iter().map(|target| target.name).collect()
}

fn counts(db: &TestDb) -> String {
    db.text("SELECT group_concat(projects, ' ') FROM (SELECT projects FROM servers ORDER BY name)")
}

/// Leases and acknowledges the next job of a server; gives its verb.
fn take(db: &TestDb, of: &ServerId, now: i64) -> Option<(JobId, String)> {
    let request = LeaseRequest {
        server: of,
        lease: "t",
        last_sequence: 0,
        paused: false,
        now: UnixMillis(now),
        expires_at: UnixMillis(now + 30),
    };
    let statements = lease::lease(&request);
    let materials = statements[lease::LEASED].clone();
    db.batch(statements);
    let leased: Materials = db.first(materials)?;
    db.batch(jobs::acknowledge(
        &leased.id,
        of,
        leased.attempt,
        "t",
        UnixMillis(now),
    ));
    Some((leased.id, leased.verb))
}

/// Ends the turn of a job as `complete` does, with `live` on its server from then on.
fn end(db: &TestDb, job: &JobId, end: End, live: &DeploymentId) -> Option<ServerId> {
    let row: jobs::JobRow = db.first(jobs::by_id(job)).unwrap();
    let rows: Vec<PartRow> = db.all(parts::of(row.deployment.as_ref().unwrap()));
    let kept = [live.clone(), id!(DeploymentId, 5)];
    let ended = Ended {
        end,
        reason: (end != End::Live).then(|| "no".to_owned()),
        manifest: Some("{}"),
        kept: Some(&kept),
        at: UnixMillis(900),
    };
    let number: i64 = db
        .text("SELECT cast(count(*) AS TEXT) FROM jobs")
        .parse()
        .unwrap();
    let Advance { mut batch, wakes } = turns::follow(rows, &row, ended, &id!(JobId, 100 + number));
    let report = ProjectReport {
        slug: "shop".parse().unwrap(),
        live: Some(live.clone()),
        kept: kept.to_vec(),
    };
    batch.extend([
        projects::report(job, row.attempt, &report, None, None),
        targets::report(job, row.attempt, &report),
        jobs::finish(job, row.attempt, "{}", UnixMillis(900)),
    ]);
    db.batch(batch);
    wakes
}

fn stands(db: &TestDb) -> String {
    db.text(
        "SELECT (SELECT state FROM deployments ORDER BY id) || ': ' || group_concat(state, ', ') FROM
          (SELECT state FROM deployment_parts WHERE deployment = (SELECT min(id) FROM deployments) ORDER BY position)",
    )
}

#[test]
fn servers_are_kept_in_order_with_what_is_live_there() {
    let db = on_three(Policy::All);
    assert_eq!(names(&db), ["web-1", "web-2", "web-3"]);
    assert_eq!(
        (
            counts(&db),
            db.text("SELECT cast(further_servers AS TEXT) FROM projects")
        ),
        ("1 1 1".to_owned(), "2".to_owned())
    );
    let newer = id!(DeploymentId, 7);
    db.run(statement!(
        "UPDATE further_targets SET live_deployment = ?2 WHERE server = ?1",
        &other(3),
        &newer
    ));
    set(&db, &[other(3), server()], Policy::KeepGoing).unwrap();
    assert_eq!(names(&db), ["web-3", "web-1"]);
    assert_eq!(counts(&db), "1 0 1");
    assert_eq!(
        db.text("SELECT live_deployment || ' ' || server_policy || ' ' || further_servers FROM projects"),
        format!("{newer} keep_going 1")
    );
    set(&db, &[server()], Policy::All).unwrap();
    assert_eq!(
        (names(&db), counts(&db)),
        (vec!["web-1".to_owned()], "1 0 0".to_owned())
    );
    assert_eq!(
        db.text("SELECT live_deployment FROM projects"),
        id!(DeploymentId, 5).to_string()
    );
}

#[test]
fn servers_stay_while_a_deployment_waits_or_is_under_way() {
    let db = on_three(Policy::All);
    db.queue(10, 1, Trigger::Push);
    let refused = set(&db, &[server()], Policy::All).unwrap_err().to_string();
    assert!(
        refused.contains("NOT NULL constraint failed: projects.server_policy"),
        "{refused}"
    );
    assert_eq!(names(&db), ["web-1", "web-2", "web-3"]);
}

#[test]
fn a_project_with_one_server_has_no_parts() {
    let db = TestDb::with_project();
    db.queue(10, 1, Trigger::Push);
    assert_eq!(
        db.text("SELECT cast(count(*) AS TEXT) FROM deployment_parts"),
        "0"
    );
}

#[test]
fn turns_come_one_after_the_other_and_the_deployment_is_live_after_the_last() {
    let db = on_three(Policy::All);
    let deployment = db.queue(10, 1, Trigger::Push);
    db.queue(11, 1, Trigger::Manual);
    let (first, verb) = take(&db, &server(), 100).unwrap();
    assert_eq!((verb.as_str(), take(&db, &other(2), 101)), ("deploy", None));
    assert_eq!(end(&db, &first, End::Live, &deployment), Some(other(2)));
    assert_eq!(stands(&db), "preparing: live, working, waiting");
    // Nothing of another deployment begins in between.
    assert_eq!(take(&db, &server(), 110), None);
    let (second, _) = take(&db, &other(2), 111).unwrap();
    assert_eq!(end(&db, &second, End::Live, &deployment), Some(other(3)));
    let (third, _) = take(&db, &other(3), 112).unwrap();
    assert_eq!(end(&db, &third, End::Live, &deployment), Some(server()));
    assert_eq!(db.states(10).1, "live");
    assert_eq!(
        db.text("SELECT group_concat(DISTINCT live_deployment) FROM deployment_targets"),
        deployment.to_string()
    );
    assert!(take(&db, &server(), 113).is_some());
    // Said twice, the end of a turn changes nothing.
    assert_eq!(end(&db, &second, End::Failed, &deployment), None);
    assert_eq!(db.states(10).1, "live");
}

#[test]
fn servers_that_were_switched_go_back_to_what_was_live_there() {
    let db = on_three(Policy::All);
    let deployment = db.queue(10, 1, Trigger::Push);
    let before = id!(DeploymentId, 5);
    let (first, _) = take(&db, &server(), 100).unwrap();
    end(&db, &first, End::Live, &deployment);
    let (second, _) = take(&db, &other(2), 101).unwrap();
    assert_eq!(end(&db, &second, End::Failed, &before), Some(server()));
    assert_eq!(stands(&db), "preparing: going_back, failed, waiting");
    let arguments = db.text("SELECT arguments FROM jobs ORDER BY id DESC LIMIT 1");
    assert_eq!(arguments, format!("{{\"purge\":false,\"release\":\"{before}\"}}"));
    let (back, verb) = take(&db, &server(), 102).unwrap();
    assert_eq!(verb, "rollback");
    end(&db, &back, End::Live, &before);
    assert_eq!(stands(&db), "rolled_back: rolled_back, failed, waiting");
    assert_eq!(
        db.text("SELECT reason FROM deployments"),
        "web-2: no. web-1 went back to the release before. web-3 was not begun."
    );
    assert_eq!(
        db.text("SELECT live_deployment FROM projects"),
        before.to_string()
    );
}

#[test]
fn deployment_for_all_begins_when_all_servers_are_there() {
    let db = on_three(Policy::All);
    db.run(statement!(
        "UPDATE servers SET state = 'missing' WHERE id = ?1",
        &other(3)
    ));
    db.queue(10, 1, Trigger::Push);
    assert_eq!(take(&db, &server(), 100), None);
    db.run(statement!("UPDATE servers SET state = 'online'"));
    assert!(take(&db, &server(), 101).is_some());
}

#[test]
fn silent_server_is_found_where_others_wait_for_it() {
    let silent = |policy| {
        let db = on_three(policy);
        let deployment = db.queue(10, 1, Trigger::Push);
        let (first, _) = take(&db, &server(), 100).unwrap();
        end(&db, &first, End::Live, &deployment);
        let (second, _) = take(&db, &other(2), 101).unwrap();
        assert_eq!(db.all::<SilentRow>(parts::silent()), []);
        db.batch(servers::mark_missing(other(2).as_str(), UnixMillis(200)));
        let found: Vec<SilentRow> = db.all(parts::silent());
        assert!(found.iter().all(|row| row.job == second));
        found.len()
    };
    // What a runner has taken is waited for where all have to have the release.
    assert_eq!((silent(Policy::KeepGoing), silent(Policy::All)), (1, 0));
}

#[test]
fn job_that_a_later_server_does_not_know_is_queued_again_and_the_deployment_is_not() {
    let db = on_three(Policy::All);
    let deployment = db.queue(10, 1, Trigger::Push);
    let (first, _) = take(&db, &server(), 100).unwrap();
    end(&db, &first, End::Live, &deployment);
    let (second, _) = take(&db, &other(2), 101).unwrap();
    db.batch(jobs::requeue(&second, 1));
    assert_eq!(stands(&db), "preparing: live, working, waiting");
    assert_eq!(take(&db, &other(2), 102).map(|(job, _)| job), Some(second));
}

#[test]
fn removal_goes_from_the_last_server_to_the_first() {
    let db = on_three(Policy::All);
    db.run(projects::mark_removing(&project()));
    db.run(jobs::insert(&jobs::NewJob {
        id: &id!(JobId, 20),
        server: &other(3),
        project: Some(&project()),
        verb: "remove_project",
        arguments: "{\"purge\":true}",
        now: UnixMillis(10),
    }));
    for (number, of) in [(21, other(3)), (22, other(2)), (23, server())] {
        let (job, verb) = take(&db, &of, 100 + number).unwrap();
        assert_eq!(verb, "remove_project");
        let mut batch = vec![projects::delete_removed(&job, 1)];
        batch.extend(targets::removed(&job, 1, &id!(JobId, number), UnixMillis(11)));
        batch.push(jobs::finish(&job, 1, "{}", UnixMillis(12)));
        db.batch(batch);
    }
    assert_eq!(db.text("SELECT cast(count(*) AS TEXT) FROM projects"), "0");
    assert_eq!(
        db.text("SELECT cast(count(*) AS TEXT) FROM jobs WHERE state = 'queued'"),
        "0"
    );
    assert_eq!(counts(&db), "0 0 0");
}

#[test]
fn server_that_was_taken_out_takes_the_site_down_and_the_project_stays() {
    let db = on_three(Policy::All);
    set(&db, &[server(), other(2)], Policy::All).unwrap();
    db.run(targets::take_down(
        &id!(JobId, 20),
        &other(3),
        &project(),
        UnixMillis(3),
    ));
    let (job, verb) = take(&db, &other(3), 100).unwrap();
    assert_eq!(verb, "remove_project");
    let mut batch = vec![projects::delete_removed(&job, 1)];
    batch.extend(targets::removed(&job, 1, &id!(JobId, 21), UnixMillis(11)));
    assert_eq!(db.batch(batch), [0, 0, 0]);
    assert_eq!(names(&db), ["web-1", "web-2"]);
}
