//! Stage 9: whose live system it is.
//!
//! Takes   the verified image.
//! Gives   [`Medium`]: the medium is mounted, and its family has said where its parts are.
//! Leaves  the image's loop device to the kernel: it goes away with its mount (autoclear).
//! Fails   when no family knows the layout, or the medium is damaged.

use crate::error::{Cause, Result};
use crate::families::{self, Asked, BARE, Family, Layout, Pair, Way, tree::Mounted};
use crate::formats::superblock::Format;
use crate::machine::Machine;
use crate::mounting::{Mounting, mounting};
use crate::op::{ImageMount, Op, Place, STORE};
use crate::stages::drivers::Drivers;
use crate::stages::image::{Opened, Source};
use crate::stages::plan::Plan;
use crate::stages::store::Store;
use crate::stages::verify::{Proof, Verified};
use crate::sys::Sys;
use rustix::mount::MountFlags;
use std::fmt;

/// Where a medium is mounted while its family is not known yet.
pub(super) const UNKNOWN_MEDIUM: &str = "/run/isolde/medium";
/// Names that a message lists of an unknown medium.
const NAMES_SHOWN: usize = 12;
/// What only holds files that are mounted in turn: nothing in it is executed or a device.
const CONTAINER: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV);

/// A medium whose family is known.
#[derive(Debug)]
pub struct Medium<S: Sys> {
    pub(super) store: Store,
    pub(super) proof: Proof,
    pub(super) image: String,
    pub(super) family: Family,
    pub(super) layout: Layout,
    /// The block device that it is mounted from.
    pub(super) device: String,
    /// The image's file where it is the root's only layer: nothing is mounted then.
    pub(super) bare: Option<Opened<S::File>>,
}

impl<S: Sys> Medium<S> {
    /// Whether its system cannot be taken over.
    pub fn wants_delegate(&self) -> bool {
        self.family.way == Way::Delegate
    }
}

impl<S: Sys> fmt::Display for Medium<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.family.name, self.family.way.text())
    }
}

/// Mounts the medium and recognises its family.
pub fn recognise<S: Sys>(
    machine: &mut Machine<S>,
    plan: &Plan,
    drivers: &mut Drivers,
    verified: Verified<S>,
) -> Result<Medium<S>> {
    let Verified { store, source, proof } = verified;
    let (image, device) = match source {
        Source::File(opened) if !matches!(opened.format, Format::Iso9660 | Format::Udf) => {
            let (family, layout, device, image) = (BARE, families::bare(), String::new(), opened.path.clone());
            return Ok(Medium { store, proof, image, family, layout, device, bare: Some(opened) });
        }
        Source::File(opened) => {
            let device = mount_opened(machine, drivers, &opened, UNKNOWN_MEDIUM, CONTAINER)?;
            (opened.path, device)
        }
        Source::Medium => {
            let (source, target) = (Place::at(STORE), Place::at(UNKNOWN_MEDIUM));
            let bind = Op::Bind { source, target: target.clone(), flags: MountFlags::empty() };
            machine.apply(&[Op::MakeDir(target), bind])?;
            let device = format!("/dev/{}", store.device);
            (device.clone(), device)
        }
    };
    let (family, layout) = ask(machine, plan)?;
    Ok(Medium { store, proof, image, family, layout, device, bare: None })
}

fn ask<S: Sys>(machine: &mut Machine<S>, plan: &Plan) -> Result<(Family, Layout)> {
    let (medium, initrd) = (Mounted::new(machine.sys(), UNKNOWN_MEDIUM), Mounted::new(machine.sys(), "/"));
    let asked = Asked { medium: &medium, initrd: &initrd, words: &plan.words };
    let found = families::recognise(&asked).map_err(|e| machine.os("recognise the family", e))?;
    let Some((family, layout)) = found else {
        let cause = match families::strangers::recognise(&medium) {
            Ok(Some(stranger)) => Cause::NotLive { what: stranger.what, advice: stranger.advice },
            _ => Cause::NoFamily { seen: top(machine) },
        };
        return Err(machine.error("recognise the family", cause));
    };
    let pair = (family.pair)(&asked).map_err(|e| machine.os("compare initrd and medium", e))?;
    if let Some(Pair { initrd, medium }) = pair.filter(|pair| !pair.medium.contains(&pair.initrd)) {
        let medium = if medium.is_empty() { "none".to_owned() } else { medium.join(", ") };
        machine.warn(&format!(
            "the initrd is for another medium: it carries the id {initrd}, the medium {medium}; drivers may be missing"
        ));
    }
    Ok((family, layout))
}

/// Mounts an image of the store read-only; gives its device.
pub(super) fn mount_opened<S: Sys>(
    machine: &mut Machine<S>,
    drivers: &mut Drivers,
    opened: &Opened<S::File>,
    at: &str,
    flags: MountFlags,
) -> Result<String> {
    let name = Place::store(&opened.path).full().to_string_lossy().into_owned();
    let Some((device, mapped)) = &opened.sealed else {
        return mount_file(machine, drivers, &name, &opened.file, opened.format, at, flags);
    };
    let how = how(machine, drivers, &name, opened.format)?;
    let target = Place::at(at);
    let (fstype, source, options) = (how.fstype.to_owned(), device.clone(), how.read_only.to_owned());
    let mount = Op::Mount { fstype, source, target: target.clone(), flags: flags | MountFlags::RDONLY, options };
    machine.apply(&[Op::MakeDir(target), mount])?;
    machine.best_effort(&Op::Release(mapped.clone()), "it stays after its last mount");
    Ok(device.clone())
}

fn how<S: Sys>(machine: &mut Machine<S>, drivers: &mut Drivers, name: &str, format: Format) -> Result<Mounting> {
    let Some(how) = mounting(format) else {
        return Err(machine.error(format!("mount {name}"), Cause::NotAnImage { seen: format.name().to_owned() }));
    };
    drivers.image(machine, how.fstype)?;
    Ok(how)
}

/// Attaches an open image and mounts it read-only; gives its loop device.
pub(super) fn mount_file<S: Sys>(
    machine: &mut Machine<S>,
    drivers: &mut Drivers,
    name: &str,
    file: &S::File,
    format: Format,
    at: &str,
    flags: MountFlags,
) -> Result<String> {
    let how = how(machine, drivers, name, format)?;
    machine.apply(&[Op::MakeDir(Place::at(at))])?;
    let mut mount = ImageMount::read_only(name, how.fstype, Place::at(at));
    mount.flags |= flags;
    how.read_only.clone_into(&mut mount.options);
    let device = machine.mount_image(file, &mount)?;
    Ok(device.to_string_lossy().into_owned())
}

fn top<S: Sys>(machine: &Machine<S>) -> Vec<String> {
    let entries = machine.sys().list(&Place::at(UNKNOWN_MEDIUM)).unwrap_or_default();
    entries.into_iter().take(NAMES_SHOWN).map(|entry| entry.name).collect()
}
