//! Whether a store in NTFS may be written to. Windows takes a volume back as it left it: what others write while it sleeps,
//! or over a journal that it has not closed, ends in a damaged file system.
//!
//! Takes   the store, mounted read-only.
//! Gives   `None` when it may be, or why not and what to do about it.
//! Leaves  it as it is; nothing is repaired and nothing is forced.

use super::candidates::Candidate;
use crate::error::Cause;
use crate::formats::ReadAt;
use crate::formats::superblock::{Format, NtfsState, ntfs_state};
use crate::machine::Machine;
use crate::op::Place;
use crate::sys::{Kind, Sys};

/// Where Windows keeps its memory while it sleeps.
const HIBERNATED: &str = "/hiberfil.sys";

/// What Windows' hibernation file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Windows {
    /// Nothing sleeps here.
    Awake,
    Asleep,
    /// There is such a file, and it cannot be read.
    Unknown,
}

/// Asks the mounted store. The file begins with `hibr` or `HIBR`; after a wake-up with something else.
pub(super) fn windows<S: Sys>(machine: &Machine<S>) -> Windows {
    let at = Place::store(HIBERNATED);
    match machine.sys().kind(&at) {
        Ok(None) => return Windows::Awake,
        Ok(Some(Kind::File { .. })) => {}
        Ok(Some(_)) | Err(_) => return Windows::Unknown,
    }
    let mut start = [0; 4];
    match machine.sys().open(&at).and_then(|file| file.read_at(&mut start, 0)) {
        Ok(4) if start.eq_ignore_ascii_case(b"hibr") => Windows::Asleep,
        Ok(4) => Windows::Awake,
        _ => Windows::Unknown,
    }
}

/// Why the store is not written to; `None` for every other file system.
pub(super) fn why_not_written<S: Sys>(machine: &Machine<S>, candidate: &Candidate, windows: Windows) -> Option<String> {
    if candidate.format() != Some(Format::Ntfs) {
        return None;
    }
    let node = Place::at(["/dev/", &candidate.device.name].concat());
    let state = machine.sys().open(&node).and_then(|device| ntfs_state(&device));
    let why = match state {
        Ok(state) => reason(windows, state)?.to_owned(),
        Err(error) => Cause::Os(error).to_string(),
    };
    Some([&candidate.describe(), " is not written to: ", &why].concat())
}

/// What was seen, and what to do. Pure.
fn reason(windows: Windows, state: NtfsState) -> Option<&'static str> {
    Some(match (windows, state) {
        (Windows::Asleep, _) => {
            "Windows is hibernated on it (hiberfil.sys), as by its fast startup; shut Windows down fully: shutdown /s /t 0"
        }
        (Windows::Unknown, _) => {
            "its hiberfil.sys cannot be read; start Windows, and shut it down fully: shutdown /s /t 0"
        }
        (_, NtfsState::Marked) => "it is marked as not unmounted; have Windows check it: chkdsk /f",
        (_, NtfsState::InUse) => {
            "its journal is in use: Windows sleeps (fast startup does), or it was pulled out; shut Windows down fully \
             (shutdown /s /t 0), or eject it there"
        }
        (_, NtfsState::Unreadable) => "its journal cannot be read; have Windows check it: chkdsk /f",
        (Windows::Awake, NtfsState::Unmounted) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_awake_and_unmounted_is_written_to() {
        let states = [NtfsState::Unmounted, NtfsState::Marked, NtfsState::InUse, NtfsState::Unreadable];
        for windows in [Windows::Awake, Windows::Asleep, Windows::Unknown] {
            for state in states {
                let sound = windows == Windows::Awake && state == NtfsState::Unmounted;
                assert_eq!(reason(windows, state).is_none(), sound, "{windows:?} {state:?}");
            }
        }
    }
}
