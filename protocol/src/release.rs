//! Releases of the runner: which program an edge hands to its servers, signed so that neither the edge nor its bucket can
//! put another one in its place.
//!
//! A release is signed by the release key, which is where releases are built and is not one of the Worker's. Which key that is
//! says a grant of the recovery key, which every server pins. So whoever has the edge with all its secrets has nothing that
//! makes a program that a server takes.

use crate::UnixMillis;
use crate::dsse::{Envelope, EnvelopeError};
use crate::keys::{read_key, write_key};
use ed25519_dalek::{SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use std::fmt::{Display, Formatter};
use std::str::FromStr;

/// DSSE payload type of a release.
pub const PAYLOAD_TYPE: &str = "application/vnd.devflow.release.v1+json";
/// DSSE payload type of a grant.
pub const GRANT_TYPE: &str = "application/vnd.devflow.release-key.v1+json";
/// Largest program, in bytes.
pub const PROGRAM_BYTES: u64 = 64 * 1024 * 1024;

/// The object of the bucket that holds the [`SignedRelease`] of now.
pub const OBJECT: &str = "runner/release.json";

/// The object of the bucket that holds a program.
pub fn object(version: RunnerVersion, target: Target) -> String {
    format!("runner/{version}/{target}")
}

/// The version of a runner: three numbers, compared one after the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunnerVersion(u32, u32, u32);

impl Display for RunnerVersion {
    fn fmt(&self, out: &mut Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}.{}.{}", self.0, self.1, self.2)
    }
}

impl FromStr for RunnerVersion {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut numbers = text.split('.').map(|number| {
            let digits = number.bytes().all(|byte| byte.is_ascii_digit());
            let plain = digits && (number == "0" || !number.starts_with('0'));
            number.parse().ok().filter(|_| plain)
        });
        let mut next = || numbers.next().flatten();
        match (next(), next(), next(), text.split('.').count()) {
            (Some(major), Some(minor), Some(patch), 3) => Ok(Self(major, minor, patch)),
            _ => Err("a version is three numbers, such as 1.2.3".to_owned()),
        }
    }
}

impl TryFrom<String> for RunnerVersion {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<RunnerVersion> for String {
    fn from(version: RunnerVersion) -> Self {
        version.to_string()
    }
}

/// What a program runs on: Linux with this processor, as `uname -m` calls it. Programs are static, so nothing else counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Target {
    /// 64-bit Intel and AMD.
    #[serde(rename = "x86_64")]
    X86_64,
    /// 64-bit ARM.
    #[serde(rename = "aarch64")]
    Aarch64,
}

impl Target {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::X86_64, Self::Aarch64];

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
        }
    }
}

impl Display for Target {
    fn fmt(&self, out: &mut Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.as_str())
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|target| target.as_str() == text);
        found.ok_or_else(|| "a target is x86_64 or aarch64".to_owned())
    }
}

/// A program of a release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// What it runs on.
    pub target: Target,
    /// In bytes.
    pub size: u64,
    /// SHA-256 of its bytes, 64 hex digits.
    pub sha256: String,
}

/// What is signed: one version, and its program for each target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// [`crate::VERSION`].
    pub version: u16,
    /// The version of the runner.
    pub runner: RunnerVersion,
    /// When it was signed.
    pub signed_at: UnixMillis,
    /// At most one for each target.
    pub programs: Vec<Program>,
}

impl Release {
    /// The program for a target.
    pub fn program(&self, target: Target) -> Option<&Program> {
        self.programs.iter().find(|program| program.target == target)
    }

    /// Signs with the release key.
    pub fn sign(&self, key: &SigningKey) -> Envelope {
        let payload = serde_json::to_vec(self).expect("texts and numbers are JSON");
        Envelope::sign(PAYLOAD_TYPE, &payload, key)
    }
}

/// What the recovery key signs: which key signs releases.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// [`crate::VERSION`].
    pub version: u16,
    /// The edge's id: a recovery key may be that of several installations.
    pub edge: String,
    /// Ed25519 public key, base64.
    pub release_key: String,
    /// When it was signed: a newer grant ends an older one.
    pub granted_at: UnixMillis,
}

impl Grant {
    /// Signs with the recovery key.
    pub fn sign(&self, recovery_key: &SigningKey) -> Envelope {
        let payload = serde_json::to_vec(self).expect("texts and numbers are JSON");
        Envelope::sign(GRANT_TYPE, &payload, recovery_key)
    }

    /// The grant of `release_key` for one installation.
    pub fn of(edge: &str, release_key: &VerifyingKey, granted_at: UnixMillis) -> Self {
        Self {
            version: crate::VERSION,
            edge: edge.to_owned(),
            release_key: write_key(release_key),
            granted_at,
        }
    }
}

/// A release as it travels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedRelease {
    /// The [`Grant`].
    pub grant: Envelope,
    /// The [`Release`].
    pub release: Envelope,
}

/// A release that was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenedRelease {
    /// By which grant.
    pub grant: Grant,
    /// What it is.
    pub release: Release,
}

