//! What an initrd brings along for init to judge a store by: public keys, and words that stand before the kernel's own.
//!
//! Takes   files with public keys of minisign, and one line of words.
//! Gives   the files `/isolde/keys/NAME.pub` and `/isolde/cmdline`, where init looks for them.
//! Fails   when init would refuse them: both are read here by the code that reads them there. A secret key is no public
//!         one, and does not get into an archive that everybody can read.

use std::path::Path;

use isolde::formats::minisig;
use isolde::stages::cmdline;

use crate::destination::Destination;
use crate::error::{Error, Result};
use crate::source::Source;

/// The folder of the keys.
pub const KEYS: &str = "isolde/keys";
/// The file with the words.
pub const WORDS: &str = "isolde/cmdline";
/// What the name of a key ends with; init passes other files by.
const ENDING: &str = ".pub";
/// Bytes of the words: what the kernel's own command line has room for (x86's COMMAND_LINE_SIZE).
const MOST_WORDS: usize = 2048;

/// A file with one or more public keys, and its place.
pub fn key(path: &Path) -> Result<(Destination, Source)> {
    let source = Source::open(path)?;
    minisig::keys(source.bytes()).map_err(|cause| Error::PublicKey { path: path.to_owned(), cause })?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.strip_suffix(ENDING).unwrap_or(&name);
    let place = Destination::parse(&format!("{KEYS}/{stem}{ENDING}"))?;
    // A key is no program, whatever the permissions of its file.
    Ok((place, Source::from_bytes(source.name(), source.bytes().to_vec(), false)?))
}

/// The file with the words.
pub fn words(text: &str) -> Result<(Destination, Source)> {
    let refuse = |wanted: &str| Err(Error::Words { wanted: wanted.to_owned(), seen: text.escape_debug().to_string() });
    if text.trim().is_empty() || text.len() >= MOST_WORDS {
        return refuse("1 to 2047 bytes of words");
    }
    if text.chars().any(char::is_control) {
        return refuse("one line of words");
    }
    // What follows them is the kernel's command line: an open quote would swallow it, and so would the end of all words.
    if !text.matches('"').count().is_multiple_of(2) || text.split_whitespace().any(|word| word == "--") {
        return refuse("words with both of their quotes, and no \"--\"");
    }
    if let Err(error) = cmdline::parse(text) {
        return refuse(&format!("words that init takes ({})", error.cause));
    }
    Ok((Destination::parse(WORDS)?, Source::from_bytes("--words", format!("{text}\n").into_bytes(), false)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `minisign -G -W` writes it.
    const PUBLIC: &str =
        "untrusted comment: minisign public key\nRWQ2i6DVttODrdSx0E4brOjpPg7DLikHZip1y7oJ823D0FFYqriqQ+3j\n";

    #[test]
    fn keys_get_names_that_init_looks_for() {
        let folder = tempfile::tempdir().unwrap();
        for (name, place) in [("me.pub", "isolde/keys/me.pub"), ("my key", "isolde/keys/my key.pub")] {
            let path = folder.path().join(name);
            std::fs::write(&path, PUBLIC).unwrap();
            let (destination, source) = key(&path).unwrap();
            assert_eq!((destination.as_str(), source.bytes()), (place, PUBLIC.as_bytes()));
            assert!(!source.executable());
        }
    }

    #[test]
    fn what_is_no_public_key_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let secret = format!("untrusted comment: minisign encrypted secret key\n{}\n", "RWQAAEIy".repeat(26));
        let cut = PUBLIC.trim_end().strip_suffix('j').unwrap().to_owned();
        for text in ["", "untrusted comment: none\n", &secret, &cut, &format!("{PUBLIC}{PUBLIC}x\n")] {
            std::fs::write(&path, text).unwrap();
            let error = key(&path).unwrap_err();
            assert!(matches!(error, Error::PublicKey { .. }), "{text:?}: {error}");
        }
    }

    #[test]
    fn words_are_one_line_that_init_takes() {
        for text in ["isolde.verify=signed", " isolde.image=\"/my isos/a.iso\"  quiet "] {
            let (place, source) = words(text).unwrap();
            assert_eq!((place.as_str(), source.bytes()), (WORDS, format!("{text}\n").as_bytes()));
        }
        let long = "x".repeat(2048);
        for text in ["", " ", "a\nb", "a\0b", "isolde.verify=maybe", "isolde.nonsense", "a=\"b", "a -- b", &long] {
            assert!(matches!(words(text), Err(Error::Words { .. })), "{text:?}");
        }
    }
}
