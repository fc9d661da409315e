//! Stage 4: kernel modules for what is plugged in.
//!
//! Takes   the modules of the initramfs and the devices that the kernel shows.
//! Gives   [`Drivers`], which goes on loading while devices arrive.
//! Leaves  graphics, sound, network and everything else that a store cannot be on to the real root: such drivers want
//!         firmware that only the real root has, and one that was loaded without it stays broken.
//! Fails   only when the devices cannot be listed; a module that does not load is a warning.

mod catalogue;
mod needs;
mod order;
mod wishes;
mod zram;

use crate::error::{Cause, Result};
use crate::machine::Machine;
use crate::op::Place;
use crate::params::Policy;
use crate::stages::cmdline;
use crate::stages::verify::ledger::KEYS;
use crate::sys::{self, Event, Sys};
use catalogue::{Catalogue, inner, name_of, normal};
use order::{INPUT, NEVER, Order, STORE, USB_DISK, USB_HOSTS};
pub use order::{is_needed_soon, may_be_needed};
use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;
use wishes::Wishes;

/// Of hash trees, as `isolde seal` and veritysetup(8) make them.
const USUAL_HASH: &str = "sha256";
/// The class of PCI devices that USB hangs on (PCI Code and ID Assignment Specification, 0Ch 03h).
const USB_CONTROLLER: &str = "bc0Csc03";
/// How long a stick may take to show up at its controller. A hub waits 100 ms for the contacts and asks for 10 to 50 ms of
/// reset, each again for a hub behind it (USB 2.0, 7.1.7.3 and 7.1.7.5).
const USB_SETTLES: Duration = Duration::from_millis(500);
/// How long one that has shown up may take until its disk is there: its driver asks it nothing for the first second
/// (kernel: drivers/usb/storage/usb.c, delay_use), and a hard disk has to turn.
const USB_ANSWERS: Duration = Duration::from_secs(5);

/// Modules are being loaded: one at each [`Drivers::work`], so that a device that is there already is not kept waiting
/// by drivers of others.
#[derive(Debug)]
pub struct Drivers {
    catalogue: Catalogue,
    wishes: Wishes,
    order: &'static Order,
    /// Keyboards are wanted as well.
    input: bool,
    /// When USB last gave a sign of life; `None` where there is none.
    usb: Option<Duration>,
    asked: BTreeSet<String>,
    tried: BTreeSet<String>,
    queue: BTreeSet<Queued>,
    /// Devices that the firmware describes, not looked up yet.
    described: Vec<String>,
}

/// A module that waits for its turn: the place of its kind, its place in a list, its name.
type Queued = (usize, usize, String);

impl fmt::Display for Drivers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} modules to load for {} devices", self.queue.len(), self.asked.len())
    }
}

/// Looks at what is there, and starts to listen for what comes.
pub fn load<S: Sys>(machine: &mut Machine<S>) -> Result<Drivers> {
    // Listening comes before looking: a device between the two would be missed.
    machine.sys_mut().listen().map_err(|e| machine.os("listen for device events", e))?;
    let mut drivers = start(machine, &STORE)?;
    drivers.load_ahead(machine);
    drivers.force(machine);
    Ok(drivers)
}

/// For the emergency: what the boot would load, and keyboards. The boot may have failed before it loaded anything.
pub fn for_a_person<S: Sys>(machine: &mut Machine<S>) -> Result<Drivers> {
    machine.sys_mut().listen().map_err(|e| machine.os("listen for device events", e))?;
    let mut drivers = empty(machine, &STORE)?;
    drivers.want_input(machine)?;
    Ok(drivers)
}

/// Answers the kernel's own request for a module; see `early`.
pub fn answer<S: Sys>(machine: &mut Machine<S>, name: &str) -> Result<()> {
    let mut drivers = empty(machine, &INPUT)?;
    drivers.by_alias_or_name(machine, name);
    Ok(())
}

