//! Why a hash tree is refused.

use crate::error::OsText;
use std::fmt;
use std::io;

/// Why a hash tree is refused.
#[derive(Debug)]
pub enum VerityError {
    /// The file cannot be read.
    Io(io::Error),
    /// No super block fits into it.
    Short,
    /// No super block is there.
    Magic,
    /// A number of the super block is another one.
    Number {
        /// What it is.
        what: &'static str,
        /// What it has to be.
        wanted: u32,
        /// What it is.
        seen: u32,
    },
    /// Hashed with something else.
    Algorithm {
        /// Its name.
        seen: String,
    },
    /// Blocks of a size that the kernel does not take.
    Block {
        /// Of the data or of the tree.
        what: &'static str,
        /// Bytes.
        seen: u32,
    },
    /// A salt longer than there is room for.
    Salt {
        /// Bytes.
        seen: u16,
    },
    /// Another salt than the one that is trusted.
    OtherSalt,
    /// No tree has this number of data blocks.
    Blocks {
        /// How many.
        seen: u64,
    },
    /// The tree of an image of another size.
    Size {
        /// Bytes of the image.
        wanted: u64,
        /// Bytes of a data block.
        block: u32,
        /// Data blocks of the tree.
        seen: u64,
    },
    /// Shorter than its super block says.
    Cut {
        /// Bytes that it has to have.
        wanted: u64,
        /// Bytes that it has.
        seen: u64,
    },
    /// A block of the tree is not the one that the root hash stands for.
    HashBlock {
        /// Counted from the start of the file.
        block: u64,
    },
    /// A block of the image is not the one that the root hash stands for.
    DataBlock {
        /// Its number.
        block: u64,
    },
}

impl fmt::Display for VerityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            VerityError::Io(error) => write!(f, "{}", OsText(error)),
            VerityError::Short => f.write_str("wanted a hash tree, seen too few bytes"),
            VerityError::Magic => f.write_str("wanted a super block of dm-verity, seen none"),
            VerityError::Number { what, wanted, seen } => write!(f, "{what}: wanted {wanted}, seen {seen}"),
            VerityError::Algorithm { seen } => {
                write!(f, "wanted sha256 or sha512, and the one of the root hash, seen {seen}")
            }
            VerityError::Block { what, seen } => write!(f, "{what}: wanted 512, 1024, 2048 or 4096 bytes, seen {seen}"),
            VerityError::Salt { seen } => write!(f, "salt: wanted at most {} bytes, seen {seen}", super::MOST_SALT),
            VerityError::OtherSalt => f.write_str("its salt is not the one that is trusted"),
            VerityError::Blocks { seen } => write!(f, "no tree has {seen} data blocks"),
            VerityError::Size { wanted, block, seen } => {
                write!(f, "wanted the tree of {wanted} bytes in blocks of {block}, seen one of {seen} blocks")
            }
            VerityError::Cut { wanted, seen } => write!(f, "wanted {wanted} bytes, seen {seen}: it was cut short"),
            VerityError::HashBlock { block } => {
                write!(f, "block {block} of the hash tree does not lead to the root hash")
            }
            VerityError::DataBlock { block } => write!(f, "block {block} of the image is not the one of the hash tree"),
        }
    }
}

impl std::error::Error for VerityError {}

impl From<io::Error> for VerityError {
    fn from(error: io::Error) -> Self {
        VerityError::Io(error)
    }
}
