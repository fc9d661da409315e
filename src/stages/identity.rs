//! Stage 14: what the family's own initrd would change in the root.
//!
//! Takes   the inhabited root.
//! Gives   [`Settled`]: users, autologin, fstab and links are as after a stock boot.
//! Leaves  what cannot be done as a warning; the boot goes on. The initramfs is as before, but for what scripts write there.
//! Fails   never by itself: a root that lacks a habit still boots.

use crate::error::Cause;
use crate::families::{Asked, Edit, Scripts, tree::Mounted};
use crate::machine::Machine;
use crate::op::{NEW_ROOT, Op, Place, Program};
use crate::stages::customize::run_one;
use crate::stages::early::API_MOUNTS;
use crate::stages::home::Inhabited;
use crate::stages::plan::Plan;
use crate::sys::{self, Kind, Sys};
use rustix::mount::MountFlags;
use std::fmt;

/// The initramfs' own shell.
const SHELL: &str = "/bin/sh";
/// Where the program that runs the scripts is put down: a file has a name in log and process list.
const PROGRAM: &str = "/isolde/scripts";

/// The root with its family's habits.
#[derive(Debug)]
pub struct Settled {
    pub(super) inhabited: Inhabited,
    /// How the initrd's own scripts ended, where there are any.
    pub(super) scripts: Option<String>,
    edits: usize,
}

impl fmt::Display for Settled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.scripts {
            Some(end) => write!(f, "the initrd's own scripts: {end}; {} changes", self.edits),
            None => write!(f, "{} changes", self.edits),
        }
    }
}

/// Runs the initrd's scripts where they are there, then does natively what is still missing.
pub fn settle<S: Sys>(machine: &mut Machine<S>, plan: &Plan, inhabited: Inhabited) -> Settled {
    let layers = &inhabited.extended.root.layers;
    let (family, medium) = (layers.family, layers.layout.medium);
    let kind = |path: &str| machine.sys().kind(&Place::at(path)).ok().flatten();
    let scripts = family.scripts.filter(|scripts| {
        scripts.marks.iter().any(|mark| kind(mark).is_some()) && kind(SHELL) == Some(Kind::File { executable: true })
    });
    let ended = scripts.map(|scripts| run_scripts(machine, plan, &scripts, medium));
    let edits = {
        let tree = Mounted::new(machine.sys(), NEW_ROOT);
        let (medium, initrd) = (Mounted::new(machine.sys(), medium), Mounted::new(machine.sys(), "/"));
        let asked = Asked { medium: &medium, initrd: &initrd, words: &plan.words };
        (family.duties)(&asked, &tree)
    };
    let edits = edits.unwrap_or_else(|error| {
        machine.warn(&format!("read what {} changes in the root: {}", family.name, Cause::Os(error)));
        Vec::new()
    });
    let count = edits.len();
    for edit in edits {
        machine.best_effort(&op(NEW_ROOT, edit), "the running system lacks what its own initrd does there");
    }
    Settled { inhabited, scripts: ended, edits: count }
}

/// An edit of a tree as an operation.
pub(super) fn op(tree: &str, edit: Edit) -> Op {
    let (Edit::MakeDir { path } | Edit::Write { path, .. } | Edit::Link { path, .. } | Edit::Own { path, .. }) = &edit;
    // /run moves into the root as it is.
    let tree = if path.trim_start_matches('/').starts_with("run/") { "/" } else { tree };
    match edit {
        Edit::MakeDir { path } => Op::MakeDir(Place::within(tree, path)),
        Edit::Write { path, text } => Op::Write { at: Place::within(tree, path), text },
        Edit::Link { path, to } => Op::Symlink { to, at: Place::within(tree, path) },
        Edit::Own { path, mode, uid, gid } => Op::Own { at: Place::within(tree, path), mode, uid, gid },
    }
}

/// The scripts see what they see in a stock boot: the root where they expect it, with everything that is mounted in it.
/// So it is moved there and back; what they mount in it stays.
fn run_scripts<S: Sys>(machine: &mut Machine<S>, plan: &Plan, scripts: &Scripts, medium: &str) -> String {
    let environment = {
        let (medium, initrd) = (Mounted::new(machine.sys(), medium), Mounted::new(machine.sys(), "/"));
        (scripts.environment)(&Asked { medium: &medium, initrd: &initrd, words: &plan.words })
    };
    let prepared = environment.map_err(|e| machine.os("prepare what they go by", e)).and_then(|environment| {
        machine.apply(&there(scripts))?;
        Ok(environment)
    });
    let end = match prepared {
        Ok(environment) => {
            for op in beside(scripts) {
                machine.best_effort(&op, "a script of the initrd may fail");
            }
            let (root, path, arguments) = ("/".to_owned(), SHELL.into(), vec![PROGRAM.to_owned()]);
            run_one(machine, &Program { root, path, arguments, environment, limit: plan.program_limit })
        }
        Err(error) => {
            machine.warn(&format!("the initrd's own scripts are not run: {}: {}", error.doing, error.cause));
            "not run".to_owned()
        }
    };
    for op in back(machine, scripts) {
        machine.best_effort(&op, "the running system lacks this mount, or has one too many");
    }
    end
}

/// What the scripts cannot do without. Pure.
fn there(scripts: &Scripts) -> [Op; 3] {
    let (source, target) = (Place::at(NEW_ROOT), Place::at(scripts.root));
    let program = Op::Write { at: Place::at(PROGRAM), text: scripts.text.to_owned() };
    [program, Op::MakeDir(target.clone()), Op::Move { source, target }]
}

/// The mounts in the root and beside it. Pure.
fn beside(scripts: &Scripts) -> Vec<Op> {
    let inside = |path: &str| Place::within(scripts.root, path);
    let mut ops = Vec::new();
    for (_, path, _) in API_MOUNTS {
        let (source, target) = (Place::at(path), inside(path));
        ops.extend([Op::MakeDir(target.clone()), Op::Bind { source, target, flags: MountFlags::empty() }]);
    }
    for path in scripts.beside {
        ops.extend([Op::MakeDir(Place::at(path)), Op::Move { source: inside(path), target: Place::at(path) }]);
    }
    ops
}

/// Undoes of that what is still there to undo: a script may have moved a mount itself.
fn back<S: Sys>(machine: &Machine<S>, scripts: &Scripts) -> Vec<Op> {
    // Without an answer everything counts as mounted: the attempt then says what was not.
    let mounts = sys::read(machine.sys(), &Place::at("/proc/mounts"), 1 << 20).ok();
    let is_mounted = |path: &str| {
        let Some(mounts) = &mounts else { return true };
        String::from_utf8_lossy(mounts).lines().any(|line| line.split(' ').nth(1) == Some(path))
    };
    let inside = |path: &str| Place::within(scripts.root, path);
    let mut ops = Vec::new();
    for path in scripts.beside.iter().filter(|path| is_mounted(path)) {
        ops.push(Op::Move { source: Place::at(path), target: inside(path) });
    }
    for (_, path, _) in API_MOUNTS.iter().rev().filter(|mount| is_mounted(&[scripts.root, mount.1].concat())) {
        ops.push(Op::Detach(inside(path)));
    }
    if is_mounted(scripts.root) {
        ops.push(Op::Move { source: Place::at(scripts.root), target: Place::at(NEW_ROOT) });
    }
    ops
}
