//! Bytes as the config file of an image's own menu: what becomes of it in a menu that is made from it.
//!
//! The first byte chooses the boot loader whose file it is.
#![no_main]

use isolde::families::tree::Tree;
use isolde::sys::{Entry, Kind};
use isolde_host::inspect::menu::grub::Medium;
use isolde_host::inspect::menu::{choose, render};
use libfuzzer_sys::fuzz_target;
use std::io;

/// The files that it can be.
const NAMES: [&str; 4] =
    ["boot/grub/loopback.cfg", "boot/grub/grub.cfg", "isolinux/isolinux.cfg", "loader/entries/x.conf"];

fuzz_target!(|bytes: &[u8]| {
    let Some((first, config)) = bytes.split_first() else { return };
    let name = NAMES[usize::from(*first) % NAMES.len()];
    let tree = Image { name, config };
    let medium = Medium { tree: &tree, iso_path: "/boot/iso/x.iso", label: "LABEL", uuid: "2026-11-21-00-00-00-00" };
    let (chosen, _) = choose(medium).expect("this tree has no errors");
    let chosen = chosen.expect("kernel and initrd have the names that are looked for");
    let text = render(&chosen, "/boot/iso/x.iso", &[]).expect("what goes on can stand in a menu");
    // One entry of five lines; what is not between single quotes has no meaning to GRUB, and nothing has to a terminal.
    assert_eq!(text.lines().count(), 5, "{text}");
    for line in text.lines().skip(1).take(3) {
        assert!(!line.contains(|c: char| c.is_control() || "$;`\"{}|&<>".contains(c)), "{line}");
        assert_eq!(line.matches('\'').count() % 2, 0, "{line}");
    }
    assert!(chosen.words.iter().all(|word| !word.starts_with("isolde") && !word.starts_with("rdinit")), "{text}");
});

/// A live medium with one config file.
struct Image<'a> {
    name: &'static str,
    config: &'a [u8],
}

impl Image<'_> {
    fn files(&self) -> [&str; 3] {
        [self.name, "live/vmlinuz", "live/initrd.img"]
    }
}

impl Tree for Image<'_> {
    fn kind(&self, path: &str) -> io::Result<Option<Kind>> {
        let path = path.trim_matches('/');
        let below = format!("{path}/");
        Ok(match self.files().contains(&path) {
            true => Some(Kind::File { executable: false }),
            false => self.files().iter().any(|file| file.starts_with(&below)).then_some(Kind::Directory),
        })
    }

    fn list(&self, path: &str) -> io::Result<Vec<Entry>> {
        let below = format!("{path}/");
        let names = self.files().into_iter().filter_map(|file| file.strip_prefix(&below));
        let names = names.filter(|name| !name.contains('/'));
        Ok(names.map(|name| Entry { name: name.to_owned(), is_directory: false }).collect())
    }

    fn read(&self, path: &str, limit: u64) -> io::Result<Vec<u8>> {
        let bytes = if path.trim_matches('/') == self.name { self.config } else { &[] };
        if bytes.len() as u64 > limit { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes.to_vec()) }
    }
}
