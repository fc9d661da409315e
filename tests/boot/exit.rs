//! The way out of the booted system, on the fake kernel that it was booted on.

use super::harness::{End, boot, boot_and_leave, boot_and_leave_by_script, boot_with};
use super::scenarios;
use super::sealed::{Key, sealed, world};
use super::worlds::{machine, partition, root, with};
use isolde::op::{Op, Place};
use isolde::sys::record::{Content, Ending, Medium, Tree, World};
use isolde::sys::{Halt, Level, Sys, User};
use rustix::io::Errno;
use rustix::mount::MountFlags;

const VIRTUAL: [&str; 6] = ["rootfs", "proc", "sysfs", "devtmpfs", "tmpfs", "ramfs"];

/// What is still mounted and is no virtual file system.
fn left(end: &End) -> Vec<&str> {
    let left = end.mounted.iter().filter(|mounted| !VIRTUAL.contains(&mounted.fstype.as_str()));
    left.map(|mounted| mounted.source.as_str()).collect()
}

#[test]
fn whatever_was_booted_nothing_stays_mounted() {
    let mut left_behind = 0;
    for (name, world) in scenarios::all() {
        let Some(end) = boot_and_leave(&world, "poweroff", |_| {}) else { continue };
        assert_eq!(left(&end), Vec::<&str>::new(), "{name}: {}", end.journal);
        assert_eq!(end.ending, Ending::Halted(Halt::PowerOff), "{name}");
        left_behind += 1;
    }
    assert!(left_behind > 20, "{left_behind} scenarios boot");
}

/// Process 1 of the fake holds nothing.
#[test]
fn nothing_stays_mounted_where_a_script_leaves() {
    let mut left_behind = 0;
    for (name, world) in scenarios::all() {
        let Some(end) = boot_and_leave_by_script(&world, "reboot", |_| {}) else { continue };
        let end = end.unwrap_or_else(|journal| panic!("{name}: it returned: {journal}"));
        assert_eq!((left(&end), end.ending), (Vec::new(), Ending::Halted(Halt::Reboot)), "{name}: {}", end.journal);
        left_behind += 1;
    }
    assert!(left_behind > 20, "{left_behind} scenarios boot");
}

/// Before it is in its own root, a failure changes nothing of how the machine stops: the script goes on.
#[test]
fn a_script_goes_on_when_the_way_out_cannot_be_taken() {
    for part in ["mount --bind /run/initramfs", "mount --move /dev", "pivot_root"] {
        let fail = |record: &mut isolde::sys::record::Record| record.fail_when(part, Errno::INVAL);
        let end = boot_and_leave_by_script(&scenarios::everything(), "poweroff", fail).unwrap();
        let Err(journal) = end else { panic!("{part}: the machine stopped") };
        let warned = journal.log(Level::Warning).any(|line| line.contains(part) && line.contains("stays mounted"));
        assert!(warned, "{part}: {journal}");
    }
}

/// Process 1, which executes the program: the verb was left there, and whoever still runs holds the old root.
#[test]
fn process_1_goes_on_where_the_script_was() {
    let prepare = |record: &mut isolde::sys::record::Record| {
        record.apply(&Op::Write { at: Place::at("/verb"), text: "reboot".to_owned() }).unwrap();
    };
    let end = boot_and_leave(&scenarios::everything(), "--init", prepare).unwrap();
    assert_eq!((left(&end), &end.ending), (Vec::new(), &Ending::Halted(Halt::Reboot)), "{}", end.journal);
    let changes: Vec<&str> = end.journal.changes().collect();
    let place = |part: &str| changes.iter().position(|line| line.contains(part));
    assert!(place("kill all other processes").unwrap() < place("umount /oldroot/home").unwrap(), "{changes:?}");
}

/// It follows into the new root, before anything is unmounted; where it cannot, the machine stops all the same.
#[test]
fn a_script_has_process_1_follow() {
    let follow = "process 1 executes /shutdown --init";
    let end = boot_and_leave_by_script(&scenarios::everything(), "reboot", |_| {}).unwrap().unwrap();
    let changes: Vec<&str> = end.journal.changes().collect();
    let place = |part: &str| changes.iter().position(|line| line.contains(part)).unwrap_or_else(|| panic!("{part}"));
    assert!(place("pivot_root") < place(follow) && place(follow) < place("umount /oldroot/home"), "{changes:?}");
    let fail = |record: &mut isolde::sys::record::Record| record.fail_when(follow, Errno::PERM);
    let end = boot_and_leave_by_script(&scenarios::everything(), "reboot", fail).unwrap().unwrap();
    assert_eq!(end.ending, Ending::Halted(Halt::Reboot));
    assert!(end.journal.log(Level::Warning).any(|line| line.contains("it holds the old root")), "{}", end.journal);
}

