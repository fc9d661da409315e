//! Stage 11: what earlier sessions saved, and where this one is written.
//!
//! Takes   the mounted layers, and the store, which `store` mounted writable if this session is to be saved on it.
//! Gives   [`Layered`]: the saved layers that belong above the image's, and the folder of this session's own.
//! Leaves  every older session as it is: each session has a layer of its own, above the ones that were saved.
//! Fails   when a profile was asked for by name and cannot be read, or was written over another image and the boot is to
//!         stop then. What cannot be written is no failure: the session is in memory then, and a warning says so.

mod base;
mod image;
mod offer;
mod place;

use crate::error::{Cause, Error, Result};
use crate::exit::session;
use crate::formats::generations::{Generation, Generations, MOST, NAME, State, Tip};
use crate::machine::Machine;
use crate::op::{Op, Place};
use crate::params::{PersistWish, Policy};
use crate::stages::drivers::Drivers;
use crate::stages::layers::Layers;
use crate::stages::plan::Plan;
use crate::sys::{self, Kind, Sys};
use offer::Offer;
use place::Opened;
use std::fmt;

/// Where the folder with the layers is mounted, before and after the hand-off. Systemd leaves alone what is mounted below
/// /run/initramfs, and the session's end is written there when systemd is done (src/shutdown/umount.c).
pub const PERSIST: &str = "/run/initramfs/isolde/persist";
/// The work directory of the overlay.
const WORK: &str = "work";
/// The profile that words of other live systems mean.
const DEFAULT: &str = "default";

/// The image's layers, and what belongs above them.
#[derive(Debug)]
pub struct Layered {
    pub(super) layers: Layers,
    /// Saved layers, the highest first.
    pub(super) saved: Vec<Place>,
    /// What this session is written to; `None` for memory.
    pub(super) own: Option<Own>,
}

/// The layer of this session.
#[derive(Debug)]
pub struct Own {
    pub(super) number: u32,
    pub(super) upper: Place,
    pub(super) work: Place,
}

impl fmt::Display for Layered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.own, self.saved.len()) {
            (None, 0) => f.write_str("nothing is saved"),
            (None, saved) => write!(f, "in memory, above {saved} saved sessions"),
            (Some(own), saved) => write!(f, "session {}, above {saved} saved ones", own.number),
        }
    }
}

/// Finds it, and makes the layer of this session.
pub fn find<S: Sys>(machine: &mut Machine<S>, plan: &Plan, drivers: &mut Drivers, layers: Layers) -> Result<Layered> {
    let (profile, back, by_name) = match &plan.persist {
        PersistWish::No => return Ok(Layered { layers, saved: Vec::new(), own: None }),
        PersistWish::IfThere => (DEFAULT, 0, false),
        PersistWish::Profile { name, back } => (name.as_str(), *back, true),
    };
    let found = usable(machine, &layers).and_then(|()| {
        let opened = place::open(machine, plan, drivers, &layers)?;
        choose(machine, plan, drivers, &layers, opened, profile, back)
    });
    match found {
        Ok((saved, own)) => Ok(Layered { layers, saved, own }),
        Err(error) if by_name || matches!(error.cause, Cause::OtherBase { .. }) => Err(error),
        Err(error) => {
            machine.warn(&format!("what is written is lost at power-off: {}: {}", error.doing, error.cause));
            Ok(Layered { layers, saved: Vec::new(), own: None })
        }
    }
}

/// Whether it may be used at all.
fn usable<S: Sys>(machine: &Machine<S>, layers: &Layers) -> Result<()> {
    if layers.proof.ledger.policy() == Policy::Signed {
        let why = "isolde.verify=signed uses nothing that no manifest covers, and what was saved cannot be signed";
        return Err(refuse(machine, why.to_owned()));
    }
    Ok(())
}

/// Which saved layers this session stands on; makes its own, if it is to be saved.
fn choose<S: Sys>(
    machine: &mut Machine<S>,
    plan: &Plan,
    drivers: &mut Drivers,
    layers: &Layers,
    opened: Opened,
    profile: &str,
    back: usize,
) -> Result<(Vec<Place>, Option<Own>)> {
    let shelf = Place::at(PERSIST);
    let mut record = read(machine, &shelf)?;
    let (boot, folders) = (boot_id(machine), folders(machine)?);
    for number in record.end_the_lost(&boot, &folders) {
        machine.warn(&format!("session {number} did not come to its end: the machine lost its power, or still runs"));
    }
    // Its layer has been moved as a whole; the power went before the record said so.
    if let Some(number) = record.merging.filter(|number| !folders.contains(number)) {
        record.merged(number);
    }
    let base = base::fingerprint(machine, layers)?;
    let mut may_write = opened.may_write;
    if let Some(number) = record.merging.filter(|_| may_write) {
        may_write = merge(machine, &shelf, &mut record, number);
    }
    let parent = match record.tip(profile, &base, back) {
        Tip::New => 0,
        Tip::Above(number) => number,
        Tip::TooFar { there } => {
            let why = format!("{back} sessions of {profile} are to be left out, and there are {there}");
            return Err(refuse(machine, why));
        }
        Tip::OtherBase(other) => {
            // Where nothing is written the answer could not be remembered: the next boot would ask again.
            let wish = if may_write { plan.other_base } else { plan.other_base.unasked() };
            let offer = Offer { other, base, image: &layers.image };
            offer.settle(machine, drivers, &mut record, wish)?
        }
    };
    let parent =
        if may_write { merge_the_oldest(machine, &shelf, &mut record, parent, plan.persist_keep)? } else { parent };
    let line = record.line(parent);
    let missing = line.iter().find(|number| !folders.contains(number));
    if let Some(missing) = missing {
        let why =
            format!("the layer {PERSIST}/{missing} is not there; isolde.persist={profile}@-N leaves sessions out");
        return Err(refuse(machine, why));
    }
    let saved: Vec<Place> = line.iter().map(|number| layer(&shelf, *number)).collect();
    if !may_write {
        return Ok((saved, None));
    }
    let number = record.next_number().max(folders.iter().max().map_or(0, |last| last.saturating_add(1)));
    let (image, time) = (layers.image.clone(), machine.sys().wall_clock());
    let (profile, state) = (profile.to_owned(), State::Running);
    record.all.push(Generation { number, parent, profile, base, image, boot, time, state });
    let own = Own { number, upper: layer(&shelf, number), work: shelf.join(WORK) };
    match begin(machine, plan, record, &own) {
        Ok(()) => Ok((saved, Some(own))),
        Err(error) => {
            machine.warn(&format!("this session is in memory: {}: {}", error.doing, error.cause));
            Ok((saved, None))
        }
    }
}