fn empty<S: Sys>(machine: &mut Machine<S>, order: &'static Order) -> Result<Drivers> {
    let at = Place::at("/proc/sys/kernel/osrelease");
    let release = sys::read(machine.sys(), &at, 4096).map_err(|e| machine.os(format!("read {at}"), e))?;
    let catalogue = Catalogue::read(machine, String::from_utf8_lossy(&release).trim());
    let wishes = Wishes::of(cmdline::typed(machine)?.words());
    let mut queue = BTreeSet::new();
    queue.extend(order.soon.iter().enumerate().map(|(n, name)| (order.first.len(), n, (*name).to_owned())));
    let (asked, tried) = (BTreeSet::new(), BTreeSet::new());
    Ok(Drivers { catalogue, wishes, order, input: false, usb: None, asked, tried, queue, described: Vec::new() })
}

fn start<S: Sys>(machine: &mut Machine<S>, order: &'static Order) -> Result<Drivers> {
    let mut drivers = empty(machine, order)?;
    drivers.coldplug(machine)?;
    Ok(drivers)
}

/// Whether the maker of the initrd, or whoever typed the command line, has sealed stores: their hash trees want a driver.
fn proof_is_wanted<S: Sys>(machine: &Machine<S>) -> bool {
    let has_keys = machine.sys().kind(&Place::at(KEYS)).ok().flatten().is_some();
    has_keys || cmdline::typed(machine).is_ok_and(|typed| typed.policy(None) > Policy::Auto)
}

impl Drivers {
    /// Where the kernel's own description of its devices cannot be read.
    pub(crate) fn none() -> Drivers {
        let (asked, tried, queue) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let (catalogue, wishes) = (Catalogue::empty(), Wishes::default());
        Drivers { catalogue, wishes, order: &INPUT, input: true, usb: None, asked, tried, queue, described: Vec::new() }
    }

    /// Handles what happened to the devices; `true` when block devices may have changed.
    pub(crate) fn handle<S: Sys>(&mut self, machine: &mut Machine<S>, events: Vec<Event>) -> Result<bool> {
        let mut block = false;
        for event in events {
            match event {
                Event::Device { modalias } => {
                    self.note_usb(machine, &modalias);
                    self.devices(vec![modalias]);
                }
                Event::Block => block = true,
                Event::Typed { bytes } => machine.keep_typed(&bytes),
                Event::Lost => {
                    self.coldplug(machine)?;
                    block = true;
                }
            }
        }
        Ok(block)
    }

    /// From now on drivers of keyboards are loaded too, after those of disks: somebody is to type.
    pub(crate) fn want_input<S: Sys>(&mut self, machine: &mut Machine<S>) -> Result<()> {
        if !self.input {
            self.input = true;
            self.asked.clear();
            self.coldplug(machine)?;
        }
        Ok(())
    }

    /// Everything is looked at again.
    pub(crate) fn look_again<S: Sys>(&mut self, machine: &mut Machine<S>) -> Result<()> {
        self.asked.clear();
        self.coldplug(machine)
    }

    /// When no disk on USB is on its way any more: once the drivers that answer at once are loaded, and nothing on USB
    /// has shown up for a while. `None`: the drivers are not loaded yet.
    pub(super) fn usb_settles_at<S: Sys>(&self, machine: &Machine<S>) -> Option<Duration> {
        let Some(last) = self.usb else { return Some(Duration::ZERO) };
        if self.queue.first().is_some_and(|(place, ..)| *place < self.order.first.len()) {
            return None;
        }
        let takes = if machine.sys().is_usb_disk_coming() { USB_ANSWERS } else { USB_SETTLES };
        Some(last.saturating_add(takes))
    }

    /// A controller, or a device on one.
    fn note_usb<S: Sys>(&mut self, machine: &Machine<S>, modalias: &str) {
        if modalias.starts_with("usb:") || (modalias.starts_with("pci:") && modalias.contains(USB_CONTROLLER)) {
            self.usb = Some(machine.sys().now());
        }
    }

