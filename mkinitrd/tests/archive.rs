//! The archive, as others read it: the crate's own reader, GNU cpio, and the tools of initramfs-tools' users.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // clippy knows test functions as tests, but not what they call

use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use clap::ValueEnum;
use isolde_mkinitrd::plan::Node;
use isolde_mkinitrd::{Compression, Destination, Form, Plan, Source, build, plan};
use proptest::prelude::*;

/// The bytes of an init: the headers of a static executable, and half a megabyte that compresses about as well as code.
fn init() -> Vec<u8> {
    let mut out = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    for half in [2u16, 62] {
        out.extend(half.to_le_bytes()); // ET_EXEC, x86-64
    }
    out.extend(1u32.to_le_bytes());
    for word in [0x40_1000u64, 64, 0] {
        out.extend(word.to_le_bytes()); // entry point, program headers, no section headers
    }
    out.extend(0u32.to_le_bytes());
    for half in [64u16, 56, 1, 0, 0, 0] {
        out.extend(half.to_le_bytes());
    }
    out.extend(1u32.to_le_bytes()); // PT_LOAD
    out.resize(64 + 56, 0);
    let mut state = 1u32;
    while out.len() < 500_001 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223); // the constants of Numerical Recipes
        match state >> 31 {
            0 => out.extend(b"\x48\x8b\x05\0\0"),
            _ => out.extend([0x90, (state >> 24) as u8]),
        }
    }
    out
}

/// The init as a value.
fn source() -> Source {
    Source::from_bytes("isolde-init", init(), true).unwrap()
}

/// The init as a file in `directory`.
fn program(directory: &Path) -> String {
    let path = directory.join("isolde-init");
    std::fs::write(&path, init()).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

/// What an archive holds: (path, mode, device numbers, contents, time), in order.
type Listing = Vec<(String, u32, (u32, u32), Vec<u8>, u32)>;

fn parse(mut archive: &[u8]) -> Listing {
    let mut listing = Vec::new();
    let mut inodes = BTreeMap::new();
    loop {
        let mut reader = cpio::NewcReader::new(archive).unwrap();
        let entry = reader.entry().clone();
        if entry.is_trailer() {
            assert!(reader.finish().unwrap().iter().all(|byte| *byte == 0), "only padding after the end");
            return listing;
        }
        assert_eq!((entry.uid(), entry.gid()), (0, 0));
        assert_eq!(inodes.insert(entry.ino(), ()), None, "an inode number used twice would be a hard link");
        let mut contents = Vec::new();
        reader.read_to_end(&mut contents).unwrap();
        let device = (entry.rdev_major(), entry.rdev_minor());
        listing.push((entry.name().to_owned(), entry.mode(), device, contents, entry.mtime()));
        archive = reader.finish().unwrap();
    }
}

fn planned(plan: &Plan, mtime: u32) -> Listing {
    let entry = |(path, entry): (&str, &isolde_mkinitrd::plan::Entry)| {
        let (kind, device, contents) = match &entry.node {
            Node::Directory => (0o040_000, (0, 0), vec![]),
            Node::Device { major, minor } => (0o020_000, (*major, *minor), vec![]),
            Node::File(source) => (0o100_000, (0, 0), source.bytes().to_vec()),
        };
        (path.to_owned(), kind | entry.permissions, device, contents, mtime)
    };
    plan.entries().map(entry).collect()
}

fn additions() -> impl Strategy<Value = Vec<(String, Vec<u8>, bool)>> {
    let place = proptest::collection::vec("[a-z.A-Z ü-]{1,9}", 1..5).prop_map(|parts| parts.join("/"));
    proptest::collection::vec((place, proptest::collection::vec(any::<u8>(), 0..300), any::<bool>()), 0..9)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn an_archive_parses_back_to_its_plan(files in additions(), mtime: u32, second_form: bool) {
        let init = source();
        let form = if second_form { Form::Rdinit } else { Form::Init };
        let read = |(place, bytes, executable): (String, Vec<u8>, bool)| {
            Some((Destination::parse(&place).ok()?, Source::from_bytes("generated", bytes, executable).ok()?))
        };
        let add: Vec<_> = files.into_iter().filter_map(read).collect();
        let mut reversed = add.clone();
        reversed.reverse();
        // Two files for one place are refused, in either order; everything else has to come back.
        let Ok(forward) = plan(form, init.clone(), add) else {
            prop_assert!(plan(form, init, reversed).is_err());
            return Ok(());
        };
        let archive = build(&forward, Compression::None, mtime).unwrap();
        prop_assert!(parse(&archive) == planned(&forward, mtime));
        let backward = plan(form, init, reversed).unwrap();
        prop_assert!(build(&backward, Compression::None, mtime).unwrap() == archive, "the order of --add shows");
    }
}

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_isolde-mkinitrd"));
    command.args(arguments).env_remove("SOURCE_DATE_EPOCH").env("LC_ALL", "C");
    command.output().unwrap()
}

