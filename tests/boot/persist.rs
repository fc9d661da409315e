//! Sessions that are saved, over several boots of the fake kernel: the stick of one boot is the stick of the next.

use super::containers::luks;
use super::harness::{End, Outcome, boot, boot_and_leave, boot_with};
use super::worlds::*;
use isolde::error::Cause;
use isolde::formats::generations::{Generations, NAME, State};
use isolde::op::{Op, Place};
use isolde::sys::record::{Content, Ending, Medium, Record, Tree, World};
use isolde::sys::{Space, Sys};
use rustix::io::Errno;
use serde_json::Value;

pub(super) const FOLDER: &str = "boot/isolde/persist";

pub(super) fn world(words: &str, stick: &Medium) -> World {
    let line = format!("boot=live components findiso=/iso/debian.iso isolde.onfail=poweroff {words}");
    with(machine(&line), [partition("sdb1", stick)])
}

pub(super) fn report(outcome: &Outcome) -> Value {
    let report = outcome.end.report.as_deref().unwrap_or_else(|| panic!("{}", outcome.end.journal));
    serde_json::from_str(report).unwrap()
}

/// The overlay's directories, as far as they are on the stick.
pub(super) fn layers(end: &End) -> (Vec<String>, Option<String>) {
    let overlay = end.journal.changes().find(|line| line.starts_with("mount -t overlay")).unwrap_or_default();
    let option = |name: &str| {
        let options = overlay.split([',', ' ']);
        options.filter_map(|option| option.strip_prefix(name)).flat_map(|all| all.split(':')).collect::<Vec<_>>()
    };
    let ours = |path: &&str| path.starts_with("/run/initramfs/isolde/persist/");
    let name = |path: &str| path.rsplit('/').next().unwrap().to_owned();
    let upper = option("upperdir=").into_iter().find(ours).map(name);
    (option("lowerdir=").into_iter().filter(ours).map(name).collect(), upper)
}

pub(super) fn record(stick: &Tree) -> Generations {
    Generations::parse(&stick.read(&format!("{FOLDER}/{NAME}")).expect("a record")).unwrap()
}

pub(super) fn states(stick: &Tree) -> Vec<(u32, u32, State)> {
    record(stick).all.iter().map(|one| (one.number, one.parent, one.state)).collect()
}

/// Boots, leaves as it should be, and gives the stick.
pub(super) fn session(words: &str, stick: Tree) -> Tree {
    session_with(words, stick, |_| {})
}

pub(super) fn session_with(words: &str, stick: Tree, prepare: impl FnOnce(&mut Record)) -> Tree {
    let end = boot_and_leave(&world(words, &ext4(stick)), "poweroff", prepare).expect("it boots");
    end.stick.unwrap_or_else(|| panic!("{}", end.journal))
}

/// What the running system wants to become of its session.
pub(super) fn decide(text: &str) -> impl FnOnce(&mut Record) {
    let text = text.to_owned();
    move |record| record.apply(&Op::Write { at: Place::at("/oldroot/run/isolde/session"), text }).unwrap()
}

/// Another ISO of the same name.
pub(super) fn newer(stick: Tree) -> Tree {
    let tree = Tree::new().file("live/filesystem.squashfs", squashfs(root()).resized(4 << 20));
    let tree = tree.file("live/vmlinuz", "kernel").file(".disk/info", "Debian 2");
    stick.file("iso/debian.iso", Content::image(&Medium::new("iso9660", tree).labelled("DEBIAN LIVE 2")))
}

#[test]
fn every_session_is_above_the_ones_before_it() {
    let mut stick = store();
    for (number, lower) in [("1", &[][..]), ("2", &["1"]), ("3", &["2", "1"])] {
        let outcome = boot(&world("isolde.persist=work", &ext4(stick.clone())));
        let report = report(&outcome);
        assert_eq!(layers(&outcome.end), (lower.iter().map(|n| n.to_string()).collect(), Some(number.to_owned())));
        assert_eq!(
            (report["session"].to_string(), report["saved_sessions"].as_u64()),
            (number.into(), Some(lower.len() as u64))
        );
        assert_eq!(report["store"]["writable"], true);
        stick = session("isolde.persist=work", stick);
    }
    assert_eq!(states(&stick), [(1, 0, State::Saved), (2, 1, State::Saved), (3, 2, State::Saved)]);
}

