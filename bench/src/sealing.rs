//! `isolde seal` against `cp`: the same file of 1 GiB on the same disk, cold and warm, in turns.
//!
//! Takes   a folder on the disk to be measured.
//! Gives   the seconds of both, each with what it wrote brought to the disk: sealing does so by itself, behind cp comes
//!         sync(1) with the copy. Sealing reads the image, computes BLAKE3 and hash tree, and writes a 128th of it; cp
//!         reads it and writes all of it.
//! Fails   when a program is missing, the sealed image has no hash tree, or a cold one did not read all of it.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use isolde_host::trust::seal;
use serde::Serialize;

use crate::cache::{Cache, State};
use crate::hashing::{ROUNDS, SIZE, fill};
use crate::statistics::Spread;

/// Where the image is in the store.
const IMAGE: &str = "boot/iso/image.squashfs";
/// What makes it an image: the magic number of squashfs and its version (kernel: fs/squashfs/squashfs_fs.h).
const MARKS: [(&[u8], u64); 2] = [(b"hsqs", 0), (&[4], 28)];

/// Seconds in one state.
#[derive(Debug, Clone, Serialize)]
pub struct Sealing {
    /// Which.
    pub state: State,
    /// `cp` and `sync`.
    pub cp: Spread,
    /// `isolde seal`.
    pub seal: Spread,
}

/// Measures. The store is made in `folder` and removed.
pub fn measure(folder: &Path) -> Result<Vec<Sealing>> {
    let work = tempfile::tempdir_in(folder).context("a folder for the store")?;
    let (image, copy) = (work.path().join(IMAGE), work.path().join("copy"));
    fs::create_dir_all(image.parent().unwrap_or(work.path())).context("the store")?;
    let file = fs::File::create(&image).context("create the image to be sealed")?;
    fill(&file, SIZE).context("write the image to be sealed")?;
    for (bytes, at) in MARKS {
        file.write_all_at(bytes, at).context("write the image to be sealed")?;
    }
    file.sync_all().context("write the image to be sealed")?;
    let cache = Cache::of(&image)?;
    let mut times = State::ALL.map(|state| (state, Vec::new(), Vec::new()));
    for _ in 0..ROUNDS {
        for (state, cp, seal) in &mut times {
            cp.push(cache.timed(*state, || copied(&image, &copy)).context("cp")?);
            fs::remove_file(&copy).context("remove the copy")?;
            seal.push(cache.timed(*state, || sealed(work.path())).context("seal")?);
        }
    }
    let sealing = |(state, cp, seal)| {
        let spread = |seconds: Vec<f64>| Spread::of(seconds).context("no rounds");
        Ok(Sealing { state, cp: spread(cp)?, seal: spread(seal)? })
    };
    times.into_iter().map(sealing).collect()
}

/// A copy in blocks of its own: no disk shares them with the image.
fn copied(image: &Path, copy: &Path) -> Result<()> {
    for command in [Command::new("cp").arg("--reflink=never").arg(image).arg(copy), Command::new("sync").arg(copy)] {
        let status = command.status().context("start cp and sync")?;
        ensure!(status.success(), "cp or sync: {status}");
    }
    Ok(())
}

fn sealed(store: &Path) -> Result<()> {
    let args = seal::Args { store: store.to_owned(), files: Vec::new(), key: None, verify: None, no_verity: false };
    let manifest = seal::seal(&args)?;
    ensure!(manifest.find(IMAGE).is_some_and(|entry| entry.verity.is_some()), "the image has no hash tree");
    Ok(())
}
