//! Homes in the machine: whose they are in two systems, encrypted ones, those of the host, and who has them; asked from
//! inside, and looked at from outside.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests; clippy.toml does not see this file as one")]

mod nfs;

use crate::common::small::{BOOT, Guest, machine};
use crate::common::{build, folder, isolde};
use isolde_qemu::families::{Format, root};
use isolde_qemu::machine::{Bus, Disk, Machine, Share, virtiofs_daemon};
use isolde_qemu::store::{FileSystem, Layout, Store};
use isolde_qemu::tool::command;
use std::fs;
use std::path::{Path, PathBuf};

/// A system whose only person is that one.
fn system(name: &str, uid: u32) -> PathBuf {
    let tree = root::lowest(name).unwrap();
    let passwd = format!("root:x:0:0:root:/root:/bin/sh\n{name}:x:{uid}:{uid}::/home/{name}:/bin/sh\n");
    let image = folder().join(format!("home-{name}.squashfs"));
    tree.text("etc/passwd", passwd).text("etc/skel/.profile", "umask 022\n").pack(Format::Squashfs, &image).unwrap();
    image
}

/// A stick with two systems of different people, and more.
fn store(name: &str, kind: FileSystem, more: impl FnOnce(Store) -> Store) -> PathBuf {
    let store = Store::new(kind, "STICK").layout(Layout::Mbr).free(8);
    build(name, &more(store.copy("/live.squashfs", &system("live", 1000)).copy("/bob.squashfs", &system("bob", 1002))))
}

