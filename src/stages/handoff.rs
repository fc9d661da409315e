//! Stage 16: out of the initramfs, into the real init.
//!
//! Takes   the customized root.
//! Gives   nothing: this process becomes the real init.
//! Leaves  `/run/isolde/report.json` and the way out in the running system, and no trace in memory of the initramfs.
//! Fails   when the root cannot be entered or its init cannot be executed.

mod report;

use crate::error::Result;
use crate::exit;
use crate::machine::Machine;
use crate::op::{Op, Place};
use crate::stages::customize::Customized;
use crate::stages::early::{Api, MODPROBE};
use crate::stages::plan::Plan;
use crate::sys::{Level, Sys};
use std::convert::Infallible;
use std::path::Path;

/// Hands over.
pub fn enter<S: Sys>(machine: &mut Machine<S>, plan: &Plan, api: &Api, customized: Customized) -> Result<Infallible> {
    let init = customized.settled.inhabited.extended.root.init.clone();
    machine.say(Level::Info, &format!("executing {init}"));
    let at = Place::new_root(MODPROBE);
    machine.best_effort(&Op::Write { at, text: api.modprobe.clone() }, "the kernel cannot ask for modules");
    let at = Place::new_root("/run/isolde/report.json");
    let text = report::json(machine, plan, &customized);
    machine.best_effort(&Op::Write { at, text }, "the running system has no report");
    let at = Place::new_root(exit::PROGRAM);
    if let Some(folder) = at.inner().parent() {
        machine.best_effort(&Op::MakeDir(Place::new_root(folder)), "the way out has no place");
    }
    machine.best_effort(&Op::InstallSelf(at), "the store stays mounted when the system stops");
    exit::leave_hooks(machine);
    machine.best_effort(&Op::EmptyInitramfs, "its memory is not freed");
    machine.apply(&[Op::SwitchRoot])?;
    let arguments = machine.sys().arguments();
    let done = machine.sys_mut().exec(Path::new(&init), &arguments);
    done.map_err(|e| machine.os(format!("exec {init}"), e))
}
