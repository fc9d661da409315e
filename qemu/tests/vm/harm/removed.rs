//! Disks that come and go while init works with them.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests; clippy.toml does not see this file as one")]

use crate::common::small::{self, BOOT, Guest};
use crate::common::{self, folder};
use isolde_qemu::machine::{Bus, Disk};
use isolde_qemu::store::{FileSystem, Store};
use std::fs;

const PATH: &str = "/boot/iso/small.iso";

fn store() -> Store {
    Store::new(FileSystem::Ext4, "STORE").free(1)
}

/// The wrong stick, pulled out; the right one, pulled out before anybody has seen it; the right one again.
#[test]
fn a_stick_removed_while_init_waits_and_plugged_in_again() {
    let wrong = common::build("removed-wrong", &store().bytes("/note", b"no image"));
    let right = common::build("removed-right", &store().copy(PATH, small::iso()));
    let machine = small::machine("removed-waiting", &format!("isolde.image={PATH} isolde.wait=600"));
    let machine = machine.disk(Disk::new("wrong", &wrong, Bus::Usb)).disk(Disk::new("right", &right, Bus::Usb).late());
    let mut vm = machine.start().unwrap();
    vm.wait_for("isolde: store: so far: .*/dev/sda1", BOOT).unwrap();
    vm.unplug("wrong").unwrap();
    vm.wait_for("isolde: store: so far: no block device", BOOT).unwrap();
    vm.plug("wrong").unwrap();
    vm.wait_for("isolde: store: so far: .*/dev/sd.1", BOOT).unwrap();
    vm.unplug("wrong").unwrap();
    vm.plug("right").unwrap();
    let mut guest = Guest::of(vm);
    guest.assert_root(PATH);
    assert!(guest.mount_at("/run/isolde/store").0.starts_with("/dev/sd"));
}

/// Seconds between the kernel's news of a disk and the store, of which most is the mount; the machine may be busy.
const AT_ONCE: f64 = 5.0;

#[test]
fn a_stick_plugged_in_after_40_seconds_is_used_at_once() {
    let image = common::build("late-40", &store().copy(PATH, small::iso()));
    let machine = small::machine("late-40", &format!("isolde.image={PATH} isolde.store=LABEL=STORE"));
    let mut vm = machine.disk(Disk::new("stick", &image, Bus::Usb).late()).start().unwrap();
    // Of the 60 s that are waited by default.
    vm.wait_for("isolde: store: waiting for .*, 1[0-9] s left", BOOT).unwrap();
    vm.plug("stick").unwrap();
    let attached = vm.wait_for(r"\[sd.\] Attached SCSI disk", BOOT).unwrap().seconds.unwrap();
    let taken = vm.wait_for("isolde: store: /dev/sd.1 ext4", BOOT).unwrap().seconds.unwrap();
    assert!((0.0..AT_ONCE).contains(&(taken - attached)), "attached at {attached}, taken at {taken}");
    Guest::of(vm).assert_root(PATH);
}

/// At 4 MiB a second, 32 MiB take long enough to be interrupted. The menu's way on is a boot from the beginning.
#[test]
fn a_stick_removed_while_the_image_is_checked_and_plugged_in_again() {
    let mut iso = fs::read(small::iso()).unwrap();
    iso.extend((0..8_u32 << 20).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()));
    let large = folder().join("removed-large.iso");
    fs::write(&large, &iso).unwrap();
    let image = common::build("removed-checked", &store().copy(PATH, &large));
    let words = format!("isolde.image={PATH} isolde.blake3={}", blake3::hash(&iso).to_hex());
    let disk = Disk::new("stick", &image, Bus::Usb).slow(4 << 20);
    let mut vm = small::machine("removed-checked", &words).disk(disk).start().unwrap();
    vm.wait_for("isolde: verify: checking /boot/iso/small.iso", BOOT).unwrap();
    vm.unplug("stick").unwrap();
    vm.wait_for("isolde: verify: check /boot/iso/small.iso: input/output error", BOOT).unwrap();
    vm.wait_for("press a key: ", BOOT).unwrap();
    vm.plug("stick").unwrap();
    vm.type_on_console("t").unwrap();
    let mut guest = Guest::of(vm);
    guest.assert_root(PATH);
    assert!(guest.report()["check"]["blake3"].is_string());
}

/// So slow that the stick is pulled out between the mount of the store and that of the image, or while either goes on.
#[test]
fn a_stick_removed_between_store_and_image_and_plugged_in_again() {
    let image = common::build("removed-between", &store().copy(PATH, small::iso()));
    let disk = Disk::new("stick", &image, Bus::Usb).slow(512 << 10);
    let mut vm = small::machine("removed-between", &format!("isolde.image={PATH}")).disk(disk).start().unwrap();
    vm.wait_for("isolde: store: /dev/sd.1 ext4", BOOT).unwrap();
    vm.unplug("stick").unwrap();
    vm.wait_for("isolde: (image|verify|family|layers|root): .*: ", BOOT).unwrap();
    vm.wait_for("press a key: ", BOOT).unwrap();
    vm.plug("stick").unwrap();
    vm.type_on_console("t").unwrap();
    Guest::of(vm).assert_root(PATH);
}
