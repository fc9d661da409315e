//! Whether a live system boots without its own initrd, and what it needs of it all the same.
//!
//! Takes   what its family is asked about: medium, initrd and words; and the layers of its root.
//! Gives   the files that the family's own code looks for in the initrd: ids and settings as they are, and as empty files
//!         those that only have to be there. With these alone in a tree the family has to be recognised with the same
//!         layout; that is tried here, with the code that init runs.
//! Fails   with the reason, in words, where the system is delegated to its own init, or needs of its initrd what cannot be
//!         packed.

use isolde::families::tree::Tree;
use isolde::families::{self, Asked, Family, Layout, Way};
use isolde::sys::{Entry, Kind};
use isolde_mkinitrd::Destination;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;

/// Bytes of a file that is looked into; ids and settings are a page of text.
const LARGEST: u64 = 64 << 10;

/// Paths with their files.
pub type Files = Vec<(String, Vec<u8>)>;

/// See the module's own text.
pub fn files(asked: &Asked, family: &Family, layout: &Layout, root: &dyn Tree) -> io::Result<Result<Files, String>> {
    if family.way == Way::Delegate {
        return Ok(Err(format!("{} boots by its own init, which is in its own initrd", family.name)));
    }
    let watched = Watched { tree: asked.initrd, seen: RefCell::default() };
    let watching = Asked { initrd: &watched, ..*asked };
    families::recognise(&watching)?;
    (family.pair)(&watching)?;
    (family.duties)(&watching, root)?;
    // Scripts want the shell and the programs of their initrd; without them init does the same natively.
    let scripts = family.scripts.map(|scripts| scripts.marks).unwrap_or_default();
    let (mut sketch, mut left_out) = (Sketch::default(), Vec::new());
    for (path, is_read) in watched.seen.into_inner() {
        if !asked.initrd.is_file(&path)? {
            continue;
        }
        if scripts.contains(&path.as_str()) || Destination::alone(&path).is_err() {
            left_out.push(["/", &path].concat());
            continue;
        }
        let bytes = if is_read { asked.initrd.read(&path, LARGEST)? } else { Vec::new() };
        sketch.0.insert(path, bytes);
    }
    let same = match families::recognise(&Asked { initrd: &sketch, ..*asked })? {
        Some((again, as_before)) => again.name == family.name && as_before == *layout,
        None => false,
    };
    Ok(match same {
        true => Ok(sketch.0.into_iter().collect()),
        false => Err(format!("{} needs {} of its own initrd", family.name, left_out.join(", "))),
    })
}

/// A tree that notes what it is asked for.
struct Watched<'a> {
    tree: &'a dyn Tree,
    /// Paths, and whether the file was read.
    seen: RefCell<BTreeMap<String, bool>>,
}

impl Watched<'_> {
    fn note(&self, path: &str, is_read: bool) {
        *self.seen.borrow_mut().entry(path.trim_matches('/').to_owned()).or_default() |= is_read;
    }
}

impl Tree for Watched<'_> {
    fn kind(&self, path: &str) -> io::Result<Option<Kind>> {
        self.note(path, false);
        self.tree.kind(path)
    }

    fn list(&self, path: &str) -> io::Result<Vec<Entry>> {
        self.tree.list(path)
    }

    fn read(&self, path: &str, limit: u64) -> io::Result<Vec<u8>> {
        self.note(path, true);
        self.tree.read(path, limit)
    }
}

/// A tree of a few files.
#[derive(Default)]
struct Sketch(BTreeMap<String, Vec<u8>>);

impl Tree for Sketch {
    fn kind(&self, path: &str) -> io::Result<Option<Kind>> {
        let path = path.trim_matches('/');
        let below = [path, "/"].concat();
        Ok(match self.0.contains_key(path) {
            true => Some(Kind::File { executable: false }),
            false if path.is_empty() || self.0.keys().any(|other| other.starts_with(&below)) => Some(Kind::Directory),
            false => None,
        })
    }

    fn list(&self, path: &str) -> io::Result<Vec<Entry>> {
        let path = path.trim_matches('/');
        let folder = if path.is_empty() { String::new() } else { [path, "/"].concat() };
        let inside = self.0.keys().filter_map(|other| other.strip_prefix(&folder));
        let names: BTreeMap<&str, bool> =
            inside.map(|rest| rest.split_once('/').map_or((rest, false), |(name, _)| (name, true))).collect();
        let entry = |(name, is_directory): (&str, bool)| Entry { name: name.to_owned(), is_directory };
        match names.is_empty() && !path.is_empty() {
            true => Err(io::ErrorKind::NotFound.into()),
            false => Ok(names.into_iter().map(entry).collect()),
        }
    }

    fn read(&self, path: &str, limit: u64) -> io::Result<Vec<u8>> {
        match self.0.get(path.trim_matches('/')) {
            Some(bytes) if bytes.len() as u64 <= limit => Ok(bytes.clone()),
            Some(_) => Err(io::ErrorKind::FileTooLarge.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}
