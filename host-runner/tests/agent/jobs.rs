use crate::edge::{AUDIENCE, Edge, TOKEN, Told};
use crate::runner::{Server, started};
use devflow_protocol::audit::{Row, seal};
use devflow_protocol::dsse::Envelope;
use devflow_protocol::job::{Cancel, Job, PAYLOAD_TYPE, ProjectOnly, RemoveProject, Work};
use devflow_protocol::outcome::Outcome;
use devflow_protocol::witness::Witness;
use devflow_protocol::{JobId, ServerId, UnixMillis};
use ed25519_dalek::SigningKey;

fn refusal(edge: &Edge, job: &Job) -> Option<String> {
    edge.completions()
        .into_iter()
        .find(|end| end.job == job.id)
        .map(|end| match end.outcome {
            Outcome::Refused { reason } => reason,
            other => panic!("{} must be refused, ended as {other:?}", job.id),
        })
}

/// The first segment of the trail, over one row of that actor.
fn segment(edge: &Edge, actor: &str) -> Envelope {
    let row = Row {
        id: 1,
        at: UnixMillis(1),
        actor: actor.into(),
        action: "server.create".into(),
        subject: String::new(),
        detail: String::new(),
        personal: None,
    };
    let sealed = seal(AUDIENCE, None, &[row], edge.key(), UnixMillis(2)).expect("a row");
    sealed.envelope
}

#[tokio::test]
async fn segment_that_is_signed_into_a_job_is_witnessed_though_no_poll_brings_one() {
    let edge = Edge::start().await;
    let mut job = edge.ping(1);
    job.segment = Some(segment(&edge, "usr_1"));
    edge.offer(&job);
    let (server, runner) = started(&edge).await;
    edge.until("a completion", |edge| edge.completions().len() == 1)
        .await;
    assert!(edge.polls()[0].job_segments, "the edge signs none in otherwise");
    let kept = server.call(&["status", "--audit"], "").await.stdout;
    let kept: Witness = serde_json::from_slice(&kept).expect("one line");
    assert_eq!(Some(&kept.envelope), job.segment.as_ref());

    // Whoever has the job key and hands out work with a trail that was made again is noticed by that very job.
    let mut job = edge.ping(2);
    job.segment = Some(segment(&edge, "usr_2"));
    edge.offer(&job);
    edge.until("another completion", |edge| edge.completions().len() == 2)
        .await;
    let status = server.call(&["status"], "").await.stdout;
    let status = String::from_utf8_lossy(&status);
    assert!(status.contains("ANOTHER TRAIL WAS SHOWN"), "{status}");
    runner.kill().await;
}

#[tokio::test]
async fn ping_is_acknowledged_before_it_is_completed() {
    let edge = Edge::start().await;
    let job = edge.ping(1);
    edge.offer(&job);
    let (_server, runner) = started(&edge).await;
    edge.until("a completion", |edge| edge.completions().len() == 1)
        .await;
    let told: Vec<_> = edge
        .told()
        .into_iter()
        .filter(|told| !matches!(told, Told::Poll(_)))
        .collect();
    let [Told::Ack(ack), Told::Complete(end)] = told.as_slice() else {
        panic!("unexpected: {told:#?}");
    };
    assert_eq!(
        (&ack.job, ack.attempt, ack.lease.as_str()),
        (&job.id, 1, "lease-1")
    );
    assert_eq!((&end.job, end.attempt, end.last_event), (&job.id, 1, 0));
    assert_eq!(end.outcome, Outcome::Succeeded { manifest: None });
    assert!(end.finished_at.since(edge.now()).abs() < 5_000);

    let polls = edge.polls();
    let facts = polls[0]
        .facts
        .clone()
        .expect("the first poll says what the machine is");
    assert!(
        facts
            .deploy_key
            .is_some_and(|key| key.starts_with("ssh-ed25519 "))
    );
    edge.until("a poll that knows the job", |edge| {
        edge.polls()
            .last()
            .is_some_and(|poll| poll.last_sequence == 1 && poll.open.is_empty() && poll.facts.is_none())
    })
    .await;
    assert_eq!(runner.stop().await.0.code(), Some(0));
}

#[tokio::test]
async fn proxy_of_the_environment_is_used_for_every_request() {
    let edge = Edge::start().await;
    edge.offer(&edge.ping(1));
    let mut server = Server::new();
    // Nothing answers at the address itself; what the proxy gets is answered by the edge of this test.
    server.proxy = Some(edge.address.clone());
    let fingerprint = edge.fingerprint();
    let arguments = [
        "enrol",
        "--edge",
        "http://10.255.255.1",
        "--fingerprint",
        &fingerprint,
    ];
    let output = server.call(&arguments, TOKEN).await;
    assert!(output.status.success(), "{output:?}");
    let _runner = server.run();
    edge.until("a completion", |edge| edge.completions().len() == 1)
        .await;
}

#[tokio::test]
async fn replayed_envelope_is_answered_from_the_journal() {
    let edge = Edge::start().await;
    let job = edge.ping(1);
    edge.offer(&job);
    let (_server, _runner) = started(&edge).await;
    edge.until("a completion", |edge| edge.completions().len() == 1)
        .await;
    edge.offer(&job);
    edge.until("the same completion again", |edge| edge.completions().len() == 2)
        .await;
    let ends = edge.completions();
    assert_eq!(ends[0], ends[1]);
}

