//! A tree of paths in memory: what a medium or an initramfs holds, as far as a family asks.

use isolde::families::tree::Tree;
use isolde::sys::{Entry, Kind};
use std::collections::BTreeMap;
use std::io;

/// Files with their texts; directories are whatever stands above a file.
#[derive(Debug, Default)]
pub struct Paths(BTreeMap<String, String>);

impl Paths {
    /// A file per line `path` or `path: its text`.
    pub fn new(lines: &str) -> Paths {
        let file = |line: &str| {
            let (path, text) = line.split_once(": ").unwrap_or((line, ""));
            (path.to_owned(), text.replace("\\n", "\n"))
        };
        Paths(lines.lines().map(str::trim).filter(|line| !line.is_empty()).map(file).collect())
    }

    fn below<'a>(&'a self, path: &str) -> impl Iterator<Item = &'a str> {
        let start = if path.is_empty() { String::new() } else { format!("{path}/") };
        self.0.keys().filter_map(move |file| file.strip_prefix(start.as_str()))
    }
}

fn clean(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    assert!(!parts.contains(&".."), "{path} climbs");
    parts.join("/")
}

impl Tree for Paths {
    fn kind(&self, path: &str) -> io::Result<Option<Kind>> {
        let path = clean(path);
        if self.0.contains_key(&path) {
            return Ok(Some(Kind::File { executable: true }));
        }
        Ok(self.below(&path).next().map(|_| Kind::Directory))
    }

    /// Like the real one, nothing for a directory that is not there.
    fn list(&self, path: &str) -> io::Result<Vec<Entry>> {
        let names: BTreeMap<&str, bool> = self
            .below(&clean(path))
            .map(|file| file.split_once('/').map_or((file, false), |(folder, _)| (folder, true)))
            .collect();
        let entry = |(name, is_directory): (&str, bool)| Entry { name: name.to_owned(), is_directory };
        Ok(names.into_iter().map(entry).collect())
    }

    fn read(&self, path: &str, limit: u64) -> io::Result<Vec<u8>> {
        let text = self.0.get(&clean(path)).ok_or(io::ErrorKind::NotFound)?;
        assert!(text.len() as u64 <= limit, "{path} is larger than {limit} bytes");
        Ok(text.clone().into_bytes())
    }
}