    /// Loads the next module; `false` when there is none left.
    pub(crate) fn work<S: Sys>(&mut self, machine: &mut Machine<S>) -> bool {
        if self.queue.first().is_none_or(|(place, ..)| *place >= self.order.first.len()) && !self.described.is_empty() {
            let described = std::mem::take(&mut self.described);
            self.devices(described);
            return true;
        }
        let next = self.queue.pop_first();
        if let Some((_, _, name)) = &next {
            self.module(machine, name);
            if self.usb.is_some() && self.catalogue.files(name).is_some_and(|files| is_usb_host(&files)) {
                self.usb = Some(machine.sys().now()); // it looks at its ports from now on
            }
        }
        next.is_some()
    }

    /// Loads what the command line asks for. A name that is not here may be built in, or misspelt: that is said.
    fn force<S: Sys>(&mut self, machine: &mut Machine<S>) {
        for name in std::mem::take(&mut self.wishes.forced) {
            let built_in = Place::at(["/sys/module/", &name].concat());
            if self.catalogue.files(&name).is_none() && !matches!(machine.sys().kind(&built_in), Ok(Some(_))) {
                let searched = self.catalogue.searched();
                machine.warn(&format!("isolde.modules: {name} is not in {searched}, nor in the kernel"));
            }
            self.module(machine, &name);
        }
    }

    /// Has the background load what is needed soon, while this process waits for controllers and disks.
    fn load_ahead<S: Sys>(&mut self, machine: &mut Machine<S>) {
        let mut paths = Vec::new();
        for name in self.order.soon {
            self.collect(name, &mut paths);
        }
        if proof_is_wanted(machine) {
            self.collect("dm_verity", &mut paths);
            for name in self.catalogue.by_alias(&needs::hash_alias(USUAL_HASH)) {
                self.collect(&name, &mut paths);
            }
        }
        // Without their parameters they must not come first.
        paths
            .retain(|path| !self.wishes.keeps_out(&name_of(path)) && self.wishes.parameters(&name_of(path)).is_empty());
        let files: Vec<S::File> = paths.iter().filter_map(|path| machine.sys().open(&Place::at(path)).ok()).collect();
        if !files.is_empty()
            && let Err(error) = machine.sys_mut().load_modules_ahead(&files)
        {
            let names: Vec<&str> = paths.iter().map(|path| path.rsplit('/').next().unwrap_or(path)).collect();
            machine.warn(&format!("insmod ahead {}: {}; they are loaded later", names.join(" "), Cause::Os(error)));
        }
    }

    /// The files of a module, of what it needs and of what should come before, each once and in order.
    fn collect(&self, name: &str, paths: &mut Vec<String>) {
        for path in self.catalogue.files(name).unwrap_or_default() {
            if paths.contains(&path) {
                continue;
            }
            for before in self.catalogue.soft(&name_of(&path)) {
                for alias in self.catalogue.by_alias(&before) {
                    paths.extend(self.catalogue.files(&alias).unwrap_or_default());
                }
            }
            paths.push(path);
        }
    }

    /// Loads a module by its name, after what it needs. One that is not here may be built in.
    fn module<S: Sys>(&mut self, machine: &mut Machine<S>, name: &str) {
        if !self.tried.insert(normal(name)) || self.wishes.keeps_out(name) {
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
            if !self.wishes.keeps_out(&needed) {
                self.file(machine, path);
            }
        }
    }

    fn by_alias_or_name<S: Sys>(&mut self, machine: &mut Machine<S>, alias: &str) {
        for name in self.catalogue.by_alias(alias) {
            self.module(machine, &name);
        }
        self.module(machine, alias);
    }

