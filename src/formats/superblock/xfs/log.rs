//! Whether an XFS was unmounted: the last record of its log says so. The log is a ring of blocks of 512 bytes, each of which
//! begins with the number of the round in which it was written, so its end is found by halving. Structure: `struct
//! xlog_rec_header` and `struct xlog_op_header` in the kernel's fs/xfs/libxfs/xfs_log_format.h; the search is that of
//! fs/xfs/xfs_log_recover.c, `xlog_find_head` and `xlog_check_unmount_rec`.

use super::Medium;
use crate::formats::fields::{be32, be64, u8_at};

/// A block of the log, in bytes, whatever the file system's own blocks are.
const BLOCK: u64 = 512;
/// What a record begins with.
const MAGIC: u32 = 0xfeed_babe;
/// Blocks of the longest record, and of its headers: 256 KiB, and one header for each 32 KiB.
const LONGEST: u64 = 512 + 8;
/// Bytes that one header describes, in version 2 of the log.
const PER_HEADER: u32 = 32 << 10;
const VERSION_2: u32 = 0x2;
/// In an operation's flags, which are its tenth byte: the file system was unmounted.
const UNMOUNT: u8 = 0x20;

/// `None`: the log is on another device, or cannot be read.
pub(super) fn is_dirty(medium: &Medium, sb: &[u8]) -> Option<bool> {
    let log = Log::find(medium, sb)?;
    let round = log.round(0)?;
    if round == 0 {
        return Some(false); // nothing was ever written to it
    }
    let head = log.head(round)?;
    let Some(last) = log.record_before(head)? else { return Some(true) };
    Some(!log.is_unmount(last, head)?)
}

struct Log<'a> {
    medium: &'a Medium<'a>,
    /// Bytes from the start of the file system.
    start: u64,
    /// In blocks.
    length: u64,
}

impl<'a> Log<'a> {
    fn find(medium: &'a Medium, sb: &[u8]) -> Option<Log<'a>> {
        let block = u64::from(be32(sb, 4)?);
        // A block's number: that of its group, and below it, in so many bits, that within the group.
        let (number, bits) = (be64(sb, 0x30)?, u32::from(u8_at(sb, 0x7c)?));
        let within = number & 1_u64.checked_shl(bits)?.checked_sub(1)?;
        let group = number.checked_shr(bits)?.checked_mul(be32(sb, 0x54)?.into())?;
        let start = group.checked_add(within)?.checked_mul(block)?;
        let length = u64::from(be32(sb, 0x60)?).checked_mul(block)? / BLOCK;
        (number != 0 && length > 1).then_some(Log { medium, start, length })
    }

    fn read(&self, block: u64, blocks: u64) -> Option<std::borrow::Cow<'a, [u8]>> {
        let at = self.start.checked_add(block.checked_mul(BLOCK)?)?;
        self.medium.read(at, usize::try_from(blocks * BLOCK).ok()?)
    }

    /// In which round a block was written.
    fn round(&self, block: u64) -> Option<u32> {
        let bytes = self.read(block, 1)?;
        let first = be32(&bytes, 0)?;
        if first == MAGIC { be32(&bytes, 4) } else { Some(first) }
    }

    /// The block behind the last one of the present round.
    fn head(&self, round: u32) -> Option<u64> {
        if self.round(self.length - 1)? == round {
            return Some(self.length);
        }
        let (mut written, mut older) = (0, self.length - 1);
        while older - written > 1 {
            let middle = written + (older - written) / 2;
            if self.round(middle)? == round { written = middle } else { older = middle }
        }
        Some(older)
    }

    /// The start of the last record that ends at the head. It may begin at the end of the round before.
    fn record_before(&self, head: u64) -> Option<Option<u64>> {
        let found = self.last_record(head.saturating_sub(LONGEST), head)?;
        let rest = LONGEST.saturating_sub(head).min(self.length - head.min(self.length));
        match found {
            Some(found) => Some(Some(found)),
            None => self.last_record(self.length - rest, self.length),
        }
    }

    fn last_record(&self, from: u64, to: u64) -> Option<Option<u64>> {
        let bytes = self.read(from, to - from)?;
        let blocks = bytes.chunks(usize::try_from(BLOCK).ok()?).zip(from..);
        Some(blocks.filter(|(block, _)| be32(block, 0) == Some(MAGIC)).map(|(_, number)| number).last())
    }

    /// Whether the record is the only operation of an unmount and ends at the head.
    fn is_unmount(&self, record: u64, head: u64) -> Option<bool> {
        let header = self.read(record, 1)?;
        let (version, length, operations) = (be32(&header, 8)?, be32(&header, 12)?, be32(&header, 40)?);
        let size = be32(&header, 320)?;
        let headers = if version & VERSION_2 == 0 { 1 } else { size.div_ceil(PER_HEADER).max(1) };
        let data = record + u64::from(headers);
        let behind = data + u64::from(length).div_ceil(BLOCK);
        if operations != 1 || behind % self.length != head % self.length {
            return Some(false);
        }
        let operation = self.read(data % self.length, 1)?;
        Some(u8_at(&operation, 9)? & UNMOUNT != 0)
    }
}
