//! The outbox: written with what it tells about, taken by one drain at a time, told in order, pruned.

use crate::store::deployments::NewDeployment;
use crate::store::endpoints::{self, EndpointRow, NewEndpoint};
use crate::store::outbox::{self, LookRow, MessageRow, MessageState, Settled, TakenRow, Which};
use crate::store::testing::{TestDb, id, main_ref, project, server};
use crate::store::{deployments, jobs, projects, statement};
use devflow_domain::outgoing::{Event, Kind};
use devflow_protocol::event::DeploymentState;
use devflow_protocol::job::Trigger;
use devflow_protocol::{EndpointId, ProjectId, UnixMillis};

fn endpoint() -> EndpointId {
    id!(EndpointId, 1)
}

fn add(db: &TestDb, number: i64, of: Option<&ProjectId>, events: &str) -> usize {
    db.run(endpoints::insert(&NewEndpoint {
        id: &id!(EndpointId, number),
        project: of,
        kind: Kind::Webhook,
        name: "CI",
        address: "https://example.com/",
        sealed: "sealed",
        events,
        now: UnixMillis(5),
    }))
}

const USUAL: &str = r#"["started","live","failed","rolled_back"]"#;

/// A database with one endpoint of the project.
fn with_endpoint(events: &str) -> TestDb {
    let db = TestDb::with_project();
    assert_eq!(add(&db, 1, Some(&project()), events), 1);
    db
}

/// A deployment of project 1 that a runner has begun.
fn begin(db: &TestDb, number: i64) {
    db.queue(number, 1, Trigger::Push);
    start(db, number, 1);
}

fn start(db: &TestDb, number: i64, attempt: u32) {
    let job = id!(JobId, number);
    db.run(statement!(
        "UPDATE jobs SET state = 'leased', lease = 't', attempt = ?2 WHERE id = ?1",
        &job,
        attempt
    ));
    let server = crate::store::testing::server();
    db.batch(jobs::acknowledge(
        &job,
        &server,
        attempt,
        "t",
        UnixMillis(number + 1),
    ));
}

fn end(db: &TestDb, number: i64, state: DeploymentState) {
    let job = id!(JobId, number);
    let at = UnixMillis(number + 2);
    db.batch([
        deployments::finish(&job, 1, state, Some("a reason"), None, at),
        jobs::finish(&job, 1, "{}", at),
    ]);
}

fn events(db: &TestDb, number: i64) -> Vec<Event> {
    let rows: Vec<MessageRow> = db.all(outbox::of_endpoint(&id!(EndpointId, number)));
    rows.iter().rev().map(|row| row.event).collect()
}

fn take(db: &TestDb, claim: &str, now: i64) -> Vec<TakenRow> {
    let [take, taken] = outbox::take(Which::Due, claim, UnixMillis(now), UnixMillis(now + 20));
    db.run(take);
    db.all(taken)
}

fn settle(db: &TestDb, row: &TakenRow, claim: &str, state: MessageState, next_at: Option<i64>) -> usize {
    db.run(outbox::settle(
        &row.endpoint,
        &row.id,
        claim,
        &Settled {
            state,
            next_at: next_at.map(UnixMillis),
            tried_at: UnixMillis(50),
            status: Some(500),
            ms: 3,
            detail: Some("no"),
        },
    ))
}

