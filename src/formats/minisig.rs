//! Signatures and public keys in minisign's format (minisign(1); jedisct1.github.io/minisign, "Signature format").
//!
//! Takes   the bytes of `*.minisig` and of public keys.
//! Gives   [`PublicKey`]s and a [`Signature`], which says of a message by which of the keys it is signed.
//! Fails   with [`MinisigError`]; what is left open by minisign is refused: a second signature behind the first, text
//!         that is no UTF-8, control characters in the comment, base64 with more than one reading.
//!
//! A signature has two parts: one of the message, and one of the first together with the trusted comment. Both must hold;
//! the untrusted comment is covered by nothing, and nothing here gives it out.

mod error;

pub use error::MinisigError;

use super::base64;
use blake2::{Blake2b512, Digest};
use std::fmt;

/// Bytes of a signature file: minisign itself allows 1024 for the untrusted and 8192 for the trusted comment.
pub const MOST_SIGNATURE: usize = 10 << 10;
/// Bytes of a file of keys.
pub const MOST_KEYS: usize = 64 << 10;

const UNTRUSTED: &str = "untrusted comment:";
const TRUSTED: &str = "trusted comment: ";
/// The word of a trusted comment that ends its validity, in seconds since 1970.
const EXPIRES: &str = "expires:";
/// Ed25519 of the message itself, as minisign wrote it before 0.6 and writes it with `-l`; also in front of every key.
const PLAIN: [u8; 2] = *b"Ed";
/// Ed25519 of the message's BLAKE2b-512.
const HASHED: [u8; 2] = *b"ED";

/// What minisign tells keys apart by; shown as it shows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyId([u8; 8]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}", u64::from_le_bytes(self.0))
    }
}

/// A key that signatures are checked with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    /// Its name in messages. It is no proof: whoever makes a key can choose it.
    pub id: KeyId,
    key: [u8; 32],
}

/// Reads one or more public keys: lines of base64, each with or without an untrusted comment before it.
///
/// # Errors
/// [`MinisigError::Key`] with the first line that is none; [`MinisigError::NoKey`] when there is no line at all.
pub fn keys(text: &[u8]) -> Result<Vec<PublicKey>, MinisigError> {
    let text = utf8(text, MOST_KEYS, "keys")?;
    let mut keys = Vec::new();
    for (line, text) in (1..).zip(text.lines()) {
        if !text.is_empty() && !text.starts_with(UNTRUSTED) {
            keys.push(key(text).ok_or(MinisigError::Key { line })?);
        }
    }
    if keys.is_empty() { Err(MinisigError::NoKey) } else { Ok(keys) }
}

fn key(line: &str) -> Option<PublicKey> {
    let bytes: [u8; 42] = base64::decode(line)?.try_into().ok()?;
    let (algorithm, rest) = bytes.split_first_chunk()?;
    let (id, key) = rest.split_first_chunk()?;
    let key: [u8; 32] = key.try_into().ok()?;
    // A point of small order would accept a signature that nobody made.
    let is_sound = ed25519_compact::PublicKey::new(key).validate().is_ok();
    (*algorithm == PLAIN && is_sound).then_some(PublicKey { id: KeyId(*id), key })
}

/// One signature of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The key that it names.
    pub id: KeyId,
    is_hashed: bool,
    message: [u8; 64],
    comment: String,
    global: [u8; 64],
}

/// What a signature proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed<'a> {
    /// The key that made it.
    pub key: KeyId,
    /// The trusted comment, which is signed too.
    pub comment: &'a str,
}