#[test]
fn what_a_session_wrote_is_in_the_next_root() {
    let stick = session("isolde.persist=work", store());
    let stick = stick.program(&format!("{FOLDER}/1/usr/sbin/mine"));
    let words = "isolde.persist=work init=/usr/sbin/mine";
    let outcome = boot(&world(words, &ext4(stick.clone())));
    assert_eq!(report(&outcome)["init"], "/usr/sbin/mine");
    let without = boot(&world("isolde.persist=work@-1 init=/usr/sbin/mine", &ext4(stick.clone())));
    assert_eq!(report(&without)["init"], "/sbin/init", "{}", without.end.journal);
    let other = boot(&world("isolde.persist=play init=/usr/sbin/mine", &ext4(stick)));
    assert_eq!(report(&other)["init"], "/sbin/init", "another profile has its own");
}

#[test]
fn a_session_that_was_left_out_is_not_below_the_next_one() {
    let stick = session("isolde.persist=work", session("isolde.persist=work", store()));
    let stick = session("isolde.persist=work@-1", stick);
    assert_eq!(states(&stick), [(1, 0, State::Saved), (2, 1, State::Saved), (3, 1, State::Saved)]);
    assert_eq!(layers(&boot(&world("isolde.persist=work", &ext4(stick.clone()))).end).0, ["3", "1"]);
    let (error, _) = boot(&world("isolde.persist=work@-4", &ext4(stick))).error.unwrap();
    assert!(error.to_string().contains("4 sessions of work are to be left out, and there are 2"), "{error}");
}

#[test]
fn a_boot_that_is_thrown_away_writes_nothing() {
    let stick = session("isolde.persist=work", store());
    for words in ["isolde.persist=work isolde.session=discard", "persistence persistence-read-only isolde.persist=work"]
    {
        let outcome = boot(&world(words, &ext4(stick.clone())));
        assert_eq!(layers(&outcome.end), (vec!["1".to_owned()], None), "{words}");
        assert_eq!(report(&outcome)["store"]["writable"], false);
        assert!(!outcome.end.journal.changes().any(|line| line.starts_with("save ")), "{}", outcome.end.journal);
    }
}

#[test]
fn the_running_system_decides_what_becomes_of_its_session() {
    let first = session("isolde.persist=work", store());
    for (decision, left, profile) in [
        ("save\n", vec![(1, 0, State::Saved), (2, 1, State::Saved)], "work"),
        ("discard\n", vec![(1, 0, State::Saved), (2, 1, State::Dropped)], "work"),
        ("save-as play\n", vec![(1, 0, State::Saved), (2, 1, State::Saved)], "play"),
        ("save-as ../x\n", vec![(1, 0, State::Saved), (2, 1, State::Saved)], "work"),
    ] {
        let stick = session_with("isolde.persist=work", first.clone(), decide(decision));
        assert_eq!(states(&stick), left, "{decision}");
        assert_eq!(record(&stick).find(2).unwrap().profile, profile);
        let gone = !stick.has(&format!("{FOLDER}/2"));
        assert_eq!(gone, decision.starts_with("discard"), "{decision}");
    }
    // The profile begins where the other one was, and the other one goes on without it.
    let stick = session_with("isolde.persist=work", first, decide("save-as play\n"));
    assert_eq!(layers(&boot(&world("isolde.persist=play", &ext4(stick.clone()))).end).0, ["2", "1"]);
    assert_eq!(layers(&boot(&world("isolde.persist=work", &ext4(stick))).end).0, ["1"]);
}

#[test]
fn a_session_without_an_end_is_reported_and_nothing_older_changes() {
    let stick = session("isolde.persist=work", store());
    let cut = boot(&world("isolde.persist=work", &ext4(stick))).end.stick.unwrap();
    // The next machine has another boot id.
    let lost = record(&cut).to_string().replace("6f5e9b5c", "another");
    let cut = cut.file(&format!("{FOLDER}/{NAME}"), lost.as_str());
    let outcome = boot(&world("isolde.persist=work", &ext4(cut.clone())));
    assert!(report(&outcome)["warnings"].to_string().contains("session 2 did not come to its end"));
    assert_eq!(layers(&outcome.end).0, ["2", "1"]);
    let stick = session("isolde.persist=work", cut.clone());
    assert_eq!(states(&stick), [(1, 0, State::Saved), (2, 1, State::Unclean), (3, 2, State::Saved)]);
    // And the power was cut before its layer was there.
    let before = cut.without(&format!("{FOLDER}/2"));
    let outcome = boot(&world("isolde.persist=work", &ext4(before)));
    assert_eq!(layers(&outcome.end), (vec!["1".to_owned()], Some("3".to_owned())), "{}", outcome.end.journal);
}

