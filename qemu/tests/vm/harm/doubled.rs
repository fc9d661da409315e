//! One identity on several devices.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests; clippy.toml does not see this file as one")]

use crate::common::small::{self, Guest};
use crate::common::{self, folder};
use isolde_qemu::machine::{Bus, Disk};
use isolde_qemu::store::{FileSystem, Store};
use std::fs;

const PATH: &str = "/boot/iso/small.iso";
const UUID: &str = "15010000-c10e-4000-8000-000000000001";

/// On a bus whose disks are all there when its driver is, because the rule is about what is there at the time.
#[test]
fn a_clone_of_the_store_is_named_in_a_warning() {
    let store = Store::new(FileSystem::Ext4, "STORE").uuid(UUID).free(1).copy(PATH, small::iso());
    let image = common::build("clone", &store);
    let machine = small::machine("clone", &format!("isolde.image={PATH} isolde.store=UUID={UUID}"));
    let disk = |name| Disk::new(name, &image, Bus::Virtio);
    let mut guest = Guest::boot(&machine.disk(disk("first")).disk(disk("second")));
    guest.assert_root(PATH);
    assert_eq!(guest.mount_at("/run/isolde/store").0, "/dev/vda1");
    let warnings = guest.warnings();
    let names =
        |text: &String| text.contains("/dev/vdb1 ") && text.contains(&format!("UUID={UUID}; taken: /dev/vda1 "));
    assert!(warnings.len() == 1 && warnings.iter().all(names), "{warnings:?}");
}

/// A hybrid ISO on a stick: the disk and its first partition, which begins where the disk does, are one file system.
#[test]
fn a_disk_and_its_partition_with_one_label_are_one_medium() {
    let mut bytes = fs::read(small::iso()).unwrap();
    let sectors = u32::try_from(bytes.len() / 512).unwrap();
    // An MBR's first entry: bootable, from sector 0 to the end, of a type that nobody mounts.
    let entry: Vec<u8> =
        [0x80, 0, 0, 0, 0x17, 0, 0, 0].into_iter().chain([0; 4]).chain(sectors.to_le_bytes()).collect();
    bytes[446..462].copy_from_slice(&entry);
    bytes[510..512].copy_from_slice(&[0x55, 0xaa]);
    let image = folder().join("hybrid.iso");
    fs::write(&image, bytes).unwrap();
    let words = format!("archisobasedir=arch archisolabel={}", small::LABEL);
    let mut guest = Guest::boot(&small::machine("hybrid", &words).disk(Disk::new("stick", &image, Bus::Usb)));
    assert_eq!(guest.ask("ls -d /sys/class/block/sda1"), "/sys/class/block/sda1");
    // Partitions come before the disk that they are on.
    assert_eq!(guest.mount_at("/run/archiso/bootmnt").0, "/dev/sda1");
    assert_eq!(guest.warnings(), [""; 0]);
    assert_eq!(guest.ask("cat /etc/layer"), "airootfs.sfs");
}
