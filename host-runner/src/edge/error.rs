//! What can go wrong between runner and edge, by what the runner does about it.

use devflow_protocol::runner_api::{Problem, code};

/// Why a request has no answer that can be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EdgeError {
    /// No connection, no answer in time, or a connection that broke.
    #[error("the edge cannot be reached: {0}; check the address, the network and the proxy settings")]
    Unreachable(String),
    /// Somebody answers who cannot prove to be the edge.
    #[error(
        "the edge's certificate is not accepted: {0}; if it is from an authority of your own, name that in `ca_file`"
    )]
    Certificate(String),
    /// The edge refused, with problem details.
    #[error("the edge answered {status} ({code}): {detail}")]
    Problem {
        /// The HTTP status.
        status: u16,
        /// The stable name of the error.
        code: String,
        /// What it says.
        detail: String,
    },
    /// Something else than the edge answered, or it is being updated.
    #[error(
        "the edge answered {status} with something that is not JSON; is a proxy or another site in between?"
    )]
    NotJson {
        /// The HTTP status.
        status: u16,
    },
    /// The answer is over the cap.
    #[error("the edge's answer is larger than {0} bytes and was not read")]
    TooLarge(usize),
    /// The answer has another shape than this version knows.
    #[error("the edge's answer cannot be read ({0}); update the older side")]
    Shape(serde_json::Error),
    /// A client cannot be made of the settings.
    #[error("the connection to the edge cannot be set up: {0}")]
    Setup(String),
}

impl EdgeError {
    /// The error of an answer with a status other than success.
    pub(crate) fn of_answer(status: u16, body: &[u8]) -> Self {
        match serde_json::from_slice::<Problem>(body) {
            Ok(problem) => Self::Problem {
                status,
                code: problem.code,
                detail: problem.detail,
            },
            Err(_) => Self::NotJson { status },
        }
    }

    fn has_code(&self, wanted: &str) -> bool {
        matches!(self, Self::Problem { code, .. } if code == wanted)
    }

    /// A newer process with this server's keys has polled.
    pub(crate) fn is_superseded(&self) -> bool {
        self.has_code(code::SESSION_SUPERSEDED)
    }

    /// The job is not this runner's any more.
    pub(crate) fn is_lease_lost(&self) -> bool {
        self.has_code(code::LEASE_LOST)
    }

    /// The edge will say the same to the same request, whenever it is sent: it is about the request, not about
    /// the moment. (401 and 403 are not: a server that is restored or let in again takes it.)
    pub(crate) fn is_final(&self) -> bool {
        match self {
            Self::Problem { status, .. } => {
                matches!(status, 400 | 404 | 409 | 410 | 413 | 415 | 422) && !self.is_superseded()
            }
            Self::Unreachable(_)
            | Self::Certificate(_)
            | Self::NotJson { .. }
            | Self::TooLarge(_)
            | Self::Shape(_)
            | Self::Setup(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_answer_tells_what_is_final_from_what_may_pass() {
        let problem = |status: u16, code: &str| {
            let body = format!(
                r#"{{"type":"about:blank#{code}","title":"x","status":{status},"code":"{code}","detail":"d"}}"#
            );
            EdgeError::of_answer(status, body.as_bytes())
        };
        let cases = [
            (problem(409, "lease_lost"), (true, true, false)),
            (problem(409, "session_superseded"), (false, false, true)),
            (problem(404, "not_found"), (true, false, false)),
            (problem(401, "unauthenticated"), (false, false, false)),
            (problem(429, "rate_limited"), (false, false, false)),
            (problem(500, "internal"), (false, false, false)),
            (EdgeError::of_answer(404, b"<html>"), (false, false, false)),
        ];
        for (error, expected) in cases {
            assert_eq!(
                (error.is_final(), error.is_lease_lost(), error.is_superseded()),
                expected,
                "{error}"
            );
        }
    }
}