#[test]
fn an_attempt_that_failed_leaves_no_session() {
    let outcome =
        boot_with(&with(world("isolde.persist=work isolde.onfail=menu", &ext4(store())), [typed("t", 5)]), |record| {
            record.fail_once("mount -t overlay", Errno::IO);
        });
    assert_eq!(outcome.end.ending, Ending::Exec, "{}", outcome.end.journal);
    assert_eq!(states(&outcome.end.stick.unwrap()), [(2, 0, State::Running)]);
}

#[test]
fn another_image() {
    let stick = newer(session("isolde.persist=work", session("isolde.persist=work", store())));
    let try_it =
        |words: &str, stick: &Tree| boot(&world(&format!("isolde.persist=work {words}"), &ext4(stick.clone())));
    for (words, lower, says) in [
        ("", &["2", "1"][..], "is forked for /iso/debian.iso"),
        ("isolde.persist-base=fork", &["2", "1"], "is forked"),
        ("isolde.persist-base=keep", &["2", "1"], "is kept"),
        ("isolde.persist-base=fresh", &[], "is left alone"),
    ] {
        let outcome = try_it(words, &stick);
        assert_eq!(layers(&outcome.end).0, lower, "{words}");
        assert!(outcome.end.journal.to_string().contains(says), "{words}: {}", outcome.end.journal);
    }
    let (error, changes) = try_it("isolde.persist-base=cancel", &stick).error.unwrap();
    assert!(matches!(error.cause, Cause::OtherBase { .. }), "{error}");
    assert!(changes > 0 && error.to_string().contains("of which /iso/debian.iso is another one"), "{error}");
    // After a fork, the older image finds its own; after a keep, it does not.
    for (words, old) in [("isolde.persist-base=fork", &["2", "1"][..]), ("isolde.persist-base=keep", &["3", "2", "1"])]
    {
        let forked = session(&format!("isolde.persist=work {words}"), stick.clone());
        assert_eq!(layers(&try_it("", &forked).end).0, ["3", "2", "1"], "{words}");
        let back = forked.file("iso/debian.iso", Content::image(&debian()));
        assert_eq!(layers(&try_it("", &back).end).0, old, "{words}");
    }
    let changed = stick.file(&format!("{FOLDER}/2/var/lib/dpkg/status"), "");
    let outcome = try_it("isolde.persist-base=keep", &changed);
    assert!(report(&outcome)["warnings"].to_string().contains("not kept but forked"), "{}", outcome.end.journal);
}

#[test]
fn the_oldest_sessions_become_one() {
    let mut stick = store();
    for _ in 0..4 {
        stick = session("isolde.persist=work isolde.persist-keep=2", stick);
    }
    assert_eq!(states(&stick), [(1, 0, State::Saved), (4, 1, State::Saved)]);
    assert!(!stick.has(&format!("{FOLDER}/3")));
    // A merge that a power cut ended is ended by the next boot.
    let cut = session("isolde.persist=work", stick);
    let mut half = record(&cut);
    half.merging = Some(4);
    let cut = cut.file(&format!("{FOLDER}/{NAME}"), half.to_string().as_str());
    let stick = session("isolde.persist=work", cut);
    assert_eq!(
        (states(&stick), record(&stick).merging),
        (vec![(1, 0, State::Saved), (5, 1, State::Saved), (6, 5, State::Saved)], None)
    );
}

