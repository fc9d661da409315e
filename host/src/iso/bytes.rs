//! The bytes of an image, and of the files in it.
//!
//! Takes   an open file, or bytes in memory.
//! Gives   [`Limited`], which fails once more was read than any honest image needs, and [`Extents`], a file inside it.
//! Fails   when the limit is reached: directories that point at one another, or a directory of gigabytes, cost time and
//!         memory in proportion to what is read.

use isolde::formats::ReadAt;
use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Something with bytes. `Sync`, because the readers of file systems want to be able to share it.
pub type Source<'a> = &'a (dyn ReadAt + Sync);

/// Bytes that are read of one image in all. An inspection of a big live ISO reads 5 to 20 MB.
pub const MOST: u64 = 512 << 20;

/// Bytes with a limit on how many are read.
#[derive(Debug)]
pub struct Limited<T> {
    inner: T,
    left: AtomicU64,
}

impl<T: ReadAt> Limited<T> {
    /// At most `most` bytes are read of it.
    pub fn new(inner: T, most: u64) -> Limited<T> {
        Limited { inner, left: AtomicU64::new(most) }
    }
}

impl<T: ReadAt> ReadAt for Limited<T> {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let take = |left: u64| left.checked_sub(buf.len() as u64);
        if self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_err() {
            return Err(io::Error::new(
                io::ErrorKind::QuotaExceeded,
                format!("wanted {} more bytes of the image at byte {offset}; seen too many already", buf.len()),
            ));
        }
        self.inner.read_at(buf, offset)
    }

    fn size(&self) -> io::Result<u64> {
        self.inner.size()
    }
}

/// An open image file or block device.
#[derive(Debug)]
pub struct ImageFile {
    file: File,
    size: u64,
}

impl ImageFile {
    /// Opens it for reading.
    ///
    /// # Errors
    /// When it cannot be opened, or is neither a regular file nor a block device.
    pub fn open(path: &Path) -> io::Result<ImageFile> {
        let mut file = File::open(path)?;
        if file.metadata()?.is_dir() {
            return Err(io::Error::new(io::ErrorKind::IsADirectory, "wanted an image file, seen a directory"));
        }
        // A block device has no length in its metadata; a pipe has no end to seek to, which is the error then.
        let size = file.seek(SeekFrom::End(0))?;
        Ok(ImageFile { file, size })
    }
}

impl ReadAt for ImageFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(&self.file, buf, offset)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.size)
    }
}

/// A stretch of a file inside an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Where it is in the image.
    pub at: u64,
    /// Where it is in the file.
    pub from: u64,
    /// How long it is.
    pub len: u64,
}

/// A file inside an image. What lies in no stretch reads as zeros.
#[derive(Clone)]
pub struct Extents<'a> {
    on: Source<'a>,
    parts: Vec<Extent>,
    size: u64,
}

impl std::fmt::Debug for Extents<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Extents").field("parts", &self.parts).field("size", &self.size).finish_non_exhaustive()
    }
}

impl<'a> Extents<'a> {
    /// A file of this size; the stretches are in the order of the file.
    pub fn new(on: Source<'a>, parts: Vec<Extent>, size: u64) -> Extents<'a> {
        Extents { on, parts, size }
    }

    /// Its stretches, in the order of the file.
    pub fn parts(&self) -> &[Extent] {
        &self.parts
    }
}

impl ReadAt for Extents<'_> {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let room = usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX).min(buf.len());
        let next = self.parts.partition_point(|part| part.from.saturating_add(part.len) <= offset);
        let here = self.parts.get(next).filter(|part| part.from <= offset);
        let until = match (here, self.parts.get(next)) {
            (Some(part), _) => part.from.saturating_add(part.len),
            (None, Some(later)) => later.from,
            (None, None) => u64::MAX,
        };
        let room = usize::try_from(until.saturating_sub(offset)).unwrap_or(usize::MAX).min(room);
        let Some(buf) = buf.get_mut(..room).filter(|buf| !buf.is_empty()) else { return Ok(0) };
        match here {
            Some(part) => {
                let at = part.at.checked_add(offset - part.from);
                let at = at.ok_or_else(|| super::damaged("a file beyond any offset"))?;
                match self.on.read_at(buf, at)? {
                    0 => Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        format!("wanted byte {at}, seen the end of the image"),
                    )),
                    count => Ok(count),
                }
            }
            None => {
                buf.fill(0);
                Ok(room)
            }
        }
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.size)
    }
}

/// A file inside an image that others share: [`Extents`] without a borrow.
#[derive(Debug)]
pub struct Part<T> {
    on: Arc<T>,
    parts: Vec<Extent>,
    size: u64,
}

impl<T: ReadAt + Sync> Part<T> {
    /// The same file, of the same image.
    pub fn of(on: &Arc<T>, file: &Extents) -> Part<T> {
        Part { on: on.clone(), parts: file.parts.clone(), size: file.size }
    }
}

impl<T: ReadAt + Sync> ReadAt for Part<T> {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        Extents::new(&*self.on, self.parts.clone(), self.size).read_at(buf, offset)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.size)
    }
}

/// Bytes in memory.
#[derive(Debug)]
pub struct Memory(pub Vec<u8>);

impl ReadAt for Memory {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.as_slice().read_at(buf, offset)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use isolde::formats::read_full;

    #[test]
    fn a_file_in_pieces_reads_as_one_and_its_holes_as_zeros() {
        let image: &[u8] = b"0123456789";
        let parts = vec![Extent { at: 8, from: 0, len: 2 }, Extent { at: 1, from: 4, len: 3 }];
        let file = Extents::new(&image, parts, 9);
        let mut buf = [0xff; 12];
        assert_eq!(read_full(&file, &mut buf, 0).unwrap(), 9);
        assert_eq!(&buf[..9], b"89\0\x00123\0\0");
        assert_eq!(read_full(&file, &mut buf, 5).unwrap(), 4);
        assert_eq!(&buf[..4], b"23\0\0");
        assert_eq!(read_full(&file, &mut buf, 9).unwrap(), 0);
    }

    #[test]
    fn a_file_that_the_image_does_not_hold_is_an_error_and_not_an_empty_one() {
        let image: &[u8] = b"0123";
        let file = Extents::new(&image, vec![Extent { at: 2, from: 0, len: 9 }], 9);
        let error = read_full(&file, &mut [0; 9], 0).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn reading_ends_at_the_limit() {
        let image: &[u8] = &[1; 64];
        let limited = Limited::new(image, 48);
        assert_eq!(limited.read_at(&mut [0; 32], 0).unwrap(), 32);
        assert_eq!(limited.read_at(&mut [0; 32], 0).unwrap_err().kind(), io::ErrorKind::QuotaExceeded);
        assert_eq!(limited.read_at(&mut [0; 16], 0).unwrap(), 16);
    }
}
