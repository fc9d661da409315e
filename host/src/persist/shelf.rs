//! Where the sessions are: a folder, or an image file that is mounted for as long as it is worked on.

use crate::home::tool;
use crate::trust::replace::replace;
use anyhow::{Context, Result, bail};
use isolde::formats::generations::{Generations, MOST, NAME};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Where a store has them.
const FOLDER: &str = "boot/isolde/persist";
const IMAGE: &str = "boot/isolde/persist.img";

/// Where the running system has it (src/stages/persist.rs).
const BOOTED: &str = "/run/initramfs/isolde/persist";

/// A folder with sessions that can be changed.
pub(super) struct Shelf {
    folder: PathBuf,
    /// Unmounted with this value.
    _mount: Option<Mount>,
}

impl Shelf {
    /// Opens it; an image file is mounted, which takes root.
    pub(super) fn open(path: &Path) -> Result<Shelf> {
        match place(path)? {
            Place::Folder(folder) => Ok(Shelf { folder, _mount: None }),
            Place::Image(file) => {
                let mount = Mount::new(&file)?;
                Ok(Shelf { folder: mount.at.path().to_owned(), _mount: Some(mount) })
            }
        }
    }

    /// The record alone, for which an image need not be mounted.
    pub(super) fn read(path: &Path) -> Result<Generations> {
        match place(path)? {
            Place::Folder(folder) => record(&folder),
            Place::Image(file) => {
                let mut debugfs = tool::command("debugfs");
                let output = debugfs.args(["-R", &["cat /", NAME].concat()]).arg(&file).output();
                let output = output.context("start debugfs")?;
                if output.stdout.is_empty() {
                    bail!("{}: no {NAME} in it; {}", file.display(), String::from_utf8_lossy(&output.stderr).trim());
                }
                Generations::parse(&output.stdout).with_context(|| format!("{}: {NAME}", file.display()))
            }
        }
    }

    pub(super) fn record(&self) -> Result<Generations> {
        record(&self.folder)
    }

    /// The old record stays whole until the new one is.
    pub(super) fn save(&self, record: &Generations) -> Result<()> {
        replace(&self.folder.join(NAME), [record.to_string().as_bytes()])
    }

    /// The layer of a session.
    pub(super) fn delete(&self, number: u32) -> Result<()> {
        match std::fs::remove_dir_all(self.folder.join(number.to_string())) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}

enum Place {
    Folder(PathBuf),
    Image(PathBuf),
}

/// An image file comes first, as at the boot.
fn place(path: &Path) -> Result<Place> {
    let (image, folder) = (path.join(IMAGE), path.join(FOLDER));
    Ok(if path.is_file() {
        Place::Image(whole(path.to_owned())?)
    } else if image.is_file() {
        Place::Image(whole(image)?)
    } else if folder.is_dir() {
        Place::Folder(folder)
    } else if path.join(NAME).is_file() {
        Place::Folder(path.to_owned())
    } else {
        bail!("{}: nothing was saved here: no {IMAGE}, {FOLDER} or {NAME}", path.display());
    })
}

/// An image in one file: only the system that boots from them puts several together.
fn whole(image: PathBuf) -> Result<PathBuf> {
    let mut next = image.as_os_str().to_owned();
    next.push(".1");
    let next = PathBuf::from(next);
    if next.exists() {
        bail!("{} goes on in {}: boot from it, and work on {BOOTED} there", image.display(), next.display());
    }
    Ok(image)
}

fn record(folder: &Path) -> Result<Generations> {
    let at = folder.join(NAME);
    let mut bytes = Vec::new();
    let file = File::open(&at).with_context(|| at.display().to_string())?;
    file.take(MOST as u64 + 1).read_to_end(&mut bytes).with_context(|| at.display().to_string())?;
    Generations::parse(&bytes).with_context(|| at.display().to_string())
}

struct Mount {
    at: tempfile::TempDir,
}

impl Mount {
    fn new(file: &Path) -> Result<Mount> {
        let at = tempfile::tempdir().context("a temporary folder")?;
        let mut mount = tool::command("mount");
        mount.args(["-o", "loop,nosuid,nodev,noexec"]).arg(file).arg(at.path());
        tool::run("mount", &mut mount, &[]).with_context(|| format!("{}, which takes root", file.display()))?;
        Ok(Mount { at })
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        if let Err(error) = tool::run("umount", tool::command("umount").arg(self.at.path()), &[]) {
            eprintln!("isolde: {error:#}");
        }
    }
}
