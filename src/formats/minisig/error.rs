//! Why a signature or a key is refused.

use super::KeyId;
use std::fmt;

/// Why a signature or a key is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MinisigError {
    /// Longer than any honest file.
    TooLarge {
        /// What it is.
        what: &'static str,
        /// Bytes that it may have.
        most: usize,
    },
    /// No UTF-8.
    NotText {
        /// What it is.
        what: &'static str,
        /// The first byte that is none.
        at: usize,
    },
    /// A line is no key.
    Key {
        /// Counted from 1.
        line: usize,
    },
    /// A file of keys has none.
    NoKey,
    /// A line of a signature has another form.
    Line {
        /// Counted from 1.
        number: usize,
        /// What has to be there.
        wanted: &'static str,
    },
    /// Signed in another way.
    Algorithm {
        /// Its two letters.
        seen: [u8; 2],
    },
    /// More than one signature in a file: which of them counts is not defined.
    Several,
    /// Made with a key that is not among those that are trusted.
    OtherKey {
        /// The key that it names.
        seen: KeyId,
        /// Those that are trusted.
        have: Vec<KeyId>,
    },
    /// Not a signature of this message by this key.
    Message {
        /// The key.
        key: KeyId,
    },
    /// The trusted comment is not the one that was signed.
    Comment {
        /// The key.
        key: KeyId,
    },
    /// The trusted comment's `expires:` is no number.
    Expiry {
        /// What it has.
        seen: String,
    },
    /// No longer valid.
    Expired {
        /// Seconds since 1970.
        at: u64,
        /// The clock.
        now: u64,
    },
}

impl fmt::Display for MinisigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MinisigError::TooLarge { what, most } => write!(f, "{what}: wanted at most {most} bytes, seen more"),
            MinisigError::NotText { what, at } => write!(f, "{what}: wanted UTF-8, seen something else at byte {at}"),
            MinisigError::Key { line } => write!(f, "line {line}: wanted a public key of minisign"),
            MinisigError::NoKey => f.write_str("wanted a public key of minisign, seen none"),
            MinisigError::Line { number, wanted } => write!(f, "line {number}: wanted {wanted}"),
            MinisigError::Algorithm { seen } => {
                write!(f, "wanted algorithm Ed or ED, seen \"{}\"", seen.escape_ascii())
            }
            MinisigError::Several => f.write_str("wanted one signature, seen more behind it"),
            MinisigError::OtherKey { seen, have } => {
                write!(f, "signed by key {seen}, trusted:")?;
                have.iter().try_for_each(|key| write!(f, " {key}"))?;
                if have.is_empty() { f.write_str(" no key") } else { Ok(()) }
            }
            MinisigError::Message { key } => write!(f, "not what key {key} signed"),
            MinisigError::Comment { key } => write!(f, "its trusted comment is not what key {key} signed"),
            // Signed, but by whom it pleases: a control character must not forge a line.
            MinisigError::Expiry { seen } => write!(f, "wanted expires: and seconds since 1970, seen {seen:?}"),
            MinisigError::Expired { at, now } => write!(f, "expired at {at} seconds since 1970, the clock says {now}"),
        }
    }
}

impl std::error::Error for MinisigError {}
