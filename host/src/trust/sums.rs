//! Lists of checksums as distributors publish them.
//!
//! Takes   the bytes of a list, and the digest that its name speaks of, if it does.
//! Gives   a [`List`]: digests with names, in the forms of `sha256sum` (`HEX  NAME`, `HEX *NAME`), of `sha256sum --tag` and
//!         Fedora's CHECKSUM (`SHA256 (NAME) = HEX`), and of digits alone, as beside some images.
//! Leaves  lines of another form to be counted: comments, headings and the signature's own lines are usual here.
//! Fails   never; a list without a line that is understood is empty, and is taken for none.
//!
//! Text that is signed inside (RFC 4880, chapter 7, "cleartext signature framework") is read between its two marks, and
//! nothing outside: what stands there nobody signed. The signature itself is not checked here.
//! Sources: coreutils' manual, "cksum output modes"; the lists of Debian, Ubuntu, Fedora, Arch and openSUSE.

use super::digest::{Algorithm, unhex};
use isolde::formats::b3sums::unescape;

/// Bytes of a list: Ubuntu's and Debian's have a few kilobytes, for all their images.
pub const MOST: usize = 4 << 20;
const BEGIN: &str = "-----BEGIN PGP SIGNED MESSAGE-----";
const END: &str = "-----BEGIN PGP SIGNATURE-----";

/// A list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List {
    /// What it has.
    pub entries: Vec<Entry>,
    /// Whether it is the text of a PGP signature.
    pub is_signed: bool,
    /// How many lines with text were not understood.
    pub others: usize,
}

/// A digest of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Of this kind.
    pub algorithm: Algorithm,
    /// Its bytes.
    pub digest: Vec<u8>,
    /// The file as the list names it; empty where there are only digits.
    pub name: String,
}

/// Reads a list. `expected` decides what 64 hex digits are, which could be SHA-256 or BLAKE3; without it they are SHA-256.
#[must_use]
pub fn parse(text: &[u8], expected: Option<Algorithm>) -> List {
    let text = String::from_utf8_lossy(text);
    let mut list = List::default();
    let mut lines = text.lines().map(|line| line.trim_end_matches('\r'));
    let body: Vec<&str> = match text.contains(BEGIN) {
        false => lines.collect(),
        true => {
            list.is_signed = true;
            // The mark, headers such as "Hash: SHA256", an empty line, the text; a dash and a space hide other dashes.
            let inside = lines.by_ref().skip_while(|line| *line != BEGIN).skip_while(|line| !line.is_empty());
            inside.take_while(|line| *line != END).map(|line| line.strip_prefix("- ").unwrap_or(line)).collect()
        }
    };
    for line in body.into_iter().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        match entry(line, expected) {
            Some(entry) => list.entries.push(entry),
            None => list.others += 1,
        }
    }
    list
}

impl List {
    /// The digests that it has of a file of this name, which is without directories; where the list has directories, only
    /// when it has no such file without. A list of one file, that is digits
    /// without a name, is of the file that it stands beside; `is_beside` says that it does.
    #[must_use]
    pub fn of(&self, name: &str, is_beside: bool) -> Vec<&Entry> {
        let here = |entry: &&Entry| entry.name.strip_prefix("./").unwrap_or(&entry.name) == name;
        let elsewhere = |entry: &&Entry| entry.name.rsplit('/').next() == Some(name);
        let mut found: Vec<&Entry> = self.entries.iter().filter(here).collect();
        if found.is_empty() {
            found = self.entries.iter().filter(elsewhere).collect();
        }
        match self.entries.as_slice() {
            [only] if found.is_empty() && is_beside && only.name.is_empty() => vec![only],
            _ => found,
        }
    }
}

fn entry(line: &str, expected: Option<Algorithm>) -> Option<Entry> {
    let (is_escaped, line) = match line.strip_prefix('\\') {
        Some(rest) => (true, rest),
        None => (false, line),
    };
    let (algorithm, digits, name) = tagged(line).or_else(|| {
        let (digits, name) = line.split_once(' ').unwrap_or((line, ""));
        // The second column is a space or an asterisk; some vendors write one space only.
        let name = name.strip_prefix([' ', '*']).unwrap_or(name);
        Some((of_length(digits.len(), expected)?, digits, name))
    })?;
    let digest = unhex(digits).ok().filter(|digest| digest.len() == algorithm.length())?;
    let name = if is_escaped { unescape(name)? } else { name.to_owned() };
    Some(Entry { algorithm, digest, name })
}

