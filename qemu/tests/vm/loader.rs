//! From the firmware on: SeaBIOS and OVMF start GRUB from a stick, GRUB loads the unmodified ISO's own kernel and initrd
//! and ours after it, and init finds the same ISO again.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests; clippy.toml does not see this file as one")]

use crate::common::{BOOT, Booted, folder, second_initrd};
use isolde_mkinitrd::Form;
use isolde_qemu::fixtures;
use isolde_qemu::machine::{Bus, Disk, Firmware, Machine, ROOT_SHELL, WATCHED};
use isolde_qemu::stick::Stick;
use isolde_qemu::store::FileSystem;

fn boot(name: &str, firmware: Firmware, file_system: FileSystem) -> Booted {
    let iso = fixtures::debian().unwrap();
    let image = folder().join(format!("{name}.stick"));
    Stick::new(file_system)
        .iso(&iso.path)
        .second_initrd(&second_initrd(Form::Init))
        .words(&format!("{WATCHED} {ROOT_SHELL}"))
        .free(64)
        .build(&image)
        .unwrap();
    let machine =
        Machine::firmware(name, &folder(), firmware).probe_with(&iso.kernel).disk(Disk::new("stick", &image, Bus::Usb));
    let mut vm = machine.start().unwrap();
    vm.wait_for("isolde: early: ", BOOT).unwrap();
    // The shell is there before the system is: what init has mounted can be asked at once, and the rest of such a boot
    // is what boots.rs looks at.
    let shell = vm.shell(BOOT).unwrap();
    Booted { vm, shell }
}

fn assert_booted_from_the_iso(booted: &mut Booted, file_system: &str) {
    assert!(booted.ask("cat /proc/cmdline").contains("findiso=/boot/iso/debian.iso"));
    assert!(booted.options_of("/").contains(",lowerdir=/run/live/rootfs/filesystem.squashfs,"));
    assert!(booted.mount_at("/run/isolde/store").starts_with(file_system));
    assert!(booted.mount_at("/run/live/medium").starts_with("iso9660 /dev/loop"));
    assert_eq!(booted.report()["image"], "/boot/iso/debian.iso");
}

#[test]
#[ignore = "long: a stick of both firmwares with GRUB is booted in every run"]
fn seabios_and_grub_from_ext4() {
    let mut booted = boot("loader-bios", Firmware::Bios, FileSystem::Ext4);
    assert_booted_from_the_iso(&mut booted, "ext4 /dev/sda");
    booted.ask("test ! -d /sys/firmware/efi");
}

#[test]
#[ignore = "long: a stick of both firmwares with GRUB is booted in every run"]
fn ovmf_and_grub_from_vfat() {
    let mut booted = boot("loader-uefi", Firmware::Uefi, FileSystem::Vfat);
    assert_booted_from_the_iso(&mut booted, "vfat /dev/sda");
    booted.ask("test -d /sys/firmware/efi");
}
