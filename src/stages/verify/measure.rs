//! Hashing for a person who waits: after two seconds a bar, and where nobody asked for the check a key that ends it.

use super::hash;
use crate::error::Result;
use crate::formats::ReadAt;
use crate::machine::Machine;
use crate::op::Quoted;
use crate::stages::drivers::Drivers;
use crate::stages::progress::Bar;
use crate::sys::Sys;
use std::ops::ControlFlow;
use std::time::Duration;

/// Whether somebody at the console may end the check.
pub(super) enum Skip<'a> {
    Never,
    /// With this key; keyboards are looked for meanwhile.
    ByKey(&'a mut Drivers),
}

const KEY: u8 = b's';

/// Hashes on all processors; `None` when somebody did not want to wait.
pub(super) fn measure<S: Sys>(
    machine: &mut Machine<S>,
    path: &str,
    file: &S::File,
    mut skip: Skip,
) -> Result<Option<blake3::Hash>> {
    let key = if matches!(skip, Skip::ByKey(_)) { " (s skips the check)" } else { "" };
    let total = file.size().map_err(|e| machine.os("", e))?;
    let mut bar = Bar::new(machine, &format!("checking {}{key}", Quoted(path)), total);
    let mut failed = None;
    // available_parallelism() would also read the limits of control groups, of which process 1 has none.
    let threads = rustix::thread::sched_getaffinity(None).map_or(1, |all| all.count() as usize);
    let done = hash::hash_while(file, threads, &mut |progress| {
        let first = bar.set(machine, progress);
        let skipped = match &mut skip {
            Skip::ByKey(drivers) if bar.is_shown() => is_pressed(machine, drivers, first),
            _ => Ok(false),
        };
        match skipped {
            Ok(false) => return ControlFlow::Continue(()),
            Ok(true) => {}
            Err(error) => failed = Some(error),
        }
        ControlFlow::Break(())
    });
    bar.end(machine);
    match failed {
        Some(error) => Err(error),
        None => done.map_err(|e| machine.os("", e)),
    }
}

fn is_pressed<S: Sys>(machine: &mut Machine<S>, drivers: &mut Drivers, first: bool) -> Result<bool> {
    if first {
        drivers.want_input(machine)?;
    }
    drivers.work(machine);
    let events = machine.sys_mut().wait_for_events(Duration::ZERO).map_err(|e| machine.os("wait for a key", e))?;
    drivers.handle(machine, events)?;
    while let Some(key) = machine.next_key() {
        if key.eq_ignore_ascii_case(&KEY) {
            return Ok(true);
        }
    }
    Ok(false)
}
