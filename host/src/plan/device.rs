//! The device that the store is on.
//!
//! Takes   the store's files, and what the command line asks of the device that holds them.
//! Gives   block devices for the fake kernel. The store has the identity that is asked for, as nobody but its owner can
//!         know whether it has; everything that is assumed is noted.
//! Fails   when the command line asks for an identity that no device here can have.

use super::directory::{self, HostFile};
use super::image;
use super::notes::Notes;
use anyhow::{Context, Result, bail};
use isolde::source::StoreSpec;
use isolde::sys::record::{Arrival, Arrives, Content, Medium};
use isolde::sys::{BlockDevice, Bus};
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// Types of file systems as the host's kernel names them, and as the one that boots does. The first is taken for all
/// others.
const TYPES: &[(&str, &str)] = &[
    ("ext4", "ext4"),
    ("vfat", "vfat"),
    ("exfat", "exfat"),
    ("ntfs3", "ntfs3"),
    ("ntfs", "ntfs3"),
    ("fuseblk", "ntfs3"),
    ("btrfs", "btrfs"),
    ("xfs", "xfs"),
    ("f2fs", "f2fs"),
    ("iso9660", "iso9660"),
    ("udf", "iso9660"),
];
/// Those whose every file may be executed, for want of modes.
const WITHOUT_MODES: [&str; 3] = ["vfat", "exfat", "ntfs3"];
/// The highest number of a primary partition.
const PRIMARY: u8 = 4;

/// The store and, where a partition's identity is asked for, the disk that it is on.
pub(super) fn arrivals(store: &Path, spec: Option<&StoreSpec>, notes: &Notes) -> Result<Vec<Arrival>> {
    let spec = spec.unwrap_or(&StoreSpec::Any);
    let metadata = fs::metadata(store).with_context(|| format!("read {}", store.display()))?;
    if metadata.is_dir() { partition(store, spec, notes) } else { medium(store, metadata.len(), spec, notes) }
}

/// An image on a device as it is. Its label and its UUID are its own.
fn medium(store: &Path, size: u64, spec: &StoreSpec, notes: &Notes) -> Result<Vec<Arrival>> {
    let file = Arc::new(HostFile::new(store, size));
    let content = image::content(file, &store.display().to_string(), notes);
    let name = node(spec).unwrap_or("sda");
    notes.say(format!("{} is written to /dev/{name}, a removable disk", store.display()));
    Ok(vec![device(name, None, size, content)])
}

/// A directory as the file system of a partition.
fn partition(store: &Path, spec: &StoreSpec, notes: &Notes) -> Result<Vec<Arrival>> {
    let fstype = fstype(store, spec)?;
    let read = directory::read(store, WITHOUT_MODES.contains(&fstype), notes)?;
    let mut medium = Medium::new(fstype, read.tree);
    let mut table = None;
    let mut number = 1;
    match spec {
        StoreSpec::Label(label) => medium.label.clone_from(label),
        StoreSpec::Uuid(id) => medium.uuid.clone_from(id),
        StoreSpec::PartLabel(label) => table = Some(Content::with_gpt(GUID, label)),
        StoreSpec::PartUuid(id) => (number, table) = identified(id)?,
        StoreSpec::Device(_) | StoreSpec::Any => {}
    }
    let name = node(spec).map_or_else(|| format!("sda{number}"), str::to_owned);
    let identity = match spec {
        StoreSpec::Any | StoreSpec::Device(_) => "without label and UUID".to_owned(),
        spec => format!("with {spec}"),
    };
    notes.say(format!("{} is a store: {fstype} {identity}, on /dev/{name}, a removable device", store.display()));
    let disk = table.as_ref().map(|_| ("sda".to_owned(), number.into()));
    let mut all = vec![device(&name, disk, read.size, Content::image(&medium))];
    all.extend(table.map(|table| device("sda", None, table.size(), table)));
    Ok(all)
}

/// Of a partition whose name alone is asked for.
const GUID: &str = "9b1f5e1a-52c4-4b5e-8d3c-6a1c7d0e2f43";

