//! A disk can be plugged in and pulled out while a machine runs, on each bus that allows it.

#![allow(clippy::unwrap_used, reason = "clippy.toml allows it in tests, but does not see that all of this file is one")]

use crate::common::folder;
use std::time::Duration;

use isolde_qemu::fixtures;
use isolde_qemu::machine::{Bus, Disk, Machine};
use isolde_qemu::store::{FileSystem, Store};

/// A few seconds on two idle cores; they may be busy.
const TIME: Duration = Duration::from_secs(200);

#[test]
fn the_kernel_sees_disks_come_and_go() {
    let image = folder().join("late.img");
    Store::new(FileSystem::Ext4, "LATE").bytes("/file", b"x").build(&image).unwrap();
    let iso = fixtures::debian().unwrap();
    let disk = |name: &str, bus| Disk::new(name, &image, bus).late();
    // live-boot looks for a file that nobody has: long enough for all this.
    let mut vm = Machine::direct("devices", &folder(), &iso.kernel, &[&iso.initrd], &iso.stock_words("/none.iso"))
        .disk(disk("stick", Bus::Usb))
        .disk(disk("plain", Bus::Virtio))
        .disk(disk("fast", Bus::Nvme))
        .start()
        .unwrap();
    // The first disk is on its bus as soon as the driver of the USB controller is there.
    vm.wait_for("xhci_hcd .*: xHCI Host Controller", TIME).unwrap();
    vm.plug("stick").unwrap();
    vm.wait_for(r"\[sda\] Attached SCSI disk", TIME).unwrap();
    vm.unplug("stick").unwrap();
    vm.wait_for("USB disconnect", TIME).unwrap();
    vm.plug("plain").unwrap();
    vm.wait_for(r"\[vda\] \d+ 512-byte", TIME).unwrap();
    vm.plug("fast").unwrap();
    vm.wait_for("nvme nvme0: .* default/read/poll queues", TIME).unwrap();
    assert!(vm.plug("none").unwrap_err().to_string().contains("no disk \"none\""));
}
