//! Packed archives of an initrd as streams.
//!
//! Every decoder takes no byte more than its own stream has, so that [`Position`] is where the next archive begins.

use super::super::bytes::Extents;
use super::Effort;
use isolde::formats::ReadAt;
use liblzma::bufread::XzDecoder;
use liblzma::stream::Stream;
use std::cell::Cell;
use std::io::{self, BufRead, Read};
use std::rc::Rc;

/// Bytes that a zstd decoder may look back, as a power of two: what the kernel's own takes at most for an initrd.
const WINDOW: u32 = 27;
/// Bytes that an xz or lzma decoder may take: `xz -9` wants 65 MiB.
const MEMORY: u64 = 96 << 20;
/// Bytes that are read at once.
const STEP: usize = 64 << 10;
/// Bytes that are unpacked at most, by the speed of the decoder: 10 to 20 ms each.
const FAST: u64 = 4 << 20;
const SLOW: u64 = 1 << 20;
/// The same where time does not count: three times what the largest initrds of live media hold.
const ALL: u64 = 1 << 30;

/// How an archive is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Gzip,
    Zstd,
    Xz,
    Lzma,
    Lz4,
    /// Known to the kernel, and not unpacked here.
    Other(&'static str),
}

impl Method {
    /// By the first bytes (linux: lib/decompress.c).
    pub(super) fn of(magic: &[u8]) -> Option<Method> {
        Some(match magic {
            [0x1f, 0x8b | 0x9e, ..] => Method::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Method::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Method::Xz,
            [0x5d, 0, ..] => Method::Lzma,
            [0x02, 0x21, 0x4c, 0x18, ..] => Method::Lz4,
            [b'B', b'Z', b'h', ..] => Method::Other("bzip2"),
            [0x89, b'L', b'Z', b'O', ..] => Method::Other("lzo"),
            _ => return None,
        })
    }

    /// How much of it is unpacked.
    pub(super) fn limit(self, effort: Effort) -> u64 {
        match (effort, self) {
            (Effort::All, _) => ALL,
            (Effort::Start, Method::Xz | Method::Lzma) => SLOW,
            (Effort::Start, _) => FAST,
        }
    }

    /// The unpacked bytes, and how far the packed ones were read.
    pub(super) fn open<'a>(self, section: Section<'a>) -> io::Result<(Box<dyn Read + 'a>, Position)> {
        let position = section.position.clone();
        let stream: Box<dyn Read + 'a> = match self {
            Method::Gzip => Box::new(flate2::bufread::GzDecoder::new(section)),
            Method::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(section)?.single_frame();
                decoder.window_log_max(WINDOW)?;
                Box::new(decoder)
            }
            Method::Xz => Box::new(XzDecoder::new_stream(section, Stream::new_stream_decoder(MEMORY, 0)?)),
            Method::Lzma => Box::new(XzDecoder::new_stream(section, Stream::new_lzma_decoder(MEMORY)?)),
            Method::Lz4 => Box::new(lz4_flex::frame::FrameDecoder::new(section)),
            Method::Other(name) => return Err(io::Error::other(format!("it is packed with {name}"))),
        };
        Ok((stream, position))
    }
}

/// How far a section was read.
#[derive(Clone, Debug)]
pub(super) struct Position(Rc<Cell<u64>>);

impl Position {
    pub(super) fn get(&self) -> u64 {
        self.0.get()
    }
}

/// A file from some place on.
#[derive(Debug)]
pub(super) struct Section<'a> {
    file: Extents<'a>,
    position: Position,
    buf: Vec<u8>,
    used: usize,
}

impl<'a> Section<'a> {
    pub(super) fn new(file: Extents<'a>, at: u64) -> Section<'a> {
        Section { file, position: Position(Rc::new(Cell::new(at))), buf: Vec::new(), used: 0 }
    }
}

impl BufRead for Section<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.used >= self.buf.len() {
            self.buf.resize(STEP, 0);
            let count = self.file.read_at(&mut self.buf, self.position.get())?;
            self.buf.truncate(count);
            self.used = 0;
        }
        Ok(self.buf.get(self.used..).unwrap_or_default())
    }

    fn consume(&mut self, count: usize) {
        self.used += count;
        self.position.0.set(self.position.get() + count as u64);
    }
}

impl Read for Section<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buf)?;
        self.consume(count);
        Ok(count)
    }
}
