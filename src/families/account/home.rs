//! The live user's home directory, from /etc/skel (useradd(8)).
//!
//! A home directory that is there is left alone: it may be the user's own, from a persistent medium. Files that are
//! no text, and what goes beyond the bounds below, are not copied: a skeleton is a handful of small files.

use super::Changes;
use super::passwd::Account;
use crate::sys::Kind;
use std::io;

const SKELETON: &str = "etc/skel";
const MOST_NAMES: usize = 256;
const LARGEST_FILE: u64 = 64 << 10;
const MOST_BYTES: usize = 1 << 20;

/// Makes and fills it, when it is missing.
pub fn make(changes: &mut Changes, account: &Account) -> io::Result<()> {
    let Account { uid, gid, home } = account;
    if changes.has(home)? {
        return Ok(());
    }
    changes.directory(home, 0o750, *uid, *gid);
    let root = changes.root();
    let (mut names, mut bytes) = (0, 0);
    // Folders to copy, by their paths below the skeleton, each with a leading slash.
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        let from = [SKELETON, &folder].concat();
        if !root.is_directory(&from)? {
            continue;
        }
        for entry in root.list(&from)? {
            names += 1;
            if names > MOST_NAMES {
                return Ok(());
            }
            let below = [&folder, "/", &entry.name].concat();
            let (from, to) = ([SKELETON, &below].concat(), [home, below.as_str()].concat());
            match root.kind(&from)? {
                // A link to a folder could lead in a circle.
                Some(Kind::Directory) if entry.is_directory => {
                    changes.directory(&to, 0o755, *uid, *gid);
                    folders.push(below);
                }
                Some(Kind::File { executable }) => {
                    let Some(text) = file(changes, &from)? else { continue };
                    bytes += text.len();
                    if bytes > MOST_BYTES {
                        return Ok(());
                    }
                    changes.put(&to, &text)?;
                    changes.own(&to, if executable { 0o755 } else { 0o644 }, *uid, *gid);
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// A small text file.
fn file(changes: &Changes, path: &str) -> io::Result<Option<String>> {
    match changes.root().read(path, LARGEST_FILE) {
        Ok(bytes) => Ok(String::from_utf8(bytes).ok()),
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake::{Fake, after};
    use super::*;
    use crate::families::Edit;
    use crate::sys::record::{Content, Tree};

    fn edits(fake: &Fake) -> Vec<Edit> {
        let mut changes = Changes::new(fake);
        make(&mut changes, &Account { uid: 1000, gid: 1001, home: "home/me".into() }).unwrap();
        changes.finish()
    }

    #[test]
    fn the_skeleton_is_copied_with_its_folders_and_given_to_the_user() {
        let tree = Tree::new()
            .file("etc/skel/.bashrc", "alias\n")
            .file("etc/skel/.config/app/rc", "1\n")
            .program("etc/skel/start")
            .file("etc/skel/picture", Content::new([0xff, 0xd8]))
            .file("etc/skel/large", Content::from("x").resized(LARGEST_FILE + 1))
            .link("etc/skel/loop", "/etc/skel")
            .directory("home");
        let fake = Fake::new(tree);
        let edits = edits(&fake);
        for (path, mode) in [("home/me", 0o750), ("home/me/.config", 0o755), ("home/me/start", 0o755)] {
            assert!(edits.contains(&Edit::Own { path: path.into(), mode, uid: 1000, gid: 1001 }), "{path}");
        }
        let fake = after(fake, edits);
        assert_eq!(fake.text("home/me/.bashrc"), "alias\n");
        assert_eq!(fake.text("home/me/.config/app/rc"), "1\n");
        for left_out in ["home/me/picture", "home/me/large", "home/me/loop"] {
            assert!(!fake.has(left_out), "{left_out}");
        }
    }

    #[test]
    fn a_home_that_is_there_is_left_alone() {
        let tree = Tree::new().file("etc/skel/.bashrc", "alias\n").file("home/me/.bashrc", "mine\n");
        assert_eq!(edits(&Fake::new(tree)), Vec::new());
    }

    #[test]
    fn a_hostile_skeleton_is_bounded() {
        let many = (0..2000).fold(Tree::new(), |tree, n| tree.file(&format!("etc/skel/{n}"), "x"));
        let names = edits(&Fake::new(many)).iter().filter(|edit| matches!(edit, Edit::Write { .. })).count();
        assert_eq!(names, MOST_NAMES);
        let large =
            (0..100).fold(Tree::new(), |tree, n| tree.file(&format!("etc/skel/{n}"), "x".repeat(60 << 10).as_str()));
        let bytes: usize = edits(&Fake::new(large))
            .iter()
            .map(|edit| if let Edit::Write { text, .. } = edit { text.len() } else { 0 })
            .sum();
        assert!(bytes > MOST_BYTES / 2 && bytes <= MOST_BYTES, "{bytes}");
    }
}
