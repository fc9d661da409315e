//! Another kernel is started on the way out: everything is unmounted before.

#![allow(clippy::unwrap_used, reason = "tests; clippy.toml does not see this file as one")]

use crate::common::disks::{assert_unmounted, partition};
use crate::common::small::{self, BOOT, Guest};
use crate::common::{self, Booted, build, folder, machine};
use isolde_mkinitrd::Form;
use isolde_qemu::fixtures::{self, Init, root_of};
use isolde_qemu::machine::{Bus, Disk, Vm};
use isolde_qemu::modules;
use isolde_qemu::store::{FileSystem, Store};
use std::path::{Path, PathBuf};
use std::process::Command;

/// On the store: a program that loads the other kernel, as kexec(8) would, and that kernel.
const LOADER: &str = "/load-kernel";
const KERNEL: &str = "/vmlinuz";
const LOAD: &str = "cat /isodevice/load-kernel >/load-kernel; chmod 755 /load-kernel; /load-kernel /isodevice/vmlinuz";

fn loader() -> PathBuf {
    let program = folder().join("load-kernel");
    let mut rustc = Command::new("rustc");
    rustc.args(["--edition=2024", "-Ctarget-feature=+crt-static", "-Crelocation-model=static", "-o"]).arg(&program);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vm/exit/load_kernel.rs");
    assert!(rustc.arg(source).status().unwrap().success());
    program
}

/// The other kernel says so on the console, after the first one's store was unmounted.
fn assert_started(vm: &mut Vm, limit: std::time::Duration) {
    vm.wait_for("isolde: exit: everything is unmounted", limit).unwrap();
    vm.wait_for("Command line: .*started.by.kexec", limit).unwrap();
    assert!(!vm.log_text().unwrap().contains("stays mounted"));
}

/// A reboot with a kernel that was loaded starts that one, as these scripts would without us.
#[test]
#[ignore = "long: `make test-long`"]
fn a_reboot_of_sysvinit_starts_the_kernel_that_was_loaded() {
    let root = root_of(Init::Sysvinit).unwrap();
    let store = Store::new(FileSystem::Ext4, "STICK").copy("/root.squashfs", &root);
    let image = build("exit-kexec", &store.copy(LOADER, &loader()).copy(KERNEL, &modules::parts().unwrap().kernel));
    let machine = small::machine("exit-kexec", "isolde.image=/root.squashfs").memory(512);
    let mut guest = Guest::boot(&machine.disk(Disk::new("stick", &image, Bus::Virtio)));
    guest.ask(LOAD);
    guest.ask("reboot >/dev/null 2>&1 &");
    assert_started(&mut guest.vm, BOOT);
}

#[test]
#[ignore = "long: `make test-long`"]
fn systemctl_kexec_starts_it_from_a_whole_debian_and_leaves_the_store_clean() {
    let iso = fixtures::debian().unwrap();
    let store = Store::new(FileSystem::Ext4, "STICK").free(64).copy("/debian.iso", &iso.path).folder("/home");
    let image = build("exit-kexec-debian", &store.copy(LOADER, &loader()).copy(KERNEL, &iso.kernel));
    let words = format!("{} isolde.home=/home", iso.stock_words("/debian.iso"));
    let disk = Disk::new("stick", &image, Bus::Virtio).kept();
    let mut booted = Booted::start(&machine("exit-kexec-debian", &iso, Form::Init, &words).disk(disk));
    booted.ask("echo kept >/home/note");
    booted.ask(LOAD);
    booted.ask("systemctl kexec --no-block");
    assert_started(&mut booted.vm, common::BOOT);
    drop(booted);
    assert_unmounted(&["e2fsck", "-f", "-n"], &partition(&image));
}
