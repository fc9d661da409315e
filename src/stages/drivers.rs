//! Stage 4: kernel modules for what is plugged in.
//!
//! Takes   the modules of the initramfs and the devices that the kernel shows.
//! Gives   [`Drivers`], which goes on loading while devices arrive.
//! Leaves  graphics, sound, network and everything else that a store cannot be on to the real root: such drivers want
//!         firmware that only the real root has, and one that was loaded without it stays broken.
//! Fails   only when the devices cannot be listed; a module that does not load is a warning.

mod catalogue;

use crate::error::{Cause, Result};
use crate::machine::Machine;
use crate::op::Place;
use crate::sys::{self, Event, Sys};
use catalogue::{Catalogue, name_of, normal};
use std::collections::{BTreeSet, VecDeque};
use std::fmt;

/// Folders of the kernel's tree whose drivers a store can need, in the order in which they are loaded: first what answers
/// at once; then USB, where a stick takes a second, while the rest is loaded; then what few stores are on.
const STORE_DRIVERS: &[&str] = &[
    "kernel/drivers/nvme/",
    "kernel/drivers/virtio/",
    "kernel/drivers/block/",
    "kernel/drivers/pci/",
    "kernel/drivers/usb/host/",
    "kernel/drivers/usb/dwc3/",
    "kernel/drivers/mmc/",
    "kernel/drivers/misc/cardreader/",
    "kernel/drivers/usb/storage/",
    "kernel/drivers/usb/core/",
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
];

/// Folders whose drivers a person at the console needs.
const INPUT_DRIVERS: &[&str] = &[
    "kernel/drivers/usb/host/",
    "kernel/drivers/hid/",
    "kernel/drivers/input/keyboard/",
    "kernel/drivers/input/serio/",
];

/// What comes after USB hosts: a stick on USB is the usual store, and the rest of its chain is known by name.
const USB_DISK: [&str; 3] = ["usb_storage", "uas", "sd_mod"];
/// Where hosts and the rest of that chain stand in the order of the folders.
const USB_HOSTS: &str = "kernel/drivers/usb/host/";
const USB_DISKS: &str = "kernel/drivers/usb/storage/";

/// What will be needed once the store is there.
const SOON: [&str; 9] =
    ["loop", "isofs", "squashfs", "overlay", "ext4", "vfat", "nls_cp437", "nls_ascii", "nls_iso8859_1"];

/// Asked for by devices that are only there on paper: nearly every board announces a floppy controller, and its driver
/// waits seconds for a drive.
const NEVER: [&str; 1] = ["floppy"];

/// Modules are being loaded: one at each [`Drivers::work`], so that a device that is there already is not kept waiting
/// by drivers of others.
#[derive(Debug)]
pub struct Drivers {
    catalogue: Catalogue,
    folders: &'static [&'static str],
    asked: BTreeSet<String>,
    tried: BTreeSet<String>,
    queue: VecDeque<String>,
}

impl fmt::Display for Drivers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} modules to load for {} devices", self.queue.len(), self.asked.len())
    }
}

/// Looks at what is there, and starts to listen for what comes.
pub fn load<S: Sys>(machine: &mut Machine<S>) -> Result<Drivers> {
    // Listening comes before looking: a device between the two would be missed.
    machine.sys_mut().listen().map_err(|e| machine.os("listen for device events", e))?;
    let mut drivers = start(machine, STORE_DRIVERS)?;
    drivers.queue.extend(SOON.map(str::to_owned));
    Ok(drivers)
}

/// Loads the drivers of keyboards, for the emergency.
pub fn load_input<S: Sys>(machine: &mut Machine<S>) -> Result<()> {
    let mut drivers = start(machine, INPUT_DRIVERS)?;
    while drivers.work(machine) {}
    Ok(())
}

/// Answers the kernel's own request for a module; see `early`.
pub fn answer<S: Sys>(machine: &mut Machine<S>, name: &str) -> Result<()> {
    let mut drivers = empty(machine, &[])?;
    drivers.by_alias_or_name(machine, name);
    Ok(())
}

fn empty<S: Sys>(machine: &mut Machine<S>, folders: &'static [&'static str]) -> Result<Drivers> {
    let at = Place::at("/proc/sys/kernel/osrelease");
    let release = sys::read(machine.sys(), &at, 4096).map_err(|e| machine.os(format!("read {at}"), e))?;
    let catalogue = Catalogue::read(machine, String::from_utf8_lossy(&release).trim());
    Ok(Drivers { catalogue, folders, asked: BTreeSet::new(), tried: BTreeSet::new(), queue: VecDeque::new() })
}

fn start<S: Sys>(machine: &mut Machine<S>, folders: &'static [&'static str]) -> Result<Drivers> {
    let mut drivers = empty(machine, folders)?;
    drivers.coldplug(machine)?;
    Ok(drivers)
}

