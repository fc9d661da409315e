//! The families of live images: who made it, where its layers are, and what its userland expects.
//!
//! A family is one file here and one row in [`FAMILIES`]. It only reads: through [`Tree`], so that the host can ask the
//! same question of an ISO that it reads without mounting, and it answers with a [`Layout`].

pub mod dracut;
pub mod live_boot;
pub mod tree;

use crate::stages::plan::LiveWords;
use std::io;
use tree::Tree;

/// One family.
#[derive(Clone, Copy)]
pub struct Family {
    /// Its name in log, report and documents.
    pub name: &'static str,
    /// The layout of this medium, if it is of this family.
    pub recognise: fn(&dyn Tree, &LiveWords) -> io::Result<Option<Layout>>,
    /// What its own initrd would write into the root.
    pub duties: fn(&dyn Tree, &LiveWords) -> io::Result<Vec<Edit>>,
}

impl std::fmt::Debug for Family {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// In the order in which they are tried: the first whose marks are there has it.
pub const FAMILIES: &[Family] = &[dracut::FAMILY, live_boot::FAMILY];

/// A single file system as the root: no medium around it, no habits.
pub const BARE: Family = Family { name: "image", recognise: |_, _| Ok(Some(bare())), duties: |_, _| Ok(Vec::new()) };

/// Where the parts of a medium are, and where its userland looks for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Where the medium is mounted.
    pub medium: &'static str,
    /// The root's layers, lowest first.
    pub layers: Vec<Layer>,
    /// Where the tmpfs for the upper is mounted.
    pub upper_mount: &'static str,
    /// The upper and the work directory, in that tmpfs.
    pub upper: (&'static str, &'static str),
    /// The source that the root's overlay shows in /proc/mounts.
    pub source: &'static str,
}

/// One read-only file system of the root's stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Its file, from the medium's root.
    pub file: String,
    /// Where it is mounted.
    pub at: String,
    /// Files that hold the real layer when one of them is inside, the first that is there.
    pub nested: &'static [&'static str],
    /// Where a container is mounted when there is a nested file.
    pub container: &'static str,
}

/// A change that a family makes to the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// The file's new text.
    Write {
        /// From the root's root.
        path: &'static str,
        /// All of it.
        text: String,
    },
}

/// The family of a medium with its layout; `None` when it is of none.
pub fn recognise(tree: &dyn Tree, words: &LiveWords) -> io::Result<Option<(Family, Layout)>> {
    for family in FAMILIES {
        if let Some(layout) = (family.recognise)(tree, words)? {
            return Ok(Some((*family, layout)));
        }
    }
    Ok(None)
}

fn bare() -> Layout {
    Layout {
        medium: "/run/isolde/medium",
        layers: Vec::new(),
        upper_mount: "/run/isolde/upper",
        upper: ("rw", "work"),
        source: "overlay",
    }
}

/// A file's name as part of a mount point inside an overlay's options, where `:`, `,` and `\` have a meaning.
fn mount_name(file: &str) -> String {
    let name = file.rsplit('/').next().unwrap_or(file);
    name.chars().map(|c| if c.is_ascii_alphanumeric() || "._+-".contains(c) { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_name_cannot_add_an_overlay_option() {
        assert_eq!(mount_name("live/a:b,upperdir=/x\\.squashfs"), "x_.squashfs");
        assert_eq!(mount_name("live/a,b.squashfs"), "a_b.squashfs");
    }
}
