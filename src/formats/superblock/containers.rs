//! LUKS, LVM and dm-verity: block devices in block devices.

use super::{Format, Medium, Superblock};
use crate::formats::crc;
use crate::formats::fields::{be16, has, le32, le64, name, slice, uuid};

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

/// Start value of LVM's checksums (INITIAL_CRC in its lib/misc/crc.h).
const LVM_CRC: u32 = 0xf597_a6cf;

/// LVM2 physical volume. Structure: `struct label_header` in LVM's lib/label/label.h, in the first or second sector.
pub(super) fn lvm(medium: &Medium) -> Option<Superblock> {
    let (sector, label) = [0_u64, 1].into_iter().find_map(|sector| {
        let label = medium.head(sector as usize * 512, 512)?;
        (has(label, 0, b"LABELONE") && has(label, 24, b"LVM2 001")).then_some((sector, label))
    })?;
    if le64(label, 8)? != sector || crc::update(LVM_CRC, slice(label, 20, 492)?) != le32(label, 16)? {
        return None;
    }
    let id = slice(label, 32, 32)?;
    let mut text = String::with_capacity(38);
    for (index, &byte) in id.iter().enumerate() {
        if matches!(index, 6 | 10 | 14 | 18 | 22 | 26) {
            text.push('-');
        }
        text.push(char::from(byte));
    }
    Some(Superblock { uuid: Some(text), ..Superblock::new(Format::LvmPv) })
}

/// The hash tree of dm-verity as veritysetup writes it, at byte 0.
pub(super) fn verity(medium: &Medium) -> Option<Superblock> {
    let sb = medium.head(0, 512)?;
    if !has(sb, 0, b"verity\0\0") || le32(sb, 8)? != 1 {
        return None;
    }
    Some(Superblock { uuid: uuid(sb, 16), ..Superblock::new(Format::VerityHash) })
}
