//! Which modules are loaded for devices, and in which order: by the folders of the kernel's own tree.

/// Which modules are loaded, and in which order.
#[derive(Debug)]
pub(super) struct Order {
    /// Folders of the kernel's tree with drivers that are done at once, or whose devices take long to answer.
    pub(super) first: &'static [&'static str],
    /// Modules that will be needed whatever is found; also loaded in the background, from the start.
    pub(super) soon: &'static [&'static str],
    /// Folders with drivers that keep their caller waiting: a controller for SATA disks does for half a second.
    pub(super) last: &'static [&'static str],
}

/// For a store: what answers at once; then USB, where a stick takes a second to make up its mind; what comes after
/// that is loaded meanwhile.
pub(super) const STORE: Order = Order {
    first: &[
        "kernel/drivers/nvme/",
        "kernel/drivers/virtio/",
        "kernel/drivers/block/",
        "kernel/drivers/pci/",
        "kernel/drivers/usb/core/",
        USB_HOSTS,
        "kernel/drivers/usb/dwc3/",
        "kernel/drivers/usb/storage/",
        "kernel/drivers/scsi/sd_mod.ko",
        "kernel/drivers/mmc/",
        "kernel/drivers/misc/cardreader/",
    ],
    soon: &["loop", "isofs", "squashfs", "overlay", "vfat", "nls_cp437", "nls_ascii", "nls_iso8859_1", "ext4"],
    last: &[
        "kernel/drivers/scsi/",
        "kernel/drivers/ata/",
        "kernel/drivers/cdrom/",
        "kernel/drivers/ufs/",
        "kernel/drivers/message/",
        "kernel/drivers/firewire/",
        "kernel/drivers/thunderbolt/",
        "kernel/drivers/nvdimm/",
        "kernel/drivers/hv/",
        "kernel/drivers/xen/",
    ],
};

/// For a person at the console.
pub(super) const INPUT: Order = Order {
    first: &[USB_HOSTS, "kernel/drivers/hid/", "kernel/drivers/input/keyboard/", "kernel/drivers/input/serio/"],
    soon: &[],
    last: &[],
};

/// A host for USB, and what comes after it: a stick on USB is the usual store, and its chain is known by name.
pub(super) const USB_HOSTS: &str = "kernel/drivers/usb/host/";
pub(super) const USB_DISK: [&str; 3] = ["usb_storage", "uas", "sd_mod"];

/// Asked for by devices that are only there on paper: nearly every board announces a floppy controller, and its driver
/// waits seconds for a drive.
pub(super) const NEVER: [&str; 1] = ["floppy"];

impl Order {
    /// Where a module of that path has its turn; `None` when it is not loaded for devices.
    pub(super) fn place(&self, path: &str) -> Option<usize> {
        let after_soon = self.first.len() + 1;
        let first = self.first.iter().position(|folder| path.starts_with(folder));
        first.or_else(|| self.last.iter().position(|folder| path.starts_with(folder)).map(|n| after_soon + n))
    }
}

/// Whether a device may have the module of that path loaded (`kernel/drivers/usb/storage/uas.ko`): an initrd has to hold
/// it where no other brings modules.
#[must_use]
pub fn may_be_needed(path: &str) -> bool {
    STORE.place(path).or_else(|| INPUT.place(path)).is_some()
}

/// Whether the module of that name is loaded in every boot.
#[must_use]
pub fn is_needed_soon(name: &str) -> bool {
    STORE.soon.contains(&name) || USB_DISK.contains(&name)
}