impl Signature {
    /// Reads a `*.minisig`.
    ///
    /// # Errors
    /// When it is not of minisign's four lines, or more than them.
    pub fn parse(text: &[u8]) -> Result<Signature, MinisigError> {
        let text = utf8(text, MOST_SIGNATURE, "a signature")?;
        let mut lines = text.lines();
        let mut next = |number, wanted| lines.next().ok_or(MinisigError::Line { number, wanted });
        let wanted = "\"untrusted comment:\"";
        if !next(1, wanted)?.starts_with(UNTRUSTED) {
            return Err(MinisigError::Line { number: 1, wanted });
        }
        let wanted = "a signature in base64";
        let (algorithm, id, message) = signature(next(2, wanted)?).ok_or(MinisigError::Line { number: 2, wanted })?;
        let is_hashed = match algorithm {
            PLAIN => false,
            HASHED => true,
            seen => return Err(MinisigError::Algorithm { seen }),
        };
        let wanted = "\"trusted comment: \" and printable text";
        let comment = next(3, wanted)?.strip_prefix(TRUSTED);
        // Tabs are minisign's own, between the words of its default comment.
        let comment = comment.filter(|text| !text.chars().any(|letter| letter.is_control() && letter != '\t'));
        let comment = comment.ok_or(MinisigError::Line { number: 3, wanted })?.to_owned();
        let wanted = "the signature of the comment in base64";
        let global = base64::decode(next(4, wanted)?).and_then(|bytes| bytes.try_into().ok());
        let global = global.ok_or(MinisigError::Line { number: 4, wanted })?;
        match lines.all(str::is_empty) {
            true => Ok(Signature { id, is_hashed, message, comment, global }),
            false => Err(MinisigError::Several),
        }
    }

    /// By which of the keys the message, and the trusted comment with it, is signed.
    ///
    /// # Errors
    /// When none of the keys is the one that it names, when it is not of this message, or when its comment was changed.
    pub fn verify(&self, message: &[u8], keys: &[PublicKey]) -> Result<Signed<'_>, MinisigError> {
        let digest;
        let signed: &[u8] = if self.is_hashed {
            digest = Blake2b512::digest(message);
            &digest
        } else {
            message
        };
        let mut named = keys.iter().filter(|key| key.id == self.id).peekable();
        if named.peek().is_none() {
            return Err(MinisigError::OtherKey { seen: self.id, have: keys.iter().map(|key| key.id).collect() });
        }
        // Two keys can have one id, by chance or on purpose.
        let Some(key) = named.find(|key| holds(key, signed, self.message)) else {
            return Err(MinisigError::Message { key: self.id });
        };
        let whole = [&self.message, self.comment.as_bytes()].concat();
        if !holds(key, &whole, self.global) {
            return Err(MinisigError::Comment { key: self.id });
        }
        Ok(Signed { key: key.id, comment: &self.comment })
    }
}

impl Signed<'_> {
    /// Whether the trusted comment ends the validity with `expires:SECONDS` before `now`, both in seconds since 1970.
    ///
    /// # Errors
    /// [`MinisigError::Expired`], and [`MinisigError::Expiry`] when the word has no number: what cannot be understood
    /// is not taken for unlimited.
    pub fn check_expiry(&self, now: u64) -> Result<(), MinisigError> {
        for end in self.comment.split_whitespace().filter_map(|word| word.strip_prefix(EXPIRES)) {
            let at = end.parse().map_err(|_| MinisigError::Expiry { seen: end.to_owned() })?;
            if now >= at {
                return Err(MinisigError::Expired { at, now });
            }
        }
        Ok(())
    }
}

fn holds(key: &PublicKey, message: &[u8], signature: [u8; 64]) -> bool {
    let signature = ed25519_compact::Signature::new(signature);
    ed25519_compact::PublicKey::new(key.key).verify(message, &signature).is_ok()
}

fn signature(line: &str) -> Option<([u8; 2], KeyId, [u8; 64])> {
    let bytes: [u8; 74] = base64::decode(line)?.try_into().ok()?;
    let (algorithm, rest) = bytes.split_first_chunk()?;
    let (id, message) = rest.split_first_chunk()?;
    Some((*algorithm, KeyId(*id), message.try_into().ok()?))
}

fn utf8<'a>(text: &'a [u8], most: usize, what: &'static str) -> Result<&'a str, MinisigError> {
    if text.len() > most {
        return Err(MinisigError::TooLarge { what, most });
    }
    std::str::from_utf8(text).map_err(|error| MinisigError::NotText { what, at: error.valid_up_to() })
}

#[cfg(test)]
mod tests;
