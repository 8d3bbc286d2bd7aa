//! The second factor: one-time codes of an app by TOTP (RFC 6238), and recovery codes for when the app is lost.
//!
//! SHA-1, 30 s and 6 digits, because that is what every app knows. Not in scope: where secrets are kept, and how often
//! one may try.

use devflow_protocol::UnixMillis;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use subtle::ConstantTimeEq as _;

/// Bytes of a secret: as long as the hash (RFC 4226, section 4).
pub const SECRET_BYTES: usize = 20;
/// Bytes of a recovery code: enough that a plain hash of it can be stored.
pub const RECOVERY_BYTES: usize = 10;
/// Recovery codes of a person.
pub const RECOVERY_CODES: usize = 10;
/// How long a code is the current one, in milliseconds.
const STEP_MS: i64 = 30_000;
const DIGITS: u32 = 6;
/// Steps that a clock may be off, either way.
const DRIFT: i64 = 1;

/// Alphabet of base32 (RFC 4648).
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// HOTP (RFC 4226) of a step.
fn code(secret: &[u8], step: i64, digits: u32) -> u32 {
    let mut mac = Hmac::<Sha1>::new_from_slice(secret).expect("HMAC takes a key of any length");
    mac.update(&step.to_be_bytes());
    let hash = mac.finalize().into_bytes();
    let offset = usize::from(hash[hash.len() - 1] & 0x0f);
    let word = [
        hash[offset] & 0x7f,
        hash[offset + 1],
        hash[offset + 2],
        hash[offset + 3],
    ];
    u32::from_be_bytes(word) % 10_u32.pow(digits)
}

/// What was typed as a second factor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Typed {
    /// Six digits of an app.
    Code(String),
    /// A recovery code as it is hashed: lower case, without signs between.
    Recovery(String),
}

impl Typed {
    /// Reads it, however it was spaced. None where it can be neither.
    pub fn read(text: &str) -> Option<Self> {
        let plain: String = text
            .chars()
            .take(64)
            .filter(|c| !c.is_whitespace() && *c != '-')
            .collect::<String>()
            .to_lowercase();
        if plain.len() == DIGITS as usize && plain.bytes().all(|byte| byte.is_ascii_digit()) {
            return Some(Self::Code(plain));
        }
        let known = |byte: u8| BASE32.contains(&byte.to_ascii_uppercase());
        let recovery = plain.len() == RECOVERY_BYTES * 8 / 5 && plain.bytes().all(known);
        recovery.then_some(Self::Recovery(plain))
    }
}

/// The time step of `given`, where it is the code of now or of a step beside it, and newer than `last_step`: a code
/// that was seen over somebody's shoulder opens nothing once it was used.
pub fn accept(secret: &[u8], given: &str, last_step: i64, now: UnixMillis) -> Option<i64> {
    let current = now.0.div_euclid(STEP_MS);
    let mut found = None;
    for step in current - DRIFT..=current + DRIFT {
        let expected = format!("{:06}", code(secret, step, DIGITS));
        let same = bool::from(expected.as_bytes().ct_eq(given.as_bytes()));
        if same && step > last_step {
            found = Some(step);
        }
    }
    found
}

/// Base32 without padding.
pub fn base32(bytes: &[u8]) -> String {
    let (mut text, mut buffer, mut bits) = (String::new(), 0_u32, 0);
    let mut push = |five: u32| text.push(char::from(BASE32[(five & 31) as usize]));
    for byte in bytes {
        buffer = (buffer << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            push(buffer >> bits);
        }
    }
    if bits > 0 {
        push(buffer << (5 - bits));
    }
    text
}

/// In groups of four, for people who type it.
pub fn grouped(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let groups: Vec<String> = letters.chunks(4).map(|group| group.iter().collect()).collect();
    groups.join("-")
}

/// What an app reads from the QR code
/// (<https://github.com/google/google-authenticator/wiki/Key-Uri-Format>).
pub fn uri(secret: &[u8], email: &str) -> String {
    let account: String = form_urlencoded::byte_serialize(email.as_bytes()).collect();
    format!(
        "otpauth://totp/DevFlow%20Pro:{}?secret={}&issuer=DevFlow%20Pro",
        account.replace('+', "%20"),
        base32(secret)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The secret of RFC 6238, appendix B.
    const SECRET: &[u8] = b"12345678901234567890";

    #[test]
    fn code_agrees_with_the_test_vectors_of_rfc_6238() {
        let vectors = [
            (59, 94_287_082),
            (1_111_111_109, 7_081_804),
            (1_111_111_111, 14_050_471),
            (1_234_567_890, 89_005_924),
            (2_000_000_000, 69_279_037),
            (20_000_000_000, 65_353_130),
        ];
        for (seconds, expected) in vectors {
            assert_eq!(code(SECRET, seconds / 30, 8), expected, "{seconds}");
        }
    }

    #[test]
    fn code_agrees_with_the_test_vectors_of_rfc_4226() {
        let vectors = [
            755_224, 287_082, 359_152, 969_429, 338_314, 254_676, 287_922, 162_583, 399_871, 520_489,
        ];
        for (counter, expected) in (0..).zip(vectors) {
            assert_eq!(code(SECRET, counter, 6), expected, "{counter}");
        }
    }

    #[test]
    fn accept_takes_a_code_once_and_one_step_beside() {
        // 287922 is the code of step 6, which begins at 180 s.
        let at = |second: i64, last: i64| accept(SECRET, "287922", last, UnixMillis(second * 1_000));
        assert_eq!(
            (at(149, 0), at(150, 0), at(195, 0), at(239, 0), at(240, 0)),
            (None, Some(6), Some(6), Some(6), None)
        );
        // It, and any code before it, is not taken again.
        assert_eq!((at(195, 5), at(195, 6), at(195, 7)), (Some(6), None, None));
        assert_eq!(accept(SECRET, "254676", 6, UnixMillis(195_000)), None);
        for wrong in ["287923", "", "28792", "0287922", "٢٨٧٩٢٢"] {
            assert_eq!(accept(SECRET, wrong, 0, UnixMillis(195_000)), None, "{wrong}");
        }
    }

    #[test]
    fn base32_agrees_with_the_test_vectors_of_rfc_4648() {
        let vectors = [
            ("", ""),
            ("f", "MY"),
            ("fo", "MZXQ"),
            ("foo", "MZXW6"),
            ("foob", "MZXW6YQ"),
            ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI"),
        ];
        for (plain, expected) in vectors {
            assert_eq!(base32(plain.as_bytes()), expected);
        }
    }

    #[test]
    fn typed_is_read_however_it_is_spaced() {
        assert_eq!(Typed::read(" 287 922 "), Some(Typed::Code("287922".to_owned())));
        let code = grouped(&base32(&[7; RECOVERY_BYTES]));
        assert_eq!(code, "A4DQ-OBYH-A4DQ-OBYH");
        assert_eq!(
            Typed::read(&code),
            Some(Typed::Recovery("a4dqobyha4dqobyh".to_owned()))
        );
        for neither in [
            "",
            "28792",
            "2879221",
            "A4DQ-OBYH-A4DQ-OBY1",
            "A4DQ-OBYH",
            &"x".repeat(500),
        ] {
            assert_eq!(Typed::read(neither), None, "{neither}");
        }
    }

    #[test]
    fn uri_names_account_and_issuer() {
        assert_eq!(
            uri(b"12345678901234567890", "jane+ops@example.com"),
            "otpauth://totp/DevFlow%20Pro:jane%2Bops%40example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=DevFlow%20Pro"
        );
    }
}
