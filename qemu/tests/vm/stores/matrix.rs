//! The matrix. Not the full product, whose cells have nothing to do with one another: every file system both by an
//! identity and by search, every bus, every layout. Every file system, bus, layout and way is in `make test` once.

use super::cell::{Cell, Way};
use isolde_qemu::machine::Bus;
use isolde_qemu::store::{FileSystem, Layout};
use std::collections::BTreeSet;

/// One test for each line: `NAME: FILE SYSTEM, LAYOUT, BUS, WAY;`; those that `make test` does without are marked.
macro_rules! cells {
    ($($(#[$long:meta])? $name:ident: $file_system:ident, $layout:ident, $bus:ident, $way:ident;)*) => {
        const CELLS: &[Cell] = &[$(Cell {
            name: stringify!($name),
            file_system: FileSystem::$file_system,
            layout: Layout::$layout,
            bus: Bus::$bus,
            way: Way::$way,
        }),*];
        $(#[test]
        $(#[$long])?
        fn $name() {
            CELLS.iter().find(|cell| cell.name == stringify!($name)).unwrap().boot();
        })*
    };
}

cells! {
    ext2_on_ide:              Ext2,     Mbr,        Ide,        Label;
    #[ignore = "long: `make test-long`"]
    ext2_on_usb:              Ext2,     WholeDisk,  Usb,        Search;
    #[ignore = "long: `make test-long`"]
    ext3_in_a_logical:        Ext3,     MbrLogical, Ahci,       Search;
    ext3_on_nvme:             Ext3,     Gpt,        Nvme,       PartLabel;
    #[ignore = "long: `make test-long`"]
    ext4_on_virtio:           Ext4,     Gpt,        Virtio,     Search;
    ext4_behind_a_hub:        Ext4,     WholeDisk,  UsbHub,     Uuid;
    vfat_on_an_sd_card:       Vfat,     Mbr,        Sd,         Uuid;
    #[ignore = "long: `make test-long`"]
    vfat_on_usb:              Vfat,     WholeDisk,  Usb,        Search;
    exfat_on_uas:             Exfat,    Gpt,        Uas,        Uuid;
    #[ignore = "long: `make test-long`"]
    exfat_on_an_sd_card:      Exfat,    Mbr,        Sd,         Search;
    ntfs_on_usb:              Ntfs,     Mbr,        Usb,        Uuid;
    #[ignore = "long: `make test-long`"]
    ntfs_on_ahci:             Ntfs,     Gpt,        Ahci,       Search;
    btrfs_on_virtio_scsi:     Btrfs,    Gpt,        VirtioScsi, Uuid;
    #[ignore = "long: `make test-long`"]
    btrfs_behind_a_hub:       Btrfs,    WholeDisk,  UsbHub,     Search;
    xfs_on_nvme:              Xfs,      Gpt,        Nvme,       Uuid;
    #[ignore = "long: `make test-long`"]
    xfs_on_virtio_scsi:       Xfs,      WholeDisk,  VirtioScsi, Search;
    #[ignore = "long: `make test-long`"]
    f2fs_on_uas:              F2fs,     Mbr,        Uas,        Label;
    f2fs_on_nvme:             F2fs,     WholeDisk,  Nvme,       Search;
    #[ignore = "long: `make test-long`"]
    iso9660_in_a_drive:       Iso9660,  WholeDisk,  IdeCd,      Label;
    iso9660_in_a_scsi_drive:  Iso9660,  WholeDisk,  ScsiCd,     Search;
    udf_in_a_drive:           Udf,      WholeDisk,  IdeCd,      Search;
    #[ignore = "long: `make test-long`"]
    udf_on_usb:               Udf,      WholeDisk,  Usb,        Label;
    squashfs_on_ide:          Squashfs, Gpt,        Ide,        PartUuid;
    squashfs_on_virtio:       Squashfs, MbrLogical, Virtio,     Search;
    erofs_on_ahci:            Erofs,    Gpt,        Ahci,       Uuid;
    #[ignore = "long: `make test-long`"]
    erofs_on_ide:             Erofs,    Mbr,        Ide,        Search;
}

#[test]
fn every_file_system_is_found_in_both_ways_and_every_bus_and_layout_occurs() {
    let count = |texts: Vec<String>| texts.into_iter().collect::<BTreeSet<_>>().len();
    let searched = |cell: &&Cell| cell.way == Way::Search;
    let systems = |cells: Vec<&Cell>| count(cells.iter().map(|cell| format!("{:?}", cell.file_system)).collect());
    assert_eq!(systems(CELLS.iter().filter(searched).collect()), 13);
    assert_eq!(systems(CELLS.iter().filter(|cell| !searched(cell)).collect()), 13);
    assert_eq!(count(CELLS.iter().map(|cell| format!("{:?}", cell.bus)).collect()), 11);
    assert_eq!(count(CELLS.iter().map(|cell| format!("{:?}", cell.layout)).collect()), 4);
    assert_eq!(count(CELLS.iter().map(|cell| format!("{:?}", cell.way)).collect()), 5);
}
