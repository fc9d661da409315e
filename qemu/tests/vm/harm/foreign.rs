//! Beside the store there are disks of other systems, as they are after a crash or while the system sleeps.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests; clippy.toml does not see this file as one")]

use crate::common::small::{self, Guest};
use crate::common::{self, folder};
use isolde_qemu::machine::{Bus, Disk, Machine};
use isolde_qemu::store::{FileSystem, Store, foreign, prepared};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Output and errors of a program of the host.
fn output(program: &str, arguments: &[&str], image: &Path) -> String {
    let mut command = Command::new(program);
    let done = command.env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin").args(arguments).arg(image).output().unwrap();
    String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned()
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("--sparse=auto").arg(from).arg(to).status().unwrap().success());
}

fn digest(image: &Path) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    std::io::copy(&mut File::open(image).unwrap(), &mut hasher).unwrap();
    hasher.finalize()
}

/// What is asserted of a disk before any boot: a tool of its own system says that it is dirty or asleep.
fn assert_as_meant(name: &str, image: &Path) {
    let (text, wanted) = match name {
        "ext4" => (output("dumpe2fs", &["-h"], image), "needs_recovery"),
        "xfs" => (output("xfs_logprint", &["-t"], image), "<DIRTY>"),
        "btrfs" => (log_root(image), "log tree"),
        "swap" => (output("blkid", &["-p"], image), "swsuspend"),
        "lvm" => (output("blkid", &["-p"], image), "LVM2_member"),
        _ => (output("blkid", &["-p", "-O", "1048576"], image), "TYPE=\"ntfs\""),
    };
    assert!(text.contains(wanted), "{name}: {text}");
}

/// btrfs: the superblock's `log_root` is a block number where a log tree is, and 0 where none is.
fn log_root(image: &Path) -> String {
    let text = output("btrfs", &["inspect-internal", "dump-super"], image);
    let line = text.lines().find(|line| line.split_whitespace().next() == Some("log_root"));
    let block = line.and_then(|line| line.split_whitespace().nth(1)).unwrap_or("0");
    if block == "0" { text } else { "log tree".to_owned() }
}

/// All of them. A swap with a sleeping system in it is a reason of its own to leave every internal disk alone.
const ALL: [&str; 6] = ["ext4", "xfs", "btrfs", "swap", "lvm", "windows"];
const ALL_BUT_SWAP: [&str; 5] = ["ext4", "xfs", "btrfs", "lvm", "windows"];

/// The foreign disks of one test, each a copy of its own, with their digests.
struct Foreign {
    disks: Vec<(&'static str, PathBuf, blake3::Hash)>,
}

impl Foreign {
    fn new(test: &str, names: &[&'static str]) -> Foreign {
        let prepared = prepared::prepared(small::iso()).unwrap();
        let disk = |name: &&'static str| {
            let path = folder().join(format!("{test}-{name}.disk"));
            match *name {
                "ext4" => copy(&prepared.ext4, &path),
                "xfs" => copy(&prepared.xfs, &path),
                "btrfs" => copy(&prepared.btrfs, &path),
                "swap" => foreign::hibernated_swap(&path).unwrap(),
                "lvm" => foreign::physical_volume(&path).unwrap(),
                _ => foreign::hibernated_windows(&path).unwrap(),
            }
            assert_as_meant(name, &path);
            let before = digest(&path);
            (*name, path, before)
        };
        Foreign { disks: names.iter().map(disk).collect() }
    }

    /// All of them in the machine, on a bus that is there before the store's, and what is written to them stays.
    fn plug_into(&self, machine: Machine) -> Machine {
        let disk = |(name, path, _): &(&str, PathBuf, _)| Disk::new(name, path, Bus::Virtio).kept();
        self.disks.iter().fold(machine, |machine, foreign| machine.disk(disk(foreign)))
    }

