//! Authenticator data: what the key says, and signs (section 6.1).

use super::{Expected, Refusal};
use minicbor::Decoder;
use sha2::{Digest as _, Sha256};

/// Bits of the byte `flags`.
mod flag {
    pub(super) const PRESENT: u8 = 1;
    pub(super) const VERIFIED: u8 = 1 << 2;
    pub(super) const BACKUP_ELIGIBLE: u8 = 1 << 3;
    pub(super) const BACKED_UP: u8 = 1 << 4;
    pub(super) const ATTESTED: u8 = 1 << 6;
    pub(super) const EXTENSIONS: u8 = 1 << 7;
}

/// Bytes of an AAGUID, which names the model and is of no use here.
const AAGUID: usize = 16;
/// Bytes of a credential's id, at most.
const MAX_ID: usize = 1_023;

const UNREADABLE: Refusal = Refusal::Unreadable("authenticator data");

/// A new key.
pub(super) struct Attested<'a> {
    pub(super) credential: &'a [u8],
    pub(super) public_key: &'a [u8],
}

/// What the key says.
pub(super) struct AuthenticatorData<'a> {
    host_hash: &'a [u8; 32],
    flags: u8,
    pub(super) sign_count: u32,
    pub(super) attested: Option<Attested<'a>>,
}

/// One item of CBOR, and what follows it.
fn item(bytes: &[u8]) -> Result<(&[u8], &[u8]), Refusal> {
    let mut decoder = Decoder::new(bytes);
    decoder.skip().map_err(|_| UNREADABLE)?;
    bytes.split_at_checked(decoder.position()).ok_or(UNREADABLE)
}

fn attested(bytes: &[u8]) -> Result<(Attested<'_>, &[u8]), Refusal> {
    let (_, rest) = bytes.split_first_chunk::<AAGUID>().ok_or(UNREADABLE)?;
    let (length, rest) = rest.split_first_chunk::<2>().ok_or(UNREADABLE)?;
    let length = usize::from(u16::from_be_bytes(*length));
    if length == 0 || length > MAX_ID {
        return Err(UNREADABLE);
    }
    let (credential, rest) = rest.split_at_checked(length).ok_or(UNREADABLE)?;
    let (public_key, rest) = item(rest)?;
    let attested = Attested {
        credential,
        public_key,
    };
    Ok((attested, rest))
}

impl<'a> AuthenticatorData<'a> {
    /// Reads all of it; nothing may be left over.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, Refusal> {
        let (host_hash, rest) = bytes.split_first_chunk::<32>().ok_or(UNREADABLE)?;
        let (&flags, rest) = rest.split_first().ok_or(UNREADABLE)?;
        let (count, mut rest) = rest.split_first_chunk::<4>().ok_or(UNREADABLE)?;
        let mut data = Self {
            host_hash,
            flags,
            sign_count: u32::from_be_bytes(*count),
            attested: None,
        };
        if data.has(flag::ATTESTED) {
            let (attested, after) = attested(rest)?;
            (data.attested, rest) = (Some(attested), after);
        }
        if data.has(flag::EXTENSIONS) {
            // None was asked for, and none is looked at.
            (_, rest) = item(rest)?;
        }
        if rest.is_empty() {
            Ok(data)
        } else {
            Err(UNREADABLE)
        }
    }

    fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    pub(super) fn verified(&self) -> bool {
        self.has(flag::VERIFIED)
    }

    pub(super) fn backup_eligible(&self) -> bool {
        self.has(flag::BACKUP_ELIGIBLE)
    }

    pub(super) fn backed_up(&self) -> bool {
        self.has(flag::BACKED_UP)
    }

    /// Refuses the key of another host, and one that nobody touched or that checked nobody.
    pub(super) fn check(&self, expected: &Expected<'_>) -> Result<(), Refusal> {
        if self.host_hash.as_slice() != Sha256::digest(expected.host).as_slice() {
            return Err(Refusal::Host);
        }
        if !self.has(flag::PRESENT) {
            return Err(Refusal::NotPresent);
        }
        if expected.verified && !self.verified() {
            return Err(Refusal::NotVerified);
        }
        if self.backed_up() && !self.backup_eligible() {
            return Err(Refusal::Backup);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(flags: u8, rest: &[u8]) -> Vec<u8> {
        [
            Sha256::digest("devflow.test").as_slice(),
            &[flags, 0, 0, 1, 2],
            rest,
        ]
        .concat()
    }

    #[test]
    fn read_takes_all_bytes_or_none() {
        let attested = [&[0; AAGUID][..], &[0, 2, 7, 8, 0xa0]].concat();
        let read = |flags, rest: &[u8]| {
            let bytes = bytes(flags, rest);
            AuthenticatorData::read(&bytes).map(|data| {
                let key = data.attested.map(|key| [key.credential, key.public_key].concat());
                (data.sign_count, key)
            })
        };
        assert_eq!(read(1, &[]), Ok((258, None)));
        assert_eq!(read(0x41, &attested), Ok((258, Some(vec![7, 8, 0xa0]))));
        // An empty map of extensions after it.
        assert_eq!(
            read(0xc1, &[&attested[..], &[0xa0]].concat()),
            Ok((258, Some(vec![7, 8, 0xa0])))
        );
        for (flags, rest) in [
            (1, &attested[..]),
            (0x41, &[]),
            (0x41, &attested[..attested.len() - 1]),
            (0xc1, &attested[..]),
            (0x81, &[]),
        ] {
            assert_eq!(read(flags, rest), Err(UNREADABLE), "{flags:#x} {rest:?}");
        }
        let whole = bytes(0x41, &attested);
        for end in 0..whole.len() {
            assert!(AuthenticatorData::read(&whole[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn check_looks_at_host_touch_person_and_backup() {
        let check = |flags, host: &str, verified| {
            let bytes = bytes(flags, &[]);
            let expected = Expected {
                challenge: &[],
                origin: "",
                host,
                verified,
            };
            AuthenticatorData::read(&bytes).and_then(|data| data.check(&expected))
        };
        let host = "devflow.test";
        assert_eq!(check(0x01, host, false), Ok(()));
        assert_eq!(check(0x05, host, true), Ok(()));
        assert_eq!(check(0x1d, host, true), Ok(()));
        assert_eq!(check(0x01, "test", false), Err(Refusal::Host));
        assert_eq!(check(0x04, host, true), Err(Refusal::NotPresent));
        assert_eq!(check(0x01, host, true), Err(Refusal::NotVerified));
        assert_eq!(check(0x15, host, true), Err(Refusal::Backup));
    }
}
