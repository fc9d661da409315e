//! Initrds as distributions make them: several archives, packed in every way, read as far as somebody asks.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // clippy knows test functions as tests, but not what they call

mod images;

use images::{cpio, through};
use isolde::families::tree::Tree;
use isolde::formats::{ReadAt, read_full};
use isolde::sys::Kind;
use isolde_host::iso::bytes::{Extent, Extents};
use isolde_host::iso::initrd::{Effort, Initrd};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

const FILE: u32 = 0o100_644;
const FOLDER: u32 = 0o040_755;
const LINK: u32 = 0o120_777;

/// What casper looks for, in an initramfs whose names are in order.
fn main_archive() -> Vec<u8> {
    cpio(&[
        (".", FOLDER, b""),
        ("bin", LINK, b"usr/bin"),
        ("conf", FOLDER, b""),
        ("conf/conf.d", FOLDER, b""),
        ("conf/conf.d/default-layer.conf", FILE, b"LAYERFS_PATH=a.b.squashfs\n"),
        ("conf/uuid.conf", FILE, b"1234\n"),
        ("init", 0o100_755, b"#!/bin/sh\n"),
        ("usr", FOLDER, b""),
        ("usr/bin", FOLDER, b""),
        ("usr/bin/busybox", 0o100_755, &[7; 100_000]),
    ])
}

fn microcode() -> Vec<u8> {
    let mut bytes = cpio(&[
        ("kernel", FOLDER, b""),
        ("kernel/x86", FOLDER, b""),
        ("kernel/x86/microcode", FOLDER, b""),
        ("kernel/x86/microcode/GenuineIntel.bin", FILE, &[9; 300_000]),
    ]);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

/// Bytes that count how many of them are read.
struct Counted<'a>(&'a [u8], AtomicU64);

impl ReadAt for Counted<'_> {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let count = self.0.read_at(buf, offset)?;
        self.1.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
    fn size(&self) -> io::Result<u64> {
        self.0.size()
    }
}

fn with<T>(files: &[&[u8]], look: impl FnOnce(&Initrd) -> T) -> T {
    let all = files.concat();
    let source = all.as_slice();
    let mut at = 0;
    let extents = files.iter().map(|file| {
        let len = file.len() as u64;
        at += len;
        Extents::new(&source, vec![Extent { at: at - len, from: 0, len }], len)
    });
    look(&Initrd::new(extents.collect(), Effort::Start))
}

#[test]
fn every_packing_and_several_archives() {
    let main = main_archive();
    for (name, packed) in [
        ("plain", main.clone()),
        ("gzip", through("gzip", &["-c"], &main)),
        ("xz", through("xz", &["-c", "--check=crc32"], &main)),
        ("lzma", through("xz", &["-c", "--format=lzma"], &main)),
        ("zstd", through("zstd", &["-qc"], &main)),
        ("lz4", through("lz4", &["-lc"], &main)), // legacy frames, the only ones that the kernel takes
    ] {
        // In one file behind microcode, and in a file of its own.
        let joined = [microcode(), packed.clone()].concat();
        for files in [vec![joined.as_slice()], vec![&microcode(), &packed]] {
            with(&files, |initrd| {
                let text = initrd.read("conf/conf.d/default-layer.conf", 4096);
                let text = text.unwrap_or_else(|error| panic!("{name}: {error}; {:?}", initrd.unknown()));
                assert_eq!(text, b"LAYERFS_PATH=a.b.squashfs\n", "{name}");
                assert_eq!(initrd.kind("init").unwrap(), Some(Kind::File { executable: true }), "{name}");
                assert_eq!(initrd.kind("bin/busybox").unwrap(), Some(Kind::File { executable: true }), "{name}: links");
                assert_eq!(initrd.kind("kernel/x86").unwrap(), Some(Kind::Directory), "{name}");
                assert_eq!(initrd.kind("scripts/casper").unwrap(), None, "{name}");
                let names: Vec<String> = initrd.list("conf").unwrap().into_iter().map(|entry| entry.name).collect();
                assert_eq!(names, ["conf.d", "uuid.conf"], "{name}");
                assert_eq!(initrd.unknown(), (Vec::new(), None), "{name}");
                assert!(initrd.read("bin/busybox", 1 << 20).is_err(), "{name}: only small files are kept");
            });
        }
    }
}

#[test]
fn an_archive_behind_a_packed_one() {
    let packed = through("gzip", &["-c"], &main_archive());
    let mut all = packed.clone();
    all.resize(all.len().next_multiple_of(4), 0);
    all.extend(cpio(&[("isolde", FOLDER, b""), ("isolde/init", 0o100_755, b"x")]));
    with(&[&all], |initrd| {
        assert_eq!(initrd.kind("isolde/init").unwrap(), None, "names in order: it would have come earlier");
        assert_eq!(initrd.kind("zzz").unwrap(), None);
        assert_eq!(initrd.read("isolde/init", 10).unwrap(), b"x", "and by then it has been seen");
    });
}

#[test]
fn what_is_behind_the_limit_is_not_known() {
    let noise: Vec<u8> = (0..6_000_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let main = cpio(&[("a", FILE, b"x"), ("b", FILE, &noise), ("a2", FILE, b"y"), ("c", FILE, b"z")]);
    let packed = through("gzip", &["-c1"], &main);
    with(&[&packed], |initrd| {
        assert_eq!(initrd.read("a", 10).unwrap(), b"x");
        assert_eq!(initrd.kind("c").unwrap(), None);
        let (paths, why) = initrd.unknown();
        assert_eq!(paths, ["c"]);
        assert!(why.unwrap().contains("first megabytes"));
    });
}

#[test]
fn little_is_read_of_a_big_initrd() {
    let big = vec![3; 64 << 20];
    let members = cpio(&[("usr", FOLDER, b""), ("usr/big", FILE, &big)]);
    let all = [members, through("gzip", &["-c"], &main_archive())].concat();
    let counted = Counted(&all, AtomicU64::new(0));
    let file = Extents::new(&counted, vec![Extent { at: 0, from: 0, len: all.len() as u64 }], all.len() as u64);
    let initrd = Initrd::new(vec![file], Effort::Start);
    assert_eq!(initrd.read("conf/uuid.conf", 100).unwrap(), b"1234\n");
    let count = counted.1.load(Ordering::Relaxed);
    assert!(count < 200_000, "{count} bytes were read");
    assert_eq!(read_full(&counted, &mut [0; 4], 0).unwrap(), 4);
}

#[test]
fn rubbish_is_not_known_and_not_a_crash() {
    let mut cut = through("zstd", &["-qc"], &main_archive());
    cut.truncate(60);
    for bytes in [&b"rubbish!"[..], b"BZh9xxxx", b"070701zzzz", &cut, b"\x1f\x8b"] {
        with(&[bytes], |initrd| {
            assert_eq!(initrd.kind("conf/uuid.conf").unwrap(), None);
            assert!(initrd.unknown().1.is_some(), "{bytes:?}");
        });
    }
    with(&[b""], |initrd| assert_eq!(initrd.unknown(), (Vec::new(), None)));
    with(&[&[0; 10_000]], |initrd| assert_eq!(initrd.kind("a").unwrap(), None));
}
