//! One system at a time: a small file on the home says which.
//!
//! Takes   a home that is mounted for writing.
//! Gives   `.isolde-lease` in the folder that is used, until the way out removes it.
//! Leaves  a share alone that another system has: nothing of ours runs later to say that it is alive, so only a person can
//!         know. On a disk of this machine a lease can only have been left by a crash, and is taken over.

use super::source::Source;
use super::{owner, refuse};
use crate::at_exit;
use crate::error::Result;
use crate::machine::Machine;
use crate::op::{Op, Place};
use crate::params::LeaseWish;
use crate::sys::{self, Sys};

/// The file.
const NAME: &str = ".isolde-lease";
/// It is one line.
const LARGEST: u64 = 4096;
/// Characters of it that count.
const LONGEST: usize = 200;

/// Takes it, or says who has it.
pub(super) fn take<S: Sys>(machine: &mut Machine<S>, wish: LeaseWish, source: &Source, folder: &Place) -> Result<()> {
    // The kernel's own number of its run (random(4)): no other system has it.
    let boot = line(machine, Place::at("/proc/sys/kernel/random/boot_id"));
    let at = folder.join(NAME);
    let mut places = vec![source.at.join(NAME), at.clone()];
    if *folder == source.at {
        places.pop();
        places.extend(owner::folders(machine, folder)?.into_iter().map(|folder| folder.join(NAME)));
    }
    for place in places {
        // One that is empty, because its system stopped while it was written, counts as well.
        if !matches!(machine.sys().kind(&place), Ok(Some(_))) {
            continue;
        }
        let other = line(machine, place.clone());
        // An earlier attempt of this boot may have left one.
        if boot.is_empty() || !other.starts_with(&boot) {
            if source.shared && wish == LeaseWish::Keep {
                let why =
                    format!("{place} says who has it: {other:?}; if that system does not run: isolde.home-lease=take");
                return Err(refuse(machine, &source.name, why));
            }
            machine.warn(&format!("{place} is taken over: a system that did not end left it: {other:?}"));
        }
        machine.apply(&[Op::Delete(place)])?;
    }
    let host = line(machine, Place::new_root("/etc/hostname"));
    let model = line(machine, Place::at("/sys/class/dmi/id/product_name"));
    let text = format!("{boot} {host:?} {model:?} since {} s after 1970\n", machine.sys().wall_clock());
    // Not over one that came meanwhile.
    let made = machine.sys_mut().create(&at, false);
    made.map_err(|e| machine.os(["create ", &at.to_string()].concat(), e))?;
    at_exit::add(machine, &at);
    machine.apply(&[Op::Write { at, text }])
}

/// The first line of a file, if there is one. It may be somebody else's: bounded, and without what could forge another line.
fn line<S: Sys>(machine: &Machine<S>, at: Place) -> String {
    let text = sys::read(machine.sys(), &at, LARGEST).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    text.lines().next().unwrap_or_default().chars().filter(|c| !c.is_control()).take(LONGEST).collect()
}
