//! Where the home comes from: a folder or an image file of the store, a file system of its own, or another machine.
//!
//! Takes   what the plan asks for, and what `store` found.
//! Gives   [`Source`]: a place that can be written to. All but a folder of the store is mounted at [`super::MOUNT`].

use super::{FLAGS, MOUNT, refuse, share};
use crate::error::Result;
use crate::formats::superblock::{Format, probe};
use crate::machine::Machine;
use crate::mounting::mounting;
use crate::op::{ImageMount, Op, Place};
use crate::params::HomeWish;
use crate::stages::drivers::Drivers;
use crate::stages::plan::Plan;
use crate::stages::store::home_source::{Form, keeps_owners};
use crate::stages::store::volume::{self, Purpose};
use crate::stages::store::{Access, Store, containers};
use crate::sys::Sys;

/// A home that can be written to.
#[derive(Debug)]
pub(super) struct Source {
    /// Its root.
    pub(super) at: Place,
    /// As isolde.home= has it.
    pub(super) name: String,
    /// Its driver's name.
    pub(super) fstype: &'static str,
    /// Other machines may have it too.
    pub(super) shared: bool,
}

/// Opens it; `None` when nobody asked for one, and none was found.
pub(super) fn open<S: Sys>(
    machine: &mut Machine<S>,
    plan: &Plan,
    drivers: &mut Drivers,
    store: &Store,
) -> Result<Option<Source>> {
    let at = Place::at(MOUNT);
    let mounted = |name, fstype, shared| Source { at, name, fstype, shared };
    Ok(Some(match (&plan.home, &store.home) {
        (HomeWish::No, _) | (HomeWish::Found, None) => return Ok(None),
        (HomeWish::Volume(spec), _) => {
            let name = spec.to_string();
            let on_the_store = "name a directory or an image file of it, such as isolde.home=/home";
            let purpose = Purpose { name: "home", on_the_store, refuse };
            let (format, node) = volume::open(machine, plan, drivers, spec, store, &purpose)?;
            let fstype = on_device(machine, drivers, &name, &node, format)?;
            mounted(name, fstype, false)
        }
        (HomeWish::Share(share), _) => {
            let name = share.to_string();
            let fstype = share::mount(machine, drivers, share)?;
            mounted(name, fstype, true)
        }
        (HomeWish::Path(path), None) => {
            return Err(refuse(machine, path, [&store.description, " has no file or directory ", path].concat()));
        }
        (HomeWish::Path(_) | HomeWish::Found, Some(home)) => {
            if let Access::Refused(why) = &store.access {
                return Err(refuse(machine, &home.path, why.clone()));
            }
            home.fits(store.format).map_err(|why| refuse(machine, &home.path, why))?;
            let name = home.path.clone();
            match home.form {
                Form::Directory => {
                    let fstype = mounting(store.format).map_or("", |how| how.fstype);
                    Source { at: Place::store(&name), name, fstype, shared: false }
                }
                Form::Image => {
                    let fstype = image(machine, plan, drivers, &name)?;
                    mounted(name, fstype, false)
                }
            }
        }
    }))
}

/// An image file of the store; gives the driver's name.
fn image<S: Sys>(machine: &mut Machine<S>, plan: &Plan, drivers: &mut Drivers, path: &str) -> Result<&'static str> {
    let at = Place::store(path);
    let doing = || ["open ", &at.to_string()].concat();
    let file = machine.sys_mut().open_writable(&at).map_err(|e| machine.os(doing(), e))?;
    let format = probe(&file).map_err(|e| machine.os(doing(), e))?.map(|superblock| superblock.format);
    if format == Some(Format::Luks) {
        let (node, name) = containers::open_image(machine, plan, drivers, path, &file, true)?;
        let inner = Place::at(&node);
        let doing = || ["read ", &node].concat();
        let inner = machine.sys().open(&inner).map_err(|e| machine.os(doing(), e))?;
        let format = probe(&inner).map_err(|e| machine.os(doing(), e))?.map(|superblock| superblock.format);
        drop(inner);
        let fstype = on_device(machine, drivers, path, &node, format)?;
        // The loop device below it goes with it, and so the store can be unmounted whoever takes the system apart.
        machine.best_effort(&Op::Release(name), "the image stays open when its home is unmounted");
        return Ok(fstype);
    }
    let (fstype, options) = writable(machine, path, format)?;
    drivers.image(machine, fstype)?;
    let target = Place::at(MOUNT);
    machine.apply(&[Op::MakeDir(target.clone())])?;
    let name = at.full().to_string_lossy().into_owned();
    let (fstype_owned, options) = (fstype.to_owned(), options.to_owned());
    machine.mount_image(&file, &ImageMount { name, fstype: fstype_owned, target, flags: FLAGS, options })?;
    Ok(fstype)
}

/// A file system on a device; gives the driver's name.
fn on_device<S: Sys>(
    machine: &mut Machine<S>,
    drivers: &mut Drivers,
    name: &str,
    node: &str,
    format: Option<Format>,
) -> Result<&'static str> {
    let (fstype, options) = writable(machine, name, format)?;
    if let Some(format) = format.filter(|format| !keeps_owners(*format)) {
        let why = [format.name(), " keeps no owners and permissions; use a file system like ext4"].concat();
        return Err(refuse(machine, name, why));
    }
    drivers.file_system(machine, fstype)?;
    let target = Place::at(MOUNT);
    let (source, fstype_owned, options) = (node.to_owned(), fstype.to_owned(), options.to_owned());
    let mount = Op::Mount { fstype: fstype_owned, source, target: target.clone(), flags: FLAGS, options };
    machine.apply(&[Op::MakeDir(target), mount])?;
    Ok(fstype)
}

/// The driver of a file system, and its options for writing.
fn writable<S: Sys>(machine: &Machine<S>, name: &str, format: Option<Format>) -> Result<(&'static str, &'static str)> {
    // Whether an NTFS is in a state to be written to is asked of a store only.
    let format_here = format.filter(|format| *format != Format::Ntfs);
    let how = format_here.and_then(mounting).and_then(|how| Some((how.fstype, how.writable?)));
    how.ok_or_else(|| {
        let seen = format.map_or("nothing known", Format::name);
        refuse(machine, name, ["wanted a writable file system like ext4 in it, saw ", seen].concat())
    })
}
