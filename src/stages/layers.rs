//! Stage 8: the medium and the layers, mounted read-only.
//!
//! Takes   the verified image.
//! Gives   [`Layers`]: the family is known, and each layer is mounted where that family's userland expects it.
//! Leaves  the image's loop devices to the kernel: each goes away with its mount (autoclear).
//! Fails   when no family knows the layout, or a layer is damaged, cut short, or of a format without a driver.

use crate::error::{Cause, List, Result};
use crate::families::{self, BARE, Family, Layer, Layout, tree::Mounted};
use crate::formats::ReadAt;
use crate::formats::superblock::Format;
use crate::machine::Machine;
use crate::mounting::mounting;
use crate::op::{ImageMount, Op, Place, STORE};
use crate::stages::drivers::Drivers;
use crate::stages::image::{self, Image, Source};
use crate::stages::plan::Plan;
use crate::stages::store::Store;
use crate::stages::verify::{Trust, Verified};
use crate::sys::{Kind, Sys};
use rustix::mount::MountFlags;
use std::fmt;

/// Where a medium is mounted while its family is not known yet.
const UNKNOWN_MEDIUM: &str = "/run/isolde/medium";
/// Where a single file system as the root is mounted.
const BARE_LAYER: &str = "/run/isolde/layer";
/// Names that a message lists of an unknown medium.
const NAMES_SHOWN: usize = 12;

/// A mounted layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountedLayer {
    /// Its file, from the medium's root; for a nested one, both files.
    pub(super) file: String,
    /// Its mount point.
    pub(super) at: String,
    /// Its loop device.
    pub(super) device: String,
}

/// The mounted layers, lowest first.
#[derive(Debug)]
pub struct Layers {
    pub(super) store: Store,
    pub(super) trust: Trust,
    pub(super) image: String,
    pub(super) family: Family,
    pub(super) layout: Layout,
    pub(super) layers: Vec<MountedLayer>,
}

impl fmt::Display for Layers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files: Vec<String> = self.layers.iter().map(|layer| layer.file.clone()).collect();
        write!(f, "{}: {}", self.family.name, List(&files, "no layer"))
    }
}

/// Mounts the medium, recognises its family, and mounts its layers.
pub fn mount<S: Sys>(
    machine: &mut Machine<S>,
    plan: &Plan,
    drivers: &mut Drivers,
    verified: Verified<S>,
) -> Result<Layers> {
    let Verified { image: Image { store, source }, trust } = verified;
    let image = match &source {
        Source::File { path, .. } => path.clone(),
        Source::Medium => format!("/dev/{}", store.device),
    };
    let (family, layout, layers) = match &source {
        Source::File { path, file, format: format @ (Format::Iso9660 | Format::Udf), .. } => {
            let name = Place::store(path).full();
            mount_file(machine, drivers, &name.to_string_lossy(), file, *format, UNKNOWN_MEDIUM, CONTAINER)?;
            medium(machine, plan, drivers)?
        }
        Source::File { path, file, format, .. } => {
            let at = BARE_LAYER.to_owned();
            let name = Place::store(path).full();
            let device =
                mount_file(machine, drivers, &name.to_string_lossy(), file, *format, &at, MountFlags::empty())?;
            let layout = Layout { layers: Vec::new(), ..bare_layout(machine, plan)? };
            (BARE, layout, vec![MountedLayer { file: path.clone(), at, device }])
        }
        Source::Medium => {
            let (source, target) = (Place::at(STORE), Place::at(UNKNOWN_MEDIUM));
            let bind = Op::Bind { source, target: target.clone(), flags: MountFlags::empty() };
            machine.apply(&[Op::MakeDir(target), bind])?;
            medium(machine, plan, drivers)?
        }
    };
    Ok(Layers { store, trust, image, family, layout, layers })
}

/// What only holds files that are mounted in turn: nothing in it is executed or a device.
const CONTAINER: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV);

fn bare_layout<S: Sys>(machine: &Machine<S>, plan: &Plan) -> Result<Layout> {
    let tree = Mounted::new(machine.sys(), BARE_LAYER);
    let layout = (BARE.recognise)(&tree, &plan.words).map_err(|e| machine.os("recognise the image", e))?;
    layout.ok_or_else(|| machine.error("recognise the image", Cause::NoFamily { seen: top(machine, BARE_LAYER) }))
}

