//! One boot per promise: unmodified ISOs, by their own kernel and initrd and our init, asked from inside.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests; clippy.toml does not see this file as one")]

use crate::common::disks::{assert_unmounted, partition};
use crate::common::{Booted, build, machine, stick};
use isolde_mkinitrd::Form;
use isolde_qemu::fixtures;
use isolde_qemu::machine::{Bus, Disk};
use isolde_qemu::store::{FileSystem, Layout, Store};
use std::process::Command;

/// What Debian's live system has to be, whatever it was booted from.
fn assert_debian_live(booted: &mut Booted) {
    assert_eq!(booted.mount_at("/"), "overlay overlay");
    let root = booted.options_of("/");
    assert!(root.contains(",lowerdir=/run/live/rootfs/filesystem.squashfs,"), "{root}");
    assert!(root.contains(",upperdir=/run/live/overlay/rw,"), "{root}");
    assert_eq!(booted.mount_at("/run/live/overlay"), "tmpfs tmpfs");
    assert!(booted.mount_at("/run/live/rootfs/filesystem.squashfs").starts_with("squashfs /dev/loop"));
    assert!(booted.options_of("/run/live/rootfs/filesystem.squashfs").contains(",ro,"));
    assert_eq!(booted.ask("grep -c '^overlay / overlay' /etc/fstab"), "1");
}

#[test]
fn debian_from_ext4_keeps_its_home_over_two_boots() {
    let iso = fixtures::debian().unwrap();
    let path = "/boot/iso/debian live.iso"; // a blank, as people have them
    let store = Store::new(FileSystem::Ext4, "STICK").free(64).copy(path, &iso.path).folder("/home");
    let image = build("ext4-home", &store);
    // All components of live-config would take several times as long as the rest of the boot.
    let words = format!("boot=live components=user-setup,sudo findiso=\"{path}\"");

    let disk = || Disk::new("stick", &image, Bus::Usb).kept();
    let mut first = Booted::start(&machine("ext4-home-1", &iso, Form::Init, &words).disk(disk()));
    assert_debian_live(&mut first);
    first.assert_clean();
    // live-config has made its user, and that user may become root.
    assert_eq!(first.ask("id -u user"), "1000");
    first.ask("su user -c 'sudo -n true'");
    assert!(first.mount_at("/run/live/medium").starts_with("iso9660 /dev/loop"));
    assert!(first.options_of("/run/live/medium").contains(",ro,"));
    for store in ["/run/isolde/store", "/isodevice"] {
        assert_eq!(first.mount_at(store), "ext4 /dev/sda1");
    }
    assert_eq!(first.ask(&format!("stat -c %s '/isodevice{path}'")), iso.path.metadata().unwrap().len().to_string());
    assert!(first.mount_at("/home").starts_with("ext4 /dev/sda1"));
    assert!(first.options_of("/home").contains(",nosuid,nodev,"), "{}", first.options_of("/home"));
    let report = first.report();
    assert_eq!(report["family"], "live-boot");
    assert_eq!(report["image"], path);
    assert_eq!(report["store"]["fstype"], "ext4");
    assert_eq!(report["store"]["writable"], true);
    assert_eq!(report["home"], "/home");
    assert_eq!(report["warnings"].as_array().map(Vec::len), Some(0), "{report}");
    assert!(report["peak_rss_kib"].as_u64().unwrap() <= 8 << 10, "{}", report["peak_rss_kib"]);
    first.ask("su user -c 'echo kept > ~/note'");
    first.power_off();

    let mut second = Booted::begin(&machine("ext4-home-2", &iso, Form::Init, &words).disk(disk()));
    assert_eq!(second.ask("cat /home/user/note"), "kept");
    assert_eq!(second.ask("stat -c %u /home/user/note"), "1000");
    second.power_off();
    assert_unmounted(&["e2fsck", "-f", "-n"], &partition(&image));
}

