//! The runner replaces itself: never while another job works, and back again where the new program does not reach the edge.

use super::{Agent, intake};
use crate::fault;
use crate::journal::{Journal, JournalError};
use crate::update::{self, Known, Note, Place, judge};
use crate::version::version;
use devflow_protocol::UnixMillis;
use devflow_protocol::job::{Job, Update};
use devflow_protocol::outcome::Outcome;
use std::io;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long a new program has to reach the edge: a held poll of 50 s, and as much again.
const PROBATION: Duration = Duration::from_mins(2);
/// How long running jobs are waited for.
const DRAIN: Duration = Duration::from_hours(1);
const BEGIN_AGAIN: &str = "the runner ended before the release was in place; start the update again";

/// Replaces the program. None where this process is to end for another one, whose start says how it went.
pub(super) async fn perform(
    agent: &Agent,
    job: &Job,
    work: &Update,
    cancel: &CancellationToken,
) -> Option<Outcome> {
    if let Err(reason) = intake::in_time(job, agent.clock.now()) {
        return Some(Outcome::Refused { reason });
    }
    // Two at once would write into one file, and what is tried out would be what the other one has not checked yet.
    let Ok(_alone) = agent.updates.try_lock() else {
        return Some(failed("another update of the runner is at work".to_owned()));
    };
    let known = match known(agent) {
        Ok(known) => known,
        Err(error) => return Some(failed(error.to_string())),
    };
    let wanted = match judge(&work.release, &agent.identity().pins, &known) {
        Ok(wanted) => wanted,
        Err(reason) => return Some(Outcome::Refused { reason }),
    };
    let place = Place::of(&agent.host.program);
    match place.sha256() {
        Ok(sum) if sum == wanted.program.sha256 => return Some(taken(agent, &wanted.known)),
        Ok(_) => {}
        Err(error) => {
            return Some(failed(format!(
                "the runner's own program cannot be read: {error}"
            )));
        }
    }
    let prepared = async {
        fetch(agent, &place, &wanted).await?;
        drain(agent, job).await
    };
    let prepared = tokio::select! {
        biased;
        () = cancel.cancelled() => Err(Outcome::Cancelled),
        () = agent.stopping.cancelled() => Err(failed("the runner was stopped on this server; start the update again".to_owned())),
        prepared = prepared => prepared.map_err(|reason| failed(format!("runner {}: {reason}", wanted.known.version))),
    };
    let exchanged = match prepared {
        Ok(()) => exchange(agent, &place, wanted.program.sha256)
            .map_err(|error| failed(format!("the programs cannot be exchanged: {error}"))),
        Err(outcome) => Err(outcome),
    };
    if let Err(outcome) = exchanged {
        agent.draining.set(false);
        place.clear();
        return Some(outcome);
    }
    tracing::info!(version = %wanted.known.version, "the runner begins anew as another version");
    agent.replace();
    None
}

/// Goes on with an update after a start, in the old program or in the new one.
pub(super) async fn recover(agent: &Agent, work: &Update) -> Option<Outcome> {
    let state_dir = &agent.host.config.state_dir;
    let place = Place::of(&agent.host.program);
    let found = place.sha256().and_then(|sum| Ok((sum, Note::load(state_dir)?)));
    let (sum, note) = match found {
        Ok(found) => found,
        Err(error) => return Some(failed(format!("what the update left cannot be read: {error}"))),
    };
    place.clear();
    let wanted = judge(&work.release, &agent.identity().pins, &Known::nothing());
    let taken = || match wanted {
        Ok(wanted) if wanted.program.sha256 == sum => taken(agent, &wanted.known),
        Ok(_) => failed(BEGIN_AGAIN.to_owned()),
        Err(reason) => failed(reason),
    };
    let Some(note) = note else {
        return Some(taken());
    };
    if note.to != sum {
        let reason = note.back.unwrap_or_else(|| BEGIN_AGAIN.to_owned());
        return Some(ended(agent, failed(reason)));
    }
    tokio::select! {
        () = agent.reached.cancelled() => {}
        // It is looked at again by the next start.
        () = agent.stopping.cancelled() => return None,
        () = tokio::time::sleep(probation()) => return go_back(agent, &place, note),
    }
    fault::reach(state_dir, "before", "update-done");
    let outcome = ended(agent, taken());
    fault::reach(state_dir, "after", "update-done");
    Some(outcome)
}

fn probation() -> Duration {
    if fault::is_cut_off() {
        Duration::from_millis(500)
    } else {
        PROBATION
    }
}

