//! The record of what was saved: `record.toml` in the folder of the persistent layers.
//!
//! Takes   the bytes of a record: its version, then one `[[generation]]` for each session that was written.
//! Gives   [`Generations`]: a tree, as each generation names the one that it was written above.
//! Fails   with [`RecordError`], which names the line. A record with one fault is not used, and not overwritten.
//!
//! ```toml
//! version = 1
//! options = "redirect_dir=off,metacopy=off,index=off"
//!
//! [[generation]]
//! number = 2
//! parent = 1
//! profile = "work"
//! base = "<64 hex digits>"
//! image = "/boot/iso/debian.iso"
//! boot = "<the session's boot id>"
//! time = 1790000000
//! state = "saved"
//! ```
//!
//! A generation is the upper layer of one session, in the folder of its number. It is never written to again, but for
//! a merge: `merging = 3` at the top says that 3 is being moved into its parent, which may have been interrupted; whatever
//! is left of it is moved again (see `sys/linux/merge.rs`).

mod line;
mod text;

pub use line::Tip;
pub use text::RecordError;

/// The record's name.
pub const NAME: &str = "record.toml";
/// Bytes of a record: more than the most generations take.
pub const MOST: usize = 1 << 20;
/// How overlays of these layers are mounted. With other options the layers would mean something else (kernel:
/// filesystems/overlayfs.rst): no layer names a path of another one, so that each can be dropped or merged.
pub const OPTIONS: &str = "redirect_dir=off,metacopy=off,index=off";
/// Generations of a record.
pub const MOST_GENERATIONS: usize = 1000;

/// What a session left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is written to, or its machine stopped without a word.
    Running,
    /// It came to its end.
    Saved,
    /// It did not, and what it wrote was found by a later boot.
    Unclean,
    /// It is not wanted any more, and may be deleted.
    Dropped,
}

impl State {
    const WORDS: [(&'static str, State); 4] = [
        ("running", State::Running),
        ("saved", State::Saved),
        ("unclean", State::Unclean),
        ("dropped", State::Dropped),
    ];

    /// As the record has it.
    pub fn word(self) -> &'static str {
        State::WORDS.iter().find(|(_, state)| *state == self).map_or("", |(word, _)| word)
    }
}

/// One session's layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generation {
    /// The name of its folder; from 1.
    pub number: u32,
    /// The generation below it; 0 for the image itself. Always a smaller number.
    pub parent: u32,
    /// The profile that it belongs to.
    pub profile: String,
    /// What it was written over: the fingerprint of the image's layers.
    pub base: [u8; 32],
    /// The image, for people.
    pub image: String,
    /// The session's boot id (/proc/sys/kernel/random/boot_id).
    pub boot: String,
    /// When it began, in seconds since 1970, by the machine's clock.
    pub time: u64,
    /// How it ended.
    pub state: State,
}

/// Everything that was saved in one place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Generations {
    /// In the order of their numbers.
    pub all: Vec<Generation>,
    /// The one that is being moved into its parent.
    pub merging: Option<u32>,
}

/// Whether a profile can be called so: letters, digits, `-`, `_` and `.`, at most 64, no dot first. It is shown, and typed
/// on a command line.
#[must_use]
pub fn is_profile(name: &str) -> bool {
    let letter = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    !name.is_empty() && name.len() <= 64 && !name.starts_with('.') && name.bytes().all(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) const BASE: [u8; 32] = [1; 32];

    pub(super) fn generation(number: u32, parent: u32) -> Generation {
        let (profile, image) = ("p".to_owned(), "/boot/iso/x.iso".to_owned());
        let (boot, state) = ("b".to_owned(), State::Saved);
        Generation { number, parent, profile, base: BASE, image, boot, time: 1_790_000_000, state }
    }

    /// Numbers and parents.
    pub(super) fn record(all: &[(u32, u32)]) -> Generations {
        let all = all.iter().map(|(number, parent)| generation(*number, *parent)).collect();
        Generations { all, merging: None }
    }

    #[test]
    fn names_of_profiles() {
        for (name, holds) in
            [("work", true), ("a.b-c_1", true), ("", false), (".x", false), ("a/b", false), ("ä", false)]
        {
            assert_eq!(is_profile(name), holds, "{name}");
        }
    }
}
