//! Where on a medium the images are, when several families lay them out in the same way.

use super::tree::Tree;
use std::io;

/// Folders at a medium's top that are looked into. Real media have a dozen; a hostile one must not cost a boot's time.
const MOST_FOLDERS: usize = 64;
/// Images of one kind in one folder. An overlay's options end at about 150 layers (a page), and each costs a mount.
const MOST_IMAGES: usize = 64;
/// As `uname -m` prints them and media name their folders.
pub const ARCHITECTURES: [&str; 5] = ["x86_64", "aarch64", "i686", "riscv64", "loongarch64"];

/// The first of the files that is in a folder `BASE/ARCHITECTURE`. Without a base every folder at the top is one.
pub fn find_below(
    tree: &dyn Tree,
    base: Option<&str>,
    architecture: Option<&str>,
    files: &[&str],
) -> io::Result<Option<String>> {
    let bases = match base {
        Some(base) => vec![base.to_owned()],
        None => {
            let folders = tree.list("")?.into_iter().filter(|entry| entry.is_directory);
            folders.take(MOST_FOLDERS).map(|folder| folder.name).collect()
        }
    };
    let architectures = if architecture.is_some() { architecture.as_slice() } else { &ARCHITECTURES };
    for base in bases {
        for architecture in architectures {
            let folder = format!("{base}/{architecture}");
            let folder = folder.trim_matches('/');
            if !tree.is_directory(folder)? {
                continue;
            }
            for file in files {
                let path = format!("{folder}/{file}");
                if tree.is_file(&path)? {
                    return Ok(Some(path));
                }
            }
        }
    }
    Ok(None)
}

/// The files of a folder that begin and end so, by name. None without the folder; too many are an error, because a stack
/// without some of them would be another system.
pub fn matching(tree: &dyn Tree, folder: &str, begin: &str, end: &str) -> io::Result<Vec<String>> {
    let mut files = Vec::new();
    if !tree.is_directory(folder)? {
        return Ok(files);
    }
    for entry in tree.list(folder)? {
        let path = format!("{folder}/{}", entry.name);
        if !entry.name.starts_with(begin) || !entry.name.ends_with(end) || !tree.is_file(&path)? {
            continue;
        }
        if files.len() == MOST_IMAGES {
            let text = format!("more than {MOST_IMAGES} files {begin}*{end} in {folder:?}");
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        files.push(path);
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::families::testing::ask;
    use crate::sys::record::Tree as Files;

    fn find(medium: &Files, base: Option<&str>, architecture: Option<&str>) -> Option<String> {
        ask(medium, &Files::new(), "", |asked| find_below(asked.medium, base, architecture, &["a.sfs", "a.erofs"]))
            .unwrap()
    }

    #[test]
    fn a_base_is_taken_at_its_word_and_found_without() {
        let medium = Files::new().file("arch/x86_64/a.erofs", "").file("other/x86_64/a.sfs", "");
        assert_eq!(find(&medium, None, None).as_deref(), Some("arch/x86_64/a.erofs"));
        assert_eq!(find(&medium, Some("other"), None).as_deref(), Some("other/x86_64/a.sfs"));
        assert_eq!(find(&medium, Some("missing"), None), None);
        assert_eq!(find(&medium, Some("arch/x86_64/a.erofs"), None), None, "a file is no folder");
        assert_eq!(find(&Files::new().file("x86_64/a.sfs", ""), Some(""), None).as_deref(), Some("x86_64/a.sfs"));
        let deep = Files::new().file("EFI/archiso/i686/a.sfs", "");
        assert_eq!(find(&deep, Some("EFI/archiso"), Some("i686")).as_deref(), Some("EFI/archiso/i686/a.sfs"));
    }

    #[test]
    fn a_crowd_of_folders_is_not_walked_through() {
        let crowd = |count| (0..count).fold(Files::new(), |tree, n| tree.directory(&format!("a{n:04}")));
        assert!(find(&crowd(MOST_FOLDERS - 1).file("z/x86_64/a.sfs", ""), None, None).is_some());
        assert!(find(&crowd(MOST_FOLDERS).file("z/x86_64/a.sfs", ""), None, None).is_none());
    }

    #[test]
    fn images_are_taken_in_order_and_a_crowd_of_them_is_refused() {
        let list = |tree: &Files| ask(tree, &Files::new(), "", |asked| matching(asked.medium, "m", "x", ".srm"));
        let tree = Files::new().file("m/x2.srm", "").file("m/x1.srm", "").file("m/y.srm", "").directory("m/x3.srm");
        assert_eq!(list(&tree).unwrap(), ["m/x1.srm", "m/x2.srm"]);
        assert!(list(&Files::new()).unwrap().is_empty());
        let many = (0..=MOST_IMAGES).fold(tree, |tree, n| tree.file(&format!("m/x{n}a.srm"), ""));
        assert_eq!(list(&many).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
