//! The way out where process 1 is not systemd.
//!
//! systemd executes [`PROGRAM`](super::PROGRAM) by itself; other inits end with scripts that unmount what they can and stop
//! the machine, with the root they run from still mounted. In Debian all of them, sysvinit's, OpenRC's and runit's, run
//! `umountroot` as the last one before that, and it reads the files of `/lib/lsb/init-functions.d` (package sysvinit-utils):
//! one file there is enough for each. sysvinit then executes itself again when it is told so (`telinit u`, init(8)); by that
//! time its root is our folder, where /sbin/init is this program. So it gets where systemd would have it, as process 1, and
//! nothing holds the old root any more. Another process 1 goes on holding the old root: all else is unmounted, and the rest
//! is named and read-only.

use super::{OLD_ROOT, PROGRAM, leave};
use crate::error::Stage;
use crate::machine::Machine;
use crate::op::{Op, Place};
use crate::stages::early::API_MOUNTS;
use crate::sys::{self, Kind, Sys};
use rustix::mount::MountFlags;
use std::time::Duration;

/// The functions that Debian's scripts share, the file that they read as well, and what is in it.
const FUNCTIONS: &str = "/lib/lsb/init-functions";
const HOOK: &str = "/lib/lsb/init-functions.d/isolde-exit";
const HOOK_TEXT: &str = include_str!("hook.sh");
/// The folder that becomes the root.
const FOLDER: &str = "/run/initramfs";
/// In it, and in the new root: what is to happen in the end.
const VERB: &str = "/verb";
/// What sysvinit calls itself with when it executes itself again.
pub(super) const AGAIN: &str = "--init";
/// Where sysvinit listens, once the old root is out of the way.
const INITCTL: &str = "/oldroot/run/initctl";
/// sysvinit needs a moment; a process 1 that does not listen is not waited for much longer.
const TAKEOVER: Duration = Duration::from_secs(10);

/// Leaves the file where the scripts of this root would read it.
pub fn hook<S: Sys>(machine: &mut Machine<S>) {
    let functions = machine.sys().kind(&Place::new_root(FUNCTIONS));
    if !matches!(functions, Ok(Some(Kind::File { .. }))) {
        return;
    }
    let at = Place::new_root(HOOK);
    let folder = Place::new_root(HOOK.trim_end_matches("/isolde-exit"));
    for op in [Op::MakeDir(folder), Op::Write { at, text: HOOK_TEXT.to_owned() }] {
        machine.best_effort(&op, "the store stays mounted when the system stops");
    }
}

/// Called by that file, as an ordinary process: moves to the folder of the program as systemd would, and has process 1
/// follow. Returns when that cannot be done, and the script goes on as it would without us.
pub fn leave_by_script<S: Sys>(machine: &mut Machine<S>, verb: &str) {
    machine.set_stage(Stage::Exit);
    if let Err(error) = machine.apply(&move_out(verb)) {
        machine.warn(&format!("{}: {}; the store stays mounted", error.doing, error.cause));
        return;
    }
    if matches!(machine.sys().kind(&Place::at(INITCTL)), Ok(Some(Kind::Other))) {
        let op = Op::Write { at: Place::at(INITCTL), text: request() };
        machine.best_effort(&op, "process 1 holds the old root");
        // It ends this process.
        machine.sys_mut().sleep(TAKEOVER);
    }
    leave(machine, verb);
}

/// What was asked for before process 1 was executed again. Nobody who is left is needed, and each holds the old root.
pub(super) fn resume<S: Sys>(machine: &mut Machine<S>) -> String {
    if let Err(error) = machine.sys_mut().end_others() {
        machine.warn(&format!("end all other processes: {error}"));
    }
    let verb = sys::read(machine.sys(), &Place::at(VERB), 64).unwrap_or_default();
    String::from_utf8_lossy(&verb).into_owned()
}

/// Makes the folder a root, with the virtual file systems in it, and goes there. Pure.
fn move_out(verb: &str) -> Vec<Op> {
    let folder = Place::at(FOLDER);
    let mut ops = vec![Op::Bind { source: folder.clone(), target: folder.clone(), flags: MountFlags::empty() }];
    ops.push(Op::MakeDir(folder.join("sbin")));
    ops.push(Op::Symlink { to: PROGRAM.trim_start_matches(FOLDER).to_owned(), at: folder.join("sbin/init") });
    ops.push(Op::Write { at: folder.join(VERB), text: verb.to_owned() });
    ops.push(Op::MakeDir(folder.join(OLD_ROOT)));
    for (_, at, _) in API_MOUNTS.iter().filter(|(_, at, _)| *at != "/run") {
        let (source, target) = (Place::at(at), folder.join(at));
        ops.extend([Op::MakeDir(target.clone()), Op::Move { source, target }]);
    }
    ops.push(Op::PivotRoot { new: FOLDER, old: "/run/initramfs/oldroot" });
    ops
}

/// A request to sysvinit: be executed again (struct init_request in its initreq.h: magic, command, run level, time, padding
/// to 384 bytes). All of its bytes are ASCII.
fn request() -> String {
    "\x69\x19\x09\x03\x01\0\0\0U\0\0\0".to_owned() + &"\0".repeat(372)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_is_the_one_of_telinit() {
        let bytes = request().into_bytes();
        assert_eq!(bytes.len(), 384);
        let numbers: Vec<u32> =
            bytes[..12].chunks(4).map(|four| u32::from_ne_bytes(four.try_into().unwrap())).collect();
        assert_eq!(numbers, [0x0309_1969, 1, u32::from(b'U')]);
    }
}
