//! Images as files, read without mounting.
//!
//! | module | gives |
//! |---|---|
//! | [`bytes`] | the bytes of an image, with a limit on how many are read in all |
//! | [`optical`] | the tree of an ISO 9660 or UDF file system |
//! | [`squashfs`] | a squashfs image, opened within bounds |
//! | [`containers`] | whether a squashfs or erofs holds the real root as a file |
//! | [`system`] | the layers of a root as one tree |
//! | `packed` | a file of an erofs, unpacked as far as it is read |
//! | [`initrd`] | the tree of an initrd, read only as far as somebody asks |
//! | [`walk`] | paths: links are followed inside the tree, and never out of it |
//!
//! A tree answers the same questions as one that init has mounted ([`isolde::families::tree::Tree`]), and as the kernel
//! would: which names an ISO shows, and in which case, is the kernel's choice (fs/isofs/inode.c).

pub mod bytes;
pub mod containers;
pub mod initrd;
pub mod optical;
pub(crate) mod packed;
pub mod squashfs;
pub mod system;
pub mod walk;

use std::io;

/// An error about a path of an image.
fn at(path: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("/{}: {error}", path.trim_start_matches('/').escape_debug()))
}

/// What an image says about itself cannot be true.
fn damaged(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}
