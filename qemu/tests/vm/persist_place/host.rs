//! The host's commands on an image in pieces, where there is a device mapper.

#![allow(clippy::unwrap_used, reason = "tests; clippy.toml does not see this file as one")]

use super::{IMAGE, in_pieces, pieces};
use crate::common::disks::{assert_unmounted, partition};
use crate::common::saved::{cat, image_of};
use crate::common::small::{self, Guest};
use crate::common::{build, folder, isolde};
use isolde::formats::generations::{Generation, Generations, State};
use isolde::formats::superblock::probe;
use isolde_qemu::families::{Format, root};
use isolde_qemu::machine::{Bus, Disk};
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

/// An ext4 with what two sessions have saved.
fn saved() -> PathBuf {
    let image = image_of("pieces-host.ext4", 80);
    let file = folder().join("pieces-host.toml");
    fs::write(&file, record().to_string()).unwrap();
    for request in ["mkdir 1", "mkdir 2", "mkdir 2/etc", &format!("write {} record.toml", file.display())] {
        run("debugfs", command("debugfs").args(["-w", "-R", request]).arg(&image)).unwrap();
    }
    image
}

/// A root with the host's command and what it runs.
fn system() -> PathBuf {
    let (image, program) = (folder().join("pieces-host.squashfs"), folder().join("pieces-host-isolde"));
    run("strip", command("strip").arg("-o").arg(&program).arg(isolde())).unwrap();
    let tree = root::lowest("host").unwrap().copy("usr/bin/isolde", &program).link("lib64", "usr/lib64");
    root::with_program(tree, "e2fsck").unwrap().pack(Format::Squashfs, &image).unwrap();
    image
}

#[test]
fn the_commands_of_the_host_work_on_an_image_in_pieces() {
    let vfat = |label: &str, whole: &Path| {
        in_pieces(Store::new(FileSystem::Vfat, label).layout(Layout::Mbr), &pieces(&format!("pieces-{label}"), whole))
    };
    let empty = image_of("pieces-host-empty.ext4", 80);
    let stick = build("pieces-host", &vfat("STICK", &empty).copy("/root.squashfs", &system()));
    let other = build("pieces-host-other", &vfat("OTHER", &saved()).free(120));
    // What this boot saves brings the drivers: nobody loads any later.
    let words = "isolde.image=/root.squashfs isolde.store=LABEL=STICK isolde.persist=work";
    let disks = [Disk::new("stick", &stick, Bus::Virtio), Disk::new("other", &other, Bus::Virtio).kept()];
    let mut guest =
        Guest::boot(&disks.into_iter().fold(small::machine("pieces-host", words), |all, disk| all.disk(disk)));
    assert_eq!(guest.report()["session"], 1);
    let used = guest.ask("isolde persist drop /isodevice 1 2>&1 || true");
    assert!(used.contains("persist.img is in use by /dev/loop"), "{used}");

    guest.ask("mkdir -p /mnt; mount -t vfat /dev/vdb1 /mnt");
    let listed = guest.ask("isolde persist list /mnt");
    assert!(listed.starts_with("1 above the image, saved, profile work") && listed.lines().count() == 2, "{listed}");
    assert_eq!(guest.ask("isolde persist prune /mnt"), "1 sessions deleted");
    let unwanted = guest.ask("isolde persist drop /mnt 7 2>&1 || true");
    assert!(unwanted.contains("no session 7"), "{unwanted}");
    guest.ask("isolde persist grow /mnt/boot/isolde/persist.img --size 160M");
    guest.ask("isolde persist check /mnt/boot/isolde/persist.img");
    assert_eq!(guest.ask("stat -c %s /mnt/boot/isolde/persist.img*"), format!("{}\n{}", 33 << 20, 127 << 20));
    assert_eq!(guest.ask("isolde persist list /mnt").lines().count(), 1);
    // Nothing of it stays: the stick can go.
    assert_eq!(guest.ask("ls /sys/block | grep -c '^dm-'"), "1");
    guest.ask("umount /mnt; sync");
    drop(guest);

    let volume = partition(&other);
    assert_unmounted(&["fsck.vfat", "-n"], &volume);
    let whole = joined(&volume);
    assert_unmounted(&["e2fsck", "-f", "-n"], &whole);
    assert_eq!(probe(&File::open(&whole).unwrap()).unwrap().unwrap().size, Some(160 << 20), "the file system, too");
    assert!(!cat(&whole, "/record.toml").contains("dropped"));
    let listed = command("debugfs").args(["-R", "ls -p /"]).arg(&whole).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.contains("/1//") && !listed.contains("/2//"), "{listed}");
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
