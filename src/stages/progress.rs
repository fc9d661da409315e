//! A bar on every console for work that takes longer than two seconds, with rate and time left.

use crate::machine::Machine;
use crate::sys::Sys;
use std::time::Duration;

/// How long work may take before anything is said of it.
const QUIET: Duration = Duration::from_secs(2);
/// How often the bar moves. A serial line of 115200 baud takes a hundredth of that for one.
const EVERY: Duration = Duration::from_millis(500);
/// Letters of the bar.
const WIDTH: u64 = 24;

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes that are done.
    pub done: u64,
    /// Bytes in all.
    pub total: u64,
}

impl Progress {
    /// The part that is done, of so many parts.
    pub(super) fn share(self, of: u64) -> u64 {
        let share = (u128::from(self.done) * u128::from(of)).checked_div(self.total.into());
        share.and_then(|share| share.try_into().ok()).unwrap_or(of)
    }
}

/// One line that is written over itself.
#[derive(Debug)]
pub(super) struct Bar {
    what: String,
    so_far: Progress,
    begin: Duration,
    next: Duration,
    /// Letters of it that are on the consoles.
    shown: usize,
}

impl Bar {
    pub(super) fn new<S: Sys>(machine: &Machine<S>, what: &str, total: u64) -> Bar {
        let begin = machine.sys().now();
        let (what, so_far, next) = (what.to_owned(), Progress { done: 0, total }, begin.saturating_add(QUIET));
        Bar { what, so_far, begin, next, shown: 0 }
    }

    /// So many bytes more are done.
    pub(super) fn add<S: Sys>(&mut self, machine: &mut Machine<S>, bytes: u64) {
        let done = self.so_far.done.saturating_add(bytes);
        self.set(machine, Progress { done, ..self.so_far });
    }

    /// Shows it, when it is time; `true` the first time.
    pub(super) fn set<S: Sys>(&mut self, machine: &mut Machine<S>, so_far: Progress) -> bool {
        self.so_far = so_far;
        let now = machine.sys().now();
        if now < self.next {
            return false;
        }
        self.next = now.saturating_add(EVERY);
        let first = !self.is_shown();
        if first {
            machine.notice(&format!("{}, {} MiB", self.what, so_far.total >> 20));
            machine.sys_mut().open_consoles();
        }
        let line = line(so_far, now.saturating_sub(self.begin));
        machine.sys_mut().show(&["\x08".repeat(self.shown), line.clone()].concat());
        self.shown = line.len();
        first
    }

    pub(super) fn is_shown(&self) -> bool {
        self.shown > 0
    }

    /// The work is over, or given up.
    pub(super) fn end<S: Sys>(self, machine: &mut Machine<S>) {
        if self.is_shown() {
            machine.sys_mut().show("\n");
            machine.sys_mut().close_consoles();
        }
    }
}

fn line(so_far: Progress, spent: Duration) -> String {
    let Progress { done, total } = so_far;
    let rate = u128::from(done) * 1000 / spent.as_millis().max(1);
    let left = u128::from(total.saturating_sub(done)).checked_div(rate).unwrap_or_default();
    let full = usize::try_from(so_far.share(WIDTH)).unwrap_or_default();
    let bar = ["#".repeat(full), ".".repeat((WIDTH as usize).saturating_sub(full))].concat();
    format!("[{bar}] {} %, {} MiB/s, {left} s left", so_far.share(100), rate >> 20)
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
