//! File systems in files, for the fake kernel's mounts.
//!
//! Takes   bytes wherever they are: a file of the host, of an ISO, or of a squashfs.
//! Gives   [`Content`] that is read there, and the tree that a mount of it shows. ISO 9660, UDF, squashfs and erofs are
//!         read; the rest is replaced by a tree that is enough for a boot, and the answer says so.
//! Fails   at the mount, as the kernel does, when the bytes are of another format.

use super::notes::Notes;
use super::{erofs, iso, squashfs};
use isolde::formats::ReadAt;
use isolde::formats::superblock::{Format, probe};
use isolde::sys::record::{Content, Outside, Tree};
use std::fmt::Debug;
use std::io;
use std::sync::{Arc, OnceLock};

/// What the kernel answers to a mount as a file system that is not there (errno(3)).
const EINVAL: i32 = 22;

/// Bytes that several readers share.
pub(super) trait Bytes: ReadAt + Debug + Send + Sync {}

impl<T: ReadAt + Debug + Send + Sync> Bytes for T {}

/// The same for readers that want to own what they read.
#[derive(Clone, Debug)]
pub(super) struct Shared(pub(super) Arc<dyn Bytes>);

impl ReadAt for Shared {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buf, offset)
    }

    fn size(&self) -> io::Result<u64> {
        self.0.size()
    }
}

/// Bytes that may hold a file system.
#[derive(Debug)]
struct Image {
    bytes: Arc<dyn Bytes>,
    /// What it is called in a note: its path, as far as it is known.
    name: String,
    notes: Notes,
    /// The driver that has mounted it, and what it found: a second mount finds the same.
    read: OnceLock<(String, Tree)>,
}

/// The content of a file, read when somebody asks for it.
pub(super) fn content(bytes: Arc<dyn Bytes>, name: &str, notes: &Notes) -> Content {
    Content::outside(Arc::new(Image { bytes, name: name.to_owned(), notes: notes.clone(), read: OnceLock::new() }))
}

impl ReadAt for Image {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.bytes.read_at(buf, offset)
    }

    fn size(&self) -> io::Result<u64> {
        self.bytes.size()
    }
}

impl Outside for Image {
    fn tree(&self, fstype: &str) -> io::Result<Tree> {
        if let Some((read_as, tree)) = self.read.get() {
            return if *read_as == fstype { Ok(tree.clone()) } else { Err(io::Error::from_raw_os_error(EINVAL)) };
        }
        let tree = self.read(fstype)?;
        Ok(self.read.get_or_init(|| (fstype.to_owned(), tree)).1.clone())
    }
}

impl Image {
    fn read(&self, fstype: &str) -> io::Result<Tree> {
        let superblock = probe(&*self.bytes)?;
        let format = superblock.map(|superblock| superblock.format);
        if format.map(driver) != Some(fstype) {
            return Err(io::Error::from_raw_os_error(EINVAL));
        }
        match format {
            Some(Format::Squashfs) => squashfs::tree(&self.bytes, &self.name, &self.notes),
            Some(Format::Erofs) => erofs::tree(&self.bytes, &self.name, &self.notes),
            Some(Format::Iso9660 | Format::Udf) => iso::tree(&self.bytes, &self.name, &self.notes),
            _ => {
                self.notes.say(format!("{} is {fstype}, which is not read here: {}", self.name, what(&self.name)));
                Ok(stand_in(&self.name))
            }
        }
    }
}

/// The name of the kernel's driver.
fn driver(format: Format) -> &'static str {
    match format {
        // The ext4 driver serves all three.
        Format::Ext2 | Format::Ext3 => "ext4",
        Format::Ntfs => "ntfs3",
        other => other.name(),
    }
}

/// What takes the place of a file system that is not read: its use on the store says what a boot needs of it.
pub(super) fn stand_in(name: &str) -> Tree {
    if is_addition(name) { Tree::new() } else { root() }
}

/// The same in words.
pub(super) fn what(name: &str) -> &'static str {
    if is_addition(name) { "taken for empty" } else { "taken for a root with /sbin/init and nothing else of its own" }
}

/// Whether it adds to a root, and is none itself.
fn is_addition(name: &str) -> bool {
    name.ends_with(".ExtensionImage") || name.ends_with("/home.img")
}

/// The folders of every root, with merged /usr, and an init.
fn root() -> Tree {
    let mut tree = Tree::new().program("usr/sbin/init").program("usr/bin/sh");
    for folder in ["dev", "etc", "home", "proc", "root", "run", "sys", "tmp", "usr/lib", "var"] {
        tree = tree.directory(folder);
    }
    tree.link("bin", "usr/bin").link("sbin", "usr/sbin").link("lib", "usr/lib")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iso::bytes::Memory;
    use isolde::sys::record::Medium;

    #[test]
    fn bytes_are_mounted_as_what_they_are_and_as_nothing_else() {
        let notes = Notes::default();
        let image = |fstype, name: &str| Image {
            bytes: Arc::new(Memory(Content::image(&Medium::new(fstype, Tree::new())).to_vec())),
            name: name.to_owned(),
            notes: notes.clone(),
            read: OnceLock::new(),
        };
        assert!(image("ext4", "/root.img").tree("ext4").is_ok());
        assert!(image("ext4", "/home.img").tree("ext4").is_ok());
        assert_eq!(image("ext4", "/root.img").tree("squashfs").unwrap_err().raw_os_error(), Some(EINVAL));
        assert_eq!(
            notes.all(),
            [
                "/root.img is ext4, which is not read here: taken for a root with /sbin/init and nothing else of its own",
                "/home.img is ext4, which is not read here: taken for empty"
            ]
        );
    }
}
