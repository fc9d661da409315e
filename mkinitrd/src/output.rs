//! The finished file.
//!
//! Takes   a path and bytes.
//! Leaves  the file with exactly these bytes, on the medium and not only in memory; or whatever was there before.
//! Fails   when the place is not a file, or the medium is full or read-only.

use std::fs::{self, File, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::error::{Error, Result};
use crate::source::type_name;

/// Writes the file under a temporary name in the same directory, brings it to the medium, and renames it.
///
/// A boot loader must never find half a file, and sticks are unplugged early. An existing file is replaced; anything else,
/// such as a device node, is refused. The mode is 644 less the umask.
pub fn save(path: &Path, bytes: &[u8]) -> Result<()> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_file() => {}
        Ok(metadata) => return Err(Error::NotAFile { path: path.to_owned(), seen: type_name(metadata.file_type()) }),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(Error::io("look at the output", path)(error)),
    }
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let mut file = tempfile::Builder::new()
        .prefix(".isolde-mkinitrd-")
        .permissions(Permissions::from_mode(0o644))
        .tempfile_in(directory)
        .map_err(Error::io("create a temporary file in the directory", directory))?;
    file.write_all(bytes).map_err(Error::io("write the file", path))?;
    file.as_file().sync_all().map_err(Error::io("write the file to the medium", path))?;
    file.persist(path).map_err(|error| Error::io("rename the temporary file", path)(error.error))?;
    let directory = File::open(directory).map_err(Error::io("open the directory", directory))?;
    directory.sync_all().map_err(Error::io("write the directory to the medium", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_a_file_and_leaves_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("isolde.img");
        for bytes in [&b"first"[..], b"2"] {
            save(&path, bytes).unwrap();
            assert_eq!(fs::read(&path).unwrap(), bytes);
        }
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn refuses_what_is_not_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let error = save(directory.path(), b"x").unwrap_err();
        assert!(matches!(error, Error::NotAFile { seen: "directory", .. }), "{error}");
        let link = directory.path().join("link");
        std::os::unix::fs::symlink("/dev/null", &link).unwrap();
        let error = save(&link, b"x").unwrap_err();
        assert!(matches!(error, Error::NotAFile { seen: "symbolic link", .. }), "{error}");
        let error = save(&directory.path().join("missing/file"), b"x").unwrap_err();
        assert!(matches!(error, Error::Io { doing: "create a temporary file in the directory", .. }), "{error}");
    }
}
