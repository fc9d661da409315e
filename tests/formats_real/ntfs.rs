//! Whether an NTFS may be written to, as ntfs-3g sees it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // as in formats_real.rs

use super::images::{RECIPES, image};
use super::tools::{Dir, tool};
use isolde::formats::superblock::{NtfsState, ntfs_state};
use std::fs;

/// Bytes of a restart page, and of a cluster of the volume.
const PAGE: usize = 4096;
/// Bytes of the journal that mkntfs makes at this size.
const LOG: usize = 2 << 20;
const NO_CLIENT: u16 = 0xffff;

/// Where the journal is: empty, it is the only place with so many bytes of 0xff.
fn journal(volume: &[u8]) -> usize {
    let clusters: Vec<bool> = volume.chunks(PAGE).map(|cluster| cluster.iter().all(|byte| *byte == 0xff)).collect();
    clusters.windows(LOG / PAGE).position(|all| all.iter().all(|empty| *empty)).unwrap() * PAGE
}

/// A restart page with one client, "NTFS" (ntfs-3g's logfile.h).
fn page(number: u64, in_use: bool, is_clean: bool, major: u16) -> Vec<u8> {
    let mut page = vec![0; PAGE];
    let mut put = |at: usize, what: &[u8]| page[at..at + what.len()].copy_from_slice(what);
    let (free, used) = if in_use { (NO_CLIENT, 0) } else { (0, NO_CLIENT) };
    put(0, b"RSTR");
    put(0x04, &[0x1e, 0, 9, 0]); // the update sequence, and its number
    put(0x10, &4096_u32.to_le_bytes());
    put(0x14, &4096_u32.to_le_bytes());
    put(0x18, &0x30_u16.to_le_bytes()); // the restart area
    put(0x1a, &u16::from(major == 1).to_le_bytes());
    put(0x1c, &major.to_le_bytes());
    put(0x1e, &[1, 0]);
    put(0x30, &number.to_le_bytes());
    put(0x38, &1_u16.to_le_bytes()); // clients
    put(0x3a, &free.to_le_bytes());
    put(0x3c, &used.to_le_bytes());
    put(0x3e, &(u16::from(is_clean) << 1).to_le_bytes());
    put(0x40, &(67 - 22_u32).to_le_bytes()); // bits of a sequence number: 67 less those of the journal's size
    put(0x44, &0xe0_u16.to_le_bytes()); // the restart area's length
    put(0x46, &0x40_u16.to_le_bytes()); // the clients in it
    put(0x48, &(LOG as u64).to_le_bytes());
    put(0x54, &0x30_u16.to_le_bytes()); // header of a log record
    put(0x56, &0x40_u16.to_le_bytes()); // data of a log page
    // No client before and after this one.
    put(0x80, &[0xff; 4]);
    put(0x8c, &8_u32.to_le_bytes());
    put(0x90, b"N\0T\0F\0S\0");
    (1..=8).for_each(|part| put(part * 512 - 2, &[1, 0]));
    page
}

/// Whether ntfs-3g's own tool mounts it to write a file.
fn writes(dir: &Dir, volume: &[u8]) -> bool {
    let (volume, file) = (dir.file("asked", volume), dir.file("file", "text"));
    tool("ntfscp").arg("-q").args([&volume, &file]).arg("file").output().unwrap().status.success()
}

#[test]
fn what_ntfs_3g_does_not_write_to_is_not_written_to() {
    let dir = Dir::new("ntfs-journal");
    let recipe = RECIPES.iter().find(|recipe| recipe.0 == "ntfs").unwrap();
    let empty = fs::read(image(&dir, recipe).unwrap()).unwrap();
    let at = journal(&empty);
    let state = |volume: &Vec<u8>| ntfs_state(&volume.as_slice()).unwrap();
    assert_eq!((state(&empty), writes(&dir, &empty)), (NtfsState::Unmounted, true));
    for (name, first, second, wanted) in [
        ("closed", page(1, false, false, 1), page(1, false, false, 1), NtfsState::Unmounted),
        ("open and marked as clean", page(1, true, true, 1), page(2, true, true, 1), NtfsState::Unmounted),
        ("in use", page(1, true, false, 1), page(1, true, false, 1), NtfsState::InUse),
        ("in use, by its newer page", page(1, true, true, 1), page(2, true, false, 1), NtfsState::InUse),
        ("clean, by its newer page", page(2, true, true, 1), page(1, true, false, 1), NtfsState::Unmounted),
        ("kept in memory by fast startup", page(1, true, true, 2), page(2, true, true, 2), NtfsState::InUse),
    ] {
        let mut volume = empty.clone();
        volume[at..at + PAGE].copy_from_slice(&first);
        volume[at + PAGE..at + 2 * PAGE].copy_from_slice(&second);
        assert_eq!(state(&volume), wanted, "{name}");
        assert_eq!(writes(&dir, &volume), wanted == NtfsState::Unmounted, "ntfs-3g: {name}");
    }
}
