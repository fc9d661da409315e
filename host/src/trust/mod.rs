//! `isolde keygen`, `isolde seal`, `isolde verify`: what is on a store is what was meant to be there.
//!
//! Manifests, signatures and hash trees are read by init's own code (`isolde::formats`); here they are made.

pub mod key;
pub mod keygen;
pub mod manifest;
pub mod measure;
pub mod seal;
pub mod verify;

use anyhow::{Context, Result};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

/// The status when there is no answer; clap's own for a wrong command line.
const NO_ANSWER: u8 = 2;

/// Writes a file so that at every moment the old one or the new one is there as a whole.
///
/// # Errors
/// When one of the steps fails; the old file is then as it was.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(bytes)?;
        // A temporary file is its owner's alone; what is written here is for everybody who can read the store. On vfat,
        // which has no such rights, this is refused and not needed.
        use std::os::unix::fs::PermissionsExt;
        let _ = file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644));
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        // The new name itself is in the folder.
        std::fs::File::open(folder)?.sync_all()
    };
    write().with_context(|| format!("write {}", path.display()))
}

fn finish(done: Result<bool>) -> ExitCode {
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("isolde: {error:#}");
            NO_ANSWER.into()
        }
    }
}
