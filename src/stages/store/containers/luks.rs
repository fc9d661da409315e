//! LUKS volumes: which, and by whose key.

use super::{Containers, explained, is_there};
use crate::console;
use crate::error::{Cause, Result};
use crate::formats::ReadAt;
use crate::formats::luks::{LuksError, Payload, Volume};
use crate::formats::superblock::Format;
use crate::machine::Machine;
use crate::op::{MAP_SECTOR, Mapping, Part, Place, Target};
use crate::secret::Secret;
use crate::source::StoreSpec;
use crate::stages::drivers::Drivers;
use crate::stages::plan::Plan;
use crate::stages::store::candidates::{Candidate, Candidates, choose};
use crate::sys::{self, Kind, Sys};
use std::slice;

/// How often somebody may mistype.
const TRIES: usize = 3;
/// The longest key file that is read; cryptsetup takes as much.
const LONGEST_KEY: u64 = 8 << 20;

impl Containers {
    /// Opens the next LUKS volume that is asked for.
    pub(super) fn unlock<S: Sys>(
        &mut self,
        machine: &mut Machine<S>,
        plan: &Plan,
        drivers: &mut Drivers,
        all: &Candidates,
    ) -> Result<bool> {
        for spec in &plan.luks {
            for candidate in asked(spec, all) {
                if self.look(&candidate.device) {
                    continue;
                }
                match self.unlock_one(machine, plan, drivers, candidate, all) {
                    // One of many that nobody named may belong to somebody else.
                    Err(error) if *spec == StoreSpec::Any => {
                        machine.warn(&["passed over: ", &error.doing, ": ", &error.cause.to_string()].concat());
                    }
                    Ok(false) => {}
                    done => return done,
                }
            }
        }
        Ok(false)
    }

    fn unlock_one<S: Sys>(
        &mut self,
        machine: &mut Machine<S>,
        plan: &Plan,
        drivers: &mut Drivers,
        candidate: &Candidate,
        all: &Candidates,
    ) -> Result<bool> {
        let node = ["/dev/", &candidate.device.name].concat();
        let doing = doing(&node);
        let file = machine.sys().open(&Place::at(&node)).map_err(|e| machine.os(&doing, e))?;
        let volume = Volume::read(&file).map_err(|error| machine.error(&doing, refusal(error)))?;
        let name = name(&volume);
        if is_there(all, &name) {
            machine.debug(&[&node, ": ", &name, " is open already"].concat());
            return Ok(false);
        }
        let what = candidate.describe();
        match self.mapping(machine, plan, drivers, &what, node, &file, &volume)? {
            Some(mapping) => self.map(machine, drivers, mapping).map(|()| true),
            None => Ok(false),
        }
    }

    /// Opens one volume, or finds it open; gives its name. `None`: nobody types.
    pub(in crate::stages::store) fn unlock_named<S: Sys>(
        &mut self,
        machine: &mut Machine<S>,
        plan: &Plan,
        drivers: &mut Drivers,
        candidate: &Candidate,
        all: &Candidates,
    ) -> Result<Option<String>> {
        let node = ["/dev/", &candidate.device.name].concat();
        let doing = doing(&node);
        let file = machine.sys().open(&Place::at(&node)).map_err(|e| machine.os(&doing, e))?;
        let name = name(&Volume::read(&file).map_err(|error| machine.error(&doing, refusal(error)))?);
        let open = is_there(all, &name) || self.unlock_one(machine, plan, drivers, candidate, all)?;
        Ok(open.then_some(name))
    }

