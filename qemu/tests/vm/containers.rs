//! The store in a LUKS volume, in a volume group, and in one inside the other: opened by init, and asked from inside.
//!
//! cryptsetup makes the LUKS headers. What is in a volume is encrypted here by the library's own cipher, so the kernel,
//! which decrypts it, is the judge of both that and the key. The volume groups are made by the library's fake kernel, and
//! held against lvm2 by tests/containers_real.rs.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests; clippy.toml does not see this file as one")]

mod initrd;
pub(crate) mod volumes;

use crate::common::{Booted, build, folder, second_initrd};
use isolde_mkinitrd::Form;
use isolde_qemu::families::{self, Base};
use isolde_qemu::machine::{Bus, Disk, Machine};
use isolde_qemu::store::{FileSystem, Layout, Store};
use std::path::{Path, PathBuf};
use std::time::Duration;
use volumes::{LUKS1, LUKS2, PASSPHRASE, UUID};

/// A boot takes ten seconds on an idle core; they may be busy.
const TIME: Duration = Duration::from_secs(200);
const SAMPLE: &str = "live-boot";
const WORDS: &str = "isolde.image=/live.iso boot=live nocomponents";

/// A file system that is a store, with an empty home or without.
fn store(name: &str, home: bool) -> PathBuf {
    let all = families::build().unwrap();
    let sample = all.iter().find(|built| built.sample.name == SAMPLE).unwrap();
    let store = Store::new(FileSystem::Ext4, "INSIDE").layout(Layout::WholeDisk).free(8).copy("/live.iso", &sample.iso);
    build(name, &if home { store.folder("/home/user") } else { store })
}

/// A machine with one disk, whose initrd has the modules of the device mapper and the given file at /etc/store.key.
fn machine(name: &str, image: &Path, words: &str, key: &[u8]) -> Machine {
    let base = Base::InitramfsTools.parts().unwrap();
    let (modules, ours) = (initrd::modules(&base.initrd).unwrap(), second_initrd(Form::Init));
    let key = initrd::file(name, "etc/store.key", key).unwrap();
    let words = format!("{WORDS} {words}");
    let machine = Machine::direct(name, &folder(), &base.kernel, &[&base.initrd, &modules, &key, &ours], &words);
    machine.disk(Disk::new("stick", image, Bus::Virtio).kept()).memory(320).processors(1).aes()
}

/// Starts it, types each line when it is asked for, and gives the system.
fn boot(machine: &Machine, lines: &[&str]) -> Booted {
    let mut vm = machine.start().unwrap();
    for line in lines {
        vm.wait_for("Passphrase for /dev/.* crypto_LUKS", TIME).unwrap();
        vm.type_on_console(&format!("{line}\r")).unwrap();
    }
    let shell = vm.shell(TIME).unwrap();
    Booted { vm, shell }
}

/// The store is on that device, and every table of the device mapper is read-only or none is.
fn assert_store(booted: &mut Booted, device: &str, names: &[&str], writable: bool) {
    assert_eq!(booted.mount_line("/run/isolde/store"), format!("/dev/{device} ext4"));
    let access = if writable { "rw" } else { "ro" };
    assert_eq!(booted.ask("awk '$2 == \"/run/isolde/store\" { print substr($4, 1, 2) }' /proc/mounts"), access);
    for (number, name) in names.iter().enumerate() {
        let folder = format!("/sys/class/block/dm-{number}");
        assert_eq!(booted.ask(&format!("cat {folder}/dm/name")), *name);
        assert_eq!(booted.ask(&format!("cat {folder}/ro")), if writable { "0" } else { "1" });
    }
    assert_eq!(booted.ask("cat /etc/layer"), "personal", "the image is whole");
    assert_eq!(booted.report()["store"]["device"], format!("/dev/{device}"));
    assert_eq!(booted.report()["warnings"].as_array().unwrap().len(), 0, "{}", booted.report());
}

impl Booted {
    fn mount_line(&mut self, target: &str) -> String {
        self.ask(&format!("awk '$2 == \"{target}\" {{ print $1, $3 }}' /proc/mounts"))
    }
}

fn luks_name() -> String {
    format!("luks-{UUID}")
}

