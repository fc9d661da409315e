//! Which entry is taken, and what of it goes on: of honest config files, and of hostile ones.

use super::sketch::Sketch;
use super::*;
use proptest::prelude::*;

fn medium(tree: &Sketch) -> Medium<'_> {
    Medium { tree, iso_path: "/boot/iso/x.iso", label: "LABEL", uuid: "2026-11-21-00-00-00-00" }
}

#[test]
fn the_first_entry_that_could_boot_is_taken() {
    let tree = Sketch::new(&[
        (
            "boot/grub/loopback.cfg",
            "menuentry memtest {\nlinux16 /m\n}\nmenuentry missing {\nlinux /k\ninitrd /none\n}\n\
             menuentry live {\nlinux /k findiso=$iso_path isolde.verify=off \"b;reboot\" evil quiet\ninitrd /i\nreboot\n}\n",
        ),
        ("m", ""),
        ("k", ""),
        ("i", ""),
    ]);
    let (chosen, notes) = choose(medium(&tree)).unwrap();
    let chosen = chosen.unwrap();
    assert_eq!(notes, [""; 0]);
    assert_eq!((chosen.from.as_str(), chosen.title.as_str()), ("boot/grub/loopback.cfg", "live"));
    assert_eq!(chosen.words, ["findiso=/boot/iso/x.iso", "quiet"]);
    assert_eq!(
        chosen.left_out.iter().map(|(word, _)| word.as_str()).collect::<Vec<_>>(),
        ["isolde.verify=off", "b;reboot", "evil"]
    );
    assert_eq!(chosen.commands, ["reboot"]);
}

#[test]
fn an_unusable_file_is_a_note_and_the_next_one_is_asked() {
    let tree = Sketch::new(&[
        ("boot/grub/loopback.cfg", "menuentry a {\nlinux /none\ninitrd /none\n}\n"),
        ("boot/grub/grub.cfg", "source /boot/grub/grub.cfg\n"),
        ("isolinux/isolinux.cfg", "label a\nkernel k\nappend initrd=i\n"),
        ("isolinux/k", ""),
        ("isolinux/i", ""),
    ]);
    let (chosen, notes) = choose(medium(&tree)).unwrap();
    assert_eq!(chosen.unwrap().from, "isolinux/isolinux.cfg");
    assert_eq!(notes.len(), 2, "{notes:?}");
}

#[test]
fn without_a_menu_known_names_are_found() {
    let tree = Sketch::new(&[("live/vmlinuz-6.1", ""), ("live/initrd.img-6.1", ""), ("live/filesystem.squashfs", "")]);
    let (chosen, _) = choose(medium(&tree)).unwrap();
    let chosen = chosen.unwrap();
    assert_eq!((chosen.kernel.as_str(), chosen.initrd), ("live/vmlinuz-6.1", vec!["live/initrd.img-6.1".to_owned()]));
    assert_eq!(chosen.from, "");
    assert_eq!(choose(medium(&Sketch::new(&[("a", "")]))).unwrap().0, None);
}

/// The menu that is made for an image with this loopback.cfg.
fn made(config: &[u8]) -> (Chosen, String) {
    let files = [("boot/grub/loopback.cfg", config), ("live/vmlinuz", b""), ("live/initrd.img", b"")];
    let tree = Sketch::of_bytes(&files);
    let (chosen, _) = choose(medium(&tree)).unwrap();
    let chosen = chosen.unwrap();
    let text = render(&chosen, "/boot/iso/x.iso", &["isolde.image=/boot/iso/x.iso".to_owned()]).unwrap();
    (chosen, text)
}

/// Whether GRUB reads five lines in it, whatever the image said: one entry, one loop, one kernel, its initrds.
fn is_one_entry(text: &str) -> Result<(), TestCaseError> {
    let lines: Vec<&str> = text.lines().collect();
    prop_assert_eq!(lines.len(), 5, "{}", text);
    prop_assert!(lines[0].starts_with("menuentry '") && lines[0].ends_with("' {"), "{}", text);
    prop_assert_eq!(lines[4], "}");
    for (line, command) in lines[1..4].iter().zip(["loopback", "linux", "initrd"]) {
        // What is between single quotes means nothing to GRUB; the rest is letters without a meaning.
        let plain: String = line.split('\'').step_by(2).collect();
        prop_assert_eq!(line.matches('\'').count() % 2, 0, "{}", text);
        prop_assert!(plain.bytes().all(|b| b.is_ascii_alphanumeric() || b" _./:=,@%+-".contains(&b)), "{}", text);
        prop_assert_eq!(line.split_whitespace().next(), Some(command), "{}", text);
        prop_assert!(!line.contains(|c: char| c.is_control() || "$;`\"{}|&<>".contains(c)), "{}", text);
    }
    // Every word has a name that is known, and none speaks to Isolde but the one that was given.
    for word in lines[2].split_whitespace().skip(2) {
        let word = word.trim_matches('\'');
        let name = word.split('=').next().unwrap_or_default();
        prop_assert!(word == "isolde.image=/boot/iso/x.iso" || vocabulary::knows(name), "{}: {}", word, text);
    }
    Ok(())
}

