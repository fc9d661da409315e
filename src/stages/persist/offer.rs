//! What becomes of a profile whose sessions were all written over another image: as the command line says, or as somebody at
//! the console chooses.
//!
//! Takes   the latest of those sessions, and the wish of isolde.persist-base.
//! Gives   the session that this one stands on, 0 for none. Whatever was chosen, this session is the first one over its image:
//!         the next boot finds it and does not ask.
//! Leaves  the saved layers alone. Only the record changes, and only to say whose they are.
//! Fails   when the boot is to stop, and when a layer or the devices cannot be read.

use super::base;
use crate::console;
use crate::error::{Cause, Result};
use crate::formats::generations::Generations;
use crate::machine::Machine;
use crate::params::OtherBase;
use crate::stages::drivers::Drivers;
use crate::sys::Sys;
use std::time::Duration;

/// Long enough to read two lines and to press a key; an unattended machine loses it once for each new image.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the answer is about.
pub(super) struct Offer<'a> {
    /// The latest session of the profile.
    pub(super) other: u32,
    /// The fingerprint of the image that boots.
    pub(super) base: [u8; 32],
    /// Its path.
    pub(super) image: &'a str,
}

impl Offer<'_> {
    /// Decides, asking if it has to; changes the record accordingly.
    pub(super) fn settle<S: Sys>(
        &self,
        machine: &mut Machine<S>,
        drivers: &mut Drivers,
        record: &mut Generations,
        wish: OtherBase,
    ) -> Result<u32> {
        let (was, profile) = match record.find(self.other) {
            Some(generation) => (generation.image.clone(), generation.profile.clone()),
            None => Default::default(),
        };
        let in_the_way = match wish {
            OtherBase::Ask | OtherBase::Keep => base::system_files(machine, &record.line(self.other))?,
            _ => None,
        };
        let how = match (wish, in_the_way) {
            (OtherBase::Ask, seen) => {
                machine.notice(&format!("what is saved as {profile} belongs to another image, {was}"));
                self.ask(machine, drivers, seen.is_none())?
            }
            (OtherBase::Keep, Some(seen)) => {
                machine.warn(&format!("not kept but forked: {seen} belongs to the image that it was written over"));
                OtherBase::Fork
            }
            (how, _) => how,
        };
        let (word, parent) = match how {
            OtherBase::Cancel => {
                let cause = Cause::OtherBase { was, image: self.image.to_owned() };
                return Err(machine.error("use what was saved", cause));
            }
            OtherBase::Keep => {
                record.rebase(self.other, self.base);
                ("kept", self.other)
            }
            OtherBase::Fresh => ("left alone", 0),
            OtherBase::Fork | OtherBase::Ask => ("forked", self.other),
        };
        machine.notice(&format!(
            "what was saved over {was} is {word} for {}; isolde.persist-base=fork|keep|fresh|cancel chooses",
            self.image
        ));
        Ok(parent)
    }

    /// Asks whoever is at a console; without an answer, or without a console, it is forked.
    fn ask<S: Sys>(&self, machine: &mut Machine<S>, drivers: &mut Drivers, may_keep: bool) -> Result<OtherBase> {
        if machine.sys_mut().open_consoles() == 0 {
            return Ok(OtherBase::Fork);
        }
        let answer = self.answer(machine, drivers, may_keep);
        machine.sys_mut().close_consoles();
        Ok(match answer? {
            Some('k') => OtherBase::Keep,
            Some('n') => OtherBase::Fresh,
            Some('c') => OtherBase::Cancel,
            _ => OtherBase::Fork,
        })
    }

    fn answer<S: Sys>(&self, machine: &mut Machine<S>, drivers: &mut Drivers, may_keep: bool) -> Result<Option<char>> {
        drivers.want_input(machine)?;
        console::forget_typed(machine, drivers)?;
        let (keys, keep) = if may_keep { ("fknc", "; k keeps it") } else { ("fnc", "") };
        machine.notice(&format!(
            "keys: f, or none for {} s, forks it for {}{keep}; n begins anew; c stops the boot",
            PATIENCE.as_secs(),
            self.image
        ));
        console::choice(machine, drivers, keys, PATIENCE)
    }
}
