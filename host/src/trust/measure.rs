//! One pass over a file: BLAKE3, size, and the hashes of its hash tree, on all processors.
//!
//! init's own reader hashes the file in parallel and reads every byte once; what it reads goes through [`Tapped`], which
//! hashes the blocks on the same thread.

use anyhow::{Context, Result, bail};
use isolde::formats::verity::{SuperBlock, Tree};
use isolde::formats::{ReadAt, read_full};
use isolde::stages::verify::hash::{self, Progress};
use isolde::sys::Advise;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Mutex;
use std::thread::available_parallelism;

/// What a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measured {
    /// Bytes.
    pub size: u64,
    /// Of all bytes.
    pub blake3: [u8; 32],
    /// Root hash and hash tree, when they were wanted.
    pub tree: Option<(Vec<u8>, Vec<u8>)>,
}

/// Hashes of successive blocks, and the offset of the first of them.
type Piece = (u64, Vec<u8>);

/// A file whose blocks are hashed as they are read.
struct Tapped<'a> {
    file: &'a File,
    head: Option<&'a SuperBlock>,
    pieces: Mutex<Vec<Piece>>,
}

impl ReadAt for Tapped<'_> {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        // Whole: a short read would end inside a block.
        let count = read_full(self.file, buf, offset)?;
        if let Some(head) = self.head {
            let mut hashes = Vec::new();
            let blocks = buf.get(..count).unwrap_or_default().chunks(head.data_block as usize);
            blocks.for_each(|block| head.algorithm.hash(&head.salt, block, &mut hashes));
            let mut pieces = self.pieces.lock().map_err(|_| io::Error::other("a thread that hashes has failed"))?;
            pieces.push((offset, hashes));
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
/// When it cannot be read, or changed meanwhile.
pub fn measure(path: &Path, head: Option<SuperBlock>, say: &mut dyn FnMut(Progress)) -> Result<Measured> {
    let shown = || path.display().to_string();
    let file = File::open(path).with_context(shown)?;
    let before = file.metadata().with_context(shown)?;
    let tapped = Tapped { file: &file, head: head.as_ref(), pieces: Mutex::default() };
    let threads = available_parallelism().map_or(1, usize::from);
    let blake3 = *hash::hash(&tapped, threads, say).with_context(shown)?.as_bytes();
    let pieces = tapped.pieces.into_inner().unwrap_or_default();
    let tree = head.map(|head| tree(head, pieces)).transpose().with_context(shown)?;
    let after = file.metadata().with_context(shown)?;
    if before.len() != after.len() || before.modified().ok() != after.modified().ok() {
        bail!("{}: it was changed while it was read", shown());
    }
    Ok(Measured { size: before.len(), blake3, tree })
}

/// The tree of the pieces, each of which has to begin where the one before it ends.
fn tree(head: SuperBlock, mut pieces: Vec<Piece>) -> Result<(Vec<u8>, Vec<u8>)> {
    pieces.sort_unstable_by_key(|&(offset, _)| offset);
    let (block, length) = (u64::from(head.data_block), head.algorithm.length() as u64);
    let mut all = Vec::new();
    for (offset, hashes) in pieces {
        if all.len() as u64 / length * block != offset {
            bail!("blocks before byte {offset} were not read once each");
        }
        all.extend(hashes);
    }
    Ok(Tree::new(head)?.build(all)?)
}
