//! GUID partition table. Structure: UEFI specification 2.10, section 5.3.

use super::{Disk, Partition};
use crate::formats::crc::crc32;
use crate::formats::fields::{guid, has, le32, le64, name_utf16le, slice};

/// Bytes of an entry in use so far; a table may have longer ones (128 × 2ⁿ).
const ENTRY: usize = 128;
/// Bytes of entries at most; the usual table has 16 KiB.
const TABLE_LIMIT: usize = 1024 * 1024;

/// The partitions of the primary table, else of the backup in the last sector; `None` when both are damaged.
pub(super) fn partitions(disk: &Disk) -> Option<Vec<Partition>> {
    table(disk, 1).or_else(|| table(disk, disk.sectors.checked_sub(1)?))
}

/// The table whose header is in sector `at`, when both its checksums are right.
fn table(disk: &Disk, at: u64) -> Option<Vec<Partition>> {
    let mut header = disk.read(at, disk.sector as usize)?;
    let len = le32(&header, 12)? as usize;
    if !has(&header, 0, b"EFI PART") || !(92..=header.len()).contains(&len) {
        return None;
    }
    let checksum = le32(&header, 16)?;
    header.get_mut(16..20)?.fill(0); // the checksum is made with its own place empty
    if crc32(header.get(..len)?) != checksum || le64(&header, 24)? != at {
        return None;
    }
    let (first, last) = (le64(&header, 40)?, le64(&header, 48)?);
    if first > last || last >= disk.sectors {
        return None;
    }
    let entry_len = le32(&header, 84)? as usize;
    let table_len = entry_len.checked_mul(le32(&header, 80)? as usize)?;
    if !(ENTRY..=4096).contains(&entry_len) || !entry_len.is_power_of_two() || table_len > TABLE_LIMIT {
        return None;
    }
    let entries = disk.read(le64(&header, 72)?, table_len)?;
    if crc32(&entries) != le32(&header, 88)? {
        return None;
    }
    let numbered = (1..).zip(entries.chunks_exact(entry_len));
    Some(numbered.filter_map(|(number, bytes)| entry(disk, number, bytes)).collect())
}

/// One entry; `None` when it is unused (its type is zero) or not within the medium.
fn entry(disk: &Disk, number: u32, bytes: &[u8]) -> Option<Partition> {
    guid(bytes, 0)?;
    let (first, last) = (le64(bytes, 32)?, le64(bytes, 40)?);
    let (start, size) = disk.range(first, last.checked_sub(first)?.checked_add(1)?)?;
    Some(Partition { number, start, size, uuid: guid(bytes, 16), label: name_utf16le(slice(bytes, 56, 72)?) })
}
