use crate::edge::{Edge, TOKEN};
use crate::runner::Server;
use devflow_protocol::enrol::{EnrolError, EnrolRequest, EnrolToken};
use std::os::unix::fs::PermissionsExt as _;

#[tokio::test]
async fn enrolment_pins_the_edge_and_closes_its_files() {
    let edge = Edge::start().await;
    let server = Server::new();
    server.enrol(&edge).await;
    let mode = |name: &str| {
        let path = server.state().join(name);
        std::fs::metadata(path).expect("there").permissions().mode() & 0o777
    };
    assert_eq!(
        (mode(""), mode("identity.json"), mode("deploy_key")),
        (0o700, 0o600, 0o600)
    );
    let status = server.call(&["status", "--json"], "").await;
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).expect("JSON");
    assert_eq!(status["edge"], edge.address.as_str());
    assert_eq!(status["server"], edge.server().as_str());
}

#[tokio::test]
async fn enrolment_with_another_key_than_announced_stores_nothing() {
    let edge = Edge::start().await;
    edge.faults(|faults| faults.impostor = true);
    let server = Server::new();
    let wrong = format!("sha256:{}", "0".repeat(64));
    let arguments = ["enrol", "--edge", &edge.address, "--fingerprint", &wrong];
    let output = server.call(&arguments, TOKEN).await;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("nothing was stored"), "{text}");
    assert!(!server.state().join("identity.json").exists());

    // Who answered in the edge's place has nothing to enrol with: not the token, and no other key can be put in.
    let caught = edge.enrolments().remove(0);
    assert!(!caught.contains(&TOKEN[4..]), "{caught}");
    let caught: EnrolRequest = serde_json::from_str(&caught).expect("an enrolment");
    assert!(matches!(
        caught.open(&edge.fingerprint()),
        Err(EnrolError::OtherEdge)
    ));
}

#[tokio::test]
async fn enrolment_at_another_edge_than_meant_is_refused_by_that_edge() {
    let edge = Edge::start().await;
    let server = Server::new();
    let wrong = format!("sha256:{}", "0".repeat(64));
    let arguments = ["enrol", "--edge", &edge.address, "--fingerprint", &wrong];
    let output = server.call(&arguments, TOKEN).await;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("signed for another edge"), "{text}");
    assert!(!server.state().join("identity.json").exists());
}

#[tokio::test]
async fn enrolment_with_half_a_token_asks_nobody() {
    let edge = Edge::start().await;
    let server = Server::new();
    let fingerprint = edge.fingerprint();
    let arguments = ["enrol", "--edge", &edge.address, "--fingerprint", &fingerprint];
    let output = server.call(&arguments, &TOKEN[..20]).await;
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "host-runner: an enrolment token begins with dfe_ and has 43 more characters; copy the whole of it\n"
    );
    assert!(edge.enrolments().is_empty());
}

#[tokio::test]
async fn enrolment_of_an_enrolled_server_needs_force() {
    let edge = Edge::start().await;
    let server = Server::new();
    server.enrol(&edge).await;
    let before = std::fs::read(server.state().join("identity.json")).expect("there");
    let key = std::fs::read(server.state().join("deploy_key")).expect("there");
    let token_file = server.folder.path().join("token");
    std::fs::write(&token_file, format!("{TOKEN}\n")).expect("written");
    let fingerprint = edge.fingerprint();
    let mut arguments = vec!["enrol", "--edge", &edge.address, "--fingerprint", &fingerprint];
    arguments.extend(["--token-file", token_file.to_str().expect("text")]);
    let refused = server.call(&arguments, "").await;
    assert_eq!(refused.status.code(), Some(1));
    assert_eq!(
        std::fs::read(server.state().join("identity.json")).expect("there"),
        before
    );

    arguments.push("--force");
    let replaced = server.call(&arguments, "").await;
    assert!(replaced.status.success(), "{replaced:?}");
    assert_ne!(
        std::fs::read(server.state().join("identity.json")).expect("there"),
        before
    );
    assert_eq!(
        std::fs::read(server.state().join("deploy_key")).expect("there"),
        key
    );
}

#[tokio::test]
async fn enrolment_with_a_used_token_says_what_to_do() {
    let edge = Edge::start().await;
    let server = Server::new();
    let fingerprint = edge.fingerprint();
    let arguments = ["enrol", "--edge", &edge.address, "--fingerprint", &fingerprint];
    let another = EnrolToken::from_seed([1; 32]).to_text();
    let output = server.call(&arguments, &another).await;
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "host-runner: the enrolment failed; a token works once and for a short time, the dashboard makes a new \
         one: the edge answered 401 (wrong_token): the token is not known\n"
    );
}

#[tokio::test]
async fn run_without_enrolment_and_beside_another_runner_is_refused() {
    let edge = Edge::start().await;
    let server = Server::new();
    let (status, log) = server.run().ended().await;
    assert_eq!(status.code(), Some(1));
    assert!(log.contains("this server is not enrolled"), "{log}");

    server.enrol(&edge).await;
    let first = server.run();
    edge.until("a poll", |edge| !edge.polls().is_empty()).await;
    let (status, log) = server.run().ended().await;
    assert_eq!(status.code(), Some(1));
    assert!(log.contains("another host-runner uses"), "{log}");
    let (status, _) = first.stop().await;
    assert_eq!(status.code(), Some(0));
}
