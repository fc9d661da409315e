//! The other way out of `family`: the distribution's own init boots. What it finds, and what is left of this program.

use super::harness::{Outcome, boot};
use super::invariants;
use super::worlds::*;
use isolde::error::{Cause, Stage};
use isolde::sys::Level;
use isolde::sys::record::{Content, Ending, Medium, Tree, World};

const OWN: &str = "/isolde/init";
const EXEC: &str = "exec /init --flag";

/// A machine with the rdinit form of the second initrd beside the distribution's own init.
fn rdinit(line: &str) -> World {
    let mut world = machine(line);
    world.initramfs = world.initramfs.program(OWN.trim_start_matches('/'));
    world.own_path = Some(OWN.to_owned());
    world.arguments = vec!["--flag".to_owned()];
    world
}

/// An ISO on an ext4 stick.
fn stick(line: &str, iso: &Medium) -> World {
    with(rdinit(line), [partition("sdb1", &ext4(Tree::new().file("x.iso", Content::image(iso))))])
}

fn iso(tree: Tree) -> Medium {
    Medium::new("iso9660", tree).labelled("LIVE").identified("2026-11-21-08-30-00-00")
}

fn changes(outcome: &Outcome) -> Vec<&str> {
    outcome.end.journal.changes().collect()
}

fn delegated(world: &World) -> Outcome {
    let outcome = boot(world);
    let journal = &outcome.end.journal;
    assert!(outcome.error.is_none(), "{journal}");
    assert_eq!(outcome.end.ending, Ending::Exec, "{journal}");
    assert_eq!(changes(&outcome).last(), Some(&EXEC), "its own arguments are kept\n{journal}");
    invariants::check(&outcome).unwrap_or_else(|why| panic!("{why}\n{journal}"));
    outcome
}

/// What is mounted at the end beside the initramfs: source and mount point.
fn mounted(outcome: &Outcome) -> Vec<String> {
    let shown = outcome.end.mounted.iter().filter(|mount| mount.fstype != "rootfs");
    shown.map(|mount| format!("{} {}", mount.source, mount.target.as_ref().unwrap().display())).collect()
}

const KEPT: [&str; 1] = ["/isolde/device /isolde/medium"];

#[test]
fn debian_boots_by_its_own_init_when_that_is_asked_for() {
    let outcome = delegated(&stick("boot=live components findiso=/x.iso isolde.delegate", &debian()));
    let done = changes(&outcome);
    for wanted in [
        "ln -s /dev/loop0 /isolde/device",
        "ln -s /dev/loop0 /dev/disk/by-label/DEBIAN\\x20LIVE",
        "ln -s /dev/loop0 /dev/disk/by-uuid/2026-11-21-08-30-00-00",
        "write /conf/param.conf (40 bytes)",
        "write /proc/sys/kernel/modprobe (14 bytes)",
    ] {
        assert!(done.contains(&wanted), "{wanted}\n{}", outcome.end.journal);
    }
    assert_eq!(mounted(&outcome), KEPT, "the API mounts and the store are let go, the image is not");
    assert!(!done.iter().any(|line| line.contains("mount -t overlay") || line.contains("switch_root")));
}

#[test]
fn a_family_that_delegates_needs_no_word_for_it() {
    let alpine = iso(Tree::new().file("apks/.boot_repository", "").file("boot/vmlinuz-lts", ""));
    let outcome = delegated(&stick("isolde.image=/x.iso modules=loop,squashfs quiet", &alpine));
    assert_eq!(mounted(&outcome), KEPT, "nlplug-findfs passes over what /proc/mounts names by its device");
    assert_eq!(outcome.end.journal.log(Level::Warning).count(), 0);
}

#[test]
fn an_init_that_searches_for_the_file_itself_finds_the_machine_as_it_was() {
    let slax = iso(Tree::new().file("slax/01-core.sb", squashfs(root())));
    let antix = iso(Tree::new().file("antiX/linuxfs", squashfs(root())));
    for (line, medium) in [("from=/x.iso toram", &slax), ("fromiso=/x.iso buuid=", &antix)] {
        let outcome = delegated(&stick(line, medium));
        assert_eq!(mounted(&outcome), [] as [&str; 0], "{line}");
        let hints =
            changes(&outcome).iter().filter(|change| change.starts_with("ln -s") || change.contains("3.sh")).count();
        assert_eq!(hints, 0, "{line}\n{}", outcome.end.journal);
    }
}

#[test]
fn antix_is_told_the_loop_device_when_no_word_of_its_own_names_the_file() {
    let antix = iso(Tree::new().file("antiX/linuxfs", squashfs(root())));
    let outcome = delegated(&stick("isolde.image=/x.iso quiet", &antix));
    assert!(changes(&outcome).iter().any(|change| change.starts_with("write /live/custom/MX/3.sh")));
    assert_eq!(mounted(&outcome), KEPT);
}

#[test]
fn the_medium_itself_is_let_go() {
    let slax = iso(Tree::new().file("slax/01-core.sb", squashfs(root())));
    let world = with(rdinit("isolde.store=LABEL=LIVE"), [partition("sdb", &slax)]);
    let outcome = delegated(&world);
    assert_eq!(mounted(&outcome), [] as [&str; 0]);
    assert!(changes(&outcome).contains(&"ln -s /dev/sdb /dev/disk/by-label/LIVE"), "{}", outcome.end.journal);
}

