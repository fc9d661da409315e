//! The partition table of a fake disk with one partition.
//!
//! Takes   the identity that the partition is to have.
//! Gives   bytes in which `formats::partitions` finds it. The structures are described there.
//! Leaves  out the partition's own bytes: it is a device of its own.

use super::tree::Content;

/// Bytes of a sector.
const SECTOR: usize = 512;
/// The first sector of the partition: 1 MiB, as every tool has it.
const FIRST: u64 = 2048;
/// Sectors of the partition.
const SECTORS: u32 = 4096;
/// Sectors behind it, for the backup of a GPT that is not there.
const REST: u64 = 64;
/// Bytes of an entry of a GPT.
const ENTRY: usize = 128;

impl Content {
    /// A disk with a master boot record of this signature, and one Linux partition of this number, 1 to 4.
    pub fn with_mbr(signature: u32, number: u8) -> Content {
        let mut bytes = vec![0; SECTOR];
        put(&mut bytes, 440, &signature.to_le_bytes());
        let entry = 446 + 16 * usize::from(number.clamp(1, 4) - 1);
        boot_record(&mut bytes, entry, 0x83, u32::try_from(FIRST).unwrap_or(u32::MAX));
        disk(bytes)
    }

    /// A disk with a GUID partition table, whose first partition has this GUID, as blkid prints it, and this name.
    pub fn with_gpt(guid: &str, name: &str) -> Content {
        let mut bytes = vec![0; 3 * SECTOR];
        boot_record(&mut bytes, 446, 0xee, 1);
        let mut entry = vec![0; ENTRY];
        put(&mut entry, 0, &mixed("0fc63daf-8483-4772-8e79-3d69d8477de4")); // Linux file system data
        put(&mut entry, 16, &mixed(guid));
        put(&mut entry, 32, &FIRST.to_le_bytes());
        put(&mut entry, 40, &(FIRST + u64::from(SECTORS) - 1).to_le_bytes());
        let units = name.encode_utf16().take(36).flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        put(&mut entry, 56, &units);
        let mut header = vec![0; 92];
        put(&mut header, 0, b"EFI PART");
        put(&mut header, 8, &[0, 0, 1, 0]);
        put(&mut header, 12, &92_u32.to_le_bytes());
        put(&mut header, 24, &1_u64.to_le_bytes());
        put(&mut header, 40, &FIRST.to_le_bytes());
        put(&mut header, 48, &(FIRST + u64::from(SECTORS) - 1).to_le_bytes());
        put(&mut header, 72, &2_u64.to_le_bytes());
        put(&mut header, 80, &1_u32.to_le_bytes()); // entries
        put(&mut header, 84, &128_u32.to_le_bytes()); // bytes of one
        put(&mut header, 88, &crc32(&entry).to_le_bytes());
        let checksum = crc32(&header); // made with its own place empty
        put(&mut header, 16, &checksum.to_le_bytes());
        put(&mut bytes, SECTOR, &header);
        put(&mut bytes, 2 * SECTOR, &entry);
        disk(bytes)
    }
}

fn disk(bytes: Vec<u8>) -> Content {
    Content::new(bytes).resized((FIRST + u64::from(SECTORS) + REST) * SECTOR as u64)
}

fn boot_record(bytes: &mut [u8], entry: usize, kind: u8, first: u32) {
    put(bytes, entry + 4, &[kind]);
    put(bytes, entry + 8, &first.to_le_bytes());
    put(bytes, entry + 12, &SECTORS.to_le_bytes());
    put(bytes, 510, &[0x55, 0xaa]);
}

fn put(bytes: &mut [u8], at: usize, what: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + what.len()) {
        place.copy_from_slice(what);
    }
}

/// A GUID as it is stored: its first three groups are little endian numbers.
fn mixed(guid: &str) -> Vec<u8> {
    let digits: Vec<u32> = guid.chars().filter_map(|c| c.to_digit(16)).collect();
    let bytes = digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit));
    let mut bytes: Vec<u8> = bytes.filter_map(|byte| u8::try_from(byte).ok()).collect();
    bytes.resize(16, 0);
    for group in [0..4, 4..6, 6..8] {
        if let Some(group) = bytes.get_mut(group) {
            group.reverse();
        }
    }
    bytes
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::partitions::partitions;

    #[test]
    fn the_partition_is_found_with_what_was_asked_for() {
        let guid = "0b8d8cfa-6a8c-4d4e-9b0a-3f8c2f1e0d5c";
        let found = partitions(&Content::with_gpt(guid, "STORE").to_vec().as_slice(), 512).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].number, found[0].uuid.as_deref()), (1, Some(guid)));
        assert_eq!(found[0].label.as_deref(), Some("STORE"));
        let found = partitions(&Content::with_mbr(0x1234_abcd, 2).to_vec().as_slice(), 512).unwrap();
        let found: Vec<_> = found.iter().map(|p| (p.number, p.uuid.as_deref())).collect();
        assert_eq!(found, [(2, Some("1234abcd-02"))]);
    }
}
