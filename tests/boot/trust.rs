//! Sealed stores: what is believed, what is refused, and that nothing that was changed is used.

use super::harness::{Outcome, boot};
use super::invariants;
use super::sealed::*;
use super::worlds::*;
use isolde::error::{Cause, Stage};
use isolde::sys::Level;
use isolde::sys::record::{Content, Ending, Medium, World};
use serde_json::Value;
use std::time::Duration;

const SIGNED: &str = "isolde.verify=signed";
const OFF: &str = "isolde.onfail=poweroff";

fn key() -> Key {
    Key::new(1)
}

fn booted(world: &World) -> (Outcome, Value) {
    let outcome = boot(world);
    assert_eq!(outcome.end.ending, Ending::Exec, "{}", outcome.end.journal);
    invariants::check(&outcome).unwrap_or_else(|why| panic!("{why}\n{}", outcome.end.journal));
    let report = serde_json::from_str(outcome.end.report.as_deref().unwrap()).unwrap();
    (outcome, report)
}

/// Boots what is to be refused: nothing of the store is left mounted by the stage that refuses, and nothing is executed.
fn refused(world: &World) -> (Stage, Cause) {
    let outcome = boot(world);
    let (error, changes) = outcome.error.unwrap_or_else(|| panic!("it boots:\n{}", outcome.end.journal));
    let image = |line: &&str| line.starts_with("mount") && line.contains(ISO);
    let mounted = outcome.end.journal.changes().take(changes).find(image);
    assert_eq!(mounted, None, "{}", outcome.end.journal);
    assert_eq!(outcome.end.ending, super::super::Ending::Halted(isolde::sys::Halt::PowerOff));
    (error.stage, error.cause)
}

fn unsound(world: &World) -> (String, String) {
    match refused(world) {
        (Stage::Verify, Cause::Unsound { file, why }) => (file, why),
        (stage, cause) => panic!("{stage}: {cause}"),
    }
}

fn signed(files: &Files) -> World {
    world(Some(&key()), SIGNED, OFF, files)
}

fn changed(path: &str, change: impl FnOnce(Content) -> Content) -> Files {
    let mut files = sealed(&key());
    let content = files.remove(path).unwrap();
    files.insert(path.to_owned(), change(content));
    files
}

