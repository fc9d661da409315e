//! For a person at the menu: which file systems are there, what images they hold, and a file left on one of them.
//!
//! Takes   a device that was chosen by hand.
//! Leaves  it as it was: mounted read-only and write-protected while it is looked into. Only [`leave_file`] writes, which
//!         somebody asked for.

use super::candidates::{Candidate, Candidates, choose};
use super::{mount, op, protect, unmount};
use crate::error::Result;
use crate::formats::superblock::Format;
use crate::machine::Machine;
use crate::mounting::{Mounting, mounting};
use crate::op::{Op, Place, STORE};
use crate::source::StoreSpec;
use crate::stages::drivers::Drivers;
use crate::sys::Sys;
use rustix::io::Errno;
use rustix::mount::MountFlags;

/// How deep below the root an image is looked for: `/boot/iso/debian/x.iso`.
const DEEPEST: usize = 4;
/// More names than anybody reads; also what bounds the time on a full disk.
const MOST_FOLDERS: usize = 2000;
/// What the file of an image is called.
const EXTENSIONS: [&str; 7] = ["iso", "img", "raw", "squashfs", "sfs", "erofs", "ext4"];

/// A file system that can be mounted.
#[derive(Clone, Debug)]
pub(crate) struct Volume {
    candidate: Candidate,
    format: Format,
    how: Mounting,
}

impl Volume {
    /// Its node below /dev.
    pub(crate) fn node(&self) -> String {
        format!("/dev/{}", self.candidate.device.name)
    }

    /// In one line.
    pub(crate) fn describe(&self) -> String {
        self.candidate.describe()
    }

    /// Whether a file can be left on it.
    pub(crate) fn can_be_written(&self) -> bool {
        // What has to be asked of an NTFS before (store/ntfs.rs) is more than a log is worth.
        self.how.writable.is_some() && self.format != Format::Ntfs
    }
}

/// All that are there, in the order in which they would be searched.
pub(crate) fn volumes<S: Sys>(machine: &mut Machine<S>) -> Result<Vec<Volume>> {
    let mut candidates = Candidates::default();
    candidates.refresh(machine, &StoreSpec::Any)?;
    let volume = |candidate: &Candidate| {
        let format = candidate.format()?;
        Some(Volume { candidate: candidate.clone(), format, how: mounting(format)? })
    };
    Ok(choose(&StoreSpec::Any, candidates.all()).into_iter().filter_map(volume).collect())
}

/// The paths of the images on it, sorted.
pub(crate) fn images<S: Sys>(machine: &mut Machine<S>, drivers: &mut Drivers, volume: &Volume) -> Result<Vec<String>> {
    mount(machine, drivers, &volume.candidate, volume.format, &volume.how)?;
    let found = walk(machine);
    unmount(machine, &volume.candidate, volume.format)?;
    Ok(found)
}

/// A folder that cannot be read holds nothing that could be booted.
fn walk<S: Sys>(machine: &Machine<S>) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![(String::new(), 0)];
    let mut seen = 0;
    while let Some((folder, depth)) = folders.pop() {
        seen += 1;
        for entry in machine.sys().list(&Place::store(&folder)).unwrap_or_default() {
            let path = format!("{folder}/{}", entry.name);
            if entry.is_directory {
                if depth + 1 < DEEPEST && seen + folders.len() < MOST_FOLDERS {
                    folders.push((path, depth + 1));
                }
            } else if is_image(&entry.name) {
                found.push(path);
            }
        }
    }
    found.sort_unstable();
    found
}

fn is_image(name: &str) -> bool {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    extension.is_some_and(|extension| EXTENSIONS.contains(&extension.as_str()))
}

/// Writes a file at the top of the file system, and lets it go again.
pub(crate) fn leave_file<S: Sys>(
    machine: &mut Machine<S>,
    drivers: &mut Drivers,
    volume: &Volume,
    name: &str,
    text: String,
) -> Result<()> {
    let doing = format!("write {name} on {}", volume.describe());
    let Some(options) = volume.how.writable.filter(|_| volume.can_be_written()) else {
        return Err(machine.os(doing, Errno::ROFS.into()));
    };
    drivers.file_system(machine, volume.how.fstype)?;
    machine.apply(&[Op::MakeDir(Place::at(STORE))])?;
    protect(machine, &volume.candidate, volume.format, false)?;
    machine.apply(&[op(&volume.how, &volume.candidate, MountFlags::empty(), options)])?;
    let written = machine.apply(&[Op::Write { at: Place::store(name), text }]);
    machine.apply(&[Op::Unmount(Place::at(STORE))])?;
    written
}
