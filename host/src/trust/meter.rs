//! How far a long read is: rate and time left, on standard error when that is a terminal.

use isolde::stages::verify::hash::Progress;
use std::io::{self, IsTerminal, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Nothing is shown before: what is done by then needs no telling.
const FIRST: Duration = Duration::from_millis(500);
/// How often it is shown.
const EVERY: Duration = Duration::from_millis(200);
/// Back to the start of the line, which is then emptied (ECMA-48: EL).
const CLEAR: &str = "\r\x1b[K";

/// Counts the bytes of all files together, on any thread.
#[derive(Debug)]
pub struct Meter {
    doing: &'static str,
    total: u64,
    done: AtomicU64,
    begin: Instant,
    /// When it was last shown; none where nobody looks.
    shown: Option<Mutex<Option<Instant>>>,
}

impl Meter {
    /// For so many bytes.
    #[must_use]
    pub fn new(doing: &'static str, total: u64) -> Meter {
        let shown = io::stderr().is_terminal().then(Mutex::default);
        Meter { doing, total, done: AtomicU64::new(0), begin: Instant::now(), shown }
    }

    /// The reading of one file.
    #[must_use]
    pub fn task(&self) -> Task<'_> {
        Task { meter: self, done: 0 }
    }

    fn add(&self, bytes: u64) {
        let done = self.done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let Some(shown) = &self.shown else { return };
        // Another thread is showing it.
        let Ok(mut last) = shown.try_lock() else { return };
        let spent = self.begin.elapsed();
        if spent >= FIRST && last.is_none_or(|last| last.elapsed() >= EVERY) {
            *last = Some(Instant::now());
            // A terminal that is gone is no reason to stop.
            let _ = write!(io::stderr(), "{CLEAR}{}", line(self.doing, done, self.total, spent));
        }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        let was_shown = self.shown.as_ref().is_some_and(|shown| shown.lock().is_ok_and(|last| last.is_some()));
        if was_shown {
            let _ = write!(io::stderr(), "{CLEAR}");
        }
    }
}

/// The reading of one file, which counts what was read of it.
#[derive(Debug)]
pub struct Task<'a> {
    meter: &'a Meter,
    done: u64,
}

impl Task<'_> {
    /// So many bytes of it are read.
    pub fn at(&mut self, done: u64) {
        self.meter.add(done.saturating_sub(self.done));
        self.done = self.done.max(done);
    }

    /// The same in init's words.
    pub fn said(&mut self, progress: Progress) {
        self.at(progress.done);
    }
}

fn line(doing: &str, done: u64, total: u64, spent: Duration) -> String {
    let percent = (u128::from(done) * 100).checked_div(u128::from(total)).unwrap_or(100).min(100);
    let rate = u128::from(done) * 1000 / spent.as_millis().max(1);
    let left = u128::from(total.saturating_sub(done)).checked_div(rate).unwrap_or_default();
    format!("{doing}: {percent} % of {} MiB, {} MiB/s, {left} s left", total >> 20, rate >> 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_has_rate_and_time_left() {
        let text = line("checking", 1 << 29, 1 << 30, Duration::from_secs(2));
        assert_eq!(text, "checking: 50 % of 1024 MiB, 256 MiB/s, 2 s left");
        for (done, total, millis) in [(0, 0, 0), (0, 1 << 30, 0), (9, 3, 1)] {
            assert!(line("x", done, total, Duration::from_millis(millis)).contains('%'));
        }
    }

    #[test]
    fn what_is_said_twice_counts_once() {
        let meter = Meter::new("x", 10);
        let mut task = meter.task();
        for done in [3, 3, 7, 5] {
            task.at(done);
        }
        meter.task().at(2);
        assert_eq!(meter.done.load(Ordering::Relaxed), 9);
    }
}
