//! What the way out has to remove before it unmounts: leases and marks of what is in use. They are listed in one file, one
//! path a line, by their paths in the running system.

use crate::error::Cause;
use crate::machine::Machine;
use crate::mount_table;
use crate::op::{NEW_ROOT, Op, Place};
use crate::sys::{self, Kind, Sys};
use std::io;

/// The list.
const LIST: &str = "/run/isolde/at-exit";
/// A few paths.
const LARGEST: u64 = 64 << 10;
/// Where a path of the running system is: as it was; when the way out runs, in the folder that is the root then, with the
/// old root's own /run, or in the old root; and when the hand-off failed, in the new one.
const PLACES: [(&str, &str); 5] =
    [("", ""), ("/run/initramfs", ""), ("/run", "/oldrun"), ("", "/oldroot"), ("", NEW_ROOT)];

/// The file at this place is to go. Its path holds no line end.
pub(crate) fn add<S: Sys>(machine: &mut Machine<S>, at: &Place) {
    let text = [&list(machine).unwrap_or_default(), at.full().to_string_lossy().as_ref(), "\n"].concat();
    let list = Op::Write { at: Place::at(LIST), text };
    machine.best_effort(&list, "it stays when the system stops");
}

/// Removes all of them, and the list.
pub(crate) fn remove_all<S: Sys>(machine: &mut Machine<S>) {
    let text = match list(machine) {
        Ok(text) if text.is_empty() => return,
        Ok(text) => text,
        Err(error) => return machine.warn(&["read ", LIST, ": ", &Cause::Os(error).to_string()].concat()),
    };
    for path in text.lines().chain([LIST]) {
        if let Some(at) = now(machine, path) {
            make_writable(machine, &at);
            machine.best_effort(&Op::Delete(at), "the next system takes it for one that crashed");
        }
    }
}

/// systemd mounts what it cannot unmount read-only (src/shutdown/umount.c).
fn make_writable<S: Sys>(machine: &mut Machine<S>, at: &Place) {
    let table = sys::read(machine.sys(), &Place::at("/proc/mounts"), 1 << 20).unwrap_or_default();
    let full = at.full();
    let table = String::from_utf8_lossy(&table);
    let holds = |(point, _): &(String, bool)| full.starts_with(point);
    let mount = mount_table::access(&table).filter(holds).max_by_key(|(point, _)| point.len());
    if let Some((point, true)) = mount {
        machine.best_effort(&Op::Writable(Place::at(point)), "nothing can be removed there");
    }
}

/// Where it is now, if anywhere.
fn now<S: Sys>(machine: &Machine<S>, path: &str) -> Option<Place> {
    let moved = PLACES.iter().filter_map(|(from, to)| Some(Place::at([to, path.strip_prefix(from)?].concat())));
    moved.into_iter().find(|at| matches!(machine.sys().kind(at), Ok(Some(Kind::File { .. }))))
}

fn list<S: Sys>(machine: &Machine<S>) -> io::Result<String> {
    match now(machine, LIST) {
        Some(at) => Ok(String::from_utf8_lossy(&sys::read(machine.sys(), &at, LARGEST)?).into_owned()),
        None => Ok(String::new()),
    }
}
