//! A file system that is mounted for as long as it is worked on.

use super::tool;
use anyhow::{Context, Result};
use std::path::Path;

/// Unmounted with this value.
#[derive(Debug)]
pub(crate) struct Mounted(tempfile::TempDir);

impl Mounted {
    /// Mounts an image file or a device, which takes root.
    pub(crate) fn new(source: &Path) -> Result<Mounted> {
        let at = tempfile::tempdir().context("a temporary folder")?;
        let options = if source.is_file() { "loop,nosuid,nodev,noexec" } else { "nosuid,nodev,noexec" };
        let mut mount = tool::command("mount");
        mount.args(["-o", options]).arg(source).arg(at.path());
        tool::run("mount", &mut mount, &[]).with_context(|| format!("{}, which takes root", source.display()))?;
        Ok(Mounted(at))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if let Err(error) = tool::run("umount", tool::command("umount").arg(self.0.path()), &[]) {
            eprintln!("isolde: {error:#}");
        }
    }
}
