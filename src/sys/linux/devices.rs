//! What /sys says of the devices (kernel: Documentation/ABI/stable/sysfs-block, testing/sysfs-bus-*).

use crate::sys::{BlockDevice, Bus};
use std::collections::BTreeSet;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// /sys counts block devices in these.
const SECTOR: u64 = 512;
/// Buses whose devices have no drivers that a store could need; each file that is not read saves time.
const BORING_BUSES: [&str; 10] = [
    "clockevents",
    "clocksource",
    "cpu",
    "event_source",
    "gpio",
    "machinecheck",
    "memory",
    "node",
    "nvmem",
    "workqueue",
];

/// All block devices with a size, but for loops, RAM disks and floppy drives.
pub(super) fn block_devices() -> io::Result<Vec<BlockDevice>> {
    let mut devices = Vec::new();
    for entry in std::fs::read_dir("/sys/class/block")? {
        let Ok(name) = entry?.file_name().into_string() else { continue };
        if ["loop", "ram", "zram", "fd"].iter().any(|kind| name.strip_prefix(kind).is_some_and(begins_with_digit)) {
            continue;
        }
        let folder = Path::new("/sys/class/block").join(&name);
        let size = number(&folder.join("size")).unwrap_or(0).saturating_mul(SECTOR);
        if size == 0 {
            continue; // a card reader without a card
        }
        let partition = number(&folder.join("partition")).and_then(|n| u32::try_from(n).ok());
        // The link leads to …/usb1/…/block/sda/sda1.
        let path = std::fs::read_link(&folder).unwrap_or_default();
        let disk = partition.and_then(|_| path.parent()?.file_name()?.to_str().map(str::to_owned));
        let of_disk = Path::new("/sys/class/block").join(disk.as_deref().unwrap_or(&name));
        let sequence = number(&of_disk.join("diskseq"));
        let bus = bus(&path);
        let removable = bus == Bus::Usb || number(&of_disk.join("removable")) == Some(1);
        let mapped = std::fs::read_to_string(folder.join("dm/name")).ok().map(|name| name.trim_end().to_owned());
        devices.push(BlockDevice { name, disk, partition, sequence, size, removable, bus, mapped });
    }
    inherit(&mut devices);
    devices.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(devices)
}

/// What is made of a removable device is removable as well, also where one is made of another.
fn inherit(devices: &mut [BlockDevice]) {
    for _ in 0..devices.iter().filter(|device| device.mapped.is_some()).count() {
        let removable: BTreeSet<String> = devices.iter().filter(|d| d.removable).map(|d| d.name.clone()).collect();
        for device in devices.iter_mut().filter(|device| device.mapped.is_some() && !device.removable) {
            let below = std::fs::read_dir(Path::new("/sys/class/block").join(&device.name).join("slaves"));
            let mut below =
                below.into_iter().flatten().flatten().filter_map(|lower| lower.file_name().into_string().ok());
            device.removable = below.any(|lower| removable.contains(&lower));
        }
    }
}

pub(super) fn logical_block_size(disk: &str) -> io::Result<u64> {
    let path = Path::new("/sys/class/block").join(disk).join("queue/logical_block_size");
    let missing = || io::Error::new(io::ErrorKind::InvalidData, format!("{} holds no number", path.display()));
    number(&path).ok_or_else(missing)
}

/// The modalias of every device on every bus.
pub(super) fn modaliases() -> io::Result<Vec<String>> {
    let mut all = BTreeSet::new();
    for bus in std::fs::read_dir("/sys/bus")? {
        let bus = bus?;
        if bus.file_name().to_str().is_some_and(|name| BORING_BUSES.contains(&name)) {
            continue;
        }
        // A bus without devices, and a device that goes away meanwhile, are no errors.
        for device in std::fs::read_dir(bus.path().join("devices")).into_iter().flatten().flatten() {
            let path: PathBuf = device.path().join("modalias");
            if let Ok(text) = std::fs::read_to_string(path) {
                all.insert(text.trim_end().to_owned());
            }
        }
    }
    Ok(all.into_iter().filter(|modalias| !modalias.is_empty()).collect())
}

