//! The boot failed: say so where somebody can read it, then do what the policy says. Never panics; returns only when the
//! boot is to begin again.

mod menu;
mod undo;

use crate::at_exit;
use crate::console;
use crate::error::{Cause, Error, Stage};
use crate::machine::Machine;
use crate::op::Place;
use crate::params::OnFail;
use crate::stages::drivers::Drivers;
use crate::stages::store::containers;
use crate::stages::{cmdline, delegate, drivers, early};
use crate::sys::{Halt, Level, Sys};
use std::time::Duration;

/// How long an unattended machine waits for somebody who wants the menu: long enough to read the message.
const COUNTDOWN: u64 = 10;
/// Seconds left at which a line says so.
const SAID: [u64; 5] = [10, 5, 3, 2, 1];
/// How long one silent wait is; the loop around it has no end.
const LONG: Duration = Duration::from_secs(3600);

/// What a policy or a person asks for becomes one of these.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Action {
    Menu,
    Shell,
    Delegate,
    Halt(Halt),
    Wait,
    /// The boot begins again, with these words added to the command line.
    BeginAgain(Vec<String>),
}

/// Reports the failure and acts. Returns when the boot is to begin again.
pub fn emergency<S: Sys>(machine: &mut Machine<S>, error: &Error) {
    report(machine, error);
    // Nothing is used any more, whatever comes next.
    at_exit::remove_all(machine);
    // Whoever stopped the wait at the console is there.
    let stopped = matches!(error.cause, Cause::Stopped { .. });
    let mut action = if stopped { Action::Menu } else { on_fail(asked(machine)) };
    let mut drivers = drivers::for_a_person(machine).unwrap_or_else(|e| {
        // Keyboards may work without, and the serial line does.
        machine.sys_mut().log(Level::Warning, &e.to_string());
        Drivers::none()
    });
    machine.sys_mut().open_consoles();
    while let Some(next) = act(machine, &mut drivers, action, error) {
        action = next;
    }
    machine.sys_mut().close_consoles();
}

/// The failure in words: on the console and in the kernel's log.
pub fn report<S: Sys>(machine: &mut Machine<S>, error: &Error) {
    restore_api(machine);
    machine.sys_mut().log(Level::Error, &error.to_string());
    if let Some(hint) = error.cause.hint() {
        machine.sys_mut().log(Level::Error, &format!("hint: {hint}"));
    }
}

/// After `customize` the API mounts are in a root that will not run. They are virtual: mount them once more.
fn restore_api<S: Sys>(machine: &mut Machine<S>) {
    if machine.sys().kind(&Place::at("/proc/self")).ok().flatten().is_none() {
        // Whether it succeeds or not, the message that follows goes to the log, which is open since the start.
        if let Err(error) = early::mount(machine) {
            machine.sys_mut().log(Level::Warning, &error.to_string());
        }
    }
}

/// The policy, read again from the command line by itself, because the failure may be the command line's own.
fn asked<S: Sys>(machine: &mut Machine<S>) -> OnFail {
    cmdline::typed(machine).map(|typed| policy(typed.words())).unwrap_or_default()
}

/// The last valid `isolde.onfail=` among words of which others may be wrong. Pure.
fn policy<'a>(words: impl Iterator<Item = &'a str>) -> OnFail {
    let words = words.filter(|word| word.starts_with("isolde.onfail="));
    words.filter_map(|word| cmdline::parse(word).ok()).filter_map(|c| c.onfail).last().unwrap_or_default()
}

/// Pure.
fn on_fail(asked: OnFail) -> Action {
    match asked {
        OnFail::Menu => Action::Menu,
        OnFail::Shell => Action::Shell,
        OnFail::Reboot => Action::Halt(Halt::Reboot),
        OnFail::PowerOff => Action::Halt(Halt::PowerOff),
        OnFail::Wait => Action::Wait,
        OnFail::Delegate => Action::Delegate,
    }
}

/// Acts once; gives what is to be done when that comes to an end. `None`: the boot begins again.
fn act<S: Sys>(machine: &mut Machine<S>, drivers: &mut Drivers, action: Action, error: &Error) -> Option<Action> {
    machine.sys_mut().open_consoles();
    Some(match action {
        Action::Menu => menu::run(machine, drivers, error),
        Action::Shell => {
            machine.sys_mut().log(Level::Notice, "starting a shell; exit it for the menu");
            if let Err(error) = machine.sys_mut().shell() {
                let text = format!("no shell ({error}); the menu needs none");
                machine.sys_mut().log(Level::Error, &text);
            }
            Action::Menu
        }
        Action::Delegate => {
            machine.set_stage(Stage::Delegate);
            machine.sys_mut().close_consoles();
            let Err(error) = delegate::last_resort(machine);
            report(machine, &error);
            Action::Menu
        }
        Action::Halt(how) => match count_down(machine, drivers, how).then(|| machine.sys_mut().halt(how)) {
            None => Action::Menu,
            Some(Ok(never)) => match never {},
            Some(Err(error)) => {
                machine.sys_mut().log(Level::Error, &format!("the machine does not stop: {error}"));
                Action::Wait
            }
        },
        Action::Wait => {
            machine.sys_mut().log(Level::Notice, "waiting; press a key for the menu, or switch the machine off");
            pressed(machine, drivers, LONG, usize::MAX);
            Action::Menu
        }
        Action::BeginAgain(words) => {
            undo::undo(machine);
            containers::close(machine);
            machine.begin_again(words);
            return None;
        }
    })
}

/// `true` when nobody pressed a key.
fn count_down<S: Sys>(machine: &mut Machine<S>, drivers: &mut Drivers, how: Halt) -> bool {
    let what = match how {
        Halt::Reboot => "rebooting",
        Halt::PowerOff => "powering off",
        Halt::Halt => "halting",
        Halt::Kexec => "starting the loaded kernel",
    };
    (1..=COUNTDOWN).rev().all(|left| {
        if SAID.contains(&left) {
            let keys = if left == COUNTDOWN { "; press a key for the menu" } else { "" };
            machine.sys_mut().log(Level::Notice, &format!("{what} in {left} s{keys}"));
        }
        !pressed(machine, drivers, Duration::from_secs(1), 1)
    })
}

/// Whether a key was pressed within so many times this long. Where nothing can be waited for, it sleeps instead.
fn pressed<S: Sys>(machine: &mut Machine<S>, drivers: &mut Drivers, long: Duration, times: usize) -> bool {
    (0..times).any(|_| match console::key(machine, drivers, long) {
        Ok(key) => key.is_some(),
        Err(_) => {
            machine.sys_mut().sleep(long);
            false
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_is_found_on_a_line_that_is_wrong_elsewhere() {
        let policy = |line: &str| policy(line.split_whitespace());
        assert_eq!(policy("isolde.nonsense=1 isolde.onfail=reboot quiet"), OnFail::Reboot);
        assert_eq!(policy("isolde.onfail=reboot isolde.onfail=what"), OnFail::Reboot);
        assert_eq!(policy(""), OnFail::Menu);
    }
}
