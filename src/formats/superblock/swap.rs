//! Swap space, and the hibernated system it may hold. Structure: `union swap_header` in the kernel's include/linux/swap.h;
//! the magic ends the first page, the header begins at byte 1024.

use super::{Format, Medium, Superblock};
use crate::formats::fields::{le32, name, slice, uuid};

/// Page sizes (bytes) of the machines that may have made it.
const PAGES: [usize; 5] = [4096, 8192, 16384, 32768, 65536];

/// What the kernel (the first, and the third before 2.6.20) and other suspend programs put over the magic.
const HIBERNATED: [&[u8]; 4] = [b"S1SUSPEND", b"S2SUSPEND", b"ULSUSPEND", b"LINHIB0001"];

pub(super) fn probe(medium: &Medium) -> Option<Superblock> {
    let format = PAGES.into_iter().find_map(|page| {
        let magic = medium.head(page - 10, 10)?;
        match magic {
            b"SWAPSPACE2" => version_1(medium).then_some(Format::Swap),
            b"SWAP-SPACE" => Some(Format::Swap),
            _ => HIBERNATED.iter().any(|sign| magic.starts_with(sign)).then_some(Format::Hibernated),
        }
    })?;
    let mut found = Superblock::new(format);
    // Old mkswap left here whatever was there; padding that is not empty says so.
    let clean = medium.head(1024 + 44 + 128, 8).is_some_and(|padding| padding == [0; 8]);
    if let Some(header) = medium.head(1024, 64).filter(|_| clean && version_1(medium)) {
        found.uuid = uuid(header, 12);
        found.label = slice(header, 28, 16).and_then(name);
    }
    Some(found)
}

/// A header in either byte order, with at least one page.
fn version_1(medium: &Medium) -> bool {
    let Some(header) = medium.head(1024, 12) else { return false };
    let version = le32(header, 0);
    (version == Some(1) || version == Some(1_u32.swap_bytes())) && le32(header, 4).is_some_and(|last| last != 0)
}
