//! What the words of the command line ask for, as values.

use crate::source::{Share, StoreSpec};
use std::fmt;

/// How strictly proof is asked for of what the store holds, the weakest first: of several wishes the greatest counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Policy {
    /// Check nothing.
    Off,
    /// Check whatever has a checksum.
    #[default]
    Auto,
    /// No checksum, no boot.
    Require,
    /// No place in a manifest that a key of the initrd has signed, no boot.
    Signed,
}

impl Policy {
    /// The values of isolde.verify, in the order in which cmdline-spec.md explains them.
    pub const WORDS: [(&'static str, Policy); 4] =
        [("auto", Policy::Auto), ("require", Policy::Require), ("signed", Policy::Signed), ("off", Policy::Off)];

    /// As isolde.verify has it.
    pub fn word(self) -> &'static str {
        Policy::WORDS.iter().find(|(_, policy)| *policy == self).map_or("", |(word, _)| word)
    }
}

/// What the kernel does when a block of an image with a hash tree is not the one that was sealed (kernel:
/// device-mapper/verity.rst).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnCorruption {
    /// The read fails.
    #[default]
    IoError,
    /// The machine starts again.
    Restart,
    /// The kernel panics.
    Panic,
}

impl OnCorruption {
    /// The values of isolde.oncorruption.
    pub const WORDS: [(&'static str, OnCorruption); 3] =
        [("io-error", OnCorruption::IoError), ("restart", OnCorruption::Restart), ("panic", OnCorruption::Panic)];

    /// As isolde.oncorruption has it.
    pub fn word(self) -> &'static str {
        OnCorruption::WORDS.iter().find(|(_, all)| *all == self).map_or("", |(word, _)| word)
    }
}

/// Whether what is booted is copied to memory first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ToRam {
    /// It is read from the medium.
    #[default]
    No,
    /// It is copied where there is plenty of memory.
    Auto,
    /// It is copied where it fits.
    Yes,
}

impl ToRam {
    /// The values of isolde.toram.
    pub const WORDS: [(&'static str, ToRam); 3] = [("auto", ToRam::Auto), ("yes", ToRam::Yes), ("no", ToRam::No)];

    /// As isolde.toram has it.
    pub fn word(self) -> &'static str {
        ToRam::WORDS.iter().find(|(_, all)| *all == self).map_or("", |(word, _)| word)
    }
}

/// What happens after a failure was reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFail {
    /// A menu on every console.
    #[default]
    Menu,
    /// A shell of the initramfs on the console; the menu when it ends.
    Shell,
    /// Reboot after a visible count-down.
    Reboot,
    /// Power off after a visible count-down.
    PowerOff,
    /// Stay, so that the message can be read.
    Wait,
    /// Execute the distribution's own init, as if this one were not there.
    Delegate,
}

/// What was asked for the home directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum HomeWish {
    /// Use the store's `/home.img` or `/home` when it is there.
    #[default]
    Found,
    /// None: what is written to /home is gone at power-off.
    No,
    /// This file or directory of the store; without it the boot stops.
    Path(String),
    /// The file system on this device; without it the boot stops.
    Volume(StoreSpec),
    /// What another machine shares; without it the boot stops.
    Share(Share),
}

/// What becomes of a lease that somebody else has on a shared home.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LeaseWish {
    /// It counts.
    #[default]
    Keep,
    /// It is taken: whoever had it is known not to run any more.
    Take,
}

impl LeaseWish {
    /// The values of isolde.home-lease.
    pub const WORDS: [(&'static str, LeaseWish); 2] = [("keep", LeaseWish::Keep), ("take", LeaseWish::Take)];

    /// As isolde.home-lease has it.
    pub fn word(self) -> &'static str {
        LeaseWish::WORDS.iter().find(|(_, all)| *all == self).map_or("", |(word, _)| word)
    }
}

/// Whether something of the store that adds to the system is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Extras {
    /// Use it.
    #[default]
    Use,
    /// Leave it alone.
    Leave,
}

/// How much goes to the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verbosity {
    /// One line per stage, warnings and errors.
    #[default]
    Info,
    /// Every operation as well.
    Debug,
}

/// Whether what is written outlives the boot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PersistWish {
    /// It does not.
    #[default]
    No,
    /// In the profile `default`, where the store has a place for it already: what the words of other live systems ask for.
    IfThere,
    /// In this profile.
    Profile {
        /// Its name.
        name: String,
        /// How many of its last sessions are left out.
        back: usize,
    },
}

impl fmt::Display for PersistWish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PersistWish::No => f.write_str("no"),
            PersistWish::IfThere => f.write_str("auto"),
            PersistWish::Profile { name, back: 0 } => f.write_str(name),
            PersistWish::Profile { name, back } => write!(f, "{name}@-{back}"),
        }
    }
}

/// What becomes of a profile whose sessions were all written over another image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OtherBase {
    /// Whoever is at the console chooses; without an answer they are forked.
    #[default]
    Ask,
    /// They are shown over this image; what is written belongs to this image, and the other one finds its own as it was.
    Fork,
    /// They belong to this image from now on.
    Keep,
    /// Nothing of them is shown; the other image finds its own as it was.
    Fresh,
    /// The boot stops.
    Cancel,
}

impl OtherBase {
    /// The values of isolde.persist-base.
    pub const WORDS: [(&'static str, OtherBase); 5] = [
        ("ask", OtherBase::Ask),
        ("fork", OtherBase::Fork),
        ("keep", OtherBase::Keep),
        ("fresh", OtherBase::Fresh),
        ("cancel", OtherBase::Cancel),
    ];

    /// What it is where nobody is asked.
    #[must_use]
    pub fn unasked(self) -> OtherBase {
        if self == OtherBase::Ask { OtherBase::Fork } else { self }
    }

    /// As isolde.persist-base has it.
    pub fn word(self) -> &'static str {
        OtherBase::WORDS.iter().find(|(_, all)| *all == self).map_or("", |(word, _)| word)
    }
}

/// What becomes of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Session {
    /// It is written to the profile.
    #[default]
    Save,
    /// It is in memory, over what was saved.
    Discard,
}

impl Session {
    /// The values of isolde.session.
    pub const WORDS: [(&'static str, Session); 2] = [("save", Session::Save), ("discard", Session::Discard)];

    /// As isolde.session has it.
    pub fn word(self) -> &'static str {
        Session::WORDS.iter().find(|(_, all)| *all == self).map_or("", |(word, _)| word)
    }
}
