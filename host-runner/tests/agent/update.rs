use crate::edge::{AUDIENCE, Edge};
use crate::runner::{Running, Server};
use devflow_protocol::job::{Inspect, Job, Update, Work};
use devflow_protocol::keys::{KeyStatement, write_key};
use devflow_protocol::outcome::Outcome;
use devflow_protocol::release::{Grant, Program, Release, SignedRelease};
use devflow_protocol::{UnixMillis, VERSION};
use ed25519_dalek::SigningKey;
use sha2::{Digest as _, Sha256};
use std::fs;
use std::path::{Path, PathBuf};

const DONE: Outcome = Outcome::Succeeded { manifest: None };

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

/// Who signs, and what: the recovery key 8 has granted the release key 7.
#[derive(Clone)]
struct Signed {
    granted_by: u8,
    released_by: u8,
    version: String,
    at: i64,
    program: Vec<u8>,
}

impl Signed {
    fn of(program: &[u8]) -> Self {
        Self {
            granted_by: 8,
            released_by: 7,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            at: 50,
            program: program.to_vec(),
        }
    }

    fn release(&self) -> SignedRelease {
        let release = Release {
            version: VERSION,
            runner: self.version.parse().expect("a version"),
            signed_at: UnixMillis(self.at),
            programs: vec![Program {
                target: std::env::consts::ARCH.parse().expect("a target"),
                size: self.program.len() as u64,
                sha256: hex::encode(Sha256::digest(&self.program)),
            }],
        };
        let grant = Grant::of(AUDIENCE, &key(7).verifying_key(), UnixMillis(5));
        SignedRelease {
            grant: grant.sign(&key(self.granted_by)),
            release: release.sign(&key(self.released_by)),
        }
    }

    fn job(&self, edge: &Edge, number: u8) -> Job {
        let work = Work::Update(Box::new(Update {
            release: self.release(),
        }));
        Job {
            project: None,
            ..edge.job(number, work)
        }
    }
}

/// An enrolled server with a program of its own, which knows the recovery key.
async fn started(edge: &Edge) -> (Server, Running, PathBuf) {
    let statement = KeyStatement {
        version: VERSION,
        edge: AUDIENCE.into(),
        job_key: write_key(&edge.key().verifying_key()),
        recovery_key: write_key(&key(8).verifying_key()),
        recovered_at: UnixMillis(0),
    };
    edge.tell_keys(&[statement.sign(edge.key(), edge.key())]);
    let mut server = Server::new();
    let folder = server.folder.path().join("program");
    fs::create_dir(&folder).expect("made");
    let program = folder.join("host-runner");
    // Without its symbols: a release is not larger than 64 MiB.
    let mut strip = std::process::Command::new("strip");
    strip.args(["-o".as_ref(), program.as_os_str()]);
    let stripped = strip.arg(env!("CARGO_BIN_EXE_host-runner")).status();
    assert!(stripped.expect("binutils are there").success());
    server.program = Some(program.clone());
    server.enrol(edge).await;
    let running = server.run();
    let known = devflow_protocol::dsse::fingerprint(&key(8).verifying_key());
    server.until_status(&known).await;
    (server, running, program)
}

/// The program, and another build of the same code: bytes behind the end of a program are nothing to it.
fn builds(program: &Path) -> (Vec<u8>, Vec<u8>) {
    let before = fs::read(program).expect("read");
    let next = [&before[..], b"\n# another build\n"].concat();
    (before, next)
}

/// Offers a job and waits for its end.
async fn outcome(edge: &Edge, job: &Job) -> Outcome {
    edge.offer(job);
    end_of(edge, job).await
}

async fn end_of(edge: &Edge, job: &Job) -> Outcome {
    let ends = |edge: &Edge| edge.completions().into_iter().find(|end| end.job == job.id);
    edge.until("the end of the update", |edge| ends(edge).is_some())
        .await;
    ends(edge).expect("it is there").outcome
}

fn reason(outcome: Outcome) -> String {
    match outcome {
        Outcome::Failed { reason, .. } | Outcome::Refused { reason } => reason,
        other => panic!("it has to be refused: {other:?}"),
    }
}

