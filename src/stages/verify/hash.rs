//! BLAKE3 of a file on all processors, equal to what `b3sum` prints.
//!
//! BLAKE3 is a tree: each subtree of 4 MiB is hashed by itself, by whichever thread is free, and the results are merged.
//! The file is read, not mapped: a medium that fails then gives an error and not SIGBUS, which would end process 1.

pub use crate::stages::progress::Progress;
use crate::sys::Advise;
use blake3::hazmat::{ChainingValue, HasherExt, Mode, left_subtree_len, merge_subtrees_non_root, merge_subtrees_root};
use blake3::{Hash, Hasher};
use std::io;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Duration;

/// Bytes of one subtree: a power of two, so that it is a node of the file's own tree. Large enough that merging costs
/// nothing, small enough that progress is smooth on a slow stick.
const SUBTREE: u64 = 4 << 20;
/// Bytes of one read. Larger is not faster (64 KiB reach 98 % of it), and each thread holds one.
const STEP: usize = 256 << 10;
/// How long the caller's progress function is left alone at most.
const TICK: Duration = Duration::from_millis(250);

/// Hashes the whole file. `progress` is called several times a second, on the caller's thread.
///
/// # Errors
/// The first read error of any thread, and `UnexpectedEof` when the file is shorter than its size said.
pub fn hash<F: Advise + Sync>(file: &F, threads: usize, progress: &mut dyn FnMut(Progress)) -> io::Result<Hash> {
    let hash = hash_while(file, threads, &mut |so_far| {
        progress(so_far);
        ControlFlow::Continue(())
    })?;
    hash.ok_or_else(|| io::Error::other("stopped without being asked to"))
}

