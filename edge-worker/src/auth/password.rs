//! Passwords: Argon2id (RFC 9106) in the PHC string format.

use argon2::{Algorithm, Argon2, Params, Version};
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use subtle::ConstantTimeEq as _;

/// OWASP's recommendation for Argon2id: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;

fn compute(password: &str, salt: &[u8], memory_kib: u32, passes: u32) -> Option<[u8; 32]> {
    let params = Params::new(memory_kib, passes, 1, Some(32)).ok()?;
    let mut out = [0; 32];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password.as_bytes(), salt, &mut out)
        .ok()?;
    Some(out)
}

/// The hash that is stored. `salt` must be fresh.
pub(super) fn hash(password: &str, salt: [u8; 16]) -> String {
    let out = compute(password, &salt, MEMORY_KIB, PASSES).expect("the parameters are in Argon2's ranges");
    format!(
        "$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p=1${}${}",
        STANDARD_NO_PAD.encode(salt),
        STANDARD_NO_PAD.encode(out)
    )
}

/// True where `password` made `stored`.
pub(super) fn verify(password: &str, stored: &str) -> bool {
    let parts: Vec<&str> = stored.split('$').collect();
    let &["", "argon2id", "v=19", settings, salt, expected] = parts.as_slice() else {
        return false;
    };
    let mut values = settings
        .split(',')
        .filter_map(|pair| pair.split_once('=')?.1.parse::<u32>().ok());
    let (Some(memory), Some(passes)) = (values.next(), values.next()) else {
        return false;
    };
    let (Ok(salt), Ok(expected)) = (STANDARD_NO_PAD.decode(salt), STANDARD_NO_PAD.decode(expected)) else {
        return false;
    };
    compute(password, &salt, memory, passes).is_some_and(|out| bool::from(out.as_slice().ct_eq(&expected)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verify_takes_only_the_password_that_was_hashed() {
        let stored = hash("correct horse battery", [7; 16]);
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$BwcHBwcHBwcHBwcHBwcHBw$"));
        assert!(verify("correct horse battery", &stored));
        assert!(!verify("correct horse batterz", &stored));
        for broken in ["", "$argon2id$", "$argon2id$v=19$m=1,t=0,p=1$AA$AA", "plain"] {
            assert!(!verify("x", broken), "{broken}");
        }
    }

    #[test]
    fn verify_agrees_with_another_implementation() {
        // `printf password | argon2 somesalt -id -t 2 -m 16 -p 1 -l 32 -e` of the reference implementation.
        let stored = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        assert!(verify("password", stored));
    }
}
