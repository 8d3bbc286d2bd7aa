//! How far a command is, read from what it prints: cargo (`Building [==> ] 12/245: …`), docker (`Step 2/7 : …`) and apt
//! (`pmstatus:php-cli:45.5:…`, the format of its `APT::Status-Fd`).

/// What one line tells.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    /// How much is done.
    pub(crate) done: u64,
    /// Of how much.
    pub(crate) total: u64,
    /// What it is at, in the command's words.
    pub(crate) what: String,
}

/// The options that make apt tell how far it is.
pub(crate) const APT: [&str; 2] = ["-o", "APT::Status-Fd=1"];

/// The variables that make cargo tell how far it is where it has no terminal.
pub(crate) const CARGO: [(&str, &str); 2] = [
    ("CARGO_TERM_PROGRESS_WHEN", "always"),
    ("CARGO_TERM_PROGRESS_WIDTH", "120"),
];

/// What a line tells, where it tells how far the command is.
pub(crate) fn read(line: &str) -> Option<Progress> {
    if let Some(status) = line.strip_prefix("pmstatus:").or(line.strip_prefix("dlstatus:")) {
        return apt(status);
    }
    let counted = match line.strip_prefix("Step ") {
        Some(step) => step,
        None => line.strip_prefix("Building [")?.split_once("] ")?.1,
    };
    let (count, what) = counted.split_once(':')?;
    let (done, total) = count.trim_end().split_once('/')?;
    Some(Progress {
        done: done.parse().ok()?,
        total: total.parse().ok()?,
        what: what.trim().to_owned(),
    })
}

fn apt(status: &str) -> Option<Progress> {
    let mut fields = status.splitn(3, ':').skip(1);
    let percent: f64 = fields.next()?.parse().ok()?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 100")]
    let done = percent.clamp(0.0, 100.0) as u64;
    Some(Progress {
        done,
        total: 100,
        what: fields.next()?.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_knows_cargo_docker_and_apt_and_nothing_else() {
        let read = |line| read(line).map(|progress| (progress.done, progress.total, progress.what));
        assert_eq!(
            read("Building [=====>      ] 153/245: syn, serde(build)"),
            Some((153, 245, "syn, serde(build)".into()))
        );
        assert_eq!(
            read("Step 2/3 : RUN apt-get update"),
            Some((2, 3, "RUN apt-get update".into()))
        );
        assert_eq!(
            read("pmstatus:php8.4-cli:45.5:Unpacking php8.4-cli (amd64)"),
            Some((45, 100, "Unpacking php8.4-cli (amd64)".into()))
        );
        assert_eq!(
            read("dlstatus:1:9.8:Retrieving file 1 of 3"),
            Some((9, 100, "Retrieving file 1 of 3".into()))
        );
        for other in ["Compiling syn v2.0.1", "at 1/2", "Step by step: 1/2", "pmstatus:"] {
            assert_eq!(read(other), None, "{other}");
        }
    }
}
