//! Which release is taken: signed for this installation, not older than what runs here, and with a program for this machine.

use devflow_protocol::UnixMillis;
use devflow_protocol::keys::Pins;
use devflow_protocol::release::{Program, RunnerVersion, SignedRelease, Target};

/// What this runner knows of releases so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    /// Its own version.
    pub(crate) version: RunnerVersion,
    /// When the newest release that it took was signed.
    pub(crate) signed_at: UnixMillis,
    /// When the release key of that was granted.
    pub(crate) granted_at: UnixMillis,
}

impl Known {
    /// As a runner that nothing was installed on: what is judged by it is older than nothing.
    pub(crate) fn nothing() -> Self {
        Self {
            version: RunnerVersion::default(),
            signed_at: UnixMillis(0),
            granted_at: UnixMillis(0),
        }
    }
}

/// A release that is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The program for this machine.
    pub(crate) program: Program,
    /// What is known when it is in place.
    pub(crate) known: Known,
}

/// Judges a release.
///
/// # Errors
/// One sentence for the edge.
pub(crate) fn judge(signed: &SignedRelease, pins: &Pins, known: &Known) -> Result<Wanted, String> {
    let recovery_key = pins.recovery_key.as_ref();
    let recovery_key = recovery_key.ok_or(
        "this server does not know the recovery key yet, which it is told with a poll; try again in a minute",
    )?;
    let opened = signed.open(recovery_key).map_err(|error| error.to_string())?;
    let (grant, release) = (opened.grant, opened.release);
    if grant.edge != pins.edge {
        return Err("the release is signed for another installation".to_owned());
    }
    if grant.granted_at < known.granted_at {
        return Err("the release is signed with a release key that was replaced".to_owned());
    }
    if release.runner < known.version {
        return Err(format!(
            "the release is runner {}, older than {} which runs here; an older one is installed by hand only",
            release.runner, known.version
        ));
    }
    // Not of a newer version: a clock that was wrong when a release was signed would keep out all that come after it.
    if release.runner == known.version && release.signed_at < known.signed_at {
        return Err("the release is older than the one that was installed here last".to_owned());
    }
    let target: Target = std::env::consts::ARCH.parse()?;
    let program = release
        .program(target)
        .ok_or_else(|| format!("the release has no program for {target}"))?;
    Ok(Wanted {
        program: program.clone(),
        known: Known {
            version: release.runner,
            signed_at: release.signed_at,
            granted_at: grant.granted_at,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use devflow_protocol::release::{Grant, Release};
    use ed25519_dalek::SigningKey;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    fn pins() -> Pins {
        Pins {
            edge: "edge-1".to_owned(),
            job_key: key(1).verifying_key(),
            recovery_key: Some(key(8).verifying_key()),
            recovered_at: UnixMillis(0),
        }
    }

    fn program(target: Target) -> Program {
        Program {
            target,
            size: 3,
            sha256: "ab".repeat(32),
        }
    }

    fn release() -> Release {
        Release {
            version: devflow_protocol::VERSION,
            runner: "1.2.3".parse().expect("a version"),
            signed_at: UnixMillis(50),
            programs: Target::ALL.map(program).into(),
        }
    }

    fn known(version: &str, signed_at: i64, granted_at: i64) -> Known {
        Known {
            version: version.parse().expect("a version"),
            signed_at: UnixMillis(signed_at),
            granted_at: UnixMillis(granted_at),
        }
    }

    /// For `edge`, granted by `by` at 20.
    fn signed(edge: &str, by: u8, release: &Release) -> SignedRelease {
        SignedRelease {
            grant: Grant::of(edge, &key(9).verifying_key(), UnixMillis(20)).sign(&key(by)),
            release: release.sign(&key(9)),
        }
    }

    #[test]
    fn judge_takes_newer_and_equal_versions_that_the_recovery_key_vouches_for() {
        let signed = signed("edge-1", 8, &release());
        for known_then in [
            known("1.2.2", 0, 0),
            known("1.2.3", 50, 20),
            known("1.2.2", 51, 20),
        ] {
            let wanted = judge(&signed, &pins(), &known_then).expect("taken");
            assert_eq!(wanted.known, known("1.2.3", 50, 20));
            assert_eq!(
                wanted.program,
                program(std::env::consts::ARCH.parse().expect("a target"))
            );
        }
    }

    #[test]
    fn judge_refuses_older_foreign_and_replaced_ones() {
        let good = signed("edge-1", 8, &release());
        let fresh = known("1.2.3", 0, 0);
        let refused = |signed: &SignedRelease, pins: &Pins, known: &Known| {
            judge(signed, pins, known).expect_err("must be refused")
        };
        let mut unknowing = pins();
        unknowing.recovery_key = None;
        let mut small = release();
        small.programs.clear();
        let cases = [
            (refused(&good, &pins(), &known("1.2.4", 0, 0)), "older than 1.2.4"),
            (
                refused(&good, &pins(), &known("1.2.3", 51, 0)),
                "older than the one that was installed here last",
            ),
            (
                refused(&good, &pins(), &known("1.2.3", 0, 21)),
                "a release key that was replaced",
            ),
            (
                refused(&signed("edge-2", 8, &release()), &pins(), &fresh),
                "for another installation",
            ),
            // Who has the job key and all else of the edge signs a grant of its own.
            (
                refused(&signed("edge-1", 1, &release()), &pins(), &fresh),
                "the recovery key has not signed",
            ),
            (
                refused(&good, &unknowing, &fresh),
                "does not know the recovery key yet",
            ),
            (
                refused(&signed("edge-1", 8, &small), &pins(), &fresh),
                "has no program for",
            ),
        ];
        for (reason, expected) in cases {
            assert!(reason.contains(expected), "{reason}");
        }
    }
}
