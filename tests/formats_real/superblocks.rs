//! What is on a medium, as blkid sees it; and whether it was unmounted.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // as in formats_real.rs

use super::images::{MIB, RECIPES, Recipe, image};
use super::tools::{Dir, decode, run, tool};
use isolde::formats::superblock::{Format, Superblock, probe};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// TYPE, UUID and LABEL as `blkid -p` finds them; `None` when it finds nothing.
fn blkid(image: &Path) -> Option<(String, Option<String>, Option<String>)> {
    // This form is the only one that tells a label with spaces and letters beyond ASCII unambiguously.
    let output = tool("blkid").args(["-p", "-o", "udev"]).arg(image).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut fields: BTreeMap<&str, &str> = text.lines().filter_map(|line| line.split_once('=')).collect();
    let mut field = |key| fields.remove(key).map(decode);
    Some((field("ID_FS_TYPE")?, field("ID_FS_UUID_ENC"), field("ID_FS_LABEL_ENC")))
}

fn shown(found: Option<Superblock>) -> Option<(String, Option<String>, Option<String>)> {
    found.map(|found| (found.format.name().to_string(), found.uuid, found.label))
}

fn compare(dir: &Dir, recipe: &Recipe, path: &Path) {
    let bytes = fs::read(path).unwrap();
    let found = probe(&bytes.as_slice()).unwrap();
    if let Some(size) = found.as_ref().and_then(|found| found.size) {
        assert!(size <= bytes.len() as u64, "{}: needs {size} of {} bytes", recipe.0, bytes.len());
        assert!(size * 2 >= bytes.len() as u64, "{}: needs only {size} of {} bytes", recipe.0, bytes.len());
    }
    assert!(!found.as_ref().is_some_and(|found| found.dirty), "{} was never mounted", recipe.0);
    assert_eq!(shown(found), blkid(path), "{}", recipe.0);

    // Cut off anywhere, it is something or nothing, but no error. Behind the superblocks every place is like the next.
    let cuts = (0..bytes.len().min(140 * 1024)).step_by(512).chain((0..bytes.len()).step_by(bytes.len() / 100 + 1));
    for len in cuts {
        probe(&&bytes[..len]).unwrap();
    }
    // Cut in half, blkid decides.
    let half = dir.file("half", &bytes[..bytes.len() / 2]);
    assert_eq!(shown(probe(&&bytes[..bytes.len() / 2]).unwrap()), blkid(&half), "half of {}", recipe.0);

    // Changed in a few places, nothing may go wrong. A fixed generator, so that a failure can be repeated.
    let mut state = 1_u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize
    };
    let head = bytes.len().min(1 << 20);
    let mut damaged = bytes[..head].to_vec();
    for _ in 0..200 {
        let places: Vec<_> = (0..4)
            .map(|_| [random() % head, random() % head.min(1200), random() % head.min(70_000)][random() % 3])
            .collect();
        for &place in &places {
            damaged[place] = random() as u8;
        }
        probe(&damaged.as_slice()).unwrap();
        for &place in &places {
            damaged[place] = bytes[place];
        }
    }
}

#[test]
fn superblocks_as_blkid_sees_them() {
    let dir = Dir::new("superblocks");
    for recipe in RECIPES {
        let path = image(&dir, recipe).unwrap_or_else(|| panic!("{} is missing: run setup.sh test", recipe.2));
        compare(&dir, recipe, &path);
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn labels_changed_later() {
    let dir = Dir::new("labels");
    for recipe in RECIPES.iter().filter(|recipe| recipe.0.starts_with("fat32") || recipe.0 == "fat12") {
        let path = image(&dir, recipe).unwrap();
        run(tool("fatlabel").arg(&path).arg("RENAMED"));
        assert_eq!(shown(probe(&fs::read(&path).unwrap().as_slice()).unwrap()), blkid(&path));
        assert_eq!(blkid(&path).unwrap().2.as_deref(), Some("RENAMED"));
        run(tool("fatlabel").arg("-r").arg(&path));
        assert_eq!(shown(probe(&fs::read(&path).unwrap().as_slice()).unwrap()), blkid(&path));
    }
}

/// An old file system's remains beside a new one: blkid refuses to choose, and so do we.
#[test]
fn ambivalent_media() {
    let dir = Dir::new("ambivalent");
    let path = image(&dir, &("ext4", 120 * MIB, "mke2fs", &["-q", "-t", "ext4", "@"])).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let swap = fs::read(image(&dir, &("swap", 120 * MIB, "mkswap", &["@"])).unwrap()).unwrap();
    bytes[4096 - 10..4096].copy_from_slice(&swap[4096 - 10..4096]);
    bytes[1024 + 4..1024 + 8].copy_from_slice(&1000_u32.to_le_bytes());
    bytes[1024..1028].copy_from_slice(&1_u32.to_le_bytes());
    let path = dir.file("both", &bytes);
    assert_eq!(blkid(&path), None);
    assert_eq!(probe(&bytes.as_slice()).unwrap().unwrap().format, Format::Ambivalent);
}

fn is_dirty(bytes: &[u8]) -> bool {
    probe(&bytes).unwrap().unwrap().dirty
}

/// The marks that a mount for writing sets, at the places where their specifications have them.
#[test]
fn what_was_not_unmounted_is_dirty() {
    let dir = Dir::new("dirty");
    let made = |name: &str| {
        let recipe = RECIPES.iter().find(|recipe| recipe.0 == name).unwrap();
        fs::read(image(&dir, recipe).unwrap()).unwrap()
    };
    // Name, byte, bit, and whether it is set while mounted.
    let f2fs = made("f2fs");
    let number = |at: usize| u32::from_le_bytes(f2fs[at..at + 4].try_into().unwrap()) as usize;
    let checkpoint = number(1024 + 76) * 4096;
    let other = checkpoint + (4096 << number(1024 + 20));
    let newer = |at: usize| u64::from_le_bytes(f2fs[at..at + 8].try_into().unwrap());
    let flags = if newer(other) > newer(checkpoint) { other } else { checkpoint } + 132;
    for (name, at, bit, set) in [
        ("fat16", 0x25, 1, true),
        ("fat32", 0x41, 1, true),
        ("exfat", 0x6a, 2, true),
        ("ext2", 1024 + 0x3a, 1, false),
        ("ext4-no-journal", 1024 + 0x3a, 1, false),
        ("ext3", 1024 + 0x60, 4, true),
        ("ext4", 1024 + 0x60, 4, true),
        ("btrfs", 65536 + 0x60, 1, true),
        ("f2fs", flags, 1, false),
    ] {
        let mut bytes = made(name);
        assert!(!is_dirty(&bytes), "{name}");
        assert_eq!(bytes[at] & bit != 0, !set, "{name}: the byte is not what it is taken for");
        bytes[at] ^= bit;
        assert!(is_dirty(&bytes), "{name}");
    }
}

/// ntfsfix asks Windows for a check by the mark of a mount, and takes it back with -d.
#[test]
fn an_ntfs_that_wants_a_check_is_dirty() {
    let dir = Dir::new("dirty-ntfs");
    let path = image(&dir, RECIPES.iter().find(|recipe| recipe.0 == "ntfs").unwrap()).unwrap();
    for (option, wanted) in [(None, true), (Some("-d"), false)] {
        run(tool("ntfsfix").args(option).arg(&path));
        assert_eq!(is_dirty(&fs::read(&path).unwrap()), wanted, "ntfsfix {option:?}");
    }
}
