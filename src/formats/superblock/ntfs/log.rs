//! The journal of an NTFS, `$LogFile`: only whether it was closed. Structure: the kernel's fs/ntfs3/fslog.c
//! (`struct RESTART_HDR`, `struct RESTART_AREA`); what counts as closed: ntfs-3g's libntfs-3g/logfile.c and volume.c.

use super::super::Medium;
use super::{Geometry, attribute, record_at};
use crate::formats::fields::{has, le16, le32, le64, slice, u8_at};

const RECORD_LOG: u64 = 2;
const ATTRIBUTE_DATA: u32 = 0x80;
/// What an update sequence protects: the last two bytes of each such part hold its number while they are on the disk.
const PART: usize = 512;
/// A restart page where none says its own size, and the least of them.
const PAGE: usize = 4096;
/// The largest page that is read.
const LARGEST_PAGE: usize = 1 << 16;
/// The version that Windows 8 and later write while the volume is mounted; unmounting makes it 1.1 again. Fast startup
/// leaves it so, as Windows has part of the volume in the memory that it wakes up with.
const MOUNTED: u16 = 2;
const NO_CLIENT: u16 = 0xffff;
const VOLUME_IS_CLEAN: u16 = 0x2; // in the flags of the restart area

/// What the journal says of the volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Log {
    Closed,
    InUse,
}

/// `None` where there is none, or none that can be read.
pub(super) fn read(medium: &Medium, geometry: &Geometry) -> Option<Log> {
    let record = mended(record_at(medium, geometry, RECORD_LOG)?)?;
    let start = start(&record, geometry.cluster)?;
    let first = medium.read(start, PAGE)?;
    // Where the second page is: the first one says it, if it is one.
    let size = page_size(&first).unwrap_or(PAGE);
    let pages = [0, size].map(|offset| medium.read(start.checked_add(offset as u64)?, size).map(Vec::from));
    judge(pages)
}

/// The byte where the journal begins, when both of its restart pages lie in one piece. Pure.
fn start(record: &[u8], cluster: u64) -> Option<u64> {
    let data = attribute(record, ATTRIBUTE_DATA)?;
    let is_plain = le16(data, 0x0c)? == 0; // not compressed, encrypted or sparse
    // Outside of the record, without a name, and from the file's start.
    if u8_at(data, 8)? != 1 || u8_at(data, 9)? != 0 || !is_plain || le64(data, 0x10)? != 0 {
        return None;
    }
    let runs = usize::from(le16(data, 0x20)?);
    let sizes = u8_at(data, runs)?;
    let (length, place) = (usize::from(sizes & 15), usize::from(sizes >> 4));
    let length_at = runs.checked_add(1)?;
    let clusters = number(slice(data, length_at, length)?)?;
    let place = number(slice(data, length_at.checked_add(length)?, place)?)?;
    (clusters.checked_mul(cluster)? >= 2 * PAGE as u64).then_some(())?;
    place.checked_mul(cluster)
}

/// A number of up to eight bytes that is not negative and not zero: no run is empty, and the first cluster is the boot
/// sector's.
fn number(bytes: &[u8]) -> Option<u64> {
    let sign = bytes.last()? & 0x80;
    let value = bytes.iter().rev().try_fold(0_u64, |sum, byte| Some(sum.checked_mul(256)? | u64::from(*byte)))?;
    (sign == 0 && value != 0).then_some(value)
}

/// What both restart pages say together. The newer one counts. Pure.
fn judge(pages: [Option<Vec<u8>>; 2]) -> Option<Log> {
    let [first, second] = pages;
    let pages = [first?, second?];
    // Emptied, which is done after the volume was found clean.
    if pages.iter().flatten().all(|byte| *byte == 0xff) {
        return Some(Log::Closed);
    }
    let mut newest = None;
    for page in pages {
        // One that chkdsk has changed has another sign.
        let is_checked = has(&page, 0, b"CHKD");
        if !is_checked && !has(&page, 0, b"RSTR") {
            continue;
        }
        // A page that is torn was being written when the power went.
        let (number, log) = restart(&mended(page)?, is_checked)?;
        if newest.is_none_or(|(newer, _)| newer < number) {
            newest = Some((number, log));
        }
    }
    newest.map(|(_, log)| log)
}

/// The number of a restart page, and what it says. Pure.
fn restart(page: &[u8], is_checked: bool) -> Option<(u64, Log)> {
    let area = slice(page, usize::from(le16(page, 0x18)?), 16)?;
    let number = if is_checked { le64(page, 8)? } else { le64(area, 0)? };
    let is_closed = le16(area, 0x0c)? == NO_CLIENT || le16(area, 0x0e)? & VOLUME_IS_CLEAN != 0;
    let is_mounted = le16(page, 0x1c)? == MOUNTED;
    Some((number, if is_closed && !is_mounted { Log::Closed } else { Log::InUse }))
}

/// The size that a restart page says it has.
fn page_size(page: &[u8]) -> Option<usize> {
    let is_page = has(page, 0, b"RSTR") || has(page, 0, b"CHKD");
    let size = le32(page, 0x10)? as usize;
    (is_page && size.is_power_of_two() && (PAGE..=LARGEST_PAGE).contains(&size)).then_some(size)
}

/// The bytes as they were before the update sequence took the last two of each part; `None` for what was not written as a
/// whole. Pure.
fn mended(mut bytes: Vec<u8>) -> Option<Vec<u8>> {
    let (at, count) = (usize::from(le16(&bytes, 4)?), usize::from(le16(&bytes, 6)?));
    if count.checked_sub(1)?.checked_mul(PART)? != bytes.len() {
        return None;
    }
    let sequence = slice(&bytes, at, count.checked_mul(2)?)?.to_vec();
    let (number, kept) = sequence.split_at_checked(2)?;
    for (part, kept) in bytes.chunks_exact_mut(PART).zip(kept.chunks_exact(2)) {
        let end = part.get_mut(PART - 2..)?;
        if end != number {
            return None;
        }
        end.copy_from_slice(kept);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests;
