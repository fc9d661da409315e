//! The bytes of a file that goes into the archive.
//!
//! Takes   a path, or bytes that were made in memory.
//! Gives   [`Source`]. It holds the bytes, so that what was checked is what is packed.
//! Fails   when the path is no regular file or cannot be read, or the size does not fit the newc format.

use std::fmt;
use std::fs::{File, FileType};
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

use crate::error::{Error, Result};

/// The bytes of a file, with a name for messages.
#[derive(Clone, PartialEq, Eq)]
pub struct Source {
    name: String,
    bytes: Vec<u8>,
    executable: bool,
}

impl Source {
    /// Takes bytes that were made in memory. `name` is for messages only.
    pub fn from_bytes(name: impl Into<String>, bytes: Vec<u8>, executable: bool) -> Result<Self> {
        let name = name.into();
        fits(&name, bytes.len() as u64)?;
        Ok(Self { name, bytes, executable })
    }

    /// Reads a regular file; symbolic links are followed. It counts as executable when anyone may execute it. All other
    /// permissions are ignored: they would make the archive depend on the umask of whoever built the file.
    pub fn open(path: &Path) -> Result<Self> {
        let mut file = File::open(path).map_err(Error::io("open the file", path))?;
        let metadata = file.metadata().map_err(Error::io("read the size", path))?;
        if !metadata.is_file() {
            return Err(Error::NotAFile { path: path.to_owned(), seen: type_name(metadata.file_type()) });
        }
        let name = path.display().to_string();
        fits(&name, metadata.len())?; // before reading: a huge file is refused, not loaded
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(Error::io("read the file", path))?;
        Self::from_bytes(name, bytes, metadata.permissions().mode() & 0o111 != 0)
    }

    /// The name for messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The contents.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Was the file executable?
    pub fn executable(&self) -> bool {
        self.executable
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Source({:?}, {} bytes, executable: {})", self.name, self.bytes.len(), self.executable)
    }
}

/// Is the size one that the newc format can hold? Pure.
fn fits(name: &str, size: u64) -> Result<()> {
    if size > u64::from(u32::MAX) {
        return Err(Error::TooLarge { name: name.to_owned(), seen: size });
    }
    Ok(())
}

/// The type of a file in words. Pure.
pub(crate) fn type_name(file_type: FileType) -> &'static str {
    if file_type.is_dir() {
        "directory"
    } else if file_type.is_block_device() {
        "block device"
    } else if file_type.is_char_device() {
        "character device"
    } else if file_type.is_fifo() {
        "named pipe"
    } else if file_type.is_socket() {
        "socket"
    } else if file_type.is_symlink() {
        "symbolic link"
    } else {
        "file of unknown type"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_the_format_cannot_hold() {
        let directory = tempfile::tempdir().unwrap();
        let huge = directory.path().join("huge");
        File::create(&huge).unwrap().set_len(1 << 32).unwrap(); // sparse: takes no space
        let error = Source::open(&huge).unwrap_err();
        assert!(matches!(error, Error::TooLarge { seen: 0x1_0000_0000, .. }), "{error}");
        assert!(fits("x", u64::from(u32::MAX)).is_ok());
    }

    #[test]
    fn refuses_what_is_not_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let error = Source::open(directory.path()).unwrap_err();
        assert!(matches!(error, Error::NotAFile { seen: "directory", .. }), "{error}");
        let error = Source::open(Path::new("/dev/null")).unwrap_err();
        assert!(matches!(error, Error::NotAFile { seen: "character device", .. }), "{error}");
        let error = Source::open(&directory.path().join("missing")).unwrap_err();
        assert!(matches!(error, Error::Io { doing: "open the file", .. }), "{error}");
    }

    #[test]
    fn only_the_executable_bit_counts() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, "x").unwrap();
        for (mode, executable) in [(0o600, false), (0o666, false), (0o700, true), (0o655, true)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(Source::open(&path).unwrap().executable(), executable, "{mode:o}");
        }
    }
}
