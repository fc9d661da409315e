//! Hashing for a person who waits: after two seconds a bar with rate and time left, and where nobody asked for the check a
//! key that ends it.

use super::hash::{self, Progress};
use crate::error::Result;
use crate::machine::Machine;
use crate::op::Quoted;
use crate::stages::drivers::Drivers;
use crate::sys::Sys;
use std::ops::ControlFlow;
use std::time::Duration;

/// How long a check may take before anything is said of it.
const QUIET: Duration = Duration::from_secs(2);
/// How often the bar moves. A serial line of 115200 baud takes a hundredth of that for one.
const EVERY: Duration = Duration::from_millis(500);
/// Letters of the bar.
const WIDTH: u64 = 24;

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
    let begin = machine.sys().now();
    let (mut next, mut bar) = (begin.saturating_add(QUIET), Bar::default());
    let mut failed = None;
    // available_parallelism() would also read the limits of control groups, of which process 1 has none.
    let threads = rustix::thread::sched_getaffinity(None).map_or(1, |all| all.count() as usize);
    let done = hash::hash_while(file, threads, &mut |progress| {
        let now = machine.sys().now();
        if now >= next {
            next = now.saturating_add(EVERY);
            if !bar.is_shown {
                machine.notice(&begun(path, progress, &skip));
                failed = want_input(machine, &mut skip).err();
            }
            bar.show(machine, progress, now.saturating_sub(begin));
        }
        match failed.is_none().then(|| is_pressed(machine, &mut skip)) {
            Some(Ok(false)) => return ControlFlow::Continue(()),
            Some(Err(error)) => failed = Some(error),
            Some(Ok(true)) | None => {}
        }
        ControlFlow::Break(())
    });
    if bar.is_shown {
        machine.sys_mut().show("\n");
        machine.sys_mut().close_consoles();
    }
    match failed {
        Some(error) => Err(error),
        None => done.map_err(|e| machine.os("", e)),
    }
}

fn begun(path: &str, Progress { total, .. }: Progress, skip: &Skip) -> String {
    let key = if matches!(skip, Skip::ByKey(_)) { "; s skips the check" } else { "" };
    format!("checking {}, {} MiB{key}", Quoted(path), total >> 20)
}

fn want_input<S: Sys>(machine: &mut Machine<S>, skip: &mut Skip) -> Result<()> {
    if let Skip::ByKey(drivers) = skip {
        drivers.want_input(machine)?;
    }
    machine.sys_mut().open_consoles();
    Ok(())
}

fn is_pressed<S: Sys>(machine: &mut Machine<S>, skip: &mut Skip) -> Result<bool> {
    let Skip::ByKey(drivers) = skip else { return Ok(false) };
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

/// One line that is written over itself.
#[derive(Default)]
struct Bar {
    is_shown: bool,
    length: usize,
}

impl Bar {
    fn show<S: Sys>(&mut self, machine: &mut Machine<S>, progress: Progress, spent: Duration) {
        let line = line(progress, spent);
        machine.sys_mut().show(&["\x08".repeat(self.length), line.clone()].concat());
        (self.is_shown, self.length) = (true, line.len());
    }
}

fn line(Progress { done, total }: Progress, spent: Duration) -> String {
    let share = |of: u64| (u128::from(done) * u128::from(of)).checked_div(total.into()).unwrap_or(of.into());
    let rate = u128::from(done) * 1000 / spent.as_millis().max(1);
    let left = u128::from(total.saturating_sub(done)).checked_div(rate).unwrap_or_default();
    let full = usize::try_from(share(WIDTH)).unwrap_or_default();
    let bar = ["#".repeat(full), ".".repeat((WIDTH as usize).saturating_sub(full))].concat();
    format!("[{bar}] {} %, {} MiB/s, {left} s left", share(100), rate >> 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_never_divides_by_nothing() {
        for (done, total, millis) in [(0, 0, 0), (0, 1 << 30, 0), (0, 1 << 30, 2000), (1 << 29, 1 << 30, 2000)] {
            let line = line(Progress { done, total }, Duration::from_millis(millis));
            assert!(line.contains('%'), "{line}");
        }
        let line = line(Progress { done: 1 << 29, total: 1 << 30 }, Duration::from_secs(2));
        assert_eq!(line, "[############............] 50 %, 256 MiB/s, 2 s left");
    }
}
