//! The place of the saved layers: opened, mounted, and tried out.

use super::{PERSIST, refuse};
use crate::error::{Cause, Result};
use crate::formats::superblock::{Format, probe};
use crate::machine::Machine;
use crate::mounting::mounting;
use crate::op::{ImageMount, Op, Place};
use crate::params::Session;
use crate::stages::drivers::Drivers;
use crate::stages::plan::Plan;
use crate::stages::store::persist_source::{FOLDER, IMAGE, PersistSource, holds_layers};
use crate::stages::store::{Access, Store, containers};
use crate::sys::Sys;
use rustix::mount::MountFlags;

/// From this share of its size on, a warning says how full it is, in per cent.
const NEARLY_FULL: u64 = 80;
/// Bytes that have to be free for a session to be written: with less, not even a log-in could be noted.
const LEAST: u64 = 16 << 20;

/// The place, mounted at [`PERSIST`].
pub(super) struct Opened {
    /// Whether this session can be written there.
    pub(super) may_write: bool,
}

/// Mounts it.
pub(super) fn open<S: Sys>(
    machine: &mut Machine<S>,
    plan: &Plan,
    drivers: &mut Drivers,
    store: &Store,
) -> Result<Opened> {
    let Some(source) = store.persist else {
        let why = format!(
            "{} has no {IMAGE}, and its file system cannot hold what is saved itself; isolde persist create makes one",
            store.description
        );
        return Err(refuse(machine, why));
    };
    let mut wanted = plan.session == Session::Save;
    if let (true, Access::Refused(why)) = (wanted, &store.access) {
        machine.warn(&format!("this session is in memory: {why}"));
        wanted = false;
    }
    let target = Place::at(PERSIST);
    machine.apply(&[Op::MakeDir(target.clone())])?;
    match source {
        PersistSource::Image => mount_image(machine, plan, drivers, target, wanted)?,
        PersistSource::NewFolder if !wanted => return Ok(Opened { may_write: false }),
        PersistSource::Folder | PersistSource::NewFolder => {
            let source = Place::store(FOLDER);
            if wanted {
                machine.apply(&[Op::MakeDir(source.clone())])?;
            }
            machine.apply(&[Op::Bind { source, target, flags: MountFlags::empty() }])?;
        }
    }
    Ok(Opened { may_write: wanted && fits(machine)? })
}

/// The file system in the image file, or in the LUKS volume in it.
fn mount_image<S: Sys>(
    machine: &mut Machine<S>,
    plan: &Plan,
    drivers: &mut Drivers,
    target: Place,
    writable: bool,
) -> Result<()> {
    let at = Place::store(IMAGE);
    let doing = || format!("open {at}");
    let file = if writable { machine.sys_mut().open_writable(&at) } else { machine.sys().open(&at) };
    let file = file.map_err(|e| machine.os(doing(), e))?;
    let mut format = probe(&file).map_err(|e| machine.os(doing(), e))?.map(|superblock| superblock.format);
    let mut volume = None;
    if format == Some(Format::Luks) {
        let (node, name) = containers::open_image(machine, plan, drivers, IMAGE, &file, writable)?;
        let inner = machine.sys().open(&Place::at(&node)).map_err(|e| machine.os(doing(), e))?;
        format = probe(&inner).map_err(|e| machine.os(doing(), e))?.map(|superblock| superblock.format);
        volume = Some((node, name));
    }
    let Some(how) = format.filter(|format| holds_layers(*format)).and_then(mounting) else {
        let seen = format.map_or("nothing known", Format::name);
        let why = format!("wanted a file system like ext4 in {IMAGE}, saw {seen}");
        return Err(machine.error(doing(), Cause::NoPersistence { why }));
    };
    drivers.image(machine, how.fstype)?;
    let options = how.writable.filter(|_| writable).unwrap_or(how.read_only).to_owned();
    // Set-uid programs and device nodes are part of a system; who may use them is the overlay's to say.
    let flags = if writable { MountFlags::NOATIME } else { MountFlags::NOATIME | MountFlags::RDONLY };
    let fstype = how.fstype.to_owned();
    match volume {
        None => {
            let name = at.full().to_string_lossy().into_owned();
            machine.mount_image(&file, &ImageMount { name, fstype, target, flags, options })?;
        }
        Some((source, name)) => {
            machine.apply(&[Op::Mount { fstype, source, target, flags, options }])?;
            // With it goes the loop device below it.
            machine.best_effort(&Op::Release(name), "the image stays open when it is unmounted");
        }
    }
    Ok(())
}

/// Whether a session can be written here: tried out, and there has to be room.
fn fits<S: Sys>(machine: &mut Machine<S>) -> Result<bool> {
    let at = Place::at(PERSIST);
    let space = machine.sys().space(&at).map_err(|e| machine.os(format!("ask for the room at {at}"), e))?;
    let used = space.size.saturating_sub(space.free);
    let mib = |bytes: u64| bytes >> 20;
    if space.free < LEAST {
        let (free, least) = (mib(space.free), mib(LEAST));
        machine.warn(&format!(
            "this session is in memory: {free} MiB of what is saved on are free, {least} are wanted; isolde persist prune \
             or isolde persist grow make room"
        ));
        return Ok(false);
    }
    if used >= space.size / 100 * NEARLY_FULL {
        machine.warn(&format!("{} of {} MiB for what is saved are used", mib(used), mib(space.size)));
    }
    match machine.sys_mut().fault_as_upper(&at) {
        Ok(None) => Ok(true),
        Ok(Some(fault)) => Err(refuse(machine, format!("no layer can be written there: {fault}"))),
        Err(error) => {
            machine.warn(&format!("this session is in memory: try to write at {at}: {}", Cause::Os(error)));
            Ok(false)
        }
    }
}
