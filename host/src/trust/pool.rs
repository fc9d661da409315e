//! Work on many files: small ones side by side on all processors, large ones one after another, as each of them already
//! keeps all processors busy, and media read one place faster than many.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::available_parallelism;

/// Bytes from which on a file is large: twice what one thread of init's hash takes at once.
pub const LARGE: u64 = 8 << 20;

/// Does the work for each item; the results are in the order of the items.
pub fn map<T: Sync, R: Send>(items: &[T], is_large: impl Fn(&T) -> bool, work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let (large, small): (Vec<usize>, Vec<usize>) =
        (0..items.len()).partition(|&at| items.get(at).is_some_and(&is_large));
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(items.len()));
    let one = |at: usize| {
        if let Some(item) = items.get(at) {
            let result = work(item);
            if let Ok(mut done) = done.lock() {
                done.push((at, result));
            }
        }
    };
    let worker = || {
        while let Some(&at) = small.get(next.fetch_add(1, Ordering::Relaxed)) {
            one(at);
        }
    };
    std::thread::scope(|scope| {
        let threads = available_parallelism().map_or(1, usize::from).min(small.len());
        // Where no thread can be had, this one does it all.
        let others = (1..threads).map(|_| std::thread::Builder::new().spawn_scoped(scope, worker));
        let others: Vec<_> = others.take_while(Result::is_ok).collect();
        worker();
        drop(others);
    });
    large.into_iter().for_each(one);
    let mut done = done.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    done.sort_unstable_by_key(|&(at, _)| at);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_done_once_and_in_order() {
        for count in [0, 1, 2, 100] {
            let items: Vec<usize> = (0..count).collect();
            let done = map(&items, |item| item % 7 == 3, |item| item * 2);
            assert_eq!(done, items.iter().map(|item| item * 2).collect::<Vec<_>>());
        }
    }
}
