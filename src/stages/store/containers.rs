//! LUKS volumes and LVM volume groups that the store may be in. Only those that the plan names are opened, and all of them
//! read-only; what opens is a block device like any other, so one may be in another in any order.
//!
//! Takes   the devices that are there, after each look at them.
//! Gives   mapped devices, one at a time.
//! Leaves  everything that was not named as it is; and what was opened, open for the running system.
//! Fails   when what was named cannot be opened: a wrong passphrase three times, a kind that is not supported.

mod luks;
mod lvm;

pub(in crate::stages) use luks::open_image;

use super::candidates::Candidates;
use crate::error::{Cause, Error, Failure, Result};
use crate::formats::lvm::PhysicalVolume;
use crate::machine::Machine;
use crate::op::{Mapping, Op};
use crate::secret::Secret;
use crate::stages::drivers::Drivers;
use crate::stages::plan::Plan;
use crate::sys::{BlockDevice, Sys};
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet};

/// See the module's own text.
#[derive(Debug, Default)]
pub(super) struct Containers {
    /// Devices that have been looked into, by name, whatever came of it.
    seen: BTreeMap<String, BlockDevice>,
    /// What LVM says on each of its devices.
    physical: BTreeMap<String, PhysicalVolume>,
    /// What has been made, lower ones first.
    made: Vec<Mapping>,
    /// Those that LVM lets nobody write to, by name.
    read_only: BTreeSet<String>,
    /// Passphrases that were right once: several volumes often have one.
    passphrases: Vec<Secret>,
}

impl Containers {
    /// Opens the next one that is asked for and there; `true` when there is a new device.
    pub(super) fn open<S: Sys>(
        &mut self,
        machine: &mut Machine<S>,
        plan: &Plan,
        drivers: &mut Drivers,
        all: &Candidates,
    ) -> Result<bool> {
        self.forget(machine, all);
        // What asks nobody comes first.
        Ok(self.activate(machine, plan, drivers, all)? || self.unlock(machine, plan, drivers, all)?)
    }

    /// Somebody wants everything tried once more, also what stayed closed.
    pub(super) fn look_again(&mut self) {
        self.seen.clear();
        self.physical.clear();
    }

    /// Why something that was named is not open although part of it is here; to be asked when waiting is over.
    pub(super) fn explain<S: Sys>(&self, machine: &Machine<S>, plan: &Plan, all: &Candidates) -> Option<Error> {
        self.incomplete(machine, plan, all)
    }

    /// Has a device that was made here take writes, and what it is on. Nothing of it may be mounted. Others stay as they
    /// are.
    pub(super) fn make_writable<S: Sys>(
        &mut self,
        machine: &mut Machine<S>,
        device: &BlockDevice,
        all: &Candidates,
    ) -> Result<()> {
        let Some(mut mapping) = self.of(device).cloned() else { return Ok(()) };
        if self.read_only.contains(&mapping.name) {
            return Err(machine.os(["write to the LVM volume ", &mapping.name].concat(), Errno::ROFS.into()));
        }
        for lower in mapping.parts.iter().filter_map(|part| find(all, &part.device)) {
            self.make_writable(machine, lower, all)?;
        }
        mapping.writable = true;
        machine.apply(&[Op::Remap(mapping.clone())])?;
        self.made.iter_mut().filter(|made| made.name == mapping.name).for_each(|made| made.writable = true);
        Ok(())
    }

    /// Marks a device as looked into; `true` when it was before.
    fn look(&mut self, device: &BlockDevice) -> bool {
        self.seen.insert(device.name.clone(), device.clone()).is_some()
    }

    fn of(&self, device: &BlockDevice) -> Option<&Mapping> {
        self.made.iter().find(|made| Some(&made.name) == device.mapped.as_ref())
    }

    /// Removes what was made of devices that are gone, so that it can be made again when they are back.
    fn forget<S: Sys>(&mut self, machine: &mut Machine<S>, all: &Candidates) {
        // Another device may have the name by now.
        let lost = self.seen.extract_if(.., |_, device| !all.holds(device));
        let lost: Vec<String> = lost.map(|(name, _)| name).collect();
        self.physical.retain(|name, _| all.has(name) && !lost.contains(name));
        let mut gone: Vec<String> = Vec::new();
        for made in &self.made {
            let is_lost = |lower: &BlockDevice| lost.contains(&lower.name) || is_of(&gone, lower);
            if made.parts.iter().any(|part| find(all, &part.device).is_none_or(is_lost)) {
                gone.push(made.name.clone());
            }
        }
        for name in gone.iter().rev() {
            machine.best_effort(&Op::Unmap(name.clone()), "it cannot be opened again");
        }
        self.made.retain(|made| !gone.contains(&made.name));
    }

    /// Makes the device.
    fn map<S: Sys>(&mut self, machine: &mut Machine<S>, drivers: &mut Drivers, mapping: Mapping) -> Result<()> {
        let Some(target) = mapping.parts.first().map(|part| &part.target) else { return Ok(()) };
        drivers.mapper(machine, target.name());
        machine.apply(&[Op::Map(mapping.clone())]).map_err(|error| explained(drivers, target.name(), error))?;
        self.made.push(mapping);
        Ok(())
    }
}

/// Removes all mapped devices that nobody uses, the last one first: an attempt begins as the first one did. Their keys
/// went with the attempt that made them, and no table can be loaded for writing without.
pub(crate) fn close<S: Sys>(machine: &mut Machine<S>) {
    let number = |device: &BlockDevice| device.name.strip_prefix("dm-").and_then(|n| n.parse::<u32>().ok());
    let mut all = machine.sys().block_devices().unwrap_or_default();
    all.sort_unstable_by_key(|device| std::cmp::Reverse(number(device)));
    for name in all.into_iter().filter_map(|device| device.mapped) {
        machine.best_effort(&Op::Unmap(name), "it stays as it is");
    }
}

/// Without the device mapper there is nobody to ask; without the target or its cipher, the table is invalid.
fn explained(drivers: &Drivers, target: &str, error: Error) -> Error {
    let missing = [Errno::NOENT, Errno::INVAL].map(|errno| Some(errno.raw_os_error()));
    match &error.cause {
        Cause::Os(os) if missing.contains(&os.raw_os_error()) => {
            Box::new(Failure { cause: drivers.no_mapper(target), ..*error })
        }
        _ => error,
    }
}

fn is_of(names: &[String], device: &BlockDevice) -> bool {
    device.mapped.as_ref().is_some_and(|name| names.contains(name))
}

/// Whether a mapped device of this name is there, whoever made it.
fn is_there(all: &Candidates, name: &str) -> bool {
    all.all().any(|candidate| candidate.device.mapped.as_deref() == Some(name))
}

/// By its node.
fn find<'a>(all: &'a Candidates, node: &str) -> Option<&'a BlockDevice> {
    let name = node.strip_prefix("/dev/")?;
    all.all().map(|candidate| &candidate.device).find(|device| device.name == name)
}
