//! Moments at which tests end the process for real. Debug builds have them; in a shipped runner, which is a
//! release build, nothing of it is there.

/// Ends this process with SIGKILL where the file `kill-at` in the state folder names this moment (`before:fetch`).
/// The file is removed first: a runner that is started again goes on.
#[cfg(debug_assertions)]
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

/// Nothing, in a release build.
#[cfg(not(debug_assertions))]
pub(crate) fn reach(_state_dir: &std::path::Path, _when: &str, _what: &str) {}
