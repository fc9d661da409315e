//! ext2, ext3, ext4. Structure: `struct ext4_super_block` in the kernel's fs/ext4/ext4.h, at byte 1024.

use super::{Format, Medium, Superblock};
use crate::formats::fields::{has, le16, le32, name, slice, uuid};

const HAS_JOURNAL: u32 = 0x4; // in s_feature_compat
const RECOVER: u32 = 0x4; // in s_feature_incompat: the journal holds what is not in its place yet
const VALID: u16 = 0x1; // in s_state: unmounted; counts where there is no journal
const JOURNAL_DEV: u32 = 0x8; // in s_feature_incompat: this is a journal, not a file system
const SIXTY_FOUR_BIT: u32 = 0x80; // in s_feature_incompat: s_blocks_count_hi counts
const EXT2_INCOMPAT: u32 = 0x2 | 0x10; // filetype, meta_bg
const EXT3_INCOMPAT: u32 = EXT2_INCOMPAT | 0x4; // and recover: the journal wants replay
const EXT3_RO_COMPAT: u32 = 0x1 | 0x2 | 0x4; // sparse_super, large_file, btree_dir
const TEST_FILESYS: u32 = 0x4; // in s_flags: was "ext4dev" before ext4 was released

pub(super) fn probe(medium: &Medium) -> Option<Superblock> {
    let sb = medium.head(1024, 1024)?;
    if !has(sb, 0x38, &[0x53, 0xef]) {
        return None;
    }
    let compat = le32(sb, 0x5c)?;
    let incompat = le32(sb, 0x60)?;
    let ro_compat = le32(sb, 0x64)?;
    let format = if incompat & JOURNAL_DEV != 0 {
        Format::ExtJournal
    } else {
        let journal = compat & HAS_JOURNAL != 0;
        let beyond_ext3 = incompat & !EXT3_INCOMPAT != 0 || ro_compat & !EXT3_RO_COMPAT != 0;
        match (beyond_ext3, journal) {
            (true, _) if le32(sb, 0x160)? & TEST_FILESYS != 0 => return None,
            (true, _) => Format::Ext4,
            (false, true) => Format::Ext3,
            (false, false) if incompat & !EXT2_INCOMPAT == 0 => Format::Ext2,
            (false, false) => return None,
        }
    };
    let high = if incompat & SIXTY_FOUR_BIT != 0 { le32(sb, 0x150)? } else { 0 };
    let blocks = u64::from(high) << 32 | u64::from(le32(sb, 0x04)?);
    let block_size = 1024_u64.checked_shl(le32(sb, 0x18)?).filter(|&size| size != 0);
    let dirty = if compat & HAS_JOURNAL != 0 { incompat & RECOVER != 0 } else { le16(sb, 0x3a)? & VALID == 0 };
    Some(Superblock {
        format,
        uuid: uuid(sb, 0x68),
        label: name(slice(sb, 0x78, 16)?),
        size: block_size.and_then(|size| size.checked_mul(blocks)),
        dirty: dirty && format != Format::ExtJournal,
    })
}
