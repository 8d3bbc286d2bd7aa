//! Public keys as COSE has them (RFC 9052, RFC 9053, RFC 8230), and their signatures (section 6.5.5).

use super::Refusal;
use ed25519_dalek::{Signature as EdSignature, VerifyingKey as EdKey};
use minicbor::Decoder;
use minicbor::data::Type;
use p256::ecdsa::signature::Verifier as _;
use p256::ecdsa::{Signature as EcSignature, VerifyingKey as EcKey};
use rsa::pkcs1v15::{Signature as RsaSignature, VerifyingKey as RsaKey};
use rsa::{BoxedUint, PublicKey as RsaParts};
use sha2::Sha256;
use std::collections::BTreeMap;

/// ECDSA on P-256 with SHA-256.
const ES256: i64 = -7;
/// `EdDSA`, of which only Ed25519 is taken.
const EDDSA: i64 = -8;
/// RSASSA-PKCS1-v1_5 with SHA-256: what Windows Hello makes in many a TPM.
const RS256: i64 = -257;

/// What may be made, the most wanted first; numbers of IANA's registry of COSE algorithms.
pub const ALGORITHMS: [i64; 3] = [EDDSA, ES256, RS256];

/// Bits of an RSA modulus: fewer are weak, more take long.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2_048..=4_096;
/// Entries of a key: there are five at most, and room for what is not looked at.
const MAX_ENTRIES: u64 = 16;

const UNREADABLE: Refusal = Refusal::Unreadable("public key");

/// A key that signatures are checked with.
pub(super) enum PublicKey {
    Es256(Box<EcKey>),
    Ed25519(Box<EdKey>),
    Rs256(Box<RsaKey<Sha256>>),
}

/// The numbers and byte strings of a key by their labels.
#[derive(Default)]
struct Fields<'a> {
    numbers: BTreeMap<i64, i64>,
    bytes: BTreeMap<i64, &'a [u8]>,
}

impl<'a> Fields<'a> {
    fn read(cose: &'a [u8]) -> Result<Self, Refusal> {
        let unreadable = |_| UNREADABLE;
        let mut decoder = Decoder::new(cose);
        let entries = decoder.map().ok().flatten().ok_or(UNREADABLE)?;
        if entries > MAX_ENTRIES {
            return Err(UNREADABLE);
        }
        let mut fields = Self::default();
        for _ in 0..entries {
            let label = decoder.i64().map_err(unreadable)?;
            let twice = match decoder.datatype().map_err(unreadable)? {
                Type::Bytes => {
                    let bytes = decoder.bytes().map_err(unreadable)?;
                    fields.bytes.insert(label, bytes).is_some()
                }
                Type::U8 | Type::U16 | Type::U32 | Type::I8 | Type::I16 | Type::I32 => {
                    let number = decoder.i64().map_err(unreadable)?;
                    fields.numbers.insert(label, number).is_some()
                }
                _ => return Err(UNREADABLE),
            };
            if twice {
                return Err(UNREADABLE);
            }
        }
        if decoder.position() == cose.len() {
            Ok(fields)
        } else {
            Err(UNREADABLE)
        }
    }

    fn number(&self, label: i64) -> Option<i64> {
        self.numbers.get(&label).copied()
    }

    fn bytes(&self, label: i64) -> Result<&'a [u8], Refusal> {
        self.bytes.get(&label).copied().ok_or(UNREADABLE)
    }

    fn array(&self, label: i64) -> Result<[u8; 32], Refusal> {
        self.bytes(label)?.try_into().map_err(|_| UNREADABLE)
    }
}

impl PublicKey {
    /// Reads a key: its kind, algorithm and curve have to belong together.
    pub(super) fn read(cose: &[u8]) -> Result<Self, Refusal> {
        let fields = Fields::read(cose)?;
        // Labels: 1 kind, 3 algorithm, -1 curve, -2 x, -3 y; of RSA -1 modulus, -2 exponent.
        match (fields.number(1), fields.number(3), fields.number(-1)) {
            (Some(2), Some(ES256), Some(1)) => {
                let point = [&[4][..], &fields.array(-2)?, &fields.array(-3)?].concat();
                let key = EcKey::from_sec1_bytes(&point).map_err(|_| UNREADABLE)?;
                Ok(Self::Es256(Box::new(key)))
            }
            (Some(1), Some(EDDSA), Some(6)) => {
                let key = EdKey::from_bytes(&fields.array(-2)?).map_err(|_| UNREADABLE)?;
                if key.is_weak() {
                    return Err(UNREADABLE);
                }
                Ok(Self::Ed25519(Box::new(key)))
            }
            (Some(3), Some(RS256), None) => {
                let number = |label| fields.bytes(label).map(BoxedUint::from_be_slice_vartime);
                let parts = RsaParts::new_with_size_limits(number(-1)?, number(-2)?, RSA_BITS);
                Ok(Self::Rs256(Box::new(RsaKey::new(parts.map_err(|_| UNREADABLE)?))))
            }
            _ => Err(Refusal::Algorithm),
        }
    }

    /// Its number among [`ALGORITHMS`].
    pub(super) fn algorithm(&self) -> i64 {
        match self {
            Self::Es256(_) => ES256,
            Self::Ed25519(_) => EDDSA,
            Self::Rs256(_) => RS256,
        }
    }

    /// Refuses a signature that the key did not make.
    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), Refusal> {
        let fits = match self {
            Self::Es256(key) => EcSignature::from_der(signature)
                .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
            Self::Ed25519(key) => EdSignature::from_slice(signature)
                .is_ok_and(|signature| key.verify_strict(message, &signature).is_ok()),
            Self::Rs256(key) => RsaSignature::try_from(signature)
                .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
        };
        if fits { Ok(()) } else { Err(Refusal::Signature) }
    }
}
