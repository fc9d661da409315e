//! Stage 9: the root file system.
//!
//! Takes   the mounted layers.
//! Gives   [`Root`]: an overlay at [`op::NEW_ROOT`] whose writes go to memory, with the store at /isodevice in it.
//! Leaves  every layer as it is.
//! Fails   when the overlay cannot be mounted, or no init is in it.

use crate::error::{Cause, Result};
use crate::families::{Edit, tree::Mounted};
use crate::machine::Machine;
use crate::op::{NEW_ROOT, Op, Place, STORE};
use crate::params::Size;
use crate::stages::drivers::Drivers;
use crate::stages::layers::Layers;
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
}

impl fmt::Display for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} layers below a tmpfs of {}", self.layers.layers.len(), self.overlay_size)
    }
}

/// Assembles the root.
pub fn assemble<S: Sys>(machine: &mut Machine<S>, plan: &Plan, drivers: &mut Drivers, layers: Layers) -> Result<Root> {
    drivers.file_system(machine, "overlay")?;
    let ops = overlay(&layers, plan.overlay_size).map_err(|cause| machine.error("stack the layers", cause))?;
    machine.apply(&ops)?;
    let init = choose_init(machine, plan)?;
    if let Some(named) = plan.init.as_ref().filter(|named| **named != init) {
        machine.warn(&format!("init={named} is no program of the root; {init} is started instead"));
    }
    let tree = Mounted::new(machine.sys(), NEW_ROOT);
    let edits = (layers.family.duties)(&tree, &plan.words);
    for Edit::Write { path, text } in edits.map_err(|e| machine.os("read what the family changes", e))? {
        let op = Op::Write { at: Place::new_root(path), text };
        machine.best_effort(&op, "the running system lacks what its own initrd writes there");
    }
    Ok(Root { layers, init, overlay_size: plan.overlay_size })
}

/// The tmpfs, the overlay, and the store in it. Pure.
fn overlay(layers: &Layers, size: Size) -> std::result::Result<Vec<Op>, Cause> {
    let layout = &layers.layout;
    let tmpfs = Place::at(layout.upper_mount);
    let (upper, work) = (tmpfs.join(layout.upper.0), tmpfs.join(layout.upper.1));
    // The kernel lists the highest layer first (kernel: filesystems/overlayfs.rst).
    let lower: Vec<&str> = layers.layers.iter().rev().map(|layer| layer.at.as_str()).collect();
    let (up, down) = (upper.full(), work.full());
    let options = format!("lowerdir={},upperdir={},workdir={}", lower.join(":"), up.display(), down.display());
    if options.len() > LONGEST_OPTIONS {
        return Err(Cause::TooLong { what: "a list of layers", got: options.len(), limit: LONGEST_OPTIONS });
    }
    let isodevice = Place::new_root("/isodevice");
    Ok(vec![
        Op::MakeDir(tmpfs.clone()),
        Op::Mount {
            fstype: "tmpfs".into(),
            source: "tmpfs".into(),
            target: tmpfs,
            flags: MountFlags::NOATIME,
            options: format!("size={size},mode=755"),
        },
        Op::MakeDir(upper),
        Op::MakeDir(work),
        Op::MakeDir(Place::at(NEW_ROOT)),
        Op::Mount {
            fstype: "overlay".into(),
            source: layout.source.into(),
            target: Place::at(NEW_ROOT),
            flags: MountFlags::NOATIME,
            options,
        },
        Op::MakeDir(isodevice.clone()),
        Op::Bind { source: Place::at(STORE), target: isodevice, flags: MountFlags::empty() },
    ])
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
