//! Stage 5: the file system that holds the image files.
//!
//! Takes   the plan and the loading drivers.
//! Gives   [`Store`], mounted at [`op::STORE`]; the image that was asked for is in it.
//! Leaves  every other device unmounted and unwritten. The store itself is mounted read-only, without replaying a
//!         journal, unless a home directory on it was asked for or found.
//! Fails   when nothing fits within the time, or when what was named has no such file. See cmdline-spec.md.

mod candidates;
pub(super) mod home_source;

use crate::error::{Cause, List, Result};
use crate::families::{self, Asked, tree::Mounted};
use crate::formats::superblock::Format;
use crate::machine::Machine;
use crate::mounting::{Mounting, mounting};
use crate::op::{Op, Place, STORE};
use crate::source::{ImageSpec, StoreSpec};
use crate::stages::drivers::Drivers;
use crate::stages::plan::Plan;
use crate::sys::{Kind, Sys};
use candidates::{Candidate, Candidates, choose};
use home_source::HomeSource;
use rustix::mount::MountFlags;
use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

/// How often a waiting person is told what is being waited for.
const SAY_EVERY: Duration = Duration::from_secs(3);
/// Names that a message lists of the folder in which a file was missing.
const NAMES_SHOWN: usize = 8;

/// Whether the store may be written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing asked for more.
    ReadOnly,
    /// A home directory on it was asked for or found.
    ReadWrite,
    /// It should be written to and cannot be.
    Refused(String),
}

/// The mounted store.
#[derive(Debug)]
pub struct Store {
    pub(super) device: String,
    pub(super) format: Format,
    pub(super) description: String,
    pub(super) home: Option<HomeSource>,
    pub(super) access: Access,
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.description)?;
        if self.access == Access::ReadWrite { f.write_str(", writable") } else { Ok(()) }
    }
}

