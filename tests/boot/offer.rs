//! A newer image and what was saved over the older one: the question at the console, and each answer to it.

use super::containers::luks;
use super::harness::{End, Outcome, boot, boot_with};
use super::persist::{FOLDER, layers, newer, record, report, session, world};
use super::worlds::*;
use isolde::error::Cause;
use isolde::formats::generations::NAME;
use isolde::sys::Level;
use isolde::sys::record::{Content, Ending, Medium, Tree, World};
use rustix::io::Errno;

/// Two sessions over the older image, and the newer one in its place.
fn stick() -> Tree {
    newer(session("isolde.persist=work", session("isolde.persist=work", store())))
}

/// A boot of the newer image, with what somebody types and when. The question comes in the first second.
fn typing(words: &str, stick: &Tree, keys: &[(&str, u64)]) -> World {
    let keys = keys.iter().map(|(text, at)| typed(text, *at));
    with(world(&format!("quiet isolde.persist=work {words}"), &ext4(stick.clone())), keys)
}

/// The boot that the golden plan and the failures are of: kept, because somebody says so.
pub fn asked() -> World {
    let mut world = typing("", &stick(), &[("k", 2)]);
    world.cmdline = world.cmdline.replace(" isolde.onfail=poweroff", "");
    world
}

fn was_asked(end: &End) -> bool {
    let asked = end.journal.log(Level::Notice).any(|line| line.starts_with("persist: keys: "));
    let said = "persist: what is saved as work belongs to another image, /iso/debian.iso";
    assert!(!asked || end.journal.log(Level::Notice).any(|line| line == said), "{}", end.journal);
    asked
}

/// How long the stage took, in milliseconds.
fn took(outcome: &Outcome) -> u64 {
    let report = report(outcome);
    let stages = report["stages"].as_array().unwrap();
    let stage = stages.iter().find(|stage| stage["stage"] == "persist").unwrap_or_else(|| panic!("{report}"));
    stage["ms"].as_u64().unwrap_or_else(|| panic!("{report}"))
}

/// What the next boot of the newer image shows, and then one of the older image; neither is asked again.
fn next(words: &str, stick: Tree) -> [Vec<String>; 2] {
    let again = boot(&typing(words, &stick, &[]));
    assert!(!was_asked(&again.end), "{}", again.end.journal);
    let old = stick.file("iso/debian.iso", Content::image(&debian()));
    let old = boot(&typing("isolde.session=discard", &old, &[]));
    [layers(&again.end).0, layers(&old.end).0]
}

#[test]
fn each_key_does_what_it_says_and_the_next_boot_does_not_ask() {
    let stick = stick();
    for (keys, lower, says, then, old) in [
        (&[][..], &["2", "1"][..], "is forked for", &["3", "2", "1"][..], &["2", "1"][..]),
        (&[("f", 2)], &["2", "1"], "is forked for", &["3", "2", "1"], &["2", "1"]),
        (&[("k", 2)], &["2", "1"], "is kept for", &["3", "2", "1"], &["3", "2", "1"]),
        (&[("N", 2)], &[], "is left alone for", &["3"], &["2", "1"]),
        // Others are no answer: nor are cursor keys, whose last letter is one.
        (&[("x\r 1", 2), ("\x1b[C\x1bOC", 3)], &["2", "1"], "is forked for", &["3", "2", "1"], &["2", "1"]),
        (&[("yes, n", 2)], &[], "is left alone for", &["3"], &["2", "1"]),
        // Too late.
        (&[("n", 30)], &["2", "1"], "is forked for", &["3", "2", "1"], &["2", "1"]),
    ] {
        let outcome = boot(&typing("", &stick, keys));
        let end = &outcome.end;
        assert!(was_asked(end) && end.ending == Ending::Exec, "{keys:?}: {}", end.journal);
        assert_eq!(layers(end), (lower.iter().map(|n| (*n).to_owned()).collect(), Some("3".into())), "{keys:?}");
        assert!(end.journal.log(Level::Notice).any(|line| line.contains(says)), "{keys:?}: {}", end.journal);
        let waited = matches!(keys, [] | [("x\r 1", _), ..] | [(_, 30)]);
        assert_eq!(took(&outcome) >= 5000, waited, "{keys:?}: {} ms", took(&outcome));
        assert!(took(&outcome) < 6000, "{keys:?}: {} ms", took(&outcome));
        // The session ended without a word: its machine has another boot id than the next one.
        let left = outcome.end.stick.unwrap();
        let ended = record(&left).to_string().replace("6f5e9b5c", "another");
        let left = left.file(&format!("{FOLDER}/{NAME}"), ended.as_str());
        assert_eq!(next("", left), [then, old], "{keys:?}");
    }
}

