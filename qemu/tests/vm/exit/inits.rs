//! The way out where process 1 is not systemd: small Debian roots, whose scripts find the way themselves.

#![allow(clippy::unwrap_used, reason = "tests; clippy.toml does not see this file as one")]

use crate::common::disks::{assert_unmounted, partition};
use crate::common::small::{self, BOOT, Guest};
use crate::common::{build, folder};
use isolde_qemu::fixtures::{Init, root_of};
use isolde_qemu::machine::{Bus, Disk};
use isolde_qemu::modules;
use isolde_qemu::store::{FileSystem, Store};
use std::path::Path;
use std::process::Command;

const IMAGE: &str = "isolde.image=/root.squashfs";

/// A store with such a root.
fn store(init: Init) -> Store {
    Store::new(FileSystem::Ext4, "STICK").free(16).copy("/root.squashfs", &root_of(init).unwrap())
}

/// Boots it from a store that is written to, and ends it by that command; gives the console's text.
fn leave(name: &str, init: Init, end: &str) -> String {
    let image = build(name, &store(init).folder("/home"));
    let disk = Disk::new("stick", &image, Bus::Virtio).kept();
    let mut guest = Guest::boot(&small::machine(name, &format!("{IMAGE} isolde.home=/home")).disk(disk));
    assert_eq!(guest.mount_at("/").1, "overlay");
    assert!(guest.mount_at("/home").2.contains(",rw,"));
    guest.ask("echo kept >/home/note");
    let log = guest.stop(end);
    assert_unmounted(&["e2fsck", "-f", "-n"], &partition(&image));
    log
}

fn assert_nothing_is_left(log: &str) {
    assert!(log.contains("isolde: exit: everything is unmounted") && !log.contains("stays mounted"), "{log}");
}

#[test]
fn sysvinit_follows_out_of_its_root() {
    let log = leave("exit-sysvinit", Init::Sysvinit, "poweroff");
    assert_nothing_is_left(&log);
    assert!(log.contains("reboot: Power down"), "{log}");
}

#[test]
#[ignore = "long: `make test-long`"]
fn sysvinit_reboots_when_it_is_asked_to() {
    let log = leave("exit-sysvinit-reboot", Init::Sysvinit, "reboot");
    assert_nothing_is_left(&log);
    assert!(log.contains("reboot: Restarting system"), "{log}");
}

#[test]
#[ignore = "long: `make test-long`"]
fn openrc_follows_out_of_its_root() {
    assert_nothing_is_left(&leave("exit-openrc", Init::OpenRc, "poweroff"));
}

/// Its process 1 cannot be executed again: it is named, and what it holds is read-only.
#[test]
#[ignore = "long: `make test-long`"]
fn runit_stays_and_is_named() {
    let log = leave("exit-runit", Init::Runit, "poweroff");
    assert!(log.contains("stays mounted, used by runit[1]"), "{log}");
}

/// What the scripts do before cannot be read from a medium that is gone; the way out is in memory.
#[test]
fn a_medium_that_was_pulled_out_is_not_missed() {
    let image = build("exit-pulled", &store(Init::Sysvinit));
    let mut guest = Guest::boot(&small::machine("exit-pulled", IMAGE).disk(Disk::new("stick", &image, Bus::Usb)));
    guest.ask("mount -o remount,exec /run");
    guest.vm.unplug("stick").unwrap();
    guest.vm.wait_for("USB disconnect", BOOT).unwrap();
    assert_nothing_is_left(&guest.stop("/run/initramfs/shutdown poweroff"));
}

#[test]
#[ignore = "long: `make test-long`"]
fn a_kernel_that_was_loaded_is_started_after_everything_is_unmounted() {
    let program = folder().join("load-kernel");
    let mut rustc = Command::new("rustc");
    rustc.args(["--edition=2024", "-Ctarget-feature=+crt-static", "-Crelocation-model=static", "-o"]).arg(&program);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vm/exit/load_kernel.rs");
    assert!(rustc.arg(source).status().unwrap().success());
    let kernel = modules::parts().unwrap().kernel;
    let image = build("exit-kexec", &store(Init::Sysvinit).copy("/load-kernel", &program).copy("/vmlinuz", &kernel));
    let machine = small::machine("exit-kexec", IMAGE).memory(512).disk(Disk::new("stick", &image, Bus::Virtio));
    let mut guest = Guest::boot(&machine);
    guest.ask("cat /isodevice/load-kernel >/load-kernel; chmod 755 /load-kernel; /load-kernel /isodevice/vmlinuz");
    guest.ask("mount -o remount,exec /run; /run/initramfs/shutdown kexec >/dev/null 2>&1 &");
    guest.vm.wait_for("isolde: exit: everything is unmounted", BOOT).unwrap();
    guest.vm.wait_for("Command line: .*started.by.kexec", BOOT).unwrap();
}
