//! The boot failed: say so where somebody can read it, then do what the policy says. Never returns, never panics.

use crate::error::{Error, Stage};
use crate::machine::Machine;
use crate::op::Place;
use crate::params::OnFail;
use crate::stages::{cmdline, delegate, drivers, early};
use crate::sys::{self, Halt, Level, Sys};
use std::time::Duration;

/// Seconds left at which a line says so: long enough to read the message, short enough for an unattended machine.
const COUNTDOWN: [u64; 5] = [10, 5, 3, 2, 1];
/// How long one silent wait is; the loop around it has no end.
const LONG: Duration = Duration::from_secs(3600);

/// What a policy asks for becomes one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Shell,
    Delegate,
    Halt(Halt),
    Wait,
}

/// Reports the failure and acts.
pub fn emergency<S: Sys>(mut machine: Machine<S>, error: &Error) -> ! {
    report(&mut machine, error);
    let mut action = on_fail(asked(&mut machine));
    loop {
        action = act(&mut machine, action);
    }
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
    let text = sys::read(machine.sys(), &Place::at("/proc/cmdline"), 64 << 10).unwrap_or_default();
    policy(&String::from_utf8_lossy(&text))
}

/// The last valid `isolde.onfail=` of a command line whose other words may be wrong. Pure.
fn policy(text: &str) -> OnFail {
    let words = cmdline::words(text).into_iter().take_while(|word| word != "--");
    let words = words.filter(|word| word.starts_with("isolde.onfail="));
    words.filter_map(|word| cmdline::parse(&word).ok()).filter_map(|c| c.onfail).last().unwrap_or_default()
}

/// Pure.
fn on_fail(asked: OnFail) -> Action {
    match asked {
        OnFail::Shell => Action::Shell,
        OnFail::Reboot => Action::Halt(Halt::Reboot),
        OnFail::PowerOff => Action::Halt(Halt::PowerOff),
        OnFail::Wait => Action::Wait,
        OnFail::Delegate => Action::Delegate,
    }
}

/// Acts once; gives what is to be done when that comes to an end.
fn act<S: Sys>(machine: &mut Machine<S>, action: Action) -> Action {
    match action {
        Action::Shell => {
            if let Err(error) = drivers::load_input(machine) {
                machine.sys_mut().log(Level::Warning, &format!("the keyboard may not work: {error}"));
            }
            machine.sys_mut().log(Level::Notice, "isolde.onfail=shell: starting a shell; exit it to reboot");
            match machine.sys_mut().shell() {
                Ok(()) => Action::Halt(Halt::Reboot),
                Err(error) => {
                    let text = format!("no shell ({error}); isolde.onfail=reboot or =poweroff need none");
                    machine.sys_mut().log(Level::Error, &text);
                    Action::Wait
                }
            }
        }
        Action::Delegate => {
            machine.set_stage(Stage::Delegate);
            let Err(error) = delegate::last_resort(machine);
            report(machine, &error);
            Action::Shell
        }
        Action::Halt(how) => {
            count_down(machine, how);
            match machine.sys_mut().halt(how) {
                Ok(never) => match never {},
                Err(error) => {
                    machine.sys_mut().log(Level::Error, &format!("the machine does not stop: {error}"));
                    Action::Wait
                }
            }
        }
        Action::Wait => {
            machine.sys_mut().log(Level::Notice, "waiting; switch off or reset the machine");
            loop {
                machine.sys_mut().sleep(LONG);
            }
        }
    }
}

fn count_down<S: Sys>(machine: &mut Machine<S>, how: Halt) {
    let what = match how {
        Halt::Reboot => "rebooting",
        Halt::PowerOff => "powering off",
    };
    let next = COUNTDOWN.into_iter().skip(1).chain(Some(0));
    for (left, next) in COUNTDOWN.into_iter().zip(next) {
        machine.sys_mut().log(Level::Notice, &format!("{what} in {left} s"));
        machine.sys_mut().sleep(Duration::from_secs(left - next));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_is_found_on_a_line_that_is_wrong_elsewhere() {
        assert_eq!(policy("isolde.nonsense=1 isolde.onfail=reboot quiet"), OnFail::Reboot);
        assert_eq!(policy("isolde.onfail=reboot isolde.onfail=what"), OnFail::Reboot);
        assert_eq!(policy("isolde.onfail=wait -- isolde.onfail=reboot"), OnFail::Wait);
        assert_eq!(policy(""), OnFail::Shell);
    }
}