#[test]
fn deployment_tells_endpoints_of_its_project_and_of_all_what_they_asked_for() {
    let db = with_endpoint(USUAL);
    db.add_project(2, "blog");
    add(&db, 2, Some(&id!(ProjectId, 2)), USUAL);
    add(&db, 3, None, r#"["live"]"#);
    begin(&db, 10);
    end(&db, 10, DeploymentState::Live);
    assert_eq!(events(&db, 1), [Event::Started, Event::Live]);
    assert_eq!(events(&db, 2), []);
    assert_eq!(events(&db, 3), [Event::Live]);
}

#[test]
fn commit_status_is_pending_from_the_queue_on_and_ends_with_the_deployment() {
    let db = TestDb::with_project();
    let all = r#"["queued","live","failed","rolled_back","cancelled","superseded"]"#;
    add(&db, 1, Some(&project()), all);
    db.queue(10, 1, Trigger::Push);
    assert_eq!(events(&db, 1), [Event::Queued]);
    start(&db, 10, 1);
    end(&db, 10, DeploymentState::Failed);
    assert_eq!(events(&db, 1), [Event::Queued, Event::Failed]);
    db.queue(20, 1, Trigger::Push);
    db.batch(deployments::cancel_unacknowledged(
        &id!(DeploymentId, 20),
        UnixMillis(21),
    ));
    assert_eq!(
        events(&db, 1),
        [Event::Queued, Event::Failed, Event::Queued, Event::Cancelled]
    );
}

#[test]
fn recovery_is_told_only_after_a_failure() {
    let db = with_endpoint(r#"["failed","rolled_back","recovered"]"#);
    let ends = [
        DeploymentState::Live,
        DeploymentState::Failed,
        DeploymentState::RolledBack,
        DeploymentState::Live,
        DeploymentState::Live,
    ];
    for (number, state) in (1..).zip(ends) {
        begin(&db, number * 10);
        end(&db, number * 10, state);
    }
    assert_eq!(
        events(&db, 1),
        [Event::Failed, Event::RolledBack, Event::Recovered]
    );
}

#[test]
fn deployment_that_never_began_or_was_given_up_is_told_too() {
    let db = with_endpoint(r#"["started","failed","cancelled","superseded"]"#);
    db.queue(10, 1, Trigger::Push);
    db.batch(deployments::cancel_unacknowledged(
        &id!(DeploymentId, 10),
        UnixMillis(11),
    ));
    assert_eq!(events(&db, 1), [Event::Cancelled]);
    begin(&db, 20);
    db.run(statement!(
        "UPDATE deployments SET state = 'out_of_contact' WHERE state = 'preparing'"
    ));
    db.batch(deployments::abandon(
        &id!(DeploymentId, 20),
        "silent",
        UnixMillis(23),
    ));
    assert_eq!(events(&db, 1), [Event::Cancelled, Event::Started, Event::Failed]);
}

#[test]
fn second_start_of_a_deployment_is_no_news() {
    let db = with_endpoint(USUAL);
    begin(&db, 10);
    db.batch(jobs::requeue(&id!(JobId, 10), 1));
    start(&db, 10, 2);
    assert_eq!(db.states(10).1, "preparing");
    assert_eq!(events(&db, 1), [Event::Started]);
}

#[test]
fn nothing_is_written_where_nobody_is_told() {
    let db = TestDb::with_project();
    begin(&db, 10);
    end(&db, 10, DeploymentState::Live);
    assert_eq!(db.text("SELECT cast(count(*) AS TEXT) FROM outbox"), "0");
    let db = with_endpoint(USUAL);
    db.run(endpoints::disable(&endpoint(), "Off.", None));
    begin(&db, 10);
    assert_eq!(events(&db, 1), []);
}

#[test]
fn batch_that_queues_a_deployment_says_whether_anybody_is_to_be_told() {
    for (events, due) in [(r#"["queued"]"#, 1), (USUAL, 0)] {
        let db = with_endpoint(events);
        let (deployment, job, main) = (id!(DeploymentId, 10), id!(JobId, 10), main_ref());
        let [deployment, _, job] = deployments::queue(
            &NewDeployment {
                id: &deployment,
                job: &job,
                project: &project(),
                server: &server(),
                trigger: Trigger::Manual,
                ref_name: &main,
                commit: None,
                subject: None,
                author: None,
                delivery: None,
                target: None,
                force: false,
                now: UnixMillis(10),
            },
            None,
        );
        db.run(deployment);
        let look: Option<LookRow> = db.first(job);
        assert_eq!(look.map(|row| row.outbox_is_due), Some(due), "{events}");
        let look: Option<LookRow> = db.first(outbox::look(UnixMillis(10)));
        assert_eq!(look.map(|row| row.outbox_is_due), Some(due), "{events}");
        let before: Option<LookRow> = db.first(outbox::look(UnixMillis(9)));
        assert_eq!(before.map(|row| row.outbox_is_due), Some(0), "{events}");
    }
}

#[test]
fn message_and_change_are_there_together_or_not_at_all() {
    let db = with_endpoint(USUAL);
    begin(&db, 10);
    let failing = db.try_batch([
        deployments::finish(
            &id!(JobId, 10),
            1,
            DeploymentState::Live,
            None,
            None,
            UnixMillis(12),
        ),
        statement!("INSERT INTO servers (id) VALUES ('x')"),
    ]);
    assert!(failing.is_err());
    assert_eq!(events(&db, 1), [Event::Started]);
    assert_eq!(db.states(10).1, "preparing");
}

#[test]
fn message_is_taken_by_one_drain_and_by_the_next_when_that_was_cut_short() {
    let db = with_endpoint(USUAL);
    begin(&db, 10);
    let first = take(&db, "one", 100);
    assert_eq!(first.len(), 1);
    assert_eq!(first[0].id, format!("{}.1", id!(DeploymentId, 10)));
    assert_eq!(
        first[0].told.as_ref().map(|told| told.slug.as_str()),
        Some("shop")
    );
    assert!(take(&db, "two", 119).is_empty());
    let second = take(&db, "two", 120);
    assert_eq!(
        (second[0].id.as_str(), second[0].attempts),
        (first[0].id.as_str(), 2)
    );
    // The first comes back late: what it says counts no more.
    assert_eq!(settle(&db, &first[0], "one", MessageState::Delivered, None), 0);
    assert_eq!(settle(&db, &second[0], "two", MessageState::Delivered, None), 1);
    assert!(take(&db, "three", 500).is_empty());
}

#[test]
fn messages_of_a_deployment_are_told_in_order_unless_one_waits_to_be_tried_again() {
    let db = with_endpoint(USUAL);
    begin(&db, 10);
    end(&db, 10, DeploymentState::Live);
    begin(&db, 20);
    let first = take(&db, "one", 100);
    let told: Vec<Event> = first.iter().map(|row| row.event).collect();
    assert_eq!(told, [Event::Started, Event::Started]);
    assert!(take(&db, "two", 101).is_empty());
    settle(&db, &first[0], "one", MessageState::Waiting, Some(200));
    let next = take(&db, "two", 102);
    assert_eq!(
        next.iter().map(|row| row.event).collect::<Vec<_>>(),
        [Event::Live]
    );
    settle(&db, &next[0], "two", MessageState::Delivered, None);
    settle(&db, &first[1], "one", MessageState::Delivered, None);
    assert!(take(&db, "three", 199).is_empty());
    let again = take(&db, "three", 200);
    assert_eq!((again.len(), again[0].attempts), (1, 2));
}

#[test]
fn one_message_is_taken_alone_and_sent_again_from_the_beginning() {
    let db = with_endpoint(USUAL);
    begin(&db, 10);
    end(&db, 10, DeploymentState::Failed);
    begin(&db, 20);
    let message = format!("{}.1", id!(DeploymentId, 20));
    for round in [100, 200] {
        let one = endpoint();
        let [take, taken] = outbox::take(
            Which::One(&one, &message),
            "one",
            UnixMillis(round),
            UnixMillis(round + 20),
        );
        db.run(take);
        let rows: Vec<TakenRow> = db.all(taken);
        assert_eq!(
            rows.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(),
            [message.as_str()]
        );
        assert_eq!(rows[0].attempts, 1);
        // Nobody sends it again while it is being sent.
        assert_eq!(db.run(outbox::again(&one, &message, UnixMillis(round + 1))), 0);
        settle(&db, &rows[0], "one", MessageState::GivenUp, None);
        assert_eq!(db.run(outbox::again(&one, &message, UnixMillis(round + 2))), 1);
    }
}

#[test]
fn endpoint_that_is_turned_off_has_nothing_waiting_and_one_that_is_removed_nothing_at_all() {
    let db = with_endpoint(USUAL);
    begin(&db, 10);
    let under_way = take(&db, "zero", 20).remove(0);
    assert_eq!(db.run(outbox::give_up_of_disabled(&endpoint())), 0);
    db.run(endpoints::note_failure(&endpoint(), UnixMillis(30)));
    db.run(endpoints::note_failure(&endpoint(), UnixMillis(40)));
    // Given up on a message that is younger than the trouble: the endpoint is not to blame yet.
    assert_eq!(
        db.run(endpoints::disable(&endpoint(), "Off.", Some(UnixMillis(29)))),
        0
    );
    assert_eq!(
        db.run(endpoints::disable(&endpoint(), "Off.", Some(UnixMillis(30)))),
        1
    );
    assert_eq!(db.run(outbox::give_up_of_disabled(&endpoint())), 1);
    assert_eq!(
        settle(&db, &under_way, "zero", MessageState::Waiting, Some(60)),
        0
    );
    assert!(take(&db, "one", 1_000).is_empty());
    db.run(endpoints::delete(&endpoint()));
    assert_eq!(db.text("SELECT cast(count(*) AS TEXT) FROM outbox"), "0");
}

#[test]
fn removal_of_a_project_takes_its_endpoints_along_and_leaves_others() {
    let db = with_endpoint(USUAL);
    add(&db, 2, None, USUAL);
    begin(&db, 10);
    db.run(projects::delete(&project()));
    let rows: Vec<EndpointRow> = db.all(endpoints::of(None));
    assert_eq!(rows.len(), 1);
    assert!(db.first::<EndpointRow>(endpoints::by_id(&endpoint())).is_none());
    // What it was about is gone, and the drain sees that.
    let taken = take(&db, "one", 100);
    assert!(taken.len() == 1 && taken[0].told.is_none());
}

#[test]
fn log_keeps_the_newest_and_whatever_waits() {
    let db = with_endpoint(r#"["started"]"#);
    for number in 1..=60 {
        db.queue(number * 10, 1, Trigger::Manual);
        start(&db, number * 10, 1);
        end(&db, number * 10, DeploymentState::Live);
    }
    db.run(statement!(
        "UPDATE outbox SET state = 'delivered', next_at = NULL WHERE at > 31"
    ));
    // The three oldest wait still.
    assert_eq!(db.run(outbox::prune(&endpoint())), 60 - 50 - 3);
    assert_eq!(db.run(outbox::prune(&endpoint())), 0);
    assert_eq!(events(&db, 1).len(), 50);
}

#[test]
fn endpoints_of_one_place_end_at_their_limit() {
    let db = TestDb::with_project();
    let most = endpoints::MOST;
    for number in 1..=most {
        assert_eq!(add(&db, number, None, USUAL), 1);
    }
    assert_eq!(add(&db, most + 1, None, USUAL), 0);
    assert_eq!(add(&db, most + 2, Some(&project()), USUAL), 1);
}

#[test]
fn change_of_an_endpoint_that_changed_meanwhile_is_refused() {
    let db = with_endpoint(USUAL);
    let mut row: EndpointRow = db.first(endpoints::by_id(&endpoint())).unwrap();
    assert_eq!(row.project_name.as_deref(), Some("shop"));
    let seen = row.updated_at;
    row.name = "Other".to_owned();
    row.updated_at = UnixMillis(6);
    assert_eq!(db.run(endpoints::update(&row, seen)), 1);
    assert_eq!(db.run(endpoints::update(&row, seen)), 0);
}
