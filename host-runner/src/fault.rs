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

/// What a test wrote behind the end of this program, to have another one of the same code: `\n#NAME VALUE` lines.
#[cfg(debug_assertions)]
pub(crate) fn claimed(name: &str) -> Option<String> {
    use std::io::{Read as _, Seek as _, SeekFrom};
    let mut program = std::fs::File::open("/proc/self/exe").ok()?;
    let mut end = Vec::new();
    program.seek(SeekFrom::End(-128)).ok()?;
    program.read_to_end(&mut end).ok()?;
    let end = String::from_utf8_lossy(&end);
    let line = end
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix('#')?.strip_prefix(name))?;
    Some(line.trim().to_owned())
}

/// Whether a test made this program one that cannot reach the edge.
pub(crate) fn is_cut_off() -> bool {
    #[cfg(debug_assertions)]
    return claimed("cut-off").is_some();
    #[cfg(not(debug_assertions))]
    false
}