/// The record says that the session has begun, before anything of it is there.
fn begin<S: Sys>(machine: &mut Machine<S>, plan: &Plan, mut record: Generations, own: &Own) -> Result<()> {
    let shelf = Place::at(PERSIST);
    for gone in record.take_deletable() {
        machine.apply(&[Op::Delete(layer(&shelf, gone))])?;
    }
    save(machine, &shelf, &record)?;
    machine.apply(&[Op::Delete(own.work.clone()), Op::MakeDir(own.work.clone()), Op::MakeDir(own.upper.clone())])?;
    for (at, text) in [
        (session::GENERATION, format!("{} {}\n", own.number, plan.persist_keep)),
        (session::DECISION, "save\n".to_owned()),
    ] {
        machine.apply(&[Op::Write { at: Place::at(at), text }])?;
    }
    Ok(())
}

/// Ends a merge that was interrupted; gives whether the record can still be written.
fn merge<S: Sys>(machine: &mut Machine<S>, shelf: &Place, record: &mut Generations, number: u32) -> bool {
    let done = merge_into_parent(machine, shelf, record, number);
    if let Err(error) = &done {
        machine.warn(&format!("this session is in memory: {}: {}", error.doing, error.cause));
    }
    done.is_ok()
}

/// The oldest sessions of a line become one, until as few stay apart as there may be; gives the line's highest.
pub(crate) fn merge_the_oldest<S: Sys>(
    machine: &mut Machine<S>,
    shelf: &Place,
    record: &mut Generations,
    mut tip: u32,
    keep: usize,
) -> Result<u32> {
    while let Some(number) = record.to_merge(tip, keep) {
        let parent = record.find(number).map_or(0, |generation| generation.parent);
        merge_into_parent(machine, shelf, record, number)?;
        if number == tip {
            tip = parent;
        }
    }
    Ok(tip)
}

/// Moves a generation into the one below it. The record says so before and afterwards.
pub(crate) fn merge_into_parent<S: Sys>(
    machine: &mut Machine<S>,
    shelf: &Place,
    record: &mut Generations,
    number: u32,
) -> Result<()> {
    let Some(parent) = record.find(number).map(|generation| generation.parent) else { return Ok(()) };
    record.merging = Some(number);
    save(machine, shelf, record)?;
    machine.apply(&[Op::Merge { from: layer(shelf, number), into: layer(shelf, parent) }])?;
    record.merged(number);
    save(machine, shelf, record)
}

/// Writes the record.
pub(crate) fn save<S: Sys>(machine: &mut Machine<S>, shelf: &Place, record: &Generations) -> Result<()> {
    machine.apply(&[Op::Save { at: shelf.join(NAME), text: record.to_string() }])
}

/// Reads it; an empty one where there is none.
pub(crate) fn read<S: Sys>(machine: &Machine<S>, shelf: &Place) -> Result<Generations> {
    let at = shelf.join(NAME);
    let doing = || format!("read {at}");
    let there = machine.sys().kind(&at).map_err(|e| machine.os(doing(), e))?;
    if !matches!(there, Some(Kind::File { .. })) {
        return Ok(Generations::default());
    }
    let bytes = sys::read(machine.sys(), &at, MOST as u64).map_err(|e| machine.os(doing(), e))?;
    Generations::parse(&bytes).map_err(|fault| machine.error(doing(), Cause::NoPersistence { why: fault.to_string() }))
}

/// The layers that are there. A link is none: the kernel would follow it.
fn folders<S: Sys>(machine: &Machine<S>) -> Result<Vec<u32>> {
    let at = Place::at(PERSIST);
    let entries = machine.sys().list(&at).map_err(|e| machine.os(format!("read {at}"), e))?;
    Ok(entries.iter().filter(|entry| entry.is_directory).filter_map(|entry| entry.name.parse().ok()).collect())
}

/// The folder of a generation.
pub(crate) fn layer(shelf: &Place, number: u32) -> Place {
    shelf.join(number.to_string())
}

/// What no other boot of any machine has.
fn boot_id<S: Sys>(machine: &Machine<S>) -> String {
    let text = sys::read(machine.sys(), &Place::at("/proc/sys/kernel/random/boot_id"), 4096).unwrap_or_default();
    String::from_utf8_lossy(&text).trim().to_owned()
}

fn refuse<S: Sys>(machine: &Machine<S>, why: String) -> Error {
    machine.error("use what was saved", Cause::NoPersistence { why })
}
