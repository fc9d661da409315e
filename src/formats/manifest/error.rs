//! Why a manifest is refused.

use super::path::PathFault;
use std::fmt;

/// Characters of a text from a manifest that a message shows.
const SHOWN: usize = 100;

/// Why a manifest is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ManifestError {
    /// Longer than any honest one.
    TooLarge {
        /// Bytes that it may have.
        most: usize,
    },
    /// No UTF-8.
    NotText {
        /// The first byte that is none.
        at: usize,
    },
    /// A line of another form.
    Line {
        /// Counted from 1.
        line: usize,
        /// Its start.
        seen: String,
    },
    /// A value of another form.
    Value {
        /// Counted from 1.
        line: usize,
        /// Its key.
        key: String,
        /// What it has to be.
        wanted: &'static str,
        /// Its start.
        seen: String,
    },
    /// A key that nobody defined.
    Unknown {
        /// Counted from 1.
        line: usize,
        /// The key.
        key: String,
    },
    /// A key that was there before.
    Doubled {
        /// Counted from 1.
        line: usize,
        /// The key.
        key: String,
    },
    /// A key that is not there.
    Missing {
        /// The key.
        key: &'static str,
        /// The line that begins what it belongs to, counted from 1.
        line: usize,
    },
    /// Of another version.
    Version {
        /// Which one.
        seen: u64,
    },
    /// A path that could lead elsewhere, or be written in another way.
    Path {
        /// Its start.
        path: String,
        /// What is wrong with it.
        fault: PathFault,
    },
    /// Two entries for one file.
    Twice {
        /// The path of the first.
        first: String,
        /// The path of the second; may differ in case.
        second: String,
    },
    /// A hash tree for a file that has no whole number of blocks.
    Blocks {
        /// The file.
        path: String,
        /// Its bytes.
        size: u64,
        /// Bytes of a block.
        block: u32,
    },
    /// Older than the oldest that may be used.
    Replayed {
        /// Its serial number.
        serial: u64,
        /// The least that may be used.
        least: u64,
    },
}

impl ManifestError {
    pub(super) fn line(line: usize, seen: &str) -> ManifestError {
        ManifestError::Line { line, seen: Self::shown(seen) }
    }

    pub(super) fn value(line: usize, key: &str, wanted: &'static str, seen: &str) -> ManifestError {
        ManifestError::Value { line, key: key.into(), wanted, seen: Self::shown(seen) }
    }

    pub(super) fn shown(text: &str) -> String {
        text.chars().take(SHOWN).collect()
    }
}

impl fmt::Display for ManifestError {
    // Text from a store is shown with escapes: a control character must not forge a line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ManifestError::TooLarge { most } => write!(f, "wanted at most {most} bytes, seen more"),
            ManifestError::NotText { at } => write!(f, "wanted UTF-8, seen something else at byte {at}"),
            ManifestError::Line { line, seen } => {
                write!(f, "line {line}: wanted \"[[file]]\", \"key = value\" or a comment, seen {seen:?}")
            }
            ManifestError::Value { line, key, wanted, seen } => {
                write!(f, "line {line}: {key}: wanted {wanted}, seen {seen:?}")
            }
            ManifestError::Unknown { line, key } => write!(f, "line {line}: unknown key {key:?}"),
            ManifestError::Doubled { line, key } => write!(f, "line {line}: {key} is there twice"),
            ManifestError::Missing { key, line } => write!(f, "line {line}: no {key} follows"),
            ManifestError::Version { seen } => write!(f, "wanted version 1, seen {seen}"),
            ManifestError::Path { path, fault } => {
                write!(f, "path {path:?}: wanted a path below the store's root, {fault}")
            }
            ManifestError::Twice { first, second } => write!(f, "two entries for one file: {first:?} and {second:?}"),
            ManifestError::Blocks { path, size, block } => {
                write!(f, "{path:?}: wanted whole blocks of {block} bytes for its hash tree, seen {size} bytes")
            }
            ManifestError::Replayed { serial, least } => {
                write!(f, "wanted serial {least} or a later one, seen {serial}")
            }
        }
    }
}

impl std::error::Error for ManifestError {}