/// Finds and mounts the store, waiting as long as the plan says.
pub fn find<S: Sys>(machine: &mut Machine<S>, plan: &Plan, drivers: &mut Drivers) -> Result<Store> {
    let begin = machine.sys().now();
    let deadline = begin + plan.wait;
    let mut say_at = begin + SAY_EVERY;
    let mut candidates = Candidates::default();
    let mut searched: BTreeSet<String> = BTreeSet::new();
    candidates.refresh(machine, &plan.store)?;
    loop {
        searched.retain(|name| candidates.has(name));
        let fitting: Vec<Candidate> = choose(&plan.store, candidates.all()).into_iter().cloned().collect();
        let mut without_file = None;
        for candidate in fitting {
            if !searched.insert(candidate.device.name.clone()) {
                continue;
            }
            match attempt(machine, plan, drivers, &candidate) {
                Ok(Some(store)) => {
                    say_others(machine, plan, &candidate, candidates.all());
                    return Ok(store);
                }
                Ok(None) => {}
                // Another device of the same identity may have it.
                Err(error) if matches!(error.cause, Cause::NoSuchFile { .. }) => {
                    without_file.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        if let Some(error) = without_file {
            return Err(error);
        }
        // One module, then a look at what it brought; only when there is none left is there anything to wait for.
        let busy = drivers.work(machine);
        let now = machine.sys().now();
        if now >= deadline && !busy {
            let (seen, waited) = (candidates.describe(), (now - begin).as_secs());
            return Err(machine.error("find the store", Cause::NoStore { wanted: wanted(plan), seen, waited }));
        }
        if now >= say_at {
            say_at = now + SAY_EVERY;
            let (seen, left) = (candidates.describe(), deadline.saturating_sub(now).as_secs());
            let seen = List(&seen, "no block device");
            machine.notice(&format!("waiting for a {}, {left} s left; so far: {seen}", wanted(plan)));
        }
        let limit = if busy { Duration::ZERO } else { say_at.min(deadline).saturating_sub(now) };
        let events = machine.sys_mut().wait_for_events(limit).map_err(|e| machine.os("wait for devices", e))?;
        if drivers.handle(machine, events)? {
            candidates.refresh(machine, &plan.store)?;
        }
    }
}

/// When an identity fits several devices, the person should know which one was taken. A disk and its own partition are
/// one device that is seen twice.
fn say_others<'a, S: Sys>(
    machine: &mut Machine<S>,
    plan: &Plan,
    taken: &Candidate,
    all: impl Iterator<Item = &'a Candidate>,
) {
    let disk = |candidate: &Candidate| candidate.device.disk.clone().unwrap_or(candidate.device.name.clone());
    let others = choose(&plan.store, all).into_iter().filter(|other| disk(other) != disk(taken));
    let others: Vec<String> = others.map(Candidate::describe).collect();
    if plan.store != StoreSpec::Any && !others.is_empty() {
        let text = format!("{} also fits {}; taken: {}", others.join(", "), plan.store, taken.describe());
        machine.warn(&text);
    }
}

/// Mounts one candidate and looks into it. `None`: it is not the one, and it is unmounted again.
fn attempt<S: Sys>(
    machine: &mut Machine<S>,
    plan: &Plan,
    drivers: &mut Drivers,
    candidate: &Candidate,
) -> Result<Option<Store>> {
    let Some((format, how)) = candidate.format().and_then(|format| Some((format, mounting(format)?))) else {
        return Ok(None);
    };
    if let Err(error) = mount(machine, drivers, candidate, &how) {
        return skip_when_searching(machine, plan, error);
    }
    let found = holds_image(machine, plan);
    if !matches!(found, Ok(true)) {
        let missing = missing_file(machine, plan, candidate);
        machine.apply(&[Op::Unmount(Place::at(STORE))])?;
        return match (found, missing) {
            (Err(error), _) => skip_when_searching(machine, plan, error),
            (Ok(_), Some(cause)) if plan.store != StoreSpec::Any => Err(machine.error("find the image", cause)),
            (Ok(_), _) => Ok(None),
        };
    }
    let removable = candidate.device.removable;
    let home = home_source::find(machine, plan, removable);
    let access = match home.as_ref().map(|home| home.fits(format)) {
        None => Access::ReadOnly,
        Some(Err(why)) => Access::Refused(why),
        Some(Ok(())) => make_writable(machine, candidate, &how)?,
    };
    let device = candidate.device.name.clone();
    Ok(Some(Store { device, format, description: candidate.describe(), home, access }))
}

fn op(how: &Mounting, candidate: &Candidate, access: MountFlags, options: &str) -> Op {
    Op::Mount {
        fstype: how.fstype.to_owned(),
        source: format!("/dev/{}", candidate.device.name),
        target: Place::at(STORE),
        // No device nodes and no set-uid programs from a stick.
        flags: access | MountFlags::NOSUID | MountFlags::NODEV,
        options: options.to_owned(),
    }
}

/// When every device is searched, one that cannot be mounted or read is passed over; one that was named stops the boot.
fn skip_when_searching<S: Sys>(
    machine: &mut Machine<S>,
    plan: &Plan,
    error: crate::error::Error,
) -> Result<Option<Store>> {
    if plan.store == StoreSpec::Any {
        machine.warn(&format!("passed over: {}: {}", error.doing, error.cause));
        return Ok(None);
    }
    Err(error)
}

fn mount<S: Sys>(machine: &mut Machine<S>, drivers: &mut Drivers, candidate: &Candidate, how: &Mounting) -> Result<()> {
    drivers.file_system(machine, how.fstype)?;
    machine.apply(&[Op::MakeDir(Place::at(STORE)), op(how, candidate, MountFlags::RDONLY, how.read_only)])
}

/// Mounts it again for writing. `noload` cannot be taken back by a remount, so the first mount has to go.
fn make_writable<S: Sys>(machine: &mut Machine<S>, candidate: &Candidate, how: &Mounting) -> Result<Access> {
    let options = how.writable.unwrap_or_default();
    machine.apply(&[Op::Unmount(Place::at(STORE))])?;
    match machine.apply(&[op(how, candidate, MountFlags::empty(), options)]) {
        Ok(()) => Ok(Access::ReadWrite),
        Err(error) => {
            machine.apply(&[op(how, candidate, MountFlags::RDONLY, how.read_only)])?;
            Ok(Access::Refused(format!("{}: {}", error.doing, error.cause)))
        }
    }
}

fn holds_image<S: Sys>(machine: &Machine<S>, plan: &Plan) -> Result<bool> {
    match &plan.image {
        ImageSpec::File(path) => {
            let kind = machine.sys().kind(&Place::store(path));
            let kind = kind.map_err(|e| machine.os(format!("look for {}", Place::store(path)), e))?;
            Ok(matches!(kind, Some(Kind::File { .. })))
        }
        ImageSpec::Medium => {
            let tree = Mounted::new(machine.sys(), STORE);
            let initrd = Mounted::new(machine.sys(), "/");
            let found = families::recognise(&Asked { medium: &tree, initrd: &initrd, words: &plan.words });
            Ok(found.map_err(|e| machine.os("look for a live system", e))?.is_some())
        }
    }
}

/// What is beside the missing file, for the message.
fn missing_file<S: Sys>(machine: &Machine<S>, plan: &Plan, candidate: &Candidate) -> Option<Cause> {
    let ImageSpec::File(path) = &plan.image else { return None };
    let folder = path.rsplit_once('/').map_or("/", |(folder, _)| folder);
    let entries = machine.sys().list(&Place::store(folder)).unwrap_or_default();
    let seen = entries.into_iter().take(NAMES_SHOWN).map(|entry| entry.name).collect();
    Some(Cause::NoSuchFile { path: path.clone(), store: candidate.describe(), seen })
}

fn wanted(plan: &Plan) -> String {
    match (&plan.store, &plan.image) {
        (StoreSpec::Uuid(id), _) => format!("file system with UUID {id}"),
        (StoreSpec::Label(label), _) => format!("file system labelled {label:?}"),
        (StoreSpec::PartUuid(id), _) => format!("partition with PARTUUID {id}"),
        (StoreSpec::PartLabel(label), _) => format!("partition named {label:?}"),
        (StoreSpec::Device(name), _) => format!("device /dev/{name}"),
        (StoreSpec::Any, ImageSpec::File(path)) => format!("file system with the file {path}"),
        (StoreSpec::Any, ImageSpec::Medium) => "medium with a live system".to_owned(),
    }
}
