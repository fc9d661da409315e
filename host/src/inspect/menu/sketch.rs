//! A tree for tests: a few files with their contents.

use isolde::families::tree::Tree;
use isolde::sys::{Entry, Kind};
use std::collections::{BTreeMap, BTreeSet};
use std::io;

/// Files' contents by their path.
pub(crate) struct Sketch(BTreeMap<String, Vec<u8>>);

impl Sketch {
    pub(crate) fn new(files: &[(&str, &str)]) -> Sketch {
        Sketch(files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect())
    }

    pub(crate) fn of_bytes(files: &[(&str, &[u8])]) -> Sketch {
        Sketch(files.iter().map(|(path, bytes)| ((*path).to_owned(), bytes.to_vec())).collect())
    }
}

impl Tree for Sketch {
    fn kind(&self, path: &str) -> io::Result<Option<Kind>> {
        let path = path.trim_matches('/');
        let below = format!("{path}/");
        Ok(match self.0.contains_key(path) {
            true => Some(Kind::File { executable: false }),
            false => self.0.keys().any(|file| file.starts_with(&below)).then_some(Kind::Directory),
        })
    }

    fn list(&self, path: &str) -> io::Result<Vec<Entry>> {
        let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
        let below = self.0.keys().filter_map(|file| file.strip_prefix(&prefix));
        let names: BTreeSet<Entry> = below
            .map(|rest| match rest.split_once('/') {
                Some((name, _)) => Entry { name: name.to_owned(), is_directory: true },
                None => Entry { name: rest.to_owned(), is_directory: false },
            })
            .collect();
        match names.is_empty() {
            true => Err(io::ErrorKind::NotFound.into()),
            false => Ok(names.into_iter().collect()),
        }
    }

    fn read(&self, path: &str, limit: u64) -> io::Result<Vec<u8>> {
        let bytes = self.0.get(path.trim_matches('/')).ok_or(io::ErrorKind::NotFound)?;
        if bytes.len() as u64 > limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(bytes.clone())
    }
}
