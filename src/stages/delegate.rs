//! Instead of the stages after `family`: the distribution's own init boots, and finds the image.
//!
//! Takes   the mounted medium, whose loop device lives as long as that mount.
//! Gives   nothing: this process becomes the distribution's init, with its own arguments.
//! Leaves  its initramfs as the kernel unpacked it: what was mounted is let go, but for the image. That stays attached
//!         and is named by links below /dev/disk and by what the family's init looks for. It is let go as well where
//!         words of the family name the file, because such an init searches for it itself, as in a stock boot, and many
//!         mount the store for writing, which a read-only mount prevents.
//! Fails   when there is no other init: the second initrd has replaced it, unless it has the rdinit form.

use crate::error::{Cause, Result};
use crate::families::{Attached, Family, Way};
use crate::formats::superblock::{Superblock, probe};
use crate::machine::Machine;
use crate::mounting::mounting;
use crate::op::{Op, Place, Quoted};
use crate::params::{PersistWish, Policy};
use crate::source::{ImageSpec, escape};
use crate::stages::early::{Api, MODPROBE};
use crate::stages::family::Medium;
use crate::stages::plan::Plan;
use crate::stages::{cmdline, identity};
use crate::sys::{self, Kind, Level, Sys};
use rustix::io::Errno;
use rustix::mount::MountFlags;
use std::convert::Infallible;
use std::path::Path;

/// The distribution's init. With the other form of the second initrd it is this program.
const INIT: &str = "/init";
/// Where the image stays mounted. Outside /run, which its init mounts anew.
const KEPT: &str = "/isolde/medium";
/// By which name /proc/mounts shows the image's device.
const KEPT_DEVICE: &str = "/isolde/device";
/// /proc/cmdline is at most a page or two (COMMAND_LINE_SIZE).
const LONGEST_LINE: u64 = 64 << 10;
/// What kernels are built with (CONFIG_MODPROBE_PATH), for a failure that comes before the real value is known.
const DEFAULT_MODPROBE: &str = "/sbin/modprobe";

const DOING: &str = "delegate to the distribution's own init";

/// Hands the machine to the distribution's own init.
pub fn enter<S: Sys>(machine: &mut Machine<S>, plan: &Plan, api: &Api, medium: &Medium<S>) -> Result<Infallible> {
    ready(machine)?;
    if medium.proof.ledger.policy() == Policy::Signed {
        return Err(machine.error(DOING, unsigned()));
    }
    if medium.bare.is_some() {
        let (one, other) = ("isolde.delegate".to_owned(), "an image without a medium around it".to_owned());
        return Err(machine.error(DOING, Cause::Conflict { one, other }));
    }
    if let PersistWish::Profile { .. } = plan.persist {
        machine.warn("isolde.persist= saves nothing here: this system's own init decides what stays");
    }
    let file = match &plan.image {
        ImageSpec::File(path) if finds_the_file(machine, &medium.family, path)? => {
            return leave(machine, &api.modprobe);
        }
        ImageSpec::File(path) => Some(path.clone()),
        ImageSpec::Medium => None,
    };
    let device = medium.device.clone();
    let superblock = superblock(machine, &device)?;
    if file.is_some() {
        keep(machine, &device, superblock.as_ref())?;
    }
    links(machine, &device, superblock)?;
    for edit in (medium.family.hints)(&Attached { device, file }) {
        machine.apply(&[identity::op("/", edit)])?;
    }
    leave(machine, &api.modprobe)
}

/// The last resort after a failure: as if this program had not been there.
pub fn last_resort<S: Sys>(machine: &mut Machine<S>) -> Result<Infallible> {
    ready(machine)?;
    leave(machine, DEFAULT_MODPROBE)
}

/// Whether a failed boot can be handed to the distribution's own init.
pub(crate) fn is_possible<S: Sys>(machine: &mut Machine<S>) -> bool {
    ready(machine).is_ok()
}

/// What is read by another program is not held to this policy.
fn unsigned() -> Cause {
    Cause::Conflict { one: "isolde.verify=signed".to_owned(), other: "the distribution's own init".to_owned() }
}

/// Whether there is an init to delegate to.
fn ready<S: Sys>(machine: &mut Machine<S>) -> Result<()> {
    // It reads from the store what it likes. Where the words cannot be read, nobody knows that it may.
    if cmdline::typed(machine)?.policy(None) == Policy::Signed {
        return Err(machine.error(DOING, unsigned()));
    }
    let at = Place::at(INIT);
    if machine.sys().own_path().is_none_or(|own| own == INIT) {
        return Err(machine.error(DOING, Cause::NoDelegate));
    }
    match machine.sys().kind(&at).map_err(|e| machine.os(format!("look for {at}"), e))? {
        Some(Kind::File { executable: true }) => Ok(()),
        Some(_) => Err(machine.os(format!("{DOING} {at}"), Errno::ACCESS.into())),
        None => Err(machine.os(format!("{DOING} {at}"), Errno::NOENT.into())),
    }
}

