//! SYSLINUX and ISOLINUX config files: `label`, `kernel`, `append`, `initrd`, `include`.
//!
//! Lines of a key word, in any case, and its value (wiki.syslinux.org, "SYSLINUX/Config"). A path counts from the folder
//! of the file that the loader read first, or from the image's root when it begins with a slash.

use super::{Entry, LARGEST};
use isolde::families::tree::Tree;
use std::io;

/// Files that are read for one image.
const FILES: usize = 40;
/// Entries that are kept.
const ENTRIES: usize = 300;

/// The entries that a config file shows, in its order.
pub(super) fn entries(tree: &dyn Tree, file: &str) -> io::Result<Vec<Entry>> {
    let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut reader = Reader { tree, folder, entries: Vec::new(), files: 0 };
    reader.include(file)?;
    reader.entries.retain(|entry| is_linux(&entry.kernel));
    Ok(reader.entries)
}

/// SYSLINUX runs its own modules, boot sectors and disk images by the same key word.
fn is_linux(kernel: &str) -> bool {
    let other = [".c32", ".com", ".bin", ".bss", ".bs", ".img", ".0"];
    !kernel.is_empty() && !other.iter().any(|end| kernel.to_ascii_lowercase().ends_with(end))
}

struct Reader<'a> {
    tree: &'a dyn Tree,
    folder: &'a str,
    entries: Vec<Entry>,
    files: usize,
}

impl Reader<'_> {
    fn include(&mut self, file: &str) -> io::Result<()> {
        self.files += 1;
        if self.files > FILES {
            return Err(io::Error::other(format!("{file}: config files that include one another without an end")));
        }
        if !self.tree.is_file(file)? {
            return Ok(());
        }
        let text = self.tree.read(file, LARGEST)?;
        for line in String::from_utf8_lossy(&text).lines() {
            self.line(line.trim())?;
        }
        Ok(())
    }

    fn line(&mut self, line: &str) -> io::Result<()> {
        let (key, value) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let value = value.trim();
        match key.to_ascii_lowercase().as_str() {
            "include" => {
                let file = value.split_whitespace().next().unwrap_or_default();
                let file = self.path(file);
                return self.include(&file);
            }
            "label" if self.entries.len() < ENTRIES => {
                self.entries.push(Entry { title: value.to_owned(), ..Entry::default() });
            }
            "menu" => {
                let (what, title) = value.split_once(char::is_whitespace).unwrap_or((value, ""));
                match what.to_ascii_lowercase().as_str() {
                    "include" => {
                        let file = self.path(title.split_whitespace().next().unwrap_or_default());
                        return self.include(&file);
                    }
                    // A caret stands before the letter that chooses the entry.
                    "label" => self.with(|entry| entry.title = title.trim().replacen('^', "", 1)),
                    _ => {}
                }
            }
            "kernel" | "linux" => {
                let path = self.path(value);
                self.with(|entry| entry.kernel = path);
            }
            "initrd" => {
                let files = self.files_of(value);
                self.with(|entry| entry.initrd = files);
            }
            "append" => {
                let (initrd, words): (Vec<&str>, Vec<&str>) =
                    value.split_whitespace().partition(|word| word.starts_with("initrd="));
                let files = initrd.last().map(|word| self.files_of(word.trim_start_matches("initrd=")));
                self.with(|entry| {
                    entry.words = words.into_iter().map(str::to_owned).collect();
                    entry.initrd = files.unwrap_or_else(|| std::mem::take(&mut entry.initrd));
                });
            }
            _ => {}
        }
        Ok(())
    }

    fn with(&mut self, change: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.entries.last_mut() {
            change(entry);
        }
    }

    fn files_of(&self, list: &str) -> Vec<String> {
        list.split(',').filter(|file| !file.is_empty()).map(|file| self.path(file)).collect()
    }

    fn path(&self, text: &str) -> String {
        match text.strip_prefix('/') {
            Some(path) => path.to_owned(),
            None if self.folder.is_empty() || text.is_empty() => text.to_owned(),
            None => format!("{}/{text}", self.folder),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sketch::Sketch;
    use super::*;

    #[test]
    fn entries_of_an_isolinux_menu() {
        let tree = Sketch::new(&[
            (
                "isolinux/isolinux.cfg",
                "UI vesamenu.c32\ninclude menu.cfg\ndefault live\nlabel memtest\n kernel memtest.bin\nlabel hd\n localboot 0\n",
            ),
            (
                "isolinux/menu.cfg",
                "LABEL live\n  MENU LABEL ^Start it\n  KERNEL /live/vmlinuz\n  APPEND initrd=/live/ucode.img,initrd.gz boot=live quiet\n\
                 label two\n linux vmlinuz\n initrd a.img\n append x\n",
            ),
        ]);
        let all = entries(&tree, "isolinux/isolinux.cfg").unwrap();
        let entry = |title: &str, kernel: &str, initrd: &[&str], words: &[&str]| Entry {
            title: title.into(),
            kernel: kernel.into(),
            initrd: initrd.iter().map(|file| (*file).to_owned()).collect(),
            words: words.iter().map(|word| (*word).to_owned()).collect(),
            not_understood: Vec::new(),
        };
        assert_eq!(
            all,
            [
                entry("Start it", "live/vmlinuz", &["live/ucode.img", "isolinux/initrd.gz"], &["boot=live", "quiet"]),
                entry("two", "isolinux/vmlinuz", &["isolinux/a.img"], &["x"]),
            ]
        );
    }

    #[test]
    fn files_that_include_themselves_are_an_error() {
        let tree = Sketch::new(&[("a.cfg", "include a.cfg\n")]);
        assert!(entries(&tree, "a.cfg").is_err());
    }
}