/// Puts the program before back, which then tells why.
fn go_back(agent: &Agent, place: &Place, mut note: Note) -> Option<Outcome> {
    let state_dir = &agent.host.config.state_dir;
    let reason = format!(
        "runner {} did not reach the edge in time; the runner before it is in place again",
        version()
    );
    if !update::may_go_back(state_dir, &note) {
        tracing::error!("this runner does not reach the edge, and the one before could not read its journal");
        return Some(ended(
            agent,
            failed(
                "it did not reach the edge in time, and its journal is none for the runner before".to_owned(),
            ),
        ));
    }
    note.back = Some(reason.clone());
    let put_back = || -> io::Result<()> {
        note.save(state_dir)?;
        fault::reach(state_dir, "before", "update-back");
        place.put_back()?;
        fault::reach(state_dir, "after", "update-back");
        Ok(())
    };
    if let Err(error) = put_back() {
        return Some(ended(agent, failed(format!("{reason}, or should be: {error}"))));
    }
    tracing::error!(reason, "the update is undone");
    agent.replace();
    None
}

/// Removes what an update left that is in no journal any more: it would be taken for one that is under way.
pub(super) fn forget(agent: &Agent) {
    if let Err(error) = Note::remove(&agent.host.config.state_dir) {
        tracing::warn!(%error, "what an update left cannot be removed");
    }
}

/// What is known of releases.
fn known(agent: &Agent) -> Result<Known, JournalError> {
    let time = |name: &str| -> Result<UnixMillis, JournalError> {
        let noted = agent.journal.noted(name)?;
        Ok(UnixMillis(noted.and_then(|text| text.parse().ok()).unwrap_or(0)))
    };
    Ok(Known {
        version: version(),
        signed_at: time("release_signed_at")?,
        granted_at: time("release_granted_at")?,
    })
}

/// The release is in place; nothing older is taken from now on.
fn taken(agent: &Agent, known: &Known) -> Outcome {
    let note = |name: &str, at: UnixMillis| agent.journal.note(name, &at.0.to_string());
    let noted = note("release_signed_at", known.signed_at)
        .and_then(|()| note("release_granted_at", known.granted_at));
    match noted {
        Ok(()) => Outcome::Succeeded { manifest: None },
        Err(error) => failed(error.to_string()),
    }
}

/// The outcome of an update that left a note.
fn ended(agent: &Agent, outcome: Outcome) -> Outcome {
    match Note::remove(&agent.host.config.state_dir) {
        Ok(()) => outcome,
        Err(error) => failed(format!("what the update left cannot be removed: {error}")),
    }
}

/// Brings the program here and lets it show that it starts.
async fn fetch(agent: &Agent, place: &Place, wanted: &update::Wanted) -> Result<(), String> {
    let mut file = place.stage().map_err(|error| {
        format!(
            "{} cannot be written ({error}); run the installation's command on the server again: curl -fsSL {}/install | \
             sudo sh",
            place.folder().display(),
            agent.edge.address()
        )
    })?;
    agent
        .edge
        .fetch(wanted.known.version, &wanted.program, &mut file)
        .await
        .map_err(|error| error.to_string())?;
    drop(file);
    update::try_out(&place.staged(), &agent.config_file).await
}

/// Waits until no other job runs; what is asked for meanwhile waits at the edge.
async fn drain(agent: &Agent, own: &Job) -> Result<(), String> {
    agent.draining.set(true);
    let idle = async {
        loop {
            let change = agent.idle.notified();
            if agent.running.borrow().keys().all(|job| *job == own.id) {
                return;
            }
            change.await;
        }
    };
    tokio::time::timeout(DRAIN, idle)
        .await
        .map_err(|_| "other jobs did not end within an hour; start the update again".to_owned())
}

/// From here on the next start knows what to do, whenever this process ends.
fn exchange(agent: &Agent, place: &Place, to: String) -> io::Result<()> {
    let state_dir = &agent.host.config.state_dir;
    let note = Note {
        to,
        starts: 0,
        journal: Journal::stored_version(state_dir).map_err(io::Error::other)?,
        back: None,
    };
    fault::reach(state_dir, "before", "update-note");
    note.save(state_dir)?;
    fault::reach(state_dir, "before", "update-exchange");
    if let Err(error) = place.exchange() {
        Note::remove(state_dir)?;
        return Err(error);
    }
    fault::reach(state_dir, "after", "update-exchange");
    Ok(())
}

fn failed(reason: String) -> Outcome {
    Outcome::Failed { step: None, reason }
}
