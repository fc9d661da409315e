//! MBR partition table, with logical partitions. There is no specification; the kernel's block/partitions/msdos.c decides
//! what a device node is made for.

use super::{Disk, Partition};
use crate::formats::fields::{has, le32, slice, u8_at};

const PROTECTIVE: u8 = 0xee;
/// DOS, Windows 95 (LBA), Linux.
const EXTENDED: [u8; 3] = [0x05, 0x0f, 0x85];
/// Links of the chain of logical partitions that are followed, as in the kernel.
const CHAIN: usize = 100;

pub(super) enum Kind {
    None,
    /// The table is there so that old tools see no free disk; the real one is GPT.
    Protective,
    Table,
}

struct Entry {
    flag: u8,
    kind: u8,
    /// In sectors; relative in an extended partition.
    start: u64,
    count: u64,
}

/// The four entries of a sector that is signed as a table; none otherwise.
fn entries(sector: &[u8]) -> impl Iterator<Item = Entry> {
    let signed = has(sector, 510, &[0x55, 0xaa]);
    (0..4).filter(move |_| signed).filter_map(|index| {
        let bytes = slice(sector, 446 + index * 16, 16)?;
        Some(Entry {
            flag: u8_at(bytes, 0)?,
            kind: u8_at(bytes, 4)?,
            start: le32(bytes, 8)?.into(),
            count: le32(bytes, 12)?.into(),
        })
    })
}

pub(super) fn kind(sector: &[u8]) -> Kind {
    let mut kind = Kind::None;
    for entry in entries(sector) {
        match (entry.flag, entry.kind) {
            (0 | 0x80, PROTECTIVE) => return Kind::Protective,
            (0 | 0x80, _) => kind = Kind::Table,
            // A boot sector of a file system carries the same signature, and code in this place.
            _ => return Kind::None,
        }
    }
    kind
}

pub(super) fn partitions(disk: &Disk, first: &[u8]) -> Vec<Partition> {
    let signature = le32(first, 440).filter(|&signature| signature != 0);
    let partition = |number: u32, start: u64, count: u64| {
        let (start, size) = disk.range(start, count)?;
        let uuid = signature.map(|signature| format!("{signature:08x}-{number:02x}"));
        Some(Partition { number, start, size, uuid, label: None })
    };
    let mut found = Vec::new();
    let mut logical = Vec::new();
    for (number, entry) in (1..).zip(entries(first)) {
        if !EXTENDED.contains(&entry.kind) {
            found.extend(partition(number, entry.start, entry.count));
        } else if disk.range(entry.start, entry.count).is_some() {
            chain(disk, &entry, &mut logical);
        }
    }
    found.extend((5..).zip(logical).filter_map(|(number, (start, count))| partition(number, start, count)));
    found
}

/// Follows the chain of an extended partition and appends the logical partitions as (first sector, sectors).
fn chain(disk: &Disk, extended: &Entry, found: &mut Vec<(u64, u64)>) {
    let end = extended.start + extended.count;
    let mut this = extended.start;
    let mut this_len = extended.count;
    for _ in 0..CHAIN {
        let Some(sector) = disk.read(this, 512) else { return };
        let mut next = None;
        for (index, entry) in entries(&sector).enumerate().filter(|(_, entry)| entry.count != 0) {
            if EXTENDED.contains(&entry.kind) {
                // The link, relative to the whole extended partition.
                next = next.or(Some((extended.start + entry.start, entry.count)));
                continue;
            }
            let start = this + entry.start;
            // The third and fourth entry often hold rubbish.
            let inside = entry.start + entry.count <= this_len && start + entry.count <= end;
            if index < 2 || inside {
                found.push((start, entry.count));
            }
        }
        match next {
            Some((start, count)) if start != this => (this, this_len) = (start, count),
            _ => return,
        }
    }
}
