//! The attestation object: authenticator data with what vouches for it (sections 6.5, 8.2 and 8.7).

use super::Refusal;
use super::public_key::PublicKey;
use minicbor::Decoder;

const UNREADABLE: Refusal = Refusal::Unreadable("attestation");

/// Who vouches.
enum Statement<'a> {
    /// Nobody.
    None,
    /// The key itself.
    Itself { algorithm: i64, signature: &'a [u8] },
}

pub(super) struct Attestation<'a> {
    pub(super) authenticator_data: &'a [u8],
    statement: Statement<'a>,
}

/// What a statement of the format `packed` can say.
#[derive(Default)]
struct Packed<'a> {
    algorithm: Option<i64>,
    signature: Option<&'a [u8]>,
    /// Somebody else vouches.
    certified: bool,
    entries: u64,
}

fn entries(decoder: &mut Decoder<'_>) -> Result<u64, Refusal> {
    decoder.map().ok().flatten().ok_or(UNREADABLE)
}

fn packed<'a>(decoder: &mut Decoder<'a>) -> Result<Packed<'a>, Refusal> {
    let unreadable = |_| UNREADABLE;
    let mut found = Packed {
        entries: entries(decoder)?,
        ..Packed::default()
    };
    for _ in 0..found.entries {
        match decoder.str().map_err(unreadable)? {
            "alg" => found.algorithm = Some(decoder.i64().map_err(unreadable)?),
            "sig" => found.signature = Some(decoder.bytes().map_err(unreadable)?),
            _ => {
                found.certified = true;
                decoder.skip().map_err(unreadable)?;
            }
        }
    }
    Ok(found)
}

/// Reads all of it; nothing may be left over.
pub(super) fn read(bytes: &[u8]) -> Result<Attestation<'_>, Refusal> {
    let unreadable = |_| UNREADABLE;
    let mut decoder = Decoder::new(bytes);
    let (mut format, mut statement, mut data) = (None, None, None);
    for _ in 0..entries(&mut decoder)? {
        match decoder.str().map_err(unreadable)? {
            "fmt" => format = Some(decoder.str().map_err(unreadable)?),
            "attStmt" => statement = Some(packed(&mut decoder)?),
            "authData" => data = Some(decoder.bytes().map_err(unreadable)?),
            _ => return Err(UNREADABLE),
        }
    }
    let (Some(format), Some(found), Some(authenticator_data)) = (format, statement, data) else {
        return Err(UNREADABLE);
    };
    if decoder.position() != bytes.len() {
        return Err(UNREADABLE);
    }
    let statement = match (format, found) {
        ("none", Packed { entries: 0, .. }) => Statement::None,
        (
            "packed",
            Packed {
                algorithm: Some(algorithm),
                signature: Some(signature),
                certified: false,
                ..
            },
        ) => Statement::Itself { algorithm, signature },
        _ => return Err(Refusal::Attestation),
    };
    Ok(Attestation {
        authenticator_data,
        statement,
    })
}

impl Attestation<'_> {
    /// Refuses a key that vouches for itself and cannot.
    pub(super) fn check(&self, key: &PublicKey, client_data_hash: &[u8]) -> Result<(), Refusal> {
        let Statement::Itself { algorithm, signature } = &self.statement else {
            return Ok(());
        };
        let signed = [self.authenticator_data, client_data_hash].concat();
        if *algorithm != key.algorithm() || key.verify(&signed, signature).is_err() {
            return Err(Refusal::Attestation);
        }
        Ok(())
    }
}
