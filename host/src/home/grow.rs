//! `isolde home grow`.

use super::create::unfinished;
use super::{Size, crypt, pieces, tool};
use anyhow::{Context, Result, ensure};
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

/// Make an image file larger. It must not be in use; a grown copy takes its place, for which there has to be room beside it.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// The image file.
    file: PathBuf,
    /// Its new size: bytes, or with K, M, G or T.
    #[arg(long, value_name = "SIZE")]
    size: Size,
    #[command(flatten)]
    key: crypt::Key,
}

/// Grows a copy, and puts it in the file's place when it is whole.
pub(crate) fn grow(args: &Args) -> Result<()> {
    let shown = args.file.display();
    let old = File::open(&args.file).with_context(|| shown.to_string())?;
    match old.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => anyhow::bail!("{shown}: somebody else is at work with it"),
        Err(TryLockError::Error(error)) => return Err(error).with_context(|| format!("lock {shown}")),
    }
    let metadata = old.metadata().with_context(|| shown.to_string())?;
    let Size(size) = args.size;
    ensure!(metadata.is_file(), "{shown} is no file");
    if let Some(limit) = pieces::limit(args.file.parent().unwrap_or(Path::new(".")))? {
        ensure!(
            size <= limit,
            "{shown}: no file can be so large there; isolde.persist-size= adds pieces to one for sessions"
        );
    }
    ensure!(size > metadata.len(), "{shown} has {} bytes: wanted more than that", metadata.len());
    let volume = crypt::volume(&old).with_context(|| shown.to_string())?;
    let key = volume.is_some().then(|| args.key.read(false)).transpose()?;
    let folder = args.file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let whole = unfinished(folder)?;
    copy(&args.file, whole.path())?;
    whole.as_file().set_len(size).with_context(|| format!("make a file of {size} bytes"))?;
    match key {
        None => tool::fill(whole.path())?,
        // A volume's last segment is as long as its file, so there is nothing to be changed in its header.
        Some(key) => crypt::open(whole.path(), &key, crypt::Access::ReadWrite)?.with(tool::fill)?,
    }
    // Rights that the file system does not keep are refused there, and not needed.
    let _ = fs::set_permissions(whole.path(), metadata.permissions());
    whole.as_file().sync_all().with_context(|| format!("write {shown}"))?;
    whole.persist(&args.file).with_context(|| format!("replace {shown}"))?;
    File::open(folder).and_then(|folder| folder.sync_all()).with_context(|| folder.display().to_string())
}

/// Holes stay holes, and where the file system can share blocks nothing is copied.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let mut cp = tool::command("cp");
    tool::run("cp", cp.args(["--reflink=auto", "--sparse=always", "--"]).arg(from).arg(to), &[])
}
