//! The place of the saved layers: opened, mounted, and tried out.

use super::{PERSIST, image, refuse};
use crate::error::{Cause, Result};
use crate::formats::superblock::Format;
use crate::machine::Machine;
use crate::mounting::mounting;
use crate::op::{Op, Place};
use crate::params::{PersistWish, Session};
use crate::source::StoreSpec;
use crate::stages::drivers::Drivers;
use crate::stages::layers::Layers;
use crate::stages::plan::Plan;
use crate::stages::store::Access;
use crate::stages::store::persist_source::{FOLDER, IMAGE, PersistSource, holds_layers};
use crate::stages::store::volume::{self, Purpose};
use crate::sys::{Kind, Sys};
use rustix::mount::MountFlags;

/// From this share of its size on, a warning says how full it is, in per cent.
const NEARLY_FULL: u64 = 80;
/// Bytes that have to be free for a session to be written: with less, not even a log-in could be noted.
const LEAST: u64 = 16 << 20;
/// Where another device than the store is mounted; see [`PERSIST`] for why there.
const VOLUME: &str = "/run/initramfs/isolde/persist-on";

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
    layers: &Layers,
) -> Result<Opened> {
    let store = &layers.store;
    let Some(source) = store.persist else {
        let why = format!(
            "{} has no {IMAGE}, and its file system cannot hold what is saved itself; isolde.persist-size= makes one, or \
             isolde persist create",
            store.description
        );
        return Err(refuse(machine, why));
    };
    let mut wanted = plan.session == Session::Save;
    if let (true, true, Access::Refused(why)) = (wanted, source.is_on_the_store(), &store.access) {
        machine.warn(&format!("this session is in memory: {why}"));
        wanted = false;
    }
    let target = Place::at(PERSIST);
    machine.apply(&[Op::MakeDir(target.clone())])?;
    let folder = match (source, plan.persist_size.filter(|_| wanted)) {
        (PersistSource::NewImage, None) => return Ok(Opened { may_write: false }),
        (PersistSource::NewImage, Some(size)) => {
            image::make(machine, plan, drivers, layers, size)?;
            None
        }
        (PersistSource::Image, Some(size)) => {
            if let Err(error) = image::grow(machine, store, size) {
                machine.warn(&format!("{IMAGE} stays as it is: {}: {}", error.doing, error.cause));
            }
            None
        }
        (PersistSource::Image, None) => None,
        (PersistSource::Volume, _) => Some(mount_volume(machine, plan, drivers, layers, wanted)?),
        (PersistSource::Folder | PersistSource::NewFolder, _) => Some(Place::store(FOLDER)),
    };
    match folder {
        None => image::mount(machine, plan, drivers, wanted)?,
        Some(source) => {
            if machine.sys().kind(&source).ok().flatten() != Some(Kind::Directory) {
                if !wanted {
                    return Ok(Opened { may_write: false });
                }
                machine.apply(&[Op::MakeDir(source.clone())])?;
            }
            machine.apply(&[Op::Bind { source, target, flags: MountFlags::empty() }])?;
        }
    }
    Ok(Opened { may_write: wanted && fits(machine)? })
}

/// Mounts the device that isolde.persist-on= names; gives the folder on it.
fn mount_volume<S: Sys>(
    machine: &mut Machine<S>,
    plan: &Plan,
    drivers: &mut Drivers,
    layers: &Layers,
    writable: bool,
) -> Result<Place> {
    let spec = plan.persist_on.clone().unwrap_or(StoreSpec::Any);
    let on_the_store = "what is saved is on it without isolde.persist-on=";
    let refuse = |machine: &Machine<S>, device: &str, why: String| refuse(machine, [device, ": ", &why].concat());
    let purpose = Purpose { name: "place for what is saved", on_the_store, refuse };
    let (format, source) = volume::open(machine, plan, drivers, &spec, &layers.store, &purpose)?;
    let Some(how) = format.filter(|format| holds_layers(*format)).and_then(mounting) else {
        let why = format!("wanted a file system like ext4, saw {}", format.map_or("nothing known", Format::name));
        return Err(refuse(machine, &spec.to_string(), why));
    };
    drivers.file_system(machine, how.fstype)?;
    let target = Place::at(VOLUME);
    let options = how.writable.filter(|_| writable).unwrap_or(how.read_only).to_owned();
    let mut flags = MountFlags::NOATIME | MountFlags::NOSUID | MountFlags::NODEV;
    flags.set(MountFlags::RDONLY, !writable);
    let mount = Op::Mount { fstype: how.fstype.to_owned(), source, target: target.clone(), flags, options };
    machine.apply(&[Op::MakeDir(target.clone()), mount])?;
    let folder = target.join(FOLDER);
    let is_there = machine.sys().kind(&folder).ok().flatten() == Some(Kind::Directory);
    if !is_there && plan.persist == PersistWish::IfThere {
        machine.apply(&[Op::Unmount(target)])?;
        return Err(refuse(machine, &spec.to_string(), [FOLDER, " is not there, and nobody asked for one"].concat()));
    }
    Ok(folder)
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
            machine.warn(&format!("this session is in memory: probe {at}: {}", Cause::Os(error)));
            Ok(false)
        }
    }
}