    /// The device that a volume becomes with its key. `None`: nobody types.
    #[allow(clippy::too_many_arguments)] // machine, plan and drivers, and a volume with its three names
    fn mapping<S: Sys>(
        &mut self,
        machine: &mut Machine<S>,
        plan: &Plan,
        drivers: &mut Drivers,
        what: &str,
        node: String,
        file: &S::File,
        volume: &Volume,
    ) -> Result<Option<Mapping>> {
        let doing = doing(&node);
        let size = file.size().map_err(|e| machine.os(&doing, e))?;
        let key = self.key(machine, plan, drivers, what, |secret, memory| volume.unlock(file, secret.bytes(), memory));
        let key = match key {
            Ok(Some(key)) => key,
            Ok(None) => {
                machine.warn(&[&node, " stays closed: nobody typed a passphrase"].concat());
                return Ok(None);
            }
            Err(Locked::Refused(error)) => return Err(machine.error(&doing, refusal(error))),
            Err(Locked::Wrong) => {
                let cause = Cause::WrongKey { device: what.to_owned(), tries: TRIES };
                return Err(machine.error(&doing, cause));
            }
            Err(Locked::Console(error)) => return Err(error),
        };
        let (name, plain) = (name(volume), volume.uuid.replace('-', ""));
        let uuid = ["CRYPT-LUKS", if volume.version == 1 { "1-" } else { "2-" }, &plain, "-", &name].concat();
        let Some(part) = part(&volume.payload, node, size, key) else {
            return Err(machine.error(&doing, refusal(LuksError::Broken("its payload is behind the medium"))));
        };
        Ok(Some(Mapping { name, uuid, writable: false, parts: vec![part] }))
    }

    /// The volume's key: by a passphrase that was right before, by the key file, by what somebody types. `None`: nobody
    /// does.
    fn key<S: Sys>(
        &mut self,
        machine: &mut Machine<S>,
        plan: &Plan,
        drivers: &mut Drivers,
        what: &str,
        unlock: impl Fn(&Secret, u64) -> std::result::Result<Secret, LuksError>,
    ) -> std::result::Result<Option<Secret>, Locked> {
        let memory = free_memory(machine);
        let file = plan.luks_key.as_deref().and_then(|path| key_file(machine, path));
        for secret in file.iter().chain(&self.passphrases) {
            match unlock(secret, memory) {
                Err(LuksError::WrongKey) => {}
                done => return done.map(Some).map_err(Locked::Refused),
            }
        }
        if let (Some(_), Some(path)) = (file, &plan.luks_key) {
            machine.warn(&["the key file ", path, " does not open ", what].concat());
        }
        let prompt = ["Passphrase for ", what, ": "].concat();
        for left in (0..TRIES).rev() {
            let Some(typed) = console::secret(machine, drivers, &prompt).map_err(Locked::Console)? else {
                return Ok(None);
            };
            machine.notice("computing the key from the passphrase");
            match unlock(&typed, memory) {
                Ok(key) => {
                    self.passphrases.push(typed);
                    return Ok(Some(key));
                }
                Err(LuksError::WrongKey) if left > 0 => {
                    machine.notice(&["wrong passphrase; tries left: ", &left.to_string()].concat());
                }
                Err(LuksError::WrongKey) => {}
                Err(error) => return Err(Locked::Refused(error)),
            }
        }
        Err(Locked::Wrong)
    }
}

/// Opens the LUKS volume in an image file of the store, for writing or not; gives its node and its name.
pub(in crate::stages) fn open_image<S: Sys>(
    machine: &mut Machine<S>,
    plan: &Plan,
    drivers: &mut Drivers,
    path: &str,
    file: &S::File,
    writable: bool,
) -> Result<(String, String)> {
    let doing = doing(path);
    let volume = Volume::read(file).map_err(|error| machine.error(&doing, refusal(error)))?;
    let mut containers = Containers::default();
    let mapping = containers.mapping(machine, plan, drivers, path, path.to_owned(), file, &volume);
    machine.sys_mut().close_consoles();
    let Some(mapping) = mapping? else {
        return Err(machine.error(doing, Cause::NotOpened { why: "nobody typed a passphrase".to_owned() }));
    };
    drivers.crypt_image(machine);
    let mapping = Mapping { writable, ..mapping };
    let node =
        machine.map_images(slice::from_ref(file), &mapping).map_err(|error| explained(drivers, "crypt", error))?;
    Ok((node.to_string_lossy().into_owned(), mapping.name))
}