/// kexec(8) loads it, and the scripts that know of it would start it after the one that calls us.
#[test]
fn a_kernel_that_was_loaded_is_started_in_place_of_a_reboot() {
    for (loaded, verb, how) in [
        ("1\n", "reboot", Halt::Kexec),
        ("0\n", "reboot", Halt::Reboot),
        ("1\n", "poweroff", Halt::PowerOff),
        ("1\n", "halt", Halt::Halt),
    ] {
        let prepare = |record: &mut isolde::sys::record::Record| {
            // The fake's sysfs takes no files, as the kernel's.
            record.apply(&tmpfs("/sys")).unwrap();
            let at = Place::at("/sys/kernel");
            record.apply(&Op::MakeDir(at.clone())).unwrap();
            record.apply(&Op::Write { at: at.join("kexec_loaded"), text: loaded.to_owned() }).unwrap();
        };
        let end = boot_and_leave_by_script(&scenarios::everything(), verb, prepare).unwrap().unwrap();
        assert_eq!(end.ending, Ending::Halted(how), "{verb} with {loaded:?}");
    }
}

fn tmpfs(at: &str) -> Op {
    Op::Mount {
        fstype: "tmpfs".to_owned(),
        source: "tmpfs".to_owned(),
        target: Place::at(at),
        flags: MountFlags::empty(),
        options: String::new(),
    }
}

/// busybox' init tells only the kernel what it was asked for.
#[test]
fn a_script_that_does_not_know_waits_for_what_process_1_asks() {
    for how in [Halt::Reboot, Halt::PowerOff, Halt::Halt, Halt::Kexec] {
        let world = World { end: Some(how), ..scenarios::everything() };
        let end = boot_and_leave_by_script(&world, "as-asked", |_| {}).unwrap().unwrap();
        assert_eq!((left(&end), &end.ending), (Vec::new(), &Ending::Halted(how)));
        let changes: Vec<&str> = end.journal.changes().collect();
        let place = |part: &str| changes.iter().position(|line| line.contains(part)).unwrap();
        assert!(place("await the end of process 1") < place("pivot_root"), "{changes:?}");
    }
    let end = boot_and_leave_by_script(&scenarios::everything(), "as-asked", |_| {}).unwrap();
    let Err(journal) = end else { panic!("the machine stopped") };
    assert!(journal.log(Level::Warning).any(|line| line.contains("operation not permitted")), "{journal}");
    assert!(!journal.changes().any(|line| line.contains("pivot_root")), "the script goes on in its root");
}

/// The changes below the root that have to do with the way out, from booting this root.
fn hooks(tree: Tree) -> Vec<String> {
    let image = Content::image(&Medium::new("squashfs", tree));
    let store = Medium::new("ext4", Tree::new().file("root.squashfs", image));
    let end = boot(&with(machine("isolde.image=/root.squashfs"), [partition("sdb1", &store)])).end;
    assert_eq!(end.ending, Ending::Exec, "{}", end.journal);
    let changes = end
        .journal
        .changes()
        .filter(|line| ["isolde-exit", "runit", "rc.shutdown", "inittab"].iter().any(|part| line.contains(part)));
    // Without the texts, which are in src/exit/hooks.
    changes.map(|line| line.lines().next().unwrap().replace("/isolde/root", "")).collect()
}

#[test]
fn only_a_root_with_such_scripts_gets_a_file() {
    assert_eq!(hooks(root()), Vec::<String>::new());
    let starts = |tree: Tree, wanted: &[&str]| {
        let changes = hooks(tree);
        assert_eq!(changes.len(), wanted.len(), "{changes:?}");
        for (change, wanted) in changes.iter().zip(wanted) {
            assert!(change.starts_with(wanted), "{change}: {wanted}");
        }
    };
    starts(
        root().file("usr/lib/lsb/init-functions", "# functions\n"),
        &["write /lib/lsb/init-functions.d/isolde-exit"],
    );
    starts(
        root().directory("etc/runlevels/shutdown").directory("etc/init.d"),
        &["write /etc/init.d/isolde-exit", "own 0:0 mode 755 /etc/init.d/isolde-exit", "ln -s /etc/init.d/isolde-exit"],
    );
    starts(root().file("etc/inittab", "l0:0:wait:/etc/init.d/rc 0\n"), &[]);
    starts(
        root().file("etc/inittab", "::shutdown:/sbin/openrc shutdown\n"),
        &["write /etc/isolde-exit", "own 0:0 mode 755 /etc/isolde-exit", "write /etc/inittab"],
    );
    let s6 = "/etc/s6-linux-init/current/scripts/rc.shutdown.final";
    starts(
        root().program("etc/s6-linux-init/current/scripts/rc.shutdown"),
        &[&format!("write {s6}"), &format!("own 0:0 mode 755 {s6}")],
    );
}

