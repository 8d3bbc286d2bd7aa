//! What to do with an envelope: decided from its content, the clock, the policy and the pins; nothing is done yet.

use crate::identity::Identity;
use crate::journal::{JobKey, Ticket};
use crate::policy::Policy;
use devflow_protocol::dsse::Envelope;
use devflow_protocol::job::{Job, JobError, PAYLOAD_TYPE};
use devflow_protocol::request::SKEW_MS;
use devflow_protocol::{JobId, ServerId, UnixMillis, limits};
use serde::Deserialize;

/// What an envelope is to the runner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Intake {
    /// A job to do, if the journal does not know it.
    Offer(Box<Job>),
    /// An authentic job for this server that is not done; the edge is told why.
    Refuse(Ticket, String),
    /// Not trusted, or not for this server: logged, and answered to nobody.
    Drop(String),
}

/// Reads the parts of a job that a refusal needs, whatever version the rest has.
#[derive(Deserialize)]
struct Outline {
    id: JobId,
    server: ServerId,
    #[serde(default)]
    sequence: i64,
    attempt: u32,
    lease: String,
}

/// Verifies and reads `envelope`. Policy and pins are judged by [`permitted`].
pub(crate) fn open(envelope: &Envelope, identity: &Identity) -> Intake {
    if envelope.payload.len() > limits::ENVELOPE_BYTES {
        return Intake::Drop(format!("it is larger than {} bytes", limits::ENVELOPE_BYTES));
    }
    match Job::open(envelope, [&identity.pins.job_key]) {
        Ok(job) if job.server != identity.server => Intake::Drop(format!(
            "the job {} is for another server, {}",
            job.id, job.server
        )),
        Ok(job) => Intake::Offer(Box::new(job)),
        Err(JobError::Envelope(error)) => Intake::Drop(error.to_string()),
        Err(error @ (JobError::Version(_) | JobError::Parse(_))) => unreadable(envelope, identity, &error),
    }
}

/// A job that the edge signed and this version cannot read.
fn unreadable(envelope: &Envelope, identity: &Identity, error: &JobError) -> Intake {
    let outline = envelope
        .verify(PAYLOAD_TYPE, [&identity.pins.job_key])
        .ok()
        .and_then(|payload| serde_json::from_slice::<Outline>(&payload).ok());
    match outline {
        Some(outline) if outline.server == identity.server => Intake::Refuse(
            Ticket {
                key: JobKey {
                    job: outline.id,
                    attempt: outline.attempt,
                },
                lease: outline.lease,
                sequence: outline.sequence,
                verb: String::new(),
                slug: None,
            },
            error.to_string(),
        ),
        _ => Intake::Drop(error.to_string()),
    }
}

/// Whether a job that the journal does not know may be started now.
///
/// # Errors
/// One sentence for the edge.
pub(crate) fn permitted(
    job: &Job,
    policy: &Policy,
    pin: Option<&str>,
    now: UnixMillis,
) -> Result<(), String> {
    in_time(job, now)?;
    policy.judge(&job.work, pin)
}

/// Whether `job` may be started at `now`.
///
/// # Errors
/// One sentence for the edge.
pub(crate) fn in_time(job: &Job, now: UnixMillis) -> Result<(), String> {
    if now > job.expires_at {
        let late = now.since(job.expires_at) / 1000;
        return Err(format!(
            "the job expired {late} s before it reached this server; start it again"
        ));
    }
    // The clocks may be apart by what the edge tolerates of requests.
    if job.not_before > now.plus(SKEW_MS) {
        let early = job.not_before.since(now) / 1000;
        return Err(format!(
            "the job is not to be started for another {early} s; check the clocks of server and edge"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;
    use ed25519_dalek::SigningKey;
    use proptest::prelude::*;

    fn edge_key() -> SigningKey {
        SigningKey::from_bytes(&[9; 32])
    }

    fn identity() -> Identity {
        samples::identity(edge_key().verifying_key())
    }

    fn signed(payload: &str) -> Envelope {
        Envelope::sign(PAYLOAD_TYPE, payload.as_bytes(), &edge_key())
    }

    #[test]
    fn open_offers_an_authentic_job_and_drops_what_is_not_trusted() {
        let job = samples::ping(1);
        let envelope = job.sign(&edge_key()).expect("signed");
        assert_eq!(open(&envelope, &identity()), Intake::Offer(Box::new(job.clone())));

        let foreign_key = job.sign(&SigningKey::from_bytes(&[8; 32])).expect("signed");
        assert_eq!(
            open(&foreign_key, &identity()),
            Intake::Drop("no signature is by a trusted key".into())
        );
        let mut other = job;
        other.server = ServerId::new(UnixMillis(2), [7; 10]);
        let Intake::Drop(reason) = open(&other.sign(&edge_key()).expect("signed"), &identity()) else {
            panic!("a job for another server must be dropped");
        };
        assert!(
            reason.ends_with(&format!("is for another server, {}", other.server)),
            "{reason}"
        );
        let mut large = envelope;
        large.payload = "A".repeat(limits::ENVELOPE_BYTES + 1);
        assert!(matches!(open(&large, &identity()), Intake::Drop(_)));
    }

    #[test]
    fn open_refuses_by_name_what_it_cannot_read() {
        let text = serde_json::to_string(&samples::ping(1)).expect("JSON");
        let reason = |text: &str| match open(&signed(text), &identity()) {
            Intake::Refuse(ticket, reason) => {
                assert_eq!(ticket.key, JobKey::of(&samples::ping(1)));
                assert_eq!(ticket.lease, "lease-1");
                reason
            }
            other => panic!("must be refused: {other:?}"),
        };
        assert_eq!(
            reason(&text.replace("\"version\":1", "\"version\":2")),
            "the job has version 2, this side speaks 1; update the older side"
        );
        assert!(reason(&text.replace("\"ping\"", "\"shell\"")).contains("unknown variant `shell`"));
        assert!(
            reason(&text.replace("\"sequence\"", "\"surprise\":1,\"sequence\"")).contains("unknown field")
        );
        assert!(matches!(open(&signed("{}"), &identity()), Intake::Drop(_)));
    }

    #[test]
    fn open_never_offers_what_is_not_a_whole_job() {
        let identity = identity();
        let key = edge_key();
        let whole = serde_json::to_vec(&samples::ping(1)).expect("JSON");
        // Signing takes long without optimisation, so the cases are few.
        let config = ProptestConfig::with_cases(24);
        proptest!(config, |(noise in prop::collection::vec(any::<u8>(), 0..200), cut in 0..whole.len())| {
            for payload in [&noise[..], &whole[..cut]] {
                let envelope = Envelope::sign(PAYLOAD_TYPE, payload, &key);
                prop_assert!(matches!(open(&envelope, &identity), Intake::Drop(_)));
            }
        });
    }

    #[test]
    fn in_time_refuses_what_is_expired_or_from_the_future() {
        let mut job = samples::ping(1);
        job.not_before = UnixMillis(100_000);
        job.expires_at = UnixMillis(200_000);
        assert_eq!(in_time(&job, UnixMillis(200_000)), Ok(()));
        assert_eq!(in_time(&job, UnixMillis(40_000)), Ok(()));
        assert_eq!(
            in_time(&job, UnixMillis(203_000)).expect_err("expired"),
            "the job expired 3 s before it reached this server; start it again"
        );
        assert_eq!(
            in_time(&job, UnixMillis(39_000)).expect_err("early"),
            "the job is not to be started for another 61 s; check the clocks of server and edge"
        );
    }
}
