//! A driver that is nowhere: the message names it and where it was looked for, at once.

#![allow(clippy::unwrap_used, reason = "tests; clippy.toml does not see this file as one")]

use crate::common::small;
use crate::common::{self, REFUSAL, folder, second_initrd};
use isolde_mkinitrd::Form;
use isolde_qemu::families::Base;
use isolde_qemu::machine::{Bus, Disk, Machine};
use isolde_qemu::store::{FileSystem, Store};

/// Debian 12's kernel has no ntfs3, and initramfs-tools takes neither exfat nor erofs.
fn refused(name: &str, file_system: FileSystem, driver: &str) {
    let image = common::build(name, &Store::new(file_system, "STORE").free(1).copy("/small.iso", small::iso()));
    let parts = Base::InitramfsTools.parts().unwrap();
    let words = "isolde.image=/small.iso isolde.store=LABEL=STORE isolde.onfail=poweroff";
    let ours = second_initrd(Form::Init);
    let machine = Machine::direct(name, &folder(), &parts.kernel, &[&parts.initrd, &ours], words);
    let mut vm = machine.memory(320).disk(Disk::new("store", &image, Bus::Virtio)).start().unwrap();
    let message =
        format!("isolde: store: prepare to mount {driver}: no driver \"{driver}\": not in the kernel, not in ");
    vm.wait_for(&message, REFUSAL).unwrap();
    vm.wait_for("isolde: hint: ", REFUSAL).unwrap();
    vm.wait_for("isolde: powering off in ", REFUSAL).unwrap();
}

#[test]
fn ntfs_without_its_driver() {
    refused("no-ntfs", FileSystem::Ntfs, "ntfs3");
}

#[test]
fn exfat_without_its_driver() {
    refused("no-exfat", FileSystem::Exfat, "exfat");
}
