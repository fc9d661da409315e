//! exFAT. Structure: Microsoft's "exFAT file system specification", boot sector at byte 0.

use super::{Format, Medium, Superblock};
use crate::formats::fields::{has, le16, le32, le64, name_utf16le, serial32, slice, u8_at};

/// In VolumeFlags: set while mounted for writing.
const VOLUME_DIRTY: u16 = 0x2;
/// Bytes of the root directory that are searched for the label, at most; blkid looks at 10000 entries of 32.
const DIRECTORY_LIMIT: u64 = 10_000 * 32;
/// Bytes of it that are read at once.
const STEP: u64 = 4096;

pub(super) fn probe(medium: &Medium) -> Option<Superblock> {
    let boot = medium.head(0, 512)?;
    if !has(boot, 0, &[0xeb, 0x76, 0x90]) || !has(boot, 3, b"EXFAT   ") || !has(boot, 510, &[0x55, 0xaa]) {
        return None;
    }
    // Where FAT keeps its numbers there is nothing here, so that no old driver mistakes it for FAT.
    let blank = slice(boot, 11, 53)?.iter().all(|&byte| byte == 0);
    let sector_shift = u32::from(u8_at(boot, 0x6c)?);
    let cluster_shift = u32::from(u8_at(boot, 0x6d)?);
    if !blank
        || !(9..=12).contains(&sector_shift)
        || cluster_shift > 25 - sector_shift
        || !(1..=2).contains(&u8_at(boot, 0x6e)?)
    {
        return None;
    }
    Some(Superblock {
        format: Format::Exfat,
        uuid: serial32(le32(boot, 0x64)?),
        label: label(medium, boot, sector_shift, cluster_shift),
        size: le64(boot, 0x48)?.checked_mul(1 << sector_shift),
        dirty: le16(boot, 0x6a)? & VOLUME_DIRTY != 0,
    })
}

/// Walks the clusters of the root directory to the label's entry.
fn label(medium: &Medium, boot: &[u8], sector_shift: u32, cluster_shift: u32) -> Option<String> {
    let fat = u64::from(le32(boot, 0x50)?) << sector_shift;
    let heap = u64::from(le32(boot, 0x58)?) << sector_shift;
    let clusters = u64::from(le32(boot, 0x5c)?);
    let cluster_len = 1_u64 << (sector_shift + cluster_shift);
    let mut cluster = u64::from(le32(boot, 0x60)?);
    let mut budget = DIRECTORY_LIMIT;
    while (2..clusters + 2).contains(&cluster) {
        let start = heap + (cluster - 2) * cluster_len;
        let mut at = 0;
        while at < cluster_len {
            let step = STEP.min(cluster_len - at);
            budget = budget.checked_sub(step)?;
            let bytes = medium.read(start + at, step as usize)?;
            for entry in bytes.chunks_exact(32) {
                match entry {
                    [0, ..] => return None,
                    // Type, number of UTF-16 units (11 at most), the units.
                    [0x83, units, rest @ ..] => return name_utf16le(rest.get(..usize::from(*units).min(11) * 2)?),
                    _ => {}
                }
            }
            at += step;
        }
        cluster = u64::from(le32(&medium.read(fat + cluster * 4, 4)?, 0)?);
    }
    None
}
