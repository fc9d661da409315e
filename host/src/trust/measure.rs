//! One pass over a file: BLAKE3, size, and the hashes of its hash tree, on all processors.
//!
//! init's own reader hashes the file in parallel and reads every byte once; what it reads goes through [`Tapped`], which
//! hashes the blocks on the same thread. In memory are the hashes of all blocks, 32 bytes each: 80 MB for an image of 10 GB
//! with blocks of 4096 bytes, 160 MB with blocks of 2048.

use anyhow::{Context, Result, bail};
use isolde::formats::verity::{SuperBlock, Tree};
use isolde::formats::{ReadAt, read_full};
use isolde::stages::verify::hash::{self, Progress};
use isolde::sys::Advise;
use std::fs::File;
use std::io;
use std::sync::Mutex;
use std::thread::available_parallelism;

/// What a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measured {
    /// Bytes.
    pub size: u64,
    /// Of all bytes.
    pub blake3: [u8; 32],
    /// Its hash tree, when that was wanted.
    pub tree: Option<Made>,
}

/// A hash tree that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// The root hash.
    pub root: Vec<u8>,
    /// The super block, and zeros up to the next block.
    first: Vec<u8>,
    /// Lowest first.
    levels: Vec<Vec<u8>>,
}

impl Made {
    /// The bytes of its file, in order. The first part is the super block.
    pub fn parts(&self) -> impl Iterator<Item = &[u8]> {
        std::iter::once(self.first.as_slice()).chain(self.levels.iter().rev().map(Vec::as_slice))
    }
}

/// The hashes of a file's blocks, each at its place.
struct Hashes {
    all: Vec<u8>,
    /// Bytes that were written.
    done: usize,
}

/// A file whose blocks are hashed as they are read.
struct Tapped<'a> {
    file: &'a File,
    head: Option<&'a SuperBlock>,
    hashes: Mutex<Hashes>,
}

impl ReadAt for Tapped<'_> {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        // Whole: a short read would end inside a block.
        let count = read_full(self.file, buf, offset)?;
        if let Some(head) = self.head {
            let block = head.data_block as usize;
            let mut hashes = Vec::with_capacity(count.div_ceil(block) * head.algorithm.length());
            let blocks = buf.get(..count).unwrap_or_default().chunks(block);
            blocks.for_each(|block| head.algorithm.hash(&head.salt, block, &mut hashes));
            let at = usize::try_from(offset / u64::from(head.data_block)).map_err(io::Error::other)?;
            let at = at * head.algorithm.length();
            let mut all = self.hashes.lock().map_err(|_| io::Error::other("a thread that hashes has failed"))?;
            let place = all.all.get_mut(at..at + hashes.len());
            place.ok_or_else(|| io::Error::other("it is longer than it was"))?.copy_from_slice(&hashes);
            all.done += hashes.len();
        }
        Ok(count)
    }

    fn size(&self) -> io::Result<u64> {
        ReadAt::size(self.file)
    }
}

impl Advise for Tapped<'_> {
    fn will_need(&self, offset: u64, length: u64) {
        self.file.will_need(offset, length);
    }
}

/// Reads a file, with a hash tree when there is a super block for one. `say` hears how far it is.
///
/// # Errors
/// When it cannot be read, changed meanwhile, or is not of the size that the super block says.
pub fn measure(file: &File, head: Option<SuperBlock>, say: &mut dyn FnMut(Progress)) -> Result<Measured> {
    let before = file.metadata()?;
    let total = before.len();
    let mut all = Vec::new();
    if let Some(head) = &head {
        if head.data_blocks.checked_mul(head.data_block.into()) != Some(total) {
            bail!("wanted {} blocks of {} bytes, seen {total} bytes", head.data_blocks, head.data_block);
        }
        let length = usize::try_from(head.data_blocks)? * head.algorithm.length();
        // With room for what fills the last hash block.
        all = Vec::with_capacity(length.next_multiple_of(head.hash_block as usize));
        all.resize(length, 0);
    }
    let tapped = Tapped { file, head: head.as_ref(), hashes: Mutex::new(Hashes { all, done: 0 }) };
    let threads = available_parallelism().map_or(1, usize::from);
    let blake3 = *hash::hash(&tapped, threads, say)?.as_bytes();
    // Small files are done without a word.
    say(Progress { done: total, total });
    let Hashes { all, done } = tapped.hashes.into_inner().ok().context("a thread that hashes has failed")?;
    let tree = head.map(|head| made(head, all, done)).transpose()?;
    let after = file.metadata()?;
    if total != after.len() || before.modified().ok() != after.modified().ok() {
        bail!("it was changed while it was read");
    }
    Ok(Measured { size: total, blake3, tree })
}

fn made(head: SuperBlock, hashes: Vec<u8>, done: usize) -> Result<Made> {
    if done != hashes.len() {
        bail!("its blocks were not read once each");
    }
    let tree = Tree::new(head)?;
    let (root, levels) = tree.levels_over(hashes)?;
    Ok(Made { root, first: tree.head_block()?, levels })
}
