//! QEMU's arguments for disks: an image (`-drive`), what it is plugged into, and the device.
//!
//! Pure: everything here is text. The controllers of USB and SATA are in every machine, those of the other buses come
//! with the first disk on them.

use anyhow::Result;
use serde_json::Value;

use super::arguments::escaped;
use super::{Bus, Disk};

/// All disks of a machine. `firmware`: the firmware boots from them, in this order.
pub(super) fn arguments(disks: &[Disk], firmware: bool) -> Result<Vec<String>> {
    let mut list = Vec::new();
    let mut shared: Vec<&str> = Vec::new();
    for (place, disk) in disks.iter().enumerate() {
        list.extend(["-drive".to_owned(), drive(disk)?]);
        if let Some(controller) = shared_controller(disk.bus).filter(|controller| !shared.contains(controller)) {
            shared.push(controller);
            list.extend(["-device".to_owned(), controller.to_owned()]);
        }
        if disk.late {
            continue;
        }
        if let Some(controller) = own_controller(disk) {
            list.extend(["-device".to_owned(), controller]);
        }
        let boot = if firmware { format!(",bootindex={place}") } else { String::new() };
        // Ports of USB's hub and of SATA are counted by bus.
        let before = disks.iter().take(place).filter(|other| other.bus == disk.bus).count();
        list.extend(["-device".to_owned(), format!("{}{boot}", device(disk, before))]);
    }
    Ok(list)
}

/// The name under which a plugged disk can be pulled.
pub(super) fn device_id(name: &str) -> String {
    format!("disk-{name}")
}

/// The arguments of QMP's `device_add` for a disk.
pub(super) fn hot_plug(disk: &Disk) -> Value {
    let fields = fields(disk, 0).into_iter().map(|(key, value)| (key.to_owned(), Value::from(value)));
    Value::Object([("driver".to_owned(), Value::from(driver(disk.bus)))].into_iter().chain(fields).collect())
}

/// The image, as `-drive` and the monitor's `drive_add` take it.
pub(super) fn drive(disk: &Disk) -> Result<String> {
    let snapshot = if disk.kept { "off" } else { "on" };
    let (id, file) = (drive_id(&disk.name), escaped(&disk.image)?);
    let rate = disk.rate.map(|rate| format!(",throttling.bps-total={rate}")).unwrap_or_default();
    // The host's page cache survives QEMU, so that nothing has to reach the medium.
    Ok(format!("if=none,id={id},format=raw,cache=unsafe,snapshot={snapshot}{rate},file={file}"))
}

fn drive_id(name: &str) -> String {
    format!("image-{name}")
}

fn device(disk: &Disk, before: usize) -> String {
    let fields: String = fields(disk, before).iter().map(|(key, value)| format!(",{key}={value}")).collect();
    driver(disk.bus).to_owned() + &fields
}

fn driver(bus: Bus) -> &'static str {
    match bus {
        Bus::Virtio => "virtio-blk-pci",
        Bus::VirtioScsi | Bus::Uas => "scsi-hd",
        Bus::Usb | Bus::UsbHub => "usb-storage",
        Bus::Ahci | Bus::Ide => "ide-hd",
        Bus::Nvme => "nvme",
        Bus::Sd => "sd-card",
        Bus::IdeCd => "ide-cd",
        Bus::ScsiCd => "scsi-cd",
    }
}

/// What all disks on that bus are plugged into.
fn shared_controller(bus: Bus) -> Option<&'static str> {
    match bus {
        Bus::VirtioScsi | Bus::ScsiCd => Some("virtio-scsi-pci,id=scsi"),
        Bus::UsbHub => Some("usb-hub,bus=usb.0,port=1"),
        Bus::Sd => Some("sdhci-pci"),
        _ => None,
    }
}

/// What only this disk is plugged into.
fn own_controller(disk: &Disk) -> Option<String> {
    (disk.bus == Bus::Uas).then(|| format!("usb-uas,bus=usb.0,id=uas-{}", disk.name))
}

/// The device's fields; `before` is the number of disks on that bus before it.
fn fields(disk: &Disk, before: usize) -> Vec<(&'static str, String)> {
    let bus = match disk.bus {
        Bus::Virtio | Bus::Nvme => None,
        Bus::VirtioScsi | Bus::ScsiCd => Some("scsi.0".to_owned()),
        Bus::Usb | Bus::UsbHub => Some("usb.0".to_owned()),
        Bus::Uas => Some(format!("uas-{}.0", disk.name)),
        Bus::Ahci => Some(format!("sata.{before}")),
        Bus::Ide => Some("ide.0".to_owned()),
        Bus::IdeCd => Some("ide.1".to_owned()),
        Bus::Sd => Some("sd-bus".to_owned()),
    };
    let mut fields = vec![("drive", drive_id(&disk.name)), ("id", device_id(&disk.name))];
    fields.extend(bus.map(|bus| ("bus", bus)));
    match disk.bus {
        Bus::UsbHub => fields.push(("port", format!("1.{}", before + 1))),
        Bus::Nvme => fields.push(("serial", disk.name.clone())),
        _ => {}
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::path::Path;

    fn list(disk: Disk) -> String {
        arguments(&[disk], true).unwrap().join(" ")
    }

    #[test]
    fn a_late_disk_has_an_image_but_no_device() {
        let disk = Disk::new("stick", Path::new("/a,b.img"), Bus::Usb);
        let device = "-device usb-storage,drive=image-stick,id=disk-stick,bus=usb.0,bootindex=0";
        let drive = "-drive if=none,id=image-stick,format=raw,cache=unsafe,snapshot=on,file=/a,,b.img";
        assert_eq!(list(disk.clone()), format!("{drive} {device}"));
        assert_eq!(list(disk.late()), drive);
    }

    #[test]
    fn a_plugged_disk_is_described_as_one_from_the_start() {
        let disk = Disk::new("fast", Path::new("/x"), Bus::Nvme);
        assert_eq!(device(&disk, 0), "nvme,drive=image-fast,id=disk-fast,serial=fast");
        let wanted = json!({ "driver": "nvme", "drive": "image-fast", "id": "disk-fast", "serial": "fast" });
        assert_eq!(hot_plug(&disk), wanted);
    }

    #[test]
    fn disks_on_one_bus_share_its_controller_and_have_ports_of_their_own() {
        let disk = |name: &str, bus| Disk::new(name, Path::new("/x"), bus);
        let list = |bus| arguments(&[disk("a", bus), disk("b", bus)], false).unwrap().join(" ");
        let hub = list(Bus::UsbHub);
        assert_eq!(hub.matches("usb-hub").count(), 1);
        assert!(hub.contains("port=1.1") && hub.contains("port=1.2"), "{hub}");
        assert!(list(Bus::Ahci).contains("sata.1"));
        assert_eq!(list(Bus::Uas).matches("-device usb-uas").count(), 2);
    }

    #[test]
    fn only_a_kept_disk_is_written_to() {
        let disk = Disk::new("a", Path::new("/x"), Bus::Virtio);
        assert!(drive(&disk).unwrap().contains("snapshot=on"));
        assert!(drive(&disk.clone().kept()).unwrap().contains("snapshot=off"));
        assert!(drive(&disk.slow(5)).unwrap().contains(",throttling.bps-total=5,"));
    }
}
