//! File systems and other images, made by the tools of each.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // as in formats_real.rs

use super::tools::{Dir, find, run};
use std::path::PathBuf;
use std::process::Command;

pub const MIB: u64 = 1 << 20;

/// One image: name, length, the program that makes it, and its arguments; `@` stands for the image, `%` for a directory
/// with a few files. Programs that make the file themselves have length 0.
pub type Recipe = (&'static str, u64, &'static str, &'static [&'static str]);

pub const RECIPES: &[Recipe] = &[
    ("ext2", 8 * MIB, "mke2fs", &["-q", "-t", "ext2", "-L", "Daten Größe", "@"]),
    ("ext3", 16 * MIB, "mke2fs", &["-q", "-t", "ext3", "@"]),
    ("ext4", 20 * MIB, "mke2fs", &["-q", "-t", "ext4", "-L", "sixteen-letters!", "@"]),
    ("ext4-4k", 64 * MIB, "mke2fs", &["-q", "-t", "ext4", "-b", "4096", "-O", "64bit", "-L", "a b$c\"d", "@"]),
    ("ext4-no-journal", 20 * MIB, "mke2fs", &["-q", "-t", "ext4", "-O", "^has_journal", "@"]),
    ("journal", 16 * MIB, "mke2fs", &["-q", "-O", "journal_dev", "-L", "log", "@"]),
    ("fat12", 2 * MIB, "mkfs.vfat", &["-F", "12", "-n", "TWELVE", "@"]),
    ("fat16", 20 * MIB, "mkfs.vfat", &["-F", "16", "-n", "SIX TEEN", "-i", "00000abc", "@"]),
    ("fat32", 64 * MIB, "mkfs.vfat", &["-F", "32", "-n", "ISOLDE", "@"]),
    ("fat32-no-label", 64 * MIB, "mkfs.vfat", &["-F", "32", "@"]),
    ("fat32-4k", 300 * MIB, "mkfs.vfat", &["-F", "32", "-S", "4096", "-n", "BIGSECTOR", "@"]),
    ("fat-superfloppy", 20 * MIB, "mkfs.vfat", &["-I", "--mbr=yes", "-n", "HASMBR", "@"]),
    ("exfat", 20 * MIB, "mkfs.exfat", &["-L", "Größe 日本", "@"]),
    ("exfat-32k", 300 * MIB, "mkfs.exfat", &["-c", "32K", "-L", "ELEVEN CHAR", "@"]),
    ("exfat-no-label", 20 * MIB, "mkfs.exfat", &["@"]),
    ("btrfs", 120 * MIB, "mkfs.btrfs", &["-q", "-L", "Daten – groß", "@"]),
    ("btrfs-no-label", 120 * MIB, "mkfs.btrfs", &["-q", "@"]),
    ("squashfs", 0, "mksquashfs", &["%", "@", "-quiet", "-no-progress"]),
    ("erofs", 0, "mkfs.erofs", &["-U", "0d8d4a3c-7a4c-4b0b-9d0f-0123456789ab", "@", "%"]),
    ("swap", 2 * MIB, "mkswap", &["-L", "Auslagerung", "@"]),
    ("iso-plain", 0, "xorriso", &["-as", "mkisofs", "-quiet", "-V", "DEBIAN_12", "-o", "@", "%"]),
    ("iso-joliet", 0, "xorriso", &["-as", "mkisofs", "-quiet", "-J", "-V", "Live Stick Größe", "-o", "@", "%"]),
    (
        "iso-joliet-long",
        0,
        "xorriso",
        &["-as", "mkisofs", "-quiet", "-J", "-V", "Ubuntu 24.04.1 LTS amd64", "-o", "@", "%"],
    ),
    ("empty", 8 * MIB, "true", &[]),
    ("tiny", 512, "true", &[]),
    ("ntfs", 20 * MIB, "mkfs.ntfs", &["-q", "-F", "-L", "Größe – 数据", "@"]),
    ("ntfs-64k", 80 * MIB, "mkfs.ntfs", &["-q", "-F", "-c", "65536", "@"]),
    ("xfs", 320 * MIB, "mkfs.xfs", &["-q", "-L", "zwölf", "@"]),
    ("xfs-4k", 320 * MIB, "mkfs.xfs", &["-q", "-s", "size=4096", "@"]),
    ("f2fs", 120 * MIB, "mkfs.f2fs", &["-q", "-l", "Größe 日本", "@"]),
    ("udf-512", 20 * MIB, "mkudffs", &["-b", "512", "-l", "Größe", "@"]),
    ("udf-2048", 20 * MIB, "mkudffs", &["-b", "2048", "-l", "日本 – disc", "@"]),
    ("udf-4096", 20 * MIB, "mkudffs", &["-b", "4096", "--uuid=12345678deadbeef", "@"]),
    (
        "luks1",
        20 * MIB,
        "cryptsetup",
        &["-q", "luksFormat", "--type", "luks1", "--pbkdf-force-iterations", "1000", "@", "/etc/hostname"],
    ),
    (
        "luks2",
        20 * MIB,
        "cryptsetup",
        &[
            "-q",
            "luksFormat",
            "--type",
            "luks2",
            "--label",
            "Tresor",
            "--pbkdf",
            "pbkdf2",
            "--pbkdf-force-iterations",
            "1000",
            "@",
            "/etc/hostname",
        ],
    ),
];

/// Makes an image; `None` when the program for it is not there.
pub fn image(dir: &Dir, (name, len, program, arguments): &Recipe) -> Option<PathBuf> {
    let contents = dir.0.join("contents");
    if !contents.exists() {
        dir.file("contents/hello", "hello\n");
        dir.file(
            "contents/sub/noise",
            (0..200_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect::<Vec<_>>(),
        );
    }
    let mut command = Command::new(find(program)?);
    let path = if *len == 0 { dir.0.join(name) } else { dir.blank(name, *len) };
    for argument in *arguments {
        match *argument {
            "@" => command.arg(&path),
            "%" => command.arg(&contents),
            other => command.arg(other),
        };
    }
    run(&mut command);
    Some(path)
}
