//! A packed file that holds a file system: what was unpacked last is kept.
//!
//! A block of squashfs is unpacked as a whole, and a file system asks for a few bytes here and there.

use super::Bytes;
use isolde::formats::{ReadAt, read_full};
use std::collections::VecDeque;
use std::io;
use std::sync::{Mutex, PoisonError};

/// Bytes that are unpacked at once: the largest block of squashfs.
const PART: u64 = 1 << 20;
/// Parts that are kept.
const KEPT: usize = 16;

/// See the module's own text.
pub(super) struct Cached {
    inner: Bytes,
    /// Offsets and bytes; the one that was used last in front.
    parts: Mutex<VecDeque<(u64, Vec<u8>)>>,
}

impl Cached {
    pub(super) fn new(inner: Bytes) -> Cached {
        Cached { inner, parts: Mutex::default() }
    }
}

impl ReadAt for Cached {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let start = offset - offset % PART;
        // A reader that panicked has left whole parts or none.
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        let part = match parts.iter().position(|(at, _)| *at == start).and_then(|index| parts.remove(index)) {
            Some(part) => part,
            None => {
                let left = self.inner.size()?.saturating_sub(start).min(PART);
                let mut bytes = vec![0; usize::try_from(left).unwrap_or_default()];
                let count = read_full(&self.inner, &mut bytes, start)?;
                bytes.truncate(count);
                (start, bytes)
            }
        };
        parts.truncate(KEPT - 1);
        parts.push_front(part);
        let from = usize::try_from(offset - start).unwrap_or(usize::MAX);
        let found = parts.front().and_then(|(_, bytes)| bytes.get(from..)).unwrap_or_default();
        let count = found.len().min(buf.len());
        for (to, byte) in buf.iter_mut().zip(found) {
            *to = *byte;
        }
        Ok(count)
    }

    fn size(&self) -> io::Result<u64> {
        self.inner.size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iso::bytes::Memory;

    #[test]
    fn what_is_read_is_what_is_there() {
        let bytes: Vec<u8> = (0..(PART as usize * 2 + 77)).map(|at| (at / 3) as u8).collect();
        let cached = Cached::new(Bytes::new(Memory(bytes.clone())));
        for (from, length) in [(0, 10), (PART as usize - 5, 10), (bytes.len() - 3, 3), (PART as usize * 2, 77), (3, 1)]
        {
            let mut buf = vec![0; length];
            assert_eq!(read_full(&cached, &mut buf, from as u64).unwrap(), length);
            assert_eq!(buf, bytes[from..from + length]);
        }
        assert_eq!(cached.read_at(&mut [0; 4], bytes.len() as u64).unwrap(), 0);
        assert_eq!(cached.read_at(&mut [0; 4], u64::MAX - 4).unwrap(), 0);
    }
}
