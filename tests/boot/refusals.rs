//! The refusals of the fake kernel itself: a plan that the real kernel would not carry out must not pass here.

use super::worlds::{ext4, machine, partition, with};
use isolde::op::{NEW_ROOT, Op, Place, STORE};
use isolde::sys::record::{Record, Tree};
use isolde::sys::{Event, Kind, Sys, read};
use rustix::io::Errno;
use rustix::mount::MountFlags;
use std::time::Duration;

fn mount(fstype: &str, source: &str, target: &str, flags: MountFlags) -> Op {
    let (fstype, source) = (fstype.to_owned(), source.to_owned());
    Op::Mount { fstype, source, target: Place::at(target), flags, options: String::new() }
}

fn move_mount(source: &str, target: &str) -> Op {
    Op::Move { source: Place::at(source), target: Place::at(target) }
}

/// /dev, /proc, /sys and /run are mounted, and a stick with `/iso` and an absolute link is plugged in.
fn kernel() -> Record {
    let stick = Tree::new().file("iso/a.iso", "x").link("out", "/etc").link("up", "../../init").directory("etc");
    let mut world = with(machine("quiet"), [partition("sdb1", &ext4(stick))]);
    world.arrivals.iter_mut().for_each(|arrival| arrival.driver = None);
    world.built_in = vec!["ext4".into(), "overlay".into()];
    let mut record = Record::new(&world);
    for (fstype, target) in [("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev"), ("tmpfs", "/run")] {
        record.apply(&mount(fstype, fstype, target, MountFlags::empty())).unwrap();
    }
    record
}

fn refused(record: &mut Record, op: &Op, errno: Errno) {
    let done = record.apply(op).map_err(|error| error.raw_os_error());
    assert_eq!(done, Err(Some(errno.raw_os_error())), "{op}");
}

fn with_store(flags: MountFlags) -> Record {
    let mut record = kernel();
    record.apply(&Op::MakeDir(Place::at(STORE))).unwrap();
    record.apply(&mount("ext4", "/dev/sdb1", STORE, flags)).unwrap();
    record
}

#[test]
fn mounts_that_the_kernel_refuses() {
    let mut record = kernel();
    refused(&mut record, &mount("tmpfs", "tmpfs", "/nowhere", MountFlags::empty()), Errno::NOENT);
    refused(&mut record, &mount("tmpfs", "tmpfs", "/init", MountFlags::empty()), Errno::NOTDIR);
    refused(&mut record, &mount("vfat", "/dev/sdb1", "/run", MountFlags::RDONLY), Errno::NODEV);
    refused(&mut record, &mount("ext4", "/dev/sdz1", "/run", MountFlags::RDONLY), Errno::NOENT);
    refused(&mut record, &mount("ext4", "/init", "/run", MountFlags::RDONLY), Errno::NOTBLK);
}

#[test]
fn a_mount_cannot_move_below_itself_and_only_a_mount_moves() {
    let mut record = kernel();
    record.apply(&Op::MakeDir(Place::at("/run/root"))).unwrap();
    refused(&mut record, &move_mount("/run", "/run/root"), Errno::LOOP);
    refused(&mut record, &move_mount("/run/root", "/sys"), Errno::INVAL);
    refused(&mut record, &move_mount("/", "/run/root"), Errno::INVAL);
}

#[test]
fn what_is_busy_or_not_mounted_stays() {
    let mut record = with_store(MountFlags::RDONLY);
    refused(&mut record, &Op::Unmount(Place::at("/run/isolde")), Errno::INVAL);
    refused(&mut record, &Op::Unmount(Place::at("/run")), Errno::BUSY);
    let open = record.open(&Place::store("iso/a.iso")).unwrap();
    refused(&mut record, &Op::Unmount(Place::at(STORE)), Errno::BUSY);
    drop(open);
    record.apply(&Op::Unmount(Place::at(STORE))).unwrap();
    refused(&mut record, &Op::Unmount(Place::at(STORE)), Errno::INVAL);
}

#[test]
fn a_read_only_mount_takes_no_change() {
    let mut record = with_store(MountFlags::RDONLY);
    refused(&mut record, &Op::MakeDir(Place::store("new")), Errno::ROFS);
    refused(&mut record, &Op::Write { at: Place::store("iso/a.iso"), text: String::new() }, Errno::ROFS);
    refused(&mut record, &Op::Symlink { to: "x".into(), at: Place::store("link") }, Errno::ROFS);
    assert_eq!(record.open_writable(&Place::store("iso/a.iso")).unwrap_err().raw_os_error(), Some(30));
    record.apply(&Op::MakeDir(Place::store("iso"))).unwrap();
    refused(&mut record, &mount("ext4", "/dev/sdb1", "/sys", MountFlags::empty()), Errno::BUSY);
}

