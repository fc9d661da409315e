//! Where the sessions are: a folder, or an image file that is mounted for as long as it is worked on.

use crate::home::crypt::{self, Access, Key, Plain};
use crate::home::joined::{self, Joined};
use crate::home::mounted::Mounted;
use crate::home::pieces;
use crate::iso::system::{Bytes, Stack};
use crate::trust::replace::replace;
use anyhow::{Context, Result, bail};
use isolde::formats::generations::{Generations, MOST, NAME};
use isolde::formats::read_full;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Where a store has them.
const FOLDER: &str = "boot/isolde/persist";
const IMAGE: &str = "boot/isolde/persist.img";

/// A folder with sessions that can be changed.
pub(super) struct Shelf {
    folder: PathBuf,
    /// Unmounted with this value; then the volume is closed, and the pieces are taken apart.
    _mounted: Option<(Mounted, Option<crypt::Open>, Option<Joined>)>,
}

impl Shelf {
    /// Opens it; an image is mounted, which takes root.
    pub(super) fn open(path: &Path, key: &Key) -> Result<Shelf> {
        match place(path)? {
            Place::Folder(folder) => Ok(Shelf { folder, _mounted: None }),
            Place::Image(file) => {
                let files = pieces::there(&file);
                let joined = match files.len() {
                    0 | 1 => None,
                    _ => Some(Joined::open(&files, Access::ReadWrite)?),
                };
                let outer = joined.as_ref().map_or(file.as_path(), Joined::node);
                let volume = File::open(outer).map_err(Into::into).and_then(|file| crypt::volume(&file));
                let open = match volume.with_context(|| file.display().to_string())? {
                    None => None,
                    Some(_) => Some(crypt::open(outer, &key.read(false)?, Access::ReadWrite)?),
                };
                let mounted = Mounted::new(open.as_ref().map(crypt::Open::node).as_deref().unwrap_or(outer))?;
                Ok(Shelf { folder: mounted.path().to_owned(), _mounted: Some((mounted, open, joined)) })
            }
        }
    }

    /// The record alone, for which an image need not be mounted.
    pub(super) fn read(path: &Path, key: &Key) -> Result<Generations> {
        match place(path)? {
            Place::Folder(folder) => record(&folder),
            Place::Image(file) => {
                let shown = || file.display().to_string();
                let mut image = Stack::default();
                let bytes = joined::Bytes::open(&pieces::there(&file)).with_context(shown)?;
                let bytes = match crypt::volume(&bytes).with_context(shown)? {
                    None => Bytes::new(bytes),
                    Some(volume) => Bytes::new(Plain::open(bytes, volume, &key.read(false)?).with_context(shown)?),
                };
                image.push(bytes, &[]).with_context(shown)?;
                let record = image.open(NAME).with_context(shown)?;
                let Some(record) = record else { bail!("{}: no {NAME} in it", file.display()) };
                let mut bytes = vec![0; MOST + 1];
                let count = read_full(&record, &mut bytes, 0).with_context(shown)?;
                bytes.truncate(count);
                Generations::parse(&bytes).with_context(|| format!("{}: {NAME}", file.display()))
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
        Place::Image(path.to_owned())
    } else if image.is_file() {
        Place::Image(image)
    } else if folder.is_dir() {
        Place::Folder(folder)
    } else if path.join(NAME).is_file() {
        Place::Folder(path.to_owned())
    } else {
        bail!("{}: nothing was saved here: no {IMAGE}, {FOLDER} or {NAME}", path.display());
    })
}

fn record(folder: &Path) -> Result<Generations> {
    let at = folder.join(NAME);
    let mut bytes = Vec::new();
    let file = File::open(&at).with_context(|| at.display().to_string())?;
    file.take(MOST as u64 + 1).read_to_end(&mut bytes).with_context(|| at.display().to_string())?;
    Generations::parse(&bytes).with_context(|| at.display().to_string())
}
