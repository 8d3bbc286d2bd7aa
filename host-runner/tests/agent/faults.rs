use crate::edge::{Edge, Told};
use crate::runner::{Server, started};
use devflow_protocol::job::{Deploy, Job, SealedEnvironment, Trigger, Work, environment_context};
use devflow_protocol::outcome::Outcome;
use devflow_protocol::{DeploymentId, UnixMillis, seal};

#[tokio::test]
async fn lost_acknowledgement_is_sent_again_and_the_job_done_once() {
    let edge = Edge::start().await;
    edge.faults(|faults| faults.lost_acks = 2);
    edge.offer(&edge.ping(1));
    let (_server, _runner) = started(&edge).await;
    edge.until("a completion", |edge| !edge.completions().is_empty())
        .await;
    // A second job shows that nothing of the first is still to come.
    edge.offer(&edge.ping(2));
    edge.until("the second completion", |edge| edge.completions().len() == 2)
        .await;
    let mut jobs: Vec<_> = edge.completions().into_iter().map(|end| end.job).collect();
    jobs.sort();
    assert_eq!(jobs, [edge.ping(1).id, edge.ping(2).id]);
    assert!(edge.acks().len() >= 4, "{:?}", edge.acks());
}

#[tokio::test]
async fn result_survives_a_kill_while_the_edge_is_away() {
    let edge = Edge::start().await;
    edge.faults(|faults| faults.away_after_ack = true);
    edge.offer(&edge.ping(1));
    let (server, runner) = started(&edge).await;
    edge.until("an acknowledgement", |edge| edge.acks().len() == 1)
        .await;
    // The journal has the result, whether the edge hears of it or not.
    server.until_status("done, not reported yet").await;
    runner.kill().await;
    let runner = server.run();
    edge.faults(|faults| {
        faults.away = false;
        faults.away_after_ack = false;
    });
    edge.until("a completion", |edge| !edge.completions().is_empty())
        .await;
    let ends = edge.completions();
    assert_eq!((ends.len(), edge.acks().len()), (1, 1));
    assert_eq!(ends[0].outcome, Outcome::Succeeded { manifest: None });
    assert_eq!(runner.stop().await.0.code(), Some(0));
}

#[tokio::test]
async fn lost_lease_before_the_start_ends_the_job_without_a_word() {
    let edge = Edge::start().await;
    edge.faults(|faults| faults.lease_lost = true);
    edge.offer(&edge.ping(1));
    let (_server, _runner) = started(&edge).await;
    edge.until("an acknowledgement", |edge| edge.acks().len() == 1)
        .await;
    edge.faults(|faults| faults.lease_lost = false);
    edge.offer(&edge.ping(2));
    edge.until("the second job's end", |edge| !edge.completions().is_empty())
        .await;
    let ended: Vec<_> = edge.completions().into_iter().map(|end| end.job).collect();
    assert_eq!(ended, [edge.ping(2).id]);
}

#[tokio::test]
async fn superseded_session_stops_with_its_own_exit_code() {
    let edge = Edge::start().await;
    let (_server, runner) = started(&edge).await;
    edge.until("a poll", |edge| !edge.polls().is_empty()).await;
    edge.faults(|faults| faults.superseded = true);
    let (status, log) = runner.ended().await;
    assert_eq!(status.code(), Some(3));
    assert!(
        log.contains("another runner with this server's keys has taken over"),
        "{log}"
    );
}

#[tokio::test]
async fn wrong_clock_is_corrected_by_what_the_edge_says() {
    let edge = Edge::start().await;
    let (server, runner) = started(&edge).await;
    edge.until("a poll", |edge| !edge.polls().is_empty()).await;
    runner.stop().await;
    edge.faults(|faults| faults.ahead_ms = 3_600_000);
    edge.offer(&edge.ping(1));
    let _runner = server.run();
    edge.until("a completion", |edge| !edge.completions().is_empty())
        .await;
    let end = edge.completions().remove(0);
    assert!(end.finished_at.since(edge.now()).abs() < 5_000);
    assert_eq!(end.outcome, Outcome::Succeeded { manifest: None });
    assert_eq!(edge.skews(), 1);
}

#[tokio::test]
async fn edge_that_is_away_is_waited_for() {
    let edge = Edge::start().await;
    let server = Server::new();
    server.enrol(&edge).await;
    edge.offer(&edge.ping(1));
    edge.faults(|faults| faults.away = true);
    let runner = server.run();
    edge.until("attempts", |edge| edge.missed() >= 2).await;
    edge.faults(|faults| faults.away = false);
    edge.until("a completion", |edge| !edge.completions().is_empty())
        .await;
    let (_, log) = runner.stop().await;
    assert!(log.contains("is a proxy or another site in between?"), "{log}");
    assert!(log.contains("the edge is back"), "{log}");
}

