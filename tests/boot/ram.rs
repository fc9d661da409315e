//! A boot from memory: what is copied, what is not, and that the medium is let go.

use super::harness::{Outcome, boot, boot_with};
use super::sealed::{EXTENSION, ISO, Key, SCRIPT, sealed, world};
use super::worlds::*;
use isolde::error::{Cause, Stage};
use isolde::sys::Level;
use isolde::sys::record::{Content, Ending, Tree, World};
use rustix::io::Errno;
use serde_json::Value;

fn stick(words: &str, tree: Tree) -> World {
    let line = format!("boot=live components findiso=/iso/debian.iso isolde.onfail=poweroff {words}");
    with(machine(&line), [partition("sdb1", &ext4(tree))])
}

fn report(outcome: &Outcome) -> Value {
    let report = outcome.end.report.as_deref().unwrap_or_else(|| panic!("{}", outcome.end.journal));
    serde_json::from_str(report).unwrap()
}

/// Whether anything of a disk is still mounted: loop devices count by the file that they have open.
fn holds_the_medium(outcome: &Outcome) -> bool {
    outcome.end.mounted.iter().any(|mounted| mounted.source.starts_with("/dev/sd"))
}

#[test]
fn the_medium_is_let_go_and_everything_comes_from_memory() {
    for (words, files) in [("isolde.toram=yes", sealed(&Key::new(1))), ("toram", sealed(&Key::new(1)))] {
        let mut world = world(Some(&Key::new(1)), "isolde.verify=signed", words, &files);
        world.cmdline.push_str(" isolde.home=no");
        let outcome = boot(&world);
        let report = report(&outcome);
        assert!(!holds_the_medium(&outcome), "{}", outcome.end.journal);
        assert!(report["store"]["in_memory"].as_u64().is_some_and(|bytes| bytes >= 128 << 10), "{report}");
        assert_eq!(report["image"], format!("/{ISO}"));
        assert_eq!(report["extensions"][0]["file"], format!("/{EXTENSION}"));
        assert!(report["programs"].to_string().contains(SCRIPT), "{report}");
        assert!(report["check"]["verity_root"].is_string(), "the copy is what the kernel checks: {report}");
        assert!(!report["warnings"].to_string().contains("ram:"), "{report}");
    }
}

#[test]
fn a_medium_that_is_booted_itself_is_copied_as_one_file() {
    let stick = disk("sdb", Content::image(&debian()).resized(64 << 20));
    let outcome = boot(&with(machine("boot=live components toram isolde.home=no"), [stick]));
    let report = report(&outcome);
    assert_eq!((report["image"].as_str(), holds_the_medium(&outcome)), (Some("/medium.iso"), false));
    assert_eq!(report["store"]["in_memory"], 2 << 20, "the ISO, and not the rest of the stick");
}

#[test]
fn too_little_memory_is_said_with_both_figures_and_the_boot_goes_on() {
    // The fake machine has 781 MiB free.
    for (words, wanted) in [
        ("isolde.toram=yes", Some("602 MiB are needed, and 256 MiB more are to stay free; free are 781 MiB")),
        ("isolde.toram=auto", None),
        ("copytoram=auto", None),
    ] {
        let tree = store().file("boot/extensions/large.ExtensionImage", Content::default().resized(600 << 20));
        let outcome = boot(&stick(words, tree));
        let report = report(&outcome);
        assert_eq!(report["store"]["in_memory"], Value::Null);
        let warned = report["warnings"].to_string();
        assert_eq!(wanted.is_some(), warned.contains("not copied to memory"), "{words}: {warned}");
        assert!(wanted.is_none_or(|wanted| warned.contains(wanted)), "{warned}");
        let said = outcome.end.journal.log(Level::Notice).any(|line| line.contains("not copied to memory"));
        assert!(said || wanted.is_some(), "{}", outcome.end.journal);
    }
}

#[test]
fn a_home_keeps_the_medium_in_its_place() {
    let outcome = boot(&stick("toram", store().directory("home/user")));
    let report = report(&outcome);
    assert_eq!((&report["store"]["in_memory"], &report["home"]), (&Value::Null, &Value::from("/home")));
    assert!(report["warnings"].to_string().contains("the home /home is on the medium"), "{report}");
}

#[test]
fn no_says_no_in_every_dialect() {
    for words in ["toram=0", "copytoram=n", "isolde.toram=no toram", "rd.live.ram=0", ""] {
        assert_eq!(report(&boot(&stick(words, store())))["store"]["in_memory"], Value::Null, "{words}");
    }
}

#[test]
fn a_medium_that_cannot_be_read_stops_the_boot_and_frees_the_memory() {
    let image = Content::image(&debian()).unreadable_from(1 << 20);
    let outcome = boot(&stick("toram", Tree::new().file("iso/debian.iso", image)));
    let (error, _) = outcome.error.unwrap();
    assert!(
        error.stage == Stage::Ram && matches!(&error.cause, Cause::Os(os) if os.raw_os_error() == Some(5)),
        "{error}"
    );
    assert!(outcome.end.journal.changes().any(|line| line == "umount /run/isolde/ram"), "{}", outcome.end.journal);
}

#[test]
fn memory_that_runs_out_while_copying_is_a_message() {
    let outcome = boot_with(&stick("toram", store()), |record| record.fail_when("cp /", Errno::NOSPC));
    let (error, _) = outcome.error.unwrap();
    assert!(error.to_string().contains("to memory: no space left on device"), "{error}");
    assert_eq!(outcome.end.ending, Ending::Halted(isolde::sys::Halt::PowerOff));
}

#[test]
fn a_copy_that_is_not_what_the_checksum_names_is_refused() {
    let image = Content::image(&debian());
    let sum = b3sum(&image, "debian.iso");
    let tree = Tree::new().file("iso/debian.iso", image.with_changed_byte(9)).file("iso/B3SUMS", sum.as_str());
    let (error, _) = boot(&stick("toram", tree)).error.unwrap();
    assert!(matches!(error.cause, Cause::DigestMismatch { .. }), "{error}");
}
