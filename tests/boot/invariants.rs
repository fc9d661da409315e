//! What holds for every boot, whatever is plugged in and whatever fails.

use super::harness::Outcome;
use super::modules::needs;
use isolde::error::Cause;
use isolde::sys::Level;
use isolde::sys::record::{Ending, Line};
use std::collections::BTreeSet;
use std::path::Path;

/// The options of a `mount -t TYPE -o OPTIONS …` line.
fn options(line: &str) -> Vec<&str> {
    let words: Vec<&str> = line.split(' ').collect();
    match words.iter().position(|word| *word == "-o") {
        Some(at) => words[at + 1].split(',').collect(),
        None => Vec::new(),
    }
}

/// Checks all of them; the sentence says which is broken.
pub fn check(outcome: &Outcome) -> Result<(), String> {
    let end = &outcome.end;
    let done: Vec<&str> = end
        .journal
        .lines()
        .iter()
        .filter_map(|line| match line {
            Line::Change { text, refused: None } => Some(text.as_str()),
            _ => None,
        })
        .collect();
    store_mounts(outcome, &done)?;
    let before_the_error = outcome.error.as_ref().map_or(usize::MAX, |(_, changes)| *changes);
    modules(end.journal.changes().take(before_the_error))?;
    let handed_over = end.ending == Ending::Exec;
    if handed_over != outcome.error.is_none() {
        return Err(format!("{:?} with the error {:?}", end.ending, outcome.error));
    }
    if handed_over {
        for mounted in end.mounted.iter().filter(|mounted| mounted.fstype != "rootfs") {
            if mounted.target.is_none() {
                return Err(format!("{} is left mounted outside the new root", mounted.source));
            }
        }
    }
    let mounts_an_image = |line: &&&str| options(line).contains(&"loop") || line.starts_with("mount -t overlay");
    if let Some((error, _)) = &outcome.error
        && matches!(error.cause, Cause::DigestMismatch { .. })
        && let Some(line) = done.iter().find(|line| line.starts_with("exec") || mounts_an_image(line))
    {
        return Err(format!("{line}, although the checksum is wrong"));
    }
    Ok(())
}

/// The device of a sealed image, which is no store.
fn is_sealed(line: &str) -> bool {
    line.contains(" /dev/dm-0 /run/isolde/medium") || line.contains(" /dev/dm-0 /run/isolde/layer")
}

/// Whether the mapped device was made of the file that is to become the image for what is saved.
fn made_of_a_new_image(done: &[&str], device: &str) -> bool {
    let maps: Vec<&&str> = done.iter().filter(|line| line.starts_with("dmsetup create ")).collect();
    let number = device.strip_prefix("/dev/dm-").and_then(|number| number.parse::<usize>().ok());
    number.and_then(|number| maps.get(number)).is_some_and(|line| line.contains("/boot/isolde/persist.img.new"))
}

/// One device stays mounted; the others are unmounted again; writing only with a home; no journal is replayed.
fn store_mounts(outcome: &Outcome, done: &[&str]) -> Result<(), String> {
    let mut at: Option<&str> = None;
    let mut protected = BTreeSet::new();
    for line in done {
        if *line == "umount /run/isolde/store" {
            at = None;
        }
        // The text of a link touches nothing.
        let is_disk = |word: &&str| word.starts_with("/dev/sd") || word.starts_with("/dev/dm-");
        let touches = |word: &&str| is_disk(word) && !line.starts_with("ln -s ");
        let Some(device) = line.split(' ').find(touches) else { continue };
        let beside = ["/run/initramfs/home", "/run/initramfs/isolde/persist-on"];
        if line.starts_with("mount -t ") && beside.iter().any(|target| line.ends_with(&format!(" {target}"))) {
            let options = options(line);
            if !(options.contains(&"nosuid") && options.contains(&"nodev")) || at == Some(device) {
                return Err(format!("{line}: nothing beside the store is mounted like that"));
            }
            continue;
        }
        // A new image for what is saved, and nothing else, gets a file system.
        if line.contains("/mke2fs ") && made_of_a_new_image(done, device) {
            continue;
        }
        if is_sealed(line) {
            if !options(line).contains(&"ro") {
                return Err(format!("{line}: a sealed image takes no writes"));
            }
            continue;
        }
        if line.starts_with("blockdev --set") {
            if line.starts_with("blockdev --setro") {
                protected.insert(device)
            } else {
                protected.remove(device)
            };
            continue;
        }
        if line.starts_with("dmsetup create --readonly ") {
            continue;
        }
        if let Some(table) = line.strip_prefix("dmsetup load ") {
            // For writing, while nothing of it is mounted; the mount for writing comes next, and is looked at below.
            if table.starts_with("--readonly") || at.is_some_and(|at| at.starts_with("/dev/dm-")) {
                return Err(format!("{line}: {at:?} is mounted"));
            }
            continue;
        }
        if !line.starts_with("mount -t") {
            return Err(format!("{line}: a device is not to be touched otherwise"));
        }
        if let Some(other) = at {
            return Err(format!("{device} is mounted while {other} is"));
        }
        at = Some(device);
        let options = options(line);
        if !(options.contains(&"nosuid") && options.contains(&"nodev")) {
            return Err(format!("{line}: programs and nodes of a stick would count"));
        }
        if !options.contains(&"ro") {
            let home = outcome.end.mounted.iter().any(|m| m.target.as_deref() == Some(Path::new("/home")));
            let refused = outcome.end.journal.log(Level::Warning).any(|line| line.contains("/home"));
            let saves =
                outcome.end.mounted.iter().any(|m| m.options.contains("upperdir=/run/initramfs/isolde/persist/"));
            let gave_up =
                outcome.end.journal.log(Level::Warning).any(|line| line.contains("this session is in memory"));
            if outcome.error.is_none() && !home && !refused && !saves && !gave_up {
                return Err(format!("{line}: mounted for writing, and nothing of it is written"));
            }
        } else if !line.starts_with("mount -t iso9660") && !protected.contains(device) {
            return Err(format!("{line}: the device is not write-protected"));
        } else if line.starts_with("mount -t ext4") && !options.contains(&"noload") {
            return Err(format!("{line}: would replay a journal"));
        }
    }
    Ok(())
}

/// Each once, after what it needs. A refused one was asked for as well.
fn modules<'a>(changes: impl Iterator<Item = &'a str>) -> Result<(), String> {
    let mut loaded: Vec<String> = Vec::new();
    for file in changes.filter_map(|line| line.strip_prefix("insmod ")) {
        let file = file.split(' ').next().unwrap_or(file); // parameters come after it
        let name = file.rsplit('/').next().unwrap_or(file).trim_end_matches(".ko").replace('-', "_");
        if let Some(missing) = needs(&name).into_iter().find(|needed| !loaded.contains(needed)) {
            return Err(format!("{name} is loaded before {missing}"));
        }
        if loaded.contains(&name) {
            return Err(format!("{name} is loaded twice"));
        }
        loaded.push(name);
    }
    Ok(())
}
