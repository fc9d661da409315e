//! What the saved layers are written over, and whether they can be shown over something else.

use super::{PERSIST, layer};
use crate::error::Result;
use crate::formats::{ReadAt, read_full};
use crate::machine::Machine;
use crate::op::Place;
use crate::stages::layers::Layers;
use crate::sys::{Kind, Sys};

/// Bytes of each layer's start and end that count. Its super block with the time of its making is in the first ones, its
/// tables of contents in the last ones: two file systems that agree in both and in their size are the same one.
const PART: u64 = 64 << 10;

/// Where a system keeps what came with it, and the lists of its packages. What a session changed there fits its own image
/// only.
const SYSTEM: [&str; 11] =
    ["usr", "bin", "sbin", "lib", "lib64", "boot", "var/lib/dpkg", "var/lib/rpm", "var/lib/pacman", "etc/apk", "nix"];

/// What tells an image's layers from those of another one. The whole of them is not read: that would cost as long as the
/// boot itself, and more, and this has to tell images apart, not to prove anything.
pub(super) fn fingerprint<S: Sys>(machine: &Machine<S>, layers: &Layers) -> Result<[u8; 32]> {
    let mut hasher = blake3::Hasher::new();
    let mut part = vec![0; usize::try_from(PART).unwrap_or_default()];
    for layer in &layers.layers {
        let at = Place::at(&layer.device);
        let doing = || format!("read {at}");
        let file = machine.sys().open(&at).map_err(|e| machine.os(doing(), e))?;
        let size = file.size().map_err(|e| machine.os(doing(), e))?;
        hasher.update(&size.to_le_bytes());
        for offset in [0, size.saturating_sub(PART)] {
            let read = read_full(&file, &mut part, offset).map_err(|e| machine.os(doing(), e))?;
            hasher.update(part.get(..read).unwrap_or_default());
        }
    }
    Ok(*hasher.finalize().as_bytes())
}

/// The first thing in these generations that belongs to their image.
pub(super) fn system_files<S: Sys>(machine: &Machine<S>, line: &[u32]) -> Result<Option<String>> {
    for number in line {
        for path in SYSTEM {
            let at = Place::within(layer(&Place::at(PERSIST), *number).full(), path);
            let kind = machine.sys().kind(&at).map_err(|e| machine.os(format!("look for {at}"), e))?;
            if kind.is_some_and(|kind| kind != Kind::Other) {
                return Ok(Some(at.to_string()));
            }
        }
    }
    Ok(None)
}
