//! LUKS, LVM and dm-verity: block devices in block devices.

use super::{Format, Medium, Superblock};
use crate::formats::fields::{be16, has, le32, name, slice, uuid};
use crate::formats::lvm;

/// LUKS 1 and 2. Structure: cryptsetup's on-disk format specifications, big endian, at byte 0. The UUID is text.
pub(super) fn luks(medium: &Medium) -> Option<Superblock> {
    let header = medium.head(0, 512)?;
    if !has(header, 0, b"LUKS\xba\xbe") {
        return None;
    }
    let mut found = Superblock::new(Format::Luks);
    let version = be16(header, 6)?;
    if matches!(version, 1 | 2) {
        found.uuid = name(slice(header, 168, 40)?);
    }
    if version == 2 {
        found.label = name(slice(header, 24, 48)?);
    }
    Some(found)
}

/// LVM2 physical volume; its label is in the first or second sector.
pub(super) fn lvm(medium: &Medium) -> Option<Superblock> {
    let sectors = [0_u64, 1].into_iter();
    let sectors = sectors.filter_map(|number| Some((number, medium.head(number as usize * lvm::SECTOR, lvm::SECTOR)?)));
    let label = sectors.filter(|(number, sector)| lvm::is_label(sector, *number)).map(|(_, sector)| sector).next()?;
    Some(Superblock { uuid: Some(lvm::uuid(label)?), ..Superblock::new(Format::LvmPv) })
}

/// The hash tree of dm-verity as veritysetup writes it, at byte 0.
pub(super) fn verity(medium: &Medium) -> Option<Superblock> {
    let sb = medium.head(0, 512)?;
    if !has(sb, 0, b"verity\0\0") || le32(sb, 8)? != 1 {
        return None;
    }
    Some(Superblock { uuid: uuid(sb, 16), ..Superblock::new(Format::VerityHash) })
}
