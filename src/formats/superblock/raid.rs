//! Members of a Linux software RAID. Structures: `mdp_super_t` and `struct mdp_superblock_1` in the kernel's
//! include/uapi/linux/raid/md_p.h and md_p_1.h (mdadm's names for the places: 0.90, 1.0, 1.1, 1.2).
//!
//! A member of a mirror with its superblock at the end looks like the file system that is on the mirror. Mounting it, even
//! read-only, replays its journal behind the mirror's back.

use super::{Format, Medium, Superblock};
use crate::formats::fields::{has, le32, le64, name, push_hex, slice, uuid};

const MAGIC: [u8; 4] = 0xa92b_4efc_u32.to_le_bytes();

/// Superblocks 1.1 (byte 0) and 1.2 (4 KiB).
pub(super) fn at_start(medium: &Medium) -> Option<Superblock> {
    version_1(medium, 0).or_else(|| version_1(medium, 4096))
}

/// Superblocks 1.0 and 0.90.
pub(super) fn at_end(medium: &Medium) -> Option<Superblock> {
    let last = medium.size & !511;
    let new = last.checked_sub(8 * 1024).map(|at| at & !4095).and_then(|at| version_1(medium, at));
    new.or_else(|| version_0(medium, (medium.size & !0xffff).checked_sub(0x1_0000)?))
}

/// Is `found` in truth the contents of a member? Reads the end only where the file system leaves room for a superblock
/// there, which it does not on an ordinary partition; and not for formats that nobody writes to.
pub(super) fn around(medium: &Medium, found: &Superblock) -> Option<Superblock> {
    use Format::{Erofs, Iso9660, Squashfs, Udf};
    let written = !matches!(found.format, Iso9660 | Udf | Squashfs | Erofs);
    let room = found.size.is_none_or(|size| size.saturating_add(8 * 1024) <= medium.size);
    if written && room { at_end(medium) } else { None }
}

fn version_1(medium: &Medium, at: u64) -> Option<Superblock> {
    let sb = medium.read(at, 256)?;
    if !has(&sb, 0, &MAGIC) || le32(&sb, 4)? != 1 || le64(&sb, 144)? != at / 512 {
        return None;
    }
    Some(Superblock { uuid: uuid(&sb, 16), label: name(slice(&sb, 32, 32)?), ..Superblock::new(Format::RaidMember) })
}

/// In the byte order of the machine that made it; only little endian is recognised.
fn version_0(medium: &Medium, at: u64) -> Option<Superblock> {
    let sb = medium.read(at, 256)?;
    if !has(&sb, 0, &MAGIC) || le32(&sb, 4)? != 0 {
        return None;
    }
    let words = [slice(&sb, 20, 4)?, slice(&sb, 52, 12)?].concat();
    // Four words, printed as numbers: blkid swaps each to big endian.
    let mut text = String::new();
    for (index, word) in words.chunks_exact(4).enumerate() {
        for (place, byte) in word.iter().rev().enumerate() {
            if matches!(index * 4 + place, 4 | 6 | 8 | 10) {
                text.push('-');
            }
            push_hex(&mut text, *byte);
        }
    }
    Some(Superblock { uuid: Some(text), ..Superblock::new(Format::RaidMember) })
}
