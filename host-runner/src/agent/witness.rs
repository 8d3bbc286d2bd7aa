//! Keeps what the edge shows of its audit trail, and notices when that is another trail than before.

use super::Agent;
use crate::journal::{Journal, JournalError};
use devflow_protocol::UnixMillis;
use devflow_protocol::dsse::Envelope;
use devflow_protocol::keys::Pins;
use devflow_protocol::witness::Head;
use ed25519_dalek::VerifyingKey;

/// Keeps the segment of a poll's answer, the newest one that there is; one that the edge did not sign is only logged. `before`
/// is the job key that was pinned when it was asked for.
pub(super) fn witness(agent: &Agent, segment: &Envelope, before: &VerifyingKey) -> Result<(), JournalError> {
    let pins = &agent.identity().pins;
    keep(&agent.journal, pins, before, segment, agent.clock.now())
}

/// Keeps the segment of a job, which was the newest one when the job was signed.
pub(super) fn witness_of_job(
    agent: &Agent,
    segment: &Envelope,
    before: &VerifyingKey,
) -> Result<(), JournalError> {
    let pins = &agent.identity().pins;
    keep_of_job(&agent.journal, pins, before, segment, agent.clock.now())
}

/// A segment of the edge's own trail that one of its keys signed.
fn read(pins: &Pins, before: &VerifyingKey, segment: &Envelope) -> Option<Head> {
    match Head::open(segment, [&pins.job_key, before]) {
        Ok(head) if head.segment.edge == pins.edge => Some(head),
        Ok(head) => {
            tracing::error!(
                edge = head.segment.edge,
                "a segment of another edge's audit trail is not kept"
            );
            None
        }
        Err(error) => {
            tracing::error!(%error, "what should be a segment of the audit trail is not kept");
            None
        }
    }
}

fn tell(seen: &Head, shown: &Head) {
    tracing::error!(
        audit.seen = seen.segment.number,
        audit.shown = shown.segment.number,
        "the edge's audit trail is not the one that this server saw before: it was cut off or made again"
    );
}

fn keep(
    journal: &Journal,
    pins: &Pins,
    before: &VerifyingKey,
    segment: &Envelope,
    now: UnixMillis,
) -> Result<(), JournalError> {
    match read(pins, before, segment) {
        Some(head) => keep_newest(journal, &head, segment, now),
        None => Ok(()),
    }
}

fn keep_newest(
    journal: &Journal,
    head: &Head,
    segment: &Envelope,
    now: UnixMillis,
) -> Result<(), JournalError> {
    let before = journal.last_seen()?;
    let before = before.and_then(|seen| Head::kept(&seen.envelope).ok());
    let contradicts = before.as_ref().is_some_and(|before| head.contradicts(before));
    if let Some(before) = before.filter(|_| contradicts) {
        tell(&before, head);
    }
    journal.witness(head, segment, contradicts, now)
}

