use super::*;
use crate::samples;
use devflow_protocol::UnixMillis;
use devflow_protocol::event::{Event, Happening, Stream};
use devflow_protocol::limits;
use devflow_protocol::outcome::Outcome;
use devflow_protocol::runner_api::{EventsRequest, OpenJob, ProjectReport};
use proptest::prelude::*;
use tempfile::TempDir;

fn journal() -> (TempDir, Journal) {
    let folder = TempDir::new().expect("a folder");
    let journal = Journal::open(folder.path()).expect("opened");
    (folder, journal)
}

fn line(text: &str) -> Happening {
    Happening::Output {
        step: "build".parse().expect("a step"),
        stream: Stream::Out,
        text: text.into(),
    }
}

#[test]
fn accept_takes_an_attempt_once_and_another_attempt_again() {
    let (_folder, journal) = journal();
    let job = samples::ping(7);
    assert_eq!(
        journal.accept(&job, UnixMillis(5)).expect("written"),
        Acceptance::New
    );
    let entry = Entry {
        key: JobKey::of(&job),
        lease: "lease-7".into(),
        verb: "ping".into(),
        slug: None,
        accepted_at: UnixMillis(5),
        acknowledged: false,
        finished: None,
        confirmed: false,
    };
    let again = journal.accept(&job, UnixMillis(9)).expect("read");
    assert_eq!(again, Acceptance::Known(Box::new(entry)));
    let mut second = job.clone();
    second.attempt = 2;
    assert_eq!(
        journal.accept(&second, UnixMillis(9)).expect("written"),
        Acceptance::New
    );
    assert_eq!(journal.attempts(&job.id).expect("read").len(), 2);
    assert_eq!(journal.last_sequence().expect("read"), 7);
    assert_eq!(journal.unfinished().expect("read"), [job, second]);
}

#[test]
fn a_result_is_kept_over_a_restart_until_it_is_confirmed() {
    let (folder, journal) = journal();
    let job = samples::job(3, samples::stop("shop"));
    let key = JobKey::of(&job);
    journal.accept(&job, UnixMillis(1)).expect("written");
    journal.acknowledged(&key).expect("written");
    let finished = Finished {
        at: UnixMillis(9),
        outcome: Outcome::Failed {
            step: None,
            reason: "no".into(),
        },
        report: Some(ProjectReport {
            slug: "shop".parse().expect("a slug"),
            live: None,
            kept: Vec::new(),
        }),
    };
    journal.finish(&key, &finished).expect("written");
    let mut later = finished.clone();
    later.outcome = Outcome::Cancelled;
    journal.finish(&key, &later).expect("ignored");
    drop(journal);

    let journal = Journal::open(folder.path()).expect("opened again");
    let entry = journal.entry(&key).expect("read").expect("there");
    assert_eq!(entry.finished.as_ref(), Some(&finished));
    assert!(entry.acknowledged && !entry.confirmed);
    assert_eq!(
        journal.open_jobs().expect("read"),
        [OpenJob {
            job: job.id.clone(),
            attempt: 1
        }]
    );
    assert!(journal.unfinished().expect("read").is_empty());

    journal.confirm(&key).expect("written");
    assert!(journal.open_jobs().expect("read").is_empty());
    journal.reopen(&key).expect("written");
    let entry = journal.entry(&key).expect("read").expect("there");
    assert_eq!((entry.finished, entry.confirmed), (Some(finished), false));
    journal.confirm(&key).expect("written");
    assert_eq!(journal.forget(UnixMillis(1)).expect("written"), 0);
    assert_eq!(journal.forget(UnixMillis(2)).expect("written"), 1);
}

#[test]
fn refused_and_abandoned_jobs_are_never_due_to_be_done() {
    let (_folder, journal) = journal();
    let refused = samples::ping(1);
    let taken_away = samples::ping(2);
    journal
        .refuse(&Ticket::of(&refused), "not here", UnixMillis(1))
        .expect("written");
    journal.accept(&taken_away, UnixMillis(1)).expect("written");
    journal
        .abandon(&JobKey::of(&taken_away), UnixMillis(2))
        .expect("written");
    assert!(journal.unfinished().expect("read").is_empty());
    let open: Vec<_> = journal.open_entries().expect("read");
    assert_eq!(open.len(), 1);
    assert_eq!(
        open[0].finished.as_ref().map(|finished| finished.outcome.clone()),
        Some(Outcome::Refused {
            reason: "not here".into()
        })
    );
}

