//! What can go wrong, by what a script does about it: each has an exit code of its own.

use std::process::ExitCode;

/// Shown at the end of `devflow --help`.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  the deployment did not become live
  2  wrong command line, settings or input file
  3  refused: no permission, no such thing, or it does not fit the state of things
  4  the installation did not answer, or not as it should
  5  the export of the audit trail was tampered with";

/// Why a command ended without doing what was asked.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    /// The deployment ended otherwise than live.
    #[error("{0}")]
    NotLive(String),
    /// The command line, the settings or an input file are wrong.
    #[error("{0}")]
    Usage(String),
    /// The installation answered no: its stable code and what it says.
    #[error("{detail} ({code})")]
    Refused {
        /// The `code` of the problem details.
        code: String,
        /// What is wrong and what to do.
        detail: String,
    },
    /// There was no answer, or none that makes sense.
    #[error("{0}")]
    Unreachable(String),
    /// An export of the audit trail is not what was sealed.
    #[error("the export proves nothing: {0}")]
    Tampered(String),
    /// Who reads the output has seen enough.
    #[error("nobody reads the output any more")]
    Closed,
}

impl Failure {
    /// There is nothing of that name, found out on this side.
    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::Refused {
            code: "not_found".to_owned(),
            detail: detail.into(),
        }
    }

    fn exit_code(&self) -> u8 {
        match self {
            Self::Closed => 0,
            Self::NotLive(_) => 1,
            Self::Usage(_) => 2,
            Self::Refused { .. } => 3,
            Self::Unreachable(_) => 4,
            Self::Tampered(_) => 5,
        }
    }

    /// Says it on standard error and gives the exit code.
    pub(crate) fn tell(&self) -> ExitCode {
        if *self != Self::Closed {
            eprintln!("devflow: {self}");
        }
        self.exit_code().into()
    }
}