#[test]
fn a_hostile_label_stays_in_its_folder() {
    for (label, link) in [
        ("../../etc/passwd", "/dev/disk/by-label/..\\x2f..\\x2fetc\\x2fpasswd"),
        ("a b\tc\"", "/dev/disk/by-label/a\\x20b\\x09c\\x22"),
        ("$(reboot);", "/dev/disk/by-label/\\x24\\x28reboot\\x29\\x3b"),
    ] {
        let medium = debian().labelled(label);
        let outcome = delegated(&stick("boot=live findiso=/x.iso isolde.delegate", &medium));
        let wanted = format!("ln -s /dev/loop0 {link}");
        assert!(changes(&outcome).contains(&wanted.as_str()), "{wanted}\n{}", outcome.end.journal);
    }
    let outcome = delegated(&stick("boot=live findiso=/x.iso isolde.delegate", &debian().labelled("..")));
    assert!(!outcome.end.journal.to_string().contains("by-label"), "{}", outcome.end.journal);
}

#[test]
fn without_another_init_the_error_says_so() {
    let mut replaced = stick("boot=live findiso=/x.iso isolde.delegate isolde.onfail=wait", &debian());
    replaced.own_path = None;
    let mut missing = stick("boot=live findiso=/x.iso isolde.delegate isolde.onfail=wait", &debian());
    missing.initramfs = super::modules::with_index(Tree::new().program("isolde/init").program("bin/sh"), |_| true);
    for (world, text) in [
        (replaced, "delegate: delegate to the distribution's own init: the second initrd has replaced it"),
        (missing, "delegate: delegate to the distribution's own init /init: no such file or directory"),
    ] {
        let outcome = boot(&world);
        let (error, _) = outcome.error.as_ref().unwrap();
        assert_eq!((error.stage, error.to_string().as_str()), (Stage::Delegate, text));
        assert_eq!(outcome.end.ending, Ending::Waiting, "{}", outcome.end.journal);
    }
}

#[test]
fn its_init_is_not_given_another_file_than_the_one_that_was_asked_for() {
    let slax = iso(Tree::new().file("slax/01-core.sb", squashfs(root())));
    let outcome = boot(&stick("isolde.image=/x.iso from=/y.iso isolde.onfail=wait", &slax));
    let (error, _) = outcome.error.as_ref().unwrap();
    assert!(matches!(&error.cause, Cause::Conflict { other, .. } if other == "from=/y.iso"), "{error}");
}

#[test]
fn a_bare_image_has_no_init_of_a_medium() {
    let store = ext4(Tree::new().file("root.squashfs", squashfs(root())));
    let line = "isolde.image=/root.squashfs isolde.delegate isolde.onfail=wait";
    let outcome = boot(&with(rdinit(line), [partition("sdb1", &store)]));
    assert!(matches!(outcome.error.as_ref().unwrap().0.cause, Cause::Conflict { .. }), "{}", outcome.end.journal);
}

#[test]
fn the_last_resort_leaves_nothing_behind() {
    let damaged = iso(Tree::new().file("live/filesystem.squashfs", squashfs(root()).damaged()));
    let rootless = iso(Tree::new().file("live/filesystem.squashfs", squashfs(rootless_init())));
    let unknown = iso(Tree::new().file("README", ""));
    for (medium, stage) in [(damaged, Stage::Layers), (rootless, Stage::Root), (unknown, Stage::Family)] {
        let outcome = boot(&stick("boot=live findiso=/x.iso isolde.onfail=delegate", &medium));
        assert_eq!(outcome.error.as_ref().unwrap().0.stage, stage, "{}", outcome.end.journal);
        assert_eq!(outcome.end.ending, Ending::Exec, "{}", outcome.end.journal);
        assert_eq!(changes(&outcome).last(), Some(&EXEC));
        assert_eq!(mounted(&outcome), [] as [&str; 0], "{stage}\n{}", outcome.end.journal);
        assert!(changes(&outcome).contains(&"write /proc/sys/kernel/modprobe (14 bytes)"), "not our own path");
    }
}

#[test]
fn without_another_init_the_last_resort_is_the_menu() {
    let mut world = stick("boot=live findiso=/x.iso isolde.onfail=delegate", &iso(Tree::new().file("README", "")));
    world.own_path = None;
    let outcome = boot(&world);
    assert!(outcome.end.journal.shown().contains("  t  try again\n"), "{}", outcome.end.journal);
    assert_ne!(outcome.end.ending, Ending::Exec);
}

#[test]
fn what_was_to_be_saved_is_not_and_that_is_said() {
    let words = "boot=live components findiso=/x.iso isolde.delegate isolde.persist=work";
    let outcome = delegated(&stick(words, &debian()));
    let said = outcome.end.journal.log(Level::Warning).any(|line| line.contains("isolde.persist= saves nothing here"));
    assert!(said, "{}", outcome.end.journal);
    assert!(!changes(&outcome).iter().any(|line| line.contains("persist")), "{}", outcome.end.journal);
}