    fn file<S: Sys>(&mut self, machine: &mut Machine<S>, path: &str) {
        let state = Place::at(format!("/sys/module/{}/initstate", name_of(path)));
        if sys::read(machine.sys(), &state, 64).is_ok_and(|state| state.starts_with(b"live")) {
            return; // the background was faster
        }
        let at = Place::at(path);
        let parameters = self.wishes.parameters(&name_of(path));
        machine.debug(&format!("insmod {at} {parameters}").trim_end());
        let done = machine.sys().open(&at).and_then(|file| machine.sys_mut().load_module(&file, &parameters));
        match done {
            Ok(()) => {}
            // The module itself says that its hardware is not here; crc32c_intel on an old processor does so.
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::NODEV.raw_os_error()) => {}
            Err(error) => machine.warn(&format!("insmod {at}: {}; its devices may be missing", Cause::Os(error))),
        }
    }

    fn coldplug<S: Sys>(&mut self, machine: &mut Machine<S>) -> Result<()> {
        let all = machine.sys().modaliases().map_err(|e| machine.os("list the devices", e))?;
        // A few tablets have their storage among the firmware's own devices. To look one up takes thirty times as long
        // as another, because their aliases begin with a wildcard, so that waits for an idle moment.
        all.iter().for_each(|modalias| self.note_usb(machine, modalias));
        let (described, found) = all.into_iter().partition(|alias| alias.starts_with("acpi:"));
        self.described = described;
        self.devices(found);
        Ok(())
    }

    /// Where a module of that path has its turn; `None` when it is not loaded for devices.
    fn place(&self, path: &str) -> Option<usize> {
        let input = || Some(INPUT.place(path)? + self.order.first.len() + 1 + self.order.last.len());
        self.order.place(path).or_else(|| if self.input { input() } else { None })
    }

    /// Queues what the devices ask for.
    fn devices(&mut self, modaliases: Vec<String>) {
        for modalias in modaliases {
            if self.asked.contains(&modalias) || is_other_virtio(&modalias) {
                continue;
            }
            for name in self.catalogue.by_alias(&modalias) {
                let path = self.catalogue.files(&name).and_then(|files| files.last().cloned()).unwrap_or_default();
                let path = inner(&path);
                if let Some(place) = self.place(path).filter(|_| !NEVER.contains(&name.as_str())) {
                    self.queue.insert((place, 0, name));
                    if path.starts_with(USB_HOSTS) {
                        let chain = USB_DISK.into_iter().enumerate();
                        self.queue.extend(chain.map(|(n, name)| (place, n + 1, name.to_owned())));
                    }
                }
            }
            self.asked.insert(modalias);
        }
    }
}

fn is_usb_host(files: &[String]) -> bool {
    files.last().is_some_and(|path| inner(path).starts_with(USB_HOSTS))
}

/// A virtio device on PCI that no store can be on: its driver is the same as that of a disk, and takes its time. The
/// device number says what it is (Virtual I/O Device 1.2, 4.1.2.1): block and SCSI, transitional and modern.
fn is_other_virtio(modalias: &str) -> bool {
    let device = modalias.strip_prefix("pci:v00001AF4d0000").and_then(|rest| rest.get(..4));
    device.is_some_and(|device| !matches!(device, "1001" | "1042" | "1004" | "1048"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_has_its_turn() {
        let place = |path| STORE.place(path);
        let host = place("kernel/drivers/usb/host/xhci-pci.ko.xz");
        assert!(place("kernel/drivers/block/virtio_blk.ko") < host);
        assert!(host < place("kernel/drivers/scsi/sd_mod.ko.zst"));
        assert!(place("kernel/drivers/scsi/sd_mod.ko") < place("kernel/drivers/scsi/sr_mod.ko"));
        assert!(place("kernel/drivers/ata/ahci.ko") > Some(STORE.first.len()), "after what is needed soon");
        for other in ["kernel/drivers/gpu/drm/i915/i915.ko", "kernel/drivers/net/virtio_net.ko", "kernel/sound/x.ko"] {
            assert_eq!(place(other), None, "{other}");
        }
    }

    #[test]
    fn only_virtio_disks_count() {
        for disk in ["pci:v00001AF4d00001001sv00001AF4sd00000002bc01sc00i00", "pci:v00001AF4d00001042sv"] {
            assert!(!is_other_virtio(disk), "{disk}");
        }
        for other in ["pci:v00001AF4d00001005sv00001AF4sd00000004bc00scFFi00", "pci:v00001AF4d00001041sv"] {
            assert!(is_other_virtio(other), "{other}");
        }
        assert!(!is_other_virtio("pci:v00008086d00001005sv"));
        assert!(!is_other_virtio("virtio:d00000002v00001AF4"));
    }
}