#[test]
fn what_cannot_be_written_is_in_memory_above_what_was_saved() {
    let stick = session("isolde.persist=work", store());
    let full = World {
        space: Some(Space { free: 1 << 20, size: 1 << 30 }),
        ..world("isolde.persist=work", &ext4(stick.clone()))
    };
    for (world, errno, says) in [
        (full, None, "1 MiB of what is saved on are free, 16 are wanted"),
        (
            world("isolde.persist=work", &ext4(stick.clone())),
            Some(("probe ", Errno::ROFS)),
            "this session is in memory: probe ",
        ),
        (world("isolde.persist=work", &ext4(stick.clone())), Some(("save ", Errno::NOSPC)), "no space left on device"),
        (
            world("isolde.persist=work", &ext4(stick.clone())),
            Some(("mount -t ext4 -o nosuid,nodev,errors", Errno::IO)),
            "this session is in memory",
        ),
    ] {
        let outcome = boot_with(&world, |record| {
            if let Some((text, errno)) = errno {
                record.fail_when(text, errno);
            }
        });
        assert_eq!(layers(&outcome.end), (vec!["1".to_owned()], None), "{}", outcome.end.journal);
        assert!(report(&outcome)["warnings"].to_string().contains(says), "{says}: {}", outcome.end.journal);
    }
    let nearly =
        World { space: Some(Space { free: 100 << 20, size: 1 << 30 }), ..world("isolde.persist=work", &ext4(stick)) };
    let outcome = boot(&nearly);
    assert!(report(&outcome)["warnings"].to_string().contains("924 of 1024 MiB for what is saved are used"));
    assert_eq!(layers(&outcome.end).1.as_deref(), Some("2"));
}

#[test]
fn what_cannot_be_read_stops_the_boot_and_stays() {
    let stick = session("isolde.persist=work", store());
    let record = format!("{FOLDER}/{NAME}");
    for (damaged, says) in [
        (
            stick.clone().file(&record, "colour = 1\n"),
            "line 1: wanted a key of a record and its value, seen \"colour = 1\"",
        ),
        (stick.clone().file(&record, ""), "its version is \"none\""),
        (stick.clone().without(&format!("{FOLDER}/1")), "the layer /run/initramfs/isolde/persist/1 is not there"),
        (
            stick.clone().without(&format!("{FOLDER}/1")).link(&format!("{FOLDER}/1"), "/etc"),
            "the layer /run/initramfs/isolde/persist/1 is not there",
        ),
        (
            stick.clone().file("boot/isolde/persist.img", "no file system"),
            "wanted a file system like ext4 in /boot/isolde/persist.img, saw nothing known",
        ),
    ] {
        let outcome = boot(&world("isolde.persist=work", &ext4(damaged)));
        let (error, _) = outcome.error.unwrap_or_else(|| panic!("{says}: {}", outcome.end.journal));
        assert!(error.to_string().contains(says), "{error}");
        assert!(!outcome.end.journal.changes().any(|line| line.starts_with("save ")), "{}", outcome.end.journal);
    }
}

#[test]
fn the_words_of_other_systems() {
    let none = boot(&world("persistence", &ext4(store())));
    assert_eq!(layers(&none.end), (Vec::new(), None));
    assert!(report(&none)["warnings"].to_string().contains("what is written is lost"), "{}", none.end.journal);
    let stick = store().directory(FOLDER);
    for words in ["persistence", "isolde.persist=auto"] {
        let stick = boot(&world(words, &ext4(stick.clone()))).end.stick.unwrap();
        assert_eq!(record(&stick).all[0].profile, "default", "{words}");
    }
    let sized = boot(&world("overlay-size=30%", &ext4(store())));
    assert_eq!(report(&sized)["overlay_size"], "30%");
}

#[test]
fn file_systems_without_owners_need_an_image_file() {
    let vfat_store = |tree: Tree| world("isolde.persist=work", &vfat(tree));
    let (error, _) = boot(&vfat_store(store())).error.unwrap();
    assert!(error.to_string().contains("isolde.persist-size= makes one, or isolde persist create"), "{error}");
    let image = Content::image(&Medium::new("ext4", Tree::new().directory("lost+found")));
    let outcome = boot(&vfat_store(store().file("boot/isolde/persist.img", image)));
    assert_eq!(layers(&outcome.end), (Vec::new(), Some("1".to_owned())), "{}", outcome.end.journal);
    assert_eq!(report(&outcome)["store"]["writable"], true);
}

