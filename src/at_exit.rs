//! What the way out has to remove before it unmounts: leases and marks of what is in use. They are listed in one file, one
//! path a line, by their paths in the running system.

use crate::error::Cause;
use crate::machine::Machine;
use crate::op::{NEW_ROOT, Op, Place};
use crate::sys::{self, Kind, Sys};
use std::io;

/// The list.
const LIST: &str = "/run/isolde/at-exit";
/// A few paths.
const LARGEST: u64 = 64 << 10;
/// Where a path of the running system is: as it was; when the way out runs, with the old root's own /run, or in the old
/// root; and when the hand-off failed, in the new one.
const PLACES: [(&str, &str); 4] = [("", ""), ("/run", "/oldrun"), ("", "/oldroot"), ("", NEW_ROOT)];

/// The file at this place is to go. Its path holds no line end.
pub(crate) fn remove<S: Sys>(machine: &mut Machine<S>, at: &Place) {
    let text = [&list(machine).unwrap_or_default(), at.full().to_string_lossy().as_ref(), "\n"].concat();
    let list = Op::Write { at: Place::at(LIST), text };
    machine.best_effort(&list, "it stays when the system stops");
}

/// Removes all of them, and the list.
pub(crate) fn do_it<S: Sys>(machine: &mut Machine<S>) {
    let text = match list(machine) {
        Ok(text) if text.is_empty() => return,
        Ok(text) => text,
        Err(error) => return machine.warn(&["read ", LIST, ": ", &Cause::Os(error).to_string()].concat()),
    };
    for path in text.lines().chain([LIST]) {
        if let Some(at) = now(machine, path) {
            machine.best_effort(&Op::Delete(at), "the next system takes it for one that crashed");
        }
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