#[test]
#[ignore = "long: a whole Debian; small systems have each form and file system"]
fn debian_from_btrfs_by_identity_with_the_rdinit_form() {
    let iso = fixtures::debian().unwrap();
    let uuid = "0d2f9b0e-5c1a-4f6e-9f6a-6f1e4c6d7a10";
    let store = Store::new(FileSystem::Btrfs, "STICK").uuid(uuid).copy("/debian.iso", &iso.path);
    let image = build("btrfs", &store);
    let words = format!("boot=live nocomponents isolde.image=/debian.iso isolde.store=UUID={uuid}");
    let machine = machine("btrfs", &iso, Form::Rdinit, &words).disk(Disk::new("stick", &image, Bus::Virtio));
    let mut booted = Booted::begin(&machine);
    assert_debian_live(&mut booted);
    assert!(booted.mount_at("/run/isolde/store").starts_with("btrfs /dev/vda1"));
    assert!(booted.options_of("/run/isolde/store").contains(",ro,"), "nothing asked for a writable store");
    assert_eq!(booted.report()["home"], serde_json::Value::Null);
}

#[test]
#[ignore = "long: the saved sessions boot the same ISO in every run"]
fn the_fedora_layout_with_a_nested_root() {
    let iso = fixtures::fedora_like().unwrap();
    let path = "/boot/iso/fedora.iso";
    let store = Store::new(FileSystem::Ext4, "STICK").layout(Layout::Mbr).copy(path, &iso.path);
    let image = build("fedora", &store);
    let words = iso.stock_words(path);
    let mut booted = Booted::start(&machine("fedora", &iso, Form::Init, &words).disk(stick(&image)));
    assert_eq!(booted.mount_at("/"), "overlay LiveOS_rootfs");
    assert!(booted.options_of("/").contains(",lowerdir=/run/rootfsbase,"));
    assert!(booted.mount_at("/run/initramfs/live").starts_with("iso9660 /dev/loop"));
    // The installer wants a block device as this mount's source.
    assert!(booted.mount_at("/run/rootfsbase").starts_with("ext4 /dev/loop"));
    let report = booted.report();
    assert_eq!(report["family"], "dracut");
    assert_eq!(report["layers"][0]["file"], "LiveOS/squashfs.img/LiveOS/rootfs.img");
    booted.assert_clean();
}

#[test]
#[ignore = "long: a whole Debian; small systems have the medium itself"]
fn an_iso_written_to_the_device_as_it_is() {
    let iso = fixtures::debian().unwrap();
    let machine =
        machine("medium", &iso, Form::Init, "boot=live nocomponents").disk(Disk::new("stick", &iso.path, Bus::Usb));
    let mut booted = Booted::begin(&machine);
    assert_debian_live(&mut booted);
    assert!(booted.mount_at("/run/live/medium").starts_with("iso9660 /dev/sda"));
}

#[test]
fn a_squashfs_alone_from_a_stick_that_comes_late() {
    let iso = fixtures::debian().unwrap();
    let squashfs = crate::common::folder().join("alone.squashfs");
    let copied = Command::new("xorriso")
        .args(["-osirrox", "on", "-indev"])
        .arg(&iso.path)
        .args(["-extract", "/live/filesystem.squashfs"])
        .arg(&squashfs)
        .output()
        .unwrap();
    assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
    let store = Store::new(FileSystem::Ext4, "STICK").partition_label("images").copy("/debian.squashfs", &squashfs);
    let image = build("late", &store);
    let words = "isolde.image=/debian.squashfs isolde.store=PARTLABEL=images isolde.wait=300";
    let machine = machine("late", &iso, Form::Init, words).disk(stick(&image).late());
    let mut vm = machine.start().unwrap();
    // It says what it waits for, more than once, and then takes the stick at once.
    for _ in 0..2 {
        vm.wait_for("isolde: store: waiting for a partition named \"images\"", crate::common::BOOT).unwrap();
    }
    vm.plug("stick").unwrap();
    let shell = vm.shell(crate::common::BOOT).unwrap();
    let mut booted = Booted { vm, shell };
    assert!(booted.options_of("/").contains(",lowerdir=/run/isolde/layer,"));
    assert_eq!(booted.report()["family"], "image");
}
