//! A stick in NTFS: an image file is made on it, and Windows finds the volume as it should.

#![allow(clippy::unwrap_used, reason = "tests; clippy.toml does not see this file as one")]

use super::{IMAGE, MIB};
use crate::common::disks::{assert_unmounted, partition};
use crate::common::saved::{self, image_of};
use crate::common::small::{self, Guest};
use crate::common::{build, folder};
use isolde::formats::superblock::{NtfsState, ntfs_state};
use isolde_qemu::fixtures::{Init, root_of};
use isolde_qemu::machine::{Bus, Disk};
use isolde_qemu::store::{FileSystem, Layout, Store};
use isolde_qemu::tool::command;
use std::fs::{self, File};
use std::path::Path;

/// What a tool of ntfs-3g says when it is content, on its standard output.
fn asked(program: &str, arguments: &[&str], volume: &Path, path: Option<&str>) -> Vec<u8> {
    let done = command(program).args(arguments).arg(volume).args(path).output().unwrap();
    assert!(done.status.success(), "{program}: {}", String::from_utf8_lossy(&done.stderr));
    done.stdout
}

fn blake3(image: &Path) -> blake3::Hash {
    blake3::Hasher::new().update_reader(File::open(image).unwrap()).unwrap().finalize()
}

fn state(volume: &Path) -> NtfsState {
    ntfs_state(&File::open(volume).unwrap()).unwrap()
}

/// Whether the tools of another driver find nothing that Windows would mind.
fn assert_unmounted_ntfs(volume: &Path) {
    assert_eq!(state(volume), NtfsState::Unmounted);
    let checked = asked("ntfsfix", &["-n"], volume, None);
    assert!(String::from_utf8_lossy(&checked).contains("processed successfully"));
    let flags = String::from_utf8(asked("ntfsinfo", &["-m"], volume, None)).unwrap();
    assert!(flags.contains("Volume Flags: 0x0000"), "{flags}");
}

#[test]
#[ignore = "long: four boots"]
fn an_image_on_ntfs_is_made_kept_and_left_alone_while_windows_wants_a_check() {
    let store = Store::new(FileSystem::Ntfs, "STICK").layout(Layout::Mbr).free(120);
    let image = build("persist-ntfs", &store.copy("/root.squashfs", &root_of(Init::Sysvinit).unwrap()));
    let boot = |name: &str, from: &Path| {
        let words = "isolde.image=/root.squashfs isolde.store=LABEL=STICK isolde.persist=work isolde.persist-size=64M";
        Guest::boot(&small::machine(name, words).disk(Disk::new("stick", from, Bus::Virtio).kept()))
    };
    let session = |guest: &mut Guest| {
        let report = guest.report();
        (report["session"].as_u64(), report["store"]["writable"].as_bool())
    };

    let mut guest = boot("persist-ntfs", &image);
    assert_eq!(session(&mut guest), (Some(1), Some(true)));
    assert_eq!(guest.warnings(), Vec::<String>::new());
    assert_eq!(guest.mount_at("/run/isolde/store").1, "ntfs3");
    // More than mke2fs has written to, so the end of what is valid in the file moves; then the power goes.
    guest.ask(
        "echo mine >/etc/mine; dd if=/dev/urandom of=/large bs=1M count=20 2>/dev/null; md5sum /large >/sum; sync",
    );
    drop(guest);

    let mut guest = boot("persist-ntfs-2", &image);
    assert_eq!(session(&mut guest), (Some(2), Some(true)), "{:?}", guest.warnings());
    assert_eq!(guest.ask("cat /etc/mine; md5sum /large | cmp - /sum"), "mine");
    guest.ask("echo more >/etc/more");
    let log = guest.stop("poweroff");
    assert!(log.contains("isolde: exit: everything is unmounted") && !log.contains("stays mounted"), "{log}");
    let volume = partition(&image);
    assert_unmounted_ntfs(&volume);
    let inner = folder().join("persist-ntfs.ext4");
    fs::write(&inner, asked("ntfscat", &[], &volume, Some(IMAGE))).unwrap();
    assert_eq!(inner.metadata().unwrap().len(), 64 * MIB as u64);
    assert_unmounted(&["e2fsck", "-f", "-n"], &inner);

    // As a disk of its own. Windows asks for a check.
    asked("ntfsfix", &[], &volume, None);
    assert_eq!(state(&volume), NtfsState::Marked);
    let before = blake3(&volume);
    let mut guest = boot("persist-ntfs-marked", &volume);
    assert_eq!(session(&mut guest), (None, Some(false)));
    let warnings = guest.warnings().join("\n");
    let marked = "is not written to: it is marked as not unmounted; have Windows check it: chkdsk /f";
    assert!(warnings.contains("this session is in memory: /dev/vda ntfs \"STICK\"") && warnings.contains(marked));
    assert_eq!(guest.ask("cat /etc/mine /etc/more; echo new >/etc/new; cat /etc/new"), "mine\nmore\nnew");
    guest.stop("poweroff");
    assert_eq!(blake3(&volume), before, "not a bit was written");

    asked("ntfsfix", &["-d"], &volume, None);
    let mut guest = boot("persist-ntfs-checked", &volume);
    assert_eq!(session(&mut guest), (Some(3), Some(true)));
    assert_eq!(guest.ask("cat /etc/more; test ! -e /etc/new"), "more");
}

