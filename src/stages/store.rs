//! Stage 5: the file system that holds the image files.
//!
//! Takes   the plan and the loading drivers.
//! Gives   [`Store`], mounted at [`op::STORE`]; the image that was asked for is in it.
//! Leaves  every other device unmounted and unwritten: one that has to be looked into is write-protected by the kernel
//!         meanwhile. The store itself is mounted read-only, without replaying a
//!         journal, unless a home directory on it was asked for or found, or what is written is to be saved on it.
//! Fails   when nothing fits within the time, or when what was named has no such file. See cmdline-spec.md.

mod candidates;
pub(crate) mod containers;
pub(super) mod home_source;
mod ntfs;
pub(super) mod persist_source;
pub(crate) mod visit;
pub(super) mod volume;
mod waiting;

use crate::error::{Cause, Result};
use crate::families::{self, Asked, tree::Mounted};
use crate::formats::superblock::Format;
use crate::machine::Machine;
use crate::mounting::{Mounting, mounting};
use crate::op::{Op, Place, STORE};
use crate::source::{ImageSpec, StoreSpec};
use crate::stages::drivers::Drivers;
use crate::stages::plan::Plan;
use crate::sys::{BlockDevice, Kind, Sys};
use candidates::{Candidate, Candidates, choose};
use containers::Containers;
use home_source::HomeSource;
use ntfs::Windows;
use persist_source::PersistSource;
use rustix::mount::MountFlags;
use std::fmt;
use std::time::Duration;
use waiting::{Waiting, Wish};

/// Names that a message lists of the folder in which a file was missing.
const NAMES_SHOWN: usize = 8;

/// Whether the store may be written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing asked for more.
    ReadOnly,
    /// A home directory on it was asked for or found, or a place for what is saved was asked for.
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
    pub(super) persist: Option<PersistSource>,
    pub(super) access: Access,
    /// Bytes of what is in its place in memory; `None` while it is the medium's.
    pub(super) in_memory: Option<u64>,
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.description)?;
        if self.access == Access::ReadWrite { f.write_str(", writable") } else { Ok(()) }
    }
}

