//! A file system beside the store, for a home or for what is saved: its device is waited for as the store is, and may be a
//! LUKS volume, or be in one that was asked for.

use super::candidates::{Candidate, Candidates, choose};
use super::containers::Containers;
use super::waiting::{Waiting, Wish};
use super::{Store, hibernated};
use crate::error::{Cause, Error, List, Result};
use crate::formats::superblock::Format;
use crate::machine::Machine;
use crate::source::StoreSpec;
use crate::stages::drivers::Drivers;
use crate::stages::plan::Plan;
use crate::sys::Sys;
use std::time::Duration;

/// What it is for.
pub(in crate::stages) struct Purpose<S: Sys> {
    /// As a message says it: `home`.
    pub(in crate::stages) name: &'static str,
    /// What to write on the command line when it is to be on the store itself.
    pub(in crate::stages) on_the_store: &'static str,
    /// The error for a device, and why it is not used.
    pub(in crate::stages) refuse: fn(&Machine<S>, &str, String) -> Error,
}

/// Finds the device, and opens it where it is encrypted; gives its node, which takes writes, and what is on it.
pub(in crate::stages) fn open<S: Sys>(
    machine: &mut Machine<S>,
    plan: &Plan,
    drivers: &mut Drivers,
    spec: &StoreSpec,
    store: &Store,
    purpose: &Purpose<S>,
) -> Result<(Option<Format>, String)> {
    let name = spec.to_string();
    let mut waiting = Waiting::new(machine.sys().now(), plan.wait);
    let (mut all, mut containers) = (Candidates::default(), Containers::default());
    let wanted = [purpose.name, " on ", &name].concat();
    all.refresh(machine, spec)?;
    let found = loop {
        if let Some(found) = choose(spec, all.all()).into_iter().next().cloned() {
            break found;
        }
        if containers.open(machine, plan, drivers, &all)? {
            all.refresh(machine, spec)?;
            continue;
        }
        let busy = drivers.work(machine);
        if waiting.is_over(machine) && !busy {
            let waited = waiting.so_far(machine).as_secs();
            let why = format!("no such device after {waited} s; saw {}", List(&all.describe(), "no block device"));
            return Err((purpose.refuse)(machine, &name, why));
        }
        waiting.say(machine, drivers, &wanted, &all, busy)?;
        let limit = if busy { Duration::ZERO } else { waiting.limit(machine) };
        let events = machine.sys_mut().wait_for_events(limit).map_err(|e| machine.os("wait for devices", e))?;
        let mut changed = drivers.handle(machine, events)?;
        match waiting.key(machine) {
            Some(Wish::LookAgain) => {
                drivers.look_again(machine)?;
                containers.look_again();
                all = Candidates::default();
                changed = true;
            }
            Some(Wish::Menu) => return Err(machine.error(["find the ", &wanted].concat(), Cause::Stopped { wanted })),
            None => {}
        }
        if changed {
            all.refresh(machine, spec)?;
        }
    };
    let found = inside(machine, plan, drivers, &mut all, &mut containers, found);
    waiting.end(machine);
    let refuse = |machine: &Machine<S>, why| (purpose.refuse)(machine, &name, why);
    let found = found?.map_err(|why| refuse(machine, why))?;
    why_not(&found, &all, store, purpose.on_the_store).map_or(Ok(()), |why| Err(refuse(machine, why)))?;
    containers.make_writable(machine, &found.device, &all)?;
    Ok((found.format(), ["/dev/", &found.device.name].concat()))
}

/// What is in it, where it is a LUKS volume: the open one may be there already. Or why there is nothing.
fn inside<S: Sys>(
    machine: &mut Machine<S>,
    plan: &Plan,
    drivers: &mut Drivers,
    all: &mut Candidates,
    containers: &mut Containers,
    found: Candidate,
) -> Result<std::result::Result<Candidate, String>> {
    if found.format() != Some(Format::Luks) {
        return Ok(Ok(found));
    }
    let Some(name) = containers.unlock_named(machine, plan, drivers, &found, all)? else {
        return Ok(Err(["/dev/", &found.device.name, " stays closed"].concat()));
    };
    all.refresh(machine, &StoreSpec::Any)?;
    let opened = all.all().find(|candidate| candidate.device.mapped.as_ref() == Some(&name)).cloned();
    Ok(opened.ok_or_else(|| [&name, " is not there"].concat()))
}

/// Why it is better left alone.
fn why_not(found: &Candidate, all: &Candidates, store: &Store, on_the_store: &str) -> Option<String> {
    if found.device.name == store.device && store.in_memory.is_none() {
        return Some(["it is the store: ", on_the_store].concat());
    }
    let other = hibernated(all.all()).filter(|_| !found.device.removable)?;
    Some([&other.describe(), " is hibernated"].concat())
}
