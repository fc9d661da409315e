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
        "exfat" => exfat(medium),
        "ntfs3" => ntfs(medium),
        "btrfs" => btrfs(medium),
        "xfs" => xfs(medium),
        "f2fs" => f2fs(medium),
        _ => Vec::new(),
    }
}

pub(super) fn put(bytes: &mut Vec<u8>, at: usize, what: &[u8]) {
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

/// The four bytes that FAT and exFAT have for a UUID.
fn serial(medium: &Medium) -> Vec<u8> {
    digits(&medium.uuid).into_iter().rev().take(4).collect()
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
    const RECOVER: u32 = 0x4;
    let mut bytes = vec![0; 2048];
    put(&mut bytes, 1024 + 0x04, &units(medium, 1024));
    put(&mut bytes, 1024 + 0x38, &[0x53, 0xef]);
    put(&mut bytes, 1024 + 0x5c, &HAS_JOURNAL.to_le_bytes());
    put(&mut bytes, 1024 + 0x60, &(EXTENTS | if medium.dirty { RECOVER } else { 0 }).to_le_bytes());
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
    put(&mut bytes, 0x26, &[0x29]);
    put(&mut bytes, 0x27, &serial(medium));
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

/// One cluster, which is the root directory with the label alone.
fn exfat(medium: &Medium) -> Vec<u8> {
    const HEAP_SECTOR: u32 = 8;
    let mut bytes = vec![0; 512];
    put(&mut bytes, 0, b"\xeb\x76\x90EXFAT   ");
    put(&mut bytes, 0x48, &(medium.size / FAT_SECTOR).to_le_bytes());
    put(&mut bytes, 0x50, &1_u32.to_le_bytes()); // the allocation table's first sector
    put(&mut bytes, 0x58, &HEAP_SECTOR.to_le_bytes());
    put(&mut bytes, 0x5c, &1_u32.to_le_bytes()); // clusters
    put(&mut bytes, 0x60, &2_u32.to_le_bytes()); // the root directory's cluster; the first one has this number
    put(&mut bytes, 0x64, &serial(medium));
    put(&mut bytes, 0x6c, &[9, 3, 1]); // 512 bytes in a sector, 8 sectors in a cluster, one allocation table
    put(&mut bytes, 510, &[0x55, 0xaa]);
    let root = 512 * HEAP_SECTOR as usize;
    let units: Vec<u16> = medium.label.encode_utf16().take(11).collect();
    if let Some(count) = u8::try_from(units.len()).ok().filter(|count| *count > 0) {
        let units: Vec<u8> = units.into_iter().flat_map(u16::to_le_bytes).collect();
        put(&mut bytes, root, &[0x83, count]);
        put(&mut bytes, root + 2, &units);
    }
    put(&mut bytes, root + 4095, &[0]);
    bytes
}

/// The boot sector, a master file table of 1 KiB records at the second cluster, and an empty journal at the fourth one.
fn ntfs(medium: &Medium) -> Vec<u8> {
    const TABLE: usize = 4096;
    const LOG: usize = 3 * 4096;
    const ATTRIBUTE: usize = 0x38;
    let mut bytes = vec![0; 512];
    put(&mut bytes, 3, b"NTFS    ");
    put(&mut bytes, 0x0b, &512_u16.to_le_bytes());
    put(&mut bytes, 0x0d, &[8]); // sectors in a cluster
    put(&mut bytes, 0x28, &(medium.size / FAT_SECTOR).to_le_bytes());
    put(&mut bytes, 0x30, &1_u64.to_le_bytes()); // the table's cluster
    put(&mut bytes, 0x40, &[246]); // 2 to the power of 256 - 246 bytes in a record
    let number: Vec<u8> = digits(&medium.uuid).into_iter().rev().take(8).collect();
    put(&mut bytes, 0x48, &number);
    put(&mut bytes, TABLE, b"FILE");
    let (volume, name) =
        (TABLE + 3 * 1024, medium.label.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>());
    let units = u32::try_from(name.len()).unwrap_or_default();
    put(&mut bytes, volume, b"FILE");
    put(&mut bytes, volume + 0x14, &[0x38]); // the first attribute's place
    put(&mut bytes, volume + ATTRIBUTE, &0x60_u32.to_le_bytes());
    put(&mut bytes, volume + ATTRIBUTE + 4, &(24 + units).to_le_bytes());
    put(&mut bytes, volume + ATTRIBUTE + 16, &units.to_le_bytes());
    put(&mut bytes, volume + ATTRIBUTE + 20, &[24]);
    put(&mut bytes, volume + ATTRIBUTE + 24, &name);
    let information = volume + ATTRIBUTE + 24 + name.len();
    put(&mut bytes, information, &0x70_u32.to_le_bytes());
    put(&mut bytes, information + 4, &[36, 0, 0, 0]);
    put(&mut bytes, information + 16, &[12, 0, 0, 0, 24]);
    put(&mut bytes, information + 24 + 10, &[u8::from(medium.dirty)]);
    let log = TABLE + 2 * 1024;
    put(&mut bytes, log, b"FILE");
    put(&mut bytes, log + 4, &[0x30, 0, 3, 0]); // the update sequence, for both sectors of the record
    put(&mut bytes, log + 0x14, &[0x38]);
    put(&mut bytes, log + ATTRIBUTE, &0x80_u32.to_le_bytes());
    put(&mut bytes, log + ATTRIBUTE + 4, &[0x48]);
    put(&mut bytes, log + ATTRIBUTE + 8, &[1]); // outside of the record
    put(&mut bytes, log + ATTRIBUTE + 0x20, &[0x40]);
    put(&mut bytes, log + ATTRIBUTE + 0x40, &[0x11, 2, 3]); // two clusters from the fourth one on
    put(&mut bytes, LOG, &[0xff; 2 * 4096]);
    bytes
}

fn btrfs(medium: &Medium) -> Vec<u8> {
    const AT: usize = 64 * 1024;
    let mut bytes = vec![0; AT + 4096];
    put(&mut bytes, AT + 0x20, &digits(&medium.uuid));
    put(&mut bytes, AT + 0x40, b"_BHRfS_M");
    put(&mut bytes, AT + 0xc9 + 8, &medium.size.to_le_bytes());
    put(&mut bytes, AT + 0x12b, &fixed::<256>(&medium.label, 0));
    bytes
}

/// One allocation group, 4 KiB blocks.
fn xfs(medium: &Medium) -> Vec<u8> {
    let blocks = medium.size / 4096;
    let mut bytes = vec![0; 512];
    put(&mut bytes, 0, b"XFSB");
    put(&mut bytes, 4, &4096_u32.to_be_bytes());
    put(&mut bytes, 8, &blocks.to_be_bytes());
    put(&mut bytes, 0x20, &digits(&medium.uuid));
    put(&mut bytes, 0x54, &u32::try_from(blocks).unwrap_or(u32::MAX).to_be_bytes());
    put(&mut bytes, 0x58, &1_u32.to_be_bytes());
    put(&mut bytes, 0x66, &512_u16.to_be_bytes());
    put(&mut bytes, 0x6c, &fixed::<12>(&medium.label, 0));
    put(&mut bytes, 0x78, &[12, 9]); // the logarithms of both sizes
    bytes
}

fn f2fs(medium: &Medium) -> Vec<u8> {
    const AT: usize = 1024;
    let mut bytes = vec![0; AT + 2048];
    put(&mut bytes, AT, &0xf2f5_2010_u32.to_le_bytes());
    put(&mut bytes, AT + 4, &[1, 0, 16, 0]); // version 1.16
    put(&mut bytes, AT + 16, &[12]);
    put(&mut bytes, AT + 36, &(medium.size / 4096).to_le_bytes());
    put(&mut bytes, AT + 108, &digits(&medium.uuid));
    let name: Vec<u8> = medium.label.encode_utf16().take(511).flat_map(u16::to_le_bytes).collect();
    put(&mut bytes, AT + 124, &name);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::superblock::{NtfsState, ntfs_state, probe};
    use crate::sys::record::{Content, Tree};

    #[test]
    fn an_ntfs_is_unmounted_or_marked() {
        for label in ["", "WINDOWS"] {
            let medium = || Medium::new("ntfs3", Tree::new()).labelled(label);
            let state = |medium: &Medium| ntfs_state(&Content::image(medium).to_vec().as_slice()).unwrap();
            assert_eq!((state(&medium()), state(&medium().dirty())), (NtfsState::Unmounted, NtfsState::Marked));
        }
    }

    #[test]
    fn every_medium_is_recognised_with_what_was_asked_for() {
        let long = "0b8d8cfa-6a8c-4d4e-9b0a-3f8c2f1e0d5c";
        for (fstype, uuid, label) in [
            ("iso9660", "2026-11-21-08-30-00-00", Some("DEBIAN LIVE")),
            ("squashfs", "", None),
            ("erofs", long, Some("LAYER")),
            ("ext4", long, Some("STORE")),
            ("vfat", "AB12-34CD", Some("STICK")),
            ("exfat", "AB12-34CD", Some("STICK")),
            ("ntfs3", "0123456789ABCDEF", Some("WINDOWS")),
            ("btrfs", long, Some("STORE")),
            ("xfs", long, Some("STORE")),
            ("f2fs", long, Some("STORE")),
            ("xfs", long, None),
            ("exfat", "AB12-34CD", None),
            ("ntfs3", "0123456789ABCDEF", None),
        ] {
            let medium = Medium::new(fstype, Tree::new()).labelled(label.unwrap_or("")).identified(uuid);
            let bytes = Content::image(&medium).to_vec();
            let found = probe(&bytes.as_slice()).unwrap().unwrap();
            assert_eq!(found.format.name(), fstype.trim_end_matches('3'), "blkid's name has no version");
            assert_eq!(found.label.as_deref(), label, "{fstype}");
            assert_eq!(found.uuid.as_deref(), Some(uuid).filter(|uuid| !uuid.is_empty()), "{fstype}");
            assert_eq!(found.size, Some(medium.size), "{fstype}");
        }
    }
}
