//! FAT12, FAT16, FAT32. Structure: Microsoft's "FAT: General Overview of On-Disk Format"; Linux's
//! include/uapi/linux/msdos_fs.h.
//!
//! The label counts from the root directory only, as in blkid since 2.34: the copy in the boot sector is not kept up to
//! date by the systems that rename volumes.

use super::{Format, Medium, Superblock};
use crate::formats::fields::{has, le16, le32, name, serial32, slice, u8_at};

/// Each alone is taken as a sign; see blkid's vfat.c. Without one of them the signature 55 aa is needed.
const SIGNS: [(usize, &[u8]); 6] = [
    (0x52, b"MSWIN"),
    (0x52, b"FAT32   "),
    (0x36, b"MSDOS"),
    (0x36, b"FAT16   "),
    (0x36, b"FAT12   "),
    (0x36, b"FAT     "),
];

/// Before the extended signature: set while mounted for writing (FAT_STATE_DIRTY in the kernel's fs/fat/fat.h).
const STATE_DIRTY: u8 = 0x1;
/// Bytes of a root directory that are searched. A volume label is one of the first entries in practice.
const DIRECTORY_LIMIT: u64 = 256 * 1024;
/// Bytes of it that are read at once.
const STEP: u64 = 4096;

const FAT12_CLUSTERS: u64 = 0xff4;
const FAT16_CLUSTERS: u64 = 0xfff4;
const FAT32_CLUSTERS: u64 = 0x0fff_fff6;

/// The numbers of the boot sector, checked against one another. In bytes, except `clusters`.
struct Geometry {
    sector: u64,
    cluster: u64,
    fat_start: u64,
    /// Where FAT12 and FAT16 keep the root directory, and where the clusters begin.
    root_start: u64,
    root_len: u64,
    volume: u64,
    fat32: bool,
}

pub(super) fn probe(medium: &Medium) -> Option<Superblock> {
    let boot = medium.head(0, 512)?;
    let signed = has(boot, 510, &[0x55, 0xaa]);
    // OS/2 put something like a FAT header before its own file systems.
    let foreign = has(boot, 0x36, b"JFS     ") || has(boot, 0x36, b"HPFS    ");
    if !SIGNS.iter().any(|(at, sign)| has(boot, *at, sign)) && (!signed || foreign) {
        return None;
    }
    let geometry = geometry(boot)?;
    if (signed && is_partition_table(boot, medium.size))
        || (geometry.fat32 && !has_info_sector(medium, boot, &geometry))
    {
        return None;
    }
    let extended = if geometry.fat32 { 0x42 } else { 0x26 };
    let serial = matches!(u8_at(boot, extended)?, 0x28 | 0x29) || geometry.fat32;
    let label = if geometry.fat32 { label_in_chain(medium, boot, &geometry) } else { label_in_root(medium, &geometry) };
    Some(Superblock {
        format: Format::Vfat,
        uuid: if serial { serial32(le32(boot, extended + 1)?) } else { None },
        label: label.as_deref().and_then(name),
        size: Some(geometry.volume),
        dirty: u8_at(boot, extended - 1)? & STATE_DIRTY != 0,
    })
}

fn geometry(boot: &[u8]) -> Option<Geometry> {
    let sector = u64::from(le16(boot, 0x0b)?);
    let cluster = u64::from(u8_at(boot, 0x0d)?);
    let reserved = u64::from(le16(boot, 0x0e)?);
    let fats = u64::from(u8_at(boot, 0x10)?);
    let root_len = u64::from(le16(boot, 0x11)?) * 32;
    let media = u8_at(boot, 0x15)?;
    let plausible = fats != 0
        && reserved != 0
        && (media >= 0xf8 || media == 0xf0)
        && cluster.is_power_of_two()
        && sector.is_power_of_two()
        && (512..=4096).contains(&sector);
    if !plausible {
        return None;
    }
    let sectors = match le16(boot, 0x13)? {
        0 => u64::from(le32(boot, 0x20)?),
        few => few.into(),
    };
    let (fat_len, fat32) = match le16(boot, 0x16)? {
        0 => (u64::from(le32(boot, 0x24)?), true),
        len => (len.into(), false),
    };
    if fat_len == 0 {
        return None;
    }
    let before_root = reserved + fat_len * fats;
    let data = sectors.checked_sub(before_root + root_len.div_ceil(sector))?;
    let clusters = data / cluster;
    let limit = match fat32 {
        true => FAT32_CLUSTERS,
        false if clusters > FAT12_CLUSTERS => FAT16_CLUSTERS,
        false => FAT12_CLUSTERS,
    };
    (clusters <= limit).then_some(Geometry {
        sector,
        cluster: cluster * sector,
        fat_start: reserved * sector,
        root_start: before_root * sector,
        root_len,
        volume: sectors * sector,
        fat32,
    })
}