fn create(home: &Path, arguments: &[&str]) {
    let _ = fs::remove_file(home);
    let made = command(isolde().to_str().unwrap()).args(["home", "create"]).arg(home).args(arguments).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// What debugfs(8) answers.
fn debugfs(image: &Path, request: &str) -> String {
    let output = command("debugfs").args(["-R", request]).arg(image).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn user_on_disk(image: &Path, path: &str) -> String {
    let stat = debugfs(image, &format!("stat {path}"));
    assert!(stat.contains("User:"), "{path}: {stat}");
    stat.split("User:").nth(1).unwrap().split_whitespace().next().unwrap().to_owned()
}

/// Starts a machine that must refuse, and gives what was on its console.
fn refused(machine: &Machine, message: &str) {
    let mut vm = machine.start().unwrap();
    vm.wait_for(message, BOOT).unwrap();
    vm.wait_for_end(BOOT).unwrap();
}

#[test]
fn one_home_serves_two_systems_with_different_users() {
    let store = store("home-two", FileSystem::Ext4, |store| store);
    let home = folder().join("home-two.img");
    create(&home, &["--size", "16M", "--owner", "1005:1005"]);
    let boot = |name: &str, image: &str| {
        let words = format!("isolde.image=/{image} isolde.store=LABEL=STICK isolde.home=LABEL=home isolde.home-user=.");
        let stick = Disk::new("stick", &store, Bus::Usb);
        Guest::boot(&machine(name, &words).disk(stick).disk(Disk::new("home", &home, Bus::Virtio).kept()))
    };

    let mut first = boot("home-two-first", "live.squashfs");
    let (source, kind, options) = first.mount_at("/home/live");
    assert_eq!((source.as_str(), kind.as_str()), ("/dev/vda", "ext4"));
    assert!(options.contains(",nosuid,nodev,") && options.contains(",idmapped,"), "{options}");
    assert_eq!(first.report()["home_ids"], "X-mount.idmap=\"u:1005:1000:1 g:1005:1000:1\"");
    assert_eq!(first.ask("stat -c %u:%g /home/live"), "1000:1000");
    first.ask("su live -c 'echo first >/home/live/note; mkdir /home/live/docs'");
    assert_eq!(first.ask("stat -c %u /home/live/note"), "1000");
    assert!(first.ask("cat /home/live/.isolde-lease").contains(" since "), "it is in use");
    assert_eq!(first.warnings(), Vec::<String>::new());
    first.ask("sync");
    drop(first); // it crashes

    let mut second = boot("home-two-second", "bob.squashfs");
    assert_eq!(second.ask("stat -c %u:%g /home/bob /home/bob/note /home/bob/docs | uniq"), "1002:1002");
    assert_eq!(second.ask("su bob -c 'cat /home/bob/note; echo second >/home/bob/docs/note'"), "first");
    let warnings = second.warnings();
    assert!(
        warnings.len() == 1 && warnings[0].contains("is taken over: a system that did not end left it"),
        "{warnings:?}"
    );
    second.ask("sync; umount /home/bob; umount /run/initramfs/home");
    drop(second);

    for path in ["/", "/note", "/docs", "/docs/note"] {
        assert_eq!(user_on_disk(&home, path), "1005", "{path}: nothing is chowned");
    }
    assert_eq!(debugfs(&home, "cat /docs/note"), "second\n");
}

#[test]
fn a_file_on_vfat_with_luks_in_it() {
    let plain = folder().join("home-luks-plain.img");
    create(&plain, &["--size", "16M", "--owner", "1000:1000"]);
    let home = crate::containers::volumes::luks("home-luks", crate::containers::volumes::LUKS2, &plain).unwrap();
    let store = store("home-luks", FileSystem::Vfat, |store| store.copy("/home.img", &home));
    let words = "isolde.image=/live.squashfs isolde.home=/home.img isolde.home-user=anna";
    let start = |name: &str, typed: &str| {
        let mut vm = machine(name, words).disk(Disk::new("stick", &store, Bus::Usb).kept()).start().unwrap();
        vm.wait_for("Passphrase for /home.img", BOOT).unwrap();
        vm.type_on_console(&format!("{typed}\r")).unwrap();
        vm
    };
    let mut first = Guest::of(start("home-luks-first", crate::containers::volumes::PASSPHRASE));
    let (source, kind, options) = first.mount_at("/home/live");
    assert_eq!((source.as_str(), kind.as_str()), ("/dev/dm-0", "ext4"));
    assert!(options.contains(",nosuid,nodev,"), "{options}");
    assert_eq!(first.ask("cat /sys/class/block/dm-0/dm/name"), format!("luks-{}", crate::containers::volumes::UUID));
    assert_eq!(first.ask("cat /home/live/.profile; stat -c %u:%a /home/live"), "umask 022\n1000:750", "a new home");
    first.ask("su live -c 'echo kept >/home/live/note'; rm /home/live/.isolde-lease; sync");
    // What is above the store goes with its last mount, whoever unmounts it.
    first.ask("umount /home/live; umount /run/initramfs/home; sleep 1; sync");
    assert_eq!(first.ask("ls -d /sys/class/block/dm-0 /sys/block/loop1/loop 2>/dev/null || true"), "");
    drop(first);
    let mut second = Guest::of(start("home-luks-second", crate::containers::volumes::PASSPHRASE));
    assert_eq!(second.ask("cat /home/live/note"), "kept");
    assert_eq!(second.warnings(), Vec::<String>::new());
}

/// A folder of the host with a folder of somebody, as QEMU's 9p keeps owners.
fn shared(name: &str) -> PathBuf {
    let shared = folder().join(name);
    let _ = fs::remove_dir_all(&shared);
    fs::create_dir_all(shared.join("anna")).unwrap();
    fs::create_dir(shared.join(".virtfs_metadata")).unwrap();
    let directory = 0o040_755;
    let owner = format!("virtfs.uid=1005\nvirtfs.gid=1005\nvirtfs.mode={directory}\n");
    fs::write(shared.join(".virtfs_metadata/anna"), owner).unwrap();
    shared
}

#[test]
fn a_share_is_used_as_it_is_and_by_one_system_at_a_time() {
    let store = store("home-9p", FileSystem::Ext4, |store| store);
    let shared = shared("home-9p");
    let with = |name: &str, words: &str| {
        let words = format!("isolde.image=/live.squashfs isolde.home=9p:homes isolde.onfail=poweroff {words}");
        let share = Share::NineP { tag: "homes".to_owned(), folder: shared.clone() };
        machine(name, &words).disk(Disk::new("stick", &store, Bus::Virtio)).share(share)
    };
    let mut first = Guest::boot(&with("home-9p-first", ""));
    let (source, kind, options) = first.mount_at("/home");
    assert_eq!((source.as_str(), kind.as_str()), ("homes", "9p"));
    assert!(options.contains(",nosuid,nodev,"), "{options}");
    let warnings = first.warnings();
    let wanted =
        "in this kernel 9p cannot show other owners; mounted as it is: it belongs to 1005:1005, and live is 1000:1000";
    assert!(warnings.len() == 1 && warnings[0].contains(wanted), "{warnings:?}");
    assert_eq!(first.ask("stat -c %u /home/anna"), "1005");
    first.ask("echo seen >/home/anna/note; sync");
    assert_eq!(fs::read_to_string(shared.join("anna/note")).unwrap(), "seen\n");
    let lease = fs::read_to_string(shared.join(".isolde-lease")).unwrap();

    refused(
        &with("home-9p-second", ""),
        "isolde: home: use 9p:homes as the home directory: .*isolde-lease says who has it",
    );
    assert_eq!(fs::read_to_string(shared.join(".isolde-lease")).unwrap(), lease, "the first one still has it");
    assert_eq!(first.ask("cat /home/anna/note"), "seen");
    drop(first);

    let mut third = Guest::boot(&with("home-9p-third", "isolde.home-lease=take"));
    assert!(third.warnings().iter().any(|text| text.contains("is taken over")));
    assert_ne!(fs::read_to_string(shared.join(".isolde-lease")).unwrap(), lease);
}

#[test]
fn a_share_by_virtiofs() {
    if virtiofs_daemon().is_none() {
        // Written past the test harness, which hides what a passing test prints.
        let why = b"skipped: a_share_by_virtiofs: there is no virtiofsd, or no root to run it\n";
        return std::io::Write::write_all(&mut std::io::stderr(), why).unwrap();
    }
    let store = store("home-virtiofs", FileSystem::Ext4, |store| store);
    let shared = folder().join("home-virtiofs");
    let _ = fs::remove_dir_all(&shared);
    fs::create_dir_all(shared.join("live")).unwrap();
    std::os::unix::fs::chown(shared.join("live"), Some(1000), Some(1000)).unwrap();
    let words = "isolde.image=/live.squashfs isolde.home=virtiofs:homes";
    let share = Share::Virtiofs { tag: "homes".to_owned(), folder: shared.clone() };
    let stick = Disk::new("stick", &store, Bus::Usb);
    let mut guest = Guest::boot(&machine("home-virtiofs", words).disk(stick).share(share));
    let (source, kind, options) = guest.mount_at("/home");
    assert_eq!((source.as_str(), kind.as_str()), ("homes", "virtiofs"));
    assert!(options.contains(",nosuid,nodev,"), "{options}");
    guest.ask("su live -c 'echo seen >/home/live/note'; sync");
    assert_eq!(fs::read_to_string(shared.join("live/note")).unwrap(), "seen\n");
    assert_eq!(guest.warnings(), Vec::<String>::new());
    assert!(shared.join(".isolde-lease").exists());
}

#[test]
fn without_a_network_a_server_is_refused_at_once() {
    let store = store("home-nfs", FileSystem::Ext4, |store| store);
    let words = "isolde.image=/live.squashfs isolde.home=nfs:192.0.2.7:/srv/home isolde.onfail=poweroff";
    let machine = machine("home-nfs", words).disk(Disk::new("stick", &store, Bus::Virtio));
    refused(&machine, "isolde: home: use nfs:192.0.2.7:/srv/home as the home directory: the network is down");
}
