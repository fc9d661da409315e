//! The host's commands on an image in pieces, where there is a device mapper.

#![allow(clippy::unwrap_used, reason = "tests; clippy.toml does not see this file as one")]

use super::encrypted::{create, start};
use super::{IMAGE, in_pieces, pieces};
use crate::common::disks::{assert_unmounted, partition};
use crate::common::saved::cat;
use crate::common::small::{self, Guest};
use crate::common::{build, folder, isolde};
use crate::containers::volumes::{self, PASSPHRASE};
use isolde::formats::generations::{Generation, Generations, State};
use isolde::formats::superblock::probe;
use isolde_qemu::families::{Format, root};
use isolde_qemu::machine::{Bus, Disk, Machine};
use isolde_qemu::store::{FileSystem, Layout, Store};
use isolde_qemu::tool::{command, run};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// Two sessions; the second one is dropped.
fn record() -> Generations {
    let one = |number, parent, state| Generation {
        number,
        parent,
        profile: "work".to_owned(),
        base: [1; 32],
        image: "/a.iso".to_owned(),
        boot: "b".to_owned(),
        time: 0,
        state,
    };
    Generations { all: vec![one(1, 0, State::Saved), one(2, 1, State::Dropped)], merging: None }
}

/// Without argon2, for which cryptsetup starts threads, and those want a library that nobody names.
const PBKDF2: &[&str] = &["--type", "luks2", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"];

/// An ext4 with what two sessions have saved.
fn saved(name: &str) -> PathBuf {
    let image = create(&format!("{name}.ext4"), &[]);
    let file = folder().join(format!("{name}.toml"));
    fs::write(&file, record().to_string()).unwrap();
    for request in ["mkdir 1", "mkdir 2", "mkdir 2/etc", &format!("write {} record.toml", file.display())] {
        run("debugfs", command("debugfs").args(["-w", "-R", request]).arg(&image)).unwrap();
    }
    image
}

/// A root with what the host's command runs.
fn system(name: &str, programs: &[&str]) -> PathBuf {
    let image = folder().join(format!("{name}.squashfs"));
    let tree = root::lowest("host").unwrap().link("lib64", "usr/lib64").link("usr/bin/isolde", "/isodevice/isolde");
    let tree = programs.iter().fold(tree, |tree, name| root::with_program(tree, name).unwrap());
    tree.pack(Format::Squashfs, &image).unwrap();
    image
}

/// The host's command, small enough to be copied twice.
fn program(name: &str) -> PathBuf {
    let program = folder().join(format!("{name}-isolde"));
    run("strip", command("strip").arg("-o").arg(&program).arg(isolde())).unwrap();
    program
}

/// The machine, and a second stick in it. What it saves to its own brings the drivers: nobody loads any later.
fn machine(name: &str, programs: &[&str], own: &Path, others: &Path) -> (Machine, PathBuf) {
    let vfat = |label: &str, whole: &Path| {
        in_pieces(Store::new(FileSystem::Vfat, label).layout(Layout::Mbr), &pieces(&format!("{name}-{label}"), whole))
    };
    let stick = build(
        name,
        &vfat("STICK", own).copy("/isolde", &program(name)).copy("/root.squashfs", &system(name, programs)),
    );
    let other = build(&format!("{name}-other"), &vfat("OTHER", others).free(120));
    let words = "isolde.image=/root.squashfs isolde.store=LABEL=STICK isolde.persist=work";
    let disks = [Disk::new("stick", &stick, Bus::Virtio), Disk::new("other", &other, Bus::Virtio).kept()];
    (disks.into_iter().fold(small::machine(name, words).memory(512), Machine::disk), other)
}

/// What all of them do on the other stick, and what is left there.
fn work(mut guest: Guest, key: &str, other: &Path, whole: u64) -> PathBuf {
    assert_eq!(guest.report()["session"], 1);
    let devices = guest.ask("ls /sys/block | grep -c '^dm-'");
    let used = guest.ask(&format!("isolde persist drop /isodevice 1 {key} 2>&1 || true"));
    assert!(used.contains("persist.img is in use by /dev/loop"), "{used}");
    guest.ask("mkdir -p /mnt; mount -t vfat /dev/vdb1 /mnt");
    let listed = guest.ask(&format!("isolde persist list /mnt {key}"));
    assert!(listed.starts_with("1 above the image, saved, profile work") && listed.lines().count() == 2, "{listed}");
    assert_eq!(guest.ask(&format!("isolde persist prune /mnt {key}")), "1 sessions deleted");
    let unwanted = guest.ask(&format!("isolde persist drop /mnt 7 {key} 2>&1 || true"));
    assert!(unwanted.contains("no session 7"), "{unwanted}");
    guest.ask(&format!("isolde persist grow /mnt/boot/isolde/persist.img --size 160M {key}"));
    guest.ask(&format!("isolde persist check /mnt/boot/isolde/persist.img {key}"));
    assert_eq!(guest.ask("stat -c %s /mnt/boot/isolde/persist.img*"), format!("{}\n{}", 33 << 20, 127 << 20));
    assert_eq!(guest.ask(&format!("isolde persist list /mnt {key}")).lines().count(), 1);
    assert_eq!(guest.ask("ls /sys/block | grep -c '^dm-'"), devices, "nothing of it stays");
    guest.ask("umount /mnt; sync");
    drop(guest);

    let volume = partition(other);
    assert_unmounted(&["fsck.vfat", "-n"], &volume);
    let image = joined(&volume);
    assert_eq!(image.metadata().unwrap().len(), whole);
    image
}

/// The file system fills the image, and has one session.
fn assert_grown(image: &Path, size: u64) {
    assert_unmounted(&["e2fsck", "-f", "-n"], image);
    assert_eq!(probe(&File::open(image).unwrap()).unwrap().unwrap().size, Some(size));
    assert!(!cat(image, "/record.toml").contains("dropped"));
    let listed = command("debugfs").args(["-R", "ls -p /"]).arg(image).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.contains("/1//") && !listed.contains("/2//"), "{listed}");
}

