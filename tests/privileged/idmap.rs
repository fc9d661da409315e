//! Owners that look like others in one mount, on a real ext4.

use crate::{alone, errno, image, make, raw};
use isolde::op::{Ids, ImageMount, Op, Place};
use isolde::sys::Sys;
use isolde::sys::linux::Linux;
use rustix::io::Errno;
use rustix::mount::MountFlags;
use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;

const IDS: Ids = Ids { disk: (1001, 100), live: (1000, 1000) };

fn owner(at: &Path) -> (u32, u32) {
    let metadata = fs::symlink_metadata(at).unwrap();
    (metadata.uid(), metadata.gid())
}

fn the_mount_shows_other_owners_and_the_disk_keeps_its_own(at: &Path) -> Result<(), String> {
    let file = image(at, "ext4")?;
    let (below, shown) = (at.join("below"), at.join("shown"));
    let mut linux = Linux::new();
    linux.apply(&make(&below)).unwrap();
    linux.apply(&make(&shown)).unwrap();
    let open = linux.open_writable(&Place::at(&file)).unwrap();
    let (name, fstype, options) = ("image".to_owned(), "ext4".to_owned(), String::new());
    let mount = ImageMount { name, fstype, target: Place::at(&below), flags: MountFlags::empty(), options };
    match linux.mount_image(&open, &mount) {
        Err(error) if [raw(Errno::PERM), raw(Errno::NOENT)].contains(&error.raw_os_error()) => {
            return Err(format!("no loop device may be used: {error}"));
        }
        done => done.unwrap(),
    };
    assert_eq!(linux.owner(&Place::within(&below, "name")).unwrap(), (0, 0));
    for (name, uid, gid) in [("anna", 1001, 100), ("somebody", 1000, 1000), ("other", 1002, 7), ("root", 0, 0)] {
        fs::create_dir(below.join(name)).unwrap();
        chown(below.join(name), Some(uid), Some(gid)).unwrap();
    }
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    let (source, target) = (Place::at(&below), Place::at(&shown));
    let op = Op::BindMapped { source: source.clone(), target: target.clone(), flags, ids: IDS };
    match linux.apply(&op) {
        Err(error) if [raw(Errno::NOSYS), raw(Errno::NOSPC)].contains(&error.raw_os_error()) => {
            return Err(format!("this kernel maps no owners: {error}"));
        }
        done => done.unwrap(),
    }
    let wanted = [("anna", (1000, 1000)), ("somebody", (1001, 100)), ("other", (1002, 7)), ("root", (0, 0))];
    for (name, owner_seen) in wanted {
        assert_eq!(owner(&shown.join(name)), owner_seen, "{name}");
    }
    // What is written through it belongs to the owner on disk.
    fs::write(shown.join("anna/note"), "new").unwrap();
    chown(shown.join("anna/note"), Some(1000), Some(1000)).unwrap();
    assert_eq!(owner(&below.join("anna/note")), (1001, 100));
    let mounts = fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
    let line = mounts.lines().find(|line| line.contains(shown.to_str().unwrap())).unwrap();
    assert!(line.contains("nosuid") && line.contains("nodev") && line.contains("idmapped"), "{line}");
    // One that is mapped already is not mapped again.
    let again = Op::BindMapped { source: target.clone(), target: target.clone(), flags, ids: IDS };
    assert_eq!(errno(linux.apply(&again)), raw(Errno::PERM));

    let lease = Place::within(&shown, "anna/note");
    linux.apply(&Op::Delete(lease)).unwrap();
    linux.apply(&Op::Unmount(target)).unwrap();
    linux.apply(&Op::Unmount(source)).unwrap();
    // The process that the map came with is gone.
    let children = fs::read_to_string("/proc/thread-self/children").unwrap_or_default();
    assert_eq!(children.trim(), "");
    Ok(())
}

#[test]
fn owners_are_mapped_in_one_mount() {
    alone("owners_are_mapped_in_one_mount", the_mount_shows_other_owners_and_the_disk_keeps_its_own);
}

/// proc has no owners of its own to map.
#[test]
fn a_file_system_that_cannot_says_so() {
    alone("a_file_system_that_cannot_says_so", |at| {
        let shown = at.join("shown");
        let mut linux = Linux::new();
        linux.apply(&make(&shown)).unwrap();
        let (source, target) = (Place::at("/proc"), Place::at(&shown));
        let op = Op::BindMapped { source, target, flags: MountFlags::empty(), ids: IDS };
        match errno(linux.apply(&op)) {
            error if [raw(Errno::NOSYS), raw(Errno::NOSPC)].contains(&error) => Err(format!("{error:?}")),
            error => {
                assert_eq!(error, raw(Errno::INVAL));
                assert!(!fs::read_to_string("/proc/thread-self/mountinfo").unwrap().contains(shown.to_str().unwrap()));
                Ok(())
            }
        }
    });
}
