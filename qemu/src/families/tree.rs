//! A tree of files in memory: what is on a medium, in a root or in an initrd.
//!
//! Takes   files, links and images by their path, without a leading slash.
//! Gives   the same on disk. Owners are set by whoever packs it: everything here belongs to root.
//! Fails   when a file cannot be written, or an image inside cannot be made.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::image::{self, Format};

/// A tree. What is added under a path that is taken replaces it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    nodes: BTreeMap<String, Node>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    File { bytes: Vec<u8>, mode: u32 },
    Folder,
    Link(String),
    Copy(PathBuf),
    Image(Format, Tree),
}

impl Tree {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    fn add(mut self, path: impl Into<String>, node: Node) -> Self {
        self.nodes.insert(path.into(), node);
        self
    }

    /// With a text file, mode 0644.
    pub fn text(self, path: impl Into<String>, text: impl Into<String>) -> Self {
        self.bytes(path, text.into())
    }

    /// With a file of these bytes, mode 0644.
    pub fn bytes(self, path: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        self.add(path, Node::File { bytes: bytes.into(), mode: 0o644 })
    }

    /// With a script or a program, mode 0755.
    pub fn program(self, path: impl Into<String>, text: impl Into<Vec<u8>>) -> Self {
        self.add(path, Node::File { bytes: text.into(), mode: 0o755 })
    }

    /// With a file that only root reads, mode 0400.
    pub fn secret(self, path: impl Into<String>, text: impl Into<Vec<u8>>) -> Self {
        self.add(path, Node::File { bytes: text.into(), mode: 0o400 })
    }

    /// With an empty folder. Folders on the way to a file need no mention.
    pub fn folder(self, path: impl Into<String>) -> Self {
        self.add(path, Node::Folder)
    }

    /// With several empty folders.
    pub fn folders(self, paths: &[&str]) -> Self {
        paths.iter().fold(self, |tree, path| tree.folder(*path))
    }

    /// With a symbolic link.
    pub fn link(self, path: impl Into<String>, to: impl Into<String>) -> Self {
        self.add(path, Node::Link(to.into()))
    }

    /// With a copy of a program of this machine, mode 0755.
    pub fn copy(self, path: impl Into<String>, from: &Path) -> Self {
        self.add(path, Node::Copy(from.to_owned()))
    }

    /// With an image file that holds another tree.
    pub fn image(self, path: impl Into<String>, format: Format, inside: Tree) -> Self {
        self.add(path, Node::Image(format, inside))
    }

    /// With everything of another tree.
    pub fn with(mut self, other: Tree) -> Self {
        self.nodes.extend(other.nodes);
        self
    }

    /// The paths, sorted.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.nodes.keys().map(String::as_str)
    }

    /// Packs it as an image file that is a root by itself.
    ///
    /// # Errors
    /// When the program that packs is missing or fails.
    pub fn pack(&self, format: Format, to: &Path) -> Result<()> {
        image::make(format, self, to)
    }

    /// Writes it into a folder. A path whose parent is a link is a mistake: the file would land elsewhere.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
        for (path, node) in &self.nodes {
            let to = folder.join(path);
            let parent = to.parent().with_context(|| format!("folder of {path}"))?;
            fs::create_dir_all(parent).with_context(|| format!("create the folder of {path}"))?;
            node.write(&to).with_context(|| format!("write {path}"))?;
        }
        Ok(())
    }
}

impl Node {
    fn write(&self, to: &Path) -> Result<()> {
        let mode = match self {
            Node::File { bytes, mode } => {
                fs::write(to, bytes)?;
                *mode
            }
            Node::Copy(from) => {
                fs::copy(from, to).with_context(|| format!("copy {}", from.display()))?;
                0o755
            }
            Node::Folder => return Ok(fs::create_dir_all(to)?),
            Node::Link(text) => return Ok(symlink(text, to)?),
            Node::Image(format, inside) => return image::make(*format, inside, to),
        };
        Ok(fs::set_permissions(to, fs::Permissions::from_mode(mode))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_written_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let tree = Tree::new().text("a/b", "text").program("a/run", "#!/bin/sh\n").link("c", "a/b").folder("d");
        tree.with(Tree::new().text("a/b", "later")).write(folder.path()).unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("c")).unwrap(), "later");
        assert_eq!(fs::metadata(folder.path().join("a/run")).unwrap().permissions().mode() & 0o777, 0o755);
        assert!(folder.path().join("d").is_dir());
    }
}