#[test]
fn a_signed_store_boots_at_once_and_the_report_says_why_it_is_believed() {
    let (outcome, report) = booted(&signed(&sealed(&key())));
    let check = &report["check"];
    assert_eq!(check["policy"], "signed");
    assert_eq!(check["signed_by"], "101010101010101");
    assert_eq!(check["manifest_serial"], 7);
    assert!(check["verity_root"].as_str().is_some_and(|root| root.len() == 64) && check["blake3"].is_null());
    assert_eq!(report["extensions"][0]["file"], format!("/{EXTENSION}"));
    assert_eq!(report["programs"].as_array().unwrap().len(), 2, "the extension's and the user's");
    assert_eq!(report["home"], Value::Null, "nobody named it");
    let journal = outcome.end.journal;
    let changes: Vec<&str> = journal.changes().collect();
    let at = |start: &str| changes.iter().position(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{start}"));
    let hash = changes.iter().position(|line| line.starts_with("insmod ") && line.contains("/sha256-ssse3.ko"));
    assert!(hash.unwrap() < at("veritysetup open "), "{journal}");
    assert!(at("veritysetup open ") < at("mount -t iso9660 -o ro,nosuid,nodev /dev/dm-0 "), "{journal}");
    assert!(at("mount -t iso9660") < at("dmsetup remove --deferred isolde-image"), "{journal}");
    assert!(at("write /run/udev/rules.d/61-isolde-verity.rules") > 0, "{journal}");
}

#[test]
fn without_dm_verity_the_whole_image_is_checked_and_that_is_said() {
    for policy in ["auto", "require", "signed"] {
        let mut world = world(Some(&key()), &format!("isolde.verify={policy}"), "", &sealed(&key()));
        world.modules.get_mut("dm_verity").unwrap().provides.clear();
        let (outcome, report) = booted(&world);
        assert_eq!(report["check"]["blake3"], blake3::hash(&iso().to_vec()).to_hex().as_str());
        assert_eq!(report["check"]["source"], format!("/{MANIFEST}"));
        let said =
            outcome.end.journal.log(Level::Notice).any(|line| line.contains("the whole image is checked instead"));
        assert!(said, "{}", outcome.end.journal);
    }
    let mut files = sealed(&key());
    files.remove(TREE);
    assert!(booted(&signed(&files)).1["check"]["blake3"].is_string(), "a tree that is not there");
}

#[test]
fn blocks_that_the_driver_of_the_image_does_not_take_are_no_reason_to_stop() {
    let mut files = unsealed();
    let (root, tree) = hash_tree_of(&iso(), 4096);
    files.insert(TREE.into(), Content::new(tree));
    let root: String = root.iter().map(|byte| format!("{byte:02x}")).collect();
    let text = manifest(&files, 7, "").replace(&format!("verity-block = {BLOCK}"), "verity-block = 4096");
    let before = text.split("verity-root = \"").nth(1).unwrap()[..64].to_owned();
    let text = text.replace(&before, &root);
    files.insert(SIGNATURE.into(), Content::from(key().sign(text.as_bytes(), "x").as_str()));
    files.insert(MANIFEST.into(), Content::from(text.as_str()));
    let (_, report) = booted(&signed(&files));
    assert!(report["check"]["blake3"].is_string() && report["check"]["verity_root"].is_null(), "{report}");
}

#[test]
fn every_change_of_what_is_signed_is_refused_by_name() {
    for path in [ISO, MANIFEST, SIGNATURE] {
        let longer = |content: Content| {
            let size = content.size() + 1;
            content.resized(size)
        };
        let shorter = |content: Content| {
            let size = content.size() - 3;
            content.resized(size)
        };
        for (what, files) in [("longer", changed(path, longer)), ("shorter", changed(path, shorter))] {
            let (stage, cause) = refused(&signed(&files));
            match (path, what, &cause) {
                (ISO, "longer", Cause::WrongSize { .. }) => {}
                (ISO, "shorter", Cause::Truncated { .. }) => assert_eq!(stage, Stage::Image),
                (MANIFEST | SIGNATURE, _, Cause::Unsound { file, .. }) => assert_eq!(*file, format!("/{SIGNATURE}")),
                _ => panic!("{path} {what}: {stage}: {cause}"),
            }
        }
    }
    let (file, why) = unsound(&signed(&changed(MANIFEST, |c| c.with_changed_byte(20))));
    assert_eq!(
        (file.as_str(), why.as_str()),
        ("/boot/isolde/manifest.toml.minisig", "not what key 101010101010101 signed")
    );
}

#[test]
fn a_hash_tree_that_is_not_the_images_is_refused() {
    let other = Content::new(hash_tree(&iso().with_changed_byte(5)).1);
    for (tree, part) in [
        (other, "hash tree"),
        (Content::new(Vec::new()), "too few bytes"),
        (Content::new(vec![0; 8192]), "super block"),
        (Content::from("verity\0\0"), "too few bytes"),
    ] {
        let (file, why) = unsound(&signed(&changed(TREE, |_| tree)));
        assert!(file == format!("/{TREE}") && why.contains(part), "{file}: {why}");
    }
}

#[test]
fn a_bad_block_stops_the_boot_with_its_place() {
    for (path, at, wanted) in [
        (ISO, 5 * 2048, "data block 5 is not the one that was sealed (byte 10240)"),
        (ISO, 16 << 10, "data block 8 is not the one that was sealed (byte 16384)"),
    ] {
        let outcome = boot(&signed(&changed(path, |content| content.with_changed_byte(at))));
        let (error, _) = outcome.error.unwrap();
        assert_eq!(error.stage, Stage::Family);
        assert_eq!(error.cause.to_string(), format!("/{ISO}: {wanted}"));
    }
}

#[test]
fn who_signed_and_for_how_long_counts() {
    let files = unsealed();
    let text = manifest(&files, 7, "");
    let with = |signature: &str| {
        let mut files = files.clone();
        files.insert(MANIFEST.into(), Content::from(text.as_str()));
        files.insert(SIGNATURE.into(), Content::from(signature));
        files
    };
    let sign = |comment| key().sign(text.as_bytes(), comment);
    let table = [
        (Key::new(2).sign(text.as_bytes(), "x"), "signed by key 202020202020202, trusted: 101010101010101"),
        (sign("expires:1799999999"), "expired"),
        (sign("expires:soon"), "expires"),
        ([sign("x"), sign("x")].concat(), "one signature"),
        (
            sign("x").replace("trusted comment: x\n", "trusted comment: y\n").replacen(
                "untrusted comment: y",
                "untrusted comment: x",
                1,
            ),
            "comment",
        ),
        (String::new(), "line 1"),
        ("\u{fffd}".repeat(20 << 10), "at most"),
    ];
    for (signature, part) in table {
        let (file, why) = unsound(&signed(&with(&signature)));
        assert!(file == format!("/{SIGNATURE}") && why.contains(part), "{part}: {file}: {why}");
    }
    booted(&signed(&with(&sign("timestamp:1 expires:1800000001"))));
    // Two keys in the initrd, of which the second has signed.
    let mut both = signed(&with(&sign("x")));
    both.initramfs = both.initramfs.file("isolde/keys/a.pub", Key::new(2).public().as_str());
    booted(&both);
}

#[test]
fn a_manifest_that_proves_nothing_is_refused() {
    let entry = |path: &str| format!("[[file]]\npath = \"{path}\"\nsize = 1\nblake3 = \"{}\"\n", "0".repeat(64));
    let texts = [
        (String::new(), "version"),
        ("version = 2\nserial = 1\n".into(), "version"),
        (entry("../x"), "name of dots"),
        (entry("/etc/passwd"), "slash"),
        ([entry("a/x.iso"), entry("A/X.iso")].concat(), "A/X.iso"),
        ("[".repeat(100_000), "line 3"),
        ("#".repeat((4 << 20) + 1), "at most"),
        ("\u{0}".into(), "line 3"),
    ];
    for (text, part) in texts {
        let text = if part == "version" { text } else { format!("version = 1\nserial = 1\n{text}") };
        let mut files = unsealed();
        files.insert(SIGNATURE.into(), Content::from(key().sign(text.as_bytes(), "x").as_str()));
        files.insert(MANIFEST.into(), Content::from(text.as_str()));
        let (file, why) = unsound(&signed(&files));
        assert!(file == format!("/{MANIFEST}") && why.contains(part), "{part}: {file}: {why}");
    }
    let mut files = unsealed();
    files.insert(SIGNATURE.into(), Content::from(key().sign(b"\xff", "x").as_str()));
    files.insert(MANIFEST.into(), Content::new(vec![0xff]));
    assert!(unsound(&signed(&files)).1.contains("UTF-8"));
    // A gigabyte is not read to be refused.
    let mut files = sealed(&key());
    files.insert(MANIFEST.into(), Content::default().resized(1 << 30));
    assert!(unsound(&signed(&files)).1.contains("at most"));
}

#[test]
fn what_is_missing_or_replayed_is_refused() {
    let not_covered = |world: &World, part: &str| match refused(world) {
        (Stage::Verify, Cause::NotCovered { why }) => assert!(why.contains(part), "{why}"),
        (stage, cause) => panic!("{stage}: {cause}"),
    };
    not_covered(&signed(&unsealed()), "the store has no /boot/isolde/manifest.toml");
    let mut files = sealed(&key());
    files.remove(SIGNATURE);
    not_covered(&signed(&files), "the store has no /boot/isolde/manifest.toml.minisig");
    not_covered(&world(None, SIGNED, OFF, &sealed(&key())), "the initrd has no key");
    let mut others = unsealed();
    others.remove(ISO);
    let mut elsewhere = resealed(others, &key(), 7, "");
    elsewhere.insert(ISO.into(), iso());
    elsewhere.insert(format!("{ISO}.b3"), Content::from(b3sum(&iso(), "debian.iso").as_str()));
    not_covered(&signed(&elsewhere), "/iso/debian.iso is not in the manifest");
    let (file, why) = unsound(&world(
        Some(&key()),
        "isolde.manifest-min=8",
        "isolde.onfail=poweroff isolde.manifest-min=2",
        &sealed(&key()),
    ));
    assert_eq!((file, why), (format!("/{MANIFEST}"), "wanted serial 8 or a later one, seen 7".into()));
    let mut broken = signed(&sealed(&key()));
    broken.initramfs = broken.initramfs.file("isolde/keys/b.pub", "no key");
    assert_eq!(unsound(&broken).0, "/isolde/keys/b.pub");
}

#[test]
fn extensions_and_script_that_are_not_covered_are_left_out_and_named() {
    for path in [EXTENSION, SCRIPT] {
        for (files, part) in [
            (
                changed(path, |content| content.with_changed_byte(3)),
                "the file is not the one that /boot/isolde/manifest.toml names",
            ),
            (
                changed(path, |content| {
                    let size = content.size() + 4096;
                    content.resized(size)
                }),
                "wanted",
            ),
        ] {
            let (_, report) = booted(&signed(&files));
            left_out(&report, path, part);
        }
        let mut fewer = unsealed();
        let content = fewer.remove(path).unwrap();
        let mut files = resealed(fewer, &key(), 7, "");
        files.insert(path.to_owned(), content);
        left_out(&booted(&signed(&files)).1, path, "is not in the manifest");
    }
}

fn left_out(report: &Value, path: &str, why: &str) {
    let warned = report["warnings"].as_array().unwrap().iter().filter_map(Value::as_str);
    let mut warned = warned.filter(|warning| warning.contains(path) && warning.contains(why));
    assert!(warned.next().is_some(), "{path}: {why}: {report}");
    match path {
        EXTENSION => assert_eq!(report["extensions"], serde_json::json!([])),
        _ => assert!(!report["programs"].to_string().contains(SCRIPT), "{report}"),
    }
}

#[test]
fn the_strictest_of_initrd_command_line_and_store_holds() {
    let require = resealed(unsealed(), &key(), 1, "verify = \"require\"\n");
    let policy = |words: &str, line: &str, files: &Files| {
        booted(&world(Some(&key()), words, line, files)).1["check"]["policy"].as_str().unwrap().to_owned()
    };
    assert_eq!(policy("", "", &sealed(&key())), "auto");
    assert_eq!(policy("", "isolde.verify=off", &sealed(&key())), "off");
    assert_eq!(policy("isolde.verify=auto", "isolde.verify=off", &sealed(&key())), "auto");
    assert_eq!(policy("isolde.verify=off", "isolde.verify=require", &sealed(&key())), "require");
    assert_eq!(policy("", "isolde.verify=off", &require), "require");
    assert_eq!(policy("isolde.verify=signed", "isolde.verify=off", &require), "signed");
    let wish = resealed(unsealed(), &key(), 1, "verify = \"signed\"\n");
    assert_eq!(booted(&world(Some(&key()), "", "", &wish)).1["home"], Value::Null);
    match refused(&world(None, "", OFF, &wish)) {
        (Stage::Verify, Cause::NotCovered { why }) => assert!(why.contains("no key"), "{why}"),
        (stage, cause) => panic!("{stage}: {cause}"),
    }
}

#[test]
fn no_key_of_the_menu_gets_around_a_policy_of_the_initrd() {
    for policy in ["auto", "require", "signed"] {
        let world =
            world(Some(&key()), &format!("isolde.verify={policy}"), "", &changed(MANIFEST, |c| c.with_changed_byte(9)));
        let outcome = boot(&with(world, [typed("u", 40), typed("d", 41)]));
        assert_eq!(outcome.end.ending, Ending::Waiting, "{}", outcome.end.journal);
        assert!(!outcome.end.journal.shown().contains("although its checksum"));
    }
    let rescued =
        boot(&with(world(Some(&key()), "", "", &changed(MANIFEST, |c| c.with_changed_byte(9))), [typed("u", 40)]));
    assert_eq!(rescued.end.ending, Ending::Exec, "{}", rescued.end.journal);
}

#[test]
fn another_init_is_not_held_to_the_policy_and_does_not_run() {
    let mut delegating = world(Some(&key()), SIGNED, "isolde.delegate isolde.onfail=poweroff", &sealed(&key()));
    delegating.own_path = Some("/isolde/init".into());
    let outcome = boot(&delegating);
    let (error, _) = outcome.error.unwrap();
    assert!(matches!(error.cause, Cause::Conflict { .. }) && error.stage == Stage::Delegate, "{error}");
}

#[test]
fn a_home_is_used_under_signed_when_it_is_named() {
    let (_, report) = booted(&world(Some(&key()), SIGNED, "isolde.home=/home", &sealed(&key())));
    assert_eq!(report["home"], "/home");
}

#[test]
fn a_digest_of_the_command_line_is_checked_in_full_and_agrees_with_the_manifest() {
    let digest = blake3::hash(&iso().to_vec()).to_hex();
    let (_, report) = booted(&world(Some(&key()), SIGNED, &format!("isolde.blake3={digest}"), &sealed(&key())));
    assert_eq!(report["check"]["source"], "isolde.blake3");
    let other = format!("{OFF} isolde.blake3={}", "ab".repeat(32));
    match refused(&world(Some(&key()), SIGNED, &other, &sealed(&key()))) {
        (Stage::Verify, Cause::DigestMismatch { .. }) => {}
        (stage, cause) => panic!("{stage}: {cause}"),
    }
}

/// A large image on a machine on which everything takes long, without a hash tree.
fn slow(words: &str, line: &str) -> World {
    let iso = Content::image(&Medium { size: 64 << 20, ..debian() });
    let sum = b3sum(&iso, "debian.iso");
    let files: Files = [(ISO, iso), ("iso/B3SUMS", Content::from(sum.as_str()))].map(|(p, c)| (p.to_owned(), c)).into();
    let world = world(None, words, &format!("isolde.home=no {line}"), &files);
    World { tick: Duration::from_millis(400), ..world }
}

#[test]
fn a_long_check_shows_how_far_it_is_and_a_key_ends_one_that_nobody_asked_for() {
    let (outcome, report) = booted(&slow("", ""));
    let shown = outcome.end.journal.shown();
    assert!(shown.contains("[####") && shown.contains(" MiB/s, ") && shown.contains(" s left"), "{shown}");
    let said = outcome
        .end
        .journal
        .log(Level::Notice)
        .any(|line| line.contains("checking /iso/debian.iso (s skips the check), 64 MiB"));
    assert!(said && report["check"]["blake3"].is_string(), "{}", outcome.end.journal);

    // Whatever is typed while no console is open is read by nobody.
    let keys = || (1..100).map(|second| typed("xs", second));
    let (_, report) = booted(&with(slow("", ""), keys()));
    assert_eq!(report["check"]["not_checked"], "skipped at the console");
    assert!(report["warnings"].to_string().contains("the check was skipped"), "{report}");
    for (words, line) in [("isolde.verify=require", ""), ("", "isolde.verify=require")] {
        let (outcome, report) = booted(&with(slow(words, line), keys()));
        assert!(report["check"]["blake3"].is_string(), "{report}");
        assert!(!outcome.end.journal.to_string().contains("s skips the check"));
    }
}

/// Every bit that has a meaning: what is in front is a comment that nothing covers, or the super block's UUID and padding.
const PARTS: [(&str, usize); 6] = [(ISO, 0), (EXTENSION, 0), (SCRIPT, 0), (MANIFEST, 0), (SIGNATURE, 21), (TREE, 4096)];

#[test]
fn a_thousand_flipped_bits_are_caught() {
    let good = sealed(&key());
    let mut random = 0x1501_de00_u64;
    for number in 0..1000 {
        let (path, from) = PARTS[number % PARTS.len()];
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mut files = good.clone();
        let content = files.remove(path).unwrap();
        let bit = 8 * from + (random >> 16) as usize % ((content.size() as usize - from) * 8);
        files.insert(path.to_owned(), content.with_flipped_bit(bit));
        let policy = if number % 2 == 0 { "require" } else { "signed" };
        let outcome = boot(&world(Some(&key()), &format!("isolde.verify={policy}"), OFF, &files));
        match path {
            EXTENSION | SCRIPT => {
                let report = outcome.end.report.unwrap_or_else(|| panic!("{path}, bit {bit}: {}", outcome.end.journal));
                left_out(&serde_json::from_str(&report).unwrap(), path, "");
            }
            _ => assert!(outcome.error.is_some(), "{path}, bit {bit}, {policy}: {}", outcome.end.journal),
        }
    }
}