/// The same, as long as `progress` says so; `None` when it did not.
///
/// # Errors
/// As [`hash`].
pub fn hash_while<F: Advise + Sync>(
    file: &F,
    threads: usize,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> io::Result<Option<Hash>> {
    let total = file.size()?;
    if total <= SUBTREE {
        let mut hasher = Hasher::new();
        feed(file, &mut hasher, 0, total, &AtomicBool::new(false))?;
        return Ok(Some(hasher.finalize()));
    }
    let values = subtrees(file, total, threads, progress)?;
    Ok(values.map(|values| merge_root(&values, total)))
}

/// The chaining values of all subtrees, in order.
fn subtrees<F: Advise + Sync>(
    file: &F,
    total: u64,
    threads: usize,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> io::Result<Option<Vec<ChainingValue>>> {
    let count = total.div_ceil(SUBTREE);
    let (next, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let (send, receive) = mpsc::channel();
    let mut values = vec![ChainingValue::default(); usize::try_from(count).map_err(io::Error::other)?];
    let whole = std::thread::scope(|scope| {
        for started in 0..threads.max(1) {
            let (send, next, stop) = (send.clone(), &next, &stop);
            let work = move || {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count || stop.load(Ordering::Relaxed) {
                        return;
                    }
                    // The threads' reads interleave, which defeats the kernel's own read-ahead: ask for what comes.
                    file.will_need((number + threads as u64) * SUBTREE, SUBTREE);
                    let value = subtree(file, number * SUBTREE, total, stop);
                    let failed = value.is_err();
                    // Only the first failure is reported: the others are threads that were told to stop.
                    if failed && stop.swap(true, Ordering::Relaxed) {
                        return;
                    }
                    if send.send((number, value)).is_err() || failed {
                        return;
                    }
                }
            };
            match std::thread::Builder::new().spawn_scoped(scope, work) {
                Ok(_) => {}
                Err(error) if started == 0 => return Err(error),
                Err(_) => break, // those that run do it all, only slower
            }
        }
        drop(send);
        let mut done = 0;
        loop {
            match receive.recv_timeout(TICK) {
                Ok((number, value)) => {
                    let slot = usize::try_from(number).ok().and_then(|number| values.get_mut(number));
                    match (slot, value) {
                        (Some(slot), Ok(value)) => *slot = value,
                        (_, Err(error)) => return Err(error),
                        (None, Ok(_)) => return Err(io::Error::other("a subtree without a place")),
                    }
                    done = (done + SUBTREE).min(total);
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => return Ok(true),
            }
            if progress(Progress { done, total }).is_break() {
                stop.store(true, Ordering::Relaxed);
                return Ok(false);
            }
        }
    })?;
    Ok(whole.then_some(values))
}

fn subtree<F: Advise>(file: &F, offset: u64, total: u64, stop: &AtomicBool) -> io::Result<ChainingValue> {
    let mut hasher = Hasher::new();
    hasher.set_input_offset(offset);
    feed(file, &mut hasher, offset, SUBTREE.min(total - offset), stop)?;
    Ok(hasher.finalize_non_root())
}

fn feed<F: Advise>(file: &F, hasher: &mut Hasher, offset: u64, length: u64, stop: &AtomicBool) -> io::Result<()> {
    let mut buffer = vec![0; STEP];
    let mut done = 0;
    while done < length {
        if stop.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let want = usize::try_from(length - done).unwrap_or(STEP).min(STEP);
        let part = buffer.get_mut(..want).unwrap_or_default();
        let got = file.read_at(part, offset + done)?;
        if got == 0 {
            let text = format!("the file ends at byte {}, its size was {}", offset + done, offset + length);
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
        }
        hasher.update(part.get(..got).unwrap_or_default());
        done += got as u64;
    }
    Ok(())
}

/// Merges subtrees of a file of `length` bytes, more than one, into its root.
fn merge_root(values: &[ChainingValue], length: u64) -> Hash {
    let (left, right) = halves(values, length);
    let cut = left_subtree_len(length);
    merge_subtrees_root(&merge(left, cut), &merge(right, length - cut), Mode::Hash)
}

fn merge(values: &[ChainingValue], length: u64) -> ChainingValue {
    if let [one] = values {
        return *one;
    }
    let (left, right) = halves(values, length);
    let cut = left_subtree_len(length);
    merge_subtrees_non_root(&merge(left, cut), &merge(right, length - cut), Mode::Hash)
}

/// The left half is the largest power of two below the length, so it holds whole subtrees.
fn halves(values: &[ChainingValue], length: u64) -> (&[ChainingValue], &[ChainingValue]) {
    let count = usize::try_from(left_subtree_len(length) / SUBTREE).unwrap_or(values.len());
    values.split_at_checked(count).unwrap_or((values, &[]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::ReadAt;

    struct Bytes(Vec<u8>, u64);
    impl ReadAt for Bytes {
        fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
            if offset >= self.1 {
                return Err(io::Error::from_raw_os_error(5));
            }
            self.0.as_slice().read_at(buf, offset)
        }
        fn size(&self) -> io::Result<u64> {
            Ok(self.0.len() as u64)
        }
    }
    impl Advise for Bytes {}

    fn bytes(length: usize) -> Vec<u8> {
        (0..length).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
    }

    #[test]
    fn equals_the_plain_hash_at_every_kind_of_length() {
        let sub = SUBTREE as usize;
        for length in [0, 1, 1024, sub - 1, sub, sub + 1, 2 * sub, 2 * sub + 1025, 3 * sub, 5 * sub + 7] {
            let data = bytes(length);
            let want = blake3::hash(&data);
            for threads in [0, 1, 2, 5] {
                let got = hash(&Bytes(data.clone(), u64::MAX), threads, &mut |_| {}).unwrap();
                assert_eq!(got, want, "{length} bytes, {threads} threads");
            }
        }
    }

    #[test]
    fn a_read_error_ends_every_thread() {
        let file = Bytes(bytes(5 * SUBTREE as usize), 2 * SUBTREE + 100);
        let error = hash(&file, 2, &mut |_| {}).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(5));
    }

    #[test]
    fn it_ends_when_nobody_wants_it_any_more() {
        let file = Bytes(bytes(5 * SUBTREE as usize), u64::MAX);
        let mut calls = 0;
        let done = hash_while(&file, 2, &mut |_| {
            calls += 1;
            ControlFlow::Break(())
        });
        assert_eq!((done.unwrap(), calls), (None, 1));
    }

    #[test]
    fn progress_ends_at_the_whole() {
        let mut last = None;
        let size = 3 * SUBTREE as usize + 5;
        hash(&Bytes(bytes(size), u64::MAX), 2, &mut |p| last = Some(p)).unwrap();
        assert_eq!(last, Some(Progress { done: size as u64, total: size as u64 }));
    }
}
