//! The edits of a root, collected while it is looked at.

use crate::families::Edit;
use crate::families::tree::Tree;
use std::io;

/// A file of settings is a page or two.
const LARGEST: u64 = 1 << 20;

/// A text file; empty when there is none.
pub fn text(tree: &dyn Tree, path: &str) -> io::Result<String> {
    if !tree.is_file(path)? {
        return Ok(String::new());
    }
    String::from_utf8(tree.read(path, LARGEST)?)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, format!("/{path} is no text")))
}

/// A root and the edits for it. A file is to be put once: what is read is the root as it is, without the edits.
pub struct Changes<'a> {
    root: &'a dyn Tree,
    edits: Vec<Edit>,
}

impl std::fmt::Debug for Changes<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.edits.fmt(f)
    }
}

impl<'a> Changes<'a> {
    /// No edits yet.
    pub fn new(root: &'a dyn Tree) -> Self {
        Changes { root, edits: Vec::new() }
    }

    /// The root as it is.
    pub fn root(&self) -> &'a dyn Tree {
        self.root
    }

    /// Whether anything stands there.
    pub fn has(&self, path: &str) -> io::Result<bool> {
        Ok(self.root.kind(path)?.is_some())
    }

    /// The first of these that is there.
    pub fn first(&self, paths: &[&'static str]) -> io::Result<Option<&'static str>> {
        for path in paths {
            if self.has(path)? {
                return Ok(Some(path));
            }
        }
        Ok(None)
    }

    /// See [`text`].
    pub fn read(&self, path: &str) -> io::Result<String> {
        text(self.root, path)
    }

    /// The file is to hold this text.
    pub fn put(&mut self, path: &str, text: &str) -> io::Result<()> {
        if self.root.is_file(path)? {
            if self.read(path)? == text {
                return Ok(());
            }
        } else {
            self.folder_of(path)?;
        }
        self.edits.push(Edit::write(path, text));
        Ok(())
    }

    /// The same, unless something stands there. Says whether it is new.
    pub fn create(&mut self, path: &str, text: &str) -> io::Result<bool> {
        let new = !self.has(path)?;
        if new {
            self.put(path, text)?;
        }
        Ok(new)
    }

    /// A link; nothing is changed where one leads to something.
    pub fn link(&mut self, path: &str, to: &str) -> io::Result<()> {
        if !self.has(path)? {
            self.folder_of(path)?;
            self.edits.push(Edit::link(path, to));
        }
        Ok(())
    }

    /// A directory of that owner.
    pub fn directory(&mut self, path: &str, mode: u32, uid: u32, gid: u32) {
        self.edits.push(Edit::MakeDir { path: path.to_owned() });
        self.own(path, mode, uid, gid);
    }

    /// Mode and owner of something that an earlier edit makes.
    pub fn own(&mut self, path: &str, mode: u32, uid: u32, gid: u32) {
        self.edits.push(Edit::Own { path: path.to_owned(), mode, uid, gid });
    }

    /// All edits, in their order.
    pub fn finish(self) -> Vec<Edit> {
        self.edits
    }

    fn folder_of(&mut self, path: &str) -> io::Result<()> {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        if !self.root.is_directory(folder)? {
            self.edits.push(Edit::MakeDir { path: folder.to_owned() });
        }
        Ok(())
    }
}
