//! Stage 13: the home directories that outlive the boot.
//!
//! Takes   the extended root, and the store, which `store` mounted writable if there is a home on it.
//! Gives   [`Inhabited`]: /home of the root is the store's directory, or the file system in its image file.
//! Leaves  a home that was only found, and cannot be used, alone: the boot goes on with a warning.
//! Fails   when a home was asked for by name and cannot be used: what is written would be lost without a word.

use crate::error::{Cause, Error, Result};
use crate::formats::superblock::probe;
use crate::machine::Machine;
use crate::mounting::mounting;
use crate::op::{ImageMount, Op, Place};
use crate::params::{HomeWish, Policy};
use crate::stages::drivers::Drivers;
use crate::stages::extensions::Extended;
use crate::stages::plan::Plan;
use crate::stages::store::home_source::{Form, HomeSource};
use crate::stages::store::{Access, Store};
use crate::sys::{Level, Sys};
use rustix::mount::MountFlags;
use std::fmt;

/// No device nodes and no set-uid programs from a home.
const FLAGS: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV);

/// Why a home that was only found is not used.
const UNCOVERED: &str = "isolde.verify=signed takes only a home that isolde.home= names, as no manifest covers one";

/// The root with its home.
#[derive(Debug)]
pub struct Inhabited {
    pub(super) extended: Extended,
    /// Path on the store.
    pub(super) home: Option<String>,
}

impl fmt::Display for Inhabited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.home.as_deref().unwrap_or("none"))
    }
}

/// Mounts it.
pub fn mount<S: Sys>(
    machine: &mut Machine<S>,
    plan: &Plan,
    drivers: &mut Drivers,
    extended: Extended,
) -> Result<Inhabited> {
    let layers = &extended.root.layers;
    let store = &layers.store;
    let done = match (store.home.clone(), &plan.home) {
        // The store's own manifest asks for it, which was not known when the home was found.
        (Some(home), HomeWish::Found) if layers.proof.ledger.policy() == Policy::Signed => {
            machine.warn(&format!("{} is left out: {UNCOVERED}", home.path));
            Ok(None)
        }
        (None, HomeWish::Found) if plan.policy == Policy::Signed => {
            machine.say(Level::Info, UNCOVERED);
            Ok(None)
        }
        (Some(home), _) => enter(machine, drivers, store, &home).map(|()| Some(home.path)),
        (None, HomeWish::Path(path)) => {
            Err(refuse(machine, path, format!("{} has no file or directory {path}", store.description)))
        }
        (None, _) => Ok(None),
    };
    let home = match (done, &plan.home) {
        (Ok(home), _) => home,
        (Err(error), HomeWish::Path(_)) => return Err(error),
        (Err(error), _) => {
            machine.warn(&format!("what is written to /home is lost at power-off: {}: {}", error.doing, error.cause));
            None
        }
    };
    Ok(Inhabited { extended, home })
}

fn enter<S: Sys>(machine: &mut Machine<S>, drivers: &mut Drivers, store: &Store, home: &HomeSource) -> Result<()> {
    let path = &home.path;
    if let Access::Refused(why) = &store.access {
        return Err(refuse(machine, path, why.clone()));
    }
    home.fits(store.format).map_err(|why| refuse(machine, path, why))?;
    let target = Place::new_root("/home");
    machine.apply(&[Op::MakeDir(target.clone())])?;
    match home.form {
        Form::Directory => machine.apply(&[Op::Bind { source: Place::store(path), target, flags: FLAGS }]),
        Form::Image => {
            let at = Place::store(path);
            let doing = || format!("open {at}");
            let file = machine.sys_mut().open_writable(&at).map_err(|e| machine.os(doing(), e))?;
            let superblock = probe(&file).map_err(|e| machine.os(doing(), e))?;
            let how = superblock.as_ref().and_then(|superblock| mounting(superblock.format));
            let Some((fstype, options)) = how.and_then(|how| Some((how.fstype, how.writable?))) else {
                let seen = superblock.map_or("nothing known", |superblock| superblock.format.name());
                return Err(refuse(
                    machine,
                    path,
                    format!("wanted a writable file system like ext4 in it, saw {seen}"),
                ));
            };
            drivers.image(machine, fstype)?;
            let (fstype, options) = (fstype.to_owned(), options.to_owned());
            machine.mount_image(
                &file,
                &ImageMount { name: at.full().to_string_lossy().into_owned(), fstype, target, flags: FLAGS, options },
            )?;
            Ok(())
        }
    }
}

fn refuse<S: Sys>(machine: &Machine<S>, path: &str, why: String) -> Error {
    machine.error(format!("use {path} as the home directory"), Cause::NoHome { why })
}
