//! A stick starts by BIOS and by UEFI, and its menu loads what each layout needs: kernel, the ISO's own initrd, the second.

#![allow(clippy::unwrap_used, reason = "clippy.toml allows it in tests, but does not see that all of this file is one")]

use crate::common::folder;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use isolde_qemu::fixtures::{self, Iso};
use isolde_qemu::machine::{Bus, Disk, Firmware, Machine, Vm, WATCHED};
use isolde_qemu::stick::{Loads, Stick};
use isolde_qemu::store::{FileSystem, Layout, Store};

/// Firmware, GRUB and the start of the kernel take half a minute on two idle cores; they may be busy.
const START: Duration = Duration::from_secs(300);

/// The size in bytes of what stands for a second initrd: the kernel's log tells the size of what GRUB loaded.
const SECOND_INITRD: usize = 1 << 20;

/// The end mark of a cpio archive; the kernel skips the zeros behind it.
fn empty_archive() -> Vec<u8> {
    // Inode, mode, user, group; links; time, size and four device numbers; length of the name; check sum.
    let (four, six) = ("0".repeat(4 * 8), "0".repeat(6 * 8));
    let mut archive = format!("070701{four}00000001{six}0000000B00000000TRAILER!!!\0").into_bytes();
    archive.resize(SECOND_INITRD, 0);
    archive
}

fn start(name: &str, firmware: Firmware, bus: Bus, stick: &Stick) -> Vm {
    let image = folder().join(format!("{name}.img"));
    stick.build(&image).unwrap();
    Machine::firmware(name, &folder(), firmware).disk(Disk::new("stick", &image, bus)).start().unwrap()
}

fn stick_with(iso: &Iso, file_system: FileSystem) -> Stick {
    let second = folder().join(format!("second-initrd-{}", iso.label));
    fs::write(&second, empty_archive()).unwrap();
    Stick::new(file_system).iso(&iso.path).second_initrd(&second).words(&format!("{WATCHED} a.word=here")).timeout(0)
}

/// The kernel has got the words of the layout and of the menu, and both initrds.
fn assert_loaded(vm: &mut Vm, iso: &Iso) {
    // To its end: a line that is still being written is found, too.
    let line = vm.wait_for(r"Command line: .* a\.word=here", START).unwrap().text;
    let path = format!("/boot/iso/{}", iso.file_name());
    for word in iso.stock_words(&path).split(' ').filter(|word| !word.starts_with("rd.live.overlay")) {
        assert!(line.split(' ').any(|seen| seen == word), "{word} is not in {line}");
    }
    assert!(line.ends_with(&format!("{WATCHED} a.word=here")), "{line}");
    let line = vm.wait_for(r"RAMDISK: \[mem 0x[0-9a-f]{8}-0x[0-9a-f]{8}", START).unwrap().text;
    let ends: Vec<u64> =
        line.split("0x").skip(1).map(|part| u64::from_str_radix(part.get(..8).unwrap(), 16).unwrap()).collect();
    let [from, to] = ends.as_slice() else { unreachable!("{line}") };
    let own = iso.initrd.metadata().unwrap().len();
    let both = own.next_multiple_of(4) + u64::try_from(SECOND_INITRD).unwrap();
    // The kernel counts whole pages.
    assert_eq!((to - from + 1).div_ceil(4096), both.div_ceil(4096), "{line}");
}

#[test]
fn bios_starts_debian_live_from_ext4_on_usb() {
    let iso = fixtures::debian().unwrap();
    let mut vm = start("stick-bios", Firmware::Bios, Bus::Usb, &stick_with(&iso, FileSystem::Ext4));
    assert_loaded(&mut vm, &iso);
}

#[test]
fn uefi_starts_the_dracut_image_from_fat() {
    let iso = fixtures::fedora_like().unwrap();
    let mut vm = start("stick-uefi", Firmware::Uefi, Bus::Virtio, &stick_with(&iso, FileSystem::Vfat));
    assert_loaded(&mut vm, &iso);
}

#[test]
fn an_iso_of_an_unknown_layout_is_named_with_what_was_looked_for() {
    let iso: PathBuf = folder().join("unknown.iso");
    Store::new(FileSystem::Iso9660, "UNKNOWN").layout(Layout::WholeDisk).bytes("/readme", b"x").build(&iso).unwrap();
    let stick = Stick::new(FileSystem::Ext4).iso(&iso).timeout(0);
    let mut vm = start("stick-unknown", Firmware::Bios, Bus::Virtio, &stick);
    vm.wait_for("isolde: /boot/iso/unknown.iso: unknown layout$", START).unwrap();
    vm.wait_for("It has neither /live .* nor /LiveOS", START).unwrap();
}

#[test]
fn a_label_with_blanks_is_written_as_dracut_wants_it_and_a_broken_kernel_is_named() {
    let iso: PathBuf = folder().join("blanks.iso");
    let store = Store::new(FileSystem::Iso9660, "A B C").layout(Layout::WholeDisk).folder("/LiveOS");
    store.bytes("/isolinux/vmlinuz", b"no kernel").bytes("/isolinux/initrd.img", b"x").build(&iso).unwrap();
    let stick = Stick::new(FileSystem::Ext4).iso(&iso).timeout(0);
    let mut vm = start("stick-blanks", Firmware::Bios, Bus::Virtio, &stick);
    vm.wait_for(r"with root=live:CDLABEL=A\\x20B\\x20C rd.live.image", START).unwrap();
    vm.wait_for("isolde: /boot/iso/blanks.iso: GRUB could not load it", START).unwrap();
}

#[test]
fn an_entry_of_the_stick_says_what_is_loaded_from_a_layout_that_grub_does_not_know() {
    let fixture = fixtures::debian().unwrap();
    let iso: PathBuf = folder().join("entry.iso");
    let store = Store::new(FileSystem::Iso9660, "ENTRY").layout(Layout::WholeDisk);
    store.copy("/a/k", &fixture.kernel).copy("/b/i1", &fixture.initrd).bytes("/b/i2", b"").build(&iso).unwrap();
    let loads = Loads {
        kernel: "a/k".to_owned(),
        initrd: ["b/i1", "b/i2"].map(str::to_owned).into(),
        words: "boot=other label=A\\x20B".to_owned(),
    };
    let stick = Stick::new(FileSystem::Ext4).iso(&iso).entry("entry", &loads).unwrap().words(WATCHED).timeout(0);
    let mut vm = start("stick-entry", Firmware::Bios, Bus::Virtio, &stick);
    let line = vm.wait_for(r"Command line: .* label=\S+ ", START).unwrap().text;
    // GRUB doubles backslashes; init takes them for one.
    assert!(line.contains(" boot=other label=A\\\\x20B "), "{line}");
    vm.wait_for(r"RAMDISK: \[mem 0x[0-9a-f]{8}-0x[0-9a-f]{8}", START).unwrap();
}
