//! The way out of the booted system, on the fake kernel that it was booted on.

use super::harness::{End, boot_and_leave};
use super::scenarios;
use super::sealed::{Key, sealed, world};
use isolde::sys::record::{Ending, World};
use isolde::sys::{Halt, Level, User};
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
