//! The menu of a failed boot, driven over the serial line: every entry, and the keys of the wait before it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests; clippy.toml does not see this file as one")]

use crate::common::{REFUSAL, build, folder, second_initrd, second_initrd_with, small};
use isolde_mkinitrd::Form;
use isolde_qemu::families::{Base, root};
use isolde_qemu::machine::{Bus, Disk, Machine, Vm};
use isolde_qemu::modules;
use isolde_qemu::store::{FileSystem, Layout, Store};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const MENU: &str = "press a key: ";
/// Not a live system, but a file of which something can be said.
const IMAGE: &str = "/isos/my first.iso";

/// Presses keys, and waits for what they are to bring.
fn press(vm: &mut Vm, keys: &str, brings: &str) {
    vm.type_on_console(keys).unwrap();
    vm.wait_for(brings, REFUSAL).unwrap();
}

/// A stick whose changes are kept.
fn kept_stick(image: &Path) -> Disk {
    Disk::new("stick", image, Bus::Usb).kept()
}

/// The text of a file in an ext4 image that is the whole disk.
fn file_of(image: &Path, path: &str) -> String {
    let out = Command::new("debugfs").args(["-R", &format!("cat {path}")]).arg(image).output().unwrap();
    String::from_utf8_lossy(&out.stdout).into_owned()
}

#[test]
fn every_entry_does_what_it_says() {
    // With a shell.
    let ours = second_initrd_with("menu", &[("/usr/bin/sh", &root::busybox().unwrap())]);
    let store = Store::new(FileSystem::Ext4, "STICK").layout(Layout::WholeDisk).bytes(IMAGE, &[7; 100_000]);
    let image = build("menu", &store);
    let words = "isolde.image=/boot/iso/x.iso isolde.store=LABEL=NOWHERE isolde.wait=100";
    let mut vm = small::with_second_initrd("menu", &ours, words).disk(kept_stick(&image)).start().unwrap();

    // The wait says what is there, and its keys work.
    vm.wait_for(r#"isolde: store: waiting for a file system labelled "NOWHERE", \d+ s left"#, REFUSAL).unwrap();
    vm.wait_for("isolde: store: keys: ", REFUSAL).unwrap();
    press(&mut vm, "w", r"NOWHERE., 8\d{4} s left");
    // The stick was there when the wait was first spoken of, or came since: said once, either way.
    let log = vm.log_text().unwrap();
    if !log.contains(r#"so far: /dev/sda ext4 "STICK""#) {
        vm.wait_for(r#"isolde: store: so far: /dev/sda ext4 "STICK" \(\d+ MiB, usb\)"#, REFUSAL).unwrap();
    }
    press(&mut vm, "m", "isolde: store: find the store: stopped at the console");
    vm.wait_for(MENU, REFUSAL).unwrap();

    press(&mut vm, "l", "show the log");
    vm.wait_for("isolde: store: waiting for", REFUSAL).unwrap();
    vm.wait_for(MENU, REFUSAL).unwrap();

    // The menu needs no shell, and this initrd has one.
    press(&mut vm, "x", r"\(isolde\) # ");
    press(&mut vm, "echo $((6 * 7))\n", "^42");
    press(&mut vm, "exit\n", MENU);

    press(&mut vm, "w", r#"1  /dev/sda ext4 "STICK""#);
    press(&mut vm, "1\r", "written: isolde-log.txt at the top of /dev/sda");
    vm.wait_for(MENU, REFUSAL).unwrap();

    // Another store, with the same path: it is not there.
    press(&mut vm, "s", r#"1  /dev/sda ext4 "STICK""#);
    press(&mut vm, "1\r", "isolde: store: find the image: /dev/sda ext4 .* has no file /boot/iso/x.iso; beside it: ");
    vm.wait_for(MENU, REFUSAL).unwrap();

    // Another image, with a blank in its name, and a slip of the finger before it.
    press(&mut vm, "i", r#"1  /dev/sda ext4 "STICK""#);
    press(&mut vm, "1\r", "1  /isos/my first.iso");
    let refused = "isolde: image: open the image ./run/isolde/store/isos/my first.iso.: wanted an ISO 9660";
    press(&mut vm, "9\x7f1\r", refused);
    vm.wait_for(MENU, REFUSAL).unwrap();
    press(&mut vm, "t", refused);
    vm.wait_for(MENU, REFUSAL).unwrap();

    // A key stops the count-down.
    press(&mut vm, "b", "isolde: rebooting in 10 s; press a key for the menu");
    press(&mut vm, "n", MENU);
    press(&mut vm, "p", "isolde: powering off in 10 s");
    vm.wait_for_end(REFUSAL).unwrap();
    let log = file_of(&image, "/isolde-log.txt");
    assert!(log.contains("Linux version ") && log.contains("isolde: store: waiting for"), "{log}");
}

#[test]
fn the_distributions_own_init_is_the_last_entry_but_the_log() {
    let parts = Base::InitramfsTools.parts().unwrap();
    let words = "rdinit=/isolde/init boot=live findiso=/boot/iso/x.iso isolde.wait=0 isolde.onfail=reboot";
    let initrds = [&*parts.initrd, &*second_initrd(Form::Rdinit)];
    let mut vm = Machine::direct("menu-delegate", &folder(), &parts.kernel, &initrds, words).start().unwrap();
    vm.wait_for("isolde: rebooting in 10 s; press a key for the menu", REFUSAL).unwrap();
    press(&mut vm, " ", "d  let the distribution's own init boot");
    vm.wait_for(MENU, REFUSAL).unwrap();
    // The first words of initramfs-tools' init.
    press(&mut vm, "d", "Loading, please wait");
}

#[test]
fn a_keyboard_at_the_screen_is_as_good_as_the_serial_line() {
    let words = "console=tty0 isolde.image=/x.iso isolde.store=LABEL=NOWHERE isolde.wait=600";
    // With a screen, and a keyboard on USB, whose driver is loaded only for a person who waits.
    let mut vm = small::machine("menu-screen", words).start().unwrap();
    vm.wait_for("isolde: store: keys: ", REFUSAL).unwrap();
    vm.wait_for("input: QEMU QEMU USB Keyboard", REFUSAL).unwrap();
    // The kernel takes it a moment after that line.
    let stopped = "isolde: store: find the store: stopped at the console";
    let tries = (0..20).any(|_| {
        vm.press_key("m").unwrap();
        vm.wait_for(stopped, Duration::from_secs(5)).is_ok()
    });
    assert!(tries, "{}", vm.log_text().unwrap());
    vm.press_key("p").unwrap();
    vm.wait_for("isolde: powering off in 10 s", REFUSAL).unwrap();
}

#[test]
fn the_menu_needs_neither_a_shell_nor_an_initrd() {
    let words = "isolde.image=/x.iso isolde.wait=0";
    let (kernel, own) = (modules::parts().unwrap().kernel, second_initrd(Form::Init));
    let mut vm = Machine::direct("menu-bare", &folder(), &kernel, &[&own], words).start().unwrap();
    vm.wait_for(MENU, REFUSAL).unwrap();
    press(&mut vm, "x", "no shell");
    vm.wait_for(MENU, REFUSAL).unwrap();
    press(&mut vm, "p", "isolde: powering off in 10 s");
    vm.wait_for_end(REFUSAL).unwrap();
}
