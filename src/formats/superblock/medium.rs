//! The medium under examination, with its start in memory.

use super::super::{ReadAt, read_full};
use std::borrow::Cow;
use std::io;

/// As far as the btrfs superblock (4 KiB at 64 KiB) reaches; holds those of all other formats.
const HEAD: usize = 68 * 1024;

/// Where superblocks begin; tried one by one when the head cannot be read as a whole.
const AREAS: [usize; 4] = [0, 4 * 1024, 32 * 1024, 64 * 1024];

pub(super) struct Medium<'a> {
    dev: &'a dyn ReadAt,
    head: Vec<u8>,
    /// Length in bytes.
    pub(super) size: u64,
}

impl<'a> Medium<'a> {
    pub(super) fn open(dev: &'a dyn ReadAt) -> io::Result<Self> {
        let size = dev.size()?;
        let len = usize::try_from(size).unwrap_or(HEAD).min(HEAD);
        let mut head = vec![0; len];
        match read_full(dev, &mut head, 0) {
            Ok(count) => head.truncate(count),
            Err(_) => Self::read_areas(dev, &mut head)?,
        }
        Ok(Self { dev, head, size })
    }

    /// Reads what can be read. The rest stays zero, and no format begins with zeros.
    fn read_areas(dev: &dyn ReadAt, head: &mut [u8]) -> io::Result<()> {
        let ends = AREAS.iter().skip(1).copied().chain([HEAD]);
        for (start, end) in AREAS.into_iter().zip(ends) {
            let end = end.min(head.len());
            let Some(area) = head.get_mut(start..end) else { break };
            match read_full(dev, area, start as u64) {
                Err(error) if start == 0 => return Err(error),
                // What a failed read left behind is not data.
                Err(_) => area.fill(0),
                Ok(_) => {}
            }
        }
        Ok(())
    }

    /// `len` bytes at `offset` within the first 68 KiB; `None` when they are not all there.
    pub(super) fn head(&self, offset: usize, len: usize) -> Option<&[u8]> {
        self.head.get(offset..offset.checked_add(len)?)
    }

    /// `len` bytes at `offset`, wherever that is; `None` when they cannot be read.
    pub(super) fn read(&self, offset: u64, len: usize) -> Option<Cow<'_, [u8]>> {
        if let Some(bytes) = usize::try_from(offset).ok().and_then(|offset| self.head(offset, len)) {
            return Some(Cow::Borrowed(bytes));
        }
        if offset.checked_add(len as u64)? > self.size {
            return None;
        }
        let mut bytes = vec![0; len];
        let count = read_full(self.dev, &mut bytes, offset).ok()?;
        (count == len).then_some(Cow::Owned(bytes))
    }
}
