//! F2FS. Structure: `struct f2fs_super_block` in the kernel's include/linux/f2fs_fs.h, at byte 1024.

use super::{Format, Medium, Superblock};
use crate::formats::fields::{has, le16, le32, le64, name_utf16le, slice, uuid};

/// In ckpt_flags: the checkpoint was written by an unmount.
const CP_UMOUNT: u32 = 0x1;

pub(super) fn probe(medium: &Medium) -> Option<Superblock> {
    let sb = medium.head(1024, 2048)?;
    if !has(sb, 0, &0xf2f5_2010_u32.to_le_bytes()) {
        return None;
    }
    let mut found = Superblock::new(Format::F2fs);
    if (le16(sb, 4)?, le16(sb, 6)?) == (1, 0) {
        return Some(found); // version 1.0 had another layout behind the version
    }
    found.uuid = uuid(sb, 108);
    found.label = name_utf16le(slice(sb, 124, 1024)?);
    found.size = 1_u64.checked_shl(le32(sb, 16)?).and_then(|block| block.checked_mul(le64(sb, 36)?));
    found.dirty = checkpoint_flags(medium, sb).is_some_and(|flags| flags & CP_UMOUNT == 0);
    Some(found)
}

/// The flags of the newer one of the two checkpoints; `struct f2fs_checkpoint` is at the start of each one's segment.
fn checkpoint_flags(medium: &Medium, sb: &[u8]) -> Option<u32> {
    let block = 1_u64.checked_shl(le32(sb, 16)?)?;
    let first = u64::from(le32(sb, 76)?);
    let per_segment = 1_u64.checked_shl(le32(sb, 20)?)?;
    let checkpoint = |number: u64| {
        let bytes = medium.read(number.checked_mul(block)?, 136)?;
        Some((le64(&bytes, 0)?, le32(&bytes, 132)?))
    };
    let newest = checkpoint(first).max(checkpoint(first.checked_add(per_segment)?));
    newest.map(|(_, flags)| flags)
}
