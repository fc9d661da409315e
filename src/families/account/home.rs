//! The live user's home directory, from /etc/skel (useradd(8)).
//!
//! A home directory that is there is left alone: it may be the user's own, from a persistent medium. Files that are
//! no text, and what goes beyond the bounds below, are not copied: a skeleton is a handful of small files.

use super::Changes;
use super::passwd::Account;
use crate::sys::Kind;
use std::io;

const SKELETON: &str = "etc/skel";
/// Where useradd(8) finds the mode of a new home directory (login.defs(5)).
const LOGIN_DEFS: &str = "etc/login.defs";
/// Debian's and Ubuntu's.
const DEFAULT_MODE: u32 = 0o750;
const MOST_NAMES: usize = 256;
const LARGEST_FILE: u64 = 64 << 10;
const MOST_BYTES: usize = 1 << 20;

/// Makes and fills it, when it is missing.
pub fn make(changes: &mut Changes, account: &Account) -> io::Result<()> {
    let Account { uid, gid, home } = account;
    if changes.has(home)? {
        return Ok(());
    }
    let settings = changes.read(LOGIN_DEFS)?;
    changes.directory(home, mode(&settings).unwrap_or(DEFAULT_MODE), *uid, *gid);
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

/// The mode that the settings name, if its owner can use such a directory. Pure.
fn mode(settings: &str) -> Option<u32> {
    let value = settings.lines().find_map(|line| line.trim_start().strip_prefix("HOME_MODE"))?;
    u32::from_str_radix(value.trim(), 8).ok().filter(|mode| *mode <= 0o777 && *mode >= 0o700)
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
    fn its_mode_is_the_one_of_the_systems_own_programs() {
        for (settings, wanted) in [
            ("UMASK\t\t022\nHOME_MODE\t0700\n", 0o700),
            ("#HOME_MODE\t0700\n", DEFAULT_MODE),
            ("HOME_MODE 4755\n", DEFAULT_MODE),
            ("HOME_MODE 0077\n", DEFAULT_MODE),
            ("HOME_MODE\n", DEFAULT_MODE),
        ] {
            let fake = Fake::new(Tree::new().file(LOGIN_DEFS, settings).directory("home"));
            let made = Edit::Own { path: "home/me".into(), mode: wanted, uid: 1000, gid: 1001 };
            assert!(edits(&fake).contains(&made), "{settings}");
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