fn keep_of_job(
    journal: &Journal,
    pins: &Pins,
    before: &VerifyingKey,
    segment: &Envelope,
    now: UnixMillis,
) -> Result<(), JournalError> {
    let Some(head) = read(pins, before, segment) else {
        return Ok(());
    };
    let number = head.segment.number;
    if journal.last_seen()?.is_none_or(|seen| seen.number < number) {
        return keep_newest(journal, &head, segment, now);
    }
    // The job was signed some time ago, and newer ones were shown since: they have to be of one trail.
    let near = journal.seen_near(number)?;
    if near.iter().any(|seen| seen.head == head.head) {
        return Ok(());
    }
    let mut near = near.iter().filter_map(|seen| Head::kept(&seen.envelope).ok());
    let Some(other) = near.find(|seen| head.cannot_be_beside(seen)) else {
        return Ok(());
    };
    tell(&other, &head);
    journal.witness(&head, segment, true, now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;
    use devflow_protocol::audit::{Row, Sealed, seal};
    use ed25519_dalek::SigningKey;

    fn key() -> SigningKey {
        SigningKey::from_bytes(&[9; 32])
    }

    fn pins() -> Pins {
        samples::identity(key().verifying_key()).pins
    }

    /// The segment of one row behind another one.
    fn sealed(id: i64, actor: &str, before: Option<&Sealed>) -> Sealed {
        let row = Row {
            id,
            at: UnixMillis(id),
            actor: actor.into(),
            action: "project.create".into(),
            subject: String::new(),
            detail: String::new(),
            personal: None,
        };
        let before = before.map(|before| (before.segment.number, before.head.as_str()));
        seal("edge-1", before, &[row], &key(), UnixMillis(id)).expect("a row")
    }

    /// What is kept after these were shown one after the other: number, and whether it contradicts.
    fn kept(shown: &[&Envelope]) -> Vec<(u64, bool)> {
        let folder = tempfile::tempdir().expect("a folder");
        let journal = Journal::open(folder.path()).expect("opened");
        for (index, segment) in shown.iter().enumerate() {
            let at = UnixMillis(i64::try_from(index).expect("few"));
            keep(&journal, &pins(), &key().verifying_key(), segment, at).expect("kept");
        }
        let seen = journal.witnesses().expect("read");
        seen.iter().map(|seen| (seen.number, seen.contradicts)).collect()
    }

    #[test]
    fn segments_of_one_trail_are_kept_once_each() {
        let first = sealed(1, "usr_1", None);
        let second = sealed(2, "usr_1", Some(&first));
        let fourth = sealed(4, "usr_1", Some(&sealed(3, "usr_1", Some(&second))));
        assert_eq!(
            kept(&[
                &first.envelope,
                &first.envelope,
                &second.envelope,
                &fourth.envelope
            ]),
            [(1, false), (2, false), (4, false)]
        );
    }

    #[test]
    fn trail_that_was_made_again_or_cut_off_is_noticed() {
        let (first, other) = (sealed(1, "usr_1", None), sealed(1, "usr_2", None));
        let second = sealed(2, "usr_1", Some(&first));
        let another_second = sealed(2, "usr_1", Some(&other));
        assert_eq!(kept(&[&first.envelope, &other.envelope]), [(1, false), (1, true)]);
        assert_eq!(
            kept(&[&first.envelope, &another_second.envelope]),
            [(1, false), (2, true)]
        );
        // Cut off: what is shown was seen before, and is not the newest any more.
        assert_eq!(
            kept(&[
                &first.envelope,
                &second.envelope,
                &first.envelope,
                &first.envelope
            ]),
            [(1, false), (2, false), (1, true)]
        );
    }

    /// What is kept after `shown` came with polls, and then `of_job` with a job.
    fn kept_with_job(shown: &[&Sealed], of_job: &Envelope) -> Vec<(u64, bool)> {
        let folder = tempfile::tempdir().expect("a folder");
        let journal = Journal::open(folder.path()).expect("opened");
        let (pins, key) = (pins(), key().verifying_key());
        for sealed in shown {
            keep(&journal, &pins, &key, &sealed.envelope, UnixMillis(1)).expect("kept");
        }
        keep_of_job(&journal, &pins, &key, of_job, UnixMillis(2)).expect("kept");
        let seen = journal.witnesses().expect("read");
        seen.iter().map(|seen| (seen.number, seen.contradicts)).collect()
    }

    #[test]
    fn segment_of_a_job_is_kept_where_it_is_newer_and_an_older_one_has_to_fit() {
        let first = sealed(1, "usr_1", None);
        let second = sealed(2, "usr_1", Some(&first));
        let third = sealed(3, "usr_1", Some(&second));
        let fourth = sealed(4, "usr_1", Some(&third));
        assert_eq!(kept_with_job(&[], &second.envelope), [(2, false)]);
        assert_eq!(
            kept_with_job(&[&first], &third.envelope),
            [(1, false), (3, false)]
        );
        // A job is sent again until it is taken, and the trail goes on meanwhile.
        for older in [&first, &second, &third] {
            assert_eq!(
                kept_with_job(&[&first, &second, &fourth], &older.envelope),
                [(1, false), (2, false), (4, false)]
            );
        }
        let other_second = sealed(2, "usr_2", Some(&first));
        let other_third = sealed(3, "usr_1", Some(&other_second));
        let seen = [&first, &second, &fourth];
        for other in [&other_second, &other_third] {
            let number = other.segment.number;
            assert_eq!(
                kept_with_job(&seen, &other.envelope),
                [(1, false), (2, false), (4, false), (number, true)]
            );
        }
        let other_fourth = sealed(4, "usr_1", Some(&other_third));
        let other_fifth = sealed(5, "usr_1", Some(&other_fourth));
        assert_eq!(
            kept_with_job(&seen, &other_fifth.envelope)[3],
            (5, true),
            "the newest one goes on from another fourth"
        );
    }

    #[test]
    fn segment_that_the_edge_did_not_sign_or_of_another_edge_is_not_kept() {
        let good = sealed(1, "usr_1", None);
        let payload = serde_json::to_vec(&good.segment).expect("JSON");
        let forged = Envelope::sign(
            devflow_protocol::audit::SEGMENT_TYPE,
            &payload,
            &SigningKey::from_bytes(&[8; 32]),
        );
        let mut segment = good.segment;
        segment.edge = "edge-2".into();
        let other = Envelope::sign(
            devflow_protocol::audit::SEGMENT_TYPE,
            &serde_json::to_vec(&segment).expect("JSON"),
            &key(),
        );
        assert_eq!(kept(&[&forged, &other]), []);
    }
}
