//! The small machine with a stick on which sessions are saved.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests; clippy.toml does not see this file as one")]

use super::{folder, small};
use isolde_qemu::machine::{Bus, Disk, Machine};
use isolde_qemu::store::{FileSystem, Store};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the small medium is on the stores.
pub const ISO: &str = "/small.iso";
/// Where an image with sessions is.
pub const IMAGE: &str = "/boot/isolde/persist.img";

/// A stick with the small medium.
pub fn store(file_system: FileSystem) -> Store {
    Store::new(file_system, "STICK").copy(ISO, small::iso())
}

/// The machine with such a stick, which keeps what is written to it.
pub fn machine(name: &str, image: &Path, more: &str) -> Machine {
    let words = format!("img_dev=/dev/disk/by-label/STICK img_loop={ISO} {more}");
    small::machine(name, &words).disk(Disk::new("stick", image, Bus::Virtio).kept())
}

/// An empty ext4 image.
pub fn image_of(name: &str, mebibytes: u64) -> PathBuf {
    let path = folder().join(name);
    File::create(&path).unwrap().set_len(mebibytes << 20).unwrap();
    assert!(Command::new("mke2fs").args(["-q", "-t", "ext4"]).arg(&path).status().unwrap().success());
    path
}

/// The text of a file of an ext4 file system.
pub fn cat(partition: &Path, path: &str) -> String {
    let done = Command::new("debugfs").args(["-R", &format!("cat {path}")]).arg(partition).output().unwrap();
    String::from_utf8(done.stdout).unwrap()
}