#[tokio::test]
async fn answer_of_200_mb_is_not_read_and_the_next_one_counts() {
    let edge = Edge::start().await;
    let (server, runner) = started(&edge).await;
    edge.until("a poll", |edge| !edge.polls().is_empty()).await;
    runner.stop().await;
    edge.faults(|faults| faults.floods = 2);
    edge.offer(&edge.ping(1));
    let runner = server.run();
    edge.until("a completion", |edge| !edge.completions().is_empty())
        .await;
    let peak = runner.peak_kib();
    assert!(peak < 64 * 1024, "{peak} KiB");
    let (status, log) = runner.stop().await;
    assert_eq!(status.code(), Some(0));
    assert!(
        log.contains("the edge's answer is larger than 2097152 bytes and was not read"),
        "{log}"
    );
}

/// A deployment that fails at its first step, with the few events that this makes.
fn hopeless(edge: &Edge, number: u8) -> Job {
    let spec = serde_json::json!({
        "slug": "shop", "framework": "php", "repository": "file:///nowhere/at/all", "php": "8.4",
        "image": "devflow/php:8.4",
        "web": {"domains": ["shop.test"], "public_dir": null, "scripts": false, "health_path": "/", "body_mib": 1,
            "basic_auth": null},
        "steps": [], "processes": [], "shared": [], "carry_over": [],
        "limits": {"memory_mib": 64, "cpu_milli": 100, "php_memory_mib": 32, "max_children": 1, "execution_s": 5},
        "services": {"mariadb": false, "redis": false},
        "release": {"keep": 2, "drain_s": 1, "observe_s": 1, "ready_s": 1},
    });
    let project = edge.ping(number).project.expect("a project");
    let context = environment_context(&project, 1);
    let sealed = seal::seal(&edge.sealing_key(), &context, b"{}", [7; 32]).expect("sealed");
    edge.job(
        number,
        Work::Deploy(Box::new(Deploy {
            deployment: DeploymentId::new(UnixMillis(1), [number; 10]),
            trigger: Trigger::Manual,
            ref_name: "refs/heads/main".parse().expect("a ref"),
            commit: None,
            spec: serde_json::from_value(spec).expect("a spec"),
            environment: SealedEnvironment { version: 1, sealed },
            repository_token: None,
        })),
    )
}

#[tokio::test]
async fn events_survive_a_kill_and_arrive_in_order_before_the_result() {
    let edge = Edge::start().await;
    let server = Server::new();
    server.enrol(&edge).await;
    std::fs::write(
        server.folder.path().join("policy.toml"),
        "[allow]\nrepositories = [\"file:///**\"]",
    )
    .expect("written");
    edge.faults(|faults| faults.away_after_ack = true);
    let job = hopeless(&edge, 1);
    edge.offer(&job);
    let runner = server.run();
    edge.until("an acknowledgement", |edge| edge.acks().len() == 1)
        .await;
    server.until_status("done, not reported yet").await;
    runner.kill().await;

    // The first batch is taken and its answer lost: it comes again, the same.
    edge.faults(|faults| {
        faults.away = false;
        faults.away_after_ack = false;
        faults.lost_events = 1;
    });
    let _runner = server.run();
    edge.until("a completion", |edge| !edge.completions().is_empty())
        .await;
    let told: Vec<_> = edge
        .told()
        .into_iter()
        .filter(|told| matches!(told, Told::Events(_) | Told::Complete(_)))
        .collect();
    let [Told::Events(lost), Told::Events(again), Told::Complete(end)] = told.as_slice() else {
        panic!("unexpected: {told:#?}");
    };
    assert_eq!(lost, again);
    let numbers: Vec<u64> = again.events.iter().map(|event| event.n).collect();
    assert_eq!(numbers, (1..=end.last_event).collect::<Vec<_>>());
    assert!(end.last_event >= 2, "{again:#?}");
    let Outcome::Failed {
        step: Some(step),
        reason,
    } = &end.outcome
    else {
        panic!("must have failed: {:?}", end.outcome);
    };
    assert_eq!(step.as_str(), "fetch", "{reason}");
    assert_eq!(end.project.as_ref().map(|report| report.live.clone()), Some(None));
}