/// A partition's number, and a table in which it has this identity.
fn identified(id: &str) -> Result<(u8, Option<Content>)> {
    if let Some((signature, number)) = id.split_once('-').filter(|(signature, _)| signature.len() == 8)
        && let (Ok(signature), Ok(number)) = (u32::from_str_radix(signature, 16), u8::from_str_radix(number, 16))
    {
        if !(1..=PRIMARY).contains(&number) {
            bail!("PARTUUID={id} is a logical partition, which this answer cannot have; name the store by its UUID");
        }
        return Ok((number, Some(Content::with_mbr(signature, number))));
    }
    let id = id.to_ascii_lowercase();
    Ok((1, Some(Content::with_gpt(&id, ""))))
}

/// The name below /dev, where one is asked for that a disk or a partition can have. Nothing makes the others.
fn node(spec: &StoreSpec) -> Option<&str> {
    match spec {
        StoreSpec::Device(name) if !name.contains('/') => Some(name),
        _ => None,
    }
}

fn device(name: &str, disk: Option<(String, u32)>, size: u64, content: Content) -> Arrival {
    let (disk, partition) = disk.unzip();
    let (name, removable, bus) = (name.to_owned(), true, Bus::Usb);
    let device = BlockDevice { name, disk, partition, sequence: None, size, removable, bus, mapped: None };
    Arrival::now(Arrives::Device(device, content))
}

/// The store's type: that of the directory's own file system, unless the UUID is of another form.
fn fstype(store: &Path, spec: &StoreSpec) -> Result<&'static str> {
    let own = mounted(store)?;
    let own = TYPES.iter().find(|(host, _)| *host == own).map_or("ext4", |(_, name)| name);
    let StoreSpec::Uuid(id) = spec else { return Ok(own) };
    let groups: Vec<usize> = id.split('-').map(str::len).collect();
    let fitting: &[&str] = match groups.as_slice() {
        [4, 4] => &["vfat", "exfat"],
        [16] => &["ntfs3"],
        [4, 2, 2, 2, 2, 2, 2] => &["iso9660"],
        _ => &["ext4", "btrfs", "xfs", "f2fs"],
    };
    let first = fitting.first().copied().unwrap_or(own);
    Ok(if fitting.contains(&own) { own } else { first })
}

/// The type of the file system that a directory is on.
fn mounted(folder: &Path) -> Result<String> {
    let folder = folder.canonicalize().with_context(|| format!("read {}", folder.display()))?;
    let table = fs::read_to_string("/proc/self/mountinfo").context("read /proc/self/mountinfo")?;
    Ok(innermost(&table, &folder).unwrap_or_default().to_owned())
}

/// The last of those that are mounted nearest to it (proc_pid_mountinfo(5)). Mount points with blanks are escaped there;
/// a folder below one is then taken to be on the file system around it.
fn innermost<'a>(table: &'a str, folder: &Path) -> Option<&'a str> {
    let mounts = table.lines().filter_map(|line| {
        let at = line.split(' ').nth(4)?;
        let fstype = line.split_once(" - ")?.1.split(' ').next()?;
        folder.starts_with(at).then_some((at.len(), fstype))
    });
    mounts.max_by_key(|(length, _)| *length).map(|(_, fstype)| fstype)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_mount_counts() {
        let table = "22 1 8:2 / / rw - ext4 /dev/sda2 rw\n\
                     30 22 8:17 / /media/stick rw,nosuid shared:3 - vfat /dev/sdb1 rw\n\
                     31 22 0:44 / /media/stickers rw - tmpfs tmpfs rw\n";
        for (folder, wanted) in
            [("/media/stick/iso", "vfat"), ("/media/stick", "vfat"), ("/media", "ext4"), ("/media/stickers", "tmpfs")]
        {
            assert_eq!(innermost(table, Path::new(folder)), Some(wanted), "{folder}");
        }
    }

    #[test]
    fn a_partition_has_the_identity_that_is_asked_for() {
        assert_eq!(identified("1234abcd-02").unwrap().0, 2);
        assert!(identified("1234abcd-05").is_err());
        assert_eq!(identified("0B8D8CFA-6A8C-4D4E-9B0A-3F8C2F1E0D5C").unwrap().0, 1);
    }
}