/// Of the devices on buses that a store or a keyboard can be on. The link `driver` is there once one has taken it.
pub(super) fn without_driver() -> io::Result<Vec<String>> {
    let mut all = BTreeSet::new();
    for bus in ["pci", "usb", "scsi", "virtio"] {
        for device in std::fs::read_dir(format!("/sys/bus/{bus}/devices")).into_iter().flatten().flatten() {
            if !device.path().join("driver").exists()
                && let Ok(text) = std::fs::read_to_string(device.path().join("modalias"))
            {
                all.insert(text.trim_end().to_owned());
            }
        }
    }
    Ok(all.into_iter().collect())
}

/// An interface of the class for mass storage is bound, and below its SCSI host there is nothing yet. A reader without a
/// card has something there.
pub(super) fn is_usb_disk_coming() -> bool {
    let children = |path: &Path, kind: &'static str| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        entries.filter(|entry| entry.file_name().as_bytes().starts_with(kind.as_bytes())).map(|e| e.path()).collect()
    };
    let interfaces = std::fs::read_dir("/sys/bus/usb/devices").into_iter().flatten().flatten();
    interfaces.map(|entry| entry.path()).any(|interface| {
        std::fs::read_to_string(interface.join("bInterfaceClass")).is_ok_and(|class| class.trim() == "08")
            && interface.join("driver").exists()
            && children(&interface, "host").iter().all(|host| children(host, "target").is_empty())
    })
}

/// By the names of the folders above it, the nearest to the root first: a card reader on USB is on USB.
fn bus(path: &Path) -> Bus {
    const NAMES: [(&str, Bus); 7] = [
        ("usb", Bus::Usb), // usb1, the root hub
        ("ata", Bus::Ata),
        ("nvme", Bus::Nvme),
        ("mmc_host", Bus::Mmc),
        ("virtio", Bus::Virtio),
        ("host", Bus::Scsi),
        ("virtual", Bus::Mapped),
    ];
    let named = |part: &str| {
        let of = |(name, bus): &(&str, Bus)| match part.strip_prefix(name) {
            Some("") if matches!(bus, Bus::Nvme | Bus::Mmc | Bus::Mapped) => Some(*bus),
            Some(number) if is_number(number) => Some(*bus),
            _ => None,
        };
        NAMES.iter().find_map(of)
    };
    path.components().find_map(|part| named(part.as_os_str().to_str()?)).unwrap_or_default()
}

fn number(path: &Path) -> Option<u64> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// `loop0`, and `loop0p1` where loop devices have partitions.
fn begins_with_digit(text: &str) -> bool {
    text.starts_with(|letter: char| letter.is_ascii_digit())
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_block_devices() {
        let devices = block_devices().unwrap();
        assert!(devices.iter().all(|device| device.size > 0 && !device.name.starts_with("loop")));
    }

    #[test]
    fn the_bus_is_seen_in_the_path() {
        for (path, wanted) in [
            ("../../devices/pci0000:00/0000:00:1d.0/usb4/4-1/4-1:1.0/host6/target6:0:0/6:0:0:0/block/sdb", Bus::Usb),
            ("../../devices/pci0000:00/0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0/block/sda/sda1", Bus::Ata),
            ("../../devices/pci0000:00/0000:00:04.0/nvme/nvme0/nvme0n1", Bus::Nvme),
            ("../../devices/pci0000:00/0000:00:05.0/mmc_host/mmc0/mmc0:4567/block/mmcblk0", Bus::Mmc),
            ("../../devices/pci0000:00/0000:00:03.0/virtio1/block/vda", Bus::Virtio),
            ("../../devices/pci0000:00/0000:00:03.0/virtio1/host2/target2:0:0/2:0:0:0/block/sdc", Bus::Virtio),
            ("../../devices/virtual/block/dm-0", Bus::Mapped),
            ("../../devices/pci0000:00/usbmisc/x", Bus::Other),
        ] {
            assert_eq!(bus(Path::new(path)), wanted, "{path}");
        }
    }
}
