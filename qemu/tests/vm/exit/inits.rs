//! The way out where process 1 is not systemd: small Debian roots, whose scripts find the way themselves.

#![allow(clippy::unwrap_used, reason = "tests; clippy.toml does not see this file as one")]

use crate::common::build;
use crate::common::disks::{assert_unmounted, partition};
use crate::common::small::{self, BOOT, Guest};
use isolde_qemu::fixtures::{Init, root_of};
use isolde_qemu::machine::{Bus, Disk};
use isolde_qemu::store::{FileSystem, Store};

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

#[test]
#[ignore = "long: `make test-long`"]
fn openrcs_own_process_1_follows_by_a_service_of_its_last_runlevel() {
    assert_nothing_is_left(&leave("exit-openrc-init", Init::OpenRcInit, "openrc-shutdown -p now"));
}

#[test]
#[ignore = "long: `make test-long`"]
fn runit_follows_out_of_its_root() {
    assert_nothing_is_left(&leave("exit-runit", Init::Runit, "poweroff"));
}

#[test]
#[ignore = "long: `make test-long`"]
fn runit_follows_after_a_stage_3_that_is_not_debians() {
    let log = leave("exit-void-runit", Init::VoidRunit, "reboot");
    assert_nothing_is_left(&log);
    assert!(log.contains("reboot: Restarting system"), "{log}");
}

/// Its /run is one of its own, over the one that has the program.
#[test]
#[ignore = "long: `make test-long`"]
fn s6_svscan_follows_after_the_roots_own_last_script() {
    let log = leave("exit-s6", Init::S6, "sh -c 'echo r >/run/service/s6-linux-init-shutdownd/fifo'");
    assert_nothing_is_left(&log);
    assert!(log.contains("s6: rc.shutdown.final of the root"), "{log}");
    assert!(log.contains("reboot: Restarting system") && !log.contains("s6-linux-init-hpr -f"), "{log}");
}

/// It says nobody but the kernel what it was asked for; before that it kills all others.
#[test]
#[ignore = "long: `make test-long`"]
fn busybox_follows_when_it_asks_the_kernel_to_stop() {
    for (end, said) in [("reboot", "reboot: Restarting system"), ("poweroff", "reboot: Power down")] {
        let log = leave(&format!("exit-busybox-{end}"), Init::Busybox, end);
        assert_nothing_is_left(&log);
        assert!(log.contains("The system is going down NOW!") && log.contains(said), "{log}");
    }
}

#[test]
#[ignore = "long: `make test-long`"]
fn alpines_init_reboots_after_openrc_when_it_is_asked_to() {
    let log = leave("exit-alpine", Init::Alpine, "reboot");
    assert_nothing_is_left(&log);
    assert!(log.contains("The system is going down NOW!") && log.contains("reboot: Restarting system"), "{log}");
}

/// Where no process may change another one: process 1 is named, and what it holds is read-only.
#[test]
#[ignore = "long: `make test-long`"]
fn process_1_that_cannot_follow_is_named() {
    let forbid = "sh -c 'echo 3 >/proc/sys/kernel/yama/ptrace_scope; exec poweroff'";
    let log = leave("exit-forbidden", Init::Sysvinit, forbid);
    assert!(log.contains("process 1 does not execute /shutdown: operation not permitted"), "{log}");
    assert!(log.contains("stays mounted, used by init[1]") && log.contains("it is read-only now"), "{log}");
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
