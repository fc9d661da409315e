//! While nothing fits: what is wanted, what is there, what is missing, how long yet, and the keys that help.

use super::candidates::Candidates;
use crate::error::{List, Result};
use crate::machine::Machine;
use crate::mounting::mounting;
use crate::stages::drivers::Drivers;
use crate::sys::Sys;
use std::time::Duration;

/// How often a waiting person is told that the wait goes on.
const SAY_EVERY: Duration = Duration::from_secs(3);
/// A day, for who said that the wait has no end.
const ENDLESS: Duration = Duration::from_secs(86_400);
/// What can be pressed.
const KEYS: &str = "keys: r looks at everything again, w waits without an end, m stops for the menu";

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    LookAgain,
    Menu,
}

/// See the module's own text.
#[derive(Debug)]
pub(super) struct Waiting {
    begin: Duration,
    deadline: Duration,
    say_at: Duration,
    /// What was said last, so that only news takes lines.
    said: Vec<String>,
    consoles: bool,
}

impl Waiting {
    pub(super) fn new(begin: Duration, limit: Duration) -> Waiting {
        let (deadline, say_at) = (begin.saturating_add(limit), begin.saturating_add(SAY_EVERY));
        Waiting { begin, deadline, say_at, said: Vec::new(), consoles: false }
    }

    pub(super) fn so_far<S: Sys>(&self, machine: &Machine<S>) -> Duration {
        machine.sys().now().saturating_sub(self.begin)
    }

    pub(super) fn is_over<S: Sys>(&self, machine: &Machine<S>) -> bool {
        machine.sys().now() >= self.deadline
    }

    /// Until the next thing to say or the end.
    pub(super) fn limit<S: Sys>(&self, machine: &Machine<S>) -> Duration {
        self.say_at.min(self.deadline).saturating_sub(machine.sys().now())
    }

    /// Says it when it is time. The first time, keyboards are looked for and the consoles taken.
    pub(super) fn say<S: Sys>(
        &mut self,
        machine: &mut Machine<S>,
        drivers: &mut Drivers,
        wanted: &str,
        candidates: &Candidates,
        busy: bool,
    ) -> Result<()> {
        let now = machine.sys().now();
        if now < self.say_at {
            return Ok(());
        }
        self.say_at = now.saturating_add(SAY_EVERY);
        let left = self.deadline.saturating_sub(now).as_secs();
        let mut lines = vec![format!("so far: {}", List(&candidates.describe(), "no block device"))];
        // While modules are being loaded, nobody knows what will be missing.
        let missing = if busy { Vec::new() } else { missing(machine, drivers, candidates) };
        lines.extend((!missing.is_empty()).then(|| format!("missing: {}", List(&missing, ""))));
        machine.notice(&format!("waiting for a {wanted}, {left} s left"));
        for line in lines.iter().filter(|line| !self.said.contains(line)) {
            machine.notice(line);
        }
        self.said = lines;
        if !self.consoles {
            self.consoles = true;
            drivers.want_input(machine)?;
            if machine.sys_mut().open_consoles() > 0 {
                machine.notice(KEYS);
            }
        }
        Ok(())
    }

    /// What was typed, if it is one of the keys.
    pub(super) fn key<S: Sys>(&mut self, machine: &mut Machine<S>) -> Option<Wish> {
        loop {
            match machine.next_key()?.to_ascii_lowercase() {
                b'r' => return Some(Wish::LookAgain),
                b'm' => return Some(Wish::Menu),
                b'w' => self.deadline = machine.sys().now().saturating_add(ENDLESS),
                _ => {}
            }
        }
    }

    /// The store is there: the consoles belong to the system again, also those that a passphrase was asked for on.
    pub(super) fn end<S: Sys>(&self, machine: &mut Machine<S>) {
        machine.sys_mut().close_consoles();
    }
}

/// Drivers that would help, by name.
fn missing<S: Sys>(machine: &mut Machine<S>, drivers: &Drivers, candidates: &Candidates) -> Vec<String> {
    let mut missing = Vec::new();
    for candidate in candidates.all() {
        if let Some(how) = candidate.format().and_then(mounting)
            && !drivers.has_file_system(machine, how.fstype)
        {
            missing.push(format!("the driver {} for {}", how.fstype, candidate.describe()));
        }
    }
    match machine.sys().without_driver() {
        Ok(all) => missing.extend(all.iter().filter_map(|modalias| driver_of(modalias))),
        Err(error) => machine.debug(&format!("list the devices without a driver: {error}")),
    }
    missing.dedup();
    missing
}

/// The usual driver of a device that a store or a keyboard can be on. The classes are those of the PCI Code and ID
/// Assignment Specification, of USB (08: mass storage, 03: HID) and of SCSI (0: disk, 5: CD). Pure.
fn driver_of(modalias: &str) -> Option<String> {
    const DRIVERS: [(&str, &str, &str); 14] = [
        ("pci:", "bc01sc08", "nvme"),
        ("pci:", "bc01sc06", "ahci"),
        ("pci:", "bc01sc01", "ata_piix or another driver for IDE"),
        ("pci:", "bc01sc04", "a driver for RAID controllers"),
        ("pci:", "bc08sc05", "sdhci_pci"),
        ("pci:", "bc0Csc03i30", "xhci_pci"),
        ("pci:", "bc0Csc03i20", "ehci_pci"),
        ("pci:", "bc0Csc03i10", "ohci_pci"),
        ("pci:", "bc0Csc03i00", "uhci_hcd"),
        ("usb:", "ic08", "usb_storage"),
        ("virtio:", "d00000002", "virtio_blk"),
        ("virtio:", "d00000008", "virtio_scsi"),
        ("scsi:", "t-0x00", "sd_mod"),
        ("scsi:", "t-0x05", "sr_mod"),
    ];
    let fits = |(bus, part, _): &&(&str, &str, &str)| modalias.starts_with(bus) && modalias.contains(part);
    DRIVERS.iter().find(fits).map(|(_, _, driver)| format!("{driver}, for {modalias}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_without_a_driver_is_named_by_what_it_needs() {
        let nvme = "pci:v00001B36d00000010sv00001AF4sd00001100bc01sc08i02";
        assert_eq!(driver_of(nvme), Some(format!("nvme, for {nvme}")));
        let stick = "usb:v0781p5567d0126dc00dsc00dp00ic08isc06ip50in00";
        assert!(driver_of(stick).is_some_and(|text| text.starts_with("usb_storage")));
        assert_eq!(driver_of("pci:v00008086d000010D3sv00008086sd0000A01Fbc02sc00i00"), None, "a network card");
    }
}
