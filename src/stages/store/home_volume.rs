//! A home that is a file system of its own: the device is waited for as the store is, and may be a LUKS volume, or be in
//! one that was asked for.

use super::candidates::{Candidate, Candidates, choose};
use super::containers::Containers;
use super::waiting::{Waiting, Wish};
use super::{Store, hibernated};
use crate::error::{Cause, List, Result};
use crate::formats::superblock::Format;
use crate::machine::Machine;
use crate::source::StoreSpec;
use crate::stages::drivers::Drivers;
use crate::stages::home::refuse;
use crate::stages::plan::Plan;
use crate::sys::Sys;
use std::time::Duration;

/// Finds the device, and opens it where it is encrypted; gives its node, which takes writes, and what is on it.
pub(in crate::stages) fn open<S: Sys>(
    machine: &mut Machine<S>,
    plan: &Plan,
    drivers: &mut Drivers,
    spec: &StoreSpec,
    store: &Store,
) -> Result<(Option<Format>, String)> {
    let mut waiting = Waiting::new(machine.sys().now(), plan.wait);
    let (mut all, mut containers) = (Candidates::default(), Containers::default());
    let wanted = ["home on ", &spec.to_string()].concat();
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
            return Err(refuse(machine, &spec.to_string(), why));
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
            Some(Wish::Menu) => return Err(machine.error("find the home", Cause::Stopped { wanted })),
            None => {}
        }
        if changed {
            all.refresh(machine, spec)?;
        }
    };
    let found = inside(machine, plan, drivers, spec, &mut all, &mut containers, found);
    waiting.end(machine);
    let found = found?;
    check(machine, spec, &found, &all, store)?;
    containers.make_writable(machine, &found.device, &all)?;
    Ok((found.format(), ["/dev/", &found.device.name].concat()))
}

/// What is in it, where it is a LUKS volume: the open one may be there already.
fn inside<S: Sys>(
    machine: &mut Machine<S>,
    plan: &Plan,
    drivers: &mut Drivers,
    spec: &StoreSpec,
    all: &mut Candidates,
    containers: &mut Containers,
    found: Candidate,
) -> Result<Candidate> {
    if found.format() != Some(Format::Luks) {
        return Ok(found);
    }
    let Some(name) = containers.unlock_named(machine, plan, drivers, &found, all)? else {
        return Err(refuse(machine, &spec.to_string(), ["/dev/", &found.device.name, " stays closed"].concat()));
    };
    all.refresh(machine, &StoreSpec::Any)?;
    let opened = all.all().find(|candidate| candidate.device.mapped.as_ref() == Some(&name)).cloned();
    opened.ok_or_else(|| refuse(machine, &spec.to_string(), [&name, " is not there"].concat()))
}

/// Why it is better left alone.
fn check<S: Sys>(
    machine: &Machine<S>,
    spec: &StoreSpec,
    found: &Candidate,
    all: &Candidates,
    store: &Store,
) -> Result<()> {
    if found.device.name == store.device && store.in_memory.is_none() {
        let why = "it is the store: name a directory or an image file of it, such as isolde.home=/home";
        return Err(refuse(machine, &spec.to_string(), why.to_owned()));
    }
    match hibernated(all.all()).filter(|_| !found.device.removable) {
        Some(other) => Err(refuse(machine, &spec.to_string(), [&other.describe(), " is hibernated"].concat())),
        None => Ok(()),
    }
}
