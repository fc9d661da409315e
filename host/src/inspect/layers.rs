//! The layers of a live system, in their order, with what is in their containers.

use crate::iso::containers::{Inside, look};
use crate::iso::optical::Optical;
use isolde::families::{self, Layout};
use isolde::formats::ReadAt;
use isolde::formats::superblock::probe;
use serde::Serialize;
use std::io;

/// A layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Layer {
    /// Its file, from the image's root.
    pub file: String,
    /// Its file system, as blkid(8) calls it; `None` for one that is unknown.
    pub format: Option<&'static str>,
    /// Its length.
    pub bytes: u64,
    /// The real layer, where this file holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nested: Option<Nested>,
}

/// A layer inside a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Nested {
    /// Its path in the container.
    pub file: String,
    /// Its file system; `None` where that could not be read.
    pub format: Option<&'static str>,
}

/// All layers, lowest first, and what is to be said about them.
pub fn find(tree: &Optical, layout: &Layout) -> io::Result<(Vec<Layer>, Vec<String>)> {
    let (mut layers, mut notes) = (Vec::new(), Vec::new());
    for layer in &layout.layers {
        match tree.file(&layer.file)? {
            Some(file) => {
                let (found, note) = one(layer, &file)?;
                layers.push(found);
                notes.extend(note);
            }
            None => notes.push(format!("{}: the layer is not there: the boot will stop", layer.file)),
        }
    }
    Ok((layers, notes))
}

fn one(layer: &families::Layer, file: &crate::iso::bytes::Extents) -> io::Result<(Layer, Option<String>)> {
    let bytes = file.size()?;
    let path = &layer.file;
    let mut found = Layer { file: path.clone(), format: None, bytes, nested: None };
    let Some(superblock) = probe(file)? else {
        return Ok((found, Some(format!("{path}: wanted a file system, seen none: the boot will stop"))));
    };
    found.format = Some(superblock.format.name());
    if let Some(want) = superblock.size.filter(|want| *want > bytes) {
        return Ok((found, Some(format!("{path}: wanted {want} bytes, seen {bytes}: it was cut short"))));
    }
    let note = match look(file, superblock.format, &layer.nested) {
        Inside::Nothing => None,
        Inside::File { path, format } => {
            found.nested = Some(Nested { file: path, format: format.map(|format| format.name()) });
            None
        }
        Inside::Unknown(why) => Some(format!("{path}: not searched for {}: {why}", layer.nested.join(" and "))),
    };
    Ok((found, note))
}
