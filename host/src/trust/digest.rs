//! The digests of checksum lists, by name and by length, and their hex digits.

use anyhow::{Context, Result, bail};
use md5::Digest as _;
use serde::{Serialize, Serializer};
use std::fmt;

/// Which function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)] // the names are those of the functions
pub enum Algorithm {
    Md5,
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
    Blake3,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Algorithm; 7] = [
        Algorithm::Md5,
        Algorithm::Sha1,
        Algorithm::Sha224,
        Algorithm::Sha256,
        Algorithm::Sha384,
        Algorithm::Sha512,
        Algorithm::Blake3,
    ];

    /// Its name as messages and JSON have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Md5 => "md5",
            Algorithm::Sha1 => "sha1",
            Algorithm::Sha224 => "sha224",
            Algorithm::Sha256 => "sha256",
            Algorithm::Sha384 => "sha384",
            Algorithm::Sha512 => "sha512",
            Algorithm::Blake3 => "blake3",
        }
    }

    /// By name, in upper or lower case, with or without the dash of `SHA-256`.
    #[must_use]
    pub fn named(name: &str) -> Option<Algorithm> {
        let plain: String = name.chars().filter(|&letter| letter != '-').map(|l| l.to_ascii_lowercase()).collect();
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == plain)
    }

    /// Bytes of a digest.
    #[must_use]
    pub fn length(self) -> usize {
        match self {
            Algorithm::Md5 => 16,
            Algorithm::Sha1 => 20,
            Algorithm::Sha224 => 28,
            Algorithm::Sha256 | Algorithm::Blake3 => 32,
            Algorithm::Sha384 => 48,
            Algorithm::Sha512 => 64,
        }
    }

    /// Whether nobody can make two files with one digest. For MD5 and SHA-1 that is done in practice.
    #[must_use]
    pub fn is_strong(self) -> bool {
        !matches!(self, Algorithm::Md5 | Algorithm::Sha1)
    }

    /// Begins a digest.
    #[must_use]
    pub fn begin(self) -> Running {
        match self {
            Algorithm::Md5 => Running::Md5(md5::Md5::new()),
            Algorithm::Sha1 => Running::Sha1(sha1::Sha1::new()),
            Algorithm::Sha224 => Running::Sha224(sha2::Sha224::new()),
            Algorithm::Sha256 => Running::Sha256(sha2::Sha256::new()),
            Algorithm::Sha384 => Running::Sha384(sha2::Sha384::new()),
            Algorithm::Sha512 => Running::Sha512(sha2::Sha512::new()),
            Algorithm::Blake3 => Running::Blake3(Box::default()),
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Algorithm {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// A digest that is being made, of bytes in order.
#[derive(Debug)]
#[allow(missing_docs)] // as above
pub enum Running {
    Md5(md5::Md5),
    Sha1(sha1::Sha1),
    Sha224(sha2::Sha224),
    Sha256(sha2::Sha256),
    Sha384(sha2::Sha384),
    Sha512(sha2::Sha512),
    Blake3(Box<blake3::Hasher>),
}

impl Running {
    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Running::Md5(hasher) => hasher.update(bytes),
            Running::Sha1(hasher) => hasher.update(bytes),
            Running::Sha224(hasher) => hasher.update(bytes),
            Running::Sha256(hasher) => hasher.update(bytes),
            Running::Sha384(hasher) => hasher.update(bytes),
            Running::Sha512(hasher) => hasher.update(bytes),
            Running::Blake3(hasher) => {
                hasher.update(bytes);
            }
        }
    }

    /// The digest.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        match self {
            Running::Md5(hasher) => hasher.finalize().to_vec(),
            Running::Sha1(hasher) => hasher.finalize().to_vec(),
            Running::Sha224(hasher) => hasher.finalize().to_vec(),
            Running::Sha256(hasher) => hasher.finalize().to_vec(),
            Running::Sha384(hasher) => hasher.finalize().to_vec(),
            Running::Sha512(hasher) => hasher.finalize().to_vec(),
            Running::Blake3(hasher) => hasher.finalize().as_bytes().to_vec(),
        }
    }
}

/// Lower-case hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes of hexadecimal digits, in upper or lower case.
///
/// # Errors
/// When it is anything else.
pub fn unhex(text: &str) -> Result<Vec<u8>> {
    let digits: Vec<char> = text.chars().collect();
    let (pairs, rest) = digits.as_chunks();
    if !rest.is_empty() {
        bail!("wanted pairs of hex digits, seen {text:?}");
    }
    let digit = |letter: char| letter.to_digit(16).with_context(|| format!("wanted a hex digit, seen {letter:?}"));
    pairs.iter().map(|&[high, low]| Ok(u8::try_from(digit(high)? << 4 | digit(low)?)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_of_nothing_are_the_known_ones() {
        for (algorithm, wanted) in [
            (Algorithm::Md5, "d41d8cd98f00b204e9800998ecf8427e"),
            (Algorithm::Sha1, "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
            (Algorithm::Sha224, "d14a028c2a3a2bc9476102bb288234c415a2b01f828ea62ac5b3e42f"),
            (Algorithm::Sha256, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (Algorithm::Sha384, "38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da"),
            (Algorithm::Sha512, "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"),
            (Algorithm::Blake3, "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"),
        ] {
            let seen = algorithm.begin().finish();
            assert!(hex(&seen).starts_with(wanted), "{algorithm}");
            assert_eq!(seen.len(), algorithm.length());
            assert_eq!(unhex(&hex(&seen)).unwrap(), seen);
        }
    }

    #[test]
    fn names_of_lists_are_known() {
        for (name, wanted) in [("SHA256", Some(Algorithm::Sha256)), ("SHA-512", Some(Algorithm::Sha512))] {
            assert_eq!(Algorithm::named(name), wanted);
        }
        for name in ["", "SHA3-256", "BLAKE2b", "RMD160"] {
            assert_eq!(Algorithm::named(name), None);
        }
        for text in ["0", "0g", "é0"] {
            assert!(unhex(text).is_err());
        }
    }
}
