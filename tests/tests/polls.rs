//! Polls of one runner that overlap, or whose answer is lost, and those of many, at the real edge.

use anyhow::{Context as _, Result, anyhow, ensure};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use devflow_protocol::enrol::{EnrolClaims, EnrolRequest, EnrolToken};
use devflow_protocol::job::Job;
use devflow_protocol::keys::read_key;
use devflow_protocol::request::{HEADER, RequestClaims, body_sha256};
use devflow_protocol::runner_api::{ENROL, EnrolAnswer, POLL, PollAnswer, ServerFacts, code};
use devflow_protocol::{RunnerSessionId, UnixMillis};
use devflow_tests::api::Api;
use devflow_tests::edge::Edge;
use devflow_tests::http::{Answer, Client};
use devflow_tests::places::Scratch;
use devflow_tests::process::wait_for;
use ed25519_dalek::SigningKey;
use serde_json::json;
use std::collections::BTreeSet;
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

fn now() -> Result<UnixMillis> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(UnixMillis(i64::try_from(since.as_millis())?))
}

/// A runner as far as its polls go.
#[derive(Clone)]
struct Polling {
    base: String,
    key: SigningKey,
    enrolled: EnrolAnswer,
    session: RunnerSessionId,
}

impl Polling {
    fn enrol(edge: &Edge, api: &Api, number: u8) -> Result<Self> {
        let (_, enrolment) = api.add_server(&format!("web-{number}"))?;
        let part = |name: &str| enrolment[name].as_str().context("a part is missing");
        let token: EnrolToken = part("token")?.parse()?;
        let key = SigningKey::from_bytes(&[number; 32]);
        let claims = EnrolClaims {
            audience: part("fingerprint")?.to_owned(),
            signing_key: BASE64_STANDARD.encode(key.verifying_key().as_bytes()),
            sealing_key: BASE64_STANDARD.encode([9; 32]),
            facts: ServerFacts::default(),
        };
        let body = serde_json::to_vec(&EnrolRequest::sign(&claims, &token)?)?;
        let url = format!("{}{ENROL}", edge.url());
        let headers = [("content-type", "application/json")];
        let answer = Client::default().send("POST", &url, &headers, Some(&body))?;
        Ok(Self {
            base: edge.url().to_owned(),
            key,
            enrolled: serde_json::from_value(answer.expect(200)?)?,
            session: RunnerSessionId::new(now()?, [7; 10]),
        })
    }

    fn poll(&self) -> Result<Answer> {
        let request = json!({"last_sequence": 0, "open": []});
        let body = serde_json::to_vec(&request)?;
        let claims = RequestClaims {
            audience: self.enrolled.edge.clone(),
            server: self.enrolled.server.clone(),
            session: self.session.clone(),
            method: "POST".to_owned(),
            route: POLL.to_owned(),
            request_id: hex::encode(now()?.0.to_be_bytes()),
            created: now()?,
            body_sha256: body_sha256(&body),
        };
        let header = claims.to_header(&self.key)?;
        let headers = [("content-type", "application/json"), (HEADER, header.as_str())];
        let client = Client::with_timeout(Duration::from_secs(70));
        client.send("POST", &format!("{}{POLL}", self.base), &headers, Some(&body))
    }

    fn begin(&self) -> JoinHandle<Result<Answer>> {
        let runner = self.clone();
        thread::spawn(move || runner.poll())
    }

    /// Polls that are held by the time this returns.
    fn hold<const N: usize>(&self) -> Result<[JoinHandle<Result<Answer>>; N]> {
        let held = std::array::from_fn(|_| self.begin());
        are_held(&held)?;
        Ok(held)
    }
}

/// Waits for as long as an edge takes that answers at once.
fn are_held(polls: &[JoinHandle<Result<Answer>>]) -> Result<()> {
    thread::sleep(Duration::from_secs(2));
    ensure!(
        !polls.iter().any(JoinHandle::is_finished),
        "the polls are not held"
    );
    Ok(())
}

fn ended(poll: JoinHandle<Result<Answer>>) -> Result<Answer> {
    poll.join().map_err(|_| anyhow!("a poll panicked"))?
}

/// The envelope of an answer that has a job.
fn envelope(answer: &Answer) -> Result<Option<String>> {
    let answer: PollAnswer = serde_json::from_value(answer.expect(200)?)?;
    Ok(answer.job.map(|job| serde_json::to_string(&job)).transpose()?)
}

