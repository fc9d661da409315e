//! What a person at a console can do: while the store is waited for, and after a failure.

use super::harness::{Outcome, boot, boot_with};
use super::worlds::*;
use isolde::error::Cause;
use isolde::sys::record::{Content, Ending, Tree, World};
use isolde::sys::{Halt, Level};
use rustix::io::Errno;

const SEARCH: &str = "boot=live components findiso=/iso/debian.iso quiet isolde.wait=10";

fn stick(name: &str, tree: Tree) -> World {
    with(machine(SEARCH), [partition(name, &ext4(tree))])
}

fn report(outcome: &Outcome) -> serde_json::Value {
    assert_eq!(outcome.end.ending, Ending::Exec, "{}", outcome.end.journal);
    serde_json::from_str(outcome.end.report.as_deref().unwrap()).unwrap()
}

#[test]
fn the_wait_has_keys() {
    let late = || partition("sdb1", &ext4(store())).after(300);
    let endless = boot(&with(machine(SEARCH), [typed("w", 5), late()]));
    assert_eq!(report(&endless)["store"]["device"], "/dev/sdb1", "w: longer than isolde.wait=10");

    let stopped = boot(&with(machine(SEARCH), [typed("m", 5), late()]));
    assert!(matches!(stopped.error.as_ref().unwrap().0.cause, Cause::Stopped { .. }));
    assert_eq!(stopped.end.ending, Ending::Waiting);
    assert!(stopped.end.journal.shown().contains("t  try again"), "{}", stopped.end.journal);

    // Another system's words: no error, no file, and after `r` the same device is looked into again.
    let again = boot(&with(machine(SEARCH), [partition("sdb1", &ext4(Tree::new())), typed("r", 5)]));
    let mounts = again.end.journal.changes().filter(|change| change.starts_with("mount -t ext4")).count();
    assert_eq!(mounts, 2, "{}", again.end.journal);
}

#[test]
fn a_failed_boot_begins_again_and_leaves_nothing_behind() {
    let world = with(machine(SEARCH), [partition("sdb1", &ext4(store())).after(60), typed("t", 90)]);
    let outcome = boot(&world);
    assert_eq!(report(&outcome)["store"]["device"], "/dev/sdb1");
    assert_eq!(report(&outcome)["warnings"].as_array().unwrap().len(), 0, "of the attempt that failed");

    // In the middle of everything: all that was mounted is taken away, and mounted anew.
    let world = with(stick("sdb1", store()), [typed("t", 90)]);
    let outcome = boot_with(&world, |record| record.fail_once("mount -t overlay", Errno::NOMEM));
    assert!(outcome.error.is_none(), "the second attempt came to its end");
    assert!(
        outcome.end.journal.log(Level::Error).any(|line| line.contains("cannot allocate memory")),
        "{}",
        outcome.end.journal
    );
    assert_eq!(report(&outcome)["store"]["device"], "/dev/sdb1");
    let detached: Vec<&str> = outcome.end.journal.changes().filter(|change| change.starts_with("umount -l")).collect();
    assert!(detached.contains(&"umount -l /run/isolde/store"), "{detached:?}");
}

#[test]
fn another_image_is_chosen_from_a_list() {
    let tree = Tree::new()
        .file("isos/old/debian live.iso", Content::image(&debian()))
        .file("isos/notes.txt", "no image")
        .file("a.iso", Content::image(&debian()));
    let keys = [typed("i", 40), typed("1\r", 41), typed("9\x082\r", 42)];
    let outcome = boot(&with(stick("sdb1", tree), keys));
    assert_eq!(report(&outcome)["image"], "/isos/old/debian live.iso", "{}", outcome.end.journal);
    let shown = outcome.end.journal.shown();
    assert!(
        shown.contains("   1  /dev/sdb1 ext4 \"LIVE\"") && shown.contains("   2  /isos/old/debian live.iso"),
        "{shown}"
    );
    assert!(!shown.contains("notes.txt"), "{shown}");
}

#[test]
fn another_store_keeps_the_path() {
    // An internal volume that is passed over by itself.
    let dirty = internal("sda2", Content::image(&ext4(store()).dirty()));
    let outcome = boot(&with(machine(SEARCH), [dirty, typed("s", 40), typed("1\n", 41)]));
    assert_eq!(report(&outcome)["store"]["device"], "/dev/sda2", "{}", outcome.end.journal);
}

