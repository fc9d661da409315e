//! A volume group by its text, and the place of a volume's parts. Pure.

use super::LvmError;
use super::text::{self, Section, Value};
use std::fmt;

/// Longest name of a group or volume (NAME_LEN of lvm2); the device mapper's limit for both together comes later.
const LONGEST_NAME: usize = 127;
/// Parts that a volume may have; the tables of all go to the kernel in one call.
const MOST_PARTS: usize = 4096;
/// Sectors of an extent: 32-bit in LVM, and a power of two or a multiple of 128 KiB; here only not zero.
const LARGEST_EXTENT: u64 = u32::MAX as u64;

/// `GROUP/VOLUME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeName {
    /// The volume group.
    pub group: String,
    /// The logical volume in it.
    pub volume: String,
}

impl fmt::Display for VolumeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.group, self.volume)
    }
}

impl VolumeName {
    /// With the characters that LVM allows in names, or `None`.
    pub fn parse(text: &str) -> Option<VolumeName> {
        let (group, volume) = text.split_once('/')?;
        let name = |name: &str| is_name(name).then(|| name.to_owned());
        Some(VolumeName { group: name(group)?, volume: name(volume)? })
    }

    /// The name below /dev/mapper: a dash in a name is doubled, one between them is not (`dm_build_dm_name`).
    pub fn mapped(&self) -> String {
        [self.group.replace('-', "--"), self.volume.replace('-', "--")].join("-")
    }
}

fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-+.".contains(&byte);
    let odd = name.starts_with('-') || matches!(name, "" | "." | "..");
    !odd && name.len() <= LONGEST_NAME && name.bytes().all(plain)
}

/// A part of a volume, in sectors of 512 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Length.
    pub length: u64,
    /// The physical volume that it is on.
    pub physical: String,
    /// The first sector there.
    pub offset: u64,
}

/// A linear volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogicalVolume {
    /// What the device mapper knows it by.
    pub uuid: String,
    /// Its parts in their order.
    pub extents: Vec<Extent>,
    /// Whether LVM lets it be written to.
    pub writable: bool,
}

/// A volume group as one copy of the metadata has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Its identifier as LVM prints it.
    pub uuid: String,
    /// Raised with each change: of two copies, the higher one counts.
    pub sequence: u64,
    section: Section,
}

impl Group {
    /// Reads the text of a metadata area.
    ///
    /// # Errors
    /// When it is none.
    pub(super) fn parse(text: &[u8]) -> Result<Group, LvmError> {
        let top = text::parse(text).map_err(|_| LvmError::Broken("their text"))?;
        let (name, section) = top.sections().next().ok_or(LvmError::Broken("no group in their text"))?;
        let uuid = section.text("id").and_then(id).ok_or(LvmError::Broken("the group's identifier"))?;
        let sequence = section.number("seqno").ok_or(LvmError::Broken("no sequence number"))?;
        if !is_name(name) {
            return Err(LvmError::Broken("the group's name"));
        }
        Ok(Group { name: name.to_owned(), uuid, sequence, section: section.clone() })
    }

    /// The identifiers of its physical volumes, each with the device on which LVM saw it last.
    pub fn physical(&self) -> Vec<(&str, &str)> {
        let all = self.section.section("physical_volumes").map(Section::sections).into_iter().flatten();
        all.filter_map(|(_, volume)| Some((volume.text("id")?, volume.text("device").unwrap_or_default()))).collect()
    }

