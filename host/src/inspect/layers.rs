//! The layers of a live system, in their order, with what is in their containers.

use crate::iso::bytes::Extents;
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

/// All layers, and what is to be said about them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Those that are there, lowest first.
    pub layers: Vec<Layer>,
    /// What will stop the boot.
    pub stops: Vec<String>,
    /// What else is to be known.
    pub notes: Vec<String>,
}

/// Looks at every layer.
pub fn find(tree: &Optical, layout: &Layout) -> io::Result<Found> {
    let mut found = Found::default();
    for layer in &layout.layers {
        match tree.file(&layer.file)? {
            Some(file) => {
                let layer = found.look_at(layer, &file)?;
                found.layers.push(layer);
            }
            None => found.stops.push(format!("{}: wanted a layer, seen none", layer.file)),
        }
    }
    Ok(found)
}

impl Found {
    fn look_at(&mut self, layer: &families::Layer, file: &Extents) -> io::Result<Layer> {
        let bytes = file.size()?;
        let path = &layer.file;
        let mut found = Layer { file: path.clone(), format: None, bytes, nested: None };
        let Some(superblock) = probe(file)? else {
            self.stops.push(format!("{path}: wanted a file system, seen none in {bytes} bytes"));
            return Ok(found);
        };
        found.format = Some(superblock.format.name());
        if let Some(want) = superblock.size.filter(|want| *want > bytes) {
            self.stops.push(format!("{path}: wanted {want} bytes, seen {bytes}: it was cut short"));
            return Ok(found);
        }
        match look(file, superblock.format, &layer.nested) {
            Inside::Nothing => {}
            Inside::File { path, format } => {
                found.nested = Some(Nested { file: path, format: format.map(|format| format.name()) });
            }
            Inside::Unknown(why) => {
                self.notes.push(format!("{path}: not searched for {}: {why}", layer.nested.join(" and ")));
            }
        }
        Ok(found)
    }
}
