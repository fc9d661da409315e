//! The way out of the booted system, on the fake kernel that it was booted on.

use super::harness::{End, boot, boot_and_leave, boot_and_leave_by_script};
use super::scenarios;
use super::sealed::{Key, sealed, world};
use super::worlds::{machine, partition, root, with};
use isolde::op::{Op, Place};
use isolde::sys::record::{Content, Ending, Medium, Tree, World};
use isolde::sys::{Halt, Level, Sys, User};
use rustix::io::Errno;

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

/// sysvinit, executed again with the folder as its root: the verb was left there, and whoever still runs holds the old root.
#[test]
fn process_1_that_is_executed_again_goes_on_where_the_script_was() {
    let prepare = |record: &mut isolde::sys::record::Record| {
        record.apply(&Op::Write { at: Place::at("/verb"), text: "reboot".to_owned() }).unwrap();
    };
    let end = boot_and_leave(&scenarios::everything(), "--init", prepare).unwrap();
    assert_eq!((left(&end), &end.ending), (Vec::new(), &Ending::Halted(Halt::Reboot)), "{}", end.journal);
    let changes: Vec<&str> = end.journal.changes().collect();
    let place = |part: &str| changes.iter().position(|line| line.contains(part));
    assert!(place("kill all other processes").unwrap() < place("umount /oldroot/home").unwrap(), "{changes:?}");
}

#[test]
fn only_a_root_with_such_scripts_gets_the_file() {
    let hook = "write /isolde/root/lib/lsb/init-functions.d/isolde-exit";
    let wrote = |tree: Tree| {
        let image = Content::image(&Medium::new("squashfs", tree));
        let store = Medium::new("ext4", Tree::new().file("root.squashfs", image));
        let end = boot(&with(machine("isolde.image=/root.squashfs"), [partition("sdb1", &store)])).end;
        assert_eq!(end.ending, Ending::Exec, "{}", end.journal);
        end.journal.changes().any(|line| line.starts_with(hook))
    };
    assert!(wrote(root().file("usr/lib/lsb/init-functions", "# functions\n")));
    assert!(!wrote(root()));
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
