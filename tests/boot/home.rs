//! Homes of every kind: on the store, on a device of their own, on another machine; whose they are; and who has them.

use super::containers::{LUKS, PASSPHRASE, luks};
use super::harness::{Outcome, boot, boot_and_leave, boot_with};
use super::worlds::*;
use isolde::error::Cause;
use isolde::op::{Op, Place};
use isolde::sys::record::{Content, Ending, Tree, World};
use isolde::sys::{Level, Sys};
use rustix::io::Errno;
use serde_json::Value;

const PEOPLE: &str = "root:x:0:0:root:/root:/bin/sh\nlive:x:1000:1000::/home/live:/bin/sh\n";
const LEASE: &str = "1b4e28ba-2fa1-11d2-883f-0016d3cca427 \"other\" \"ThinkPad\" since 1799992800 s after 1970\n";
const HOME: &str = "0b8d8cfa-6a8c-4d4e-9b0a-000000000001";

/// A system whose only person has the id 1000, booted from a stick with more on it.
fn system(words: &str, store: Tree) -> World {
    let root = root().file("etc/passwd", PEOPLE).file("etc/skel/.profile", "umask 022\n");
    let line = format!("isolde.image=/root.squashfs isolde.wait=10 {words}");
    with(machine(&line), [partition("sdb1", &ext4(store.file("root.squashfs", squashfs(root))))])
}

/// A home of somebody with another id.
fn annas() -> Tree {
    Tree::new().file("anna/note", "mine\n").owned("anna", 1001, 100).directory("lost+found")
}

fn own_partition(words: &str, home: Content) -> World {
    with(system(words, Tree::new()), [disk("sdc1", home)])
}

fn partition_of(tree: Tree) -> Content {
    Content::image(&ext4(tree).labelled("HOME").identified(HOME))
}

fn shared(words: &str, source: &str, tree: Tree) -> World {
    let mut world = system(words, Tree::new());
    world.built_in.extend(["virtiofs", "9p", "nfs4"].map(str::to_owned));
    world.shares.insert(source.to_owned(), tree);
    world
}

fn key(mut world: World) -> World {
    world.initramfs = world.initramfs.file("etc/home.key", bytes(PASSPHRASE.to_vec()));
    world
}

/// A LUKS volume of its own with a home for one user, mapped: the most that can be done at once.
pub fn most() -> World {
    let words = format!("isolde.home=UUID={LUKS} isolde.home-user=anna isolde.luks-key=/etc/home.key");
    key(own_partition(&words, luks(partition_of(annas()))))
}

pub fn encrypted_image() -> World {
    let image = Tree::new().file("home.img", luks(partition_of(annas())));
    key(system("isolde.luks-key=/etc/home.key", image))
}

pub fn all() -> Vec<(&'static str, World)> {
    vec![
        (
            "home_with_another_owner",
            system("", Tree::new().directory("home").file("home/anna/note", "mine\n").owned("home/anna", 1001, 1001)),
        ),
        ("home_on_a_partition", own_partition("isolde.home=LABEL=HOME", partition_of(annas()))),
        ("home_in_luks_for_one_user", most()),
        ("home_image_with_luks", encrypted_image()),
        ("home_of_a_new_user", own_partition("isolde.home=LABEL=HOME isolde.home-user=bob", partition_of(Tree::new()))),
        ("home_on_virtiofs", shared("isolde.home=virtiofs:homes", "homes", annas())),
        ("home_on_nfs", {
            let mut world = shared("isolde.home=nfs:192.0.2.7:/srv/home", "192.0.2.7:/srv/home", annas());
            world.routes = "Iface\tDestination\tGateway\neth0\t00000000\t0102A8C0\n".to_owned();
            world
        }),
        (
            "home_lease_left_by_a_crash",
            own_partition("isolde.home=LABEL=HOME", partition_of(annas().file(".isolde-lease", LEASE))),
        ),
    ]
}

