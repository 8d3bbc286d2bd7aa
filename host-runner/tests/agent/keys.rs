use crate::edge::{AUDIENCE, Edge};
use crate::runner::{Server, started};
use devflow_protocol::dsse::{Envelope, KeyId, fingerprint};
use devflow_protocol::keys::{KeyStatement, write_key};
use devflow_protocol::{UnixMillis, VERSION};
use ed25519_dalek::SigningKey;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

/// What `by` signs: from now on `job_key`.
fn statement(by: &SigningKey, job_key: &SigningKey, recovery_key: &SigningKey, at: i64) -> Envelope {
    let statement = KeyStatement {
        version: VERSION,
        edge: AUDIENCE.into(),
        job_key: write_key(&job_key.verifying_key()),
        recovery_key: write_key(&recovery_key.verifying_key()),
        recovered_at: UnixMillis(at),
    };
    statement.sign(by, job_key)
}

fn print(key: &SigningKey) -> String {
    fingerprint(&key.verifying_key())
}

async fn status(server: &Server) -> serde_json::Value {
    let status = server.call(&["status", "--json"], "").await;
    serde_json::from_slice(&status.stdout).expect("JSON")
}

#[tokio::test]
async fn job_key_that_was_handed_on_is_the_only_one_from_then_on() {
    let edge = Edge::start().await;
    let (second, third, recovery) = (key(2), key(3), key(8));
    edge.tell_keys(&[statement(edge.key(), edge.key(), &recovery, 0)]);
    let (server, runner) = started(&edge).await;
    server.until_status(&print(&recovery)).await;
    let known = |edge: &Edge| edge.polls().last().and_then(|poll| poll.keys.clone());
    let told = known(&edge).expect("a poll says which keys are trusted");
    assert_eq!(told.job_key, KeyId::of(&edge.key().verifying_key()));

    // Away while the key was handed on twice, the second time by the recovery key.
    runner.kill().await;
    edge.tell_keys(&[
        statement(edge.key(), edge.key(), &recovery, 0),
        statement(edge.key(), &second, &recovery, 0),
        statement(&recovery, &third, &recovery, 50),
    ]);
    let runner = server.run();
    server.until_status(&print(&third)).await;
    let by = |number: u8, key: &SigningKey| edge.ping(number).sign(key).expect("signed");
    for envelope in [by(1, edge.key()), by(2, &second), by(3, &third)] {
        edge.offer_once(envelope);
    }
    edge.until("a completion", |edge| !edge.completions().is_empty())
        .await;
    let (_, log) = runner.stop().await;
    assert_eq!(log.matches("a job was dropped").count(), 2, "{log}");

    // What was pinned is on disk: nothing leads back.
    edge.tell_keys(&[statement(edge.key(), &second, &recovery, 0)]);
    let runner = server.run();
    edge.offer_once(by(4, &second));
    edge.offer_once(by(5, &third));
    // A result may be told twice: the runner may have ended before it heard that the first was taken.
    let ended = |edge: &Edge, number: u8| {
        let job = edge.ping(number).id;
        edge.completions().iter().any(|end| end.job == job)
    };
    edge.until("another completion", |edge| ended(edge, 5)).await;
    assert!(![1, 2, 4].iter().any(|number| ended(&edge, *number)));
    let (_, log) = runner.stop().await;
    assert!(log.contains("keys that this server does not trust"), "{log}");
    assert_eq!(status(&server).await["job_key"], print(&third));
}

#[tokio::test]
async fn keys_that_nobody_trusted_signed_for_change_nothing() {
    let edge = Edge::start().await;
    let (recovery, thief) = (key(8), key(6));
    edge.tell_keys(&[statement(edge.key(), edge.key(), &recovery, 0)]);
    let (server, runner) = started(&edge).await;
    server.until_status(&print(&recovery)).await;
    // A key of their own; and with the stolen job key, the recovery key and the time of a recovery.
    let forged = [
        statement(&thief, &thief, &recovery, 99),
        statement(edge.key(), edge.key(), &thief, 0),
        statement(edge.key(), &thief, &recovery, 99),
    ];
    for statement in forged {
        edge.tell_keys(&[statement]);
        let polls = edge.polls().len();
        edge.until("two polls", |edge| edge.polls().len() > polls + 1)
            .await;
    }
    edge.offer_once(edge.ping(1).sign(&thief).expect("signed"));
    edge.offer(&edge.ping(2));
    edge.until("a completion", |edge| !edge.completions().is_empty())
        .await;
    assert_eq!(edge.completions()[0].job, edge.ping(2).id);
    let now = status(&server).await;
    assert_eq!(
        (&now["job_key"], &now["recovery_key"]),
        (&print(edge.key()).into(), &print(&recovery).into())
    );
    runner.kill().await;
}