/// Finds and mounts the store, waiting as long as the plan says.
pub fn find<S: Sys>(machine: &mut Machine<S>, plan: &Plan, drivers: &mut Drivers) -> Result<Store> {
    let mut waiting = Waiting::new(machine.sys().now(), plan.wait);
    let mut candidates = Candidates::default();
    let mut searched: Vec<BlockDevice> = Vec::new();
    let mut containers = Containers::default();
    candidates.refresh(machine, &plan.store)?;
    loop {
        searched.retain(|device| candidates.holds(device));
        let settles_at = drivers.usb_settles_at(machine);
        let is_settled = settles_at.is_some_and(|at| at <= machine.sys().now()) || waiting.is_over(machine);
        let fitting = choose(&plan.store, candidates.all()).into_iter();
        let fitting: Vec<Candidate> =
            fitting.filter(|candidate| !searched.contains(&candidate.device)).cloned().collect();
        let (mut without_file, mut unsettled) = (None, false);
        for candidate in &fitting {
            if plan.store == StoreSpec::Any {
                if let Some(reason) = reason_against(candidate, candidates.all()) {
                    searched.push(candidate.device.clone());
                    machine.warn(&format!("passed over: {}: {reason}", candidate.describe()));
                    continue;
                }
                // A stick that is on its way comes before an internal disk.
                if !candidate.device.removable && !is_settled {
                    unsettled = true;
                    continue;
                }
            }
            searched.push(candidate.device.clone());
            match attempt(machine, plan, drivers, candidate, &mut containers, &candidates) {
                Ok(Some(store)) => {
                    // A clone may have come since the last look.
                    candidates.refresh(machine, &plan.store)?;
                    say_others(machine, plan, candidate, candidates.all());
                    waiting.end(machine);
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
        // What is inside of another device is looked for when no other is the store: nobody types in vain.
        if !unsettled && containers.open(machine, plan, drivers, &candidates)? {
            candidates.refresh(machine, &plan.store)?;
            continue;
        }
        // One module, then a look at what it brought; only when there is none left is there anything to wait for.
        let busy = drivers.work(machine);
        if waiting.is_over(machine) && !busy && !unsettled {
            if let Some(error) = containers.explain(machine, plan, &candidates) {
                return Err(error);
            }
            let (seen, waited) = (seen(plan, &candidates), waiting.so_far(machine).as_secs());
            return Err(machine.error("find the store", Cause::NoStore { wanted: wanted(plan), seen, waited }));
        }
        waiting.say(machine, drivers, &wanted(plan), &candidates, busy)?;
        let mut limit = if busy { Duration::ZERO } else { waiting.limit(machine) };
        if let Some(at) = settles_at.filter(|_| unsettled) {
            limit = limit.min(at.saturating_sub(machine.sys().now()));
        }
        let events = machine.sys_mut().wait_for_events(limit).map_err(|e| machine.os("wait for devices", e))?;
        let changed = drivers.handle(machine, events)?;
        match waiting.key(machine) {
            Some(Wish::LookAgain) => {
                drivers.look_again(machine)?;
                (candidates, searched) = Default::default();
                containers.look_again();
                candidates.refresh(machine, &plan.store)?;
            }
            Some(Wish::Menu) => return Err(machine.error("find the store", Cause::Stopped { wanted: wanted(plan) })),
            None if changed => candidates.refresh(machine, &plan.store)?,
            None => {}
        }
    }
}

/// Every device, with what is on it, and why it was passed over.
fn seen(plan: &Plan, candidates: &Candidates) -> Vec<String> {
    let searching = plan.store == StoreSpec::Any;
    let text = |candidate: &Candidate| match reason_against(candidate, candidates.all()).filter(|_| searching) {
        Some(reason) => format!("{} (passed over: {reason}; isolde.store= names it)", candidate.describe()),
        None => candidate.describe(),
    };
    candidates.all().map(text).collect()
}

/// Why a volume that nobody named is left alone; `None` for one that may be looked into. Pure.
///
/// An internal volume that was not unmounted may belong to a system that sleeps: what stands on the disk is then not
/// what that system will find when it wakes.
fn reason_against<'a>(candidate: &Candidate, all: impl Iterator<Item = &'a Candidate>) -> Option<String> {
    let format = candidate.format()?;
    if candidate.device.removable || is_read_only(format) {
        return None;
    }
    if candidate.is_dirty() {
        return Some("it was not unmounted, and may belong to a system that sleeps".to_owned());
    }
    let asleep = hibernated(all)?;
    Some(format!("{} holds a hibernated system, which it may belong to", asleep.describe()))
}

/// Where an internal disk has a hibernated system. Pure.
fn hibernated<'a>(mut all: impl Iterator<Item = &'a Candidate>) -> Option<&'a Candidate> {
    all.find(|other| other.format() == Some(Format::Hibernated) && !other.device.removable)
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
    containers: &mut Containers,
    all: &Candidates,
) -> Result<Option<Store>> {
    let Some((format, how)) = candidate.format().and_then(|format| Some((format, mounting(format)?))) else {
        return Ok(None);
    };
    if let Err(error) = mount(machine, drivers, candidate, format, &how) {
        return skip_when_searching(machine, plan, error);
    }
    let windows = if format == Format::Ntfs { ntfs::windows(machine) } else { Windows::Awake };
    if windows == Windows::Asleep && plan.store == StoreSpec::Any && !candidate.device.removable {
        unmount(machine, candidate, format)?;
        machine.warn(&format!("passed over: {}: Windows is hibernated on it", candidate.describe()));
        return Ok(None);
    }
    let found = holds_image(machine, plan);
    if !matches!(found, Ok(true)) {
        let missing = missing_file(machine, plan, candidate);
        unmount(machine, candidate, format)?;
        return match (found, missing) {
            (Err(error), _) => skip_when_searching(machine, plan, error),
            (Ok(_), Some(cause)) if plan.store != StoreSpec::Any => Err(machine.error("find the image", cause)),
            (Ok(_), _) => Ok(None),
        };
    }
    let removable = candidate.device.removable;
    let home = home_source::find(machine, plan, removable);
    let sleeper =
        || hibernated(all.all()).filter(|_| !removable).map(|other| format!("{} is hibernated", other.describe()));
    let persist = persist_source::find(machine, plan, format);
    let saves = persist.is_some_and(|source| source.writes(plan));
    let access = match home.as_ref().map(|home| home.fits(format)) {
        None if !saves => Access::ReadOnly,
        Some(Err(why)) if !saves => Access::Refused(why),
        _ => match sleeper().or_else(|| ntfs::why_not_written(machine, candidate, windows)) {
            Some(why) => Access::Refused(why),
            None => make_writable(machine, candidate, format, &how, containers, all)?,
        },
    };
    protect(machine, candidate, format, false)?;
    if candidate.is_dirty() && access != Access::ReadWrite && has_journal(format) {
        let text = "it was not unmounted and its journal is not replayed: what was written last may be missing";
        machine.warn(&format!("{}: {text}", candidate.describe()));
    }
    let device = candidate.device.name.clone();
    Ok(Some(Store { device, format, description: candidate.describe(), home, persist, access, in_memory: None }))
}