/// Whether the family's own words name the file for its own init. When they name another file, that one would boot.
fn finds_the_file<S: Sys>(machine: &mut Machine<S>, family: &Family, path: &str) -> Result<bool> {
    if family.way != Way::Delegate {
        return Ok(false);
    }
    // The plan keeps what the family reads of a medium; these words are about the way to it.
    let at = Place::at("/proc/cmdline");
    let text = sys::read(machine.sys(), &at, LONGEST_LINE).map_err(|e| machine.os(format!("read {at}"), e))?;
    let words = cmdline::parse(&String::from_utf8_lossy(&text))?.dialects;
    let named = (family.sources)(&words);
    let plain = |path: &str| path.trim_start_matches('/').to_owned();
    let mut files = named.iter().filter_map(|named| named.path().map(|path| (&named.word, plain(path))));
    match files.next() {
        Some((word, other)) if other != plain(path) => {
            let (one, other) = (format!("isolde.image={}", path.escape_debug()), word.escape_debug().to_string());
            Err(machine.error(
                format!("delegate {} to the init of {}", Quoted(path), family.name),
                Cause::Conflict { one, other },
            ))
        }
        found => Ok(found.is_some()),
    }
}

fn superblock<S: Sys>(machine: &Machine<S>, device: &str) -> Result<Option<Superblock>> {
    let at = Place::at(device);
    let superblock = machine.sys().open(&at).and_then(|file| probe(&file));
    superblock.map_err(|e| machine.os(format!("read {at}"), e))
}

/// The loop device goes away with its last mount, so there has to be one. It is made by another name: Alpine's
/// nlplug-findfs passes over a device that /proc/mounts names, and antiX takes its mount point for its own.
fn keep<S: Sys>(machine: &mut Machine<S>, device: &str, superblock: Option<&Superblock>) -> Result<()> {
    let Some(how) = superblock.and_then(|superblock| mounting(superblock.format)) else {
        let seen = "no file system".to_owned();
        return Err(machine.error(format!("mount {device}"), Cause::NotAnImage { seen }));
    };
    let target = Place::at(KEPT);
    let mount = Op::Mount {
        fstype: how.fstype.to_owned(),
        source: KEPT_DEVICE.to_owned(),
        target: target.clone(),
        flags: MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV,
        options: how.read_only.to_owned(),
    };
    let name = Op::Symlink { to: device.to_owned(), at: Place::at(KEPT_DEVICE) };
    machine.apply(&[Op::MakeDir(target), name, mount])
}

/// udev would make these links; an initrd without udev, or one that has scanned the devices already, does not.
fn links<S: Sys>(machine: &mut Machine<S>, device: &str, superblock: Option<Superblock>) -> Result<()> {
    let Some(superblock) = superblock else { return Ok(()) };
    for (folder, id) in [("by-label", superblock.label), ("by-uuid", superblock.uuid)] {
        let Some(id) = id.filter(|id| !matches!(id.as_str(), "" | "." | "..")) else { continue };
        let folder = Place::at("/dev/disk").join(folder);
        let link = Op::Symlink { to: device.to_owned(), at: folder.join(escape(&id)) };
        machine.apply(&[Op::MakeDir(folder), link])?;
    }
    Ok(())
}

/// Each init mounts /proc, /sys, /dev and /run itself, and many take a mount that is there already for a failure. /dev
/// is one for all its mounts, so the links in it stay.
fn leave<S: Sys>(machine: &mut Machine<S>, modprobe: &str) -> Result<Infallible> {
    let op = Op::Write { at: Place::at(MODPROBE), text: modprobe.to_owned() };
    machine.best_effort(&op, "the kernel cannot ask for modules");
    machine.say(Level::Notice, &format!("executing the distribution's own {INIT}"));
    let arguments = machine.sys().arguments();
    let mounts = sys::read(machine.sys(), &Place::at("/proc/mounts"), 1 << 20).unwrap_or_default();
    let mounts = String::from_utf8_lossy(&mounts).into_owned();
    // The last mount comes first: nothing is below it. An escaped name goes with the mount that it is below.
    let targets = mounts.lines().rev().filter_map(|line| line.split(' ').nth(1));
    for target in targets.filter(|target| !matches!(*target, "/" | KEPT) && !target.contains('\\')) {
        machine.best_effort(&Op::Detach(Place::at(target)), "the distribution's init finds it mounted");
    }
    let done = machine.sys_mut().exec(Path::new(INIT), &arguments);
    done.map_err(|e| machine.os(format!("exec {INIT}"), e))
}