#[test]
fn nothing_that_no_manifest_covers_under_signed() {
    let key = super::sealed::Key::new(1);
    let files = super::sealed::sealed(&key);
    let (error, _) = boot(&super::sealed::world(
        Some(&key),
        "isolde.verify=signed",
        "isolde.persist=work isolde.onfail=poweroff",
        &files,
    ))
    .error
    .unwrap();
    assert!(matches!(error.cause, Cause::NoPersistence { .. }), "{error}");
}

#[test]
fn to_ram_leaves_the_medium_where_something_is_saved() {
    let outcome = boot(&world("isolde.persist=work toram", &ext4(store())));
    assert_eq!(report(&outcome)["store"]["in_memory"], Value::Null);
    assert_eq!(layers(&outcome.end).1.as_deref(), Some("1"));
}

#[test]
fn an_encrypted_image_is_opened_and_closed_again() {
    let image = luks(Content::image(&Medium::new("ext4", Tree::new().directory("lost+found"))));
    let tree = store().file("boot/isolde/persist.img", image);
    let mut with_key = world("isolde.persist=work", &vfat(tree));
    with_key.arrivals.push(typed("correct horse\r", 5));
    let outcome = boot(&with_key);
    assert_eq!(layers(&outcome.end).1.as_deref(), Some("1"), "{}", outcome.end.journal);
    let end = boot_and_leave(&with_key, "poweroff", |_| {}).unwrap();
    let saved = "save /oldrun/initramfs/isolde/persist/record.toml";
    assert!(end.journal.changes().any(|line| line.starts_with(saved)), "{}", end.journal);
    assert!(!end.mounted.iter().any(|mounted| mounted.source.starts_with("/dev/")), "{:?}", end.mounted);
}

#[test]
fn what_runs_containers_has_a_folder_on_no_overlay() {
    // Debian's is in the second; where /usr/sbin is a link, both are there.
    for programs in [&["usr/bin/dockerd"][..], &["usr/sbin/dockerd"], &["usr/bin/dockerd", "usr/sbin/dockerd"]] {
        let system = programs.iter().fold(root(), |tree, program| tree.program(program));
        let system = system.program("usr/bin/podman").file("var/lib/containers/image", "theirs");
        let tree = Tree::new().file("live/filesystem.squashfs", squashfs(system)).file(".disk/info", "Debian");
        let iso = Content::image(&Medium::new("iso9660", tree.file("live/vmlinuz", "kernel")).labelled("DEBIAN LIVE"));
        for (words, from) in [("", "/run/live/overlay"), ("isolde.persist=work", "/run/initramfs/isolde/persist")] {
            let end = boot(&world(words, &ext4(Tree::new().file("iso/debian.iso", iso.clone())))).end;
            let binds: Vec<&str> =
                end.journal.changes().filter(|line| line.contains("/volumes/") && line.contains("--bind")).collect();
            let wanted = format!("mount --bind {from}/volumes/docker /isolde/root/var/lib/docker");
            assert_eq!(binds, [wanted], "{}", end.journal);
        }
    }
}

#[test]
fn a_root_that_stays_busy_and_is_read_only_has_its_end() {
    let world = world("isolde.persist=work", &ext4(store()));
    let end = boot_and_leave(&world, "poweroff", |record| record.fail_when("umount /oldroot", Errno::BUSY)).unwrap();
    assert_eq!(states(end.stick.as_ref().unwrap()), [(1, 0, State::Saved)], "{}", end.journal);
    let last = end.journal.changes().filter(|line| line.contains("remount")).last().unwrap_or_default();
    assert_eq!(last, "mount -o remount,ro /oldrun/initramfs/isolde/persist");
}

#[test]
fn a_merge_whose_end_is_not_written_down_is_none_missing() {
    let stick = session("isolde.persist=work", session("isolde.persist=work", store()));
    let mut moved = record(&stick);
    moved.merging = Some(2);
    let stick = stick.file(&format!("{FOLDER}/{NAME}"), moved.to_string().as_str()).without(&format!("{FOLDER}/2"));
    for words in ["isolde.persist=work", "isolde.persist=work isolde.session=discard"] {
        let outcome = boot(&world(words, &ext4(stick.clone())));
        assert_eq!(layers(&outcome.end).0, ["1"], "{words}: {}", outcome.end.journal);
    }
}
