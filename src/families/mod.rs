//! The families of live images: who made it, where its layers are, and what its userland expects.
//!
//! A family is one file here and one row in [`FAMILIES`]. It only reads: through [`Tree`], so that the host can ask the
//! same question of an ISO that it reads without mounting, and it answers with a [`Layout`].

pub mod account;
pub mod alpine;
pub mod antix;
pub mod archiso;
pub mod casper;
pub mod clear;
pub mod dracut;
#[cfg(test)]
mod fake;
pub mod folders;
pub mod gentoo;
pub mod kiwi;
pub mod live_boot;
pub mod liveslak;
pub mod llk;
pub mod mageia;
pub mod miso;
pub mod naming;
pub mod nixos;
pub mod porteus;
pub mod puppy;
pub mod strangers;
pub mod systemrescue;
pub mod tails;
#[cfg(test)]
mod testing;
pub mod tree;
pub mod void;

use crate::params::same;
use crate::source::Named;
use crate::words::{Word, Words};
use std::io;
use tree::Tree;

/// One family.
#[derive(Clone, Copy)]
pub struct Family {
    /// Its name in log, report and documents.
    pub name: &'static str,
    /// Systems that are of this family, for documents.
    pub systems: &'static str,
    /// How its systems are taken over.
    pub way: Way,
    /// The words of its dialect.
    pub words: &'static [Word],
    /// The images that its words name.
    pub sources: fn(&Words) -> Vec<Named>,
    /// The layout of this medium, if it is of this family.
    pub recognise: fn(&Asked) -> io::Result<Option<Layout>>,
    /// What its own initrd would write into the root. The tree is the root as it is by then.
    pub duties: fn(&Asked, &dyn Tree) -> io::Result<Vec<Edit>>,
    /// The user that its live system runs as, where it makes one. The tree is the root before anything is written to it.
    pub user: fn(&Asked, &dyn Tree) -> io::Result<Option<LiveUser>>,
    /// The id that ties initrd and medium together, where both carry one.
    pub pair: fn(&Asked) -> io::Result<Option<Pair>>,
    /// Scripts of its initrd that prepare the root.
    pub scripts: Option<Scripts>,
    /// What its own init has to find in the initramfs, beside the links below /dev/disk, when it is delegated to.
    pub hints: fn(&Attached) -> Vec<Edit>,
}

impl std::fmt::Debug for Family {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// What a family has that needs none of it; for `..NO_HABITS` in a family's own value.
pub const NO_HABITS: Family = Family {
    name: "",
    systems: "",
    way: Way::Mounts,
    words: &[],
    sources: |_| Vec::new(),
    recognise: |_| Ok(None),
    duties: |_, _| Ok(Vec::new()),
    user: |_, _| Ok(None),
    pair: |_| Ok(None),
    scripts: None,
    hints: |_| Vec::new(),
};

/// The user of a live system, who may not be there yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveUser {
    /// Its name.
    pub name: String,
    /// Its id, where it is not the next free one.
    pub uid: Option<u32>,
}

impl LiveUser {
    /// One with the next free id.
    pub fn named(name: &str) -> LiveUser {
        LiveUser { name: name.to_owned(), uid: None }
    }
}

/// How a system is taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Its layers are mounted where it expects them.
    Mounts,
    /// The same, and services in the image do the rest when they see their words on the command line.
    Userland,
    /// The same, and what its initrd would change in the root is changed: by its own scripts where they are there.
    Scripts,
    /// Its own init runs, and finds the image as a device.
    Delegate,
}

impl Way {
    /// One phrase, for documents.
    pub fn text(self) -> &'static str {
        match self {
            Way::Mounts => "mounts only",
            Way::Userland => "mounts; its userland does the rest",
            Way::Scripts => "mounts, then its initrd's scripts or the same natively",
            Way::Delegate => "delegated to its own init",
        }
    }
}

/// In the order in which they are tried: the first whose marks are there has it.
pub const FAMILIES: &[Family] = &[
    casper::FAMILY,
    antix::FAMILY,
    miso::FAMILY,
    systemrescue::FAMILY,
    archiso::FAMILY,
    kiwi::FAMILY,
    void::FAMILY,
    dracut::FAMILY,
    gentoo::FAMILY,
    nixos::FAMILY,
    alpine::FAMILY,
    liveslak::FAMILY,
    llk::FAMILY,
    porteus::FAMILY,
    clear::FAMILY,
    puppy::FAMILY,
    mageia::FAMILY,
    tails::FAMILY,
    live_boot::FAMILY,
];

/// A single file system as the root: no medium around it, no habits.
pub const BARE: Family = Family { name: "image", ..NO_HABITS };

/// What a family's questions are about.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// The medium: what is in the ISO.
    pub medium: &'a dyn Tree,
    /// The initramfs that the image's boot entry loads.
    pub initrd: &'a dyn Tree,
    /// The words of all dialects on the command line.
    pub words: &'a Words,
}

impl std::fmt::Debug for Asked<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Asked").field("words", self.words).finish_non_exhaustive()
    }
}

