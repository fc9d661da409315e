//! erofs, by erofs-rs. A directory is read once, when somebody asks for a name in it.

use super::super::containers::ready;
use super::super::packed::{Packed, Whole, failed};
use super::super::walk::Kind;
use super::{Bytes, FileSystem, NAMES, damaged};
use erofs_rs::r#async::EroFS;
use erofs_rs::types::Inode;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::rc::Rc;
use std::sync::Arc;

/// Any of the three execute bits (inode(7)).
const EXECUTABLE: u32 = 0o111;
/// Bytes of a link's target; the kernel's PATH_MAX.
const TARGET: u64 = 4096;

type Folder = Rc<BTreeMap<String, Inode>>;

/// See the module's own text.
pub(super) struct Erofs {
    system: Arc<EroFS<Whole<Bytes>>>,
    folders: RefCell<BTreeMap<String, Folder>>,
}

impl Erofs {
    pub(super) fn open(bytes: Bytes) -> io::Result<Erofs> {
        let system = ready(EroFS::new(Whole(bytes)))?.map_err(failed)?;
        Ok(Erofs { system: Arc::new(system), folders: RefCell::default() })
    }

    fn folder(&self, path: &str) -> io::Result<Folder> {
        if let Some(folder) = self.folders.borrow().get(path) {
            return Ok(folder.clone());
        }
        let mut names = BTreeMap::new();
        let mut walk = ready(self.system.read_dir(["/", path].concat()))?.map_err(failed)?;
        while let Some(entry) = ready(walk.next_entry())? {
            let entry = entry.map_err(failed)?;
            let Ok(name) = std::str::from_utf8(entry.dir_entry.file_name()) else { continue };
            if !matches!(name, "." | "..") {
                names.insert(name.to_owned(), entry.inode);
            }
            if names.len() > NAMES {
                return Err(damaged(format!("a directory of more than {NAMES} names")));
            }
        }
        let folder = Rc::new(names);
        self.folders.borrow_mut().insert(path.to_owned(), folder.clone());
        Ok(folder)
    }

    /// The inode at a path that is not the root.
    fn inode(&self, path: &str) -> io::Result<Option<Inode>> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        if !folder.is_empty() && self.kind(folder)? != Some(Kind::Directory) {
            return Ok(None);
        }
        Ok(self.folder(folder)?.get(name).copied())
    }
}

impl FileSystem for Erofs {
    fn kind(&self, path: &str) -> io::Result<Option<Kind>> {
        if path.is_empty() {
            return Ok(Some(Kind::Directory));
        }
        Ok(self.inode(path)?.map(|inode| match () {
            () if inode.is_dir() => Kind::Directory,
            () if inode.is_file() => Kind::File { executable: inode.permissions().mode() & EXECUTABLE != 0 },
            () if inode.is_symlink() => Kind::Link,
            () => Kind::Other,
        }))
    }

    fn link(&self, path: &str) -> io::Result<Option<String>> {
        let Some(inode) = self.inode(path)?.filter(|inode| inode.data_size() <= TARGET) else { return Ok(None) };
        let target = ready(self.system.read_link_inode(inode))?.map_err(failed)?;
        Ok(target.to_str().map(str::to_owned))
    }

    fn names(&self, folder: &str) -> io::Result<Vec<(String, bool)>> {
        Ok(self.folder(folder)?.iter().map(|(name, inode)| (name.clone(), inode.is_dir())).collect())
    }

    fn open(&self, path: &str) -> io::Result<Bytes> {
        let inode = self.inode(path)?.ok_or(io::ErrorKind::NotFound)?;
        Ok(Bytes::new(Packed { system: self.system.clone(), inode }))
    }
}
