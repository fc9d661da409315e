//! Boots a world to its end, and compares what was done with a golden plan.

use isolde::emergency::emergency;
use isolde::error::Error;
use isolde::machine::Machine;
use isolde::op::{Op, Place};
use isolde::sys::record::{Ending, Journal, Mounted, Record, Tree, World};
use isolde::sys::{Sys, read};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;

/// What was seen at the end.
pub struct End {
    pub journal: Journal,
    pub ending: Ending,
    pub mounted: Vec<Mounted>,
    /// The text of report.json, when the real init can read it.
    pub report: Option<String>,
    /// What is on the stick of the scenarios.
    pub stick: Option<Tree>,
}

/// A boot from the first operation to exec, halt, or a wait without end.
pub struct Outcome {
    pub end: End,
    /// With the number of changes that were made before the boot gave up.
    pub error: Option<(Error, usize)>,
}

fn stop(record: &Record, ending: Ending) {
    let report = read(record, &Place::at("/run/isolde/report.json"), 1 << 20).ok();
    resume_unwind(Box::new(End {
        journal: record.journal().clone(),
        ending,
        mounted: record.mounted(),
        report: report.map(|bytes| String::from_utf8(bytes).unwrap()),
        stick: record.on_device("sdb1"),
    }));
}

pub fn boot(world: &World) -> Outcome {
    boot_with(world, |_| {})
}

/// Boots; `prepare` asks for failures.
pub fn boot_with(world: &World, prepare: impl FnOnce(&mut Record)) -> Outcome {
    let mut record = Record::new(world);
    record.at_end(stop);
    prepare(&mut record);
    let mut machine = Machine::new(record);
    let (unwound, error) = loop {
        let error = match catch_unwind(AssertUnwindSafe(|| isolde::boot(&mut machine))) {
            Err(unwound) => break (unwound, None),
            Ok(Err(error)) => error,
            Ok(Ok(never)) => match never {},
        };
        let changes = machine.sys().journal().changes().count();
        // It returns when the boot is to begin again.
        if let Err(unwound) = catch_unwind(AssertUnwindSafe(|| emergency(&mut machine, &error))) {
            break (unwound, Some((error, changes)));
        }
    };
    match unwound.downcast::<End>() {
        Ok(end) => Outcome { end: *end, error },
        Err(panic) => resume_unwind(panic),
    }
}

/// Boots, and leaves again as systemd does it: what was seen when the machine stopped. `None` when it does not boot.
pub fn boot_and_leave(world: &World, verb: &str, prepare: impl FnOnce(&mut Record)) -> Option<End> {
    let mut machine = booted(world)?;
    // As systemd-shutdown does with what it cannot unmount.
    machine.sys_mut().apply(&Op::ReadOnly(Place::at("/run/isolde/store"))).unwrap();
    machine.sys_mut().pivot().unwrap();
    prepare(machine.sys_mut());
    let unwound = catch_unwind(AssertUnwindSafe(|| isolde::exit::leave(&mut machine, verb))).unwrap_err();
    Some(*unwound.downcast::<End>().unwrap_or_else(|panic| resume_unwind(panic)))
}

/// The same by the last script of another init, whose process 1 does not follow. An error when the machine did not stop.
pub fn boot_and_leave_by_script(
    world: &World,
    verb: &str,
    prepare: impl FnOnce(&mut Record),
) -> Option<Result<End, Journal>> {
    let mut machine = booted(world)?;
    prepare(machine.sys_mut());
    let left = catch_unwind(AssertUnwindSafe(|| isolde::exit::leave_by_script(&mut machine, verb)));
    Some(match left {
        Ok(()) => Err(machine.sys().journal().clone()),
        Err(unwound) => Ok(*unwound.downcast::<End>().unwrap_or_else(|panic| resume_unwind(panic))),
    })
}

/// A machine whose real init has started.
fn booted(world: &World) -> Option<Machine<Record>> {
    let mut record = Record::new(world);
    record.at_end(stop);
    let mut machine = Machine::new(record);
    let unwound = catch_unwind(AssertUnwindSafe(|| isolde::boot(&mut machine))).err()?;
    let booted = unwound.downcast::<End>().unwrap_or_else(|panic| resume_unwind(panic));
    if booted.ending != Ending::Exec || booted.report.is_none() {
        return None;
    }
    Some(machine)
}

/// Compares with `tests/plans/NAME.txt`, or writes that with UPDATE_PLANS=1.
pub fn golden(name: &str, world: &World) -> Result<(), String> {
    let outcome = boot(world);
    let mut text = format!("$ {}\n", world.cmdline);
    for line in outcome.end.journal.to_string().lines() {
        // The report's length changes with each new field; what is in it has tests of its own.
        let length = line.starts_with("write ").then(|| line.rsplit_once("report.json (")).flatten();
        text.push_str(&length.map_or(line.to_owned(), |(before, _)| format!("{before}report.json")));
        text.push('\n');
    }
    text.push_str(&format!("=> {:?}\n", outcome.end.ending));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plans").join(format!("{name}.txt"));
    if std::env::var_os("UPDATE_PLANS").is_some() {
        return std::fs::write(&path, text).map_err(|e| format!("write {}: {e}", path.display()));
    }
    let wanted = std::fs::read_to_string(&path).map_err(|e| format!("read {}: {e}", path.display()))?;
    if wanted == text { Ok(()) } else { Err(format!("--- {}\n{}", path.display(), diff(&wanted, &text))) }
}

/// The differing lines, `-` wanted and `+` done, by the longest common subsequence.
fn diff(wanted: &str, done: &str) -> String {
    let (a, b): (Vec<&str>, Vec<&str>) = (wanted.lines().collect(), done.lines().collect());
    let mut common = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            common[i][j] = if a[i] == b[j] { common[i + 1][j + 1] + 1 } else { common[i + 1][j].max(common[i][j + 1]) };
        }
    }
    let (mut i, mut j, mut out) = (0, 0, String::new());
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i] == b[j] {
            (i, j) = (i + 1, j + 1);
        } else if j < b.len() && (i == a.len() || common[i][j + 1] >= common[i + 1][j]) {
            out.push_str(&format!("+{}: {}\n", j + 1, b[j]));
            j += 1;
        } else {
            out.push_str(&format!("-{}: {}\n", i + 1, a[i]));
            i += 1;
        }
    }
    out
}
