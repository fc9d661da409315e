//! LUKS1 and LUKS2: what a header says, and the volume's key by a passphrase.
//!
//! Source  the on-disk format specifications of cryptsetup (LUKS1 1.2.3, LUKS2 1.1.1).
//! Takes   a medium, and a passphrase or the contents of a key file.
//! Gives   [`Volume`]: where the payload is and how it is encrypted; and its key, compared with the header's digest.
//! Leaves  the medium alone; the kernel does the decrypting.
//! Fails   with [`LuksError`]. Every number of a header is held against a limit before it costs time or memory.

mod cipher;
mod hash;
mod json;
mod key;
mod luks1;
mod luks2;

pub use cipher::{Cipher, Direction};
pub use hash::Hash;

use super::ReadAt;
use super::fields::{be16, has};
use crate::secret::Secret;
use std::{fmt, io};

const MAGIC: &[u8] = b"LUKS\xba\xbe";

/// Stripes that cryptsetup spreads a key over; it makes no other number.
const MOST_STRIPES: u64 = 4000;
/// Rounds of PBKDF2: a hundred times what cryptsetup takes for two seconds on a usual processor, less than a few minutes.
const MOST_ITERATIONS: u64 = 1 << 27;
/// Longest salt in bytes; cryptsetup makes 32.
const LONGEST_SALT: usize = 512;

/// An encrypted volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// 1 or 2.
    pub version: u8,
    /// Its UUID: 36 characters, hexadecimal digits and dashes.
    pub uuid: String,
    /// Where what is encrypted is, and how it is.
    pub payload: Payload,
    slots: Vec<Slot>,
}

/// The part of the medium that is encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// Its first byte; a multiple of 512.
    pub offset: u64,
    /// Its length in bytes; `None`: up to the end of the medium.
    pub size: Option<u64>,
    /// How it is encrypted.
    pub cipher: Cipher,
    /// Bytes that are encrypted as one: 512, 1024, 2048 or 4096.
    pub sector_size: u32,
    /// Added to each sector's number.
    pub iv_offset: u64,
}

/// One passphrase's way to the key.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Slot {
    kdf: Kdf,
    salt: Vec<u8>,
    /// Where the spread key is, in bytes, and how it is encrypted.
    offset: u64,
    cipher: Cipher,
    area_key_size: usize,
    /// How it is spread.
    stripes: usize,
    hash: Hash,
    /// Bytes of the volume's key.
    key_size: usize,
    digest: Digest,
}

/// What a passphrase goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kdf {
    Pbkdf2 { hash: Hash, iterations: u32 },
    Argon2 { algorithm: argon2::Algorithm, time: u32, memory: u32, lanes: u32 },
}

/// What the volume's key is recognised by.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Digest {
    hash: Hash,
    iterations: u32,
    salt: Vec<u8>,
    value: Vec<u8>,
}

/// Why a volume has no key.
#[derive(Debug)]
pub enum LuksError {
    /// The medium cannot be read.
    Io(io::Error),
    /// The header contradicts itself or its checksum; what is wrong with it.
    Broken(&'static str),
    /// Sound, and of a kind that is not done here.
    Unsupported {
        /// What of it.
        what: &'static str,
        /// The header's own word.
        seen: String,
    },
    /// A slot wants more memory than there is.
    Memory {
        /// KiB that it wants.
        want: u64,
        /// KiB that there are.
        have: u64,
    },
    /// The passphrase opens none of the slots.
    WrongKey,
}

impl fmt::Display for LuksError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LuksError::Io(error) => write!(f, "{}", crate::error::OsText(error)),
            LuksError::Broken(what) => write!(f, "its header is damaged: {what}"),
            // Text from a disk: a control character must not forge a line.
            LuksError::Unsupported { what, seen } => write!(f, "{what} {seen:?} is not supported"),
            LuksError::Memory { want, have } => {
                write!(f, "argon2 wants {want} KiB of memory for its key, {have} KiB are free")
            }
            LuksError::WrongKey => f.write_str("no key slot fits"),
        }
    }
}

impl From<io::Error> for LuksError {
    fn from(error: io::Error) -> Self {
        LuksError::Io(error)
    }
}

impl Volume {
    /// Reads the header.
    ///
    /// # Errors
    /// When it is damaged, or of a kind that is not done here.
    pub fn read(dev: &dyn ReadAt) -> Result<Volume, LuksError> {
        let head = super::read_exact_at(dev, 0, luks1::LENGTH)?.ok_or(LuksError::Broken("it is cut short"))?;
        if !has(&head, 0, MAGIC) {
            return Err(LuksError::Broken("no LUKS magic at its start"));
        }
        match be16(&head, 6) {
            Some(1) => luks1::parse(&head),
            Some(2) => luks2::read(dev),
            other => Err(unsupported("LUKS version", &other.unwrap_or_default().to_string())),
        }
    }

    /// The volume's key, by a passphrase; `memory` KiB may be used for it.
    ///
    /// # Errors
    /// [`LuksError::WrongKey`] when the passphrase opens none of the slots that could be tried; [`LuksError::Memory`]
    /// when one could not be.
    pub fn unlock(&self, dev: &dyn ReadAt, passphrase: &[u8], memory: u64) -> Result<Secret, LuksError> {
        let mut refused = LuksError::WrongKey;
        for slot in &self.slots {
            match slot.open(dev, passphrase, memory) {
                Ok(Some(key)) => return Ok(key),
                Ok(None) => {}
                Err(error) => refused = error,
            }
        }
        Err(refused)
    }
}

fn unsupported(what: &'static str, seen: &str) -> LuksError {
    LuksError::Unsupported { what, seen: seen.chars().take(64).collect() }
}

/// Only the characters of a UUID: it becomes part of a device's name.
fn uuid(text: Option<String>) -> Result<String, LuksError> {
    let valid = |text: &String| text.len() == 36 && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    text.filter(valid).ok_or(LuksError::Broken("its UUID is none"))
}

fn cipher(name: &str) -> Result<Cipher, LuksError> {
    Cipher::parse(name).ok_or_else(|| unsupported("the cipher", name))
}

fn hash(name: &str) -> Result<Hash, LuksError> {
    Hash::parse(name).ok_or_else(|| unsupported("the hash", name))
}

/// A number of a header within its limits.
fn within<T: TryFrom<u64>>(value: Option<u64>, least: u64, most: u64, what: &'static str) -> Result<T, LuksError> {
    let value = value.filter(|value| (least..=most).contains(value));
    value.and_then(|value| T::try_from(value).ok()).ok_or(LuksError::Broken(what))
}

#[cfg(test)]
mod tests;