#[test]
fn checkpoints_and_pins_are_kept_until_they_are_of_no_more_use() {
    let (folder, journal) = journal();
    let job = samples::ping(1);
    let key = JobKey::of(&job);
    journal.accept(&job, UnixMillis(1)).expect("written");
    journal.mark(&key, "switched").expect("written");
    journal.mark(&key, "switched").expect("written twice");
    journal
        .set_pin("shop", "https://h.test/a", UnixMillis(1))
        .expect("written");
    journal
        .set_pin("shop", "https://h.test/b", UnixMillis(2))
        .expect("written");
    drop(journal);
    let journal = Journal::open(folder.path()).expect("opened again");
    assert!(journal.reached(&key, "switched").expect("read"));
    assert!(!journal.reached(&key, "started").expect("read"));
    assert_eq!(
        journal.pin("shop").expect("read").as_deref(),
        Some("https://h.test/b")
    );
    journal.remove_pin("shop").expect("written");
    assert!(journal.pins().expect("read").is_empty());
}

#[test]
fn open_refuses_a_journal_of_a_later_version() {
    let (folder, journal) = journal();
    journal
        .durable()
        .pragma_update(None, "user_version", VERSION + 1)
        .expect("written");
    drop(journal);
    let error = Journal::open(folder.path()).expect_err("refused").to_string();
    assert!(
        error.ends_with("was written by a later version; install that version again"),
        "{error}"
    );
}

#[test]
fn durable_connection_syncs_and_the_spool_does_not() {
    let (_folder, journal) = journal();
    let setting = |connection: &Connection| -> i64 {
        connection
            .query_row("PRAGMA synchronous", [], |row| row.get(0))
            .expect("read")
    };
    // https://www.sqlite.org/pragma.html#pragma_synchronous: 2 is FULL, 1 is NORMAL.
    assert_eq!((setting(&journal.durable()), setting(&journal.spool())), (2, 1));
}

#[test]
fn last_event_goes_on_after_events_were_acknowledged() {
    let (_folder, journal) = journal();
    let job = samples::ping(1);
    let key = JobKey::of(&job);
    journal.accept(&job, UnixMillis(1)).expect("written");
    assert_eq!(journal.last_event(&key).expect("read"), 0);
    for n in 1..=3 {
        journal
            .append_event(&key, n, UnixMillis(1), line("x"))
            .expect("written");
    }
    journal.events_acknowledged(&key, 2).expect("written");
    assert_eq!(journal.last_event(&key).expect("read"), 3);
    journal.events_acknowledged(&key, 3).expect("written");
    assert_eq!(journal.last_event(&key).expect("read"), 3);
    assert!(journal.next_batch(&key).expect("read").is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn batches_hold_every_event_once_and_stay_below_their_caps(
        lengths in prop::collection::vec(prop_oneof![0_usize..40, 4_000..8_000_usize], 1..1_200),
    ) {
        let (_folder, journal) = journal();
        let job = samples::ping(1);
        let key = JobKey::of(&job);
        journal.accept(&job, UnixMillis(1)).expect("written");
        let mut expected = Vec::new();
        for (n, length) in (1_u64..).zip(&lengths) {
            let what = line(&"\"".repeat(*length));
            journal.append_event(&key, n, UnixMillis(1), what.clone()).expect("written");
            expected.push(Event { n, at: UnixMillis(1), what });
        }
        let mut found = Vec::new();
        loop {
            let events = journal.next_batch(&key).expect("read");
            let Some(last) = events.last().map(|event| event.n) else { break };
            prop_assert!(events.len() <= limits::EVENTS_PER_BATCH);
            let request = EventsRequest { job: job.id.clone(), attempt: 1, events };
            prop_assert!(serde_json::to_vec(&request).expect("JSON").len() <= limits::EVENT_BATCH_BYTES);
            found.extend(request.events);
            journal.events_acknowledged(&key, last).expect("written");
        }
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn open_by_several_at_the_same_moment_succeeds_for_all() {
    for _ in 0..20 {
        let folder = TempDir::new().expect("a folder");
        let openings: Vec<_> = (0..8)
            .map(|_| {
                let path = folder.path().to_owned();
                std::thread::spawn(move || {
                    for _ in 0..5 {
                        drop(Journal::open(&path).expect("opened"));
                    }
                })
            })
            .collect();
        for opening in openings {
            opening.join().expect("no opening was refused");
        }
    }
}
