//! Where sessions are saved when it is not a folder of the store: an image in pieces on vfat that grows, one that is made at
//! the boot, and a partition of its own.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests; clippy.toml does not see this file as one"
)]

mod encrypted;
mod host;
mod ntfs;

use crate::common::disks::{assert_unmounted, partition};
use crate::common::saved::{self, IMAGE, image_of};
use crate::common::small::Guest;
use crate::common::{Booted, build, folder, machine, stick};
use isolde_mkinitrd::Form;
use isolde_qemu::fixtures;
use isolde_qemu::machine::{Bus, Disk, Machine};
use isolde_qemu::store::{FileSystem, Layout, Store};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const MIB: usize = 1 << 20;

fn small_machine(name: &str, image: &Path, more: &str) -> Machine {
    saved::machine(name, image, &format!("isolde.persist=work {more}"))
}

fn vfat() -> Store {
    saved::store(FileSystem::Vfat).layout(Layout::Mbr)
}

/// The bytes of an ext4 of 80 MiB, cut after 33.
fn pieces(name: &str, whole: &Path) -> [PathBuf; 2] {
    let bytes = fs::read(whole).unwrap();
    let (first, second) = bytes.split_at(33 * MIB);
    [("first", first), ("second", second)].map(|(number, bytes)| {
        let path = folder().join(format!("{name}-{number}.img"));
        fs::write(&path, bytes).unwrap();
        path
    })
}

/// A stick with both.
fn in_pieces(store: Store, pieces: &[PathBuf; 2]) -> Store {
    store.copy(IMAGE, &pieces[0]).copy(&format!("{IMAGE}.1"), &pieces[1])
}

#[test]
fn an_image_in_pieces_on_vfat_grows() {
    let pieces = pieces("pieces", &image_of("pieces-whole.img", 80));
    let image = build("persist-pieces", &in_pieces(vfat(), &pieces).free(200));
    let mebibytes = "busybox df -m /run/initramfs/isolde/persist | tail -n 1 | awk '{ print $2 }'";
    let mut guest = Guest::boot(&small_machine("persist-pieces", &image, ""));
    let before: u64 = guest.ask(mebibytes).parse().unwrap();
    assert!((60..80).contains(&before), "{before} MiB");
    guest.ask("echo mine > /etc/mine; sync");
    drop(guest);
    let mut guest = Guest::boot(&small_machine("persist-grown", &image, "isolde.persist-size=160M"));
    assert_eq!(guest.warnings().iter().filter(|text| !text.contains("did not come to its end")).count(), 0);
    let after: u64 = guest.ask(mebibytes).parse().unwrap();
    assert!((130..160).contains(&after), "{after} MiB: {}", guest.vm.log_text().unwrap());
    assert_eq!(guest.ask("cat /etc/mine; stat -c %s /run/isolde/store/boot/isolde/persist.img*"), {
        format!("mine\n{}\n{}", 33 * MIB, 127 * MIB)
    });
    // More than the first size holds, across the place where a piece ends.
    guest.ask(
        "dd if=/dev/zero of=/large bs=1M count=100 2>/dev/null; echo end >> /large; busybox md5sum /large > /sum; sync",
    );
    drop(guest);
    let mut guest = Guest::boot(&small_machine("persist-smaller", &image, "isolde.persist-size=64M"));
    assert_eq!(guest.ask("busybox md5sum /large | cmp - /sum && cat /etc/mine"), "mine");
    assert_eq!(guest.ask(mebibytes), after.to_string(), "it never shrinks");
}

#[test]
fn a_partition_of_its_own() {
    let image = build("persist-beside", &vfat());
    let keep = build("persist-keep", &Store::new(FileSystem::Ext4, "KEEP").layout(Layout::Gpt).free(96));
    let boot = |name: &str, more: &str| {
        let words = format!("isolde.persist-on=LABEL=KEEP {more}");
        Guest::boot(&small_machine(name, &image, &words).disk(Disk::new("keep", &keep, Bus::Virtio).kept()))
    };
    let mut guest = boot("persist-beside", "");
    let report = guest.report();
    assert_eq!((report["session"].as_u64(), report["store"]["writable"].as_bool()), (Some(1), Some(false)), "{report}");
    guest.ask("echo mine > /etc/mine; rm /etc/layer; sync");
    drop(guest);
    let mut guest = boot("persist-beside-2", "isolde.session=discard");
    assert_eq!(guest.ask("cat /etc/mine; test ! -e /etc/layer && echo gone"), "mine\ngone");
    let mounted = guest.ask("grep -c '^/dev/vdb1 /run/initramfs/isolde/persist[^ ]* ext4 ro,' /proc/mounts");
    assert_eq!(mounted, "2", "the device and its folder, to be read only");
}

#[test]
#[ignore = "long: Debian, for its mke2fs, over two boots"]
fn debian_makes_its_image_on_vfat() {
    let iso = fixtures::debian().unwrap();
    let store = Store::new(FileSystem::Vfat, "STICK").layout(Layout::Mbr).copy("/debian.iso", &iso.path).free(400);
    let image = build("persist-made", &store);
    let boot = |name: &str| {
        let words = format!("{} isolde.persist=work isolde.persist-size=200M", iso.stock_words("/debian.iso"));
        Booted::start(&machine(name, &iso, Form::Init, &words).disk(stick(&image).kept()))
    };
    let mut booted = boot("persist-made");
    assert_eq!(booted.report()["session"], 1);
    booted.ask("echo mine > /etc/mine; stat -c %s /run/isolde/store/boot/isolde/persist.img");
    booted.power_off();
    let vfat = partition(&image);
    assert_unmounted(&["fsck.vfat", "-n"], &vfat);
    let made = folder().join("persist-made.ext4");
    let copied =
        Command::new("mcopy").arg("-n").arg("-i").arg(&vfat).arg("::/boot/isolde/persist.img").arg(&made).status();
    assert!(copied.unwrap().success());
    assert_unmounted(&["e2fsck", "-f", "-n"], &made);
    let mut booted = boot("persist-made-2");
    assert_eq!(booted.ask("cat /etc/mine"), "mine");
    booted.power_off();
}
