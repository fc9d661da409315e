//! The record's text, read and written.

use super::{Generation, Generations, MOST, MOST_GENERATIONS, OPTIONS, State, is_profile};
use std::fmt::{self, Write as _};

/// The only version there is.
const VERSION: u64 = 1;

/// What is wrong with a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordError {
    /// It is larger than any record.
    TooLarge,
    /// It is no text.
    NotText,
    /// A line that cannot be read.
    Line {
        /// From 1.
        line: usize,
        /// What it should have been.
        want: &'static str,
        /// Its start.
        seen: String,
    },
    /// Of another version, or its layers want other mount options.
    Other {
        /// Which key.
        key: &'static str,
        /// Its value.
        seen: String,
    },
    /// A generation that cannot be where it is.
    Generation {
        /// Its number.
        number: u32,
        /// What is wrong with it.
        why: &'static str,
    },
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RecordError::TooLarge => write!(f, "wanted at most {MOST} bytes, seen more"),
            RecordError::NotText => f.write_str("wanted UTF-8, seen something else"),
            RecordError::Line { line, want, seen } => {
                write!(f, "line {line}: wanted {want}, seen {seen:?}")
            }
            RecordError::Other { key, seen } => write!(f, "its {key} is {seen:?}, which this version cannot use"),
            RecordError::Generation { number, why } => write!(f, "generation {number} {why}"),
        }
    }
}

impl std::error::Error for RecordError {}

impl Generations {
    /// Reads a record.
    ///
    /// # Errors
    /// At its first fault.
    pub fn parse(bytes: &[u8]) -> Result<Generations, RecordError> {
        if bytes.len() > MOST {
            return Err(RecordError::TooLarge);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| RecordError::NotText)?;
        let mut read = Generations::default();
        let mut version = None;
        for (line, text) in (1..).zip(text.lines()) {
            let text = text.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let fault = |want| Err(RecordError::Line { line, want, seen: text.chars().take(60).collect() });
            if text == "[[generation]]" {
                if read.all.len() >= MOST_GENERATIONS {
                    return fault("at most 1000 generations");
                }
                read.all.push(EMPTY);
                continue;
            }
            let Some((key, value)) = text.split_once('=') else { return fault("KEY = VALUE") };
            let (key, value) = (key.trim_end(), value.trim_start());
            let taken = match (read.all.last_mut(), key) {
                (Some(generation), _) => generation.take(key, value),
                (None, "version") => put(&mut version, number::<u64>(value)),
                (None, "options") => match string(value) {
                    Some(OPTIONS) => true,
                    Some(seen) => return Err(RecordError::Other { key: "options", seen: seen.to_owned() }),
                    None => false,
                },
                (None, "merging") => put(&mut read.merging, number(value)),
                (None, _) => false,
            };
            if !taken {
                return fault("a key of a record and its value");
            }
        }
        match version {
            Some(VERSION) => read.checked(),
            seen => Err(RecordError::Other { key: "version", seen: seen.map_or("none".to_owned(), |v| v.to_string()) }),
        }
    }

    /// What later code relies on: numbers rise, and a parent comes before its children, so no line goes in a circle.
    fn checked(self) -> Result<Generations, RecordError> {
        let mut before = 0;
        for generation in &self.all {
            let fault = |why| Err(RecordError::Generation { number: generation.number, why });
            if generation.number <= before {
                return fault("does not come after the one before it");
            }
            if generation.parent != 0
                && self.find(generation.parent).is_none_or(|_| generation.parent >= generation.number)
            {
                return fault("is above one that is not there");
            }
            if !is_profile(&generation.profile) {
                return fault("has no profile");
            }
            before = generation.number;
        }
        match self.merging.filter(|number| self.find(*number).is_none_or(|merged| merged.parent == 0)) {
            Some(number) => Err(RecordError::Generation { number, why: "is being merged, and has nothing below it" }),
            None => Ok(self),
        }
    }
}

const EMPTY: Generation = Generation {
    number: 0,
    parent: 0,
    profile: String::new(),
    base: [0; 32],
    image: String::new(),
    boot: String::new(),
    time: 0,
    state: State::Running,
};

impl Generation {
    fn take(&mut self, key: &str, value: &str) -> bool {
        match key {
            "number" => set(&mut self.number, number(value)),
            "parent" => set(&mut self.parent, number(value)),
            "profile" => set(&mut self.profile, string(value).map(str::to_owned)),
            "base" => {
                let hash = string(value).and_then(|hex| blake3::Hash::from_hex(hex).ok());
                set(&mut self.base, hash.map(|hash| *hash.as_bytes()))
            }
            "image" => set(&mut self.image, string(value).map(str::to_owned)),
            "boot" => set(&mut self.boot, string(value).map(str::to_owned)),
            "time" => set(&mut self.time, number(value)),
            "state" => {
                let word = string(value);
                let state = State::WORDS.iter().find(|(all, _)| Some(*all) == word);
                set(&mut self.state, state.map(|(_, state)| *state))
            }
            _ => false,
        }
    }
}

