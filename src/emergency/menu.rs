//! The menu of the emergency, on every console, in plain text. It needs no shell and no colours.
//!
//! Takes   the failure.
//! Gives   what was chosen. Choices that change the boot are words, as if they had been typed at the end of the command
//!         line: nothing can be chosen here that the boot menu could not say.
//! Leaves  the disks alone, unless the log is to be saved on one.

use super::{Action, LONG, undo};
use crate::console;
use crate::error::{Cause, Error, Result, Stage};
use crate::machine::Machine;
use crate::params::Policy;
use crate::stages::drivers::Drivers;
use crate::stages::store::visit::{self, Volume};
use crate::stages::{cmdline, delegate};
use crate::sys::{Halt, Sys};

/// Lines of the log that fit on a screen with the menu below.
const LOG_LINES: usize = 200;
/// Entries of a list that are shown.
const MOST_SHOWN: usize = 60;
/// What boots an image whose checksum is wrong.
const UNVERIFIED: &str = "isolde.verify=off";
/// The name of the saved log.
const LOG_FILE: &str = "isolde-log.txt";

/// What a key does.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Choice {
    Act(Action),
    Image,
    Store,
    ShowLog,
    SaveLog,
}

/// A line of the menu: its key, its words, and what it does.
type Entry = (char, String, Choice);

/// Shows the menu until something is chosen that ends it.
pub(super) fn run<S: Sys>(machine: &mut Machine<S>, drivers: &mut Drivers, error: &Error) -> Action {
    let entries = entries(error, delegate::is_possible(machine), may_be_unverified(machine));
    loop {
        let text: String = entries.iter().map(|(key, words, _)| format!("  {key}  {words}\n")).collect();
        machine.sys_mut().show(&format!("\n{error}\n\n{text}\npress a key: "));
        let chosen = loop {
            match console::key(machine, drivers, LONG) {
                Ok(Some(key)) => {
                    let key = char::from(key.to_ascii_lowercase());
                    if let Some((_, words, choice)) = entries.iter().find(|(of, ..)| *of == key) {
                        machine.sys_mut().show(&format!("{words}\n"));
                        break choice.clone();
                    }
                }
                Ok(None) => {}
                Err(_) => machine.sys_mut().sleep(LONG), // without consoles and events only the power switch is left
            }
        };
        match follow(machine, drivers, chosen) {
            Ok(Some(action)) => return action,
            Ok(None) => {}
            Err(error) => machine.sys_mut().show(&format!("{error}\n")),
        }
    }
}

/// What can be chosen after this failure. Pure.
fn entries(error: &Error, may_delegate: bool, may_be_unverified: bool) -> Vec<Entry> {
    let again = |words: &[&str]| Choice::Act(Action::BeginAgain(words.iter().map(|word| (*word).to_owned()).collect()));
    let mut all: Vec<Entry> = Vec::new();
    let mut add = |key, words: &str, choice| all.push((key, words.to_owned(), choice));
    // Behind the hand-off the initramfs is gone, and with it everything that a new attempt needs.
    if error.stage < Stage::Handoff {
        add('t', "try again", again(&[]));
        add('i', "choose another image", Choice::Image);
        add('s', "choose another store, with the same path", Choice::Store);
        match (error.stage, &error.cause) {
            (Stage::Verify, Cause::DigestMismatch { .. } | Cause::Unsound { .. } | Cause::WrongSize { .. })
                if may_be_unverified =>
            {
                add('u', "boot the image although its checksum is wrong", again(&[UNVERIFIED]));
            }
            (Stage::Persist, _) => add('o', "boot without what was saved, which stays", again(&["isolde.persist=no"])),
            (Stage::Extensions, _) => add('e', "boot without the extensions", again(&["isolde.extensions=no"])),
            (Stage::Home, _) => add('h', "boot without the persistent home", again(&["isolde.home=no"])),
            (Stage::Customize, _) => add('c', "boot without customize/init", again(&["isolde.customize=no"])),
            _ => {}
        }
        if may_delegate {
            add('d', "let the distribution's own init boot", Choice::Act(Action::Delegate));
        }
    }
    add('l', "show the log", Choice::ShowLog);
    if error.stage < Stage::Handoff {
        add('w', "write the log to a store", Choice::SaveLog);
    }
    add('x', "a shell of the initramfs, if it has one", Choice::Act(Action::Shell));
    add('b', "reboot", Choice::Act(Action::Halt(Halt::Reboot)));
    add('p', "power off", Choice::Act(Action::Halt(Halt::PowerOff)));
    all
}

/// Only where nobody asked for a check: a policy of the initrd, `isolde.verify=require`, and a digest on the command line
/// are such words.
fn may_be_unverified<S: Sys>(machine: &Machine<S>) -> bool {
    cmdline::typed(machine).is_ok_and(|typed| {
        let named = typed.words().any(|word| word.starts_with("isolde.blake3="));
        !named && typed.policy(None) <= Policy::Auto && typed.policy(Some(UNVERIFIED)) == Policy::Off
    })
}

