//! Partition tables, as libblkid sees them.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // as in formats_real.rs

use super::images::{MIB, Recipe, image};
use super::tools::{Dir, decode, run, tool};
use isolde::formats::partitions::partitions;
use isolde::formats::superblock::{Format, probe};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;

/// Number, start, length, PARTUUID and PARTLABEL as libblkid has them.
fn partx(disk: &Path) -> Vec<(u32, u64, u64, String, String)> {
    let output = run(tool("partx").args(["-P", "-o", "NR,START,SECTORS,UUID,NAME,TYPE"]).arg(disk));
    let text = String::from_utf8(output).unwrap();
    let mut found = Vec::new();
    for line in text.lines() {
        let fields: BTreeMap<&str, &str> =
            line.strip_suffix('"').unwrap().split("\" ").filter_map(|field| field.split_once("=\"")).collect();
        if fields["TYPE"] == "0x5" || fields["TYPE"] == "0xf" {
            continue; // partitions() lists no extended partitions
        }
        let number = |key: &str| fields[key].parse::<u64>().unwrap();
        found.push((
            number("NR") as u32,
            number("START") * 512,
            number("SECTORS") * 512,
            fields["UUID"].into(),
            decode(fields["NAME"]),
        ));
    }
    found
}

#[test]
fn partitions_as_partx_sees_them() {
    let dir = Dir::new("partitions");
    let tables = [
        ("gpt", "label: gpt\nsize=2M, name=\"EFI system\"\nsize=3M\nstart=20M, name=\"Daten Größe\"\n"),
        ("gpt-gap", "label: gpt\n3: size=2M, name=\"three\"\n7: size=2M, name=\"seven\"\n"),
        (
            "mbr",
            "label: dos\nlabel-id: 0xdeadbeef\nsize=2M, type=c, bootable\nsize=10M, type=5\nsize=2M\nsize=1M\nsize=3M\nsize=2M\n",
        ),
        ("mbr-one", "label: dos\nlabel-id: 0x00c0ffee\n3: size=2M\n"),
    ];
    for (name, script) in tables {
        let path = dir.blank(name, 40 * MIB);
        let script = dir.file("script", script);
        let mut sfdisk = tool("sfdisk");
        let status =
            sfdisk.arg("-q").arg(&path).stdin(File::open(script).unwrap()).stdout(Stdio::null()).status().unwrap();
        assert!(status.success(), "sfdisk {name}");
        let bytes = fs::read(&path).unwrap();
        let list = |bytes: &[u8]| {
            let found = partitions(&bytes, 512).unwrap().into_iter();
            found
                .map(|p| (p.number, p.start, p.size, p.uuid.unwrap_or_default(), p.label.unwrap_or_default()))
                .collect::<Vec<_>>()
        };
        let wanted = partx(&path);
        assert!(!wanted.is_empty());
        assert_eq!(list(&bytes), wanted, "{name}");

        // The primary GPT destroyed: the backup serves.
        if name.starts_with("gpt") {
            let mut damaged = bytes.clone();
            damaged[512 + 16] ^= 1;
            assert_eq!(list(&damaged), list(&bytes));
        }
        for len in (0..64 * 1024).step_by(512) {
            list(&bytes[..len]);
        }
    }
    // A hybrid ISO has an MBR whose partition begins with the disc itself.
    let recipe: Recipe = (
        "hybrid",
        0,
        "xorriso",
        &["-as", "mkisofs", "-quiet", "-V", "HYBRID", "-partition_offset", "16", "-o", "@", "%"],
    );
    let path = image(&dir, &recipe).unwrap();
    let bytes = fs::read(&path).unwrap();
    let found: Vec<_> =
        partitions(&bytes.as_slice(), 512).unwrap().into_iter().map(|p| (p.number, p.start, p.size)).collect();
    assert_eq!(found, partx(&path).into_iter().map(|p| (p.0, p.1, p.2)).collect::<Vec<_>>());
    assert_eq!(probe(&bytes.as_slice()).unwrap().unwrap().format, Format::Iso9660);
}