fn set<T>(slot: &mut T, value: Option<T>) -> bool {
    value.map(|value| *slot = value).is_some()
}

fn put<T>(slot: &mut Option<T>, value: Option<T>) -> bool {
    *slot = value;
    slot.is_some()
}

fn number<T: std::str::FromStr>(value: &str) -> Option<T> {
    value.parse().ok()
}

/// Between double quotes, without any that would need an escape.
fn string(value: &str) -> Option<&str> {
    let inner = value.strip_prefix('"')?.strip_suffix('"')?;
    let plain = |c: char| !c.is_control() && c != '"' && c != '\\';
    inner.chars().all(plain).then_some(inner)
}

/// The record's own form: what [`Generations::parse`] reads.
impl fmt::Display for Generations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "version = {VERSION}\noptions = \"{OPTIONS}\"\n")?;
        if let Some(number) = self.merging {
            writeln!(f, "merging = {number}")?;
        }
        self.all.iter().try_for_each(|generation| write!(f, "{generation}"))
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Generation { number, parent, profile, image, boot, time, state, .. } = self;
        let base = blake3::Hash::from_bytes(self.base).to_hex();
        write!(f, "\n[[generation]]\nnumber = {number}\nparent = {parent}\nprofile = \"{profile}\"\n")?;
        write!(f, "base = \"{base}\"\nimage = \"{}\"\nboot = \"{}\"\n", Plain(image), Plain(boot))?;
        write!(f, "time = {time}\nstate = \"{}\"\n", state.word())
    }
}

/// A text in which what would need an escape is replaced: it is only shown.
struct Plain<'a>(&'a str);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |c: char| if c.is_control() || c == '"' || c == '\\' { '_' } else { c };
        self.0.chars().try_for_each(|c| f.write_char(plain(c)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{generation, record};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_written_is_read_again() {
        let mut before = record(&[(1, 0), (2, 1), (4, 1)]);
        before.merging = Some(4);
        assert_eq!(Generations::parse(before.to_string().as_bytes()), Ok(before));
    }

    #[test]
    fn a_name_of_an_image_cannot_add_a_line() {
        let mut before = record(&[(1, 0)]);
        before.all[0].image = "/a\"\nstate = \"dropped".to_owned();
        let after = Generations::parse(before.to_string().as_bytes()).unwrap();
        assert_eq!((after.all[0].image.as_str(), after.all[0].state), ("/a__state = _dropped", State::Saved));
    }

    #[test]
    fn faults_are_named() {
        let text = record(&[(1, 0), (2, 1)]).to_string();
        for (from, to, want) in [
            ("version = 1", "version = 2", "its version is \"2\", which this version cannot use"),
            ("version = 1", "", "its version is \"none\", which this version cannot use"),
            ("redirect_dir=off", "redirect_dir=on", "its options is"),
            ("parent = 1", "parent = 2", "generation 2 is above one that is not there"),
            ("number = 2", "number = 1", "generation 1 does not come after the one before it"),
            (
                "state = \"saved\"",
                "state = \"fine\"",
                "line 12: wanted a key of a record and its value, seen \"state = ",
            ),
            ("profile = \"p\"", "profile = \"../p\"", "generation 1 has no profile"),
            ("time", "colour", "line 11: wanted a key of a record"),
            ("[[generation]]", "generation", "line 4: wanted KEY = VALUE, seen \"generation\""),
            ("version = 1", "version = 1\nmerging = 1", "generation 1 is being merged, and has nothing below it"),
        ] {
            let error = Generations::parse(text.replacen(from, to, 1).as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with(want), "{from} → {to}: {error}");
        }
        assert_eq!(Generations::parse(&[0xff]), Err(RecordError::NotText));
        assert_eq!(Generations::parse(&vec![b'#'; MOST + 1]), Err(RecordError::TooLarge));
        assert_eq!(generation(1, 0).state, State::Saved);
    }

    proptest! {
        #[test]
        fn a_changed_record_is_refused_or_has_lines_that_end(at in any::<prop::sample::Index>(), digit in b'0'..=b'9') {
            let mut bytes = record(&[(1, 0), (2, 1), (3, 2), (4, 2)]).to_string().into_bytes();
            let digits: Vec<usize> = (0..bytes.len()).filter(|n| bytes[*n].is_ascii_digit()).collect();
            bytes[digits[at.index(digits.len())]] = digit;
            if let Ok(read) = Generations::parse(&bytes) {
                for one in &read.all {
                    let line = read.line(one.number);
                    prop_assert!(line.windows(2).all(|two| two[0] > two[1]), "{line:?}");
                }
            }
        }

        #[test]
        fn any_bytes_give_a_record_or_a_fault(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = Generations::parse(&bytes);
        }
    }
}
