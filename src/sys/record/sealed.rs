//! dm-verity of the fake kernel, with the real comparison: every block of the image, when it is mounted.
//!
//! Takes   an image and a hash tree, and the table.
//! Gives   a block device `dm-N` with the image's bytes.
//! Fails   without the target; and at the mount with EIO and the kernel's line in the log, as drivers/md/dm-verity-target.c
//!         does it at the read.

use super::devices::Plugged;
use super::tree::File;
use super::{Record, world::World};
use crate::formats::verity::{Tree, VerityError, Wanted};
use crate::formats::{ReadAt, read_exact_at};
use crate::op::{Mapping, Place, Verity};
use crate::sys::{BlockDevice, Bus, Level};
use rustix::io::Errno;
use std::io;
use std::path::PathBuf;

/// An image with its hash tree. Both files are in use as long as it is there.
#[derive(Debug)]
pub(super) struct Sealed {
    image: File,
    tree: File,
    verity: Verity,
}

impl Record {
    pub(super) fn make_sealed(&mut self, image: &File, tree: &File, verity: &Verity) -> io::Result<PathBuf> {
        self.space.locate(&Place::at("/dev/loop-control"))?;
        for (needed, errno) in [("dm-linear", Errno::NOENT), ("dm-verity", Errno::INVAL)] {
            if !self.devices.knows(needed) {
                return Err(errno.into());
            }
        }
        if self.mapped.values().any(|made| made.name == verity.name || made.uuid == verity.uuid) {
            return Err(Errno::BUSY.into());
        }
        let node = format!("dm-{}", self.maps);
        self.maps += 1;
        let (name, size, content) = (node.clone(), ReadAt::size(image)?, image.content.clone());
        let (bus, mapped) = (Bus::Mapped, Some(verity.name.clone()));
        let device =
            BlockDevice { name, disk: None, partition: None, sequence: None, size, removable: false, bus, mapped };
        self.devices.made(Plugged { device, content });
        let (name, uuid) = (verity.name.clone(), verity.uuid.clone());
        self.mapped.insert(node.clone(), Mapping { name, uuid, writable: false, parts: Vec::new() });
        let (image, tree, verity) = (image.clone(), tree.clone(), verity.clone());
        self.sealed.insert(node.clone(), Sealed { image, tree, verity });
        self.make_nodes();
        Ok(PathBuf::from("/dev").join(node))
    }

    /// Reads every block of a device that compares them.
    pub(super) fn compare_blocks(&mut self, device: &str, fstype: &str) -> io::Result<()> {
        let Some(sealed) = self.sealed.get(device) else { return Ok(()) };
        if sealed.verity.data_block > 2048 && fstype == "iso9660" {
            return Err(Errno::INVAL.into()); // fs/isofs/inode.c: larger blocks than it can set
        }
        let Err(error) = sealed.compare() else { return Ok(()) };
        let block = match error {
            VerityError::DataBlock { block } => format!("data block {block}"),
            VerityError::HashBlock { block } => format!("metadata block {block}"),
            _ => return Err(Errno::IO.into()),
        };
        self.journal.say(Level::Error, &format!("device-mapper: verity: 7:0: {block} is corrupted"));
        Err(Errno::IO.into())
    }

    pub(super) fn release(&mut self, name: &str) -> io::Result<()> {
        self.node_of(name)?;
        self.released.insert(name.to_owned());
        Ok(())
    }

    /// After each change: what was released and is in use no longer goes away.
    pub(super) fn drop_released(&mut self) {
        for name in std::mem::take(&mut self.released) {
            if self.node_of(&name).is_ok() && self.unmap(&name).is_err() {
                self.released.insert(name);
            }
        }
    }
}

impl World {
    /// The machine's own clock when nothing sets it: in 2027.
    pub(super) const CLOCK: u64 = 1_800_000_000;
}

impl Sealed {
    fn compare(&self) -> Result<(), VerityError> {
        let Sealed { image, tree: file, verity } = self;
        let (root, salt) = (unhex(&verity.root), unhex(&verity.salt));
        let size = ReadAt::size(image)?;
        let tree = Tree::open(file, Wanted { root: &root, salt: &salt, block: verity.data_block, size })?;
        for number in 0..verity.data_blocks {
            let (at, length) = (number * u64::from(verity.data_block), verity.data_block as usize);
            let data = read_exact_at(image, at, length)?.unwrap_or_default();
            tree.check(file, &root, number, &data)?;
        }
        Ok(())
    }
}

fn unhex(text: &str) -> Vec<u8> {
    crate::formats::hex(text).unwrap_or_default()
}
