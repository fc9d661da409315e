//! The tree of an ISO 9660 or UDF file system, read where it is.
//!
//! Takes   the bytes of the image.
//! Gives   its tree, with the names that the kernel would show; where a file lies is looked up when it is read.
//! Fails   when it is damaged where it is read, or has more names than any medium.

use super::image::{Bytes, content};
use super::notes::Notes;
use crate::iso::bytes::{Extent, Extents};
use crate::iso::optical::Optical;
use crate::iso::walk::{Kind, Nodes};
use isolde::formats::ReadAt;
use isolde::formats::superblock::{Format, probe};
use isolde::sys::record::Tree;
use std::io;
use std::sync::{Arc, OnceLock};

/// Names in all. The largest installation media have some ten thousand.
const MOST_NAMES: usize = 200_000;
/// Folders in one another; directories that point at one another would have no end.
const DEEPEST: usize = 64;

/// Reads all names.
pub(super) fn tree(bytes: &Arc<dyn Bytes>, name: &str, notes: &Notes) -> io::Result<Tree> {
    let on: &dyn Bytes = &**bytes;
    let optical = open(&on)?;
    let mut tree = Tree::new();
    let mut folders = vec![(optical.root(), String::new())];
    let mut count = 0;
    while let Some((folder, path)) = folders.pop() {
        for (name_in_it, id, kind) in optical.children(folder)? {
            let path = if path.is_empty() { name_in_it } else { format!("{path}/{name_in_it}") };
            count += 1;
            if count > MOST_NAMES || path.split('/').count() > DEEPEST {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "more names than any medium has"));
            }
            tree = match kind {
                Kind::Directory => {
                    folders.push((id, path.clone()));
                    tree.directory(&path)
                }
                Kind::Link => match optical.link(&id)? {
                    Some(to) => tree.link(&path, &to),
                    None => tree,
                },
                Kind::File { executable } => {
                    let inner = format!("{name}:/{path}");
                    let file = Arc::new(Inside { bytes: bytes.clone(), path: path.clone(), place: OnceLock::new() });
                    tree.file_with(&path, content(file, &inner, notes), executable)
                }
                Kind::BlockDevice | Kind::Other => tree,
            };
        }
    }
    Ok(tree)
}

/// As ISO 9660 where it is one, which is how it is mounted.
fn open<'a>(on: &'a &'a dyn Bytes) -> io::Result<Optical<'a>> {
    match probe(on)?.map(|superblock| superblock.format) {
        Some(Format::Udf) => Optical::udf(on),
        _ => Optical::iso(on),
    }
}

/// A file of the medium.
#[derive(Debug)]
struct Inside {
    bytes: Arc<dyn Bytes>,
    path: String,
    /// Where it lies, and its size; looked up once, as few files of a medium are read at all.
    place: OnceLock<(Vec<Extent>, u64)>,
}

impl Inside {
    fn place(&self) -> io::Result<&(Vec<Extent>, u64)> {
        if let Some(place) = self.place.get() {
            return Ok(place);
        }
        let on: &dyn Bytes = &*self.bytes;
        let optical = open(&on)?;
        let file = optical.file(&self.path)?.ok_or(io::ErrorKind::NotFound)?;
        let place = (file.parts().to_vec(), file.size()?);
        Ok(self.place.get_or_init(|| place))
    }
}

impl ReadAt for Inside {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let (parts, size) = self.place()?;
        let on: &dyn Bytes = &*self.bytes;
        Extents::new(&on, parts.clone(), *size).read_at(buf, offset)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.place()?.1)
    }
}