#[test]
fn an_ntfs_that_windows_sleeps_on_is_only_read() {
    let home = image_of("ntfs-asleep-home.img", 16);
    let store = saved::store(FileSystem::Ntfs).layout(Layout::Mbr).copy("/home.img", &home);
    // As a disk of its own.
    let volume = partition(&build("ntfs-asleep", &store));
    let hibernated = folder().join("ntfs-asleep-hiberfil.sys");
    fs::write(&hibernated, [b"HIBR".as_slice(), &[0x5a; 1 << 16]].concat()).unwrap();
    let copied = command("ntfscp").arg("-q").arg(&volume).arg(&hibernated).arg("hiberfil.sys").status().unwrap();
    assert!(copied.success());
    let before = blake3(&volume);
    let mut guest = Guest::boot(&saved::machine("ntfs-asleep", &volume, ""));
    let options = guest.assert_store("/dev/vda", "ntfs3");
    assert!(options.contains(",ro,"), "{options}");
    let warnings = guest.warnings().join("\n");
    assert!(warnings.contains("Windows is hibernated on it (hiberfil.sys)"), "{warnings}");
    assert!(warnings.contains("shut Windows down fully: shutdown /s /t 0"), "{warnings}");
    guest.ask("sync");
    drop(guest);
    assert_eq!(blake3(&volume), before, "not a bit was written");
}

#[test]
#[ignore = "long: `make test-long`"]
fn a_home_in_an_image_on_ntfs() {
    let home = image_of("ntfs-home.img", 16);
    let root = root_of(Init::Sysvinit).unwrap();
    let store = Store::new(FileSystem::Ntfs, "STICK").layout(Layout::Mbr);
    let image = build("ntfs-home", &store.copy("/home.img", &home).copy("/root.squashfs", &root));
    let words = "isolde.image=/root.squashfs isolde.store=LABEL=STICK";
    let disk = Disk::new("stick", &image, Bus::Virtio).kept();
    let mut guest = Guest::boot(&small::machine("ntfs-home", words).disk(disk));
    assert!(guest.mount_at("/home").2.contains(",rw,"));
    guest.ask("echo kept >/home/note");
    let log = guest.stop("poweroff");
    assert!(log.contains("isolde: exit: everything is unmounted") && !log.contains("stays mounted"), "{log}");
    let volume = partition(&image);
    assert_unmounted_ntfs(&volume);
    let inner = folder().join("ntfs-home-after.img");
    fs::write(&inner, asked("ntfscat", &[], &volume, Some("/home.img"))).unwrap();
    assert_unmounted(&["e2fsck", "-f", "-n"], &inner);
    assert_eq!(saved::cat(&inner, "/note"), "kept\n");
}
