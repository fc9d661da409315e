//! The end of a session that was written to a layer of its own: kept, or thrown away, as the running system says.
//!
//! Takes   [`GENERATION`], which the boot has written, and [`DECISION`], which anybody may have changed since (as root).
//! Gives   a record in which the session has its end, after everything that it wrote is on the disk.
//! Leaves  the record as it is while something of the root is still in use: the next boot finds that the session did not come
//!         to its end.

use crate::error::Result;
use crate::formats::generations::{State, is_profile};
use crate::machine::Machine;
use crate::op::{Op, Place};
use crate::stages::persist::{self, PERSIST};
use crate::sys::{self, Level, Sys};

/// The session's number, and how many sessions stay apart.
pub(crate) const GENERATION: &str = "/run/isolde/generation";
/// What becomes of it: `save`, `discard` or `save-as NAME`.
pub(crate) const DECISION: &str = "/run/isolde/session";
/// Bytes of either.
const MOST: u64 = 4096;

/// A session that has to be brought to its end.
pub(super) struct SessionEnd {
    number: u32,
    keep: usize,
    decision: String,
    /// Where the layers are mounted now.
    shelf: String,
}

impl SessionEnd {
    /// Reads what the running system left; `None` where nothing is to be saved.
    pub(super) fn read<S: Sys>(machine: &mut Machine<S>) -> Option<SessionEnd> {
        // The old root's /run is moved away before (see `free_the_old_root`), but not by every way that leads here.
        let at = |path: &str| [["/old", path.trim_start_matches('/')].concat(), path.to_owned()];
        let text = at(GENERATION).iter().find_map(|path| read(machine, path))?;
        let decision = at(DECISION).iter().find_map(|path| read(machine, path)).unwrap_or_default();
        let mut words = text.split_whitespace();
        let (number, keep) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let mounts = super::mounts(machine);
        let shelf = at(PERSIST).into_iter().find(|shelf| mounts.contains(shelf))?;
        Some(SessionEnd { number, keep, decision: decision.trim().to_owned(), shelf })
    }

    /// Whether this mount point is where the record is.
    pub(super) fn needs(&self, at: &str) -> bool {
        at == self.shelf
    }

    /// Whether something can still be written to its layer: an overlay over it is mounted and not read-only. What cannot be
    /// unmounted, as process 1 does not let go of it, is made read-only in the end.
    pub(super) fn is_used<S: Sys>(&self, machine: &Machine<S>) -> bool {
        let upper = ["upperdir=", PERSIST, "/"].concat();
        let table = sys::read(machine.sys(), &Place::at("/proc/mounts"), 1 << 20).unwrap_or_default();
        let table = String::from_utf8_lossy(&table);
        let mut options = table.lines().filter_map(|line| line.split(' ').nth(3));
        options.any(|options| options.contains(&upper) && !options.split(',').any(|option| option == "ro"))
    }

    /// Nothing is written any more, and it is not unmounted either.
    pub(super) fn end_read_only<S: Sys>(self, machine: &mut Machine<S>) {
        let shelf = Place::at(&self.shelf);
        self.end(machine);
        machine.best_effort(&Op::ReadOnly(shelf), "its file system is not clean");
    }

    /// Ends it. A failure is said, and leaves the session to the next boot.
    pub(super) fn end<S: Sys>(self, machine: &mut Machine<S>) {
        match self.write_down(machine) {
            Ok(text) => machine.say(Level::Info, &text),
            Err(error) => {
                machine.warn(&format!("session {} has no end: {}: {}", self.number, error.doing, error.cause))
            }
        }
    }

    fn write_down<S: Sys>(&self, machine: &mut Machine<S>) -> Result<String> {
        let shelf = Place::at(&self.shelf);
        // On its way out the system makes read-only what it cannot unmount, and this may be a part of such a one.
        machine.apply(&[Op::Writable(shelf.clone())])?;
        let mut record = persist::read(machine, &shelf)?;
        let number = self.number;
        let said = match self.decision.split_whitespace().collect::<Vec<_>>().as_slice() {
            ["discard"] => {
                record.set_state(number, State::Dropped);
                persist::save(machine, &shelf, &record)?;
                machine.apply(&[Op::Delete(persist::layer(&shelf, number))])?;
                return Ok(format!("session {number} is thrown away"));
            }
            ["save-as", name] if is_profile(name) => {
                record.set_profile(number, name);
                format!("session {number} is saved as {name}")
            }
            ["save"] | [] => format!("session {number} is saved"),
            _ => {
                let text = self.decision.escape_debug();
                machine.warn(&format!("{DECISION}: wanted save, discard or save-as NAME, seen {text}"));
                format!("session {number} is saved")
            }
        };
        record.set_state(number, State::Saved);
        persist::save(machine, &shelf, &record)?;
        persist::merge_the_oldest(machine, &shelf, &mut record, number, self.keep)?;
        Ok(said)
    }
}

fn read<S: Sys>(machine: &Machine<S>, path: &str) -> Option<String> {
    let bytes = sys::read(machine.sys(), &Place::at(path), MOST).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}
