//! Image files that lie oddly: by name, by size, in pieces, in a sub-volume.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests; clippy.toml does not see this file as one")]

use crate::common::small::{self, Guest};
use crate::common::{self, folder};
use isolde_qemu::machine::{Bus, Disk};
use isolde_qemu::store::{FileSystem, Store, odd, prepared};
use std::path::Path;
use std::process::Command;

/// Boots a path of a store, and asserts that its root is from there.
fn boot(name: &str, image: &Path, path: &str, words: &str) -> Guest {
    let words = format!("\"isolde.image={path}\" {words}");
    let machine = small::machine(name, &words).disk(Disk::new("store", image, Bus::Virtio));
    let mut guest = Guest::boot(&machine);
    guest.assert_root(path);
    guest
}

/// `:` and `\`, which the file systems of Windows do not have. What all have is in the matrix.
#[test]
fn a_path_with_every_odd_character_on_ext4() {
    let path = r"/boot/my isos/100% a:b,c\d ü日.iso";
    let image = common::build("odd-ext4", &Store::new(FileSystem::Ext4, "STORE").free(1).copy(path, small::iso()));
    boot("odd-ext4", &image, path, "isolde.store=LABEL=STORE");
}

#[test]
#[ignore = "long: it writes more than 4 GiB"]
fn an_image_of_more_than_4_gib_on_exfat() {
    let iso = folder().join("large.iso");
    odd::beyond_4_gib(small::iso(), "AIROOTFS.SFS", &iso).unwrap();
    let store = Store::new(FileSystem::Exfat, "STORE").free(1).copy("/large.iso", &iso);
    let image = common::build("large-exfat", &store);
    let mut guest = boot("large-exfat", &image, "/large.iso", "isolde.store=LABEL=STORE");
    let size: u64 = guest.ask("stat -c %s /run/isolde/store/large.iso").parse().unwrap();
    assert!(size > 4 << 30, "{size}");
}

#[test]
fn an_image_in_pieces_on_ext4() {
    let image = folder().join("pieces.store");
    let uuid = "15010000-91ec-4000-8000-000000000001";
    odd::fragmented(small::iso(), "small.iso", uuid, &image).unwrap();
    let mut debugfs = Command::new("debugfs");
    debugfs.env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin").args(["-R", "dump_extents -l /small.iso"]).arg(&image);
    let extents = String::from_utf8(debugfs.output().unwrap().stdout).unwrap();
    assert!(extents.lines().count() > 50, "{extents}");
    boot("pieces", &image, "/small.iso", &format!("isolde.store=UUID={uuid}"));
}

/// The path counts from the top of all sub-volumes, as GRUB's does, also where another one is the default.
#[test]
fn an_image_in_a_sub_volume_of_btrfs() {
    let disks = prepared::prepared(small::iso()).unwrap();
    let path = format!("{}{}", prepared::SUB_VOLUME, prepared::PATH);
    let mut guest = boot("sub-volume", &disks.sub_volume, &path, &format!("isolde.store=UUID={}", prepared::UUIDS[3]));
    let options = guest.assert_store("/dev/vda", "btrfs");
    assert!(options.contains(",subvolid=5,"), "{options}");
}

/// An ISO on a disc on which nothing else is: the disc itself is the medium, by its label.
#[test]
fn a_disc_that_is_the_medium_itself() {
    let words = format!("archisobasedir=arch archisolabel={}", small::LABEL);
    let machine = small::machine("disc", &words).disk(Disk::new("disc", small::iso(), Bus::IdeCd));
    let mut guest = Guest::boot(&machine);
    assert_eq!(guest.mount_at("/run/archiso/bootmnt").0, "/dev/sr0");
    assert_eq!(guest.ask("cat /etc/layer"), "airootfs.sfs");
    assert_eq!(guest.warnings(), [""; 0]);
}
