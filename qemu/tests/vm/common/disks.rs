//! What a disk holds after the machine has stopped.

use isolde::formats::superblock::probe;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The image's first partition, as a file of its own.
pub fn partition(image: &Path) -> PathBuf {
    let table = Command::new("sfdisk").arg("--json").arg(image).output().unwrap();
    let table: serde_json::Value = serde_json::from_slice(&table.stdout).unwrap();
    let number = |name: &str| table["partitiontable"]["partitions"][0][name].as_u64().unwrap() * 512;
    let mut from = File::open(image).unwrap();
    from.seek(SeekFrom::Start(number("start"))).unwrap();
    let path = image.with_extension("partition");
    io::copy(&mut from.take(number("size")), &mut File::create(&path).unwrap()).unwrap();
    path
}

/// Whether a file system checker finds nothing to mend, and the mark of a file system that was not unmounted is absent.
pub fn assert_unmounted(fsck: &[&str], image: &Path) {
    assert!(!probe(&File::open(image).unwrap()).unwrap().unwrap().dirty, "{}", image.display());
    let checked = Command::new(fsck[0]).args(&fsck[1..]).arg(image).output().unwrap();
    let text = String::from_utf8_lossy(&checked.stdout) + String::from_utf8_lossy(&checked.stderr);
    assert!(checked.status.success(), "{text}");
}
