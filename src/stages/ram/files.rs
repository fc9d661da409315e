//! What a boot uses of a store: the image, its hash tree and checksums, the manifest, the extensions, and what belongs to the
//! user's script.

use crate::error::{Cause, Result};
use crate::formats::ReadAt;
use crate::formats::manifest;
use crate::machine::Machine;
use crate::op::Place;
use crate::sys::{Kind, Sys};

/// Folders that are copied as a whole, where they are there.
const FOLDERS: [&str; 2] = ["/boot/extensions", "/boot/customize"];
/// Files and folders of a store, and how deep: a store must not make the copy endless.
const MOST: usize = 10_000;
const DEEPEST: usize = 8;

/// One file to be copied.
#[derive(Debug)]
pub(super) struct Copied {
    pub(super) from: Place,
    /// Its path on the store, and on the copy.
    pub(super) path: String,
    /// Bytes.
    pub(super) size: u64,
    pub(super) executable: bool,
}

/// For an image that is a file.
pub(super) fn of_image<S: Sys>(machine: &Machine<S>, image: &str) -> Result<Vec<Copied>> {
    let folder = image.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut all = Vec::new();
    for path in [image.to_owned(), [image, ".verity"].concat(), [image, ".b3"].concat(), [folder, "/B3SUMS"].concat()] {
        add(machine, &mut all, path)?;
    }
    for path in [manifest::PLACE, manifest::SIGNATURE] {
        add(machine, &mut all, ["/", path].concat())?;
    }
    for folder in FOLDERS {
        add_folder(machine, &mut all, folder, DEEPEST)?;
    }
    Ok(all)
}

/// What is not there is not copied.
fn add<S: Sys>(machine: &Machine<S>, all: &mut Vec<Copied>, path: String) -> Result<()> {
    let from = Place::store(&path);
    let doing = || format!("look for {from}");
    let kind = machine.sys().kind(&from).map_err(|e| machine.os(doing(), e))?;
    let Some(Kind::File { executable }) = kind else { return Ok(()) };
    if all.len() >= MOST {
        let cause = Cause::TooMany { what: "files to copy to memory", got: all.len() + 1, limit: MOST };
        return Err(machine.error(doing(), cause));
    }
    let size = machine.sys().open(&from).and_then(|file| file.size()).map_err(|e| machine.os(doing(), e))?;
    all.push(Copied { from, path, size, executable });
    Ok(())
}

fn add_folder<S: Sys>(machine: &Machine<S>, all: &mut Vec<Copied>, folder: &str, depth: usize) -> Result<()> {
    // No such folder is the usual case, and it is empty then.
    for entry in machine.sys().list(&Place::store(folder)).unwrap_or_default() {
        let path = [folder, "/", &entry.name].concat();
        match depth.checked_sub(1) {
            Some(depth) if entry.is_directory => add_folder(machine, all, &path, depth)?,
            _ => add(machine, all, path)?,
        }
    }
    Ok(())
}
