//! The plan as bytes.
//!
//! Takes   [`Plan`], the compression, a time stamp.
//! Gives   the whole second initrd, a multiple of 4 bytes long. The same input gives the same bytes: entries are sorted,
//!         inode numbers are counted, owner is 0, every time is the one given, and there is no host name, path or clock in
//!         it.
//!
//! The archive is made in memory: it is one that the machine to be booted has to hold in memory, too.

use std::io::{self, Write};

use cpio::newc::{Builder, ModeFileType, trailer};

use crate::compress::{self, Compression};
use crate::error::{Error, Result};
use crate::plan::{Entry, Node, Plan};

/// Makes the second initrd. `mtime` is the time of all entries in seconds since 1970.
pub fn build(plan: &Plan, compression: Compression, mtime: u32) -> Result<Vec<u8>> {
    let failed = |cause| Error::Compress { with: "none", cause };
    let archive = cpio(plan, mtime).map_err(failed)?;
    compress::compress(&archive, compression)
}

/// The plain newc archive. Fails only when a plan has more than 2³² entries.
fn cpio(plan: &Plan, mtime: u32) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    for (number, (path, entry)) in plan.entries().enumerate() {
        let ino = u32::try_from(number + 1).map_err(io::Error::other)?; // 0 is what some tools take for "no inode"
        let contents: &[u8] = match &entry.node {
            Node::File(source) => source.bytes(),
            Node::Directory | Node::Device { .. } => &[],
        };
        let size = u32::try_from(contents.len()).map_err(io::Error::other)?;
        let mut writer = header(path, entry).ino(ino).mtime(mtime).write(&mut out, size);
        writer.write_all(contents)?;
        writer.finish()?;
    }
    trailer(out)
}

/// The header of an entry, but for its number and time.
fn header(path: &str, entry: &Entry) -> Builder {
    let header = Builder::new(path).mode(entry.permissions);
    match &entry.node {
        Node::Directory => header.nlink(2).set_mode_file_type(ModeFileType::Directory),
        Node::File(_) => header.nlink(1).set_mode_file_type(ModeFileType::Regular),
        Node::Device { major, minor } => {
            header.nlink(1).rdev_major(*major).rdev_minor(*minor).set_mode_file_type(ModeFileType::Char)
        }
    }
}
