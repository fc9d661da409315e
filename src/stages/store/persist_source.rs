//! Where a store keeps what was saved, if it is to be used. Decided while the store is mounted read-only, because it decides
//! whether the store has to be writable.

use crate::formats::superblock::Format;
use crate::machine::Machine;
use crate::mounting::mounting;
use crate::op::Place;
use crate::params::{PersistWish, Session};
use crate::stages::plan::Plan;
use crate::sys::{Kind, Sys};

/// The folder of the layers themselves, on a file system that can hold them.
pub(in crate::stages) const FOLDER: &str = "/boot/isolde/persist";
/// A file with such a file system in it.
pub(in crate::stages) const IMAGE: &str = "/boot/isolde/persist.img";

/// Its folder.
pub(in crate::stages) const FOLDER_OF_IMAGE: &str = "/boot/isolde";

/// Where what was saved is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::stages) enum PersistSource {
    /// In [`FOLDER`].
    Folder,
    /// Nowhere yet; the folder is made when something is written.
    NewFolder,
    /// In [`IMAGE`].
    Image,
    /// Nowhere yet; the image is made when something is written.
    NewImage,
    /// In [`FOLDER`] of another device.
    Volume,
}

impl PersistSource {
    /// Whether it needs the store while the system runs.
    pub(in crate::stages) fn is_on_the_store(self) -> bool {
        self != PersistSource::Volume
    }

    /// Whether this boot writes to the store for it.
    pub(super) fn writes(self, plan: &Plan) -> bool {
        plan.session == Session::Save && self.is_on_the_store()
    }
}

/// Whether overlays can have their upper layers on such a file system, as far as its format tells. The rest is tried out.
pub(in crate::stages) fn holds_layers(format: Format) -> bool {
    let is_writable = mounting(format).is_some_and(|how| how.writable.is_some());
    is_writable && !matches!(format, Format::Vfat | Format::Exfat | Format::Ntfs)
}

/// What the mounted store has and the plan wants.
pub(super) fn find<S: Sys>(machine: &Machine<S>, plan: &Plan, format: Format) -> Option<PersistSource> {
    let kind = |path: &str| machine.sys().kind(&Place::store(path)).ok().flatten();
    match plan.persist {
        PersistWish::No => None,
        // Another init decides what stays.
        _ if plan.delegate => None,
        _ if plan.persist_on.is_some() => Some(PersistSource::Volume),
        _ if matches!(kind(IMAGE), Some(Kind::File { .. })) => Some(PersistSource::Image),
        _ if kind(FOLDER) == Some(Kind::Directory) => Some(PersistSource::Folder),
        // The words of other systems may be in every menu: they make nothing.
        PersistWish::IfThere => None,
        PersistWish::Profile { .. } if plan.persist_size.is_some() => {
            mounting(format).and_then(|how| how.writable).map(|_| PersistSource::NewImage)
        }
        PersistWish::Profile { .. } => holds_layers(format).then_some(PersistSource::NewFolder),
    }
}
