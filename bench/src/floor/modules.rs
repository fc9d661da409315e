//! The modules of Debian 12's kernel, in an order in which each finds what it needs.
//!
//! The list is `modprobe --show-depends` of virtio_pci and virtio_blk, or xhci_pci, usb_storage and sd_mod, and of ext4,
//! loop, isofs, squashfs and overlay, each name once. Debian 12's modules are not compressed.

use std::fs::File;

use anyhow::{Context, Result, bail};
use rustix::io::Errno;

/// The stick on virtio-blk.
const VIRTIO: &[&str] = &[
    "drivers/virtio/virtio_ring",
    "drivers/virtio/virtio",
    "drivers/virtio/virtio_pci_modern_dev",
    "drivers/virtio/virtio_pci_legacy_dev",
    "drivers/virtio/virtio_pci",
    "drivers/block/virtio_blk",
];

/// The stick on USB 3. The disk driver comes last but one: it is wanted only when the stick has answered.
const USB: &[&str] = &[
    "drivers/usb/common/usb-common",
    "drivers/usb/core/usbcore",
    "drivers/usb/host/xhci-hcd",
    "drivers/usb/host/xhci-pci",
    "drivers/scsi/scsi_common",
    "drivers/scsi/scsi_mod",
    "drivers/usb/storage/usb-storage",
    "crypto/crct10dif_common",
    "crypto/crct10dif_generic",
    "lib/crc-t10dif",
    "lib/crc64",
    "lib/crc64-rocksoft",
    "block/t10-pi",
    "drivers/scsi/sd_mod",
];

/// The file systems. crc32c first: without it ext4 has the kernel run modprobe.
const FILE_SYSTEMS: &[&str] = &[
    "crypto/crc32c_generic",
    "fs/jbd2/jbd2",
    "fs/mbcache",
    "lib/crc16",
    "fs/ext4/ext4",
    "drivers/block/loop",
    "drivers/cdrom/cdrom",
    "fs/isofs/isofs",
    "fs/squashfs/squashfs",
    "fs/overlayfs/overlay",
];

/// The first partition of the stick.
pub fn device(bus: &str) -> Result<&'static str> {
    match bus {
        "virtio" => Ok("/dev/vda1"),
        "usb" => Ok("/dev/sda1"),
        _ => bail!("bus: wanted virtio or usb, seen {bus:?}"),
    }
}

/// Loads the fixed list, one after the other: the bus first, so that its devices answer while the rest is loaded.
pub fn load(bus: &str) -> Result<()> {
    let drivers = if bus == "usb" { USB } else { VIRTIO };
    let release = rustix::system::uname();
    let release = release.release().to_str().context("the kernel's release")?;
    for name in drivers.iter().chain(FILE_SYSTEMS) {
        let path = format!("/usr/lib/modules/{release}/kernel/{name}.ko");
        let module = File::open(&path).with_context(|| format!("open {path}"))?;
        match rustix::system::finit_module(&module, c"", 0) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error).with_context(|| format!("load {path}")),
        }
    }
    Ok(())
}