/// Why a release is not taken.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// The grant is not the pinned recovery key's, or damaged.
    #[error("the recovery key has not signed who signs releases: {0}")]
    Grant(#[source] EnvelopeError),
    /// The release is not signed by the key of the grant, or damaged.
    #[error("the release is not signed by the release key: {0}")]
    Release(#[source] EnvelopeError),
    /// What was signed is nothing of this version.
    #[error("the release cannot be read: {0}")]
    Parse(#[from] serde_json::Error),
    /// Another version.
    #[error("the release has version {0}, this side speaks {version}; update the older side", version = crate::VERSION)]
    Version(u16),
    /// A key in it is no key, a hash no hash, or a target is there twice.
    #[error("the release names what is no {0}")]
    Shape(&'static str),
}

impl SignedRelease {
    /// Verifies the grant by the recovery key and the release by the key that it names. Whose edge it is for is in the grant.
    pub fn open(&self, recovery_key: &VerifyingKey) -> Result<OpenedRelease, ReleaseError> {
        let payload = self
            .grant
            .verify(GRANT_TYPE, [recovery_key])
            .map_err(ReleaseError::Grant)?;
        let grant: Grant = serde_json::from_slice(&payload)?;
        let key = read_key(&grant.release_key).ok_or(ReleaseError::Shape("Ed25519 key"))?;
        let payload = self
            .release
            .verify(PAYLOAD_TYPE, [&key])
            .map_err(ReleaseError::Release)?;
        let release: Release = serde_json::from_slice(&payload)?;
        for version in [grant.version, release.version] {
            if version != crate::VERSION {
                return Err(ReleaseError::Version(version));
            }
        }
        check(&release)?;
        Ok(OpenedRelease { grant, release })
    }
}

fn check(release: &Release) -> Result<(), ReleaseError> {
    for (at, program) in release.programs.iter().enumerate() {
        let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if program.sha256.len() != 64 || !program.sha256.bytes().all(hex) {
            return Err(ReleaseError::Shape("SHA-256 in hex"));
        }
        if program.size == 0 || program.size > PROGRAM_BYTES {
            return Err(ReleaseError::Shape("size of a program"));
        }
        if release.programs[..at]
            .iter()
            .any(|other| other.target == program.target)
        {
            return Err(ReleaseError::Shape("single program for a target"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECOVERY: u8 = 8;
    const RELEASE: u8 = 9;
    const THIEF: u8 = 6;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    fn program(target: Target) -> Program {
        Program {
            target,
            size: 5,
            sha256: "0a".repeat(32),
        }
    }

    fn release() -> Release {
        Release {
            version: crate::VERSION,
            runner: RunnerVersion(1, 2, 3),
            signed_at: UnixMillis(7),
            programs: Target::ALL.map(program).into(),
        }
    }

    fn grant() -> Grant {
        Grant::of("edge-1", &key(RELEASE).verifying_key(), UnixMillis(5))
    }

    /// Signed by these.
    fn signed(granted_by: u8, released_by: u8) -> SignedRelease {
        SignedRelease {
            grant: grant().sign(&key(granted_by)),
            release: release().sign(&key(released_by)),
        }
    }

    fn refused(signed: &SignedRelease) -> String {
        let error = signed.open(&key(RECOVERY).verifying_key());
        error.expect_err("must be refused").to_string()
    }

    #[test]
    fn open_gives_what_the_key_signed_that_the_recovery_key_granted() {
        let text = serde_json::to_string(&signed(RECOVERY, RELEASE)).expect("JSON");
        let read: SignedRelease = serde_json::from_str(&text).expect("read back");
        let opened = read.open(&key(RECOVERY).verifying_key()).expect("opened");
        assert_eq!((&opened.release, &opened.grant), (&release(), &grant()));
        assert_eq!(
            opened.release.program(Target::Aarch64),
            Some(&program(Target::Aarch64))
        );
    }

    #[test]
    fn open_refuses_other_signers_and_changed_payloads() {
        assert_eq!(
            refused(&signed(THIEF, RELEASE)),
            "the recovery key has not signed who signs releases: no signature is by a trusted key"
        );
        assert_eq!(
            refused(&signed(RECOVERY, THIEF)),
            "the release is not signed by the release key: no signature is by a trusted key"
        );
        let mut changed = signed(RECOVERY, RELEASE);
        let mut other = release();
        other.programs[0].sha256 = "0b".repeat(32);
        changed.release.payload = other.sign(&key(THIEF)).payload;
        assert!(refused(&changed).ends_with("the signature does not match the payload"));
        // A job or a statement of a trusted key is no release.
        let mut swapped = signed(RECOVERY, RELEASE);
        swapped.release = swapped.grant.clone();
        assert!(refused(&swapped).contains("the payload type is"));
    }

    #[test]
    fn open_refuses_what_was_signed_and_is_no_release() {
        let with = |change: &dyn Fn(&mut Release)| {
            let mut release = release();
            change(&mut release);
            refused(&SignedRelease {
                release: release.sign(&key(RELEASE)),
                ..signed(RECOVERY, RELEASE)
            })
        };
        assert!(with(&|release| release.version = 2).contains("update the older side"));
        assert!(with(&|release| release.programs[0].sha256 = "0A".repeat(32)).contains("SHA-256"));
        assert!(with(&|release| release.programs[0].size = PROGRAM_BYTES + 1).contains("size"));
        assert!(with(&|release| release.programs[1].target = Target::X86_64).contains("single program"));
    }

    #[test]
    fn versions_are_three_numbers_in_order() {
        let version = |text: &str| text.parse::<RunnerVersion>();
        let sorted =
            ["0.1.0", "0.1.9", "0.1.10", "0.2.0", "1.0.0"].map(|text| version(text).expect("a version"));
        assert!(sorted.is_sorted());
        assert_eq!(sorted[2].to_string(), "0.1.10");
        for text in [
            "",
            "1",
            "1.2",
            "1.2.3.4",
            "1.2.x",
            "1.2.03",
            "1.2.+3",
            "-1.2.3",
            "1.2.4294967296",
            "1..3",
        ] {
            assert!(version(text).is_err(), "{text}");
        }
    }
}
