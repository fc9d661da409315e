//! The entry as a GRUB config file has it, for a store's own menu.

use super::{Chosen, words};

/// Where docs/stick.md puts the second initrd.
const SECOND_INITRD: &str = "/boot/isolde.img";

/// The text; `None` when the image's own path cannot stand in a menu. Everything in it that came from the image has
/// passed [`words::is_plain`]. Words for Isolde come before the image's own, which may end with the `--` behind which
/// the kernel leaves everything to the real init.
pub fn render(chosen: &Chosen, iso_path: &str, words_for_us: &[String]) -> Option<String> {
    let every = words_for_us.iter().chain(&chosen.words).chain(&chosen.initrd).map(String::as_str);
    if !every.chain([chosen.kernel.as_str(), iso_path]).all(words::is_plain) {
        return None;
    }
    // A loop of its own for each entry: GRUB keeps that of an entry that failed.
    let name = iso_path.rsplit('/').next().unwrap_or(iso_path);
    let device: String = name.chars().filter(char::is_ascii_alphanumeric).take(24).collect();
    let device = format!("iso{device}");
    let inside = |path: &String| words::quoted(&format!("({device})/{path}"));
    let kernel = inside(&chosen.kernel);
    let words: Vec<String> = words_for_us.iter().chain(&chosen.words).map(|word| words::quoted(word)).collect();
    let initrd: Vec<String> = chosen.initrd.iter().map(inside).collect();
    let mut text = format!("menuentry '{name}' {{\n");
    text += &format!("    loopback {device} {}\n", words::quoted(iso_path));
    text += &format!("    linux {}\n", [vec![kernel], words].concat().join(" "));
    text += &format!("    initrd {} {SECOND_INITRD}\n}}\n", initrd.join(" "));
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::super::grub::{Medium, entries};
    use super::super::sketch::Sketch;
    use super::*;
    use proptest::prelude::*;

    fn chosen(word: &str) -> Chosen {
        let words = [word, "quiet"].map(str::to_owned).into();
        Chosen { kernel: "live/vmlinuz".into(), initrd: vec!["live/a+b.img".into()], words, ..Chosen::default() }
    }

    #[test]
    fn an_entry_for_a_store() {
        let text = render(&chosen("root=live:LABEL=a\\x20b"), "/boot/iso/de bian.iso", &[]);
        assert_eq!(text, None, "a space cannot stand on a kernel command line");
        let text = render(&chosen("root=live:LABEL=a\\x20b"), "/boot/iso/debian-12.iso", &["isolde.image=/x".into()]);
        assert_eq!(
            text.unwrap(),
            "menuentry 'debian-12.iso' {\n    loopback isodebian12iso /boot/iso/debian-12.iso\n    \
             linux '(isodebian12iso)/live/vmlinuz' isolde.image=/x 'root=live:LABEL=a\\x20b' quiet\n    \
             initrd '(isodebian12iso)/live/a+b.img' /boot/isolde.img\n}\n"
        );
    }

    proptest! {
        /// What is written is read back as the same words: nothing in them has become a command or a variable.
        #[test]
        fn a_menu_reads_back_as_it_was_meant(word in "[ -~]{1,30}", path in "/[a-z$;'\"{} ]{1,12}") {
            let chosen = chosen(&word);
            let Some(text) = render(&chosen, &path, &[]) else { return Ok(()) };
            let text = text.replace(&format!("({})", text.split_whitespace().nth(4).unwrap_or_default()), "(loop)");
            let tree = Sketch::new(&[("menu.cfg", &text)]);
            let read = entries(Medium { tree: &tree, iso_path: "/x", label: "", uuid: "" }, "menu.cfg").unwrap();
            prop_assert_eq!(read.len(), 1);
            prop_assert_eq!(&read[0].words, &chosen.words);
            prop_assert_eq!(&read[0].kernel, &chosen.kernel);
        }
    }
}
