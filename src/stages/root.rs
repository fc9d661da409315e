//! Stage 12: the root file system.
//!
//! Takes   the mounted layers, and what was saved.
//! Gives   [`Root`]: an overlay at [`op::NEW_ROOT`] whose writes go to memory or to this session's own layer, with the store at
//!         /isodevice in it.
//! Leaves  every layer as it is.
//! Fails   when the overlay cannot be mounted, or no init is in it.

mod volumes;
mod zram;

use crate::corruption::Sealed;
use crate::error::{Cause, Result};
use crate::families::{Layout, Target};
use crate::formats::generations;
use crate::machine::Machine;
use crate::op::{NEW_ROOT, Op, Place, STORE};
use crate::params::Size;
use crate::stages::drivers::Drivers;
use crate::stages::layers::Layers;
use crate::stages::persist::{Layered, PERSIST};
use crate::stages::plan::Plan;
use crate::sys::{Kind, Sys};
use rustix::mount::MountFlags;
use std::fmt;

/// mount(2) takes one page of options.
const LONGEST_OPTIONS: usize = 4095;
/// What init(1) is looked for as, in this order; initramfs-tools and the kernel have the same list.
const INITS: [&str; 4] = ["/sbin/init", "/etc/init", "/bin/init", "/bin/sh"];

/// The assembled root.
#[derive(Debug)]
pub struct Root {
    pub(super) layers: Layers,
    pub(super) init: String,
    pub(super) overlay_size: Size,
    /// Bytes of the swap space in compressed memory, where there is one.
    pub(super) zram: Option<u64>,
    /// The session that is written to; `None` for memory.
    pub(super) session: Option<u32>,
    /// How many saved sessions are below it.
    pub(super) saved: usize,
}

impl fmt::Display for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let layers = self.layers.layers.len() + self.saved;
        match self.session {
            Some(session) => write!(f, "{layers} layers below session {session}"),
            None => {
                write!(f, "{layers} layers below a tmpfs of {}", self.overlay_size)?;
                self.zram.map_or(Ok(()), |bytes| write!(f, ", with {bytes} bytes of zram"))
            }
        }
    }
}

/// Assembles the root.
pub fn assemble<S: Sys>(machine: &mut Machine<S>, plan: &Plan, drivers: &mut Drivers, from: Layered) -> Result<Root> {
    drivers.file_system(machine, "overlay")?;
    let zram = zram::make(machine, plan.zram, drivers, &from);
    let overlay_size = plan.overlay_size.unwrap_or_else(|| zram::size_of_tmpfs(machine, zram));
    let ops = overlay(&from, overlay_size).map_err(|cause| machine.error("stack the layers", cause))?;
    machine.apply(&ops)?;
    // Beside the layers of all sessions, or in memory.
    let beside = Place::at(if from.own.is_some() { PERSIST } else { from.layers.layout.upper_mount });
    let Layered { layers, saved, own } = from;
    let (saved, session) = (saved.len(), own.map(|own| own.number));
    let init = choose_init(machine, plan)?;
    if let Some(named) = plan.init.as_ref().filter(|named| **named != init) {
        machine.warn(&format!("init={named} is no program of the root; {init} is started instead"));
    }
    for op in expected(&layers) {
        machine.best_effort(&op, "the running system may look for it");
    }
    volumes::mount(machine, &beside);
    if let Some(text) = machine.sealed().map(Sealed::rule) {
        for op in udev_rule("61-isolde-verity.rules", text) {
            machine.best_effort(&op, "a damaged block is named by the kernel's number only");
        }
    }
    Ok(Root { layers, init, overlay_size, zram, session, saved })
}

