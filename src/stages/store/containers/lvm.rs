//! LVM: linear volumes of the groups that are named, on the devices that are there.

use super::{Containers, is_there};
use crate::error::{Cause, Error, Result};
use crate::formats::lvm::{Extent, Group, LogicalVolume, LvmError, PhysicalVolume, VolumeName};
use crate::formats::superblock::Format;
use crate::machine::Machine;
use crate::op::{Mapping, Part, Place, Target};
use crate::source::StoreSpec;
use crate::stages::drivers::Drivers;
use crate::stages::plan::Plan;
use crate::stages::store::candidates::{Candidates, choose};
use crate::sys::Sys;
use std::collections::BTreeSet;

/// A device and what LVM says on it.
type Known<'a> = (&'a str, &'a PhysicalVolume);

impl Containers {
    /// Makes the next volume that is asked for and whole.
    pub(super) fn activate<S: Sys>(
        &mut self,
        machine: &mut Machine<S>,
        plan: &Plan,
        drivers: &mut Drivers,
        all: &Candidates,
    ) -> Result<bool> {
        if !plan.lvm.is_empty() {
            self.read(machine, all);
        }
        for wanted in plan.lvm.iter().filter(|wanted| !is_there(all, &wanted.mapped())) {
            let known = self.known(all);
            match resolve(wanted, &known) {
                Ok(Some((mapping, writable))) => {
                    say_twins(machine, &mapping, &known);
                    if !writable {
                        self.read_only.insert(mapping.name.clone());
                    }
                    self.map(machine, drivers, mapping)?;
                    return Ok(true);
                }
                // More may come.
                Ok(None) | Err(LvmError::Missing(_)) => {}
                Err(error) => return Err(refused(machine, wanted, error)),
            }
        }
        Ok(false)
    }

    /// The first volume that lacks a part.
    pub(super) fn incomplete<S: Sys>(&self, machine: &Machine<S>, plan: &Plan, all: &Candidates) -> Option<Error> {
        let known = self.known(all);
        let wanted = plan.lvm.iter().filter(|wanted| !is_there(all, &wanted.mapped()));
        wanted.into_iter().find_map(|wanted| Some(refused(machine, wanted, resolve(wanted, &known).err()?)))
    }

    /// Reads what is new.
    fn read<S: Sys>(&mut self, machine: &mut Machine<S>, all: &Candidates) {
        for candidate in all.all().filter(|candidate| candidate.format() == Some(Format::LvmPv)) {
            let name = &candidate.device.name;
            if self.look(&candidate.device) {
                continue;
            }
            let node = Place::at(["/dev/", name].concat());
            let opened = machine.sys().open(&node).map_err(LvmError::Io);
            match opened.and_then(|file| PhysicalVolume::read(&file)) {
                Ok(volume) => _ = self.physical.insert(name.clone(), volume),
                Err(error) => machine.warn(&format!("passed over: LVM on {node}: {error}")),
            }
        }
    }

    /// In the order of cmdline-spec.md, "Which store".
    fn known<'a>(&'a self, all: &'a Candidates) -> Vec<Known<'a>> {
        let devices = choose(&StoreSpec::Any, all.all()).into_iter().map(|candidate| candidate.device.name.as_str());
        devices.filter_map(|name| Some((name, self.physical.get(name)?))).collect()
    }
}

/// The volume's device by the newest metadata of its group, and whether it may be written to; `None` when nothing of the
/// group is there. Pure.
fn resolve(wanted: &VolumeName, known: &[Known<'_>]) -> std::result::Result<Option<(Mapping, bool)>, LvmError> {
    let groups = known.iter().filter_map(|(_, volume)| volume.group.as_ref());
    let groups: Vec<&Group> = groups.filter(|group| group.name == wanted.group).collect();
    if groups.iter().map(|group| &group.uuid).collect::<BTreeSet<_>>().len() > 1 {
        return Err(LvmError::TwoGroups);
    }
    let Some(group) = groups.into_iter().max_by_key(|group| group.sequence) else { return Ok(None) };
    let LogicalVolume { uuid, extents, writable } = group.volume(&wanted.volume)?;
    let mut missing = BTreeSet::new();
    let mut parts = Vec::new();
    for Extent { length, physical, offset } in extents {
        match known.iter().find(|(_, volume)| volume.uuid == physical) {
            Some((name, _)) => {
                let device = ["/dev/", name].concat();
                parts.push(Part { length, device, offset, target: Target::Linear });
            }
            None => _ = missing.insert(physical),
        }
    }
    if missing.is_empty() {
        return Ok(Some((Mapping { name: wanted.mapped(), uuid, writable: false, parts }, writable)));
    }
    let physical = group.physical();
    let last = |id: &String| physical.iter().find(|(other, _)| other == id).map_or("nowhere", |(_, device)| device);
    let name = |id: &String| [id, ", last seen as ", &last(id).escape_debug().to_string()].concat();
    Err(LvmError::Missing(missing.iter().map(name).collect()))
}

fn refused<S: Sys>(machine: &Machine<S>, wanted: &VolumeName, error: LvmError) -> Error {
    let cause = match error {
        LvmError::Io(error) => Cause::Os(error),
        LvmError::Missing(missing) => Cause::Incomplete { volume: wanted.to_string(), missing },
        error => Cause::NotOpened { why: error.to_string() },
    };
    machine.error(["activate the volume ", &wanted.to_string()].concat(), cause)
}

/// A copy of a stick has the identifiers of its original.
fn say_twins<S: Sys>(machine: &mut Machine<S>, mapping: &Mapping, known: &[Known<'_>]) {
    for (name, volume) in known {
        let taken = mapping.parts.iter().any(|part| part.device.strip_prefix("/dev/") == Some(name));
        for (other, _) in known.iter().filter(|(other, twin)| taken && other != name && twin.uuid == volume.uuid) {
            machine.warn(&format!("/dev/{other} is the same LVM physical volume; taken: /dev/{name}"));
        }
    }
}

#[cfg(test)]
mod tests;