/// Does the boot sector hold partitions instead? Some disks have remains of a FAT header before their partition table.
/// All four entries have to make sense, as boot code of a real FAT may be where the entries would be.
fn is_partition_table(boot: &[u8], medium_size: u64) -> bool {
    let mut used = 0;
    for entry in (0..4).filter_map(|index| slice(boot, 446 + index * 16, 16)) {
        let (Some(flag), Some(start), Some(len)) = (u8_at(entry, 0), le32(entry, 8), le32(entry, 12)) else {
            return false;
        };
        let inside = start != 0 && (u64::from(start) + u64::from(len)) * 512 <= medium_size;
        match (flag, len) {
            (0, 0) => {}
            (0 | 0x80, _) if inside => used += 1,
            _ => return false,
        }
    }
    used != 0
}

/// FAT32: the FSInfo sector, where the boot sector names one, has its two signatures or is blank there.
fn has_info_sector(medium: &Medium, boot: &[u8], geometry: &Geometry) -> bool {
    let Some(sector) = le16(boot, 0x30) else { return false };
    if sector == 0 {
        return true;
    }
    let Some(info) = medium.read(u64::from(sector) * geometry.sector, 512) else { return false };
    let first = [b"RRaA", b"RRdA", &[0; 4]];
    let second = [b"rrAa", &[0; 4]];
    first.iter().any(|sign| has(&info, 0, *sign)) && second.iter().any(|sign| has(&info, 484, *sign))
}

enum Search {
    Found(Vec<u8>),
    End,
    More,
}

/// Looks for the volume label among directory entries.
fn search(entries: &[u8]) -> Search {
    const VOLUME: u8 = 0x08;
    const DIRECTORY: u8 = 0x10;
    const LONG_NAME: u8 = 0x0f;
    for entry in entries.chunks_exact(32) {
        let (Some(&first), Some(&attributes)) = (entry.first(), entry.get(11)) else { break };
        let clusters = le16(entry, 20).unwrap_or(0) | le16(entry, 26).unwrap_or(0);
        match first {
            0 => return Search::End,
            0xe5 => continue, // deleted
            _ if clusters != 0 || attributes & 0x3f == LONG_NAME => continue,
            _ if attributes & (VOLUME | DIRECTORY) != VOLUME => continue,
            _ => {}
        }
        let mut label = slice(entry, 0, 11).unwrap_or_default().to_vec();
        if let Some(byte) = label.first_mut().filter(|byte| **byte == 0x05) {
            *byte = 0xe5; // how a name that begins with e5 is stored
        }
        return Search::Found(label);
    }
    Search::More
}

/// Searches `len` bytes at `start`, in steps, and no further than `budget` allows.
fn search_range(medium: &Medium, start: u64, len: u64, budget: &mut u64) -> Search {
    let mut at = 0;
    while at < len {
        let step = STEP.min(len - at);
        let Some(left) = budget.checked_sub(step) else { return Search::End };
        *budget = left;
        let Some(bytes) = start.checked_add(at).and_then(|from| medium.read(from, step as usize)) else {
            return Search::End;
        };
        match search(&bytes) {
            Search::More => at += step,
            done => return done,
        }
    }
    Search::More
}

/// FAT12 and FAT16: the root directory has a place of its own.
fn label_in_root(medium: &Medium, geometry: &Geometry) -> Option<Vec<u8>> {
    match search_range(medium, geometry.root_start, geometry.root_len, &mut DIRECTORY_LIMIT.clone()) {
        Search::Found(label) => Some(label),
        _ => None,
    }
}

/// FAT32: the root directory is a chain of clusters. The budget also ends chains that bite their own tail.
fn label_in_chain(medium: &Medium, boot: &[u8], geometry: &Geometry) -> Option<Vec<u8>> {
    let mut budget = DIRECTORY_LIMIT;
    let mut cluster = u64::from(le32(boot, 0x2c)?);
    while (2..=FAT32_CLUSTERS).contains(&cluster) {
        let start = geometry.root_start + (cluster - 2) * geometry.cluster;
        match search_range(medium, start, geometry.cluster, &mut budget) {
            Search::Found(label) => return Some(label),
            Search::End => return None,
            Search::More => {}
        }
        let next = medium.read(geometry.fat_start + cluster * 4, 4)?;
        cluster = u64::from(le32(&next, 0)? & 0x0fff_ffff);
    }
    None
}
