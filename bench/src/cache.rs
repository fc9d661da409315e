//! A file in the page cache as a whole, or not at all.
//!
//! Takes   a file that is on the disk (`fsync` is over).
//! Gives   the time that some work takes with the file in one of the two states.
//! Fails   when the work did not find that state: the kernel counts what processes let it fetch from disks
//!         (`read_bytes` in /proc/PID/io, proc_pid_io(5); children that were waited for are included).
//!
//! Pages stay by mlock(2): a kernel that reclaims what it takes for unused (DAMON_RECLAIM) takes part of a file within
//! seconds. An ordinary user may not lock as much, and does without.
//!
//! Pages are dropped by posix_fadvise(2), POSIX_FADV_DONTNEED: it needs no root, and leaves the cache of all other files
//! alone. What this cannot empty is a cache below the kernel: where the disk is a virtual one, the host may have the file in
//! its memory. The disk's own rate is measured in the same way and in turns, so a ratio to it stays honest.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use rustix::fs::Advice;
use serde::Serialize;

/// Where the kernel counts for this process.
const COUNTS: &str = "/proc/self/io";
/// How much of a file may be in the other state: a page or two are read by whoever looks at its first bytes.
const TOLERANCE: u64 = 100;

/// Where the file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// In the page cache.
    Warm,
    /// On the disk alone.
    Cold,
}

impl State {
    /// Cold comes first: it leaves the file in the cache.
    pub const ALL: [State; 2] = [State::Cold, State::Warm];
}

/// A file whose state is chosen.
#[derive(Debug)]
pub struct Cache {
    file: File,
    size: u64,
}

impl Cache {
    /// Of that file, which nobody else uses.
    pub fn of(path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| path.display().to_string())?;
        let size = file.metadata().with_context(|| path.display().to_string())?.len();
        Ok(Self { file, size })
    }

    /// The seconds that the work takes, which reads the whole file once.
    pub fn timed(&self, state: State, work: impl FnOnce() -> Result<()>) -> Result<f64> {
        let kept = match state {
            State::Warm => {
                let pages = self.pages()?;
                _ = pages.lock(); // refused: whether the pages stayed is looked at below
                io::copy(&mut self.rewound()?, &mut io::sink()).context("read the file")?;
                Some(pages)
            }
            State::Cold => {
                rustix::fs::fadvise(&self.file, 0, None, Advice::DontNeed).context("drop the file's pages")?;
                None
            }
        };
        let before = fetched()?;
        let start = Instant::now();
        work()?;
        let seconds = start.elapsed().as_secs_f64();
        drop(kept);
        let (fetched, spare) = (fetched()? - before, self.size / TOLERANCE);
        match state {
            State::Warm => ensure!(fetched <= spare, "wanted nothing from the disk, seen {fetched} bytes"),
            State::Cold => {
                ensure!(fetched >= self.size - spare, "wanted {} bytes from the disk, seen {fetched}", self.size)
            }
        }
        Ok(seconds)
    }

    /// The file's pages, in this program's memory.
    #[allow(unsafe_code)] // nothing that maps a file is safe
    fn pages(&self) -> Result<memmap2::Mmap> {
        // SAFETY: nobody changes the file, and no byte is read through the map.
        unsafe { memmap2::Mmap::map(&self.file) }.context("map the file")
    }

    fn rewound(&self) -> Result<File> {
        use std::io::Seek;
        let mut file = self.file.try_clone().context("the file's descriptor")?;
        file.rewind().context("the file's start")?;
        Ok(file)
    }
}

/// Bytes that this process and its ended children have fetched from disks.
fn fetched() -> Result<u64> {
    let text = fs::read_to_string(COUNTS).context(COUNTS)?;
    read_bytes(&text).with_context(|| format!("{COUNTS}: wanted a line \"read_bytes: N\", seen {text:?}"))
}

/// Pure.
fn read_bytes(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("read_bytes: ")).and_then(|number| number.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_that_of_the_disk() {
        let text =
            "rchar: 5\nwchar: 6\nsyscr: 7\nsyscw: 8\nread_bytes: 4096\nwrite_bytes: 9\ncancelled_write_bytes: 0\n";
        assert_eq!(read_bytes(text), Some(4096));
        assert_eq!(read_bytes("rchar: 5\n"), None);
    }
}
