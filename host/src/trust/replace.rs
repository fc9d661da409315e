//! Files that are there as a whole at every moment: the old one, or the new one.

use anyhow::{Context, Result};
use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// What the name of an unfinished file begins with. One that an interrupted seal left is not taken for a file of the store.
pub const UNFINISHED: &str = ".isolde-seal-";

/// Writes a file from its parts, one behind the other: under another name, to the disk, and then under its own.
///
/// # Errors
/// When one of the steps fails; the old file is then as it was.
pub fn replace<'a>(path: &Path, parts: impl IntoIterator<Item = &'a [u8]>) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || {
        let mut file = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(folder)?;
        for part in parts {
            file.write_all(part)?;
        }
        readable(file.as_file());
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        // The new name itself is in the folder.
        File::open(folder)?.sync_all()
    };
    write().with_context(|| format!("write {}", path.display()))
}

/// A temporary file is its owner's alone; what is written here is for everybody who can read the store. vfat has no such
/// rights: there it is refused, and not needed.
fn readable(file: &File) {
    let _ = file.set_permissions(Permissions::from_mode(0o644));
}

/// Removes what interrupted seals left in a folder. Only with the store's lock, as another seal may be writing.
///
/// # Errors
/// When the folder cannot be read, or a file cannot be removed.
pub fn remove_unfinished(folder: &Path) -> Result<()> {
    let remove = || -> io::Result<()> {
        for entry in folder.read_dir()? {
            let entry = entry?;
            if entry.file_name().as_encoded_bytes().starts_with(UNFINISHED.as_bytes()) && entry.file_type()?.is_file() {
                std::fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    };
    remove().with_context(|| folder.display().to_string())
}