#[tokio::test]
async fn update_puts_another_program_in_place_and_keeps_the_one_before() {
    let edge = Edge::start().await;
    let (server, running, program) = started(&edge).await;
    let (before, next) = builds(&program);
    edge.publish(&next);
    assert_eq!(outcome(&edge, &Signed::of(&next).job(&edge, 1)).await, DONE);
    assert!(fs::read(&program).expect("read") == next, "it is not in place");
    let kept = program.with_file_name("host-runner.previous");
    assert!(fs::read(kept).expect("kept") == before, "the one before is gone");
    assert!(!server.state().join("update.json").exists());
    // The same process goes on, and takes jobs.
    assert_eq!(outcome(&edge, &edge.ping(2)).await, DONE);
    // Once more there is nothing to do; and what is older than this release is not taken any more.
    assert_eq!(outcome(&edge, &Signed::of(&next).job(&edge, 3)).await, DONE);
    let older = Signed {
        at: 49,
        ..Signed::of(&before)
    };
    let told = reason(outcome(&edge, &older.job(&edge, 4)).await);
    assert!(
        told.contains("older than the one that was installed here last"),
        "{told}"
    );
    assert!(running.stop().await.0.success());
    // What is left of an update that no journal knows is not taken for one that has to prove itself.
    let note = server.state().join("update.json");
    let sum = hex::encode(Sha256::digest(&next));
    fs::write(&note, format!(r#"{{"to":"{sum}","starts":0,"journal":0}}"#)).expect("written");
    let running = server.run();
    assert_eq!(outcome(&edge, &edge.ping(5)).await, DONE);
    assert!(!note.exists());
    assert!(running.stop().await.0.success());
}

#[tokio::test]
async fn update_that_is_not_to_be_trusted_changes_nothing() {
    let edge = Edge::start().await;
    let (server, running, program) = started(&edge).await;
    let (before, next) = builds(&program);
    let cut = next[..next.len() - 1].to_vec();
    let bad = b"#!/bin/sh\necho it is no runner >&2\nexit 7\n".to_vec();
    let staged = program.with_file_name(".host-runner.new");
    let good = Signed::of(&next);
    let with = |change: &dyn Fn(&mut Signed)| {
        let mut signed = good.clone();
        change(&mut signed);
        signed
    };
    let cases = [
        (
            with(&|signed| signed.granted_by = 9),
            &next,
            "the recovery key has not signed who signs releases",
        ),
        (
            with(&|signed| signed.released_by = 9),
            &next,
            "the release is not signed by the release key",
        ),
        (
            with(&|signed| signed.version = "0.0.9".to_owned()),
            &next,
            "an older one is installed by hand only",
        ),
        (good.clone(), &before, "is not the program that was signed"),
        (good.clone(), &cut, "is not the program that was signed"),
        (
            Signed::of(&bad),
            &bad,
            "it failed its trial (exit status: 7): it is no runner",
        ),
    ];
    for (number, (signed, sent, expected)) in (1..).zip(cases) {
        edge.publish(sent);
        let told = reason(outcome(&edge, &signed.job(&edge, number)).await);
        assert!(told.contains(expected), "{told}");
        assert!(fs::read(&program).expect("read") == before, "{expected}");
        assert!(!staged.exists(), "what was fetched is left: {expected}");
    }
    // Where the folder of the program cannot be written, which this is instead of.
    fs::create_dir(&staged).expect("made");
    edge.publish(&next);
    let told = reason(outcome(&edge, &good.job(&edge, 8)).await);
    assert!(
        told.contains("cannot be written") && told.contains("/install | sudo sh"),
        "{told}"
    );
    assert!(!program.with_file_name("host-runner.previous").exists());
    assert!(!server.state().join("update.json").exists());
    // Nor where the server's own policy does not have it.
    assert!(running.stop().await.0.success());
    let policy = server.folder.path().join("policy.toml");
    fs::write(policy, "[allow]\nverbs = [\"ping\"]\n").expect("written");
    let running = server.run();
    edge.publish(&next);
    let told = reason(outcome(&edge, &good.job(&edge, 9)).await);
    assert!(told.contains("does not allow `update`"), "{told}");
    assert!(running.stop().await.0.success());
}

#[tokio::test]
async fn update_waits_for_the_jobs_that_run_and_takes_no_new_ones_meanwhile() {
    let edge = Edge::start().await;
    let (_server, running, program) = started(&edge).await;
    let (before, next) = builds(&program);
    edge.publish(&next);
    // A look at a repository whose host takes its time.
    let host = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = format!("https://{}/shop.git", host.local_addr().expect("an address"));
    let look = edge.job(
        1,
        Work::Inspect(Inspect {
            repository_token: None,
            repository: address.parse().expect("an address"),
            ref_name: "refs/heads/main".parse().expect("a ref"),
        }),
    );
    edge.offer(&look);
    let (held, _) = host.accept().await.expect("git asks");
    let update = Signed::of(&next).job(&edge, 2);
    edge.offer(&update);
    edge.until("a poll that takes nothing", |edge| {
        edge.polls().last().is_some_and(|poll| poll.paused)
    })
    .await;
    assert!(fs::read(&program).expect("read") == before, "it did not wait");
    assert!(edge.completions().is_empty());
    // What an edge in other hands may ask for beside it: bytes of another update where those of this one were checked.
    let other = [&next[..], b"\n# a third one\n"].concat();
    let told = reason(outcome(&edge, &Signed::of(&other).job(&edge, 3)).await);
    assert!(told.contains("another update of the runner is at work"), "{told}");
    drop((held, host));
    edge.until("both ends", |edge| {
        [&look, &update]
            .iter()
            .all(|job| edge.completions().iter().any(|end| end.job == job.id))
    })
    .await;
    assert!(fs::read(&program).expect("read") == next, "it is not in place");
    assert!(edge.polls().last().is_some_and(|poll| !poll.paused));
    assert!(running.stop().await.0.success());
}

/// Has a build put in place by a runner that is killed at these moments, and started again as systemd does. Gives the one that
/// runs at last, and the outcome.
async fn killed(
    edge: &Edge,
    server: &Server,
    running: Running,
    job: &Job,
    moments: &[&str],
) -> (Running, Outcome) {
    let kill_at = server.state().join("kill-at");
    let mut first = Some(running);
    for moment in moments {
        fs::write(&kill_at, moment).expect("written");
        let running = first.take().map_or_else(
            || server.run(),
            |running| {
                edge.offer(job);
                running
            },
        );
        let (status, log) = running.ended().await;
        assert!(!status.success() && !kill_at.exists(), "{moment}: {log}");
    }
    let running = server.run();
    let outcome = end_of(edge, job).await;
    (running, outcome)
}

#[tokio::test]
async fn update_whose_runner_is_killed_ends_with_one_whole_program_and_says_how_it_went() {
    let edge = Edge::start().await;
    let (server, mut running, program) = started(&edge).await;
    let base = fs::read(&program).expect("read");
    let again = "start the update again";
    let cases = [
        (vec!["before:update-note"], "", Some(again)),
        (vec!["before:update-exchange"], "", Some(again)),
        (vec!["after:update-exchange"], "", None),
        (vec!["before:update-done"], "", None),
        (vec!["after:update-done"], "", None),
        (
            vec!["before:update-back"],
            "#cut-off yes",
            Some("did not reach the edge"),
        ),
        (
            vec!["after:update-back"],
            "#cut-off yes",
            Some("did not reach the edge"),
        ),
        // It never comes to its end: at its fourth start the one before is there again.
        (vec!["before:update-done"; 3], "", Some("it ended 3 times")),
    ];
    for (number, (moments, claims, expected)) in (1..).zip(cases) {
        let before = fs::read(&program).expect("read");
        let next = [&base[..], format!("\n# build {number}\n{claims}\n").as_bytes()].concat();
        edge.publish(&next);
        let signed = Signed {
            at: 50 + i64::from(number),
            ..Signed::of(&next)
        };
        let job = signed.job(&edge, number);
        let (left, outcome) = killed(&edge, &server, running, &job, &moments).await;
        running = left;
        let in_place = match expected {
            None => {
                assert_eq!(outcome, DONE, "{moments:?}");
                next
            }
            Some(expected) => {
                let told = reason(outcome);
                assert!(told.contains(expected), "{moments:?}: {told}");
                before
            }
        };
        assert!(fs::read(&program).expect("read") == in_place, "{moments:?}");
        assert!(!server.state().join("update.json").exists(), "{moments:?}");
    }
    assert!(running.stop().await.0.success());
}
