//! The real kernel behind `sys::linux`: mounts, loop devices, overlays, and look-ups that do not leave their tree.
//!
//! Takes   root, loop devices, and mksquashfs, mkfs.erofs and mke2fs. Each test works in a mount namespace of its own,
//!         on a tmpfs of its own; both go away with its thread.
//! Fails   instead of skipping where CI is set and the user is root: there all of it has to run.
#![allow(unsafe_code)] // unshare(2), in a thread that shares nothing afterwards but memory and open files
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // all of it is test code

mod privileged {
    pub mod idmap;
    pub mod upper;
}

use isolde::formats::superblock::probe;
use isolde::op::{ImageMount, Op, Place};
use isolde::sys::linux::Linux;
use isolde::sys::{Kind, Sys, read};
use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags};
use rustix::thread::UnshareFlags;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Why a test does not run here. Written past the test harness, which hides what a passing test prints.
fn skip(test: &str, why: &str) {
    let root = rustix::process::geteuid().is_root();
    assert!(!(root && std::env::var_os("CI").is_some()), "{test} cannot run here: {why}");
    io::stderr().write_all(format!("skipped: {test}: {why}\n").as_bytes()).unwrap();
}

/// Runs a test in its own mount namespace; it gets an empty tmpfs. What it gives back is the reason not to go on.
fn alone(test: &'static str, body: fn(&Path) -> Result<(), String>) {
    if !rustix::process::geteuid().is_root() {
        return skip(test, "it needs root, for mounts");
    }
    // One at a time: a program that another test starts holds this one's files open between its fork and its exec.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = std::env::temp_dir().join(format!("isolde-{test}-{}", std::process::id()));
    fs::create_dir(&folder).unwrap();
    let inside = folder.clone();
    let done = std::thread::spawn(move || {
        // SAFETY: this thread alone gets another namespace and working directory (unshare(2)); nothing depends on them.
        unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS | UnshareFlags::FS) }
            .map_err(|error| format!("no mount namespace: {error}"))?;
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        rustix::mount::mount_change("/", private).map_err(|error| format!("mounts stay shared: {error}"))?;
        rustix::mount::mount("tmpfs", &inside, "tmpfs", MountFlags::empty(), c"mode=755")
            .map_err(|error| format!("no tmpfs: {error}"))?;
        body(&inside)
    })
    .join();
    fs::remove_dir(&folder).unwrap(); // empty again: the tmpfs was in the namespace only
    match done {
        Ok(Ok(())) => {}
        Ok(Err(why)) => skip(test, &why),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

fn known(fstype: &str) -> Result<(), String> {
    let all = fs::read_to_string("/proc/filesystems").unwrap();
    let known = all.lines().any(|line| line.rsplit('\t').next() == Some(fstype));
    if known { Ok(()) } else { Err(format!("the kernel has no {fstype}")) }
}

/// Makes an image of a folder with one file, `name`.
fn image(at: &Path, fstype: &str) -> Result<PathBuf, String> {
    known(fstype)?;
    if !Path::new("/dev/loop-control").exists() {
        return Err("there are no loop devices".into());
    }
    let (from, to) = (at.join("from"), at.join(format!("{fstype}.img")));
    fs::create_dir_all(&from).unwrap();
    fs::write(from.join("name"), fstype).unwrap();
    let (from, file) = (from.to_str().unwrap(), to.to_str().unwrap());
    let (program, arguments): (&str, Vec<&str>) = match fstype {
        "squashfs" => ("mksquashfs", vec![from, file, "-quiet", "-no-progress"]),
        "erofs" => ("mkfs.erofs", vec!["--quiet", file, from]),
        _ => ("mke2fs", vec!["-q", "-t", "ext4", "-d", from, file, "4M"]),
    };
    let output = Command::new(program).args(arguments).output().map_err(|error| format!("{program}: {error}"))?;
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(to)
}

fn errno<T: std::fmt::Debug>(done: io::Result<T>) -> Option<i32> {
    done.unwrap_err().raw_os_error()
}

fn raw(errno: Errno) -> Option<i32> {
    Some(errno.raw_os_error())
}

/// Which file is behind a loop device, if any.
fn backing(device: &Path) -> Option<String> {
    let name = device.file_name()?.to_str()?;
    fs::read_to_string(format!("/sys/block/{name}/loop/backing_file")).ok()
}

fn make(at: &Path) -> Op {
    Op::MakeDir(Place::at(at))
}

fn image_is_mounted_read_only_and_cleared(at: &Path, fstype: &str) -> Result<(), String> {
    let file = image(at, fstype)?;
    let target = at.join("target");
    let mut linux = Linux::new();
    linux.apply(&make(&target)).unwrap();
    let open = linux.open(&Place::at(&file)).unwrap();
    let mount = ImageMount::read_only("image", fstype, Place::at(&target));
    let device = match linux.mount_image(&open, &mount) {
        Err(error) if [raw(Errno::PERM), raw(Errno::NOENT)].contains(&error.raw_os_error()) => {
            return Err(format!("no loop device may be used: {error}"));
        }
        done => done.unwrap(),
    };
    let inside = Place::within(&target, "name");
    assert_eq!(read(&linux, &inside, 100).unwrap(), fstype.as_bytes());
    assert_eq!(backing(&device).unwrap().trim_end(), file.to_str().unwrap());
    let write = Op::Write { at: inside.clone(), text: "changed".into() };
    assert_eq!(errno(linux.apply(&write)), raw(Errno::ROFS));
    assert_eq!(errno(linux.apply(&Op::MakeDir(Place::within(&target, "new")))), raw(Errno::ROFS));
    assert_eq!(errno(linux.open_writable(&inside)), raw(Errno::ROFS));
    linux.apply(&Op::Unmount(Place::at(&target))).unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while backing(&device).is_some_and(|behind| behind.trim_end() == file.to_str().unwrap()) {
        assert!(Instant::now() < deadline, "{} is left behind", device.display());
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

#[test]
fn a_squashfs_image_is_mounted_read_only_and_its_loop_device_goes_away() {
    alone("squashfs", |at| image_is_mounted_read_only_and_cleared(at, "squashfs"));
}

#[test]
fn an_erofs_image_is_mounted_read_only_and_its_loop_device_goes_away() {
    alone("erofs", |at| image_is_mounted_read_only_and_cleared(at, "erofs"));
}

#[test]
fn an_ext4_image_is_mounted_read_only_and_its_loop_device_goes_away() {
    alone("ext4", |at| image_is_mounted_read_only_and_cleared(at, "ext4"));
}

#[test]
fn a_writable_image_keeps_what_was_written() {
    alone("writable", |at| {
        let file = image(at, "ext4")?;
        let target = at.join("target");
        let mut linux = Linux::new();
        linux.apply(&make(&target)).unwrap();
        for (n, want) in ["ext4", "written"].into_iter().enumerate() {
            let open = linux.open_writable(&Place::at(&file)).unwrap();
            let mut mount = ImageMount::read_only("image", "ext4", Place::at(&target));
            mount.flags = MountFlags::NOSUID | MountFlags::NODEV;
            linux.mount_image(&open, &mount).unwrap();
            let inside = Place::within(&target, "name");
            assert_eq!(read(&linux, &inside, 100).unwrap(), want.as_bytes(), "mount {n}");
            linux.apply(&Op::Write { at: inside, text: "written".into() }).unwrap();
            assert!(options(&target).unwrap().contains("nosuid,nodev"));
            linux.apply(&Op::Unmount(Place::at(&target))).unwrap();
        }
        Ok(())
    });
}

/// The options of the mount at a path, for this thread.
fn options(at: &Path) -> Option<String> {
    let all = fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
    let mut fields = all.lines().map(|line| line.split(' ').skip(4));
    fields.find_map(|mut rest| (rest.next() == at.to_str()).then(|| rest.next().unwrap().to_owned()))
}

#[test]
fn the_first_lower_layer_of_an_overlay_is_the_highest() {
    alone("overlay", |at| {
        known("overlay")?;
        let mut linux = Linux::new();
        for folder in ["high", "low", "upper", "work", "root"] {
            linux.apply(&make(&at.join(folder))).unwrap();
        }
        for (path, text) in [("high/both", "high"), ("low/both", "low"), ("low/only", "low")] {
            fs::write(at.join(path), text).unwrap();
        }
        let path = |name: &str| at.join(name).to_str().unwrap().to_owned();
        let (high, low, upper, work) = (path("high"), path("low"), path("upper"), path("work"));
        let overlay = Op::Mount {
            fstype: "overlay".into(),
            source: "overlay".into(),
            target: Place::at(at.join("root")),
            flags: MountFlags::NOATIME,
            options: format!("lowerdir={high}:{low},upperdir={upper},workdir={work}"),
        };
        linux.apply(&overlay).unwrap();
        let root = at.join("root");
        assert_eq!(read(&linux, &Place::within(&root, "both"), 10).unwrap(), b"high");
        assert_eq!(read(&linux, &Place::within(&root, "only"), 10).unwrap(), b"low");
        linux.apply(&Op::Write { at: Place::within(&root, "only"), text: "new".into() }).unwrap();
        assert_eq!(fs::read_to_string(at.join("upper/only")).unwrap(), "new");
        assert_eq!(fs::read_to_string(at.join("low/only")).unwrap(), "low", "a layer is never written to");
        Ok(())
    });
}

#[test]
fn a_place_does_not_leave_its_tree() {
    alone("place", |at| {
        let tree = at.join("tree");
        fs::create_dir_all(tree.join("etc")).unwrap();
        fs::write(at.join("secret"), "outside").unwrap();
        fs::write(tree.join("etc/passwd"), "inside").unwrap();
        for (name, to) in [
            ("absolute", "/etc/passwd"),
            ("up", "../../../../secret"),
            ("chain", "etc/back"),
            ("etc/back", "/up"),
            ("root", "/"),
            ("circle", "circle"),
            ("process", "/proc/self/root"),
        ] {
            symlink(to, tree.join(name)).unwrap();
        }
        let mut linux = Linux::new();
        let place = |path: &str| Place::within(&tree, path);
        assert_eq!(read(&linux, &place("absolute"), 100).unwrap(), b"inside");
        assert_eq!(read(&linux, &place("root/etc/passwd"), 100).unwrap(), b"inside");
        assert_eq!(read(&linux, &place("../tree/../etc/passwd"), 100).ok(), None, "the tree has no /tree");
        assert_eq!(read(&linux, &place("../../etc/passwd"), 100).unwrap(), b"inside");
        for gone in ["up", "chain", "../secret", "circle", "process", "etc/passwd/x"] {
            assert_eq!(linux.kind(&place(gone)).unwrap(), None, "{gone}");
            assert!(linux.open(&place(gone)).is_err(), "{gone}");
        }
        // What is written through such a link is written inside.
        linux.apply(&Op::Write { at: place("up"), text: "new".into() }).unwrap();
        assert_eq!(fs::read_to_string(at.join("secret")).unwrap(), "outside");
        assert_eq!(fs::read_to_string(tree.join("secret")).unwrap(), "new");
        linux.apply(&Op::MakeDir(place("root/made"))).unwrap();
        assert!(tree.join("made").is_dir() && !Path::new("/made").exists());
        Ok(())
    });
}

#[test]
fn a_bind_mount_has_the_flags_that_were_asked_for() {
    alone("bind", |at| {
        let mut linux = Linux::new();
        let (source, plain, strict) = (at.join("source"), at.join("plain"), at.join("strict"));
        for folder in [&source, &plain, &strict] {
            linux.apply(&make(folder)).unwrap();
        }
        let bind = |target: &Path, flags| Op::Bind { source: Place::at(&source), target: Place::at(target), flags };
        linux.apply(&bind(&plain, MountFlags::empty())).unwrap();
        linux.apply(&bind(&strict, MountFlags::NOSUID | MountFlags::NODEV)).unwrap();
        assert!(!options(&plain).unwrap().contains("nosuid"));
        assert!(options(&strict).unwrap().contains("nosuid,nodev"));
        // The one that was there before keeps its own.
        assert!(!options(at).unwrap().contains("nosuid"));
        Ok(())
    });
}

#[test]
fn directories_are_made_through_linked_ones() {
    alone("directories", |at| {
        let mut linux = Linux::new();
        fs::create_dir_all(at.join("usr/lib")).unwrap();
        fs::write(at.join("file"), "").unwrap();
        symlink("usr/lib", at.join("lib")).unwrap();
        symlink("/nowhere", at.join("dangling")).unwrap();
        let place = |path: &str| Place::within(at, path);
        linux.apply(&Op::MakeDir(place("lib/firmware/b43"))).unwrap();
        assert!(at.join("usr/lib/firmware/b43").is_dir());
        assert!(at.join("lib").is_symlink(), "the link itself stays");
        linux.apply(&Op::MakeDir(place("lib/firmware/b43"))).unwrap();
        assert_eq!(errno(linux.apply(&Op::MakeDir(place("a/../b")))), raw(Errno::INVAL));
        assert_eq!(errno(linux.apply(&Op::MakeDir(place("file/x")))), raw(Errno::NOTDIR));
        assert_eq!(errno(linux.apply(&Op::MakeDir(place("dangling")))), raw(Errno::EXIST));
        Ok(())
    });
}

#[test]
fn a_link_replaces_files_and_links_and_no_directory() {
    alone("symlink", |at| {
        let mut linux = Linux::new();
        fs::write(at.join("file"), "").unwrap();
        symlink("old", at.join("link")).unwrap();
        fs::create_dir(at.join("folder")).unwrap();
        let link = |name: &str| Op::Symlink { to: "new".into(), at: Place::within(at, name) };
        for name in ["file", "link", "none"] {
            linux.apply(&link(name)).unwrap();
            assert_eq!(fs::read_link(at.join(name)).unwrap(), Path::new("new"));
        }
        assert_eq!(errno(linux.apply(&link("folder"))), raw(Errno::ISDIR));
        assert_eq!(errno(linux.apply(&link("nothing/x"))), raw(Errno::NOENT));
        Ok(())
    });
}

/// What `sys::record` refuses is what the kernel refuses, with the same errno.
#[test]
fn the_fake_kernel_refuses_as_this_one_does() {
    alone("premises", |at| {
        let mut linux = Linux::new();
        let (inner, deep) = (at.join("inner"), at.join("inner/deep"));
        let mount = |fstype: &str, target: &Path| Op::Mount {
            fstype: fstype.into(),
            source: fstype.into(),
            target: Place::at(target),
            flags: MountFlags::empty(),
            options: String::new(),
        };
        let unmount = |at: &Path| Op::Unmount(Place::at(at));
        let move_to = |from: &Path, to: &Path| Op::Move { source: Place::at(from), target: Place::at(to) };
        linux.apply(&make(&inner)).unwrap();
        linux.apply(&mount("tmpfs", &inner)).unwrap();
        linux.apply(&make(&deep)).unwrap();
        fs::write(at.join("file"), "").unwrap();
        assert_eq!(errno(linux.apply(&mount("tmpfs", &at.join("none")))), raw(Errno::NOENT));
        assert_eq!(errno(linux.apply(&mount("tmpfs", &at.join("file")))), raw(Errno::NOTDIR));
        assert_eq!(errno(linux.apply(&mount("nosuchfs", &deep))), raw(Errno::NODEV));
        assert_eq!(errno(linux.apply(&move_to(&inner, &deep))), raw(Errno::LOOP));
        assert_eq!(errno(linux.apply(&move_to(&deep, at))), raw(Errno::INVAL));
        assert_eq!(errno(linux.apply(&unmount(&deep))), raw(Errno::INVAL));
        linux.apply(&mount("tmpfs", &deep)).unwrap();
        assert_eq!(errno(linux.apply(&unmount(&inner))), raw(Errno::BUSY));
        linux.apply(&unmount(&deep)).unwrap();
        fs::write(inner.join("held"), "").unwrap();
        let held = linux.open(&Place::at(inner.join("held"))).unwrap();
        assert_eq!(errno(linux.apply(&unmount(&inner))), raw(Errno::BUSY));
        drop(held);
        linux.apply(&unmount(&inner)).unwrap();
        assert_eq!(linux.kind(&Place::at(&deep)).unwrap(), None::<Kind>);
        Ok(())
    });
}

#[test]
fn an_attribute_of_sysfs_is_read_although_it_says_that_it_is_a_page_long() {
    let at = Place::at("/sys/kernel/uevent_seqnum"); // a number
    let number = read(&Linux::new(), &at, 32).unwrap();
    assert!(String::from_utf8(number).unwrap().trim().parse::<u64>().is_ok());
    assert_eq!(fs::metadata("/sys/kernel/uevent_seqnum").unwrap().len() % 4096, 0, "the kernel's own claim");
    assert!(read(&Linux::new(), &at, 0).is_err(), "what is there is more than nothing");
}

#[test]
fn only_process_1_empties_an_initramfs() {
    alone("initramfs", |at| {
        assert_ne!(std::process::id(), 1, "as process 1 this test would delete what it runs on");
        fs::write(at.join("kept"), "").unwrap();
        let refused = Linux::new().apply(&Op::EmptyInitramfs).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
        assert_eq!(refused.to_string(), "this is not process 1");
        assert!(at.join("kept").exists());
        Ok(())
    });
}

/// The kernel's own way to stop a file system as a power cut does: `xfs_io -x -c shutdown`, which ext4 knows as well. Its log
/// is full of changes then, and empty again after the next mount.
#[test]
fn a_file_system_that_was_cut_off_is_dirty_until_it_is_mounted_again() {
    alone("cut-off", |folder| {
        for (fstype, program) in [("xfs", "mkfs.xfs"), ("ext4", "mkfs.ext4")] {
            known(fstype)?;
            let image = folder.join(fstype);
            fs::File::create(&image).unwrap().set_len(320 << 20).unwrap();
            let at = folder.join("mnt");
            fs::create_dir_all(&at).unwrap();
            let run = |program: &str, arguments: &[&str]| {
                let path = "/usr/sbin:/sbin:/usr/bin:/bin";
                let done =
                    Command::new(program).env("PATH", path).args(arguments).output().map_err(|e| e.to_string())?;
                let text = String::from_utf8_lossy(&done.stderr).into_owned();
                if done.status.success() { Ok(()) } else { Err(format!("{program} {arguments:?}: {text}")) }
            };
            let (name, mnt) = (image.to_str().unwrap(), at.to_str().unwrap());
            let is_dirty = || probe(&fs::read(&image).unwrap().as_slice()).unwrap().unwrap().dirty;
            run(program, &["-q", name])?;
            assert!(!is_dirty(), "{fstype}: new");
            // Several rounds, so that the log's end is somewhere in it.
            for round in 0..3 {
                run("mount", &["-o", "loop", name, mnt])?;
                for n in 0..200 {
                    fs::write(at.join(format!("{round}-{n}")), [7; 5000]).unwrap();
                }
                run("xfs_io", &["-x", "-c", "shutdown -f", mnt])?;
                run("umount", &[mnt])?;
                assert!(is_dirty(), "{fstype}: cut off in round {round}");
                run("mount", &["-o", "loop", name, mnt])?;
                run("umount", &[mnt])?;
                assert!(!is_dirty(), "{fstype}: unmounted in round {round}");
            }
            fs::remove_file(&image).unwrap();
        }
        Ok(())
    });
}