fn report(outcome: &Outcome) -> Value {
    assert_eq!(outcome.end.ending, Ending::Exec, "{:?}\n{}", outcome.error, outcome.end.journal);
    serde_json::from_str(outcome.end.report.as_ref().unwrap()).unwrap()
}

fn refused(world: &World) -> String {
    let outcome = boot(world);
    let (error, _) = outcome.error.as_ref().unwrap_or_else(|| panic!("it boots\n{}", outcome.end.journal));
    assert!(matches!(error.cause, Cause::NoHome { .. }), "{error}");
    error.to_string()
}

/// The last mounts in the new root's /home.
fn mounts(outcome: &Outcome) -> Vec<&str> {
    outcome.end.journal.changes().filter(|change| change.contains(" /isolde/root/home")).collect()
}

#[test]
fn the_owner_on_disk_looks_like_the_live_user() {
    let mapped = "X-mount.idmap=\"u:1001:1000:1 g:100:1000:1\"";
    for (words, source, target) in [
        ("", "/run/initramfs/home", "/isolde/root/home"),
        ("isolde.home-user=anna", "/run/initramfs/home/anna", "/isolde/root/home/live"),
    ] {
        let outcome = boot(&own_partition(&format!("isolde.home=LABEL=HOME {words}"), partition_of(annas())));
        assert_eq!(report(&outcome)["home_ids"], mapped, "{words}");
        assert_eq!(report(&outcome)["home"], "LABEL=HOME");
        let wanted = format!("mount --bind -o nosuid,nodev,{mapped} {source} {target}");
        assert_eq!(mounts(&outcome).last(), Some(&wanted.as_str()), "{}", outcome.end.journal);
    }
    let itself = boot(&own_partition(
        "isolde.home=LABEL=HOME isolde.home-user=.",
        partition_of(Tree::new().owned("", 1001, 100)),
    ));
    assert_eq!(report(&itself)["home_ids"], mapped);
    assert!(mounts(&itself).last().unwrap().ends_with(" /run/initramfs/home /isolde/root/home/live"));
}

#[test]
fn nothing_is_mapped_where_nobody_says_whose_it_is() {
    let two = annas().directory("bob").owned("bob", 1002, 1002);
    for tree in [two.clone(), Tree::new().directory("live").owned("live", 1000, 1000), Tree::new().directory("srv")] {
        let outcome = boot(&own_partition("isolde.home=LABEL=HOME", partition_of(tree)));
        assert_eq!(report(&outcome)["home_ids"], Value::Null, "{}", outcome.end.journal);
        assert_eq!(report(&outcome)["warnings"].as_array().unwrap().len(), 0);
    }
    let named =
        boot(&own_partition("isolde.home=LABEL=HOME", partition_of(two.directory("live").owned("live", 1003, 7))));
    assert_eq!(report(&named)["home_ids"], "X-mount.idmap=\"u:1003:1000:1 g:7:1000:1\"", "the folder of the same name");
}

#[test]
fn roots_folder_is_not_given_to_the_user() {
    let outcome = boot(&own_partition("isolde.home=LABEL=HOME isolde.home-user=.", partition_of(Tree::new())));
    let report = report(&outcome);
    assert_eq!(report["home_ids"], Value::Null);
    assert!(report["warnings"].to_string().contains("belongs to the system's user 0, and stays so"), "{report}");
}

#[test]
fn a_new_users_folder_is_made_like_any_new_home() {
    let outcome = boot(&own_partition("isolde.home=LABEL=HOME isolde.home-user=bob", partition_of(Tree::new())));
    assert_eq!(report(&outcome)["home_ids"], Value::Null, "it is the live user's from the start");
    for change in
        ["own 1000:1000 mode 750 /run/initramfs/home/bob", "write /run/initramfs/home/bob/.profile (10 bytes)"]
    {
        assert!(outcome.end.journal.changes().any(|done| done == change), "{change}\n{}", outcome.end.journal);
    }
}