#[test]
fn what_a_hostile_loopback_cfg_gets_through() {
    let entry = |words: &str| format!("menuentry x {{\nlinux /live/vmlinuz {words}\ninitrd /live/initrd.img\n}}\n");
    let long = "quiet=".to_owned() + &"x".repeat(100_000);
    for (words, wanted) in [
        // Quotes with line breaks and commands in them.
        ("'quiet\n}\nreboot\n' \"splash\n}; reboot #\" quiet", "quiet"),
        ("\"a'b\" 'a\"b' quiet", "quiet"),
        // Backslashes: before the end of a line, a quote, a variable, another one, and at the end.
        ("quiet\\\n splash", "quiet splash"),
        ("quiet\\' \\$root splash", "splash"),
        ("quiet=\\\\x splash", "quiet=\\x splash"),
        ("quiet=a\\x20b", "quiet=a\\x20b"),
        // The end of the kernel's words, and what comes behind it.
        ("quiet -- splash isolde.verify=off evil -- rdinit=/x", "quiet -- splash --"),
        ("--- isolde.onfail=wait", "---"),
        // Words that nobody knows, and words for somebody else.
        ("evil evil=1 systemd.run=/x quiet=1", "quiet=1"),
        ("ISOLDE.verify=off isolde.image=/y isolde-verify=off rdinit=/bin/sh init=/bin/sh", "init=/bin/sh"),
        // Variables: of the convention, of the file itself, of nobody, without a name.
        ("findiso=${iso_path} quiet=$evil $ ${} $1 ${ quiet", "findiso=/boot/iso/x.iso quiet= quiet"),
        ("quiet;splash", "quiet"),
        (&long, ""),
    ] {
        let text = entry(words);
        let (chosen, text) = made(text.as_bytes());
        assert_eq!(chosen.words.join(" "), wanted, "{words:.100}");
        is_one_entry(&text).unwrap();
    }
    // What is not understood drops its line, and with it the entry: names of files are looked for instead.
    assert_eq!(made(entry("quiet|splash").as_bytes()).0.from, "");
    let (chosen, _) = made(entry(&"quiet ".repeat(10_000)).as_bytes());
    assert!((100..500).contains(&chosen.words.len()), "{}", chosen.words.len());
}

#[test]
fn bytes_that_are_no_text_and_files_that_are_too_long() {
    let (chosen, text) =
        made(b"menuentry \xff\xfe {\nlinux /live/vmlinuz a\xffb quiet \0 \x1b[2J\ninitrd /live/initrd.img\n}\n");
    assert_eq!(chosen.words, ["quiet"]);
    assert_eq!(chosen.left_out.len(), 3, "{:?}", chosen.left_out);
    is_one_entry(&text).unwrap();
    let mut huge = b"menuentry x {\nlinux /live/vmlinuz quiet\ninitrd /live/initrd.img\n}\n".to_vec();
    huge.resize(LARGEST as usize + 1, b'#');
    let tree = Sketch::of_bytes(&[("boot/grub/loopback.cfg", &huge), ("live/vmlinuz", b""), ("live/initrd.img", b"")]);
    let (chosen, notes) = choose(medium(&tree)).unwrap();
    assert_eq!((chosen.unwrap().from.as_str(), notes.len()), ("", 1));
}

proptest! {
    #[test]
    fn any_words_make_one_entry_of_known_words(words in "[ -~\n\t\u{1b}\u{e4}\u{202e}]{0,120}") {
        let (_, text) = made(format!("menuentry x {{\nlinux /live/vmlinuz {words}\ninitrd /live/initrd.img\n}}\n").as_bytes());
        is_one_entry(&text)?;
    }

    #[test]
    fn any_bytes_make_one_entry_of_known_words(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let around = [&b"menuentry x {\nlinux /live/vmlinuz "[..], &bytes, b"\ninitrd /live/initrd.img\n}\n"].concat();
        is_one_entry(&made(&around).1)?;
        is_one_entry(&made(&bytes).1)?;
    }
}