/// Runs the program with `--output`; gives the file.
fn make(directory: &Path, name: &str, more: &[&str]) -> PathBuf {
    let path = directory.join(name);
    let init = program(directory);
    let arguments = [&[init.as_str(), "--output", path.to_str().unwrap()], more].concat();
    let output = run(&arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    path
}

#[test]
fn twice_the_same_input_gives_the_same_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let added = directory.path().join("config");
    std::fs::write(&added, "x").unwrap();
    let add = format!("{}=/etc/isolde/config", added.display());
    for method in Compression::value_variants() {
        let method = method.to_possible_value().unwrap().get_name().to_owned();
        let first = std::fs::read(make(directory.path(), "first", &["--compress", &method, "--add", &add])).unwrap();
        // Other times and another inode for the same contents.
        std::fs::remove_file(&added).unwrap();
        std::fs::write(&added, "x").unwrap();
        let second = std::fs::read(make(directory.path(), "second", &["--compress", &method, "--add", &add])).unwrap();
        assert!(first == second, "{method}");
        assert_eq!(first.len() % 4, 0, "{method}");
    }
}

#[test]
fn source_date_epoch_is_the_time_of_every_entry() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("image");
    let status = Command::new(env!("CARGO_BIN_EXE_isolde-mkinitrd"))
        .args([&program(directory.path()), "--compress", "none", "--output", path.to_str().unwrap()])
        .env("SOURCE_DATE_EPOCH", "1700000000")
        .status()
        .unwrap();
    assert!(status.success());
    let listing = parse(&std::fs::read(path).unwrap());
    assert_eq!(listing.len(), 5);
    assert!(listing.iter().all(|entry| entry.4 == 1_700_000_000));
}

/// GNU cpio and the decompressors are what people look into an initrd with. Each must accept the whole file.
#[test]
fn common_tools_list_it() {
    let directory = tempfile::tempdir().unwrap();
    let wanted = [
        ("drwxr-xr-x", "dev"),
        ("crw-------", "dev/console"),
        ("crw-r--r--", "dev/kmsg"),
        ("crw-rw-rw-", "dev/null"),
        ("drwxr-xr-x", "isolde"),
        ("-rwxr-xr-x", "isolde/init"),
    ];
    for (method, unpack) in [("none", "cat"), ("zstd", "zstd -dc"), ("xz", "xz -dc"), ("gzip", "gzip -dc")] {
        let path = make(directory.path(), "image", &["--compress", method, "--form", "rdinit"]);
        let script = format!("set -eu; {unpack} < \"$1\" > \"$1.cpio\"; LC_ALL=C cpio -itv --quiet < \"$1.cpio\"");
        let output = Command::new("sh").args(["-c", &script, "sh"]).arg(&path).output().unwrap();
        assert!(output.status.success(), "{method}: {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{method}: no complaint about bytes at the end");
        let text = String::from_utf8(output.stdout).unwrap();
        let column =
            |line: &str| (line.split(' ').next().unwrap().to_owned(), line.rsplit(' ').next().unwrap().to_owned());
        let seen: Vec<_> = text.lines().map(column).collect();
        assert_eq!(seen, wanted.map(|(mode, name)| (mode.to_owned(), name.to_owned())), "{method}");
    }
}

#[test]
fn dry_run_prints_the_plan_and_writes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("image");
    let output = run(&[&program(directory.path()), "--dry-run", "--output", path.to_str().unwrap()]);
    assert!(output.status.success());
    let expected = plan(Form::Init, source(), vec![]).unwrap().to_string();
    let expected = expected.replace("< isolde-init", &format!("< {}/isolde-init", directory.path().display()));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
    assert!(!path.exists());
}

/// Each refusal names the thing, what was wanted and what was seen; the exit status is that of the manual.
#[test]
fn refusals_say_what_is_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("script");
    std::fs::write(&script, "#!/bin/sh\n").unwrap();
    let (init, script) = (program(directory.path()), script.display().to_string());
    let image = directory.path().join("image").display().to_string();
    let cases: [(&[&str], i32, &str); 7] = [
        (&[&script, "-o", &image], 1, "script: wanted a statically linked executable, seen no readable ELF file"),
        (&["/missing/init", "-o", &image], 1, "/missing/init: open the file: No such file"),
        (&[&init, "-o", "/dev/null"], 1, "/dev/null: wanted a regular file, seen a character device"),
        (&[&init], 2, "--output <FILE>"),
        (&[&init, "-o", &image, "-a", "x=/lib/x"], 2, "/lib, a symbolic link in stock initrds"),
        (&[&init, "-o", &image, "-a", "x=/etc/../x"], 2, "seen a component \".\" or \"..\""),
        (&[&init, "-o", &image, "-a", &format!("{script}=/init")], 1, "/init: wanted one entry, seen two"),
    ];
    for (arguments, status, text) in cases {
        let output = run(arguments);
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {message}");
        assert!(message.contains(text), "{arguments:?}: wanted {text:?}, seen {message:?}");
        assert!(!Path::new(&image).exists(), "{arguments:?}");
    }
}
