//! The files by which the scripts of another init than systemd find the way out.
//!
//! Takes   the new root.
//! Gives   nothing.
//! Leaves  in the root's writable layer, for each init whose scripts are there, one file that runs
//!         [`PROGRAM`](super::PROGRAM) after the last of them. A script that has to make room is kept beside it.
//! Fails   never: where a file cannot be written, the store stays mounted when the system stops, and a warning says so.

use crate::error::Result;
use crate::machine::Machine;
use crate::op::{Op, Place};
use crate::sys::{self, Sys};

/// How a file gets its turn.
enum Turn {
    /// It is read by others.
    Read,
    /// It is a service, and this is its link.
    Service(&'static str),
    /// This line of that file runs it, where a line of the file has that mark.
    Line { of: &'static str, line: &'static str, mark: &'static str },
    /// It is called in place of the script that has this name, and calls it first.
    Instead,
}

struct Hook {
    /// Where this is, such scripts are.
    there: &'static str,
    at: &'static str,
    text: &'static str,
    turn: Turn,
}

/// Debian's scripts for sysvinit and OpenRC all read the files of that folder (package sysvinit-utils). OpenRC alone runs the
/// services of the runlevel "shutdown" last (openrc(8)); runit its stage 3 (runit(8)); s6-linux-init a script in the folder
/// that its maker was given (s6-linux-init-maker, "Scripts"), which is elsewhere in Artix. Only busybox' init knows lines for
/// the shutdown in its inittab, and runs them in their order.
const HOOKS: [Hook; 6] = [
    Hook {
        there: "/lib/lsb/init-functions",
        at: "/lib/lsb/init-functions.d/isolde-exit",
        text: include_str!("hooks/lsb.sh"),
        turn: Turn::Read,
    },
    Hook {
        there: "/etc/runlevels/shutdown",
        at: "/etc/init.d/isolde-exit",
        text: include_str!("hooks/openrc.sh"),
        turn: Turn::Service("/etc/runlevels/shutdown/isolde-exit"),
    },
    Hook {
        there: INITTAB,
        at: "/etc/isolde-exit",
        text: include_str!("hooks/busybox.sh"),
        turn: Turn::Line { of: INITTAB, line: "::shutdown:/bin/sh /etc/isolde-exit", mark: ":shutdown:" },
    },
    Hook { there: "/etc/runit/3", at: "/etc/runit/3", text: include_str!("hooks/runit.sh"), turn: Turn::Instead },
    Hook {
        there: "/etc/s6-linux-init/current/scripts/rc.shutdown",
        at: "/etc/s6-linux-init/current/scripts/rc.shutdown.final",
        text: include_str!("hooks/s6.sh"),
        turn: Turn::Instead,
    },
    Hook {
        there: "/etc/s6/current/scripts/rc.shutdown",
        at: "/etc/s6/current/scripts/rc.shutdown.final",
        text: include_str!("hooks/s6.sh"),
        turn: Turn::Instead,
    },
];
/// Of sysvinit and busybox, in different forms.
const INITTAB: &str = "/etc/inittab";
/// Bytes of it.
const LARGEST: u64 = 64 << 10;
/// What is added to the name of a script that made room; the texts know it.
const BEFORE: &str = ".before";
/// Whose the files are, and who may execute them.
const EXECUTABLE: u32 = 0o755;

/// Leaves the files where the scripts of this root would find them.
pub fn leave_hooks<S: Sys>(machine: &mut Machine<S>) {
    for hook in HOOKS {
        if !is_there(machine, hook.there) {
            continue;
        }
        let done = wanted(machine, &hook).and_then(|ops| machine.apply(&ops));
        if let Err(error) = done {
            let (doing, cause) = (error.doing, error.cause);
            machine.warn(&format!("{doing}: {cause}; the store stays mounted when the system stops"));
        }
    }
}

/// What has to be done for one.
fn wanted<S: Sys>(machine: &Machine<S>, hook: &Hook) -> Result<Vec<Op>> {
    let at = Place::new_root(hook.at);
    let write = Op::Write { at: at.clone(), text: hook.text.to_owned() };
    let own = Op::Own { at: at.clone(), mode: EXECUTABLE, uid: 0, gid: 0 };
    Ok(match hook.turn {
        Turn::Read => {
            let folder = hook.at.rsplit_once('/').map_or("", |(folder, _)| folder);
            vec![Op::MakeDir(Place::new_root(folder)), write]
        }
        Turn::Service(link) => {
            vec![write, own, Op::Symlink { to: hook.at.to_owned(), at: Place::new_root(link) }]
        }
        Turn::Line { of, line, mark } => {
            let of = Place::new_root(of);
            let lines = sys::read(machine.sys(), &of, LARGEST).map_err(|e| machine.os(format!("read {of}"), e))?;
            match with_line(&String::from_utf8_lossy(&lines), line, mark) {
                Some(text) => vec![write, own, Op::Write { at: of, text }],
                None => Vec::new(),
            }
        }
        Turn::Instead => {
            let before = [hook.at, BEFORE].concat();
            // An earlier session may have made room already.
            let makes_room = is_there(machine, hook.at) && !is_there(machine, &before);
            let room = makes_room.then(|| Op::Rename { from: at, to: Place::new_root(before) });
            room.into_iter().chain([write, own]).collect()
        }
    })
}

/// The lines with this one at the end; `None` where none has the mark, or it is there. Pure.
fn with_line(lines: &str, line: &str, mark: &str) -> Option<String> {
    let is_marked = lines.lines().any(|line| !line.starts_with('#') && line.contains(mark));
    let is_new = lines.lines().all(|other| other != line);
    (is_marked && is_new).then(|| [lines.trim_end(), "\n", line, "\n"].concat())
}

fn is_there<S: Sys>(machine: &Machine<S>, path: &str) -> bool {
    matches!(machine.sys().kind(&Place::new_root(path)), Ok(Some(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_added_once_and_only_where_it_is_known() {
        let ours = "::shutdown:ours";
        let add = |lines| with_line(lines, ours, ":shutdown:");
        assert_eq!(add("::shutdown:theirs").as_deref(), Some("::shutdown:theirs\n::shutdown:ours\n"));
        assert_eq!(
            add("::sysinit:x\n::shutdown:theirs\n\n").as_deref(),
            Some("::sysinit:x\n::shutdown:theirs\n::shutdown:ours\n")
        );
        assert_eq!(add("::shutdown:theirs\n::shutdown:ours\n"), None);
        assert_eq!(add("l0:0:wait:/etc/init.d/rc 0\n# ::shutdown:theirs\n"), None);
    }
}
