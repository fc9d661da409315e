//! The Fedora-like fixture is faithful: it boots by its own initrd, from a file on a stick, to what its makers promise.
//! Debian's boots by its own in same_root.rs.

#![allow(clippy::unwrap_used, reason = "clippy.toml allows it in tests, but does not see that all of this file is one")]

use crate::common::folder;
use std::time::Duration;

use isolde_qemu::fixtures::{self, Iso};
use isolde_qemu::machine::{Bus, Disk, Machine, Shell, Vm};
use isolde_qemu::store::{FileSystem, Store};

/// A whole boot in software emulation takes about a minute on two idle cores; they may be busy.
const BOOT: Duration = Duration::from_secs(400);

fn boot(name: &str, iso: &Iso) -> (Vm, Shell) {
    let image = folder().join(format!("{name}.img"));
    let path = format!("/boot/iso/{}", iso.file_name());
    Store::new(FileSystem::Ext4, "STICK").copy(&path, &iso.path).build(&image).unwrap();
    let mut vm = Machine::direct(name, &folder(), &iso.kernel, &[&iso.initrd], &iso.stock_words(&path))
        .disk(Disk::new("stick", &image, Bus::Virtio))
        .start()
        .unwrap();
    let mut shell = vm.shell(BOOT).unwrap();
    // Waits until the boot is over, whatever its result.
    shell.run_within("systemctl is-system-running --wait", BOOT).unwrap();
    (vm, shell)
}

fn mount_at(shell: &mut Shell, target: &str) -> String {
    let source = shell.check(&format!("findmnt -n -o FSTYPE,SOURCE {target}")).unwrap();
    source.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn assert_no_failed_unit(shell: &mut Shell) {
    assert_eq!(shell.check("systemctl --failed --plain --no-legend").unwrap(), "");
}

#[test]
#[ignore = "long: `make test-long`"]
fn fedora_like_live_boots_by_dracut() {
    let (mut vm, mut shell) = boot("peer-dracut", &fixtures::fedora_like().unwrap());
    assert!(mount_at(&mut shell, "/").starts_with("overlay "));
    assert!(mount_at(&mut shell, "/run/initramfs/live").starts_with("iso9660 /dev/loop"));
    assert!(mount_at(&mut shell, "/run/rootfsbase").starts_with("ext4 "));
    assert_eq!(mount_at(&mut shell, "/run/initramfs/isoscan"), "ext4 /dev/vda1");
    assert_no_failed_unit(&mut shell);
    // Root logs in on the console with a password.
    vm.wait_for("fedora-like login: ", BOOT).unwrap();
    vm.type_on_console("root\n").unwrap();
    vm.wait_for("Password: ", BOOT).unwrap();
    vm.type_on_console("live\n").unwrap();
    vm.wait_for(r"root@fedora-like:~#", BOOT).unwrap();
    assert!(vm.power_off(&mut shell, BOOT).unwrap().success());
}
