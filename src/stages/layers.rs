//! Stage 10: the layers, mounted read-only.
//!
//! Takes   the medium whose family is known.
//! Gives   [`Layers`]: the medium and each layer are mounted where that family's userland expects them.
//! Leaves  the loop devices to the kernel: each goes away with its mount (autoclear).
//! Fails   when a layer is missing, damaged, cut short, or of a format without a driver.

use crate::error::{Cause, List, Result};
use crate::families::{Family, Layer, Layout};
use crate::formats::ReadAt;
use crate::machine::Machine;
use crate::op::{Op, Place};
use crate::stages::drivers::Drivers;
use crate::stages::family::{Medium, UNKNOWN_MEDIUM, mount_file, mount_opened};
use crate::stages::image;
use crate::stages::store::Store;
use crate::stages::verify::Proof;
use crate::sys::{Kind, Sys};
use rustix::mount::MountFlags;
use std::fmt;

/// Where a single file system as the root is mounted.
const BARE_LAYER: &str = "/run/isolde/layer";

/// More than any live system has; a medium must not make one loop device after the other.
const MOST_LAYERS: usize = 128;

/// A mounted layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountedLayer {
    /// Its file, from the medium's root; for a nested one, both files.
    pub(super) file: String,
    /// Its mount point, in the booted system.
    pub(super) at: String,
    /// Its loop device.
    pub(super) device: String,
}

/// The mounted layers, lowest first.
#[derive(Debug)]
pub struct Layers {
    pub(super) store: Store,
    pub(super) proof: Proof,
    pub(super) image: String,
    pub(super) family: Family,
    pub(super) layout: Layout,
    /// The block device of the medium.
    pub(super) device: String,
    pub(super) layers: Vec<MountedLayer>,
}

impl fmt::Display for Layers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files: Vec<String> = self.layers.iter().map(|layer| layer.file.clone()).collect();
        f.write_str(&List(&files, "no layer").to_string())
    }
}

/// Mounts the layers.
pub fn mount<S: Sys>(machine: &mut Machine<S>, drivers: &mut Drivers, medium: Medium<S>) -> Result<Layers> {
    let Medium { store, proof, image, family, layout, device, bare } = medium;
    let layers = match bare {
        Some(opened) => {
            let device = mount_opened(machine, drivers, &opened, BARE_LAYER, MountFlags::empty())?;
            vec![MountedLayer { file: image.clone(), at: BARE_LAYER.to_owned(), device }]
        }
        None => mount_layers(machine, drivers, &layout)?,
    };
    Ok(Layers { store, proof, image, family, layout, device, layers })
}

fn mount_layers<S: Sys>(machine: &mut Machine<S>, drivers: &mut Drivers, layout: &Layout) -> Result<Vec<MountedLayer>> {
    if layout.medium != UNKNOWN_MEDIUM {
        let (source, target) = (Place::at(UNKNOWN_MEDIUM), Place::at(layout.medium));
        machine.apply(&[Op::MakeDir(target.clone()), Op::Move { source, target }])?;
    }
    if layout.layers.len() > MOST_LAYERS {
        let (got, limit) = (layout.layers.len(), MOST_LAYERS);
        return Err(machine.error("mount the layers", Cause::TooMany { what: "layers", got, limit }));
    }
    layout.layers.iter().map(|layer| mount_layer(machine, drivers, layout, layer)).collect()
}

fn mount_layer<S: Sys>(
    machine: &mut Machine<S>,
    drivers: &mut Drivers,
    layout: &Layout,
    layer: &Layer,
) -> Result<MountedLayer> {
    let at = layer.at.clone();
    let device = open_and_mount(machine, drivers, &Place::within(layout.medium, &layer.file), &at)?;
    let Some(inner) = nested(machine, layer)? else {
        return Ok(MountedLayer { file: layer.file.clone(), at, device });
    };
    let (source, target) = (Place::at(&at), Place::at(&layer.container));
    machine.apply(&[Op::MakeDir(target.clone()), Op::Move { source, target }])?;
    let device = open_and_mount(machine, drivers, &Place::within(&layer.container, inner), &at)?;
    Ok(MountedLayer { file: format!("{}/{inner}", layer.file), at, device })
}

fn nested<'a, S: Sys>(machine: &Machine<S>, layer: &'a Layer) -> Result<Option<&'a str>> {
    for inner in &layer.nested {
        let place = Place::within(&layer.at, inner);
        let kind = machine.sys().kind(&place).map_err(|e| machine.os(format!("look for {place}"), e))?;
        if matches!(kind, Some(Kind::File { .. })) {
            return Ok(Some(inner));
        }
    }
    Ok(None)
}

/// Opens a file of a mounted medium and mounts it as a layer.
fn open_and_mount<S: Sys>(machine: &mut Machine<S>, drivers: &mut Drivers, file: &Place, at: &str) -> Result<String> {
    let doing = || format!("open the layer {file}");
    let name = file.full().to_string_lossy().into_owned();
    let open = machine.sys().open(file).map_err(|e| machine.os(doing(), e))?;
    let size = open.size().map_err(|e| machine.os(doing(), e))?;
    let format = image::recognise(&open, size).map_err(|cause| machine.error(doing(), cause))?;
    mount_file(machine, drivers, &name, &open, format, at, MountFlags::empty())
}