/// `SHA256 (NAME) = HEX`. The name may have parentheses of its own.
fn tagged(line: &str) -> Option<(Algorithm, &str, &str)> {
    let (word, rest) = line.split_once(" (")?;
    let (name, digits) = rest.rsplit_once(") = ")?;
    Some((Algorithm::named(word)?, digits.trim_end(), name))
}

fn of_length(digits: usize, expected: Option<Algorithm>) -> Option<Algorithm> {
    let fits = |algorithm: &Algorithm| algorithm.length() * 2 == digits;
    expected.filter(fits).or_else(|| Algorithm::ALL.into_iter().find(fits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const A: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    const B: &str = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";

    fn found(text: &str, name: &str) -> Vec<(Algorithm, String)> {
        let list = parse(text.as_bytes(), None);
        list.of(name, true).iter().map(|entry| (entry.algorithm, super::super::digest::hex(&entry.digest))).collect()
    }

    #[test]
    fn every_form_of_a_line() {
        for line in [
            format!("{A}  x.iso"),
            format!("{A} *x.iso"),
            format!("{A} x.iso"),
            format!("{A}  ./live/x.iso\r"),
            format!("SHA256 (x.iso) = {A}"),
            format!("SHA256 (x.iso) = {}", A.to_uppercase()),
            A.to_owned(),
            format!("# x.iso: 1 bytes\nSHA256 (y.iso) = {B}\nSHA256 (x.iso) = {A}\n"),
        ] {
            assert_eq!(found(&line, "x.iso"), [(Algorithm::Sha256, A.to_owned())], "{line}");
        }
        assert_eq!(found(&format!("SHA256 (a (1).iso) = {A}"), "a (1).iso").len(), 1);
        assert_eq!(found(&format!("\\{A}  a\\nb\\\\c"), "a\nb\\c").len(), 1);
        assert_eq!(found(&"0".repeat(128), "x")[0].0, Algorithm::Sha512);
        let list = parse(A.as_bytes(), Some(Algorithm::Blake3));
        assert_eq!(list.of("x", true)[0].algorithm, Algorithm::Blake3);
    }

    #[test]
    fn what_is_no_line_for_the_file_is_none() {
        for line in [
            format!("{A}  y.iso"),
            format!("{A}  x.iso.zsync"),
            format!("{}  x.iso", &A[1..]),
            format!("SHA512 (x.iso) = {A}"),
            format!("SHA3-256 (x.iso) = {A}"),
            format!("{A}\n{B}"),
            format!("\\{A}  x\\.iso"),
            String::new(),
        ] {
            assert_eq!(found(&line, "x.iso"), [], "{line}");
        }
        assert!(parse(A.as_bytes(), None).of("x.iso", false).is_empty(), "digits alone are of the file beside them");
    }

    #[test]
    fn only_the_text_between_the_marks_of_a_signature_counts() {
        let text = format!(
            "{A}  before.iso\n{BEGIN}\nHash: SHA256\n\n# Fedora\nSHA256 (x.iso) = {A}\n- {B}  y.iso\n{END}\n\niQIz\n=x\n\
             -----END PGP SIGNATURE-----\n{A}  behind.iso\n"
        );
        let list = parse(text.as_bytes(), None);
        assert!(list.is_signed);
        let names: Vec<&str> = list.entries.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!((names, list.others), (vec!["x.iso", "y.iso"], 0));
        assert_eq!(found(&text, "behind.iso"), []);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_list(text: Vec<u8>) {
            let list = parse(&text, None);
            prop_assert!(list.entries.iter().all(|entry| entry.digest.len() == entry.algorithm.length()));
        }

        #[test]
        fn what_sha256sum_writes_is_found(name in "[a-z (){}=*\\\\.-]{1,20}") {
            let escaped = name.replace('\\', "\\\\");
            let mark = if escaped == name { "" } else { "\\" };
            let line = format!("{mark}{A}  {escaped}\n");
            prop_assert_eq!(found(&line, &name).len(), 1, "{}", line);
        }
    }
}
