//! A whole boot of a casper medium on the fake kernel: where things are mounted, and what is done around the scripts.

use super::{desktop, initrd, root};
use crate::machine::Machine;
use crate::op::Place;
use crate::sys::record::{Arrival, Arrives, Behaviour, Content, Medium, Record, Tree, World};
use crate::sys::{BlockDevice, Bus, End, Sys};

const SHELL: &str = "/bin/sh";

fn world(end: End) -> World {
    let layer = |tree: Tree| Content::image(&Medium::new("squashfs", tree));
    let folders = ["dev", "proc", "sys", "run", "tmp", "cdrom"];
    let base = folders.iter().fold(root().program("sbin/init"), |tree, folder| tree.directory(folder));
    let iso = desktop()
        .file("casper/minimal.squashfs", layer(base))
        .file("casper/minimal.standard.squashfs", layer(Tree::new().file("etc/mark", "2")))
        .file("casper/minimal.standard.live.squashfs", layer(Tree::new().file("etc/mark", "3")));
    let iso = Content::image(&Medium::new("iso9660", iso));
    let store = Content::image(&Medium::new("ext4", Tree::new().file("iso/ubuntu.iso", iso)));
    let device = BlockDevice {
        name: "sda1".into(),
        disk: Some("sda".into()),
        partition: Some(1),
        sequence: None,
        size: store.size(),
        removable: true,
        bus: Bus::Usb,
        mapped: None,
    };
    let initramfs = ["dev", "proc", "sys", "run"]
        .iter()
        .fold(initrd(Some("minimal.standard.live.squashfs")).program("init"), |tree, folder| tree.directory(folder));
    World {
        cmdline: "boot=casper iso-scan/filename=/iso/ubuntu.iso quiet ---".into(),
        initramfs,
        built_in: ["loop", "iso9660", "squashfs", "ext4", "overlay"].map(str::to_owned).into(),
        arrivals: vec![Arrival::now(Arrives::Device(device, store))],
        programs: [(SHELL.to_owned(), Behaviour { prints: vec!["Begin: Adding live session user...".into()], end })]
            .into(),
        ..World::default()
    }
}

/// Boots to the exec, which the fake kernel does not do.
fn boot(world: &World) -> Machine<Record> {
    let mut machine = Machine::new(Record::new(world));
    let Err(error) = crate::boot(&mut machine);
    assert!(error.to_string().contains("runs no programs"), "{error}");
    machine
}

fn text(machine: &Machine<Record>, path: &str) -> String {
    let bytes = crate::sys::read(machine.sys(), &Place::at(path), 1 << 20).unwrap_or_default();
    String::from_utf8(bytes).unwrap()
}

/// What stands at these changes' words, in this order.
fn in_order(machine: &Machine<Record>, wanted: &[&str]) {
    let changes: Vec<&str> = machine.sys().journal().changes().collect();
    let mut rest = changes.iter();
    for part in wanted {
        assert!(rest.any(|change| change.starts_with(part)), "{part} in {changes:#?}");
    }
}

#[test]
fn scripts_run_against_the_root_with_the_medium_beside_it() {
    let machine = boot(&world(End::Exited(0)));
    in_order(
        &machine,
        &[
            "mount --bind /run/isolde/medium /isolde/root/cdrom",
            "mount --bind /run/isolde/layers/minimal.squashfs /isolde/root/rofs",
            "mount --move /isolde/root /root",
            "mount --bind /proc /root/proc",
            "mount --move /root/cdrom /cdrom",
            "chroot / /bin/sh /isolde/scripts",
            "mount --move /cdrom /root/cdrom",
            "umount -l /root/proc",
            "mount --move /root /isolde/root",
            "write /isolde/root/etc/passwd",
            "mount --move /proc /isolde/root/proc",
        ],
    );
    assert_eq!(machine.warnings(), [""; 0], "nothing was left undone");
    assert_eq!(text(&machine, "/etc/mark"), "3");
    assert!(text(&machine, "/etc/passwd").contains("ubuntu:x:1000:"));
    let mounted: Vec<String> =
        machine.sys().mounted().into_iter().filter_map(|m| Some(m.target?.to_string_lossy().into_owned())).collect();
    for target in
        ["/cdrom", "/rofs", "/isodevice", "/run/isolde/medium", "/run/isolde/layers/minimal.standard.squashfs"]
    {
        assert_eq!(mounted.iter().filter(|mounted| *mounted == target).count(), 1, "{target} in {mounted:?}");
    }
    assert!(text(&machine, "/run/isolde/report.json").contains("\"scripts\": \"succeeded\""));
}

#[test]
fn scripts_that_fail_or_hang_leave_a_root_that_boots() {
    for end in [End::Exited(2), End::TimedOut, End::Signalled(11)] {
        let machine = boot(&world(end.clone()));
        assert_eq!(machine.warnings().len(), 1, "{end:?}: {:?}", machine.warnings());
        assert!(text(&machine, "/etc/passwd").contains("ubuntu:x:1000:"), "{end:?}: what is missing is done natively");
    }
}

#[test]
fn an_initramfs_without_a_shell_or_without_scripts_gets_the_duties_alone() {
    let full = world(End::Exited(0));
    let folders = ["dev", "proc", "sys", "run"];
    let without = folders.iter().fold(Tree::new().program("init"), |tree, folder| tree.directory(folder));
    let machine = boot(&World { initramfs: without, ..full });
    assert!(!machine.sys().journal().changes().any(|change| change.contains("/bin/sh")));
    assert!(text(&machine, "/etc/passwd").contains("ubuntu:x:1000:"));
    assert_eq!(text(&machine, "/etc/mark"), "3", "the one live layer is the leaf");
}

#[test]
fn a_root_that_cannot_be_moved_is_left_where_it_is() {
    let mut record = Record::new(&world(End::Exited(0)));
    record.fail_when("mount --move /isolde/root /root", rustix::io::Errno::INVAL);
    let mut machine = Machine::new(record);
    let Err(error) = crate::boot(&mut machine);
    assert!(error.to_string().contains("runs no programs"), "{error}");
    assert!(machine.warnings().iter().any(|warning| warning.contains("scripts are not run")));
    assert!(text(&machine, "/etc/passwd").contains("ubuntu:x:1000:"));
    assert!(machine.sys().kind(&Place::at("/cdrom/casper")).unwrap().is_some());
}