/// The mounted medium's family, with the medium where it belongs and every layer mounted.
fn medium<S: Sys>(
    machine: &mut Machine<S>,
    plan: &Plan,
    drivers: &mut Drivers,
) -> Result<(Family, Layout, Vec<MountedLayer>)> {
    let found = families::recognise(&Mounted::new(machine.sys(), UNKNOWN_MEDIUM), &plan.words);
    let found = found.map_err(|e| machine.os("recognise the family", e))?;
    let Some((family, layout)) = found else {
        return Err(machine.error("recognise the family", Cause::NoFamily { seen: top(machine, UNKNOWN_MEDIUM) }));
    };
    let (source, target) = (Place::at(UNKNOWN_MEDIUM), Place::at(layout.medium));
    machine.apply(&[Op::MakeDir(target.clone()), Op::Move { source, target }])?;
    let mut layers = Vec::new();
    for layer in &layout.layers {
        layers.push(mount_layer(machine, drivers, &layout, layer)?);
    }
    Ok((family, layout, layers))
}

fn mount_layer<S: Sys>(
    machine: &mut Machine<S>,
    drivers: &mut Drivers,
    layout: &Layout,
    layer: &Layer,
) -> Result<MountedLayer> {
    let place = Place::within(layout.medium, &layer.file);
    let device = open_and_mount(machine, drivers, &place, &layer.at)?;
    let Some(inner) = nested(machine, layer)? else {
        return Ok(MountedLayer { file: layer.file.clone(), at: layer.at.clone(), device });
    };
    let (source, target) = (Place::at(&layer.at), Place::at(layer.container));
    machine.apply(&[Op::MakeDir(target.clone()), Op::Move { source, target }])?;
    let device = open_and_mount(machine, drivers, &Place::within(layer.container, inner), &layer.at)?;
    Ok(MountedLayer { file: format!("{}/{inner}", layer.file), at: layer.at.clone(), device })
}

fn nested<S: Sys>(machine: &Machine<S>, layer: &Layer) -> Result<Option<&'static str>> {
    for inner in layer.nested {
        let place = Place::within(&layer.at, inner);
        let kind = machine.sys().kind(&place).map_err(|e| machine.os(format!("look for {place}"), e))?;
        if matches!(kind, Some(Kind::File { .. })) {
            return Ok(Some(inner));
        }
    }
    Ok(None)
}

/// Opens a file of a mounted medium and mounts it as a layer.
fn open_and_mount<S: Sys>(machine: &mut Machine<S>, drivers: &mut Drivers, place: &Place, at: &str) -> Result<String> {
    let doing = || format!("open the layer {place}");
    let file = machine.sys().open(place).map_err(|e| machine.os(doing(), e))?;
    let size = file.size().map_err(|e| machine.os(doing(), e))?;
    let format = image::recognise(&file, size).map_err(|cause| machine.error(doing(), cause))?;
    mount_file(machine, drivers, &place.full().to_string_lossy(), &file, format, at, MountFlags::empty())
}

fn mount_file<S: Sys>(
    machine: &mut Machine<S>,
    drivers: &mut Drivers,
    name: &str,
    file: &S::File,
    format: Format,
    at: &str,
    flags: MountFlags,
) -> Result<String> {
    let Some(how) = mounting(format) else {
        return Err(machine.error(format!("mount {name}"), Cause::NotAnImage { seen: format.name().to_owned() }));
    };
    drivers.image(machine, how.fstype)?;
    machine.apply(&[Op::MakeDir(Place::at(at))])?;
    let mut mount = ImageMount::read_only(name, how.fstype, Place::at(at));
    mount.flags |= flags;
    how.read_only.clone_into(&mut mount.options);
    let device = machine.mount_image(file, &mount)?;
    Ok(device.to_string_lossy().into_owned())
}

fn top<S: Sys>(machine: &Machine<S>, root: &str) -> Vec<String> {
    let entries = machine.sys().list(&Place::at(root)).unwrap_or_default();
    entries.into_iter().take(NAMES_SHOWN).map(|entry| entry.name).collect()
}
