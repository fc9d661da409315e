//! Bytes to values: what is on a medium, in a module, in an index, in a list of checksums.
//!
//! Takes   bytes, or a [`ReadAt`] where a format is spread over a medium.
//! Gives   plain values; nothing here opens, mounts, waits or logs.
//! Fails   with [`FormatError`], which says what was expected, what was seen and where. Every parser is total: any bytes
//!         give a value or an error, in time and memory bounded by the length of the input or by a stated constant.

use std::fmt;
use std::io;

pub mod b3sums;
pub mod base64;
pub mod compressed;
mod crc;
mod fields;
pub mod generations;
pub mod glob;
pub mod luks;
pub mod lvm;
pub mod manifest;
pub mod minisig;
pub mod modinfo;
pub mod module_index;
pub mod partitions;
pub mod pieces;
pub mod softdep;
pub mod superblock;
pub mod verity;

pub(crate) use fields::hex;

/// Something that can be read at any offset: a block device, a file, or bytes in memory.
pub trait ReadAt {
    /// Reads into `buf` from `offset` (bytes). Like `pread(2)`: may give less than asked for, and 0 at the end.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Length in bytes.
    fn size(&self) -> io::Result<u64>;
}

impl ReadAt for [u8] {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|from| self.get(from..)).unwrap_or_default();
        let count = rest.len().min(buf.len());
        if let (Some(to), Some(from)) = (buf.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        Ok(count)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }
}

impl<T: ReadAt + ?Sized> ReadAt for &T {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        (**self).read_at(buf, offset)
    }

    fn size(&self) -> io::Result<u64> {
        (**self).size()
    }
}

/// Reads until `buf` is full or the medium ends, and gives the number of bytes read. Repeats short and interrupted reads.
pub fn read_full(dev: &dyn ReadAt, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut done = 0;
    while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
        let Some(at) = offset.checked_add(done as u64) else { break };
        match dev.read_at(rest, at) {
            Ok(0) => break,
            // An implementation that claims more than it was given room for must not lead past the buffer.
            Ok(count) => done += count.min(rest.len()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// Reads exactly `len` bytes at `offset`; `None` when the medium ends before.
pub fn read_exact_at(dev: &dyn ReadAt, offset: u64, len: usize) -> io::Result<Option<Vec<u8>>> {
    let mut buf = vec![0; len];
    Ok((read_full(dev, &mut buf, offset)? == len).then_some(buf))
}

/// Why bytes are not what they were taken for.
#[derive(Debug)]
pub enum FormatError {
    /// Something else was found.
    Unexpected {
        /// What has to be there.
        expected: &'static str,
        /// What is there.
        seen: String,
        /// Where, in bytes from the start.
        offset: u64,
    },
    /// A line of a text does not parse.
    Line {
        /// Counted from 1.
        line: usize,
        /// What has to be there.
        expected: &'static str,
        /// The line.
        seen: String,
    },
    /// Two entries for one name differ, so neither can be believed.
    Conflict {
        /// The name they share.
        name: String,
    },
    /// Unpacking would exceed the limit the caller gave.
    TooLarge {
        /// The packed form, e.g. `xz`.
        what: &'static str,
        /// The limit in bytes.
        limit: u64,
    },
    /// A decoder refused the bytes.
    Decoder {
        /// The packed form, e.g. `xz`.
        what: &'static str,
        /// Bytes that were unpacked before.
        offset: u64,
        /// What the decoder says.
        source: io::Error,
    },
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unexpected { expected, seen, offset } => {
                write!(f, "expected {expected} at byte {offset}, saw {seen}")
            }
            Self::Line { line, expected, seen } => write!(f, "line {line}: expected {expected}, saw \"{seen}\""),
            Self::Conflict { name } => write!(f, "two different checksums for \"{name}\""),
            Self::TooLarge { what, limit } => write!(f, "{what} data unpacks to more than {limit} bytes"),
            Self::Decoder { what, offset, source } => {
                write!(f, "damaged {what} data after {offset} unpacked bytes: {source}")
            }
        }
    }
}

impl std::error::Error for FormatError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Decoder { source, .. } => Some(source),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte for each read, and an interruption before every second one.
    struct Slow(std::cell::Cell<bool>);

    impl ReadAt for Slow {
        fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
            if self.0.replace(!self.0.get()) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let data: &[u8] = b"abcdef";
            data.read_at(&mut buf[..1], offset)
        }
        fn size(&self) -> io::Result<u64> {
            Ok(6)
        }
    }

    #[test]
    fn reads_are_completed() {
        let slow = Slow(false.into());
        assert_eq!(read_exact_at(&slow, 1, 4).unwrap().unwrap(), b"bcde");
        assert_eq!(read_exact_at(&slow, 3, 4).unwrap(), None);
        let mut buf = [0; 9];
        assert_eq!(read_full(&slow, &mut buf, 2).unwrap(), 4);
        assert_eq!(&buf[..4], b"cdef");
        assert_eq!(read_full(&slow, &mut buf, u64::MAX).unwrap(), 0);
    }

    #[test]
    fn errors_say_what_was_wanted_and_seen() {
        let error = FormatError::Unexpected { expected: "magic b007f457", seen: "00".into(), offset: 4 };
        assert_eq!(error.to_string(), "expected magic b007f457 at byte 4, saw 00");
    }
}
