//! BLAKE3, as init computes it, against sha256sum: the same file of 1 GiB in the page cache, in turns.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::Command;
use std::thread::available_parallelism;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use isolde::stages::verify::hash::hash;
use serde::Serialize;

use crate::statistics::Spread;

/// Size of the file in bytes.
const SIZE: u64 = 1 << 30;
/// Rounds; each measures all three.
pub const ROUNDS: u32 = 5;

/// Speeds in millions of bytes per second.
#[derive(Debug, Clone, Serialize)]
pub struct Hashing {
    /// The program sha256sum.
    pub sha256sum: Spread,
    /// Our BLAKE3 on one thread.
    pub blake3_one_thread: Spread,
    /// Our BLAKE3 on as many threads as there are processors.
    pub blake3_all_threads: Spread,
    /// How many these are.
    pub threads: usize,
}

/// Measures. The file is made in `folder` and removed.
pub fn measure(folder: &Path) -> Result<Hashing> {
    let file = tempfile::NamedTempFile::new_in(folder).context("create the file to be hashed")?;
    let wanted = fill(file.as_file()).context("write the file to be hashed")?;
    let image = file.reopen().context("open the file to be hashed")?;
    let threads = available_parallelism().context("the number of processors")?.get();
    let (mut sha256sum, mut one, mut all) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let speeds = [
            speed(|| run_sha256sum(file.path()))?,
            speed(|| run_blake3(&image, 1, wanted))?,
            speed(|| run_blake3(&image, threads, wanted))?,
        ];
        // The first round brings the file into the page cache.
        if round > 0 {
            let [first, second, third] = speeds;
            sha256sum.push(first);
            one.push(second);
            all.push(third);
        }
    }
    let spread = |values: Vec<f64>| Spread::of(values).context("no rounds");
    Ok(Hashing {
        sha256sum: spread(sha256sum)?,
        blake3_one_thread: spread(one)?,
        blake3_all_threads: spread(all)?,
        threads,
    })
}

/// Writes bytes without pattern, and gives their BLAKE3 by the crate's own sequential hasher.
fn fill(file: &File) -> io::Result<blake3::Hash> {
    let mut bytes = blake3::Hasher::new().update(b"isolde-bench").finalize_xof();
    let mut hasher = blake3::Hasher::new();
    let mut out = file;
    let mut block = vec![0; 1 << 20];
    for _ in 0..SIZE >> 20 {
        bytes.read_exact(&mut block)?;
        hasher.update(&block);
        out.write_all(&block)?;
    }
    file.sync_all()?; // or the disk is busy with it during the first rounds
    Ok(hasher.finalize())
}

fn speed(work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let start = Instant::now();
    work()?;
    Ok(SIZE as f64 / 1e6 / start.elapsed().as_secs_f64())
}

fn run_sha256sum(path: &Path) -> Result<()> {
    let output = Command::new("sha256sum").arg(path).output().context("start sha256sum")?;
    ensure!(output.status.success(), "sha256sum: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

fn run_blake3(image: &File, threads: usize, wanted: blake3::Hash) -> Result<()> {
    let seen = hash(image, threads, &mut |_| {}).context("hash the file")?;
    ensure!(seen == wanted, "BLAKE3 on {threads} threads: wanted {wanted}, seen {seen}");
    Ok(())
}
