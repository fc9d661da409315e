//! One pass over a file for any number of digests, each of a part of it and perhaps with some bytes taken for others.
//!
//! MD5, SHA-1 and SHA-2 need the bytes in order, so one thread reads them, and each digest has a thread of its own: the pass
//! takes as long as the slowest of them. What BLAKE3 and hash trees need in any order, [`super::measure`] reads on all
//! processors; here BLAKE3 is one of the digests, so that a file with several lists is read once.

use super::digest::{Algorithm, Running};
use anyhow::{Context, Result, bail};
use isolde::formats::{ReadAt, read_full};
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Bytes of one read. With [`AHEAD`] this bounds the memory: 4 MiB, however large the file and however many the digests.
const STEP: usize = 512 << 10;
/// Reads that a slow digest may be behind.
const AHEAD: usize = 8;

/// A digest that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Of this kind.
    pub algorithm: Algorithm,
    /// Of these bytes.
    pub range: Range<u64>,
    /// Stretches that count as if they held this byte everywhere.
    pub masks: Vec<(Range<u64>, u8)>,
    /// Zero bytes that count as if they followed.
    pub zeros: u64,
}

impl Job {
    /// Of a whole file.
    #[must_use]
    pub fn whole(algorithm: Algorithm, size: u64) -> Job {
        Job { algorithm, range: 0..size, masks: Vec::new(), zeros: 0 }
    }
}

/// Where a piece of the file is, and its bytes.
type Piece = (u64, Arc<[u8]>);

/// Makes all digests. `say` hears how many bytes were read of how many.
///
/// # Errors
/// When the file cannot be read, or ends before a part that is wanted does.
pub fn digests(file: &dyn ReadAt, jobs: &[Job], say: &mut dyn FnMut(u64, u64)) -> Result<Vec<Vec<u8>>> {
    let end = jobs.iter().map(|job| job.range.end).max().unwrap_or_default();
    let size = file.size()?;
    if end > size {
        bail!("wanted at least {end} bytes, seen {size}");
    }
    std::thread::scope(|scope| {
        let mut senders = Vec::new();
        let mut threads = Vec::new();
        for job in jobs {
            let (send, receive) = sync_channel(AHEAD);
            senders.push(send);
            let thread = std::thread::Builder::new().spawn_scoped(scope, move || work(job, receive));
            threads.push(thread.context("a thread for a digest")?);
        }
        let read = feed(file, end, &senders, say);
        drop(senders);
        let done = threads.into_iter().map(|thread| thread.join().ok().context("a thread that hashes has failed"));
        let done: Result<Vec<Vec<u8>>> = done.collect();
        read?;
        done
    })
}

fn feed(file: &dyn ReadAt, end: u64, to: &[SyncSender<Piece>], say: &mut dyn FnMut(u64, u64)) -> Result<()> {
    let mut buffer = vec![0; STEP];
    let mut at = 0;
    while at < end {
        let length = usize::try_from(end - at).unwrap_or(STEP).min(STEP);
        let part = buffer.get_mut(..length).unwrap_or_default();
        if read_full(file, part, at)? < length {
            let text = format!("the file ends before byte {}, its size was {end}", at + length as u64);
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text).into());
        }
        let piece: Arc<[u8]> = Arc::from(&*part);
        for sender in to {
            sender.send((at, piece.clone())).ok().context("a thread that hashes has failed")?;
        }
        at += length as u64;
        say(at, end);
    }
    Ok(())
}

/// One digest.
fn work(job: &Job, pieces: Receiver<Piece>) -> Vec<u8> {
    let mut running = job.algorithm.begin();
    for (at, bytes) in pieces {
        let Some((from, part)) = cut(&bytes, at, &job.range) else { continue };
        let has_mask = |(mask, _): &&(Range<u64>, u8)| mask.start < from + part.len() as u64 && mask.end > from;
        if job.masks.iter().any(|mask| has_mask(&mask)) {
            let mut part = part.to_vec();
            for (mask, byte) in job.masks.iter().filter(has_mask) {
                fill(&mut part, from, mask, *byte);
            }
            running.update(&part);
        } else {
            running.update(part);
        }
    }
    zeros(&mut running, job.zeros);
    running.finish()
}

/// What a piece has of a range, and where that begins.
fn cut<'a>(bytes: &'a [u8], at: u64, range: &Range<u64>) -> Option<(u64, &'a [u8])> {
    let (from, to) = (range.start.max(at), range.end.min(at + bytes.len() as u64));
    let part = bytes.get(usize::try_from(from.checked_sub(at)?).ok()?..usize::try_from(to.checked_sub(at)?).ok()?)?;
    (!part.is_empty()).then_some((from, part))
}

fn fill(part: &mut [u8], at: u64, mask: &Range<u64>, byte: u8) {
    let end = at + part.len() as u64;
    let place = |offset: u64| usize::try_from(offset.clamp(at, end) - at).unwrap_or_default();
    if let Some(part) = part.get_mut(place(mask.start)..place(mask.end)) {
        part.fill(byte);
    }
}

fn zeros(running: &mut Running, mut left: u64) {
    let block = [0; 4096];
    while left > 0 {
        let part = block.get(..usize::try_from(left).unwrap_or(block.len()).min(block.len())).unwrap_or_default();
        running.update(part);
        left -= part.len() as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(algorithm: Algorithm, bytes: &[u8]) -> Vec<u8> {
        let mut running = algorithm.begin();
        running.update(bytes);
        running.finish()
    }

    #[test]
    fn one_pass_gives_every_digest_of_every_part() {
        let bytes: Vec<u8> = (0..2 * STEP + 777).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let size = bytes.len() as u64;
        let mut jobs: Vec<Job> = Algorithm::ALL.into_iter().map(|algorithm| Job::whole(algorithm, size)).collect();
        let mut wanted: Vec<Vec<u8>> = Algorithm::ALL.into_iter().map(|algorithm| plain(algorithm, &bytes)).collect();
        // A part that begins in one piece and ends in another, with masks over a border and outside.
        let (from, to) = (STEP - 5, 2 * STEP + 5);
        let mut masked = bytes.clone();
        masked[STEP - 9..STEP + 9].fill(b' ');
        masked[2 * STEP..2 * STEP + 1].fill(0);
        let mut part = masked[from..to].to_vec();
        part.extend([0; 5000]);
        let masks = [(STEP - 9..STEP + 9, b' '), (2 * STEP..2 * STEP + 1, 0), (0..3, 7), (to..to + 9, 7)];
        let masks = masks.map(|(range, byte)| (range.start as u64..range.end as u64, byte)).to_vec();
        jobs.push(Job { algorithm: Algorithm::Md5, range: from as u64..to as u64, masks, zeros: 5000 });
        wanted.push(plain(Algorithm::Md5, &part));
        jobs.push(Job { range: 9..9, ..Job::whole(Algorithm::Sha1, size) });
        wanted.push(plain(Algorithm::Sha1, &[]));
        let mut said = Vec::new();
        let seen = digests(&bytes.as_slice(), &jobs, &mut |done, all| said.push((done, all))).unwrap();
        assert_eq!(seen, wanted);
        assert_eq!(said.last(), Some(&(size, size)));
    }

    #[test]
    fn a_part_that_is_not_there_is_an_error() {
        let error = digests(&[0_u8; 9].as_slice(), &[Job::whole(Algorithm::Md5, 10)], &mut |_, _| {}).unwrap_err();
        assert_eq!(error.to_string(), "wanted at least 10 bytes, seen 9");
    }
}