#[test]
fn without_a_live_user_there_is_no_home_of_its_own() {
    let line = "isolde.image=/root.squashfs isolde.home=LABEL=HOME";
    let nobody = |words: &str| {
        let stick = partition("sdb1", &ext4(Tree::new().file("root.squashfs", squashfs(root()))));
        with(machine(&format!("{line} {words}")), [stick, disk("sdc1", partition_of(annas()))])
    };
    assert!(refused(&nobody("isolde.home-user=anna")).contains("this system has no user"));
    assert_eq!(report(&boot(&nobody("")))["home_ids"], Value::Null);
}

#[test]
fn a_kernel_that_cannot_map_is_told_of_with_both_ids() {
    let share = shared("isolde.home=virtiofs:homes isolde.home-user=anna", "homes", annas());
    let old = own_partition("isolde.home=LABEL=HOME", partition_of(annas()));
    for (world, errno, why) in [
        (share, None, "in this kernel virtiofs cannot show other owners"),
        (old.clone(), Some(Errno::NOSYS), "the kernel is older than 5.12"),
        (old, Some(Errno::NOSPC), "no space left on device"),
    ] {
        let outcome = boot_with(&world, |record| {
            if let Some(errno) = errno {
                record.fail_when("X-mount.idmap", errno);
            }
        });
        let report = report(&outcome);
        let warned = report["warnings"].to_string();
        let both = "mounted as it is: it belongs to 1001:100, and live is 1000:1000";
        assert!(warned.contains(why) && warned.contains(both), "{warned}");
        assert_eq!(report["home_ids"], Value::Null);
        assert!(mounts(&outcome).last().unwrap().starts_with("mount --bind -o nosuid,nodev /run/initramfs/home"));
    }
}

#[test]
fn a_lease_on_a_share_counts_until_somebody_takes_it() {
    for place in [".isolde-lease", "anna/.isolde-lease"] {
        let tree = annas().file(place, LEASE);
        let line = "isolde.home=virtiofs:homes";
        let text = refused(&shared(line, "homes", tree.clone()));
        assert!(text.contains("\"1b4e28ba-2fa1-11d2-883f-0016d3cca427 \\\"other\\\" \\\"ThinkPad\\\""), "{text}");
        assert!(
            text.contains(&format!("/run/initramfs/home/{place}")) && text.contains("isolde.home-lease=take"),
            "{text}"
        );
        // Also where only one user of it is wanted, and the whole of it is taken.
        let one = boot(&shared(&format!("{line} isolde.home-user=anna"), "homes", tree.clone()));
        assert!(one.error.is_some(), "{place}");
        let taken = report(&boot(&shared(&format!("{line} isolde.home-lease=take"), "homes", tree)));
        assert!(taken["warnings"].to_string().contains("is taken over: a system that did not end left it:"), "{taken}");
    }
    let another =
        shared("isolde.home=virtiofs:homes isolde.home-user=anna", "homes", annas().file("bob/.isolde-lease", LEASE));
    assert_eq!(boot(&another).end.ending, Ending::Exec, "two people of one share do not meet");
}

#[test]
fn an_empty_lease_counts_as_well() {
    let text = refused(&shared("isolde.home=9p:homes", "homes", annas().file(".isolde-lease", "")));
    assert!(text.contains("says who has it: \"\""), "{text}");
}

#[test]
fn the_lease_goes_with_the_system_and_with_a_boot_that_fails() {
    let lease = ".isolde-lease";
    for (name, world) in all() {
        let end = boot_and_leave(&world, "poweroff", |_| {}).unwrap();
        let removed = end.journal.changes().filter(|line| line.starts_with("rm -rf /") && line.ends_with(lease));
        let taken_over = usize::from(name == "home_lease_left_by_a_crash");
        assert_eq!(removed.count(), 1 + taken_over, "{name}: {}", end.journal);
        assert!(!end.journal.log(Level::Warning).any(|line| line.starts_with("exit: ")), "{name}: {}", end.journal);
    }
    let outcome = boot_with(&most(), |record| record.fail_when("switch_root", Errno::INVAL));
    let removed = format!("rm -rf /isolde/root/run/initramfs/home/anna/{lease}");
    assert!(outcome.end.journal.changes().any(|line| line == removed), "{}", outcome.end.journal);
}

