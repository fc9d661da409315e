//! The tree of an erofs, read where it is.
//!
//! Takes   the bytes of the file system.
//! Gives   its tree, with every name and mode; a file is unpacked when it is read, and only as far as it is.
//! Leaves  out device nodes and sockets, as no boot looks for them in an image.
//! Fails   when it is damaged, packed in a way that the reader does not know, or has more names than any system.

use super::image::{Bytes, Shared, content};
use super::notes::Notes;
use crate::iso::containers::ready;
use crate::iso::packed::{Packed, Whole, failed};
use erofs_rs::r#async::EroFS;
use isolde::sys::record::Tree;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

/// Names of one file system. A system with everything installed has a million.
const MOST_NAMES: usize = 4 << 20;
/// Any of the three execute bits (inode(7)).
const EXECUTABLE: u32 = 0o111;

/// Reads all names.
pub(super) fn tree(bytes: &Arc<dyn Bytes>, name: &str, notes: &Notes) -> io::Result<Tree> {
    let system = Arc::new(ready(EroFS::new(Whole(Shared(bytes.clone()))))?.map_err(failed)?);
    let mut walk = ready(system.walk_dir("/"))?.map_err(failed)?;
    let mut tree = Tree::new();
    let mut count = 0;
    while let Some(entry) = ready(walk.next_entry())? {
        let entry = entry.map_err(failed)?;
        count += 1;
        if count > MOST_NAMES {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "erofs: more names than any system has"));
        }
        let path = entry.dir_entry.path();
        // Names that are not UTF-8 are nothing that init could ask for.
        let Some(path) = path.to_str().map(|path| path.trim_start_matches('/')) else { continue };
        let inode = entry.inode;
        tree = if inode.is_dir() {
            tree.directory(path)
        } else if inode.is_symlink() {
            let to = ready(system.read_link_inode(inode))?.map_err(failed)?;
            match to.to_str() {
                Some(to) => tree.link(path, to),
                None => tree,
            }
        } else if inode.is_file() {
            let packed = Arc::new(Packed { system: system.clone(), inode });
            let inner = content(packed, &format!("{name}:/{path}"), notes);
            tree.file_with(path, inner, inode.permissions().mode() & EXECUTABLE != 0)
        } else {
            tree
        };
    }
    Ok(tree)
}
