//! squashfs and EROFS: the read-only file systems that images of operating systems are made of.

use super::{Format, Medium, Superblock};
use crate::formats::fields::{has, le16, le32, le64, name, slice, u8_at, uuid};

/// squashfs 4. Structure: `struct squashfs_super_block` in the kernel's fs/squashfs/squashfs_fs.h, at byte 0. It has
/// neither UUID nor label. Versions before 4 cannot be mounted by any current kernel.
pub(super) fn squashfs(medium: &Medium) -> Option<Superblock> {
    let sb = medium.head(0, 96)?;
    if !has(sb, 0, b"hsqs") || le16(sb, 28)? < 4 {
        return None;
    }
    Some(Superblock { size: le64(sb, 40), ..Superblock::new(Format::Squashfs) })
}

/// EROFS. Structure: `struct erofs_super_block` in the kernel's fs/erofs/erofs_fs.h, at byte 1024.
pub(super) fn erofs(medium: &Medium) -> Option<Superblock> {
    let sb = medium.head(1024, 128)?;
    if !has(sb, 0, &0xe0f5_e1e2_u32.to_le_bytes()) {
        return None;
    }
    let block_size = 1_u64.checked_shl(u8_at(sb, 12)?.into());
    Some(Superblock {
        format: Format::Erofs,
        uuid: uuid(sb, 48),
        label: name(slice(sb, 64, 16)?),
        size: block_size.and_then(|size| size.checked_mul(le32(sb, 36)?.into())),
        dirty: false,
    })
}
