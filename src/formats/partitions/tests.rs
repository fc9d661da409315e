//! Tables made by code; those of sfdisk are in tests/formats_real.rs.

use super::super::crc::crc32;
use super::*;
use proptest::prelude::*;

fn put(image: &mut [u8], at: usize, bytes: &[u8]) {
    image[at..at + bytes.len()].copy_from_slice(bytes);
}

fn entry(kind: u8, start: u32, count: u32) -> [u8; 16] {
    let mut entry = [0; 16];
    entry[4] = kind;
    put(&mut entry, 8, &start.to_le_bytes());
    put(&mut entry, 12, &count.to_le_bytes());
    entry
}

fn table(image: &mut [u8], at: usize, entries: &[[u8; 16]]) {
    for (index, entry) in entries.iter().enumerate() {
        put(image, at + 446 + index * 16, entry);
    }
    put(image, at + 510, &[0x55, 0xaa]);
}

fn mbr() -> Vec<u8> {
    let mut image = vec![0; 1000 * 512];
    put(&mut image, 440, &0xdead_beef_u32.to_le_bytes());
    table(&mut image, 0, &[entry(0x83, 10, 20), [0; 16], entry(0x05, 100, 500), entry(0x83, 900, 200)]);
    table(&mut image, 100 * 512, &[entry(0x83, 1, 50), entry(0x05, 100, 100)]);
    table(&mut image, 200 * 512, &[entry(0x07, 2, 60)]);
    image
}

/// Primary and backup table with one partition in the second entry.
fn gpt(sector: usize) -> Vec<u8> {
    let sectors = 200;
    let mut image = vec![0; sectors * sector];
    table(&mut image, 0, &[entry(0xee, 1, 199)]);
    let mut entries = vec![0; 4 * 128];
    put(&mut entries, 128, &[1; 16]);
    put(&mut entries, 128 + 16, &(0..16).collect::<Vec<u8>>());
    put(&mut entries, 128 + 32, &40_u64.to_le_bytes());
    put(&mut entries, 128 + 40, &49_u64.to_le_bytes());
    let name: Vec<u8> = "Zürich 🚀".encode_utf16().flat_map(u16::to_le_bytes).collect();
    put(&mut entries, 128 + 56, &name);
    put(&mut entries, 256, &[1; 16]); // outside of the disk
    put(&mut entries, 256 + 40, &100_000_u64.to_le_bytes());
    for (at, array) in [(1, 2), (sectors - 1, sectors - 2)] {
        let mut header = vec![0; 92];
        put(&mut header, 0, b"EFI PART\0\0\x01\0\x5c\0\0\0");
        put(&mut header, 24, &(at as u64).to_le_bytes());
        put(&mut header, 40, &34_u64.to_le_bytes());
        put(&mut header, 48, &150_u64.to_le_bytes());
        put(&mut header, 72, &(array as u64).to_le_bytes());
        put(&mut header, 80, &[4, 0, 0, 0, 128, 0, 0, 0]);
        put(&mut header, 88, &crc32(&entries).to_le_bytes());
        let checksum = crc32(&header);
        put(&mut header, 16, &checksum.to_le_bytes());
        put(&mut image, at * sector, &header);
        put(&mut image, array * sector, &entries);
    }
    image
}

fn list(image: &[u8], sector: u64) -> Vec<Partition> {
    partitions(&image, sector).unwrap()
}

#[test]
fn mbr_with_logical_partitions() {
    let found = list(&mbr(), 512);
    let short: Vec<_> =
        found.iter().map(|p| (p.number, p.start / 512, p.size / 512, p.uuid.as_deref().unwrap())).collect();
    let wanted = [(1, 10, 20, "deadbeef-01"), (5, 101, 50, "deadbeef-05"), (6, 202, 60, "deadbeef-06")];
    assert_eq!(short, wanted, "number 4 ends outside of the disk");
}

#[test]
fn mbr_refusals() {
    let mut image = mbr();
    image[446] = 0x7f;
    assert_eq!(list(&image, 512), [], "boot code, not a table");
    let mut image = mbr();
    image[510] = 0;
    assert_eq!(list(&image, 512), []);
    let mut image = mbr();
    put(&mut image, 440, &[0; 4]);
    assert!(list(&image, 512).iter().all(|partition| partition.uuid.is_none()));
    assert_eq!(list(&[], 512), []);
    assert!(partitions(&[].as_slice(), 1000).is_err());
}

#[test]
fn mbr_chains_end() {
    let mut image = mbr();
    table(&mut image, 200 * 512, &[entry(0x83, 1, 1), entry(0x05, 0, 500)]); // back to the first link
    assert_eq!(list(&image, 512).len(), 101);
}

#[test]
fn gpt_primary_and_backup() {
    for sector in [512, 2048, 4096] {
        let good = gpt(sector);
        let wanted = [Partition {
            number: 2,
            start: 40 * sector as u64,
            size: 10 * sector as u64,
            uuid: Some("03020100-0504-0706-0809-0a0b0c0d0e0f".into()),
            label: Some("Zürich 🚀".into()),
        }];
        assert_eq!(list(&good, sector as u64), wanted);
        for damage in [sector + 60, 2 * sector + 130] {
            let mut image = good.clone();
            image[damage] ^= 1;
            assert_eq!(list(&image, sector as u64), wanted, "backup after damage at {damage}");
            image[199 * sector + 24] ^= 1;
            assert_eq!(list(&image, sector as u64), [], "both damaged");
        }
        let mut image = good.clone();
        image[450] = 0x83;
        assert!(list(&image, sector as u64).iter().all(|partition| partition.label.is_none()), "no protective MBR");
    }
}

proptest! {
    #[test]
    fn total(bytes in proptest::collection::vec(any::<u8>(), 0..4096), signed in any::<bool>()) {
        let mut bytes = bytes;
        if signed && bytes.len() >= 512 {
            put(&mut bytes, 510, &[0x55, 0xaa]);
            for flag in [446, 462, 478, 494] {
                bytes[flag] = 0;
            }
        }
        let size = bytes.len() as u64;
        for partition in list(&bytes, 512) {
            prop_assert!(partition.size > 0 && partition.start + partition.size <= size);
        }
    }

    #[test]
    fn total_when_damaged(damage in proptest::collection::vec((0..100_000_usize, any::<u8>()), 1..30), which in any::<bool>()) {
        let mut image = if which { mbr() } else { gpt(512) };
        let len = image.len();
        for (at, byte) in damage {
            image[at % len] = byte;
        }
        let _ = list(&image, 512);
    }

    #[test]
    fn total_when_cut(len in 0..102_400_usize) {
        let _ = list(&gpt(512)[..len], 512);
    }
}
