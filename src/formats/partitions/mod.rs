//! Partition tables: GPT and MBR.
//!
//! Takes   a [`ReadAt`] and the size of its sectors.
//! Gives   the partitions with their numbers, places and identifiers, as the kernel and blkid name them. A table that is
//!         not there or not valid gives none.
//! Fails   when the sector size is not one, or the first sector cannot be read. Read errors elsewhere end the list early.
//!
//! Like the kernel, GPT counts only beside an MBR with an entry of type 0xee; otherwise the MBR counts (Debian's hybrid ISOs
//! have both, without that entry). Unlike the kernel, and like blkid, the backup table is used when the primary is damaged.

use super::{ReadAt, read_exact_at};
use std::io;

mod gpt;
mod mbr;

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// The number in the kernel's device name, from 1; logical partitions of an MBR from 5.
    pub number: u32,
    /// First byte.
    pub start: u64,
    /// Length in bytes.
    pub size: u64,
    /// PARTUUID, lower case. `None` in an MBR without a disk signature: the kernel makes `00000000-01` of that, which is
    /// the same on every such disk.
    pub uuid: Option<String>,
    /// PARTLABEL; only GPT has it.
    pub label: Option<String>,
}

/// Lists the partitions of `dev`, whose logical sectors have `sector_size` bytes, by number. An extended partition is
/// not listed itself: it is only the place where the logical ones are.
///
/// # Errors
/// When `sector_size` is not a power of two from 512 to 4096, or the length or the first sector cannot be read.
pub fn partitions(dev: &dyn ReadAt, sector_size: u64) -> io::Result<Vec<Partition>> {
    if !(512..=4096).contains(&sector_size) || !sector_size.is_power_of_two() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("sector size {sector_size}")));
    }
    let disk = Disk { dev, sector: sector_size, sectors: dev.size()? / sector_size };
    let Some(first) = read_exact_at(dev, 0, 512)? else { return Ok(Vec::new()) };
    Ok(match mbr::kind(&first) {
        mbr::Kind::None => Vec::new(),
        mbr::Kind::Protective => gpt::partitions(&disk).unwrap_or_default(),
        mbr::Kind::Table => mbr::partitions(&disk, &first),
    })
}

/// A medium in sectors.
struct Disk<'a> {
    dev: &'a dyn ReadAt,
    /// Bytes in a sector.
    sector: u64,
    /// Whole sectors of the medium.
    sectors: u64,
}

impl Disk<'_> {
    /// `len` bytes from the start of a sector; `None` when they cannot be read.
    fn read(&self, sector: u64, len: usize) -> Option<Vec<u8>> {
        read_exact_at(self.dev, sector.checked_mul(self.sector)?, len).ok()?
    }

    /// Bytes of a range of sectors; `None` when it is empty or not within the medium.
    fn range(&self, first: u64, count: u64) -> Option<(u64, u64)> {
        let end = first.checked_add(count)?;
        (count != 0 && end <= self.sectors).then_some((first * self.sector, count * self.sector))
    }
}

#[cfg(test)]
mod tests;
