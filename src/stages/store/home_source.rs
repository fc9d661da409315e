//! The home directory that a store holds, if it is to be used. Decided while the store is mounted read-only, because it
//! decides whether the store has to be writable.

use crate::formats::superblock::Format;
use crate::machine::Machine;
use crate::mounting::mounting;
use crate::op::Place;
use crate::params::{HomeWish, Policy};
use crate::stages::plan::Plan;
use crate::sys::{Kind, Sys};

/// An image file of this name was made for the purpose, so it is used wherever it is found.
const FOUND_IMAGE: &str = "/home.img";
/// A directory of this name is only used on a removable device: on an internal disk it belongs to an installed system,
/// which may be hibernated, and writing to a hibernated system's disk ruins it.
const FOUND_DIRECTORY: &str = "/home";

/// A home on the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::stages) struct HomeSource {
    pub(in crate::stages) path: String,
    pub(in crate::stages) form: Form,
}

/// What a home is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::stages) enum Form {
    /// A directory, bind-mounted.
    Directory,
    /// A file with a file system in it.
    Image,
}

impl HomeSource {
    /// Whether a store of this format can hold it; if not, why. Pure.
    pub(in crate::stages) fn fits(&self, format: Format) -> std::result::Result<(), String> {
        if mounting(format).and_then(|how| how.writable).is_none() {
            return Err(format!("{} cannot be written", format.name()));
        }
        if self.form == Form::Directory && !keeps_owners(format) {
            return Err(format!("{} keeps no owners and permissions; use an image file, /home.img", format.name()));
        }
        Ok(())
    }
}

/// Whether each file has its owner and its permissions there. Pure.
pub(in crate::stages) fn keeps_owners(format: Format) -> bool {
    !matches!(format, Format::Vfat | Format::Exfat | Format::Ntfs)
}

/// The home that the mounted store has and the plan wants. Asked before the store is writable, as it decides that.
pub(super) fn find<S: Sys>(machine: &Machine<S>, plan: &Plan, removable: bool) -> Option<HomeSource> {
    let form = |path: &str| match machine.sys().kind(&Place::store(path)).ok().flatten() {
        Some(Kind::Directory) => Some(Form::Directory),
        Some(Kind::File { .. }) => Some(Form::Image),
        _ => None,
    };
    let all: Vec<&str> = match &plan.home {
        HomeWish::No | HomeWish::Volume(_) | HomeWish::Share(_) => Vec::new(),
        // Nothing covers a home, so it takes a word of somebody who may decide.
        HomeWish::Found if plan.policy == Policy::Signed => Vec::new(),
        HomeWish::Found if removable => vec![FOUND_IMAGE, FOUND_DIRECTORY],
        HomeWish::Found => vec![FOUND_IMAGE],
        HomeWish::Path(path) => vec![path.as_str()],
    };
    all.into_iter().find_map(|path| Some(HomeSource { path: path.to_owned(), form: form(path)? }))
}
