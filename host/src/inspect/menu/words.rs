//! Which words of an image's own config files may go on.
//!
//! An image is hostile input: what its config files say ends up in a menu that GRUB interprets, and on the kernel command
//! line that init obeys. A word passes when it is nothing but a word to GRUB, to the kernel and to a terminal, when it is
//! one that somebody here knows, and when it does not speak to Isolde: trust and policy are the user's, never the image's.

use super::{UNKNOWN, vocabulary};

/// Bytes of a word. The whole line has 2048 on x86 (COMMAND_LINE_SIZE).
const LONGEST: usize = 1024;

/// Why a word is left out; `None` when it may go on.
pub(crate) fn refused(word: &str) -> Option<&'static str> {
    let name = word.split('=').next().unwrap_or_default();
    if word.contains(UNKNOWN) {
        Some("it depends on the store, or is no text")
    } else if name.starts_with("isolde.") || name == "isolde" || name == "rdinit" {
        Some("an image has no say in what Isolde does")
    } else if !is_plain(word) {
        Some("it has characters that mean something to a boot loader")
    } else if word.len() > LONGEST {
        Some("it is too long")
    } else if !vocabulary::knows(name) {
        Some("nobody here knows it; add it to the entry if the system needs it")
    } else {
        None
    }
}

/// Whether a text is a word to GRUB, the kernel and a terminal alike: no white space, quotes, `$`, `;` and the like, and
/// nothing invisible. A backslash may be in it, as labels have `\x20`; whoever writes it puts it between single quotes.
pub(crate) fn is_plain(text: &str) -> bool {
    let visible = |letter: char| letter.is_ascii_graphic() || letter.is_alphanumeric();
    !text.is_empty() && text.chars().all(|letter| visible(letter) && !"$;`'\"{}|&<>".contains(letter))
}

/// A word in a GRUB config file, literally. Only for what [`is_plain`] accepts.
pub(crate) fn quoted(word: &str) -> String {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"_./:=,@%+-".contains(&byte);
    if word.bytes().all(safe) { word.to_owned() } else { format!("'{word}'") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_of_real_menus_pass() {
        for word in [
            "---",
            "--",
            "quiet",
            "findiso=/boot/iso/debian.iso",
            "root=live:CDLABEL=Fedora\\x20Live",
            "systemd.unit=emergency.target",
            "i915.modeset=0,1",
            "rd.live.overlay=LABEL=x:/a",
            "lang=de(nodeadkeys)",
            "img_loop=/boot/iso/größe.iso",
        ] {
            assert_eq!(refused(word), None, "{word}");
        }
    }

    #[test]
    fn what_could_break_out_does_not() {
        for word in [
            "a;reboot",
            "$root",
            "${root}",
            "a`b`",
            "a\nb",
            "a b",
            "a\tb",
            "'",
            "\"",
            "{",
            "}",
            "a|b",
            "a&b",
            "a>b",
            "",
            "\u{1b}[2J",
            "\u{202e}x",
            "\u{200b}",
            "isolde.verify=off",
            "isolde.nonsense",
            "isolde",
            "rdinit=/bin/sh",
            "x=\u{fffd}",
            "systemd.run=/x",
            "evil",
            "evil=1",
            "=quiet",
        ] {
            assert!(refused(word).is_some(), "{word:?}");
        }
        assert!(refused(&format!("quiet={}", "x".repeat(2000))).is_some());
    }

    proptest! {
        #[test]
        fn a_quoted_word_is_one_word_to_grub(word in "\\PC{0,30}") {
            if refused(&word).is_none() {
                let text = quoted(&word);
                prop_assert!(!text.contains(char::is_whitespace));
                prop_assert_eq!(text.matches('\'').count() % 2, 0);
                prop_assert_eq!(text.trim_matches('\''), word);
            }
        }
    }
}
