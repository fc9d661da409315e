//! Boot Loader Specification entries, as systemd-boot reads them: one file below `/loader/entries` for each entry.

use super::{Entry, LARGEST};
use isolde::families::tree::Tree;
use std::io;

/// Files that are read.
const FILES: usize = 100;

/// All entries, in the order of their files' names.
pub(super) fn entries(tree: &dyn Tree, folder: &str) -> io::Result<Vec<Entry>> {
    let mut all = Vec::new();
    for name in
        tree.list(folder)?.into_iter().map(|entry| entry.name).filter(|name| name.ends_with(".conf")).take(FILES)
    {
        let path = format!("{folder}/{name}");
        if tree.is_file(&path)? {
            all.push(parse(&String::from_utf8_lossy(&tree.read(&path, LARGEST)?)));
        }
    }
    all.retain(|entry| !entry.kernel.is_empty());
    Ok(all)
}

/// Lines of a key word and its value (uapi-group.org, "Boot Loader Specification", type #1).
fn parse(text: &str) -> Entry {
    let mut entry = Entry::default();
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        let (key, value) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let value = value.trim();
        match key {
            "title" => value.clone_into(&mut entry.title),
            "linux" => value.trim_start_matches('/').clone_into(&mut entry.kernel),
            "initrd" => entry.initrd.push(value.trim_start_matches('/').to_owned()),
            "options" => entry.words.extend(value.split_whitespace().map(str::to_owned)),
            _ => {}
        }
    }
    entry
}

#[cfg(test)]
mod tests {
    use super::super::sketch::Sketch;
    use super::*;

    #[test]
    fn entries_of_systemd_boot() {
        let tree = Sketch::new(&[
            ("loader/entries/02.conf", "title  Memtest\nefi /memtest.efi\n"),
            (
                "loader/entries/01.conf",
                "# comment\ntitle    Arch Linux\nlinux  /arch/k\ninitrd /arch/ucode.img\ninitrd /arch/i.img\noptions a=b\noptions c\n",
            ),
            ("loader/entries/readme", "linux /x\n"),
        ]);
        let all = entries(&tree, "loader/entries").unwrap();
        assert_eq!(all.len(), 1);
        assert_eq!((all[0].title.as_str(), all[0].kernel.as_str()), ("Arch Linux", "arch/k"));
        assert_eq!(all[0].initrd, ["arch/ucode.img", "arch/i.img"]);
        assert_eq!(all[0].words, ["a=b", "c"]);
    }
}
