//! Stage 11: the home directories that outlive the boot.
//!
//! Takes   the extended root, and the store, which `store` mounted writable if there is a home on it.
//! Gives   [`Inhabited`]: /home of the root is the store's directory, or the file system in its image file.
//! Leaves  a home that was only found, and cannot be used, alone: the boot goes on with a warning.
//! Fails   when a home was asked for by name and cannot be used: what is written would be lost without a word.

use crate::error::{Cause, Error, Result};
use crate::formats::superblock::{Format, probe};
use crate::machine::Machine;
use crate::mounting::mounting;
use crate::op::{ImageMount, Op, Place};
use crate::params::HomeWish;
use crate::stages::drivers::Drivers;
use crate::stages::extensions::Extended;
use crate::stages::plan::Plan;
use crate::stages::store::{Access, Store};
use crate::sys::{Kind, Sys};
use rustix::mount::MountFlags;
use std::fmt;

/// An image file of this name was made for the purpose, so it is used wherever it is found.
const FOUND_IMAGE: &str = "/home.img";
/// A directory of this name is only used on a removable device: on an internal disk it belongs to an installed system,
/// which may be hibernated, and writing to a hibernated system's disk ruins it.
const FOUND_DIRECTORY: &str = "/home";
/// No device nodes and no set-uid programs from a home.
const FLAGS: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV);

/// A home on the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    path: String,
    form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Directory,
    Image,
}

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

impl Wanted {
    /// Whether a store of this format can hold it; if not, why. Pure.
    pub(super) fn fits(&self, format: Format) -> std::result::Result<(), String> {
        let keeps_no_owners = matches!(format, Format::Vfat | Format::Exfat | Format::Ntfs);
        if mounting(format).and_then(|how| how.writable).is_none() {
            return Err(format!("{} cannot be written", format.name()));
        }
        if self.form == Form::Directory && keeps_no_owners {
            return Err(format!("{} keeps no owners and permissions; use an image file, /home.img", format.name()));
        }
        Ok(())
    }
}

/// The home that the mounted store has and the plan wants. Asked before the store is writable, as it decides that.
pub(super) fn wanted<S: Sys>(machine: &Machine<S>, plan: &Plan, removable: bool) -> Option<Wanted> {
    let form = |path: &str| match machine.sys().kind(&Place::store(path)).ok().flatten() {
        Some(Kind::Directory) => Some(Form::Directory),
        Some(Kind::File { .. }) => Some(Form::Image),
        _ => None,
    };
    let all: Vec<&str> = match &plan.home {
        HomeWish::No => Vec::new(),
        HomeWish::Found if removable => vec![FOUND_IMAGE, FOUND_DIRECTORY],
        HomeWish::Found => vec![FOUND_IMAGE],
        HomeWish::Path(path) => vec![path.as_str()],
    };
    all.into_iter().find_map(|path| Some(Wanted { path: path.to_owned(), form: form(path)? }))
}

/// Mounts it.
pub fn mount<S: Sys>(
    machine: &mut Machine<S>,
    plan: &Plan,
    drivers: &mut Drivers,
    extended: Extended,
) -> Result<Inhabited> {
    let store = &extended.root.layers.store;
    let done = match (wanted(machine, plan, store.removable), &plan.home) {
        (Some(wanted), _) => enter(machine, drivers, store, &wanted).map(|()| Some(wanted.path)),
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

fn enter<S: Sys>(machine: &mut Machine<S>, drivers: &mut Drivers, store: &Store, wanted: &Wanted) -> Result<()> {
    let path = &wanted.path;
    if let Access::Refused(why) = &store.access {
        return Err(refuse(machine, path, why.clone()));
    }
    let target = Place::new_root("/home");
    machine.apply(&[Op::MakeDir(target.clone())])?;
    match wanted.form {
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
