//! btrfs. Structure: `struct btrfs_super_block` in the kernel's include/uapi/linux/btrfs_tree.h, at 64 KiB.

use super::{Format, Medium, Superblock};
use crate::formats::fields::{has, le64, name, slice, uuid};

pub(super) fn probe(medium: &Medium) -> Option<Superblock> {
    let sb = medium.head(64 * 1024, 4096)?;
    if !has(sb, 0x40, b"_BHRfS_M") {
        return None;
    }
    Some(Superblock {
        format: Format::Btrfs,
        uuid: uuid(sb, 0x20),
        label: name(slice(sb, 0x12b, 256)?),
        // Of this device; total_bytes at 0x70 is the sum over all devices.
        size: le64(sb, 0xc9 + 8),
        // A log tree: what fsync(2) wrote since the last commit.
        dirty: le64(sb, 0x60)? != 0,
    })
}
