//! What file system, or what else, is on a block device: type, UUID and label, as `blkid -p` finds them.
//!
//! Takes   a [`ReadAt`].
//! Gives   [`Superblock`], or `None` when nothing known is there. The text of type, UUID and label is blkid's.
//! Fails   when not even the first 4 KiB can be read. A read error elsewhere means "nothing there": a drive with a bad
//!         sector must not hide the rest of its contents.
//!
//! One read of 68 KiB serves every format but those that keep their label far away (FAT, exFAT, NTFS, UDF). On purpose
//! different from blkid: a disc that is both ISO 9660 and UDF counts as ISO 9660, which is what live systems look for;
//! checksums of superblocks are left to the kernel's mount.

use super::ReadAt;
use medium::Medium;
use std::io;

mod btrfs;
mod containers;
mod exfat;
mod ext;
mod f2fs;
mod fat;
mod images;
mod iso9660;
mod medium;
mod ntfs;
mod raid;
mod swap;
mod udf;
mod xfs;

pub use ntfs::NtfsState;

/// What a medium can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the names are those of the formats
#[non_exhaustive]
pub enum Format {
    Ext2,
    Ext3,
    Ext4,
    /// The external journal of an ext3 or ext4.
    ExtJournal,
    /// FAT12, FAT16 or FAT32.
    Vfat,
    Exfat,
    Ntfs,
    Iso9660,
    Udf,
    Squashfs,
    Erofs,
    Btrfs,
    Xfs,
    F2fs,
    /// LUKS1 or LUKS2.
    Luks,
    LvmPv,
    /// The hash tree of dm-verity, not the data it protects.
    VerityHash,
    /// One member of a Linux software RAID; with RAID1 its contents look like a file system, but are not to be mounted.
    RaidMember,
    Swap,
    /// Swap space that holds a hibernated system: the file systems of that system must not be touched.
    Hibernated,
    /// Signs of more than one format, as after an incomplete overwrite: mounting either could destroy the other.
    Ambivalent,
}

impl Format {
    /// blkid's TYPE string, which for file systems is also the kernel's name. (blkid has no type for
    /// [`Format::Ambivalent`]: it ends with an error.)
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ext2 => "ext2",
            Self::Ext3 => "ext3",
            Self::Ext4 => "ext4",
            Self::ExtJournal => "jbd",
            Self::Vfat => "vfat",
            Self::Exfat => "exfat",
            Self::Ntfs => "ntfs",
            Self::Iso9660 => "iso9660",
            Self::Udf => "udf",
            Self::Squashfs => "squashfs",
            Self::Erofs => "erofs",
            Self::Btrfs => "btrfs",
            Self::Xfs => "xfs",
            Self::F2fs => "f2fs",
            Self::Luks => "crypto_LUKS",
            Self::LvmPv => "LVM2_member",
            Self::VerityHash => "DM_verity_hash",
            Self::RaidMember => "linux_raid_member",
            Self::Swap => "swap",
            Self::Hibernated => "swsuspend",
            Self::Ambivalent => "ambivalent",
        }
    }
}

/// What one medium holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Superblock {
    /// What it is.
    pub format: Format,
    /// Identifier as blkid prints it; `None` when the format has none or it was never set.
    pub uuid: Option<String>,
    /// Volume label; `None` when empty.
    pub label: Option<String>,
    /// Bytes the file system says it needs; `None` where the format does not say. More than the medium has: it was cut off.
    pub size: Option<u64>,
    /// It was not unmounted: a journal waits to be replayed, or the mark of a mount was not taken back. It may belong to
    /// a system that sleeps.
    pub dirty: bool,
}

impl Superblock {
    fn new(format: Format) -> Self {
        Self { format, uuid: None, label: None, size: None, dirty: false }
    }
}

type Prober = fn(&Medium) -> Option<Superblock>;

/// Containers hide whatever else seems to be there, so the first one that is found counts.
const CONTAINERS: &[Prober] = &[containers::lvm, containers::verity, containers::luks];

/// Where more than one of these is found, none can be believed, except among the optical ones.
const FILE_SYSTEMS: &[Prober] = &[
    fat::probe,
    swap::probe,
    xfs::probe,
    ext::probe,
    optical,
    ntfs::probe,
    images::squashfs,
    btrfs::probe,
    exfat::probe,
    f2fs::probe,
    images::erofs,
];

/// Below this length (bytes) blkid takes the first thing it finds: floppies are full of old data.
const TINY: u64 = 1440 * 1024;

/// Says what `dev` holds; `None` when it is nothing that is known here.
///
/// # Errors
/// When the length or the start of the medium cannot be read.
pub fn probe(dev: &dyn ReadAt) -> io::Result<Option<Superblock>> {
    let medium = Medium::open(dev)?;
    let container = raid::at_start(&medium).or_else(|| CONTAINERS.iter().find_map(|probe| probe(&medium)));
    if container.is_some() {
        return Ok(container);
    }
    let mut found = FILE_SYSTEMS.iter().filter_map(|probe| probe(&medium));
    let Some(first) = found.next() else { return Ok(raid::at_end(&medium)) };
    if medium.size > TINY && found.next().is_some() {
        return Ok(Some(Superblock::new(Format::Ambivalent)));
    }
    Ok(Some(raid::around(&medium, &first).unwrap_or(first)))
}

/// How whoever wrote to this NTFS last has left it: what the mark in `$Volume` and the journal `$LogFile` say. What sleeps
/// beside it (`hiberfil.sys`) is a file in it, and not looked for here.
///
/// # Errors
/// When the length or the start of the medium cannot be read.
pub fn ntfs_state(dev: &dyn ReadAt) -> io::Result<NtfsState> {
    Ok(ntfs::state(&Medium::open(dev)?))
}

/// ISO 9660, else UDF.
fn optical(medium: &Medium) -> Option<Superblock> {
    iso9660::probe(medium).or_else(|| udf::probe(medium))
}

#[cfg(test)]
mod tests;
