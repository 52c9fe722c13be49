//! Keys as NATS writes them: Ed25519, in base 32, with a letter in front that says what for.

use anyhow::{Context as _, Result};
use rcgen::{KeyPair, PKCS_ED25519, PublicKeyData as _, SigningKey as _};

const SEED: u8 = 18 << 3;
const OPERATOR: u8 = 14 << 3;
const ACCOUNT: u8 = 0;
const USER: u8 = 20 << 3;

/// A pair of keys.
#[derive(Debug)]
pub(super) struct Key {
    pair: KeyPair,
    kind: u8,
}

impl Key {
    pub(super) fn operator() -> Result<Self> {
        Self::new(OPERATOR)
    }

    pub(super) fn account() -> Result<Self> {
        Self::new(ACCOUNT)
    }

    pub(super) fn user() -> Result<Self> {
        Self::new(USER)
    }

    fn new(kind: u8) -> Result<Self> {
        Ok(Self { pair: KeyPair::generate_for(&PKCS_ED25519)?, kind })
    }

    pub(super) fn public(&self) -> String {
        checked([&[self.kind], self.pair.der_bytes()].concat())
    }

    /// The secret half.
    pub(super) fn seed(&self) -> Result<String> {
        let der = self.pair.serialize_der();
        // PKCS #8 has it as an octet string in an octet string.
        let head = [0x04, 0x22, 0x04, 0x20];
        let at = der.windows(head.len()).position(|bytes| bytes == head).context("a key without a seed")?;
        let seed = der.get(at + head.len()..at + head.len() + 32).context("a key that ends too early")?;
        let prefix = [SEED | (self.kind >> 5), (self.kind & 31) << 3];
        Ok(checked([&prefix, seed].concat()))
    }

    pub(super) fn sign(&self, text: &str) -> Result<Vec<u8>> {
        Ok(self.pair.sign(text.as_bytes())?)
    }
}

/// With its check sum.
fn checked(mut bytes: Vec<u8>) -> String {
    let sum = crc16(&bytes);
    bytes.extend(sum.to_le_bytes());
    base(&bytes, 5, b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
}

/// `bits` of the bytes to each letter; what is missing at the end is zero.
pub(super) fn base(bytes: &[u8], bits: usize, letters: &[u8]) -> String {
    let all = bytes.len() * 8;
    let bit = |at: usize| bytes.get(at / 8).map_or(0, |byte| usize::from(byte >> (7 - at % 8) & 1));
    let letter = |from: usize| letters[(from..from + bits).fold(0, |value, at| value << 1 | bit(at))];
    (0..all).step_by(bits).map(|from| char::from(letter(from))).collect()
}

/// CRC-16/XMODEM.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |sum, &byte| {
        let sum = sum ^ (u16::from(byte) << 8);
        (0..8).fold(sum, |sum, _| if sum & 0x8000 == 0 { sum << 1 } else { sum << 1 ^ 0x1021 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_look_as_nats_has_them() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        assert_eq!(base(b"foobar", 5, b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"), "MZXW6YTBOI");
        let key = Key::user().unwrap();
        assert!(key.public().starts_with('U') && key.public().len() == 56, "{}", key.public());
        let seed = key.seed().unwrap();
        assert!(seed.starts_with("SU") && seed.len() == 58, "{seed}");
        assert!(Key::account().unwrap().public().starts_with('A'));
        assert!(Key::operator().unwrap().seed().unwrap().starts_with("SO"));
    }
}
