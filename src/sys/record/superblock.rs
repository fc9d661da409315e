//! The first bytes of a file system, as far as it is recognised by them.
//!
//! Takes   type, UUID, label and size of a fake medium.
//! Gives   bytes in which `formats::superblock::probe` finds just these. The structures are described there.
//! Leaves  out everything else: no file is in these bytes.

use super::tree::Medium;

/// Bytes of a sector of a disc.
const DISC_SECTOR: u64 = 2048;
/// Bytes of a sector of a FAT.
const FAT_SECTOR: u64 = 512;

/// The start of the medium.
pub(super) fn bytes(medium: &Medium) -> Vec<u8> {
    match medium.fstype {
        "iso9660" => iso9660(medium),
        "squashfs" => squashfs(medium),
        "erofs" => erofs(medium),
        "ext4" => ext4(medium),
        "vfat" => vfat(medium),
        _ => Vec::new(),
    }
}

fn put(bytes: &mut Vec<u8>, at: usize, what: &[u8]) {
    if bytes.len() < at + what.len() {
        bytes.resize(at + what.len(), 0);
    }
    if let Some(place) = bytes.get_mut(at..at + what.len()) {
        place.copy_from_slice(what);
    }
}

fn units(medium: &Medium, unit: u64) -> [u8; 4] {
    u32::try_from(medium.size / unit).unwrap_or(u32::MAX).to_le_bytes()
}

/// Text, filled up or cut to `N` bytes.
fn fixed<const N: usize>(text: &str, fill: u8) -> [u8; N] {
    let mut field = [fill; N];
    field.iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from);
    field
}

/// The hexadecimal digits of a UUID, dashes left out.
fn digits(uuid: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        uuid.chars().filter_map(|c| c.to_digit(16)).filter_map(|digit| u8::try_from(digit).ok()).collect();
    digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect()
}

fn iso9660(medium: &Medium) -> Vec<u8> {
    const FIRST: usize = 32 * 1024;
    let mut bytes = Vec::new();
    put(&mut bytes, FIRST, b"\x01CD001\x01");
    put(&mut bytes, FIRST + 40, &fixed::<32>(&medium.label, b' '));
    put(&mut bytes, FIRST + 80, &units(medium, DISC_SECTOR));
    put(&mut bytes, FIRST + 128, &2048_u16.to_le_bytes());
    let date: String = medium.uuid.chars().filter(char::is_ascii_digit).collect();
    put(&mut bytes, FIRST + 830, &fixed::<16>(&date, b'0'));
    put(&mut bytes, FIRST + 2048, b"\xffCD001\x01");
    put(&mut bytes, FIRST + 4095, &[0]);
    bytes
}

fn squashfs(medium: &Medium) -> Vec<u8> {
    let mut bytes = vec![0; 96];
    put(&mut bytes, 0, b"hsqs");
    put(&mut bytes, 28, &4_u16.to_le_bytes());
    put(&mut bytes, 40, &medium.size.to_le_bytes());
    bytes
}

fn erofs(medium: &Medium) -> Vec<u8> {
    let mut bytes = vec![0; 1024 + 128];
    put(&mut bytes, 1024, &0xe0f5_e1e2_u32.to_le_bytes());
    put(&mut bytes, 1024 + 12, &[12]);
    put(&mut bytes, 1024 + 36, &units(medium, 4096));
    put(&mut bytes, 1024 + 48, &digits(&medium.uuid));
    put(&mut bytes, 1024 + 64, &fixed::<16>(&medium.label, 0));
    bytes
}

fn ext4(medium: &Medium) -> Vec<u8> {
    const HAS_JOURNAL: u32 = 0x4;
    const EXTENTS: u32 = 0x40;
    let mut bytes = vec![0; 2048];
    put(&mut bytes, 1024 + 0x04, &units(medium, 1024));
    put(&mut bytes, 1024 + 0x38, &[0x53, 0xef]);
    put(&mut bytes, 1024 + 0x5c, &HAS_JOURNAL.to_le_bytes());
    put(&mut bytes, 1024 + 0x60, &EXTENTS.to_le_bytes());
    put(&mut bytes, 1024 + 0x68, &digits(&medium.uuid));
    put(&mut bytes, 1024 + 0x78, &fixed::<16>(&medium.label, 0));
    bytes
}

/// FAT12 or FAT16, whichever the size makes it.
fn vfat(medium: &Medium) -> Vec<u8> {
    const RESERVED: u8 = 1;
    const FAT_SECTORS: u8 = 64;
    let mut bytes = vec![0; 512];
    put(&mut bytes, 0x0b, &512_u16.to_le_bytes());
    put(&mut bytes, 0x0d, &[8, RESERVED, 0, 2]); // sectors of a cluster, reserved sectors, number of FATs
    put(&mut bytes, 0x11, &512_u16.to_le_bytes()); // entries of the root directory
    put(&mut bytes, 0x15, &[0xf8, FAT_SECTORS, 0]);
    put(&mut bytes, 0x20, &units(medium, FAT_SECTOR));
    let serial: Vec<u8> = digits(&medium.uuid).into_iter().rev().collect();
    put(&mut bytes, 0x26, &[0x29]);
    put(&mut bytes, 0x27, &serial);
    put(&mut bytes, 0x36, b"FAT16   ");
    put(&mut bytes, 510, &[0x55, 0xaa]);
    let root = usize::from(RESERVED) + 2 * usize::from(FAT_SECTORS);
    if !medium.label.is_empty() {
        const VOLUME: u8 = 0x08;
        put(&mut bytes, root * 512, &fixed::<11>(&medium.label, b' '));
        put(&mut bytes, root * 512 + 11, &[VOLUME]);
    }
    put(&mut bytes, (root + 1) * 512, &[0]);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::superblock::probe;
    use crate::sys::record::{Content, Tree};

    #[test]
    fn every_medium_is_recognised_with_what_was_asked_for() {
        let long = "0b8d8cfa-6a8c-4d4e-9b0a-3f8c2f1e0d5c";
        for (fstype, uuid, label) in [
            ("iso9660", "2026-11-21-08-30-00-00", Some("DEBIAN LIVE")),
            ("squashfs", "", None),
            ("erofs", long, Some("LAYER")),
            ("ext4", long, Some("STORE")),
            ("vfat", "AB12-34CD", Some("STICK")),
        ] {
            let medium = Medium::new(fstype, Tree::new()).labelled(label.unwrap_or("")).identified(uuid);
            let bytes = Content::image(&medium).to_vec();
            let found = probe(&bytes.as_slice()).unwrap().unwrap();
            assert_eq!(found.format.name(), fstype);
            assert_eq!(found.label.as_deref(), label, "{fstype}");
            assert_eq!(found.uuid.as_deref(), Some(uuid).filter(|uuid| !uuid.is_empty()), "{fstype}");
            assert_eq!(found.size, Some(medium.size), "{fstype}");
        }
    }
}