/// `None`: back to the menu.
fn follow<S: Sys>(machine: &mut Machine<S>, drivers: &mut Drivers, choice: Choice) -> Result<Option<Action>> {
    match choice {
        Choice::Act(action) => Ok(Some(action)),
        Choice::Image => {
            undo::undo(machine);
            let Some(volume) = volume(machine, drivers, |_| true)? else { return Ok(None) };
            let images = visit::images(machine, drivers, &volume)?;
            let Some(image) = pick(machine, drivers, "image", images)? else { return Ok(None) };
            let words = vec![format!("isolde.store={}", volume.node()), format!("isolde.image={image}")];
            Ok(Some(Action::BeginAgain(words)))
        }
        Choice::Store => {
            undo::undo(machine);
            let volume = volume(machine, drivers, |_| true)?;
            Ok(volume.map(|volume| Action::BeginAgain(vec![format!("isolde.store={}", volume.node())])))
        }
        Choice::ShowLog => {
            let log = machine.sys().kernel_log().map_err(|e| machine.os("read the kernel's log", e))?;
            let lines: Vec<&str> = log.lines().collect();
            let last = lines.get(lines.len().saturating_sub(LOG_LINES)..).unwrap_or_default().join("\n");
            machine.sys_mut().show(&format!("{last}\n"));
            Ok(None)
        }
        Choice::SaveLog => {
            undo::undo(machine);
            let log = machine.sys().kernel_log().map_err(|e| machine.os("read the kernel's log", e))?;
            let Some(volume) = volume(machine, drivers, Volume::can_be_written)? else { return Ok(None) };
            visit::leave_file(machine, drivers, &volume, LOG_FILE, log)?;
            machine.sys_mut().show(&format!("written: {LOG_FILE} at the top of {}\n", volume.describe()));
            Ok(None)
        }
    }
}

/// One of the file systems that are there.
fn volume<S: Sys>(
    machine: &mut Machine<S>,
    drivers: &mut Drivers,
    fits: fn(&Volume) -> bool,
) -> Result<Option<Volume>> {
    let mut volumes: Vec<Volume> = visit::volumes(machine)?.into_iter().filter(fits).collect();
    let lines = volumes.iter().map(Volume::describe).collect();
    let Some(number) = number(machine, drivers, "store", lines)? else { return Ok(None) };
    Ok((number < volumes.len()).then(|| volumes.swap_remove(number)))
}

fn pick<S: Sys>(
    machine: &mut Machine<S>,
    drivers: &mut Drivers,
    what: &str,
    mut all: Vec<String>,
) -> Result<Option<String>> {
    let Some(number) = number(machine, drivers, what, all.clone())? else { return Ok(None) };
    Ok((number < all.len()).then(|| all.swap_remove(number)))
}

/// The index of the line that was chosen; `None` for none.
fn number<S: Sys>(
    machine: &mut Machine<S>,
    drivers: &mut Drivers,
    what: &str,
    lines: Vec<String>,
) -> Result<Option<usize>> {
    if lines.is_empty() {
        machine.sys_mut().show(&format!("there is no {what}\n"));
        return Ok(None);
    }
    let text: String =
        lines.iter().take(MOST_SHOWN).enumerate().map(|(n, line)| format!("{:4}  {line}\n", n + 1)).collect();
    let more = lines.len().saturating_sub(MOST_SHOWN);
    let more = if more > 0 { format!("      and {more} more, to be named in the boot menu\n") } else { String::new() };
    machine.sys_mut().show(&format!("{text}{more}"));
    let typed = console::line(machine, drivers, &format!("number of the {what}, nothing for the menu: "))?;
    let number = typed.and_then(|typed| typed.parse::<usize>().ok()).and_then(|number| number.checked_sub(1));
    Ok(number.filter(|number| *number < lines.len().min(MOST_SHOWN)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(stage: Stage, cause: Cause, may_delegate: bool, may_be_unverified: bool) -> String {
        let error = Box::new(crate::error::Failure { stage, doing: "do it".into(), cause });
        entries(&error, may_delegate, may_be_unverified).iter().map(|(key, ..)| *key).collect()
    }

    #[test]
    fn what_can_be_chosen_depends_on_what_failed() {
        let os = || Cause::Os(std::io::Error::from_raw_os_error(5));
        let wrong = || Cause::DigestMismatch { source: "B3SUMS".into(), want: "a".into(), got: "b".into() };
        assert_eq!(keys(Stage::Store, os(), false, true), "tislwxbp");
        assert_eq!(keys(Stage::Store, os(), true, true), "tisdlwxbp");
        assert_eq!(keys(Stage::Verify, wrong(), false, true), "tisulwxbp");
        assert_eq!(keys(Stage::Verify, wrong(), false, false), "tislwxbp", "the policy does not allow it");
        assert_eq!(keys(Stage::Home, os(), false, true), "tishlwxbp");
        assert_eq!(keys(Stage::Persist, os(), false, true), "tisolwxbp");
        assert_eq!(keys(Stage::Handoff, os(), true, true), "lxbp");
    }
}
