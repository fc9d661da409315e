//! Which links bring an extension's files into the root. Decides only; both trees are hostile.

use super::PROGRAM;
use crate::families::tree::Tree;
use crate::op::{Op, Place};
use crate::sys::Kind;
use std::io;

/// More files than any real extension has; a million links would fill the memory.
const MOST: usize = 100_000;
/// Folders are at most this deep.
const DEEPEST: usize = 64;

/// What is to be done, and what could not be.
#[derive(Debug, Default)]
pub(super) struct Links {
    pub(super) ops: Vec<Op>,
    /// One sentence for each file of the root that was in the way.
    pub(super) conflicts: Vec<String>,
}

/// Directories are made where the root has none and followed where it has one, also through a link like /lib; files
/// become links to the mounted extension. A file of the root is replaced, a directory never.
pub(super) fn plan(extension: &dyn Tree, root: &dyn Tree, mounted_at: &str) -> io::Result<Links> {
    let mut links = Links::default();
    let mut folders = vec![(String::new(), 0, true)];
    while let Some((folder, depth, in_root)) = folders.pop() {
        for entry in extension.list(&folder)? {
            let path = if folder.is_empty() { entry.name.clone() } else { format!("{folder}/{}", entry.name) };
            if path == PROGRAM || path == "lost+found" {
                continue;
            }
            if links.ops.len() >= MOST || depth > DEEPEST {
                let text = format!("more than {MOST} files, or folders deeper than {DEEPEST}");
                return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
            }
            // Below a folder that this very plan makes, the root has nothing.
            let there = if in_root { root.kind(&path)? } else { None };
            match (entry.is_directory, there) {
                (true, Some(Kind::Directory)) => folders.push((path, depth + 1, true)),
                (true, None) => {
                    links.ops.push(Op::MakeDir(Place::new_root(&path)));
                    folders.push((path, depth + 1, false));
                }
                (true, Some(_)) => links.conflicts.push(format!("/{path} is a file in the root and stays one")),
                (false, Some(Kind::Directory)) => {
                    links.conflicts.push(format!("/{path} is a directory in the root and stays one"));
                }
                (false, there) => {
                    if there.is_some() {
                        links.conflicts.push(format!("/{path} replaces the root's own"));
                    }
                    let to = format!("{mounted_at}/{path}");
                    links.ops.push(Op::Symlink { to, at: Place::new_root(&path) });
                }
            }
        }
    }
    Ok(links)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::Entry;
    use std::collections::BTreeMap;

    /// Paths with a slash at the end are directories; `a>b` is a link `a` to the directory `b`.
    struct Paths(BTreeMap<String, bool>, BTreeMap<String, String>);

    fn paths(all: &[&str]) -> Paths {
        let mut tree = Paths([(String::new(), true)].into(), BTreeMap::new());
        for path in all {
            match path.split_once('>') {
                Some((link, to)) => _ = tree.1.insert(link.to_owned(), to.to_owned()),
                None => _ = tree.0.insert(path.trim_end_matches('/').to_owned(), path.ends_with('/')),
            }
        }
        tree
    }

    impl Tree for Paths {
        fn kind(&self, path: &str) -> io::Result<Option<Kind>> {
            let mut path = path.to_owned();
            for (link, to) in &self.1 {
                if path == *link || path.starts_with(&format!("{link}/")) {
                    path = format!("{to}{}", &path[link.len()..]);
                }
            }
            let kind = |directory: &bool| if *directory { Kind::Directory } else { Kind::File { executable: false } };
            Ok(self.0.get(&path).map(kind))
        }
        fn list(&self, folder: &str) -> io::Result<Vec<Entry>> {
            let inside =
                |path: &&String| path.rsplit_once('/').map_or("", |(folder, _)| folder) == folder && !path.is_empty();
            let entry =
                |path: &String| Entry { name: path.rsplit('/').next().unwrap().to_owned(), is_directory: self.0[path] };
            Ok(self.0.keys().filter(inside).map(entry).collect())
        }
        fn read(&self, _: &str, _: u64) -> io::Result<Vec<u8>> {
            Ok(Vec::new())
        }
    }

    fn ops(extension: &[&str], root: &[&str]) -> (Vec<String>, Vec<String>) {
        let links = plan(&paths(extension), &paths(root), "/run/x").unwrap();
        (links.ops.iter().map(ToString::to_string).collect(), links.conflicts)
    }

    #[test]
    fn a_linked_directory_is_followed_and_not_replaced() {
        let (ops, conflicts) = ops(&["lib/", "lib/fw/", "lib/fw/a"], &["usr/", "usr/lib/", "lib>usr/lib"]);
        assert_eq!(ops, ["mkdir /isolde/root/lib/fw", "ln -s /run/x/lib/fw/a /isolde/root/lib/fw/a"]);
        assert!(conflicts.is_empty());
    }

    #[test]
    fn what_is_in_the_way_is_said() {
        let (ops, conflicts) = ops(&["a", "b/", "b/c", "d"], &["a", "b", "d/"]);
        assert_eq!(ops, ["ln -s /run/x/a /isolde/root/a"]);
        assert_eq!(conflicts.len(), 3);
    }

    #[test]
    fn the_program_is_not_linked() {
        assert!(ops(&["ExtensionRun", "lost+found/"], &[]).0.is_empty());
    }

    #[test]
    fn too_many_files_are_refused() {
        let many: Vec<String> = (0..=MOST).map(|n| format!("f{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(plan(&paths(&many), &paths(&[]), "/run/x").is_err());
    }
}