#[test]
fn luks2_by_a_passphrase_that_is_right_the_second_time() {
    let disk = volumes::luks("luks2", LUKS2, &store("luks2-inside", false)).unwrap();
    let words = format!("isolde.luks=UUID={UUID}");
    let mut booted = boot(&machine("luks2", &disk, &words, b""), &["wrong horse", PASSPHRASE]);
    assert_store(&mut booted, "dm-0", &[&luks_name()], false);
    let uuid = booted.ask("cat /sys/class/block/dm-0/dm/uuid");
    assert_eq!(uuid, format!("CRYPT-LUKS2-{}-luks-{UUID}", UUID.replace('-', "")));
    // Taken by the device, beside the reference that the kernel itself has.
    let driver = "awk '$1 == \"driver\" { name = $3 } $1 == \"refcnt\" && $3 > 1 { print name }' /proc/crypto";
    assert!(booted.ask(driver).lines().any(|name| name == "xts-aes-aesni"), "the processor's own instructions");
    let log = booted.vm.log_text().unwrap();
    assert!(log.contains("wrong passphrase; tries left: 2"), "{log}");
    for secret in [PASSPHRASE, "wrong horse"] {
        assert!(!log.contains(secret), "{secret} is on the console");
        assert_eq!(booted.ask(&format!("dmesg | grep -c '{secret}' || true")), "0");
    }
}

#[test]
fn luks1_by_a_key_file_of_the_initrd_and_written_to() {
    let disk = volumes::luks("luks1", LUKS1, &store("luks1-inside", true)).unwrap();
    // Named, because the machine is not shut down: a volume that was not unmounted is not taken unasked.
    let words = "isolde.luks=auto,/dev/vda isolde.luks-key=/etc/store.key isolde.store=LABEL=INSIDE isolde.home=/home";
    let mut first = boot(&machine("luks1-first", &disk, words, PASSPHRASE.as_bytes()), &[]);
    assert_store(&mut first, "dm-0", &[&luks_name()], true);
    first.ask("echo kept > /home/user/note; sync; umount /home; sync");
    drop(first);
    let mut second = boot(&machine("luks1-second", &disk, words, PASSPHRASE.as_bytes()), &[]);
    assert_eq!(second.ask("cat /home/user/note"), "kept");
}

#[test]
fn a_logical_volume_over_two_disks() {
    let [first, second] = volumes::lvm_over_two("lvm", &store("lvm-inside", false)).unwrap();
    let words = "isolde.lvm=my-vg/store isolde.store=/dev/mapper/my--vg-store";
    let machine = machine("lvm", &first, words, b"").disk(Disk::new("other", &second, Bus::Virtio));
    let mut booted = boot(&machine, &[]);
    assert_store(&mut booted, "dm-0", &["my--vg-store"], false);
    assert_eq!(booted.ask("ls /sys/class/block/dm-0/slaves | tr '\\n' ' '"), "vda vdb");
}

#[test]
fn a_logical_volume_in_luks_is_made_writable_from_below() {
    let group = volumes::lvm("lvm-in-luks-group", &store("lvm-in-luks-inside", true)).unwrap();
    let disk = volumes::luks("lvm-in-luks", LUKS2, &group).unwrap();
    let words = format!("isolde.luks=UUID={UUID} isolde.lvm=my-vg/store isolde.home=/home");
    let mut booted = boot(&machine("lvm-in-luks", &disk, &words, b""), &[PASSPHRASE]);
    assert_store(&mut booted, "dm-1", &[&luks_name(), "my--vg-store"], true);
    booted.ask("echo kept > /home/user/note; sync");
}

/// Boots a machine that must refuse with a message (regular expression), and power off.
fn refused(machine: &Machine, lines: &[&str], message: &str) {
    let mut vm = machine.start().unwrap();
    for line in lines {
        vm.wait_for("Passphrase for /dev/.* crypto_LUKS", TIME).unwrap();
        vm.type_on_console(&format!("{line}\r")).unwrap();
    }
    vm.wait_for(message, TIME).unwrap();
    vm.wait_for("isolde: hint: ", TIME).unwrap();
    vm.wait_for_end(TIME).unwrap();
}

#[test]
fn three_wrong_passphrases() {
    let disk = volumes::luks("wrong", LUKS2, &store("wrong-inside", false)).unwrap();
    let before = blake3::hash(&std::fs::read(&disk).unwrap());
    let words = format!("isolde.onfail=poweroff isolde.luks=UUID={UUID}");
    let message = "isolde: store: open the LUKS volume /dev/vda: none of 3 passphrases opens /dev/vda crypto_LUKS";
    refused(&machine("wrong", &disk, &words, b""), &["one", "two", "three"], message);
    assert_eq!(blake3::hash(&std::fs::read(&disk).unwrap()), before, "the disk was written to");
}

#[test]
fn what_nobody_asks_for_stays_closed() {
    let disk = volumes::luks("closed", LUKS2, &store("closed-inside", false)).unwrap();
    let words = "isolde.onfail=poweroff isolde.wait=3 isolde.luks=auto isolde.luks-key=/etc/store.key";
    // A disk on virtio is not removable.
    let message = "isolde: store: find the store: no file system with the file /live.iso .*/dev/vda crypto_LUKS";
    refused(&machine("closed", &disk, words, PASSPHRASE.as_bytes()), &[], message);
}
