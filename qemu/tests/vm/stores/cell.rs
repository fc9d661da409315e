//! One cell of the matrix: a store of one file system and layout on one bus, found in one way.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests; clippy.toml does not see this file as one")]

use crate::common::small::{self, Guest, node};
use crate::common::{self};
use isolde_qemu::machine::{Bus, Disk};
use isolde_qemu::store::{FileSystem, Layout, Store};
use std::fs::OpenOptions;
use std::path::PathBuf;

/// How the store is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Uuid,
    Label,
    PartUuid,
    PartLabel,
    /// Nothing but the image's path is said.
    Search,
}

/// A cell.
#[derive(Debug, Clone)]
pub struct Cell {
    pub name: &'static str,
    pub file_system: FileSystem,
    pub layout: Layout,
    pub bus: Bus,
    pub way: Way,
}

const LABEL: &str = "STORE";
const PARTITION: &str = "images";
const PARTITION_UUID: &str = "15010000-9a27-4000-8000-000000000001";

impl Cell {
    /// A name that is as odd as all of these file systems allow, where the store is searched for. The harness writes files
    /// to NTFS at its top only, and no blanks to XFS.
    pub fn path(&self) -> &'static str {
        match (self.file_system, self.way) {
            (FileSystem::Ntfs, Way::Search) => "/100% a,b 日.iso",
            (FileSystem::Ntfs, _) => "/small.iso",
            (FileSystem::Xfs, Way::Search) => "/boot/100%a,b日.iso",
            (_, Way::Search) => "/boot/my isos/100% a,b 日.iso",
            _ => "/boot/iso/small.iso",
        }
    }

    fn uuid(&self) -> Option<&'static str> {
        match self.file_system {
            FileSystem::Iso9660 | FileSystem::Udf | FileSystem::Squashfs => None,
            FileSystem::Vfat | FileSystem::Exfat => Some("1501-DE04"),
            FileSystem::Ntfs => Some("1501DE0015010DE4"),
            _ => Some("15010000-5702-4000-8000-000000000004"),
        }
    }

    fn image(&self) -> PathBuf {
        let mut store = Store::new(self.file_system, LABEL).layout(self.layout).free(1);
        if let Some(uuid) = self.uuid() {
            store = store.uuid(uuid);
        }
        if self.layout == Layout::Gpt {
            store = store.partition_label(PARTITION).partition_uuid(PARTITION_UUID);
        }
        let image = common::build(self.name, &store.copy(self.path(), small::iso()));
        if self.bus == Bus::Sd {
            let file = OpenOptions::new().write(true).open(&image).unwrap();
            file.set_len(file.metadata().unwrap().len().next_power_of_two()).unwrap();
        }
        image
    }

    /// The words that name the store.
    fn words(&self) -> String {
        match self.way {
            Way::Uuid => format!("isolde.store=UUID={}", self.uuid().unwrap()),
            Way::Label => format!("isolde.store=LABEL={LABEL}"),
            Way::PartUuid => format!("isolde.store=PARTUUID={PARTITION_UUID}"),
            Way::PartLabel => format!("isolde.store=PARTLABEL={PARTITION}"),
            Way::Search => String::new(),
        }
    }

    /// The node on which the store has to be found.
    fn device(&self) -> String {
        let partition = match self.layout {
            Layout::Gpt | Layout::Mbr => Some(1),
            Layout::MbrLogical => Some(5),
            Layout::WholeDisk => None,
        };
        node(self.bus, partition)
    }

    /// Boots it and asks what came of it.
    pub fn boot(&self) {
        let words = format!("\"isolde.image={}\" {}", self.path(), self.words());
        let machine = small::machine(self.name, &words).disk(Disk::new("store", &self.image(), self.bus));
        let mut guest = Guest::boot(&machine);
        let (kind, wanted) = mounted(self.file_system);
        let options = guest.assert_store(&self.device(), kind);
        assert!(wanted.iter().all(|option| options.contains(&format!(",{option},"))), "{options}");
        assert_eq!(guest.report()["store"]["fstype"], superblock(self.file_system));
        assert_eq!(guest.warnings(), [""; 0]);
        guest.assert_root(self.path());
        guest.assert_only_drivers_for_stores();
        self.assert_bus(&mut guest);
    }

    /// The disk belongs to the driver of that bus: one of its devices is on the disk's path in /sys.
    fn assert_bus(&self, guest: &mut Guest) {
        let (bus, driver) = match self.bus {
            Bus::Virtio => ("virtio", "virtio_blk"),
            Bus::VirtioScsi | Bus::ScsiCd => ("virtio", "virtio_scsi"),
            Bus::Usb | Bus::UsbHub => ("usb", "usb-storage"),
            Bus::Uas => ("usb", "uas"),
            Bus::Ahci => ("pci", "ahci"),
            Bus::Ide | Bus::IdeCd => ("pci", "ata_piix"),
            Bus::Nvme => ("pci", "nvme"),
            Bus::Sd => ("pci", "sdhci-pci"),
        };
        let disk = node(self.bus, None).replace("/dev/", "/sys/class/block/");
        let path = guest.ask(&format!("readlink -f {disk}"));
        let devices = guest.ask(&format!("ls /sys/bus/{bus}/drivers/{driver}"));
        assert!(devices.lines().any(|device| path.contains(&format!("/{device}/"))), "{path}: {driver} has {devices}");
        if self.bus == Bus::UsbHub {
            assert!(path.contains("-1.1/"), "{path} is behind no hub");
        }
    }
}

/// The driver that mounts it, and options that keep a mount from writing.
fn mounted(file_system: FileSystem) -> (&'static str, &'static [&'static str]) {
    match file_system {
        FileSystem::Ext2 | FileSystem::Ext3 | FileSystem::Ext4 => ("ext4", &["norecovery"]),
        FileSystem::Vfat => ("vfat", &["utf8"]),
        FileSystem::Exfat => ("exfat", &["iocharset=utf8"]),
        FileSystem::Ntfs => ("ntfs3", &["iocharset=utf8"]),
        FileSystem::Btrfs => ("btrfs", &["rescue=nologreplay", "subvolid=5"]),
        FileSystem::Xfs => ("xfs", &["norecovery"]),
        FileSystem::F2fs => ("f2fs", &["norecovery"]),
        FileSystem::Iso9660 => ("iso9660", &[]),
        FileSystem::Udf => ("udf", &[]),
        FileSystem::Squashfs => ("squashfs", &[]),
        FileSystem::Erofs => ("erofs", &[]),
    }
}

/// What its superblock says, which is also blkid's name.
fn superblock(file_system: FileSystem) -> &'static str {
    match file_system {
        FileSystem::Ext2 => "ext2",
        FileSystem::Ext3 => "ext3",
        FileSystem::Ntfs => "ntfs",
        other => mounted(other).0,
    }
}
