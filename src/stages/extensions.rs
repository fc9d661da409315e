//! Stage 12: the store's ExtensionImages, in the root.
//!
//! Takes   the assembled root.
//! Gives   [`Extended`]: every file of every extension is linked into the root.
//! Leaves  out an extension that is damaged, not covered as the policy wants it, or too large to link, with a warning.
//! Fails   never: an extension adds to a system that boots without it.

mod links;

use crate::error::{Cause, List, Result};
use crate::families::tree::Mounted;
use crate::formats::ReadAt;
use crate::formats::superblock::Format;
use crate::machine::Machine;
use crate::mounting::mounting;
use crate::op::{ImageMount, NEW_ROOT, Op, Place};
use crate::params::Extras;
use crate::stages::drivers::Drivers;
use crate::stages::image;
use crate::stages::plan::Plan;
use crate::stages::root::Root;
use crate::stages::verify::{self, Proof};
use crate::sys::{Kind, Sys};
use std::fmt;

/// Where extensions are looked for, besides a folder of it with the processor's name.
const FOLDER: &str = "/boot/extensions";
/// The name of the program that an extension may bring.
const PROGRAM: &str = "ExtensionRun";

/// A linked extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// Its name, without the ending.
    pub(super) name: String,
    /// Its file on the store.
    pub(super) file: String,
    /// How many links were made.
    pub(super) links: usize,
    /// Its program's path in the new root, if it has one.
    pub(super) program: Option<String>,
}

/// The root with its extensions.
#[derive(Debug)]
pub struct Extended {
    pub(super) root: Root,
    pub(super) extensions: Vec<Extension>,
}

impl fmt::Display for Extended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.extensions.iter().map(|e| format!("{} ({} links)", e.name, e.links)).collect();
        List(&names, "none").fmt(f)
    }
}

/// Mounts and links all of them.
pub fn link<S: Sys>(machine: &mut Machine<S>, plan: &Plan, drivers: &mut Drivers, root: Root) -> Result<Extended> {
    let mut extensions = Vec::new();
    if plan.extensions == Extras::Use {
        for (name, file) in find(machine) {
            match add(machine, &root.layers.proof, drivers, &name, &file) {
                Ok(extension) => extensions.push(extension),
                Err(error) => machine.warn(&format!("{file} is left out: {}: {}", error.doing, error.cause)),
            }
        }
    }
    Ok(Extended { root, extensions })
}

/// Names and files, in the order in which they are linked.
fn find<S: Sys>(machine: &Machine<S>) -> Vec<(String, String)> {
    let mut all = Vec::new();
    // Names of the second folder keep it in front, as both may hold an extension of one name.
    for prefix in [String::new(), format!("{}/", std::env::consts::ARCH)] {
        // No such folder is the usual case, and it is empty then.
        for entry in machine.sys().list(&Place::store(FOLDER).join(&prefix)).unwrap_or_default() {
            if let Some(name) = entry.name.strip_suffix(".ExtensionImage") {
                all.push((format!("{prefix}{name}"), format!("{FOLDER}/{prefix}{}", entry.name)));
            }
        }
    }
    all
}

fn add<S: Sys>(
    machine: &mut Machine<S>,
    proof: &Proof,
    drivers: &mut Drivers,
    name: &str,
    path: &str,
) -> Result<Extension> {
    let doing = || format!("open {path}");
    let stored = Place::store(path).full().to_string_lossy().into_owned();
    let file = machine.sys().open(&Place::store(path)).map_err(|e| machine.os(doing(), e))?;
    verify::check_file(machine, proof, path, &file)?;
    let size = file.size().map_err(|e| machine.os(doing(), e))?;
    let format = recognise(&file, size).map_err(|cause| machine.error(doing(), cause))?;
    let Some(how) = mounting(format) else {
        return Err(machine.error(doing(), Cause::NotAnImage { seen: format.name().to_owned() }));
    };
    drivers.image(machine, how.fstype)?;
    let at = format!("/run/isolde/extensions/{name}");
    machine.apply(&[Op::MakeDir(Place::at(&at))])?;
    machine.mount_image(&file, &ImageMount::read_only(&stored, how.fstype, Place::at(&at)))?;
    let plan = match links::plan(&Mounted::new(machine.sys(), &at), &Mounted::new(machine.sys(), NEW_ROOT), &at) {
        Ok(plan) => plan,
        Err(error) => {
            machine.best_effort(&Op::Unmount(Place::at(&at)), "it stays mounted, unused");
            return Err(machine.os(format!("read what is in {path}"), error));
        }
    };
    let links = make(machine, name, &plan.ops);
    if !plan.conflicts.is_empty() {
        machine.warn(&format!("{name}: {}", List(&plan.conflicts, "")));
    }
    let program = machine.sys().kind(&Place::within(&at, PROGRAM)).ok().flatten();
    let program = (program == Some(Kind::File { executable: true })).then(|| format!("{at}/{PROGRAM}"));
    Ok(Extension { name: name.to_owned(), file: path.to_owned(), links, program })
}

/// Makes the links as far as it goes; those that were made stay, as the root may use them already.
fn make<S: Sys>(machine: &mut Machine<S>, name: &str, ops: &[Op]) -> usize {
    let mut links = 0;
    for op in ops {
        if let Err(error) = machine.apply(std::slice::from_ref(op)) {
            machine.warn(&format!("{name} is linked in part: {}: {}", error.doing, error.cause));
            break;
        }
        links += usize::from(matches!(op, Op::Symlink { .. }));
    }
    links
}

fn recognise(file: &dyn ReadAt, size: u64) -> std::result::Result<Format, Cause> {
    match image::recognise(file, size)? {
        format @ (Format::Squashfs | Format::Erofs) => Ok(format),
        other => Err(Cause::NotAnImage { seen: format!("{}, an extension is squashfs or erofs", other.name()) }),
    }
}