#[test]
fn a_list_can_be_left() {
    for keys in ["\x1b", "\x03", "\r", "7\r", "x\r"] {
        let outcome = boot(&with(stick("sdb1", Tree::new()), [typed("s", 40), typed(keys, 41), typed("b", 50)]));
        assert_eq!(outcome.end.ending, Ending::Halted(Halt::Reboot), "{keys:?}\n{}", outcome.end.journal);
    }
}

fn wrong_checksum(words: &str) -> World {
    let iso = Content::image(&debian());
    let other = Content::new(vec![1; 8]);
    let tree = Tree::new().file("iso/B3SUMS", b3sum(&other, "debian.iso").as_str()).file("iso/debian.iso", iso);
    with(machine(&format!("{SEARCH} {words}")), [partition("sdb1", &ext4(tree)), typed("u", 40)])
}

#[test]
fn a_wrong_checksum_is_passed_by_hand_only_where_nobody_asked_for_a_check() {
    let outcome = boot(&wrong_checksum(""));
    assert_eq!(report(&outcome)["image"], "/iso/debian.iso");
    assert!(outcome.end.journal.log(Level::Error).any(|line| line.contains("wanted BLAKE3")));
    let refused = boot(&wrong_checksum("isolde.verify=require"));
    assert_eq!(refused.end.ending, Ending::Waiting, "{}", refused.end.journal);
    assert!(!refused.end.journal.shown().contains("although its checksum"));
}

#[test]
fn the_boot_goes_on_without_the_home_that_fails() {
    let world = with(
        machine(&format!("{SEARCH} isolde.home=/homes/anna")),
        [partition("sdb1", &ext4(store())), typed("h", 40)],
    );
    let outcome = boot(&world);
    assert_eq!(report(&outcome)["home"], serde_json::Value::Null);
}

#[test]
fn the_log_is_shown_and_saved() {
    let keys = [typed("l", 40), typed("w", 41), typed("1\r", 42)];
    let outcome = boot(&with(stick("sdb1", Tree::new()), keys));
    assert_eq!(outcome.end.ending, Ending::Waiting);
    let journal = &outcome.end.journal;
    assert!(journal.shown().contains("waiting for a file system with the file /iso/debian.iso"), "{journal}");
    assert!(
        journal.changes().any(|change| change.starts_with("write /run/isolde/store/isolde-log.txt (")),
        "{journal}"
    );
    let last = journal.changes().filter(|change| change.contains("/run/isolde/store")).last();
    assert_eq!(last, Some("umount /run/isolde/store"), "{journal}");
}

#[test]
fn an_unattended_machine_counts_down_and_a_key_stops_it() {
    let line = format!("{SEARCH} isolde.onfail=poweroff");
    let alone = boot(&machine(&line));
    assert_eq!(alone.end.ending, Ending::Halted(Halt::PowerOff));
    let said: Vec<&str> =
        alone.end.journal.log(Level::Notice).filter(|line| line.contains("powering off in")).collect();
    assert_eq!(said.len(), 5, "{said:?}");
    let attended = boot(&with(machine(&line), [typed("k", 15), typed("b", 30)]));
    assert_eq!(attended.end.ending, Ending::Halted(Halt::Reboot), "{}", attended.end.journal);
}

#[test]
fn without_a_shell_the_menu_comes_back() {
    let mut world = with(machine(&format!("{SEARCH} isolde.onfail=shell")), [typed("p", 60)]);
    world.initramfs = Tree::new().program("init").directory("dev").directory("proc").directory("sys").directory("run");
    let outcome = boot(&world);
    assert_eq!(outcome.end.ending, Ending::Halted(Halt::PowerOff), "{}", outcome.end.journal);
}

/// Whatever a stick that is pulled out makes fail: the boot goes on without it, or the menu comes and answers.
#[test]
fn an_unreadable_medium_is_a_message_and_a_way_on() {
    let world = stick("sdb1", store());
    let changes = boot(&world).end.journal.changes().count();
    let mut stopped = 0;
    for n in 0..changes {
        let world = with(world.clone(), [typed("p", 200)]);
        let outcome = boot_with(&world, |record| record.fail_at(n, Errno::IO));
        let journal = &outcome.end.journal;
        if outcome.end.ending == Ending::Exec {
            assert!(journal.log(Level::Warning).count() > 0, "{n}: went on without a word\n{journal}");
            continue;
        }
        stopped += 1;
        assert_eq!(outcome.end.ending, Ending::Halted(Halt::PowerOff), "{n}\n{journal}");
        assert!(journal.log(Level::Error).count() > 0, "{n}\n{journal}");
    }
    assert!(stopped > 5, "{stopped} of {changes}");
}
