//! Packed files, and the lists of b3sum.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // as in formats_real.rs

use super::tools::{Dir, find, run, tool};
use isolde::formats::{b3sums, compressed};
use std::fs;

#[test]
fn packed_files_are_unpacked() {
    let dir = Dir::new("packed");
    // Machine code, as it is what the x86 filter of xz is for.
    let plain = fs::read(find("b3sum").unwrap_or_else(|| panic!("b3sum is missing: run setup.sh test"))).unwrap();
    let plain = &plain[..plain.len().min(2 << 20)];
    let path = dir.file("module.ko", plain);
    let forms: [(&str, &[&str]); 9] = [
        ("xz", &["--check=crc32", "--x86", "--lzma2=dict=1MiB"]),
        ("xz", &["--check=crc32", "--arm64", "--lzma2=dict=2MiB"]),
        ("xz", &["-9"]),
        ("xz", &["--check=none", "-1"]),
        ("zstd", &["-q", "-1"]),
        ("zstd", &["-q", "-19", "--no-check"]),
        ("zstd", &["-q", "--ultra", "-22", "--long=26"]),
        ("gzip", &["-n", "-9"]),
        ("gzip", &["-1"]),
    ];
    for (program, arguments) in forms {
        let output = tool(program).args(arguments).arg("-c").arg(&path).output().unwrap();
        if !output.status.success() && arguments.contains(&"--arm64") {
            continue; // xz before 5.4
        }
        assert!(output.status.success(), "{program} {arguments:?}");
        let packed = output.stdout;
        let unpacked = compressed::decompress(&packed, plain.len() as u64).unwrap();
        assert!(unpacked.as_ref() == plain, "{program} {arguments:?}");
        assert!(compressed::decompress(&packed, plain.len() as u64 - 1).is_err(), "{program} {arguments:?}: limit");
        let mut len = 8;
        while len < packed.len() {
            assert!(compressed::decompress(&packed[..len], u64::MAX).is_err(), "{program} {arguments:?}: cut at {len}");
            len += packed.len() / 7;
        }
    }
}

#[test]
fn lists_of_b3sum_are_read() {
    let dir = Dir::new("b3sum");
    let names = ["debian 12.iso", "back\\slash", "new\nline", "größe", " leading", "\\n"];
    for name in names {
        dir.file(name, name);
    }
    let mut forms = vec![vec![]];
    let help = String::from_utf8(run(tool("b3sum").arg("--help"))).unwrap();
    if help.contains("--tag") {
        forms.push(vec!["--tag"]);
    }
    for form in forms {
        let list = run(tool("b3sum").args(&form).arg("--").args(names).current_dir(&dir.0));
        let entries = b3sums::parse(&list).unwrap();
        assert_eq!(entries.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>(), names);
        for name in names {
            assert_eq!(b3sums::find(&entries, name).unwrap(), Some(*blake3::hash(name.as_bytes()).as_bytes()));
        }
    }
    let nameless = run(tool("b3sum").args(["--no-names", "größe"]).current_dir(&dir.0));
    let entries = b3sums::parse(&nameless).unwrap();
    assert_eq!(b3sums::find(&entries, "any.iso").unwrap(), Some(*blake3::hash("größe".as_bytes()).as_bytes()));
}