fn doing(what: &str) -> String {
    ["open the LUKS volume ", what].concat()
}

/// The name of the open volume below /dev/mapper.
fn name(volume: &Volume) -> String {
    ["luks-", &volume.uuid].concat()
}

/// Why there is no key.
enum Locked {
    Wrong,
    Refused(LuksError),
    Console(crate::error::Error),
}

fn refusal(error: LuksError) -> Cause {
    match error {
        LuksError::Io(error) => Cause::Os(error),
        error => Cause::NotOpened { why: error.to_string() },
    }
}

/// The volumes that a word asks for, in the order in which they are opened.
fn asked<'a>(spec: &StoreSpec, all: &'a Candidates) -> Vec<&'a Candidate> {
    let mut found = choose(spec, all.all());
    // Without a name, only what somebody has plugged in: a computer's own disks belong to another system.
    let named = *spec != StoreSpec::Any;
    found.retain(|candidate| candidate.format() == Some(Format::Luks) && (named || candidate.device.removable));
    found
}

/// The device's only part; `None` when it lies outside of what it is on. Pure.
fn part(payload: &Payload, device: String, size: u64, key: Secret) -> Option<Part> {
    let rest = size.checked_sub(payload.offset)?;
    let length = payload.size.map_or(Some(rest), |size| (size <= rest).then_some(size))?;
    // The kernel wants whole sectors.
    let length = length - length % u64::from(payload.sector_size);
    let Payload { offset, cipher, sector_size, iv_offset, .. } = *payload;
    let target = Target::Crypt { cipher: cipher.name(), key, iv_offset, sector_size };
    let part = Part { length: length / MAP_SECTOR, device, offset: offset / MAP_SECTOR, target };
    (part.length > 0 && part.offset > 0).then_some(part)
}

/// The key file; only ever one of the initramfs, and never a device: the keys of a disk do not come from another disk.
fn key_file<S: Sys>(machine: &mut Machine<S>, path: &str) -> Option<Secret> {
    let at = Place::at(path);
    let read = match machine.sys().kind(&at) {
        Ok(Some(Kind::File { .. })) => sys::read(machine.sys(), &at, LONGEST_KEY).map(Secret::new),
        Ok(None) => Err(rustix::io::Errno::NOENT.into()),
        Ok(Some(_)) => Err(rustix::io::Errno::INVAL.into()),
        Err(error) => Err(error),
    };
    match read {
        Ok(secret) => Some(secret),
        Err(error) => {
            machine.warn(&["the key file ", path, ": ", &Cause::Os(error).to_string()].concat());
            None
        }
    }
}

/// KiB that a key may take: what is free without swapping, but for an eighth (kernel: proc.rst, MemAvailable).
fn free_memory<S: Sys>(machine: &Machine<S>) -> u64 {
    let free = sys::available_memory(machine.sys()).unwrap_or_default() / 1024;
    free - free / 8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::luks::Cipher;

    #[test]
    fn the_payload_must_lie_on_its_device() {
        let cipher = Cipher::parse("aes-xts-plain64").unwrap();
        let payload = |offset, size| Payload { offset, size, cipher, sector_size: 4096, iv_offset: 7 };
        let place = |payload, size| {
            let part = part(&payload, "/dev/sdb1".to_owned(), size, Secret::zeroes(64));
            part.map(|part| (part.offset, part.length))
        };
        assert_eq!(place(payload(4096, None), 4096 + 8192 + 512), Some((8, 16)));
        assert_eq!(place(payload(4096, Some(4096)), 1 << 20), Some((8, 8)));
        for (offset, size, device) in [(4096, None, 4096), (4096, None, 512), (4096, Some(8192), 8192), (0, None, 8192)]
        {
            assert_eq!(place(payload(offset, size), device), None, "{offset} {size:?} {device}");
        }
    }
}
