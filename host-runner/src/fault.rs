//! Moments at which tests end the process for real. Compiled only with the feature `fault-points`; in a shipped runner
//! nothing of it is there.

/// Ends this process with SIGKILL where the file `kill-at` in the state folder names this moment (`before:fetch`).
/// The file is removed first: a runner that is started again goes on.
#[cfg(feature = "fault-points")]
pub(crate) fn reach(state_dir: &std::path::Path, when: &str, what: &str) {
    let file = state_dir.join("kill-at");
    let here = format!("{when}:{what}");
    if std::fs::read_to_string(&file).is_ok_and(|wanted| wanted.trim() == here)
        && std::fs::remove_file(&file).is_ok()
    {
        tracing::warn!(at = here, "ended by a fault point");
        let me = rustix::process::getpid();
        let _ = rustix::process::kill_process(me, rustix::process::Signal::KILL);
    }
}

/// Nothing, in a runner without fault points.
#[cfg(not(feature = "fault-points"))]
pub(crate) fn reach(_state_dir: &std::path::Path, _when: &str, _what: &str) {}