/// What is written to, the overlay, and the store in it. Pure.
fn overlay(from: &Layered, size: Size) -> std::result::Result<Vec<Op>, Cause> {
    let layout = &from.layers.layout;
    let mut ops = Vec::new();
    let (upper, work) = match &from.own {
        Some(own) => (own.upper.clone(), own.work.clone()),
        None => {
            let tmpfs = Place::at(layout.upper_mount);
            ops.extend([Op::MakeDir(tmpfs.clone()), memory(tmpfs.clone(), size)]);
            (tmpfs.join(layout.upper.0), tmpfs.join(layout.upper.1))
        }
    };
    for to in [&upper, &work] {
        ops.push(Op::MakeDir(to.clone()));
        // The root is labelled as its highest layer is, and a policy that is enforced lets nobody into one without.
        let highest = from.layers.layers.last();
        ops.extend(highest.map(|highest| Op::CopyLabel { from: Place::at(&highest.at), to: to.clone() }));
    }
    let (upper, work) = (upper.full(), work.full());
    // The kernel lists the highest layer first (kernel: filesystems/overlayfs.rst).
    let saved = from.saved.iter().map(|layer| layer.full().to_string_lossy().into_owned());
    let lower: Vec<String> = saved.chain(from.layers.layers.iter().rev().map(|layer| layer.at.clone())).collect();
    let mut options = format!("lowerdir={},upperdir={},workdir={}", lower.join(":"), upper.display(), work.display());
    if from.own.is_some() || !from.saved.is_empty() {
        options = [&options, ",", generations::OPTIONS].concat();
    }
    if options.len() > LONGEST_OPTIONS {
        return Err(Cause::TooLong { what: "a list of layers", got: options.len(), limit: LONGEST_OPTIONS });
    }
    ops.push(Op::MakeDir(Place::at(NEW_ROOT)));
    let mut target = Place::at(NEW_ROOT);
    if layout.stack != "/" {
        ops.push(memory(target, size));
        target = Place::new_root(layout.stack);
        ops.push(Op::MakeDir(target.clone()));
    }
    let (fstype, source) = ("overlay".into(), layout.source.into());
    ops.push(Op::Mount { fstype, source, target, flags: MountFlags::NOATIME, options });
    let isodevice = Place::new_root("/isodevice");
    ops.push(Op::MakeDir(isodevice.clone()));
    ops.push(Op::Bind { source: Place::at(STORE), target: isodevice, flags: MountFlags::empty() });
    Ok(ops)
}

fn memory(target: Place, size: Size) -> Op {
    let (fstype, source, options) = ("tmpfs".into(), "tmpfs".into(), format!("size={size},mode=755"));
    Op::Mount { fstype, source, target, flags: MountFlags::NOATIME, options }
}

/// Rules for udev that come from init.
fn udev_rule(name: &str, text: String) -> [Op; 2] {
    let folder = Place::at("/run/udev/rules.d");
    [Op::MakeDir(folder.clone()), Op::Write { at: folder.join(name), text }]
}

/// systemd waits for the unit of a device, which only a link that udev knows of gets (systemd.device(5), udev(7)).
fn known_to_udev(link: &str, device: &str) -> [Op; 2] {
    let text = format!("SUBSYSTEM==\"block\", KERNEL==\"{device}\", SYMLINK+=\"{link}\"\n");
    udev_rule("61-isolde-links.rules", text)
}

/// Mounts and links that the family's userland looks for. Pure.
fn expected(layers: &Layers) -> Vec<Op> {
    let Layout { shown, links, .. } = &layers.layout;
    let mut ops = Vec::new();
    for (source, target) in shown {
        let (source, target) = (Place::at(source), Place::new_root(target));
        ops.extend([Op::MakeDir(target.clone()), Op::Bind { source, target, flags: MountFlags::empty() }]);
    }
    for (at, to) in links {
        // /run and /dev move into the root as they are.
        let within = if ["/run/", "/dev/"].iter().any(|api| at.starts_with(api)) { "/" } else { NEW_ROOT };
        let to = match to {
            Target::MediumDevice => layers.device.clone(),
            Target::StoreDevice => format!("/dev/{}", layers.store.device),
            Target::Text(text) => (*text).to_owned(),
        };
        if let Some((folder, _)) = at.rsplit_once('/').filter(|(folder, _)| !folder.is_empty()) {
            ops.push(Op::MakeDir(Place::within(within, folder)));
        }
        if let (Some(link), Some(device)) = (at.strip_prefix("/dev/"), to.strip_prefix("/dev/")) {
            ops.extend(known_to_udev(link, device));
        }
        ops.push(Op::Symlink { to, at: Place::within(within, at) });
    }
    ops
}

/// The program that becomes process 1. `init=` is tried first, as the kernel does.
fn choose_init<S: Sys>(machine: &Machine<S>, plan: &Plan) -> Result<String> {
    let mut tried = Vec::new();
    for path in plan.init.as_deref().into_iter().chain(INITS) {
        let at = Place::new_root(path);
        let kind = machine.sys().kind(&at).map_err(|e| machine.os(format!("look for {at}"), e))?;
        if kind == Some(Kind::File { executable: true }) {
            return Ok(path.to_owned());
        }
        tried.push(path.to_owned());
    }
    Err(machine.error("choose the init", Cause::NoInit { tried }))
}
