//! XFS. Structure: `struct xfs_dsb` in the kernel's fs/xfs/libxfs/xfs_format.h, big endian, at byte 0.

mod log;

use super::{Format, Medium, Superblock};
use crate::formats::fields::{be16, be32, be64, has, name, slice, u8_at, uuid};

pub(super) fn probe(medium: &Medium) -> Option<Superblock> {
    let sb = medium.head(0, 512)?;
    if !has(sb, 0, b"XFSB") {
        return None;
    }
    let block_size = be32(sb, 4)?;
    let sector_size = u32::from(be16(sb, 0x66)?);
    let blocks = be64(sb, 8)?;
    let group_blocks = u64::from(be32(sb, 0x54)?);
    let groups = u64::from(be32(sb, 0x58)?);
    // A power of two and its logarithm are stored side by side: four bytes of magic alone are too weak a sign.
    let is_log =
        |value: u32, at: usize| value.is_power_of_two() && u8_at(sb, at).map(u32::from) == Some(value.trailing_zeros());
    let plausible = groups > 0
        && blocks > (groups - 1) * group_blocks
        && blocks <= groups * group_blocks
        && (512..=32768).contains(&sector_size)
        && (512..=65536).contains(&block_size)
        && is_log(block_size, 0x78)
        && is_log(sector_size, 0x79);
    if !plausible {
        return None;
    }
    Some(Superblock {
        format: Format::Xfs,
        uuid: uuid(sb, 0x20),
        label: name(slice(sb, 0x6c, 12)?),
        size: blocks.checked_mul(block_size.into()),
        // A log that cannot be read says nothing; the driver will.
        dirty: log::is_dirty(medium, sb).unwrap_or(false),
    })
}