impl Drivers {
    /// Handles what happened to the devices; `true` when block devices may have changed.
    pub(super) fn handle<S: Sys>(&mut self, machine: &mut Machine<S>, events: Vec<Event>) -> Result<bool> {
        let mut block = false;
        for event in events {
            match event {
                Event::Device { modalias } => self.devices(vec![modalias]),
                Event::Block => block = true,
                Event::Lost => {
                    self.coldplug(machine)?;
                    block = true;
                }
            }
        }
        Ok(block)
    }

    /// Loads the next module; `false` when there is none left.
    pub(super) fn work<S: Sys>(&mut self, machine: &mut Machine<S>) -> bool {
        let next = self.queue.pop_front();
        if let Some(name) = &next {
            self.module(machine, name);
        }
        next.is_some()
    }

    /// Makes images of a file system type usable: its driver, and loop devices.
    pub(super) fn image<S: Sys>(&mut self, machine: &mut Machine<S>, fstype: &str) -> Result<()> {
        self.module(machine, "loop");
        self.file_system(machine, fstype)
    }

    /// Makes a file system type usable, or says that its driver is nowhere.
    pub(super) fn file_system<S: Sys>(&mut self, machine: &mut Machine<S>, fstype: &str) -> Result<()> {
        if is_known(machine, fstype) {
            return Ok(());
        }
        self.by_alias_or_name(machine, &format!("fs-{fstype}"));
        if !is_known(machine, fstype) {
            self.module(machine, if fstype == "iso9660" { "isofs" } else { fstype });
        }
        if fstype == "vfat" {
            // FAT names are in a code page; the mount fails without its table (kernel: fs/fat/inode.c).
            for table in ["nls_cp437", "nls_ascii", "nls_iso8859_1", "nls_utf8"] {
                self.module(machine, table);
            }
        }
        if is_known(machine, fstype) {
            return Ok(());
        }
        let searched = self.catalogue.folder().to_string();
        Err(machine.error(format!("prepare to mount {fstype}"), Cause::NoDriver { name: fstype.to_owned(), searched }))
    }

    /// Loads a module by its name, after what it needs. One that is not here may be built in.
    fn module<S: Sys>(&mut self, machine: &mut Machine<S>, name: &str) {
        if !self.tried.insert(normal(name)) {
            return;
        }
        let Some(files) = self.catalogue.files(name) else { return };
        for path in &files {
            let needed = name_of(path);
            if needed != normal(name) && !self.tried.insert(needed.clone()) {
                continue;
            }
            for before in self.catalogue.soft(&needed) {
                self.by_alias_or_name(machine, &before);
            }
            self.file(machine, path);
        }
    }

    fn by_alias_or_name<S: Sys>(&mut self, machine: &mut Machine<S>, alias: &str) {
        for name in self.catalogue.by_alias(alias) {
            self.module(machine, &name);
        }
        self.module(machine, alias);
    }

    fn file<S: Sys>(&mut self, machine: &mut Machine<S>, path: &str) {
        let at = self.catalogue.folder().join(path);
        machine.debug(&format!("insmod {at}"));
        let done = machine.sys().open(&at).and_then(|file| machine.sys_mut().load_module(&file));
        match done {
            Ok(()) => {}
            // The module itself says that its hardware is not here; crc32c_intel on an old processor does so.
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::NODEV.raw_os_error()) => {}
            Err(error) => machine.warn(&format!("insmod {at}: {}; its devices may be missing", Cause::Os(error))),
        }
    }

    fn coldplug<S: Sys>(&mut self, machine: &mut Machine<S>) -> Result<()> {
        let all = machine.sys().modaliases().map_err(|e| machine.os("list the devices", e))?;
        self.devices(all);
        Ok(())
    }

    /// Puts what the devices ask for in front of the queue, in the order of the folders.
    fn devices(&mut self, modaliases: Vec<String>) {
        let rank = |path: &str| self.folders.iter().position(|folder| path.starts_with(folder));
        let mut wanted = BTreeSet::new();
        for modalias in modaliases {
            if self.asked.contains(&modalias) {
                continue;
            }
            for name in self.catalogue.by_alias(&modalias) {
                let path = self.catalogue.files(&name).and_then(|files| files.last().cloned()).unwrap_or_default();
                if let Some(rank) = rank(&path).filter(|_| !NEVER.contains(&name.as_str())) {
                    wanted.insert((rank, name));
                }
            }
            self.asked.insert(modalias);
        }
        let hosts = wanted.iter().any(|(found, _)| Some(*found) == rank(USB_HOSTS));
        if let Some(disks) = rank(USB_DISKS).filter(|_| hosts) {
            wanted.extend(USB_DISK.map(|name| (disks, name.to_owned())));
        }
        for (_, name) in wanted.into_iter().rev().filter(|(_, name)| !self.tried.contains(name)) {
            self.queue.push_front(name);
        }
    }
}

/// /proc/filesystems: `nodev` or nothing, a tab, the type.
fn is_known<S: Sys>(machine: &Machine<S>, fstype: &str) -> bool {
    let text = sys::read(machine.sys(), &Place::at("/proc/filesystems"), 1 << 16).unwrap_or_default();
    String::from_utf8_lossy(&text).lines().any(|line| line.rsplit('\t').next() == Some(fstype))
}