/// The job of an answer, as the runner reads it.
fn job(runner: &Polling, answer: &Answer) -> Result<Job> {
    let answer: PollAnswer = serde_json::from_value(answer.expect(200)?)?;
    let key = read_key(&runner.enrolled.job_key).context("the edge's key cannot be read")?;
    Ok(Job::open(&answer.job.context("no job came")?, [&key])?)
}

fn ping(api: &Api, runner: &Polling) -> Result<()> {
    let path = format!("/servers/{}/ping", runner.enrolled.server);
    let answer = api.call("POST", &path, Some(&json!({})))?;
    ensure!((200..300).contains(&answer.status), "{}", answer.text());
    Ok(())
}

#[test]
fn overlapping_polls_of_one_runner_get_one_lease_of_one_job() -> Result<()> {
    let scratch = Scratch::new()?;
    // Shorter than a lease: a poll that comes while the envelope is being stored is held to the end of it.
    let edge = Edge::start_with(scratch.path(), &json!({"POLL_HOLD_MS": "8000"}))?;
    let (api, _) = edge.set_up()?;
    let runner = Polling::enrol(&edge, &api, 1)?;
    let held = runner.hold::<3>()?;
    ping(&api, &runner)?;
    wait_for("an answer", Duration::from_secs(20), || {
        Ok(held.iter().any(JoinHandle::is_finished).then_some(()))
    })?;
    // As if its answer were lost: it comes again, the same to the byte, so that no attempt is spent.
    let again = envelope(&runner.poll()?)?.context("it does not come again")?;
    let mut envelopes = Vec::new();
    for poll in held {
        envelopes.extend(envelope(&ended(poll)?)?);
    }
    ensure!(!envelopes.is_empty(), "nobody got the job");
    ensure!(
        envelopes.iter().all(|envelope| *envelope == again),
        "{envelopes:#?} {again}"
    );
    Ok(())
}

#[test]
fn newer_run_with_the_same_keys_takes_over_and_the_older_one_is_told() -> Result<()> {
    let scratch = Scratch::new()?;
    let edge = Edge::start(scratch.path())?;
    let (api, _) = edge.set_up()?;
    let older = Polling::enrol(&edge, &api, 1)?;
    let newer = Polling {
        session: RunnerSessionId::new(now()?.plus(1_000), [7; 10]),
        ..older.clone()
    };
    let [pushed_out] = older.hold()?;
    let [held] = newer.hold()?;
    // The one that waits is told at once, the next one as it comes, and neither gets the job.
    ensure!(pushed_out.is_finished(), "the older poll is still held");
    for answer in [ended(pushed_out)?, older.poll()?] {
        assert_eq!(answer.expect(409)?["code"], code::SESSION_SUPERSEDED);
    }
    ping(&api, &newer)?;
    ensure!(envelope(&ended(held)?)?.is_some(), "the newer one got no job");
    assert_eq!(older.poll()?.expect(409)?["code"], code::SESSION_SUPERSEDED);
    Ok(())
}

/// How many servers the fleet of a large team has.
const FLEET: u8 = 20;

#[test]
fn fleet_that_waits_gets_each_its_own_job_at_once() -> Result<()> {
    let scratch = Scratch::new()?;
    let edge = Edge::start(scratch.path())?;
    let (api, _) = edge.set_up()?;
    let fleet: Vec<Polling> = (1..=FLEET)
        .map(|number| Polling::enrol(&edge, &api, number))
        .collect::<Result<_>>()?;
    let held: Vec<_> = fleet.iter().map(Polling::begin).collect();
    are_held(&held)?;
    // The last one first: nobody's place in a queue decides.
    for runner in fleet.iter().rev() {
        ping(&api, runner)?;
    }
    wait_for("all jobs", Duration::from_secs(20), || {
        Ok(held.iter().all(JoinHandle::is_finished).then_some(()))
    })?;
    let mut jobs = BTreeSet::new();
    for (runner, poll) in fleet.iter().zip(held) {
        let job = job(runner, &ended(poll)?)?;
        ensure!(
            job.server == runner.enrolled.server,
            "a job for another server: {job:?}"
        );
        jobs.insert(job.id);
    }
    ensure!(jobs.len() == fleet.len(), "{} jobs came", jobs.len());
    Ok(())
}
