//! Another version of the runner in this one's place: judged, fetched, tried, exchanged, and put back where it does not reach
//! the edge.
//!
//! What is true at any moment says what is on the disk: which program is in place, and the [`Note`] in the state folder. So
//! every start knows what to do, wherever the one before ended. The agent's part is in [`crate::agent`].

mod judge;
mod note;
mod place;

pub(crate) use judge::{Known, Wanted, judge};
pub(crate) use note::Note;
pub(crate) use place::Place;

use crate::journal::Journal;
use anyhow::Context as _;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

/// How often a new program may begin before it has reached the edge.
const STARTS: u32 = 3;
/// How long a new program may take for its trial.
const TRIAL: Duration = Duration::from_mins(1);
/// Attempts to start a program that somebody seems to write: a child of ours that has not become another program yet.
const BUSY_TRIES: u32 = 10;
const BUSY_PAUSE: Duration = Duration::from_millis(200);
/// What a program that fails its trial said, as far as it is told, in characters.
const SAID: usize = 300;

/// Looks at the start of a runner whether it is one that has to prove itself. True where the one before it was put back in
/// place and is to be started. What cannot be noted or put back is no reason not to start: a server without a runner is worse.
pub(crate) fn begin(state_dir: &Path, program: &Path) -> bool {
    prove(state_dir, program).unwrap_or_else(|error| {
        tracing::error!(
            error = format!("{error:#}"),
            "an update cannot be looked after; the runner goes on as it is"
        );
        false
    })
}

fn prove(state_dir: &Path, program: &Path) -> anyhow::Result<bool> {
    let Some(mut note) = Note::load(state_dir).context("cannot read what an update left")? else {
        return Ok(false);
    };
    let place = Place::of(program);
    if place.sha256().context("cannot read the runner's own program")? != note.to {
        return Ok(false);
    }
    if note.back.is_none() {
        note.starts += 1;
        if note.starts > STARTS {
            note.back = Some(format!(
                "it ended {STARTS} times before it reached the edge; the runner before it is in place again"
            ));
        }
        note.save(state_dir).context("cannot note the start")?;
    }
    if note.back.is_none() || !may_go_back(state_dir, &note) {
        return Ok(false);
    }
    place
        .put_back()
        .context("cannot put the runner before in place")?;
    Ok(true)
}

/// Whether the runner before could go on with the journal as it is now.
pub(crate) fn may_go_back(state_dir: &Path, note: &Note) -> bool {
    match Journal::stored_version(state_dir) {
        Ok(version) => version == note.journal,
        Err(error) => {
            tracing::error!(%error, "the journal's version cannot be read");
            false
        }
    }
}

/// Lets a fetched program show that it starts here and sees the edge.
///
/// # Errors
/// One sentence.
pub(crate) async fn try_out(program: &Path, config: &Path) -> Result<(), String> {
    let mut tries = 0;
    loop {
        let mut command = tokio::process::Command::new(program);
        command
            .args(["trial", "--config"])
            .arg(config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let Ok(ended) = tokio::time::timeout(TRIAL, command.output()).await else {
            return Err(format!("it did not end its trial within {} s", TRIAL.as_secs()));
        };
        match ended {
            Err(error) if error.kind() == ErrorKind::ExecutableFileBusy && tries < BUSY_TRIES => {
                tries += 1;
                tokio::time::sleep(BUSY_PAUSE).await;
            }
            Err(error) => return Err(format!("it cannot be started on this server: {error}")),
            Ok(ended) if ended.status.success() => return Ok(()),
            Ok(ended) => {
                let said = String::from_utf8_lossy(&ended.stderr);
                let said = said.trim().lines().next_back().unwrap_or_default();
                let said: String = said.chars().take(SAID).collect();
                return Err(format!("it failed its trial ({}): {said}", ended.status));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::PathBuf;

    fn script(folder: &Path, name: &str, text: &str) -> PathBuf {
        let file = folder.join(name);
        fs::write(&file, format!("#!/bin/sh\n{text}\n")).expect("written");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("executable");
        file
    }

    /// The state folder and the program of a runner that took the place of another one.
    fn updated(folder: &Path) -> (PathBuf, PathBuf) {
        let (state, program) = (folder.join("state"), folder.join("host-runner"));
        fs::create_dir(&state).expect("made");
        drop(Journal::open(&state).expect("a journal"));
        fs::write(&program, "new").expect("written");
        fs::write(Place::of(&program).previous(), "old").expect("written");
        (state, program)
    }

    #[tokio::test]
    async fn try_out_tells_why_a_program_does_not_start() {
        let folder = tempfile::tempdir().expect("a folder");
        let config = Path::new("/etc/devflow/runner.toml");
        let good = script(
            folder.path(),
            "good",
            "[ \"$*\" = 'trial --config /etc/devflow/runner.toml' ]",
        );
        assert_eq!(try_out(&good, config).await, Ok(()));
        let bad = script(folder.path(), "bad", "echo first >&2; echo no edge >&2; exit 4");
        assert_eq!(
            try_out(&bad, config).await,
            Err("it failed its trial (exit status: 4): no edge".to_owned())
        );
        let none = folder.path().join("none");
        fs::write(&none, "\x7fELF for another machine").expect("written");
        fs::set_permissions(&none, fs::Permissions::from_mode(0o755)).expect("executable");
        let reason = try_out(&none, config).await.expect_err("no program");
        assert!(
            reason.starts_with("it cannot be started on this server"),
            "{reason}"
        );
    }

    #[test]
    fn begin_counts_starts_of_the_new_program_and_then_puts_the_old_one_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let (state, program) = updated(folder.path());
        let place = Place::of(&program);
        assert!(!begin(&state, &program));

        let note = Note {
            to: place.sha256().expect("a sum"),
            starts: 0,
            journal: Journal::stored_version(&state).expect("a version"),
            back: None,
        };
        note.save(&state).expect("saved");
        for _ in 0..STARTS {
            assert!(!begin(&state, &program));
        }
        assert!(begin(&state, &program));
        assert_eq!(fs::read(&program).expect("read"), b"old");
        // The one before finds why, and is not counted.
        assert!(!begin(&state, &program));
        let left = Note::load(&state).expect("read").expect("a note");
        assert!(left.back.is_some_and(|reason| reason.contains("3 times")));
    }

    #[test]
    fn begin_keeps_the_new_program_where_the_old_one_is_of_no_use() {
        let folder = tempfile::tempdir().expect("a folder");
        let (state, program) = updated(folder.path());
        let place = Place::of(&program);
        let note = Note {
            to: place.sha256().expect("a sum"),
            starts: STARTS,
            journal: Journal::stored_version(&state).expect("a version") - 1,
            back: None,
        };
        note.save(&state).expect("saved");
        assert!(!begin(&state, &program));
        assert_eq!(fs::read(&program).expect("read"), b"new");
        // Nor where there is none, or nobody knows what the note says.
        let note = Note {
            journal: Journal::stored_version(&state).expect("a version"),
            ..note
        };
        note.save(&state).expect("saved");
        fs::remove_file(place.previous()).expect("removed");
        assert!(!begin(&state, &program));
        fs::write(state.join("update.json"), "{").expect("written");
        assert!(!begin(&state, &program));
        assert_eq!(fs::read(&program).expect("read"), b"new");
    }
}
