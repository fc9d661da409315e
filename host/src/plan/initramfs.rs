//! The initramfs that init finds itself in.
//!
//! Takes   the command line, and the initrd that the image's own boot entry loads, where one is found.
//! Gives   a tree in the form that the command line asks for, with those of the initrd's files that init looks for.
//! Leaves  the rest of the initrd alone: it has some ten thousand files, and init asks for a dozen.
//! Fails   never: an initrd that is not found or not read is noted.
//!
//! Which files those are is found by trying: init's code boots on the fake kernel without its checks, what it missed in the
//! initramfs is put there, and so on until it misses nothing that the initrd has.

use super::notes::Notes;
use crate::inspect::menu::{self, grub};
use crate::iso::bytes::{ImageFile, Limited, MOST};
use crate::iso::initrd::{Effort, Initrd};
use crate::iso::optical::Optical;
use anyhow::{Context, Result};
use isolde::families::tree::Tree as _;
use isolde::formats::superblock::{Format, probe};
use isolde::machine::Machine;
use isolde::stages::plan::Plan;
use isolde::stages::plan::render::origins;
use isolde::sys::Kind;
use isolde::sys::record::{Content, Record, Tree, World};
use std::io;
use std::path::Path;

/// Where the second initrd has init when the boot menu says `rdinit=`.
const RDINIT: &str = "/isolde/init";
/// Files that init reads of an initrd are configuration.
const LARGEST: u64 = 64 << 10;
/// One file's name can depend on another's text, and so on; not further than this.
const MOST_ROUNDS: usize = 8;
/// What a round leaves undone, as it asks nothing of an initramfs: reading the whole image above all.
const IN_SHORT: &str = "isolde.verify=off isolde.extensions=no isolde.home=no isolde.customize=no";

/// The initramfs without the initrd's files, and where init is in it.
pub(super) fn plain(line: &str, notes: &Notes) -> (&'static str, Tree) {
    let mut tree = Tree::new().program("init").program("usr/bin/sh").link("bin", "usr/bin").link("sbin", "usr/sbin");
    for folder in ["dev", "etc", "proc", "run", "sys", "usr/lib", "usr/sbin", "var"] {
        tree = tree.directory(folder);
    }
    let words = origins::words(line);
    match words.iter().rev().find_map(|typed| typed.text.strip_prefix("rdinit=")) {
        None => ("/init", tree),
        Some(RDINIT) => (RDINIT, tree.program("isolde/init")),
        Some(other) => {
            notes.say(format!("rdinit={other}: that program comes first, and has to execute /init"));
            ("/init", tree)
        }
    }
}

/// Puts in what init looks for of the image's own initrd. `at` is the image's path on the store.
pub(super) fn complete(world: &mut World, plan: &Plan, image: &Path, at: &str, notes: &Notes) {
    if let Err(error) = try_to_complete(world, plan, image, at, notes) {
        notes.say(format!("the image's own initrd is not read ({error:#}): the initramfs has no files of its own"));
    }
}

fn try_to_complete(world: &mut World, plan: &Plan, image: &Path, at: &str, notes: &Notes) -> Result<()> {
    let bytes = Limited::new(ImageFile::open(image).with_context(|| image.display().to_string())?, MOST);
    let Some(superblock) = probe(&bytes)? else { return Ok(()) };
    let tree = match superblock.format {
        Format::Iso9660 => Optical::iso(&bytes)?,
        Format::Udf => Optical::udf(&bytes)?,
        _ => {
            notes.say("the image has no initrd: the initramfs has no files of its own".to_owned());
            return Ok(());
        }
    };
    let (label, uuid) = (superblock.label.as_deref().unwrap_or(""), superblock.uuid.as_deref().unwrap_or(""));
    let (chosen, _) = menu::choose(grub::Medium { tree: &tree, iso_path: at, label, uuid })?;
    let paths = chosen.map(|chosen| chosen.initrd).unwrap_or_default();
    let files = paths.iter().filter_map(|path| tree.file(path).transpose()).collect::<io::Result<Vec<_>>>()?;
    if files.is_empty() {
        notes.say("the image has no boot entry with an initrd: the initramfs has no files of its own".to_owned());
        return Ok(());
    }
    let initrd = Initrd::new(files, Effort::All);
    for _ in 0..MOST_ROUNDS {
        let found = missed(world, plan).into_iter().filter_map(|path| find(&initrd, path).transpose());
        let found = found.collect::<io::Result<Vec<_>>>()?;
        if found.is_empty() {
            break;
        }
        let initramfs = std::mem::take(&mut world.initramfs);
        world.initramfs = found.into_iter().fold(initramfs, |tree, (path, kind, content)| match kind {
            Kind::File { executable } => tree.file_with(&path, content, executable),
            _ => tree.directory(&path),
        });
    }
    notes.say(format!("the initramfs has the files of {}, as far as init looks for them", paths.join(", ")));
    if let (unknown, Some(why)) = initrd.unknown()
        && !unknown.is_empty()
    {
        notes.say(format!("of these it is not known whether the initrd has them, as {why}: {}", unknown.join(", ")));
    }
    Ok(())
}

/// What init looks for in the initramfs and does not find.
fn missed(world: &World, plan: &Plan) -> Vec<String> {
    let world = World { cmdline: format!("{} {IN_SHORT}", plan.to_cmdline()), ..world.clone() };
    let mut machine = Machine::new(Record::new(&world));
    // How it ends is for the real answer to say.
    let Err(_) = isolde::boot(&mut machine);
    machine.sys().missed().into_iter().filter_map(|path| path.into_os_string().into_string().ok()).collect()
}

/// A file or directory of the initrd.
fn find(initrd: &Initrd, path: String) -> io::Result<Option<(String, Kind, Content)>> {
    match initrd.kind(&path)? {
        Some(kind @ Kind::File { .. }) => {
            // A large one is a program or a module, which nothing reads here.
            let bytes = initrd.read(&path, LARGEST).unwrap_or_default();
            Ok(Some((path, kind, Content::new(bytes))))
        }
        Some(kind @ Kind::Directory) => Ok(Some((path, kind, Content::default()))),
        _ => Ok(None),
    }
}
