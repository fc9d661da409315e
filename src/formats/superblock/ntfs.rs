//! NTFS. Structure: the kernel's fs/ntfs3/ntfs.h; boot sector at byte 0, label in record 3 of the master file table, and the
//! journal's place in record 2.

mod log;

use super::{Format, Medium, Superblock};
use crate::formats::fields::{has, le16, le32, le64, name_utf16le, slice, u8_at};
use log::Log;

const RECORD_VOLUME: u64 = 3;
const ATTRIBUTE_VOLUME_NAME: u32 = 0x60;
const ATTRIBUTE_VOLUME_INFORMATION: u32 = 0x70;
const ATTRIBUTE_END: u32 = 0xffff_ffff;
const VOLUME_DIRTY: u16 = 0x1; // in the flags of the volume information

/// How whoever wrote to an NTFS last has left it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NtfsState {
    /// Unmounted: no mark, and the journal is closed or empty.
    Unmounted,
    /// Marked: it was not unmounted, or a check is due.
    Marked,
    /// The journal is in use: Windows sleeps and has part of the volume in its memory, or it was pulled out.
    InUse,
    /// The mark or the journal is not where it should be, or is damaged.
    Unreadable,
}

/// Where the tables are, in bytes.
struct Geometry {
    sector: u64,
    cluster: u64,
    /// Length of a record of the master file table.
    record: u64,
    /// Place of that table.
    table: u64,
}

pub(super) fn probe(medium: &Medium) -> Option<Superblock> {
    let boot = medium.head(0, 512)?;
    let geometry = geometry(boot)?;
    let volume = record_at(medium, &geometry, RECORD_VOLUME);
    // Without a table there is no NTFS here any more.
    record_at(medium, &geometry, 0)?;
    Some(Superblock {
        format: Format::Ntfs,
        uuid: Some(le64(boot, 0x48)?).filter(|&serial| serial != 0).map(|serial| format!("{serial:016X}")),
        label: volume.as_deref().and_then(volume_name),
        size: le64(boot, 0x28)?.checked_mul(geometry.sector),
        dirty: matches!(left(medium, &geometry, volume.as_deref()), NtfsState::Marked | NtfsState::InUse),
    })
}

/// How it was left; whatever is no NTFS is unreadable.
pub(super) fn state(medium: &Medium) -> NtfsState {
    let Some(geometry) = medium.head(0, 512).and_then(geometry) else { return NtfsState::Unreadable };
    left(medium, &geometry, record_at(medium, &geometry, RECORD_VOLUME).as_deref())
}

fn left(medium: &Medium, geometry: &Geometry, volume: Option<&[u8]>) -> NtfsState {
    match (volume.and_then(volume_flags), log::read(medium, geometry)) {
        (None, _) => NtfsState::Unreadable,
        (Some(flags), _) if flags & VOLUME_DIRTY != 0 => NtfsState::Marked,
        (_, Some(Log::Closed)) => NtfsState::Unmounted,
        (_, Some(Log::InUse)) => NtfsState::InUse,
        (_, None) => NtfsState::Unreadable,
    }
}

fn geometry(boot: &[u8]) -> Option<Geometry> {
    if !has(boot, 3, b"NTFS    ") {
        return None;
    }
    let sector = u64::from(le16(boot, 0x0b)?);
    let per_cluster = match u8_at(boot, 0x0d)? {
        small @ 1..=128 if small.is_power_of_two() => u64::from(small),
        large @ 240..=249 => 1 << (256 - u32::from(large)), // Windows 10: clusters above 64 KiB
        _ => return None,
    };
    // Reserved sectors, FATs, root entries, sectors, FAT length: the fields of FAT are unused.
    let blank = [0x0e..0x15, 0x16..0x18, 0x20..0x24]
        .into_iter()
        .all(|unused| boot.get(unused).is_some_and(|bytes| bytes.iter().all(|&byte| byte == 0)));
    if !(256..=4096).contains(&sector) || !sector.is_power_of_two() || !blank {
        return None;
    }
    let cluster = sector * per_cluster;
    let record = match u8_at(boot, 0x40)? {
        clusters @ 1..=64 => u64::from(clusters).checked_mul(cluster)?,
        negative @ 224..=247 => 1 << (256 - u32::from(negative)), // a power of two, below one cluster
        _ => return None,
    };
    // The master file table and the copy of its start.
    let clusters = le64(boot, 0x28)? / per_cluster;
    if le64(boot, 0x30)? > clusters || le64(boot, 0x38)? > clusters {
        return None;
    }
    Some(Geometry { sector, cluster, record, table: le64(boot, 0x30)?.checked_mul(cluster)? })
}

/// One record of the table, cut to 4 KiB; the attributes looked for are near its start.
fn record_at(medium: &Medium, geometry: &Geometry, number: u64) -> Option<Vec<u8>> {
    let at = geometry.table.checked_add(geometry.record.checked_mul(number)?)?;
    let record = medium.read(at, geometry.record.min(4096) as usize)?;
    has(&record, 0, b"FILE").then(|| record.into_owned())
}

fn volume_name(record: &[u8]) -> Option<String> {
    name_utf16le(value(record, ATTRIBUTE_VOLUME_NAME)?)
}

/// `struct VOLUME_INFO`: eight unused bytes, the version in two, the flags.
fn volume_flags(record: &[u8]) -> Option<u16> {
    le16(value(record, ATTRIBUTE_VOLUME_INFORMATION)?, 10)
}

/// The value of the first attribute of that kind; those that are looked for here are in the record itself.
fn value(record: &[u8], wanted: u32) -> Option<&[u8]> {
    let attribute = attribute(record, wanted)?;
    slice(attribute, usize::from(le16(attribute, 20)?), le32(attribute, 16)? as usize)
}

/// The first attribute of that kind, with its header.
fn attribute(record: &[u8], wanted: u32) -> Option<&[u8]> {
    let mut at = usize::from(le16(record, 0x14)?);
    loop {
        let kind = le32(record, at)?;
        let len = le32(record, at + 4)? as usize;
        if kind == ATTRIBUTE_END || len < 24 {
            return None;
        }
        if kind == wanted {
            return slice(record, at, len);
        }
        at = at.checked_add(len)?;
    }
}