    /// Every byte is as before, and every journal still waits.
    fn assert_untouched(&self) {
        for (name, path, before) in &self.disks {
            assert!(digest(path) == *before, "{name} was written to");
            assert_as_meant(name, path);
        }
    }
}

/// Boots a path from a store on that bus, beside foreign disks; gives the console's text.
fn boot(test: &str, names: &[&'static str], bus: Bus, path: &str, words: &str) -> String {
    let foreign = Foreign::new(test, names);
    let store = Store::new(FileSystem::Ext4, "STORE").free(1).copy(path, small::iso());
    let store = Disk::new("store", &common::build(test, &store), bus);
    let machine = small::machine(test, &format!("isolde.image={path} {words}"));
    let mut guest = Guest::boot(&foreign.plug_into(machine).disk(store));
    guest.assert_root(path);
    let taken = guest.mount_at("/run/isolde/store").0;
    assert_eq!(guest.ask(&format!("cat /sys/class/block/{}/partition", taken.replace("/dev/", ""))), "1");
    let nodes = guest.ask("ls /sys/class/block");
    assert_eq!(guest.ask("ls /sys/class/block | grep -c '^vd.$'"), names.len().to_string(), "{nodes}");
    // Nothing was activated or is in use: no volume of LVM, no swap, no mount of another disk.
    assert!(!nodes.contains("dm-"), "{nodes}");
    assert_eq!(guest.ask("wc -l </proc/swaps"), "1");
    let mounted = guest.ask("grep '^/dev/[svn]' /proc/mounts | cut -d ' ' -f 1 | sort -u");
    assert_eq!(mounted, taken);
    let log = guest.vm.log_text().unwrap();
    drop(guest);
    foreign.assert_untouched();
    log
}

/// A file system was not looked into, for that reason.
fn assert_passed_over(log: &str, what: &str, reason: &str) {
    let fits = |line: &str| line.contains("passed over: /dev/vd") && line.contains(what) && line.contains(reason);
    assert!(log.lines().any(fits), "{what}: {reason} in:\n{log}");
}

const UNMOUNTED: &str = "it was not unmounted";
const SLEEPING: &str = "holds a hibernated system";

#[test]
fn other_disks_stay_as_they_are_when_the_store_is_named() {
    let log = boot("harm-named", &ALL, Bus::Usb, "/boot/iso/small.iso", "isolde.store=LABEL=STORE");
    assert!(!log.contains("passed over"), "{log}");
}

/// The store comes after all others, so that each may be looked into before it.
#[test]
fn other_disks_stay_as_they_are_when_all_are_searched() {
    let log = boot("harm-searched", &ALL_BUT_SWAP, Bus::Ide, "/boot/iso/small.iso", "");
    assert_passed_over(&log, "\"EXT4\"", UNMOUNTED);
    assert_passed_over(&log, "\"XFS\"", UNMOUNTED);
    assert_passed_over(&log, "\"BTRFS\"", UNMOUNTED);
    assert_passed_over(&log, "\"Windows\"", "Windows is hibernated on it");
}

/// Three of them have a file of that name, and come before the store. A journal that waits for replay means that the file
/// system may not be what it seems; it belongs to a system that will want to replay it.
#[test]
fn dirty_internal_disks_are_no_store_even_with_the_image_on_them() {
    let log = boot("harm-decoy", &ALL_BUT_SWAP, Bus::Ide, prepared::PATH, "");
    for label in ["\"EXT4\"", "\"XFS\"", "\"BTRFS\""] {
        assert_passed_over(&log, label, UNMOUNTED);
    }
}

#[test]
fn a_search_that_finds_nothing_touches_nothing() {
    let foreign = Foreign::new("harm-nothing", &ALL);
    let machine = small::machine("harm-nothing", "isolde.image=/none.iso isolde.wait=2 isolde.onfail=poweroff");
    let mut vm = foreign.plug_into(machine).start().unwrap();
    vm.wait_for("isolde: store: find the store: no file system with the file /none.iso", small::BOOT).unwrap();
    vm.wait_for_end(small::BOOT).unwrap();
    let log = vm.log_text().unwrap();
    assert_passed_over(&log, "\"EXT4\"", UNMOUNTED);
    assert_passed_over(&log, "\"XFS\"", UNMOUNTED);
    assert_passed_over(&log, "\"Windows\"", SLEEPING);
    foreign.assert_untouched();
}

/// A stick that was pulled out of a running system is a store all the same: its journal is not replayed.
fn dirty_stick(name: &str, prepared: &Path, uuid: &str, kind: &str, wanted: &str) {
    let image = folder().join(format!("{name}.store"));
    copy(prepared, &image);
    assert_as_meant(kind, &image);
    let before = digest(&image);
    let words = format!("isolde.image={} isolde.store=UUID={uuid}", prepared::PATH);
    let machine = small::machine(name, &words).disk(Disk::new("stick", &image, Bus::Usb).kept());
    let mut guest = Guest::boot(&machine);
    guest.assert_root(prepared::PATH);
    let options = guest.assert_store("/dev/sda", kind);
    assert!(options.contains(&format!(",{wanted},")), "{options}");
    let warnings = guest.warnings();
    assert!(warnings.iter().any(|text| text.contains("may be missing")), "{warnings:?}");
    drop(guest);
    assert!(digest(&image) == before, "the stick was written to");
}

#[test]
fn a_stick_with_a_dirty_ext4_is_used_and_stays_as_it_is() {
    let disks = prepared::prepared(small::iso()).unwrap();
    dirty_stick("dirty-ext4", &disks.ext4, prepared::UUIDS[0], "ext4", "norecovery");
}

#[test]
fn a_stick_with_a_dirty_xfs_is_used_and_stays_as_it_is() {
    let disks = prepared::prepared(small::iso()).unwrap();
    dirty_stick("dirty-xfs", &disks.xfs, prepared::UUIDS[1], "xfs", "norecovery");
}

#[test]
#[ignore = "long: ext4 and xfs are the short ones"]
fn a_stick_with_a_dirty_btrfs_is_used_and_stays_as_it_is() {
    let disks = prepared::prepared(small::iso()).unwrap();
    dirty_stick("dirty-btrfs", &disks.btrfs, prepared::UUIDS[2], "btrfs", "rescue=nologreplay");
}