#[test]
fn a_store_that_is_read_only_by_then_is_made_writable_for_that() {
    let store = "/oldroot/run/isolde/store";
    let end = boot_and_leave(&system("", Tree::new().directory("home/live")), "poweroff", |record| {
        record.apply(&Op::ReadOnly(Place::at(store))).unwrap();
    });
    let end = end.unwrap();
    let done: Vec<&str> = end.journal.changes().skip_while(|line| !line.contains("let go")).collect();
    let at = done.iter().position(|line| *line == "rm -rf /oldrun/isolde/store/home/.isolde-lease").unwrap();
    assert_eq!(done[at - 1], "mount -o remount,rw /oldrun/isolde/store", "{done:?}");
    assert!(!end.journal.log(Level::Warning).any(|line| line.starts_with("exit: ")), "{}", end.journal);
}

#[test]
fn a_second_attempt_of_one_boot_does_not_meet_itself() {
    let mut world = shared("isolde.home=virtiofs:homes", "homes", annas());
    world.arrivals.push(typed("t", 90));
    let outcome = boot_with(&world, |record| record.fail_once("own 0:0", Errno::IO));
    assert_eq!(outcome.end.ending, Ending::Exec, "{}", outcome.end.journal);
}

#[test]
fn what_cannot_be_a_home_is_refused_by_name() {
    let vfat = Content::image(&vfat(Tree::new()).labelled("HOME"));
    let hibernated = || {
        let world = with(system("isolde.home=LABEL=HOME", Tree::new()), [internal("sda3", hibernated())]);
        with(world, [internal("sda2", partition_of(annas()))])
    };
    let offline = shared("isolde.home=nfs:192.0.2.7:/srv", "192.0.2.7:/srv", annas());
    let locked =
        with(own_partition(&format!("isolde.home=UUID={LUKS}"), luks(partition_of(annas()))), [typed("\x1b", 5)]);
    for (world, wanted) in [
        (own_partition("isolde.home=LABEL=HOME", vfat), "vfat keeps no owners and permissions"),
        (
            own_partition("isolde.home=LABEL=OTHER", partition_of(annas())),
            "no such device after 10 s; saw /dev/sdb1 ext4",
        ),
        (own_partition("isolde.home=/dev/sdc1", Content::from("text")), "saw nothing known"),
        (own_partition("isolde.home=/dev/sdb1", Content::from("text")), "it is the store"),
        (hibernated(), "/dev/sda3 swsuspend"),
        (offline, "the network is down: init configures none"),
        (locked, "/dev/sdc1 stays closed"),
    ] {
        let text = refused(&world);
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
}

#[test]
fn a_device_that_comes_late_is_waited_for() {
    let late = disk("sdc1", partition_of(annas())).after(8);
    let outcome = boot(&with(system("isolde.home=LABEL=HOME", Tree::new()), [late]));
    assert_eq!(report(&outcome)["home"], "LABEL=HOME");
    assert!(outcome.end.journal.log(Level::Notice).any(|line| line.contains("waiting for a home on LABEL=HOME")));
}

#[test]
fn an_older_nfs_server_is_asked_in_its_own_version() {
    let (_, world) = all().into_iter().find(|(name, _)| *name == "home_on_nfs").unwrap();
    let outcome = boot_with(&world, |record| {
        record.fail_when("vers=4.1", Errno::PROTONOSUPPORT);
    });
    let mounted = "mount -t nfs4 -o nosuid,nodev,vers=4.0,softerr,timeo=150,retrans=3,addr=192.0.2.7 192.0.2.7:/srv/home /run/initramfs/home";
    assert!(outcome.end.journal.changes().any(|line| line == mounted), "{}", outcome.end.journal);
    assert_eq!(outcome.end.ending, Ending::Exec);
    let down = boot_with(&world, |record| record.fail_when("mount -t nfs4", Errno::TIMEDOUT));
    assert_eq!(down.end.journal.changes().filter(|line| line.starts_with("mount -t nfs4")).count(), 1, "asked once");
}