#[test]
fn what_was_written_is_there_after_the_next_mount() {
    let mut record = with_store(MountFlags::empty());
    record.apply(&Op::Write { at: Place::store("iso/b"), text: "kept".into() }).unwrap();
    record.apply(&Op::Unmount(Place::at(STORE))).unwrap();
    record.apply(&mount("ext4", "/dev/sdb1", STORE, MountFlags::RDONLY)).unwrap();
    assert_eq!(read(&record, &Place::store("iso/b"), 100).unwrap(), b"kept");
}

#[test]
fn links_do_not_lead_out_of_their_tree() {
    let record = with_store(MountFlags::RDONLY);
    assert_eq!(record.kind(&Place::store("out")).unwrap(), Some(Kind::Directory), "the stick's own /etc");
    assert_eq!(record.kind(&Place::store("up")).unwrap(), None, "the stick has no /init");
    assert_eq!(record.kind(&Place::store("../../../init")).unwrap(), None);
    assert_eq!(record.kind(&Place::at("/init")).unwrap(), Some(Kind::File { executable: true }));
}

#[test]
fn only_a_mounted_new_root_is_entered_and_then_paths_count_from_it() {
    let mut record = kernel();
    refused(&mut record, &Op::SwitchRoot, Errno::NOENT);
    record.apply(&Op::MakeDir(Place::at(NEW_ROOT))).unwrap();
    refused(&mut record, &Op::SwitchRoot, Errno::INVAL);
    refused(&mut record, &Op::EmptyInitramfs, Errno::PERM);
    record.apply(&mount("tmpfs", "tmpfs", NEW_ROOT, MountFlags::empty())).unwrap();
    record.apply(&Op::Write { at: Place::new_root("mark"), text: "new".into() }).unwrap();
    assert!(record.shell().is_ok());
    record.apply(&Op::EmptyInitramfs).unwrap();
    assert_eq!(record.shell().unwrap_err().kind(), std::io::ErrorKind::NotFound, "the shell is gone");
    assert_eq!(record.kind(&Place::at("/proc/self")).unwrap(), Some(Kind::Directory), "mounts stay");
    record.apply(&Op::SwitchRoot).unwrap();
    assert_eq!(read(&record, &Place::at("/mark"), 10).unwrap(), b"new");
    assert_eq!(record.kind(&Place::at("/proc")).unwrap(), None, "left behind");
    let missing = record.exec("/sbin/init".as_ref(), &[]).unwrap_err();
    assert_eq!(missing.raw_os_error(), Some(Errno::NOENT.raw_os_error()));
}

#[test]
fn an_overlay_shows_the_highest_layer_and_refuses_layers_that_are_not_there() {
    let mut record = kernel();
    let overlay = |options: &str| Op::Mount {
        fstype: "overlay".into(),
        source: "overlay".into(),
        target: Place::at("/run/root"),
        flags: MountFlags::empty(),
        options: options.into(),
    };
    for folder in ["/run/root", "/run/a/etc", "/run/b/etc", "/run/up", "/run/work"] {
        record.apply(&Op::MakeDir(Place::at(folder))).unwrap();
    }
    for (at, text) in [("/run/a/etc/name", "a"), ("/run/b/etc/name", "b"), ("/run/b/etc/only", "b")] {
        record.apply(&Op::Write { at: Place::at(at), text: text.into() }).unwrap();
    }
    refused(&mut record, &overlay("lowerdir=/run/a:/run/none,upperdir=/run/up,workdir=/run/work"), Errno::NOENT);
    refused(&mut record, &overlay("lowerdir=/run/a,upperdir=/run/up"), Errno::INVAL);
    refused(&mut record, &overlay("lowerdir=/run/a,upperdir=/run/up,workdir=/run/up"), Errno::INVAL);
    record.apply(&overlay("lowerdir=/run/a:/run/b,upperdir=/run/up,workdir=/run/work")).unwrap();
    assert_eq!(read(&record, &Place::at("/run/root/etc/name"), 10).unwrap(), b"a");
    assert_eq!(read(&record, &Place::at("/run/root/etc/only"), 10).unwrap(), b"b");
}

#[test]
fn events_come_in_their_time_and_only_to_who_listens() {
    let late = partition("sdc1", &ext4(Tree::new())).after(20);
    let mut record = Record::new(&with(machine(""), [late]));
    assert!(record.wait_for_events(Duration::from_secs(1)).is_err());
    record.listen().unwrap();
    // Its driver is not loaded: it never comes.
    assert!(record.wait_for_events(Duration::from_secs(30)).unwrap().is_empty());
    assert_eq!(record.now(), Duration::from_secs(30));
    for module in ["drivers/scsi/scsi_mod", "drivers/scsi/sd_mod"] {
        let path = format!("/lib/modules/{}/kernel/{module}.ko", super::modules::RELEASE);
        let file = record.open(&Place::at(path)).unwrap();
        record.load_module(&file, "").unwrap();
    }
    assert_eq!(record.wait_for_events(Duration::from_secs(30)).unwrap(), [Event::Block]);
}
