//! The way out: takes apart what the boot put together, and stops the machine.
//!
//! The running system's process 1 cannot unmount what it runs from. Before the real init starts, this program is copied to
//! `/run/initramfs/shutdown`; systemd, when everything else is stopped, makes that folder its root, with the old one below
//! `/oldroot`, and executes it (systemd.io/INITRD_INTERFACE). Where another init runs, [`leave_by_script`] gets it there.
//!
//! Takes   what is to happen in the end: `poweroff`, `reboot`, `halt` or `kexec`.
//! Gives   nothing: the machine stops.
//! Leaves  no mount but the virtual ones, no loop device, no mapped device; the store is clean. It runs from memory, so a
//!         medium that was pulled out is not missed.
//! Fails   never on the way: what stays busy is named with who uses it, and made read-only, which leaves its file system
//!         clean as well.

mod hooks;
mod script;
pub(crate) mod session;

pub use hooks::leave_hooks;
pub use script::leave_by_script;

use crate::at_exit;
use crate::error::Stage;
use crate::machine::Machine;
use crate::mount_table;
use crate::op::{Op, Place};
use crate::stages::early::API_MOUNTS;
use crate::sys::{self, Halt, Level, Sys};
use session::SessionEnd;
use std::time::Duration;

/// Where the program is in the running system.
pub const PROGRAM: &str = "/run/initramfs/shutdown";
/// Where it is once its folder is the root.
const AS_ROOT: &str = "/shutdown";
/// The root that was left.
const OLD_ROOT: &str = "/oldroot";
/// More rounds than mounts are stacked: each takes at least one of them away.
const ROUNDS: usize = 64;
/// How often, and how long each time, what has gone already is waited for: the kernel removes mapped devices in the
/// background, and with them the loop devices below.
const PATIENCE: usize = 15;
const SOON: Duration = Duration::from_millis(20);
/// Users of a mount that are named.
const MOST_USERS: usize = 8;

/// Whether a program of this path is to be the way out.
pub fn is_named(path: &str) -> bool {
    [PROGRAM, AS_ROOT].contains(&path)
}

/// Takes everything apart and stops the machine; returns only when that fails.
pub fn leave<S: Sys>(machine: &mut Machine<S>, verb: &str) {
    machine.set_stage(Stage::Exit);
    if let Err(error) = machine.sys_mut().let_go() {
        machine.warn(&format!("let go of the old root: {error}"));
    }
    let verb = if verb == script::AGAIN { script::resume(machine) } else { verb.to_owned() };
    free_the_old_root(machine);
    at_exit::remove_all(machine);
    let mut session = SessionEnd::read(machine);
    let left = take_apart(machine, &mut session);
    for at in left.iter().rev() {
        keep_clean(machine, at);
    }
    if let Some(session) = session.filter(|session| !session.is_used(machine)) {
        session.end_read_only(machine);
    }
    let how = end(&verb);
    if left.is_empty() {
        machine.notice("everything is unmounted");
    }
    let Err(error) = machine.sys_mut().halt(how);
    machine.say(Level::Error, &format!("the machine does not stop: {error}"));
}

/// The old root is an overlay of what is mounted below its own /run: neither could be unmounted before the other.
fn free_the_old_root<S: Sys>(machine: &mut Machine<S>) {
    const RUN: &str = "/oldroot/run";
    if mounts(machine).iter().any(|at| at == RUN) {
        // Not onto the new root's own /run: what is mounted below that one would be out of reach.
        let (source, target) = (Place::at(RUN), Place::at("/oldrun"));
        for op in [Op::MakeDir(target.clone()), Op::Move { source, target }] {
            machine.best_effort(&op, "the old root stays busy");
        }
    }
}

/// What systemd-shutdown calls it. Whatever else it may be, the machine is not to go on.
fn end(verb: &str) -> Halt {
    match verb {
        "reboot" => Halt::Reboot,
        "kexec" => Halt::Kexec,
        "halt" => Halt::Halt,
        _ => Halt::PowerOff,
    }
}

/// Unmounts round after round, as one mount holds another; gives what stays.
fn take_apart<S: Sys>(machine: &mut Machine<S>, session: &mut Option<SessionEnd>) -> Vec<String> {
    let (mut left, mut patience) = (mounts(machine), PATIENCE);
    for _ in 0..ROUNDS {
        let before = left.len();
        for at in left.iter().rev().filter(|at| session.as_ref().is_none_or(|session| !session.needs(at))) {
            // A refusal is the usual case of one that another one holds.
            _ = machine.apply(&[Op::Unmount(Place::at(at))]);
        }
        let devices = detach_devices(machine);
        if let Some(session) = session.take_if(|session| !session.is_used(machine)) {
            session.end(machine);
            continue;
        }
        left = mounts(machine);
        if left.is_empty() {
            break;
        }
        if left.len() >= before && devices == 0 {
            let Some(rest) = patience.checked_sub(1) else { break };
            patience = rest;
            machine.sys_mut().sleep(SOON);
        }
    }
    left
}

/// Everything that is mounted, but for the virtual file systems; the last one last.
fn mounts<S: Sys>(machine: &mut Machine<S>) -> Vec<String> {
    let text = match sys::read(machine.sys(), &Place::at("/proc/mounts"), 1 << 20) {
        Ok(text) => text,
        Err(error) => {
            machine.warn(&format!("read /proc/mounts: {error}"));
            Vec::new()
        }
    };
    let is_api = |at: &str| {
        let below = |target: &str| at.strip_prefix(target).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        at == "/" || at == "/run" || API_MOUNTS.iter().any(|(_, target, _)| *target != "/run" && below(target))
    };
    mount_table::points(&String::from_utf8_lossy(&text)).filter(|at| !is_api(at)).collect()
}

/// Devices over others, that nobody uses any more: mapped ones, then loop devices that do not let go by themselves. Gives how
/// many went.
fn detach_devices<S: Sys>(machine: &mut Machine<S>) -> usize {
    let all = machine.sys().block_devices().unwrap_or_default();
    let mapped = all.iter().rev().filter_map(|device| device.mapped.clone()).map(Op::Unmap);
    let loops = all.iter().filter(|device| device.name.starts_with("loop") && device.disk.is_none());
    let ops: Vec<Op> = mapped.chain(loops.map(|device| Op::DetachLoop(format!("/dev/{}", device.name)))).collect();
    ops.iter().filter(|op| machine.apply(std::slice::from_ref(*op)).is_ok()).count()
}

/// What could not be unmounted: who uses it, and nothing more is written to it.
fn keep_clean<S: Sys>(machine: &mut Machine<S>, at: &str) {
    let users = machine.sys().users(at);
    let names: Vec<String> = users.iter().take(MOST_USERS).map(ToString::to_string).collect();
    let by = match users.len() {
        0 => "the kernel itself, for another mount or a device".to_owned(),
        n if n > MOST_USERS => format!("{} and {} more", names.join(", "), n - MOST_USERS),
        _ => names.join(", "),
    };
    let done = match machine.apply(&[Op::ReadOnly(Place::at(at))]) {
        Ok(()) => "it is read-only now".to_owned(),
        Err(error) => error.cause.to_string(),
    };
    machine.warn(&format!("{at} stays mounted, used by {by}; {done}"));
}