/// File systems that no driver writes to.
fn is_read_only(format: Format) -> bool {
    matches!(format, Format::Iso9660 | Format::Udf | Format::Squashfs | Format::Erofs)
}

/// File systems that keep what was written last somewhere else until it is in its place.
fn has_journal(format: Format) -> bool {
    matches!(format, Format::Ext3 | Format::Ext4 | Format::Btrfs | Format::Xfs | Format::F2fs | Format::Ntfs)
}

/// Has the kernel refuse every write to the device, or no longer.
fn protect<S: Sys>(machine: &mut Machine<S>, candidate: &Candidate, format: Format, read_only: bool) -> Result<()> {
    let device = format!("/dev/{}", candidate.device.name);
    if is_read_only(format) { Ok(()) } else { machine.apply(&[Op::SetReadOnly { device, read_only }]) }
}

fn unmount<S: Sys>(machine: &mut Machine<S>, candidate: &Candidate, format: Format) -> Result<()> {
    machine.apply(&[Op::Unmount(Place::at(STORE))])?;
    // One that was pulled out meanwhile has nothing to be set.
    if machine.sys().kind(&Place::at(format!("/dev/{}", candidate.device.name))).ok().flatten().is_none() {
        return Ok(());
    }
    protect(machine, candidate, format, false)
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

fn mount<S: Sys>(
    machine: &mut Machine<S>,
    drivers: &mut Drivers,
    candidate: &Candidate,
    format: Format,
    how: &Mounting,
) -> Result<()> {
    drivers.file_system(machine, how.fstype)?;
    machine.apply(&[Op::MakeDir(Place::at(STORE))])?;
    protect(machine, candidate, format, true)?;
    let mounted = machine.apply(&[op(how, candidate, MountFlags::RDONLY, how.read_only)]);
    if mounted.is_err() {
        protect(machine, candidate, format, false)?;
    }
    mounted
}

/// Mounts it again for writing. `noload` cannot be taken back by a remount, so the first mount has to go.
fn make_writable<S: Sys>(
    machine: &mut Machine<S>,
    candidate: &Candidate,
    format: Format,
    how: &Mounting,
    containers: &mut Containers,
    all: &Candidates,
) -> Result<Access> {
    let options = how.writable.unwrap_or_default();
    machine.apply(&[Op::Unmount(Place::at(STORE))])?;
    protect(machine, candidate, format, false)?;
    let mapped = containers.make_writable(machine, &candidate.device, all);
    match mapped.and_then(|()| machine.apply(&[op(how, candidate, MountFlags::empty(), options)])) {
        Ok(()) => Ok(Access::ReadWrite),
        Err(error) => {
            protect(machine, candidate, format, true)?;
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