#[test]
#[ignore = "long: `make test-long`"]
fn the_commands_of_the_host_work_on_an_image_in_pieces() {
    let (machine, other) =
        machine("pieces-host", &["e2fsck"], &create("pieces-host-own.ext4", &[]), &saved("pieces-host-other"));
    let image = work(Guest::boot(&machine), "", &other, 160 << 20);
    assert_grown(&image, 160 << 20);
}

#[test]
#[ignore = "long: `make test-long`"]
fn and_on_one_that_is_encrypted() {
    let own = volumes::luks("pieces-luks-own", PBKDF2, &create("pieces-luks-own.ext4", &[])).unwrap();
    let others = volumes::luks("pieces-luks-other", PBKDF2, &saved("pieces-luks-other")).unwrap();
    let (machine, other) = machine("pieces-luks", &["e2fsck", "cryptsetup"], &own, &others);
    let mut guest = start(&machine, "Passphrase for /boot/isolde/persist.img");
    guest.ask(&format!("printf '{PASSPHRASE}' >/run/key; mkdir -p /run/cryptsetup"));
    let image = work(guest, "--key-file /run/key", &other, 160 << 20);
    let inside = volumes::inside(&image).unwrap();
    let size = inside.metadata().unwrap().len();
    assert_grown(&inside, size);
}

/// Both pieces on a vfat, one behind the other.
fn joined(volume: &Path) -> PathBuf {
    let whole = folder().join("pieces-host-after.ext4");
    let read = |end: &str| {
        let done = command("mtype").arg("-i").arg(volume).arg(format!("::{IMAGE}{end}")).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        done.stdout
    };
    fs::write(&whole, [read(""), read(".1")].concat()).unwrap();
    whole
}
