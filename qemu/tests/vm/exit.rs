//! The way out in the machine: what the disk holds after the system has stopped. That nothing stays mounted is asserted
//! wherever a test powers off.

#![allow(clippy::unwrap_used, reason = "tests; clippy.toml does not see this file as one")]

mod inits;
mod kexec;

use crate::common::disks::{assert_unmounted, partition};
use crate::common::{Booted, build, folder, machine, stick};
use isolde_mkinitrd::Form;
use isolde_qemu::fixtures;
use isolde_qemu::machine::{Bus, Disk};
use isolde_qemu::store::{FileSystem, Layout, Store};
use std::fs::File;
use std::process::Command;

#[test]
fn an_image_file_with_a_home_on_vfat_is_clean_and_so_is_the_stick() {
    let iso = fixtures::fedora_like().unwrap();
    let home = folder().join("exit-home.img");
    File::create(&home).unwrap().set_len(32 << 20).unwrap();
    assert!(Command::new("mke2fs").args(["-q", "-t", "ext4"]).arg(&home).status().unwrap().success());
    let store = Store::new(FileSystem::Vfat, "STICK").layout(Layout::Mbr);
    let image = build("exit-vfat", &store.copy("/fedora.iso", &iso.path).copy("/home.img", &home));
    let words = iso.stock_words("/fedora.iso");
    let disk = Disk::new("stick", &image, Bus::Virtio).kept();
    let mut booted = Booted::start(&machine("exit-vfat", &iso, Form::Init, &words).disk(disk));
    booted.ask("echo kept > /home/note; test -s /home/.isolde-lease");
    booted.power_off();
    let partition = partition(&image);
    assert_unmounted(&["fsck.vfat", "-n"], &partition);
    let inner = folder().join("exit-home-after.img");
    let copied = Command::new("mcopy").args(["-o", "-n", "-i"]).arg(&partition).arg("::/home.img").arg(&inner).status();
    assert!(copied.unwrap().success());
    assert_unmounted(&["e2fsck", "-f", "-n"], &inner);
    let listed = Command::new("debugfs").args(["-R", "ls -l /"]).arg(&inner).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.contains(" note") && !listed.contains(".isolde-lease"), "{listed}");
}

#[test]
fn a_stick_that_was_copied_to_memory_can_be_taken_out_and_the_system_still_stops() {
    let iso = fixtures::fedora_like().unwrap();
    let store = Store::new(FileSystem::Ext4, "STICK").copy("/fedora.iso", &iso.path);
    let image = build("exit-ram", &store);
    let words = format!(
        "{} rd.live.ram isolde.verify=require isolde.blake3={}",
        iso.stock_words("/fedora.iso"),
        digest(&iso.path)
    );
    let machine = machine("exit-ram", &iso, Form::Init, &words).memory(3072).disk(stick(&image));
    let mut booted = Booted::begin(&machine);
    let report = booted.report();
    assert!(report["store"]["in_memory"].as_u64().unwrap() >= iso.path.metadata().unwrap().len(), "{report}");
    assert_eq!(report["check"]["source"], "isolde.blake3", "the copy is what was checked");
    assert_eq!(booted.ask("grep -c /dev/sd /proc/mounts || true"), "0");
    booted.vm.unplug("stick").unwrap();
    // Everything of the root can still be read, and not only what was read before.
    booted.ask("echo 3 >/proc/sys/vm/drop_caches; cat /usr/bin/* >/dev/null");
    booted.power_off();
}

fn digest(path: &std::path::Path) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(path).unwrap()).unwrap();
    hasher.finalize().to_hex().to_string()
}
