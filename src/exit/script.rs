//! The way out where process 1 is not systemd.
//!
//! systemd executes [`PROGRAM`](super::PROGRAM) by itself; other inits end with scripts that unmount what they can and stop
//! the machine, with the root they run from still mounted. The last of them calls this program ([`super::hooks`]), which makes
//! its own folder the root. Then process 1 has to follow, as it holds the old one. Of the inits only sysvinit and openrc-init
//! can be asked to execute themselves again, and while they wait for a script openrc-init does not listen; so each is made to
//! execute this program ([`Sys::replace_process_1`]). It gets where systemd would have it, and nothing holds the old root any
//! more. Should that fail, all else is unmounted, and the rest is named and read-only.

use super::{AS_ROOT, OLD_ROOT, leave};
use crate::error::{Cause, Stage};
use crate::machine::Machine;
use crate::op::{Op, Place};
use crate::stages::early::API_MOUNTS;
use crate::sys::{self, Halt, Sys};
use rustix::mount::MountFlags;
use std::time::Duration;

/// The folder that becomes the root.
const FOLDER: &str = "/run/initramfs";
/// In it, and in the new root: what is to happen in the end.
const VERB: &str = "/verb";
/// What process 1 is told when it follows.
pub(super) const AGAIN: &str = "--init";
/// The script does not know what is to happen: process 1 tells nobody but the kernel.
const AS_ASKED: &str = "as-asked";
/// Process 1 ends all others at once; a machine under load may need a moment for that.
const TAKEOVER: Duration = Duration::from_secs(10);

/// Called by the last script, as an ordinary process: moves to the folder of the program as systemd would, and has process 1
/// follow. Returns when that cannot be done, and the script goes on as it would without us. The verb is one of systemd's, or
/// [`AS_ASKED`].
pub fn leave_by_script<S: Sys>(machine: &mut Machine<S>, verb: &str) {
    machine.set_stage(Stage::Exit);
    let verb = match verb {
        AS_ASKED => match machine.sys_mut().await_end() {
            Ok(halt) => word(halt),
            Err(error) => {
                let cause = Cause::Os(error);
                machine.warn(&format!("wait for the end of process 1: {cause}; the store stays mounted"));
                return;
            }
        },
        "reboot" if is_kernel_loaded(machine) => "kexec",
        verb => verb,
    };
    if let Err(error) = machine.apply(&move_out(verb)) {
        machine.warn(&format!("{}: {}; the store stays mounted", error.doing, error.cause));
        return;
    }
    match machine.sys_mut().replace_process_1(AS_ROOT, AGAIN) {
        // It ends this process.
        Ok(()) => machine.sys_mut().sleep(TAKEOVER),
        Err(error) => {
            let cause = Cause::Os(error);
            machine.warn(&format!("process 1 does not execute {AS_ROOT}: {cause}; it holds the old root"));
        }
    }
    leave(machine, verb);
}

/// The verb for it; the reverse of [`super::end`].
fn word(halt: Halt) -> &'static str {
    match halt {
        Halt::Reboot => "reboot",
        Halt::PowerOff => "poweroff",
        Halt::Halt => "halt",
        Halt::Kexec => "kexec",
    }
}

/// Whether kexec(8) has loaded a kernel: the scripts of each of these inits that know of it start that one in place of a
/// reboot, and would have done so after the one that calls this (kernel: Documentation/ABI/testing/sysfs-kernel-kexec).
fn is_kernel_loaded<S: Sys>(machine: &Machine<S>) -> bool {
    let text = sys::read(machine.sys(), &Place::at("/sys/kernel/kexec_loaded"), 64);
    text.is_ok_and(|text| text.starts_with(b"1"))
}

/// What was asked for, for process 1. Nobody who is left is needed, and each holds the old root.
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
    ops.push(Op::Write { at: folder.join(VERB), text: verb.to_owned() });
    ops.push(Op::MakeDir(folder.join(OLD_ROOT)));
    for (_, at, _) in API_MOUNTS.iter().filter(|(_, at, _)| *at != "/run") {
        let (source, target) = (Place::at(at), folder.join(at));
        ops.extend([Op::MakeDir(target.clone()), Op::Move { source, target }]);
    }
    ops.push(Op::PivotRoot { new: FOLDER, old: "/run/initramfs/oldroot" });
    ops
}