/// A script that is there is called by ours, and is never lost.
#[test]
fn a_script_that_is_there_makes_room() {
    let wanted = ["mv -n /etc/runit/3 /etc/runit/3.before", "write /etc/runit/3", "own 0:0 mode 755 /etc/runit/3"];
    let changes = hooks(root().program("etc/runit/3"));
    assert_eq!(changes.len(), 3, "{changes:?}");
    for (change, wanted) in changes.iter().zip(wanted) {
        assert!(change.starts_with(wanted), "{change}: {wanted}");
    }
    // An earlier session has done so.
    let changes = hooks(root().program("etc/runit/3").program("etc/runit/3.before"));
    assert!(changes.len() == 2 && changes.iter().all(|change| !change.starts_with("mv")), "{changes:?}");
}

#[test]
fn a_script_that_cannot_make_room_stays() {
    let image = Content::image(&Medium::new("squashfs", root().program("etc/runit/3")));
    let store = Medium::new("ext4", Tree::new().file("root.squashfs", image));
    let world = with(machine("isolde.image=/root.squashfs"), [partition("sdb1", &store)]);
    let end = boot_with(&world, |record| record.fail_when("mv -n /isolde/root/etc/runit/3", Errno::NOSPC)).end;
    assert_eq!(end.ending, Ending::Exec, "{}", end.journal);
    assert!(!end.journal.changes().any(|line| line.starts_with("write /isolde/root/etc/runit/3")), "{}", end.journal);
    assert!(end.journal.log(Level::Warning).any(|line| line.contains("etc/runit/3") && line.contains("stays mounted")));
}

#[test]
fn a_sealed_image_goes_with_its_devices() {
    let end = boot_and_leave(&world(Some(&Key::new(1)), "", "", &sealed(&Key::new(1))), "reboot", |_| {}).unwrap();
    assert_eq!((left(&end), end.ending), (Vec::new(), Ending::Halted(Halt::Reboot)), "{}", end.journal);
}

#[test]
fn the_verb_is_systemds() {
    for (verb, how) in [("halt", Halt::Halt), ("kexec", Halt::Kexec), ("reboot", Halt::Reboot), ("", Halt::PowerOff)] {
        let end = boot_and_leave(&scenarios::everything(), verb, |_| {}).unwrap();
        assert_eq!(end.ending, Ending::Halted(how), "{verb}");
    }
}

#[test]
fn what_stays_busy_is_named_and_made_read_only() {
    let user = User { pid: 77, name: "editor".into(), file: "/oldroot/home/user/note".into() };
    let world = World { users: vec![user], ..scenarios::everything() };
    let busy = "umount /oldroot/home";
    let end = boot_and_leave(&world, "poweroff", |record| record.fail_when(busy, Errno::BUSY)).unwrap();
    let warned: Vec<&str> = end.journal.log(Level::Warning).filter(|line| line.contains("stays mounted")).collect();
    assert!(
        warned.iter().any(|line| line.contains(
            "/oldroot/home stays mounted, used by editor[77] (/oldroot/home/user/note); it is read-only now"
        )),
        "{warned:?}"
    );
    assert!(end.journal.changes().any(|line| line == "mount -o remount,ro /oldroot/home"), "{}", end.journal);
    assert_eq!(end.ending, Ending::Halted(Halt::PowerOff), "the machine stops all the same");
}

#[test]
fn no_failure_on_the_way_keeps_the_machine_from_stopping() {
    for errno in [Errno::IO, Errno::BUSY] {
        let end =
            boot_and_leave(&scenarios::everything(), "poweroff", |record| record.fail_when("mount", errno)).unwrap();
        assert_eq!(end.ending, Ending::Halted(Halt::PowerOff), "{errno}: {}", end.journal);
    }
}
