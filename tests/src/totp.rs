//! An app for one-time codes (RFC 6238), written apart from the one that is tested.

use anyhow::{Context, Result};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

/// An app with one account.
#[derive(Debug)]
pub struct App(Vec<u8>);

impl App {
    /// Takes a secret as it is typed: base32 in groups.
    pub fn new(typed: &str) -> Result<Self> {
        let mut bits = String::new();
        for letter in typed.chars().filter(|letter| letter.is_alphanumeric()) {
            let value = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
                .find(letter)
                .context("not base32")?;
            write!(bits, "{value:05b}")?;
        }
        let bytes = bits.as_bytes().chunks_exact(8).map(|bits| {
            let text = std::str::from_utf8(bits)?;
            Ok(u8::from_str_radix(text, 2)?)
        });
        bytes.collect::<Result<Vec<u8>>>().map(Self)
    }

    /// The number of the time step now.
    pub fn step() -> Result<u64> {
        Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() / 30)
    }

    /// The code of a time step.
    pub fn code(&self, step: u64) -> Result<String> {
        let mut mac = Hmac::<Sha1>::new_from_slice(&self.0)?;
        mac.update(&step.to_be_bytes());
        let hash = mac.finalize().into_bytes();
        let at = usize::from(hash[19] % 16);
        let word = u32::from_be_bytes([hash[at], hash[at + 1], hash[at + 2], hash[at + 3]]) & 0x7fff_ffff;
        Ok(format!("{:06}", word % 1_000_000))
    }
}