/// Where the parts of a medium are, and where its userland looks for them. Paths are those of the booted system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Where the medium is mounted; below /run.
    pub medium: &'static str,
    /// The stack's layers, lowest first.
    pub layers: Vec<Layer>,
    /// Where the tmpfs for the upper is mounted; below /run.
    pub upper_mount: &'static str,
    /// The upper and the work directory, in that tmpfs.
    pub upper: (&'static str, &'static str),
    /// The source that the overlay shows in /proc/mounts.
    pub source: &'static str,
    /// Where the overlay is mounted: `/` as a rule; around another path the root is an empty tmpfs.
    pub stack: &'static str,
    /// Mounts that are also shown elsewhere in the root: what, and where.
    pub shown: Vec<(String, &'static str)>,
    /// Links that its userland follows: where, and what they say.
    pub links: Vec<(&'static str, Target)>,
}

/// What a link of a [`Layout`] says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The block device that the medium is mounted from.
    MediumDevice,
    /// The block device that the store is mounted from.
    StoreDevice,
    /// This text.
    Text(&'static str),
}

impl Layout {
    /// A layout without peculiarities.
    pub fn new(medium: &'static str, layers: Vec<Layer>) -> Layout {
        Layout {
            medium,
            layers,
            upper_mount: "/run/isolde/upper",
            upper: ("rw", "work"),
            source: "overlay",
            stack: "/",
            shown: Vec::new(),
            links: Vec::new(),
        }
    }
}

/// One read-only file system of the root's stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Its file, from the medium's root.
    pub file: String,
    /// Where it is mounted; below /run.
    pub at: String,
    /// Files that hold the real layer when one of them is inside, the first that is there.
    pub nested: Vec<String>,
    /// Where a container is mounted when there is a nested file.
    pub container: String,
}

impl Layer {
    /// An image that is the layer itself.
    pub fn plain(file: impl Into<String>, at: impl Into<String>) -> Layer {
        Layer { file: file.into(), at: at.into(), nested: Vec::new(), container: String::new() }
    }
}

/// A change in a tree: the new root's, or the initramfs's for a delegate. Paths count from its root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// A directory with its parents, mode 0755.
    MakeDir {
        /// Which.
        path: String,
    },
    /// The file's new text; mode 0644 when it is new. Its folder must exist.
    Write {
        /// Which.
        path: String,
        /// All of it.
        text: String,
    },
    /// A link; one that is there is replaced.
    Link {
        /// Where.
        path: String,
        /// What it says.
        to: String,
    },
    /// Mode and owner.
    Own {
        /// Of which file or directory.
        path: String,
        /// The permission bits (inode(7)).
        mode: u32,
        /// User id.
        uid: u32,
        /// Group id.
        gid: u32,
    },
}

impl Edit {
    /// [`Edit::Write`].
    pub fn write(path: impl Into<String>, text: impl Into<String>) -> Edit {
        Edit::Write { path: path.into(), text: text.into() }
    }

    /// [`Edit::Link`].
    pub fn link(path: impl Into<String>, to: impl Into<String>) -> Edit {
        Edit::Link { path: path.into(), to: to.into() }
    }
}

/// Scripts in the initramfs that prepare the root, and a program for the initramfs' own `/bin/sh` that runs them. It starts
/// in the initramfs' top directory, and finds the new root with the API mounts in it at `root`.
#[derive(Clone, Copy, Debug)]
pub struct Scripts {
    /// Files of the initramfs, any of which is there when the scripts are.
    pub marks: &'static [&'static str],
    /// Where the scripts expect the new root in the initramfs.
    pub root: &'static str,
    /// Mounts of the new root that the scripts expect at the same path in the initramfs, and may move into the root.
    pub beside: &'static [&'static str],
    /// The program.
    pub text: &'static str,
    /// Variables for it. They overrule `PATH`, `HOME` and `TERM`, which it has anyway.
    pub environment: fn(&Asked) -> io::Result<Environment>,
}

/// Names and values of a program's variables (environ(7)).
pub type Environment = Vec<(String, String)>;

/// An id in the initrd and the one on the medium.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// In the initrd, or on the command line.
    pub initrd: String,
    /// On the medium; all that it has.
    pub medium: Vec<String>,
}

/// An image that was attached for a delegate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    /// Its block device: `/dev/loop0`.
    pub device: String,
    /// The path of its file on the store, or nothing for a medium itself.
    pub file: Option<String>,
}

/// The family of a medium with its layout; `None` when it is of none.
pub fn recognise(asked: &Asked) -> io::Result<Option<(Family, Layout)>> {
    for family in FAMILIES {
        if let Some(layout) = (family.recognise)(asked)? {
            return Ok(Some((*family, layout)));
        }
    }
    Ok(None)
}

/// The word of that name, of whichever family has it first.
pub fn find_word(name: &str) -> Option<&'static Word> {
    FAMILIES.iter().flat_map(|family| family.words).find(|word| same(word.name, name))
}

/// The layout of a single file system.
pub fn bare() -> Layout {
    Layout::new("/run/isolde/medium", Vec::new())
}

/// A file's name as part of a mount point inside an overlay's options, where `:`, `,` and `\` have a meaning.
pub fn mount_name(file: &str) -> String {
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

    #[test]
    fn a_word_of_two_families_has_one_fate() {
        let all = || FAMILIES.iter().flat_map(|family| family.words.iter().map(move |word| (family.name, word)));
        for (one, word) in all() {
            for (other, again) in all().filter(|(_, again)| same(again.name, word.name)) {
                assert_eq!(word.name, again.name, "{one} and {other} spell it differently");
                let not_yet = |word: &Word| word.does == crate::words::Does::NotYet;
                assert_eq!(not_yet(word), not_yet(again), "{one} and {other}: {}", word.name);
            }
        }
    }
}