#[test]
fn a_key_stops_the_boot_and_the_menu_goes_on_without_what_was_saved() {
    let mut world = typing("", &stick(), &[("c", 2), ("o", 30)]);
    world.cmdline = world.cmdline.replace("isolde.onfail=poweroff", "isolde.onfail=menu");
    let outcome = boot(&world);
    assert_eq!(outcome.end.ending, Ending::Exec, "{}", outcome.end.journal);
    assert_eq!(layers(&outcome.end), (Vec::new(), None));
    let stopped =
        "persist: use what was saved: it was written over /iso/debian.iso, of which /iso/debian.iso is another one";
    assert!(outcome.end.journal.log(Level::Error).any(|line| line == stopped), "{}", outcome.end.journal);
    assert!(outcome.end.journal.shown().contains("o  boot without what was saved"), "{}", outcome.end.journal);
    assert_eq!(record(&outcome.end.stick.unwrap()), record(&stick()), "nothing was changed");
}

#[test]
fn to_stop_is_to_stop_also_where_another_systems_word_asked_for_it() {
    let stick = newer(session("isolde.persist=default", store()));
    for (words, keys) in [("persistence isolde.persist-base=cancel", &[][..]), ("persistence", &[typed("c", 2)])] {
        let world = with(world(words, &ext4(stick.clone())), keys.iter().cloned());
        let outcome = boot(&world);
        let (error, _) = outcome.error.unwrap_or_else(|| panic!("{words}: {}", outcome.end.journal));
        assert!(matches!(error.cause, Cause::OtherBase { .. }), "{error}");
    }
}

#[test]
fn what_belongs_to_the_older_image_cannot_be_kept() {
    let stick = stick().file(&format!("{FOLDER}/2/usr/bin/tool"), "");
    let outcome = boot(&typing("", &stick, &[("k", 2)]));
    assert!(was_asked(&outcome.end));
    assert!(!outcome.end.journal.to_string().contains("k keeps it"), "{}", outcome.end.journal);
    assert!(outcome.end.journal.to_string().contains("is forked for"), "{}", outcome.end.journal);
    assert_eq!(report(&outcome)["warnings"].as_array().unwrap().len(), 0);
}

#[test]
fn nobody_is_asked_where_it_was_said_or_nothing_can_be_remembered_or_there_is_no_console() {
    let stick = stick();
    for words in ["isolde.persist-base=fork", "isolde.session=discard"] {
        let outcome = boot(&typing(words, &stick, &[("c", 1), ("c", 2)]));
        assert!(!was_asked(&outcome.end) && took(&outcome) < 1000, "{words}: {}", outcome.end.journal);
        assert_eq!(layers(&outcome.end).0, ["2", "1"], "{words}");
    }
    let outcome = boot(&World { without_console: true, ..typing("", &stick, &[]) });
    assert!(!was_asked(&outcome.end) && took(&outcome) < 1000, "{}", outcome.end.journal);
    assert!(outcome.end.journal.to_string().contains("is forked for"), "{}", outcome.end.journal);
    // The last word counts, also against one that the initrd brings along.
    let outcome = boot(&typing("isolde.persist-base=cancel isolde.persist-base=ask", &stick, &[("n", 2)]));
    assert!(was_asked(&outcome.end), "{}", outcome.end.journal);
}

#[test]
fn what_was_typed_before_is_no_answer() {
    let older = record(&session("isolde.persist=work", store()));
    let tree = Tree::new().directory("lost+found").directory("1").file(NAME, older.to_string().as_str());
    let stick = newer(store()).file("boot/isolde/persist.img", luks(Content::image(&Medium::new("ext4", tree))));
    // More than the passphrase, in one go.
    let outcome = boot(&with(world("isolde.persist=work", &vfat(stick)), [typed("correct horse\rcn", 5)]));
    assert!(was_asked(&outcome.end), "{}", outcome.end.journal);
    assert!(outcome.end.journal.to_string().contains("is forked for"), "{}", outcome.end.journal);
}

#[test]
fn a_layer_that_cannot_be_read_stops_the_boot() {
    let outcome = boot_with(&typing("", &stick(), &[("f", 2)]), |record| {
        record.fail_when("mount -t overlay", Errno::IO);
    });
    assert!(outcome.error.is_some(), "{}", outcome.end.journal);
    // What was chosen is not in force for a session that never was.
    let again = boot(&typing("", &outcome.end.stick.unwrap(), &[("f", 2)]));
    assert!(was_asked(&again.end), "{}", again.end.journal);
}