#[tokio::test]
async fn authentic_jobs_that_must_not_be_done_are_refused_in_a_sentence() {
    let edge = Edge::start().await;
    let slug = || "shop".parse().expect("a slug");
    let mut expired = edge.ping(1);
    expired.expires_at = edge.now().plus(-10_000);
    let forbidden = edge.job(
        2,
        Work::RemoveProject(RemoveProject {
            slug: slug(),
            purge: true,
        }),
    );
    let text = |job: &Job| serde_json::to_string(job).expect("JSON");
    let sign = |text: String| Envelope::sign(PAYLOAD_TYPE, text.as_bytes(), edge.key());
    let newer = edge.ping(3);
    let shell = edge.ping(4);
    let surprise = edge.ping(5);
    let stop = edge.job(6, Work::Stop(ProjectOnly { slug: slug() }));

    let (server, runner) = started(&edge).await;
    edge.until("a poll", |edge| !edge.polls().is_empty()).await;
    runner.stop().await;
    std::fs::write(
        server.folder.path().join("policy.toml"),
        "[allow]\nverbs = [\"ping\", \"stop\"]\n[projects.shop]\nverbs = [\"ping\"]\n",
    )
    .expect("written");
    edge.offer(&expired);
    edge.offer(&forbidden);
    edge.offer_once(sign(text(&newer).replace("\"version\":1", "\"version\":7")));
    edge.offer_once(sign(text(&shell).replace("\"ping\"", "\"shell\"")));
    edge.offer_once(sign(
        text(&surprise).replace("\"lease\"", "\"sudo\":true,\"lease\""),
    ));
    edge.offer(&stop);
    let _runner = server.run();
    edge.until("all refusals", |edge| edge.completions().len() == 6)
        .await;
    let reason = |job: &Job| refusal(&edge, job).expect("refused");
    assert!(
        reason(&expired).starts_with("the job expired 1"),
        "{}",
        reason(&expired)
    );
    assert!(reason(&forbidden).contains("does not allow `remove_project` for shop"));
    assert_eq!(
        reason(&newer),
        "the job has version 7, this side speaks 1; update the older side"
    );
    assert!(reason(&shell).contains("unknown variant `shell`"));
    assert!(reason(&surprise).contains("unknown field `sudo`"));
    assert!(reason(&stop).contains("does not allow `stop` for shop"));
}

#[tokio::test]
async fn jobs_that_cannot_be_trusted_are_dropped_and_answered_to_nobody() {
    let edge = Edge::start().await;
    let stranger = SigningKey::from_bytes(&[8; 32]);
    edge.offer_once(edge.ping(1).sign(&stranger).expect("signed"));
    let mut foreign = edge.ping(2);
    foreign.server = ServerId::new(UnixMillis(2), [5; 10]);
    edge.offer_once(foreign.sign(edge.key()).expect("signed"));
    let mut changed = edge.ping(3).sign(edge.key()).expect("signed");
    changed.payload = edge.ping(4).sign(edge.key()).expect("signed").payload;
    edge.offer_once(changed);
    let good = edge.ping(5);
    edge.offer(&good);
    let (_server, _runner) = started(&edge).await;
    edge.until("the good job's end", |edge| !edge.completions().is_empty())
        .await;
    let acknowledged: Vec<_> = edge.acks().into_iter().map(|ack| ack.job).collect();
    assert_eq!(acknowledged, [good.id]);
    assert_eq!(edge.completions().len(), 1);
}

#[tokio::test]
async fn cancel_of_jobs_that_do_not_run_says_why_it_did_nothing() {
    let edge = Edge::start().await;
    let ping = edge.ping(1);
    edge.offer(&ping);
    let cancel = |job: JobId| Work::Cancel(Cancel { job });
    edge.offer(&edge.job(2, cancel(JobId::new(UnixMillis(1), [77; 10]))));
    let (_server, _runner) = started(&edge).await;
    edge.until("two ends", |edge| edge.completions().len() == 2).await;
    edge.offer(&edge.job(3, cancel(ping.id)));
    edge.until("three ends", |edge| edge.completions().len() == 3)
        .await;
    let outcomes: Vec<_> = edge.completions().into_iter().map(|end| end.outcome).collect();
    let failed = |reason: &str| Outcome::Failed {
        step: None,
        reason: reason.into(),
    };
    assert!(
        outcomes.contains(&failed("the job never reached this server")),
        "{outcomes:?}"
    );
    assert_eq!(outcomes[2], failed("the job had ended already"));
}

#[tokio::test]
async fn job_that_was_done_in_an_earlier_attempt_is_answered_and_not_done_again() {
    let edge = Edge::start().await;
    let (_server, runner) = started(&edge).await;
    // The edge took this attempt away before it was started: it was not done.
    edge.faults(|faults| faults.lease_lost = true);
    let first = edge.ping(1);
    edge.offer(&first);
    edge.until("an acknowledgement", |edge| !edge.acks().is_empty())
        .await;
    edge.faults(|faults| faults.lease_lost = false);
    let attempt = |attempt: u32| Job {
        attempt,
        lease: format!("lease-{attempt}"),
        sequence: i64::from(attempt),
        ..first.clone()
    };
    // Done in the second; then the edge's database is a copy from before that.
    for number in [2, 3] {
        edge.offer(&attempt(number));
        edge.until("the end of the attempt", |edge| {
            edge.completions().iter().any(|end| end.attempt == number)
        })
        .await;
    }
    let ends: Vec<Outcome> = edge.completions().into_iter().map(|end| end.outcome).collect();
    assert_eq!(ends, vec![Outcome::Succeeded { manifest: None }; 2]);
    let (_, log) = runner.stop().await;
    assert_eq!(log.matches("a job is accepted").count(), 2, "{log}");
    assert_eq!(log.matches("was done in an earlier attempt").count(), 1, "{log}");
}
