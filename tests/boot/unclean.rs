//! A session that has no end, and the boot after it: two systems never write to one layer, whatever became of the first.

use super::harness::boot;
use super::persist::{FOLDER, decide, layers, record, report, session, session_with, states, world};
use super::worlds::*;
use isolde::formats::generations::{NAME, State};
use isolde::sys::record::Tree;

const WORDS: &str = "isolde.persist=work";

/// Session 1 is saved; session 2 is written to by a machine that is not this one, and deleted a file of session 1.
fn lost() -> Tree {
    let stick = session(WORDS, store()).file(&format!("{FOLDER}/1/etc/kept"), "one");
    let stick = boot(&world(WORDS, &ext4(stick))).end.stick.unwrap();
    let record = record(&stick).to_string().replace("6f5e9b5c", "another");
    stick.file(&format!("{FOLDER}/{NAME}"), record.as_str()).file(&format!("{FOLDER}/2/etc/half"), "written")
}

/// Everything of the two older layers is as it was.
fn assert_untouched(stick: &Tree, when: &str) {
    assert_eq!(stick.read(&format!("{FOLDER}/1/etc/kept")).as_deref(), Some(&b"one"[..]), "{when}");
    assert_eq!(stick.read(&format!("{FOLDER}/2/etc/half")).as_deref(), Some(&b"written"[..]), "{when}");
    assert!(!stick.has(&format!("{FOLDER}/1/etc/half")), "{when}: the unclean session changed an older one");
}

#[test]
fn the_next_boot_names_it_and_writes_elsewhere() {
    let outcome = boot(&world(WORDS, &ext4(lost())));
    let warnings = report(&outcome)["warnings"].to_string();
    let says = "persist: session 2 did not come to its end: the machine lost its power, or still runs";
    assert!(warnings.contains(says) && !warnings.contains("session 1"), "{warnings}");
    // What reached the disk is shown, and nothing is written to it.
    assert_eq!(layers(&outcome.end), (vec!["2".into(), "1".into()], Some("3".into())));
    let touched = |line: &&str| ["/persist/1", "/persist/2"].iter().any(|layer| line.contains(layer));
    let changes: Vec<&str> = outcome.end.journal.changes().filter(touched).collect();
    assert!(matches!(changes.as_slice(), [overlay] if overlay.starts_with("mount -t overlay")), "{changes:?}");
    let stick = outcome.end.stick.unwrap();
    assert_eq!(states(&stick), [(1, 0, State::Saved), (2, 1, State::Unclean), (3, 2, State::Running)]);
    assert_untouched(&stick, "the next boot");
}

#[test]
fn however_the_next_session_ends_the_lost_one_stays_as_it_is() {
    let saved = [(1, 0, State::Saved), (2, 1, State::Unclean), (3, 2, State::Saved)];
    for keep in [1, 8] {
        let words = format!("{WORDS} isolde.persist-keep={keep}");
        for (decision, last) in
            [("save\n", State::Saved), ("save-as play\n", State::Saved), ("discard\n", State::Dropped)]
        {
            let stick = session_with(&words, lost(), decide(decision));
            assert_eq!(states(&stick)[..2], saved[..2], "{decision}");
            assert_eq!(states(&stick)[2], (3, 2, last), "{decision}");
            assert_untouched(&stick, decision);
        }
        // The next one has no end either.
        let twice = boot(&world(&words, &ext4(lost()))).end.stick.unwrap();
        let record = record(&twice).to_string().replace("6f5e9b5c", "a third");
        let twice = twice.file(&format!("{FOLDER}/{NAME}"), record.as_str());
        let outcome = boot(&world(&words, &ext4(twice)));
        assert!(report(&outcome)["warnings"].to_string().contains("session 3 did not come to its end"), "{keep}");
        assert_eq!(layers(&outcome.end).0, ["3", "2", "1"]);
        assert_untouched(&outcome.end.stick.unwrap(), "twice");
    }
}

#[test]
fn it_can_be_left_out_and_is_neither_shown_nor_deleted_then() {
    for keep in [1, 8] {
        let words = format!("{WORDS}@-1 isolde.persist-keep={keep}");
        assert_eq!(layers(&boot(&world(&words, &ext4(lost()))).end).0, ["1"]);
        let stick = session(&words, lost());
        assert_eq!(states(&stick), [(1, 0, State::Saved), (2, 1, State::Unclean), (3, 1, State::Saved)]);
        assert_untouched(&stick, "left out");
    }
}

/// Once two sessions stand on it, everybody has seen it: it is merged like any other.
#[test]
fn in_the_end_it_is_merged_like_any_other() {
    let words = format!("{WORDS} isolde.persist-keep=1");
    let stick = session(&words, session(&words, lost()));
    assert_eq!(states(&stick), [(1, 0, State::Saved)]);
    let shown = |path: &str| stick.read(&format!("{FOLDER}/1/{path}"));
    assert_eq!(shown("etc/half").as_deref(), Some(&b"written"[..]));
    assert_eq!(shown("etc/kept").as_deref(), Some(&b"one"[..]));
}
