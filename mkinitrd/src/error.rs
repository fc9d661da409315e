//! What can go wrong, as values: each names the thing, what was wanted and what was seen.

use std::io;
use std::path::PathBuf;

use isolde::formats::minisig::MinisigError;

use crate::{destination, elf, index};

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why there is no second initrd.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read or written.
    #[error("{}: {doing}: {cause}", path.display())]
    Io {
        /// The step, as a noun phrase.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// Something that is not a regular file was given where one is needed.
    #[error("{}: wanted a regular file, seen a {seen}", path.display())]
    NotAFile {
        /// What was given.
        path: PathBuf,
        /// Its type in words.
        seen: &'static str,
    },
    /// The file does not fit into the archive format.
    #[error("{name}: wanted at most {} bytes (the limit of the newc format), seen {seen}", u32::MAX)]
    TooLarge {
        /// The file.
        name: String,
        /// Its size in bytes.
        seen: u64,
    },
    /// The init could not run where no shared library is.
    #[error("{name}: wanted a statically linked executable, seen {cause}")]
    Init {
        /// The file.
        name: String,
        /// What is wrong with it.
        cause: elf::NotStatic,
    },
    /// A place in the archive that must not be used.
    #[error("{0}")]
    Destination(#[from] destination::Refused),
    /// Two things for one place.
    #[error("/{place}: wanted one entry, seen two: {first} and {second}")]
    Duplicate {
        /// Path in the archive, without the leading slash.
        place: String,
        /// What was there first.
        first: String,
        /// What was to be put there as well.
        second: String,
    },
    /// A file of `--key` that init would not take for public keys.
    #[error("{}: {cause}", path.display())]
    PublicKey {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: MinisigError,
    },
    /// Words that init would not take.
    #[error("--words: wanted {wanted}, seen \"{seen}\"")]
    Words {
        /// What they have to be.
        wanted: String,
        /// What they are.
        seen: String,
    },
    /// `SOURCE_DATE_EPOCH` is set to something else than a time that newc can hold.
    #[error("SOURCE_DATE_EPOCH: wanted seconds since 1970 as a decimal number up to {}, seen \"{seen}\"", u32::MAX)]
    Epoch {
        /// The value of the variable.
        seen: String,
    },
    /// A kernel's release that is no single name.
    #[error("kernel: wanted a release such as 6.1.0-18-amd64, seen \"{seen}\"")]
    Release {
        /// What it was.
        seen: String,
    },
    /// An alias that no kernel has.
    #[error("module alias: wanted at most {} letters of ASCII, seen \"{seen}\"", index::LONGEST)]
    Key {
        /// What it was.
        seen: String,
    },
    /// More modules than their index can say the place of.
    #[error("module index: wanted at most 256 MiB, seen more")]
    Index,
    /// The compressor failed, or gave something that cannot be aligned.
    #[error("archive: compression with {with}: {cause}")]
    Compress {
        /// Name of the method.
        with: &'static str,
        /// What it said.
        cause: io::Error,
    },
}

impl Error {
    /// Turns the system's error for `path` into ours; for `map_err`.
    pub(crate) fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |cause| Self::Io { doing, path, cause }
    }
}
