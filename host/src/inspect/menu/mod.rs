//! The boot entry of an image: which kernel, which initrd, and which words.
//!
//! Takes   the image's tree.
//! Gives   [`Chosen`]: the first entry of the first config file that loads a kernel and an initrd which are there.
//!         loopback.cfg comes first, as it is made for images in files; without any config file, names that distributions
//!         give their kernels are looked for.
//! Fails   never: a config file that cannot be read is a note.

pub mod grub;
mod known;
mod loader;
mod render;
mod syslinux;
mod vocabulary;
mod words;

#[cfg(test)]
mod sketch;
#[cfg(test)]
mod tests;

pub use render::render;

use grub::Medium;
use isolde::families::tree::Tree;
use std::io;

/// Bytes of a config file.
const LARGEST: u64 = 1 << 20;
/// Stands for what cannot be known before the image is on its store. It is also what becomes of bytes that are no text.
const UNKNOWN: char = '\u{fffd}';

/// Letters that are shown of a word that does not go on.
const SHOWN: usize = 120;

/// GRUB's config files, in the order in which they are asked.
const GRUB: &[&str] = &[
    "boot/grub/loopback.cfg",
    "boot/grub2/loopback.cfg",
    "boot/grub/grub.cfg",
    "boot/grub2/grub.cfg",
    "EFI/BOOT/grub.cfg",
    "EFI/boot/grub.cfg",
    "grub/grub.cfg",
];
/// SYSLINUX' and ISOLINUX'.
const SYSLINUX: &[&str] = &[
    "isolinux/isolinux.cfg",
    "boot/isolinux/isolinux.cfg",
    "syslinux/isolinux.cfg",
    "syslinux/syslinux.cfg",
    "boot/syslinux/isolinux.cfg",
    "boot/syslinux/syslinux.cfg",
    "isolinux.cfg",
    "syslinux.cfg",
];
/// Where systemd-boot has its entries.
const LOADER: &str = "loader/entries";

/// An entry as its config file has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// What the menu shows.
    pub title: String,
    /// The kernel's path in the image.
    pub kernel: String,
    /// The initrd files' paths.
    pub initrd: Vec<String>,
    /// The words for the kernel command line.
    pub words: Vec<String>,
    /// Commands of the entry that are not understood.
    pub not_understood: Vec<String>,
}

/// The entry that boots the image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chosen {
    /// The config file; empty when no config file was usable.
    pub from: String,
    /// What the menu shows.
    pub title: String,
    /// The kernel's path in the image.
    pub kernel: String,
    /// The initrd files' paths.
    pub initrd: Vec<String>,
    /// The words that may go on.
    pub words: Vec<String>,
    /// The words that may not, and why.
    pub left_out: Vec<(String, &'static str)>,
    /// Commands of the entry that do not go on.
    pub commands: Vec<String>,
}

/// Finds the entry, and says what was wrong with the config files before it.
pub fn choose(medium: Medium) -> io::Result<(Option<Chosen>, Vec<String>)> {
    let tree = medium.tree;
    let mut notes = Vec::new();
    let grub = GRUB.iter().map(|file| (*file, Loader::Grub));
    let syslinux = SYSLINUX.iter().map(|file| (*file, Loader::Syslinux));
    for (path, loader) in grub.chain(syslinux).chain([(LOADER, Loader::Systemd)]) {
        let Some(path) = spelt(tree, path)? else { continue };
        let entries = match loader {
            Loader::Grub => grub::entries(medium, &path),
            Loader::Syslinux => syslinux::entries(tree, &path),
            Loader::Systemd => loader::entries(tree, &path),
        };
        match entries {
            Ok(entries) => match first(tree, &entries)? {
                Some(entry) => return Ok((Some(filter(path, entry)), notes)),
                None if entries.is_empty() => {}
                None => notes.push(format!("{path}: none of its entries loads a kernel and an initrd that are there")),
            },
            Err(error) => notes.push(error.to_string()),
        }
    }
    let found = known::find(tree)?;
    let chosen = found.map(|(kernel, initrd)| Chosen { kernel, initrd: vec![initrd], ..Chosen::default() });
    Ok((chosen, notes))
}

#[derive(Clone, Copy)]
enum Loader {
    Grub,
    Syslinux,
    Systemd,
}

/// The path as it is there, or in small letters, as a plain ISO 9660 shows it.
fn spelt(tree: &dyn Tree, path: &str) -> io::Result<Option<String>> {
    for path in [path.to_owned(), path.to_ascii_lowercase()] {
        if tree.kind(&path)?.is_some() {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// The first entry whose kernel and initrd are files of the image. One without an initrd is a memory test or the like.
fn first<'a>(tree: &dyn Tree, entries: &'a [Entry]) -> io::Result<Option<&'a Entry>> {
    for entry in entries.iter().filter(|entry| !entry.initrd.is_empty()) {
        let mut whole = true;
        for path in entry.initrd.iter().chain([&entry.kernel]) {
            whole &= words::is_plain(path) && tree.is_file(path)?;
        }
        if whole {
            return Ok(Some(entry));
        }
    }
    Ok(None)
}

fn filter(from: String, entry: &Entry) -> Chosen {
    let mut chosen = Chosen {
        from,
        title: entry.title.clone(),
        kernel: entry.kernel.clone(),
        initrd: entry.initrd.clone(),
        commands: entry.not_understood.clone(),
        ..Chosen::default()
    };
    for word in &entry.words {
        match words::refused(word) {
            None => chosen.words.push(word.clone()),
            Some(why) => chosen.left_out.push((shortened(word), why)),
        }
    }
    chosen
}

/// A word that does not go on, as it is shown.
fn shortened(word: &str) -> String {
    let rest = if word.chars().count() > SHOWN { "…" } else { "" };
    word.chars().take(SHOWN).collect::<String>().replace(UNKNOWN, "…") + rest
}
