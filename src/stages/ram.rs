//! Stage 6: what is used of the store, in memory, so that the stick can be pulled out.
//!
//! Takes   the mounted store.
//! Gives   [`Loaded`]: the store itself; or, where that was asked for and memory allows it, a file system in memory in its
//!         place, with everything of it that a boot uses. What is checked later is this copy.
//! Leaves  the medium unmounted after it was copied.
//! Fails   when the medium cannot be read to its end. Too little memory is no failure: both figures are said, and the boot
//!         goes on from the medium.

mod files;

use crate::error::{Cause, Result};
use crate::formats::ReadAt;
use crate::formats::superblock::probe;
use crate::machine::Machine;
use crate::op::{Op, Place, STORE};
use crate::params::ToRam;
use crate::source::ImageSpec;
use crate::stages::plan::Plan;
use crate::stages::progress::Bar;
use crate::stages::store::{self, Store};
use crate::sys::{self, Sys};
use files::Copied;
use rustix::mount::MountFlags;
use std::fmt;

/// Where the copy grows, before it takes the store's place.
const GROWING: &str = "/run/isolde/ram";
/// The copy of a medium that is booted itself.
const MEDIUM: &str = "/medium.iso";
/// Bytes of one step.
const STEP: u64 = 1 << 20;
/// What has to stay free when it was asked for, and when it is only done where there is plenty: the system's own writes go
/// to memory too.
const LEAST: u64 = 256 << 20;
const PLENTY: u64 = 2 << 30;

/// The store, or what is in its place.
#[derive(Debug)]
pub struct Loaded {
    pub(super) store: Store,
    pub(super) image: ImageSpec,
}

impl fmt::Display for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.store.in_memory {
            Some(bytes) => write!(f, "{} MiB are in memory: the medium can be taken out", bytes >> 20),
            None => f.write_str("the store stays where it is"),
        }
    }
}

/// Copies, if that is wanted and possible.
pub fn load<S: Sys>(machine: &mut Machine<S>, plan: &Plan, store: Store) -> Result<Loaded> {
    let image = plan.image.clone();
    if plan.to_ram == ToRam::No {
        return Ok(Loaded { store, image });
    }
    let (files, image) = what(machine, &store, image)?;
    let need = files.iter().map(|file| file.size.next_multiple_of(4096)).fold(0, u64::saturating_add);
    let free = sys::available_memory(machine.sys());
    match why_not(plan.to_ram, &store, need, free) {
        Some(why) => {
            let text = format!("not copied to memory: {why}");
            // Who asked for it has to know; who left it to the machine does not.
            if plan.to_ram == ToRam::Yes {
                machine.warn(&text)
            } else {
                machine.notice(&text)
            }
            Ok(Loaded { store, image: plan.image.clone() })
        }
        None => {
            copy(machine, &files, need)?;
            swap(machine)?;
            Ok(Loaded { store: Store { in_memory: Some(need), ..store }, image })
        }
    }
}

/// Why it is not done. Pure.
fn why_not(wish: ToRam, store: &Store, need: u64, free: Option<u64>) -> Option<String> {
    if let Some(home) = &store.home {
        return Some(format!("the home {} is on the medium, which has to stay", home.path));
    }
    if store.persist.is_some_and(|source| source.is_on_the_store()) {
        return Some("what is saved is on the medium, which has to stay".to_owned());
    }
    let Some(free) = free else { return Some("/proc/meminfo does not say how much is free".to_owned()) };
    let margin = if wish == ToRam::Yes { LEAST } else { PLENTY };
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    (need.saturating_add(margin) > free).then(|| {
        format!(
            "{} MiB are needed, and {} MiB more are to stay free; free are {} MiB",
            mib(need),
            mib(margin),
            free >> 20
        )
    })
}

/// The files to copy, and what is booted from the copy.
fn what<S: Sys>(machine: &Machine<S>, store: &Store, image: ImageSpec) -> Result<(Vec<Copied>, ImageSpec)> {
    match &image {
        ImageSpec::File(path) => Ok((files::of_image(machine, path)?, image)),
        ImageSpec::Medium => {
            let device = Place::at(format!("/dev/{}", store.device));
            let doing = || format!("read {device}");
            let file = machine.sys().open(&device).map_err(|e| machine.os(doing(), e))?;
            let superblock = probe(&file).map_err(|e| machine.os(doing(), e))?;
            let whole = file.size().map_err(|e| machine.os(doing(), e))?;
            // A stick is larger than the ISO that was written to it.
            let size = superblock.and_then(|superblock| superblock.size).unwrap_or(whole).min(whole);
            let to = ImageSpec::File(MEDIUM.to_owned());
            Ok((vec![Copied { from: device, path: MEDIUM.to_owned(), size, executable: false }], to))
        }
    }
}

fn copy<S: Sys>(machine: &mut Machine<S>, files: &[Copied], need: u64) -> Result<()> {
    let target = Place::at(GROWING);
    let options = format!("size={},mode=755", need.saturating_add(LEAST));
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    let (fstype, source) = ("tmpfs".to_owned(), "tmpfs".to_owned());
    let mount = Op::Mount { fstype, source, target: target.clone(), flags, options };
    machine.apply(&[Op::MakeDir(target), mount])?;
    let mut bar = Bar::new(machine, "copying to memory", need);
    let copied = files.iter().try_for_each(|file| copy_file(machine, file, &mut bar));
    bar.end(machine);
    if copied.is_err() {
        machine.best_effort(&Op::Unmount(Place::at(GROWING)), "its memory is not freed");
    }
    copied
}

fn copy_file<S: Sys>(machine: &mut Machine<S>, file: &Copied, bar: &mut Bar) -> Result<()> {
    let to = Place::within(GROWING, &file.path);
    let doing = || format!("copy {} to memory", file.from);
    let from = machine.sys().open(&file.from).map_err(|e| machine.os(doing(), e))?;
    if let Some(folder) = to.inner().parent() {
        machine.apply(&[Op::MakeDir(Place::within(GROWING, folder))])?;
    }
    let copy = machine.sys_mut().create(&to, file.executable).map_err(|e| machine.os(doing(), e))?;
    let mut done = 0;
    while done < file.size {
        let count = machine.sys_mut().copy(&from, &copy, done, STEP.min(file.size - done));
        let count = count.map_err(|e| machine.os(doing(), e))?;
        if count == 0 {
            let (want, got) = (file.size, done);
            return Err(machine.error(doing(), Cause::Truncated { want, got }));
        }
        done += count;
        bar.add(machine, count);
    }
    Ok(())
}

/// The copy takes the store's place, and the medium is let go.
fn swap<S: Sys>(machine: &mut Machine<S>) -> Result<()> {
    machine.apply(&[Op::Unmount(Place::at(STORE))])?;
    store::containers::close(machine);
    let (source, target) = (Place::at(GROWING), Place::at(STORE));
    machine.apply(&[Op::Move { source, target: target.clone() }, Op::ReadOnly(target)])
}