    /// A volume of this group.
    ///
    /// # Errors
    /// When there is none of that name, it is not linear, others are built on it, or its parts leave its physical volumes.
    pub fn volume(&self, name: &str) -> Result<LogicalVolume, LvmError> {
        let kept = ["EXPORTED", "CLUSTERED"].into_iter().find(|word| has(&self.section, word));
        if let Some(word) = kept {
            return Err(LvmError::Unsupported { what: "a group that is", seen: word.to_owned() });
        }
        if let Some(lock) = self.section.text("lock_type").filter(|lock| *lock != "none") {
            return Err(LvmError::Unsupported { what: "a shared group, by", seen: lock.to_owned() });
        }
        let all = self.section.section("logical_volumes");
        let Some(volume) = all.and_then(|all| all.section(name)) else {
            let names = all.map(Section::sections).into_iter().flatten().map(|(name, _)| name.escape_debug());
            return Err(LvmError::NoVolume(names.map(|name| name.to_string()).collect()));
        };
        let uuid = volume.text("id").and_then(id).ok_or(LvmError::Broken("the volume's identifier"))?;
        // Parts of other volumes (RAID, thin pools) are hidden, and what a snapshot is of changes together with it.
        let origin = |segment: &Section| segment.text("origin") == Some(name);
        let is_below = |(_, other): (&str, &Section)| other.sections().any(|(_, segment)| origin(segment));
        if !has(volume, "VISIBLE") || all.is_some_and(|all| all.sections().any(is_below)) {
            return Err(LvmError::Unsupported { what: "a volume below others,", seen: name.to_owned() });
        }
        let uuid = ["LVM-", &self.uuid.replace('-', ""), &uuid.replace('-', "")].concat();
        let writable = has(volume, "WRITE") && has(&self.section, "WRITE");
        Ok(LogicalVolume { uuid, extents: self.parts(volume)?, writable })
    }

    fn parts(&self, volume: &Section) -> Result<Vec<Extent>, LvmError> {
        let broken = || LvmError::Broken("the segments of the volume");
        let size = self.section.number("extent_size").filter(|size| (1..=LARGEST_EXTENT).contains(size));
        let size = size.ok_or(LvmError::Broken("the size of an extent"))?;
        let count = volume.number("segment_count").and_then(|count| usize::try_from(count).ok());
        let count = count.filter(|count| (1..=MOST_PARTS).contains(count)).ok_or_else(broken)?;
        let mut parts = Vec::new();
        let mut next = 0_u64;
        for number in 1..=count {
            let segment = volume.section(&["segment", &number.to_string()].concat()).ok_or_else(broken)?;
            linear(segment)?;
            let (start, extents) = (segment.number("start_extent"), segment.number("extent_count"));
            let extents = extents.filter(|count| *count > 0 && start == Some(next)).ok_or_else(broken)?;
            parts.push(self.part(segment, extents, size).ok_or_else(broken)??);
            next = next.checked_add(extents).ok_or_else(broken)?;
        }
        Ok(parts)
    }

    /// `None`: the segment contradicts itself.
    fn part(&self, segment: &Section, extents: u64, size: u64) -> Option<Result<Extent, LvmError>> {
        let [Value::Text(name), Value::Number(first)] = segment.list("stripes") else { return None };
        let physical = self.section.section("physical_volumes")?.section(name)?;
        let end = first.checked_add(extents)?;
        if end > physical.number("pe_count")? {
            return Some(Err(LvmError::Broken("a segment behind its physical volume")));
        }
        let offset = physical.number("pe_start")?.checked_add(first.checked_mul(size)?)?;
        let (physical, length) = (physical.text("id").and_then(id)?, extents.checked_mul(size)?);
        // Its end in bytes has to be a number as well.
        offset.checked_add(length)?.checked_mul(512)?;
        Some(Ok(Extent { length, physical, offset }))
    }
}

/// Whether a status has this word.
fn has(section: &Section, word: &str) -> bool {
    section.list("status").iter().any(|value| matches!(value, Value::Text(text) if text == word))
}

/// Only what the kernel's linear target does.
fn linear(segment: &Section) -> Result<(), LvmError> {
    let what = "a segment of type";
    match (segment.text("type"), segment.number("stripe_count")) {
        (Some("striped"), Some(1)) => Ok(()),
        (Some("striped"), _) => Err(LvmError::Unsupported { what, seen: "striped".to_owned() }),
        (other, _) => {
            let seen = other.unwrap_or_default().chars().take(32).collect();
            Err(LvmError::Unsupported { what, seen })
        }
    }
}

/// An identifier as LVM prints it: 32 letters and digits, in groups.
fn id(text: &str) -> Option<String> {
    let letters = text.bytes().filter(u8::is_ascii_alphanumeric).count();
    let valid = letters == 32 && text.len() == 38 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    valid.then(|| text.to_owned())
}
