//! Passkeys (Web Authentication, Level 3: <https://www.w3.org/TR/webauthn-3/>): what a relying party checks of a new
//! key (section 7.1) and of a key that is used (section 7.2), as pure functions over the bytes that a browser sends.
//!
//! Of attestation only `none` is taken, and `packed` by the key itself, which browsers hand out in its place where the
//! key names no model: which make a key is says nothing about who has it. Not in scope: making challenges and taking
//! each only once, and where keys are kept.

mod attestation;
mod authenticator_data;
mod client_data;
mod public_key;
mod rules;

pub use public_key::ALGORITHMS;
pub use rules::{CHALLENGE_BYTES, CHALLENGE_MS, MAX_KEYS, NAME_CHARS, Purpose, host_of, needs_person};

use authenticator_data::AuthenticatorData;
use public_key::PublicKey;
use sha2::{Digest as _, Sha256};

/// Why an answer of a key is not taken. The words go after “The passkey was not taken: ”.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not what the specification says; names the part.
    #[error("its {0} cannot be read")]
    Unreadable(&'static str),
    /// A new key where one was to be used, or the other way round.
    #[error("it answers another kind of request")]
    Kind,
    /// The answer to another challenge.
    #[error("it answers another request than this one")]
    Challenge,
    /// The page that asked is not ours.
    #[error("it was made on another site")]
    Origin,
    /// The page that asked was inside a foreign one.
    #[error("it was made on a page inside another site")]
    Embedded,
    /// The key belongs to another host name.
    #[error("it belongs to another host name")]
    Host,
    /// Nobody touched the key.
    #[error("nobody touched the key")]
    NotPresent,
    /// The key did not check who uses it.
    #[error("the key did not check by PIN, finger or face who uses it")]
    NotVerified,
    /// It says that it is copied and that it cannot be, or another thing than when it was added.
    #[error("it contradicts itself about whether it is kept on one device only")]
    Backup,
    /// A kind of key that is not known here.
    #[error("its kind of key is not one of ES256, EdDSA (Ed25519) and RS256")]
    Algorithm,
    /// An attestation that was not asked for, or one that does not hold.
    #[error("its attestation is none that was asked for")]
    Attestation,
    /// It was not made with the key.
    #[error("its signature does not fit")]
    Signature,
    /// The key, or a copy of it, was used more often than it says.
    #[error("it counts {given} uses where {stored} are known: there may be a copy of the key")]
    Regressed {
        /// As it was kept.
        stored: u32,
        /// As the key says.
        given: u32,
    },
}

/// What the answer has to fit.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The bytes that were asked to be signed.
    pub challenge: &'a [u8],
    /// The origin of our pages: scheme, host and port.
    pub origin: &'a str,
    /// The relying party's id: the host of that origin, see [`host_of`].
    pub host: &'a str,
    /// True where the key has to check who uses it.
    pub verified: bool,
}

/// A new key, as it is to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewKey {
    /// The credential's id.
    pub credential: Vec<u8>,
    /// The public key in the form of COSE (RFC 9052).
    pub public_key: Vec<u8>,
    /// How often it was used, where it counts.
    pub sign_count: u32,
    /// The key checked who uses it.
    pub verified: bool,
    /// The key may be copied to other devices of its person.
    pub backup_eligible: bool,
    /// It is.
    pub backed_up: bool,
}

/// What a browser gives of a new key.
#[derive(Clone, Copy, Debug)]
pub struct Registration<'a> {
    /// `clientDataJSON`
    pub client_data: &'a [u8],
    /// `attestationObject`
    pub attestation_object: &'a [u8],
}

/// Checks a new key.
///
/// # Errors
/// The first check that it fails.
pub fn register(expected: &Expected<'_>, given: &Registration<'_>) -> Result<NewKey, Refusal> {
    client_data::check(given.client_data, client_data::Kind::Create, expected)?;
    let attestation = attestation::read(given.attestation_object)?;
    let data = AuthenticatorData::read(attestation.authenticator_data)?;
    data.check(expected)?;
    let attested = data
        .attested
        .as_ref()
        .ok_or(Refusal::Unreadable("authenticator data"))?;
    let key = PublicKey::read(attested.public_key)?;
    attestation.check(&key, &Sha256::digest(given.client_data))?;
    Ok(NewKey {
        credential: attested.credential.to_vec(),
        public_key: attested.public_key.to_vec(),
        sign_count: data.sign_count,
        verified: data.verified(),
        backup_eligible: data.backup_eligible(),
        backed_up: data.backed_up(),
    })
}

/// A key as it is kept.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// See [`NewKey`].
    pub public_key: &'a [u8],
    /// See [`NewKey`].
    pub sign_count: u32,
    /// See [`NewKey`].
    pub backup_eligible: bool,
}

/// What a browser gives of a key that is used.
#[derive(Clone, Copy, Debug)]
pub struct Assertion<'a> {
    /// `clientDataJSON`
    pub client_data: &'a [u8],
    /// `authenticatorData`
    pub authenticator_data: &'a [u8],
    /// `signature`
    pub signature: &'a [u8],
}

/// What the use of a key changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used {
    /// To be kept in place of the old one.
    pub sign_count: u32,
    /// It checked who used it.
    pub verified: bool,
    /// It is copied to other devices by now.
    pub backed_up: bool,
}

/// Checks that a key that is kept was used.
///
/// # Errors
/// The first check that it fails.
pub fn assert(known: &Known<'_>, expected: &Expected<'_>, given: &Assertion<'_>) -> Result<Used, Refusal> {
    client_data::check(given.client_data, client_data::Kind::Get, expected)?;
    let data = AuthenticatorData::read(given.authenticator_data)?;
    data.check(expected)?;
    if data.backup_eligible() != known.backup_eligible {
        return Err(Refusal::Backup);
    }
    let hash = Sha256::digest(given.client_data);
    let signed = [given.authenticator_data, &hash].concat();
    PublicKey::read(known.public_key)?.verify(&signed, given.signature)?;
    Ok(Used {
        sign_count: rules::count(known.sign_count, data.sign_count)?,
        verified: data.verified(),
        backed_up: data.backed_up(),
    })
}
