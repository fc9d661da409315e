//! A person at a console: one key, one line, one passphrase.
//!
//! Takes   the consoles, opened by [`Sys::open_consoles`].
//! Gives   what was typed on any of them. Meanwhile drivers go on loading, so a keyboard that is plugged in works.
//! Leaves  what was typed too early, or too much, for the next question.
//! Fails   when devices cannot be waited for.

use crate::error::Result;
use crate::machine::Machine;
use crate::secret::Secret;
use crate::stages::drivers::Drivers;
use crate::sys::Sys;
use std::time::Duration;
use zeroize::Zeroizing;

/// How long a person may think between two keys of a line.
const PATIENCE: Duration = Duration::from_secs(120);
/// A longer line than any name or pass phrase (cryptsetup(8) takes 512 characters).
const LONGEST: usize = 4096;

const INTERRUPT: u8 = 0x03; // Ctrl-C
const BACKSPACE: [u8; 2] = [0x08, 0x7f];
const ERASE_LINE: u8 = 0x15; // Ctrl-U
const ESCAPE: u8 = 0x1b;

/// Whether a line is shown while it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Echo {
    Shown,
    Hidden,
}

/// The next key, as the terminal's byte; `None` when nobody pressed one in time.
pub(crate) fn key<S: Sys>(machine: &mut Machine<S>, drivers: &mut Drivers, limit: Duration) -> Result<Option<u8>> {
    let end = machine.sys().now().saturating_add(limit);
    loop {
        if let Some(key) = machine.next_key() {
            return Ok(Some(key));
        }
        let now = machine.sys().now();
        if now >= end {
            return Ok(None);
        }
        let wait = if drivers.work(machine) { Duration::ZERO } else { end.saturating_sub(now) };
        let events = machine.sys_mut().wait_for_events(wait).map_err(|e| machine.os("wait for a key", e))?;
        drivers.handle(machine, events)?;
    }
}

/// Which of these keys is pressed, as a capital or not; `None` when none of them is in time. Others do not count.
pub(crate) fn choice<S: Sys>(
    machine: &mut Machine<S>,
    drivers: &mut Drivers,
    keys: &str,
    limit: Duration,
) -> Result<Option<char>> {
    let end = machine.sys().now().saturating_add(limit);
    loop {
        let left = end.saturating_sub(machine.sys().now());
        match key(machine, drivers, left)? {
            None => return Ok(None),
            // The letter that ends what a cursor key sends is no answer.
            Some(ESCAPE) => _ = skip_sequence(machine),
            Some(typed) => {
                let typed = char::from(typed.to_ascii_lowercase());
                if keys.contains(typed) {
                    return Ok(Some(typed));
                }
            }
        }
    }
}

/// What was typed so far is no answer to the next question: it was meant for another one, a passphrase perhaps.
pub(crate) fn forget_typed<S: Sys>(machine: &mut Machine<S>, drivers: &mut Drivers) -> Result<()> {
    let events = machine.sys_mut().wait_for_events(Duration::ZERO).map_err(|e| machine.os("wait for a key", e))?;
    drivers.handle(machine, events)?;
    while machine.next_key().is_some() {}
    Ok(())
}

/// A line; `None` when it was given up with Escape or Ctrl-C, or nobody typed.
pub(crate) fn line<S: Sys>(machine: &mut Machine<S>, drivers: &mut Drivers, prompt: &str) -> Result<Option<String>> {
    let typed = read(machine, drivers, prompt, Echo::Shown)?;
    Ok(typed.map(|typed| String::from_utf8_lossy(typed.bytes()).trim().to_owned()))
}

/// A passphrase, which is not shown; `None` when it was given up with Escape or Ctrl-C, or nobody typed.
pub(crate) fn secret<S: Sys>(machine: &mut Machine<S>, drivers: &mut Drivers, prompt: &str) -> Result<Option<Secret>> {
    drivers.want_input(machine)?;
    machine.sys_mut().open_consoles();
    read(machine, drivers, prompt, Echo::Hidden)
}

fn read<S: Sys>(machine: &mut Machine<S>, drivers: &mut Drivers, prompt: &str, echo: Echo) -> Result<Option<Secret>> {
    machine.sys_mut().show(prompt);
    // Room for the longest: when it grew, it would leave copies of a passphrase behind.
    let mut line = Zeroizing::new(Vec::with_capacity(LONGEST));
    let done = loop {
        let Some(key) = key(machine, drivers, PATIENCE)? else { break None };
        match key {
            b'\r' | b'\n' => break Some(Secret::new(std::mem::take(&mut *line))),
            INTERRUPT => break None,
            ESCAPE if !skip_sequence(machine) => break None,
            ESCAPE => {}
            ERASE_LINE => {
                rub_out(machine, echo, &line, 0);
                line.clear();
            }
            key if BACKSPACE.contains(&key) => {
                // A letter is one byte or several, of which all but the first have the form 10xxxxxx (UTF-8).
                let length = line.iter().rposition(|byte| byte & 0xc0 != 0x80).unwrap_or(0);
                rub_out(machine, echo, &line, length);
                line.truncate(length);
            }
            key if line.len() < LONGEST && key >= 0x20 => {
                line.push(key);
                if let Some(letter) = letter(&line).filter(|_| echo == Echo::Shown) {
                    machine.sys_mut().show(letter);
                }
            }
            _ => {}
        }
    };
    machine.sys_mut().show("\n");
    Ok(done)
}

/// The letter that the last byte completed.
fn letter(line: &[u8]) -> Option<&str> {
    let start = line.iter().rposition(|byte| byte & 0xc0 != 0x80)?;
    std::str::from_utf8(line.get(start..)?).ok()
}

fn rub_out<S: Sys>(machine: &mut Machine<S>, echo: Echo, line: &[u8], keep: usize) {
    if echo == Echo::Hidden {
        return;
    }
    let gone = String::from_utf8_lossy(line.get(keep..).unwrap_or_default()).chars().count();
    machine.sys_mut().show(&"\x08".repeat(gone));
}

/// A cursor key sends Escape with more behind it at once; `true` when there was more, which is dropped.
fn skip_sequence<S: Sys>(machine: &mut Machine<S>) -> bool {
    let mut more = false;
    while let Some(key) = machine.next_key() {
        more = true;
        // `ESC [ 1 ; 5 A`, `ESC O A`: it ends at the first letter that is not the introducer (ECMA-48, 5.4).
        if key.is_ascii_alphabetic() && key != b'O' || key == b'~' {
            break;
        }
    }
    more
}
