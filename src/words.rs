//! Words of live systems' own dialects on the kernel command line.
//!
//! Every family lists the words that its own initrd understands; together they are one table. A word that several
//! families have is kept once, and each reads it in its own way.

use crate::families;
use std::collections::BTreeMap;

/// One word of a dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    /// Its name. `-` and `_` are the same in names, as in the kernel's own parser.
    pub name: &'static str,
    /// What its value looks like; empty for a bare word.
    pub form: &'static str,
    /// What init does with it.
    pub does: Does,
}

/// What init does with a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Does {
    /// It says where the image or the medium is.
    Source,
    /// It chooses what inside the medium is booted, or what is changed in it.
    Choice,
    /// It has what is booted copied to memory.
    ToRam,
    /// It asks for what is written to outlive the boot.
    Persist,
    /// It asks for what is written to be gone with the boot, over what was saved.
    Discard,
    /// It says how much memory what is written may take: bytes, with a unit, or a share.
    OverlaySize,
    /// The same, in MiB where it has no unit.
    OverlayMib,
    /// It is understood and not done yet: the log and the report say so.
    NotYet,
    /// It is for the running system, or for the family's own scripts: it stays on the command line, untouched.
    Userland,
}

impl Does {
    /// The word's fate in one phrase, for documents.
    pub fn text(self) -> &'static str {
        match self {
            Does::Source => "says where the image is",
            Does::Choice => "chooses what is booted",
            Does::ToRam => "has the image copied to memory",
            Does::Persist => "as `isolde.persist=default`, where the store has a place for it",
            Does::Discard => "as `isolde.session=discard`",
            Does::OverlaySize | Does::OverlayMib => "as `isolde.overlay-size=`",
            Does::NotYet => "is not done yet; a warning says so",
            Does::Userland => "is left to the system itself",
        }
    }
}

/// A row for a family's table.
pub const fn word(name: &'static str, form: &'static str, does: Does) -> Word {
    Word { name, form, does }
}

/// Words with their values, as typed; the last one wins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words(BTreeMap<&'static str, String>);

impl Words {
    /// Keeps a word. A bare one has an empty value.
    pub fn set(&mut self, name: &'static str, value: &str) {
        self.0.insert(name, value.to_owned());
    }

    /// Its value; `None` when the word is absent or its value is empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Whether the word is there and does not say no. Every initrd reads `0`, `no`, `off` and `n` as no.
    pub fn is_set(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|value| !matches!(value.as_str(), "0" | "no" | "off" | "n"))
    }

    /// Whether a word is there that does this and does not say no.
    #[must_use]
    pub fn asks(&self, does: Does) -> bool {
        let does_it = |name: &str| families::find_word(name).is_some_and(|word| word.does == does);
        self.0.keys().any(|name| does_it(name) && self.is_set(name) && self.get(name) != Some("none"))
    }

    /// Its value as a path of the medium, without slashes at its ends.
    pub fn path<'a>(&'a self, name: &str, default: &'a str) -> &'a str {
        self.get(name).unwrap_or(default).trim_matches('/')
    }

    /// Those that a family reads once the image is found.
    #[must_use]
    pub fn for_the_family(&self) -> Words {
        let does = |name: &str| families::find_word(name).map(|word| word.does);
        let keep = |name: &&'static str| matches!(does(name), Some(Does::Choice | Does::Userland));
        self.0.keys().copied().filter(keep).filter_map(|name| Some((name, self.0.get(name)?.clone()))).collect()
    }

    /// Those that are understood and not done yet, by name.
    pub fn not_yet(&self) -> impl Iterator<Item = &'static str> {
        let is_not_yet = |name: &str| families::find_word(name).is_some_and(|word| word.does == Does::NotYet);
        self.0.keys().copied().filter(move |name| is_not_yet(name) && self.is_set(name))
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str()))
    }
}

impl FromIterator<(&'static str, String)> for Words {
    fn from_iter<T: IntoIterator<Item = (&'static str, String)>>(all: T) -> Self {
        // collect() would sort first, which is code for nothing: the words are few.
        let mut words = Words::default();
        words.0.extend(all);
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_means_no_in_every_spelling() {
        let words: Words = [("a", "0"), ("b", ""), ("c", "1"), ("d", "off")]
            .into_iter()
            .map(|(name, value)| (name, value.to_owned()))
            .collect();
        assert_eq!(["a", "b", "c", "d", "e"].map(|name| words.is_set(name)), [false, true, true, false, false]);
        assert_eq!(words.get("b"), None);
    }
}
