//! LVM2: what a physical volume says of its volume group, and where a linear volume's parts are.
//!
//! Source  lvm2's lib/format_text/layout.h, lib/label/label.h and man page lvmdevices(8); the text by example.
//! Takes   media that are physical volumes, and the name of a volume.
//! Gives   [`PhysicalVolume`] of each; from the newest [`Group`] the volume as [`Extent`]s, which the kernel's linear
//!         target takes as they are.
//! Leaves  everything else of LVM alone: no locking, no archive, no change to the metadata.
//! Fails   with [`LvmError`]; volumes that are not linear are named by their type.

mod group;
mod label;
mod text;

pub use group::{Extent, Group, LogicalVolume, VolumeName};
pub(crate) use label::{SECTOR, checksum, is_label, uuid};

use super::fields::{has, le32, le64, slice};
use super::{ReadAt, read_exact_at};
use std::{fmt, io};

/// LVM looks for a label in this many sectors.
const LABEL_SECTORS: u64 = 4;
/// Bytes of the header of a metadata area (MDA_HEADER_SIZE); the text is behind it, in a circle.
const AREA_HEADER: u64 = 512;
const AREA_MAGIC: &[u8] = b" LVM2 x[5A%r0N*>";
/// Longest text that is read; that of a volume group of a thousand volumes is half a megabyte.
const LONGEST_TEXT: u64 = 4 << 20;
/// Entries of a list of places in a label or an area; the sector ends before.
const MOST_PLACES: usize = 16;
/// `flags` of a copy of the metadata that does not count (RAW_LOCN_IGNORED).
const IGNORED: u32 = 1;

/// A medium of a volume group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhysicalVolume {
    /// Its identifier as LVM prints it.
    pub uuid: String,
    /// What its own copies of the metadata say; `None` when it has none, which is allowed.
    pub group: Option<Group>,
}

/// Why a volume cannot be made.
#[derive(Debug)]
pub enum LvmError {
    /// The medium cannot be read.
    Io(io::Error),
    /// The metadata contradict themselves or their checksum; what is wrong with them.
    Broken(&'static str),
    /// The group has no volume of that name; these it has.
    NoVolume(Vec<String>),
    /// Two groups have the name, and which one is meant is not for us to guess.
    TwoGroups,
    /// Sound, and of a kind that is not done here.
    Unsupported {
        /// What of it.
        what: &'static str,
        /// LVM's word for it.
        seen: String,
    },
    /// Physical volumes that are not there: the identifier of each, and where it was last.
    Missing(Vec<String>),
}

impl fmt::Display for LvmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LvmError::Io(error) => write!(f, "{}", crate::error::OsText(error)),
            LvmError::Broken(what) => write!(f, "its metadata are damaged: {what}"),
            LvmError::NoVolume(seen) => {
                write!(f, "its group has no such volume; it has {}", crate::error::List(seen, "none"))
            }
            LvmError::TwoGroups => f.write_str("two different volume groups have that name"),
            // Text from a disk: a control character must not forge a line.
            LvmError::Unsupported { what, seen } => write!(f, "{what} {seen:?} is not supported"),
            LvmError::Missing(all) => {
                write!(f, "without its physical volume {}", crate::error::List(all, "of no name"))
            }
        }
    }
}

impl From<io::Error> for LvmError {
    fn from(error: io::Error) -> Self {
        LvmError::Io(error)
    }
}

impl PhysicalVolume {
    /// Reads the label and the newest sound copy of the metadata.
    ///
    /// # Errors
    /// When there is no label, or copies and none of them is sound.
    pub fn read(dev: &dyn ReadAt) -> Result<PhysicalVolume, LvmError> {
        let label = label(dev)?;
        let uuid = uuid(&label).ok_or(LvmError::Broken("no identifier"))?;
        let mut group: Option<Group> = None;
        let mut first_error = None;
        for place in areas(&label) {
            match area(dev, place) {
                Ok(Some(found)) if group.as_ref().is_none_or(|group| found.sequence > group.sequence) => {
                    group = Some(found);
                }
                Ok(_) => {}
                Err(error) => _ = first_error.get_or_insert(error),
            }
        }
        match (group, first_error) {
            (None, Some(error)) => Err(error),
            (group, _) => Ok(PhysicalVolume { uuid, group }),
        }
    }
}

fn label(dev: &dyn ReadAt) -> Result<Vec<u8>, LvmError> {
    for number in 0..LABEL_SECTORS {
        match read_exact_at(dev, number * SECTOR as u64, SECTOR)? {
            Some(sector) if is_label(&sector, number) => return Ok(sector),
            Some(_) => {}
            None => break,
        }
    }
    Err(LvmError::Broken("no label"))
}

/// The metadata areas: two lists of places end with an empty one each, and the second is theirs.
fn areas(label: &[u8]) -> Vec<u64> {
    let place = |index: usize| Some((le64(label, 72 + 16 * index)?, le64(label, 80 + 16 * index)?));
    let data = (0..MOST_PLACES).take_while(|index| place(*index).is_some_and(|(offset, _)| offset != 0)).count();
    let second = (data + 1..).map_while(place).take_while(|(offset, _)| *offset != 0);
    second.map(|(offset, _)| offset).take(MOST_PLACES).collect()
}

/// The metadata of one area; `None` when none were written there yet, or they do not count.
fn area(dev: &dyn ReadAt, offset: u64) -> Result<Option<Group>, LvmError> {
    let header = read_exact_at(dev, offset, AREA_HEADER as usize)?.ok_or(LvmError::Broken("an area behind the end"))?;
    let sound = slice(&header, 4, AREA_HEADER as usize - 4).map(|rest| label::checksum(&[rest]));
    if !has(&header, 4, AREA_MAGIC) || le32(&header, 20) != Some(1) || sound != le32(&header, 0) {
        return Err(LvmError::Broken("an area's header"));
    }
    let number = |at| le64(&header, at).unwrap_or_default();
    let (start, size) = (number(24), number(32));
    let (place, length) = (number(40), number(48));
    if place == 0 || le32(&header, 60).unwrap_or_default() & IGNORED != 0 {
        return Ok(None);
    }
    let inside = start == offset && (AREA_HEADER..size).contains(&place) && length <= size - AREA_HEADER;
    if !inside || length == 0 || length > LONGEST_TEXT {
        return Err(LvmError::Broken("the place of their text"));
    }
    // Text that reaches the end of the area goes on at its beginning.
    let head = length.min(size - place);
    let read = |at: u64, len: u64| match offset.checked_add(at) {
        Some(at) => read_exact_at(dev, at, usize::try_from(len).unwrap_or(usize::MAX)),
        None => Ok(None),
    };
    let short = || LvmError::Broken("their text behind the end");
    let mut text = read(place, head)?.ok_or_else(short)?;
    text.extend(read(AREA_HEADER, length - head)?.ok_or_else(short)?);
    if Some(label::checksum(&[&text])) != le32(&header, 56) {
        return Err(LvmError::Broken("the checksum of their text"));
    }
    Group::parse(&text).map(Some)
}

#[cfg(test)]
mod tests;
