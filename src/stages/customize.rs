//! Stage 15: programs of the extensions and of the user, run in the new root.
//!
//! Takes   the root with its family's habits.
//! Gives   [`Customized`]: the API mounts are in the new root, and every program has ended.
//! Leaves  a program's failure in the log and in the report; the boot goes on.
//! Fails   when the API mounts cannot be moved.

use crate::error::{Cause, Result};
use crate::machine::Machine;
use crate::op::{Op, Place, Program, STORE};
use crate::params::Extras;
use crate::stages::early::API_MOUNTS;
use crate::stages::identity::Settled;
use crate::stages::plan::Plan;
use crate::stages::verify::{self, Proof, Trust};
use crate::sys::{End, Kind, Level, Sys};
use std::fmt;

/// The user's script, on the store.
const SCRIPT: &str = "/boot/customize/init";
/// Lines of a program's output that go to the log; the rest is counted.
const MOST_LINES: usize = 500;

/// A program that ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// Its path in the new root.
    pub(super) path: String,
    /// How it ended.
    pub(super) end: String,
}

/// The root as the real init will find it.
#[derive(Debug)]
pub struct Customized {
    pub(super) settled: Settled,
    pub(super) programs: Vec<Ran>,
}

impl fmt::Display for Customized {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.programs.len() {
            0 => f.write_str("nothing to run"),
            n => write!(f, "{n} programs ran"),
        }
    }
}

/// Moves the API mounts into the root and runs the programs there.
pub fn run<S: Sys>(machine: &mut Machine<S>, plan: &Plan, settled: Settled) -> Result<Customized> {
    let paths = programs(machine, plan, &settled);
    // Here ends what init mounts by itself. Programs see the root as the real init will, and mounts that they make
    // below /run, /dev, /proc and /sys stay.
    for (_, mount, _) in API_MOUNTS {
        let (source, target) = (Place::at(mount), Place::new_root(mount));
        machine.apply(&[Op::MakeDir(target.clone()), Op::Move { source, target }])?;
    }
    let mut programs = Vec::new();
    for path in paths {
        let end = run_one(machine, &Program::in_new_root(&path, plan.program_limit));
        programs.push(Ran { path, end });
    }
    Ok(Customized { settled, programs })
}

/// Paths in the new root, in the order in which they run: extensions first, as the script may build on them.
fn programs<S: Sys>(machine: &mut Machine<S>, plan: &Plan, settled: &Settled) -> Vec<String> {
    let mut paths: Vec<String> =
        settled.inhabited.extended.extensions.iter().filter_map(|e| e.program.clone()).collect();
    if plan.customize == Extras::Use {
        match machine.sys().kind(&Place::store(SCRIPT)) {
            Ok(Some(Kind::File { executable: true })) => {
                match check(machine, &settled.inhabited.extended.root.layers.proof) {
                    Ok(_) => paths.push(format!("{STORE}{SCRIPT}")),
                    Err(error) => {
                        machine.warn(&format!("{SCRIPT} of the store is not run: {}: {}", error.doing, error.cause))
                    }
                }
            }
            Ok(None) => {}
            Ok(Some(_)) => machine.warn(&format!("{SCRIPT} of the store is not run: it is no executable file")),
            Err(error) => machine.warn(&format!("{SCRIPT} of the store is not run: {}", Cause::Os(error))),
        }
    }
    paths
}

/// The script is under the same policy as the image.
fn check<S: Sys>(machine: &mut Machine<S>, proof: &Proof) -> Result<Trust> {
    let at = Place::store(SCRIPT);
    let file = machine.sys().open(&at).map_err(|e| machine.os(format!("open {at}"), e))?;
    verify::check_file(machine, proof, SCRIPT, &file)
}

/// Runs a program, its output to the log; says how it ended.
pub(super) fn run_one<S: Sys>(machine: &mut Machine<S>, program: &Program) -> String {
    machine.say(Level::Info, &format!("running {}, at most {} s", program.path.display(), program.limit.as_secs()));
    let (mut lines, mut left_out) = (Vec::new(), 0);
    let end = machine.sys_mut().run(program, &mut |line| {
        if lines.len() < MOST_LINES { lines.push(line.to_owned()) } else { left_out += 1 }
    });
    let name = program.path.display();
    for line in lines {
        machine.say(Level::Info, &format!("{name}: {line}"));
    }
    if left_out > 0 {
        machine.say(Level::Info, &format!("{name}: {left_out} more lines"));
    }
    let text = match end {
        Ok(End::Exited(0)) => return "succeeded".to_owned(),
        Ok(End::Exited(status)) => format!("failed with status {status}"),
        Ok(End::Signalled(signal)) => format!("was ended by signal {signal}"),
        Ok(End::TimedOut) => format!("was ended after its {} s", program.limit.as_secs()),
        Err(error) => {
            machine.warn(&format!("{program}: {}", Cause::Os(error)));
            return "could not be run".to_owned();
        }
    };
    machine.warn(&format!("{name} {text}; {} is as it left it", program.root));
    text
}
