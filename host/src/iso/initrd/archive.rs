//! The archives of an initrd, member by member.
//!
//! Archives follow one another with zeros between, each packed in its own way or not at all; the kernel unpacks them in
//! that order (linux: init/initramfs.c, Documentation/driver-api/early-userspace/buffer-format.rst). Those that are not
//! packed are stepped over from header to header, so 50 MB of microcode and modules cost nothing.

use super::super::bytes::Extents;
use super::super::walk::Kind;
use super::Effort;
use super::unpack::{Method, Position, Section};
use isolde::formats::read_full;
use std::collections::VecDeque;
use std::io::{self, Read};

/// Members that are looked at in all.
const MEMBERS: usize = 50_000;
/// A file of at most so many bytes is kept, as is a link: what is read of an initrd is configuration.
const SMALL: u64 = 16 << 10;
/// Bytes of all of them, and of all names. An initrd with every driver has some ten megabytes.
const KEPT: u64 = 128 << 20;
/// Bytes of a member's name.
const NAME: u64 = 4096;
/// Zero bytes that may lie between two archives.
const PADDING: u64 = 1 << 20;
/// Bytes of a header in the newc format (cpio(5)): a magic and 13 numbers of eight digits.
const HEADER: usize = 110;
/// The name behind the last member.
const TRAILER: &str = "TRAILER!!!";

/// A member of an archive.
#[derive(Clone, Debug)]
pub(super) struct Member {
    mode: u32,
    small: Option<Vec<u8>>,
}

impl Member {
    pub(super) fn kind(&self) -> Kind {
        match self.mode & 0o170_000 {
            0o100_000 => Kind::File { executable: self.mode & 0o111 != 0 },
            0o040_000 => Kind::Directory,
            0o120_000 => Kind::Link,
            0o060_000 => Kind::BlockDevice,
            _ => Kind::Other,
        }
    }

    /// The contents, where they are small.
    pub(super) fn bytes(&self) -> Option<Vec<u8>> {
        self.small.clone()
    }

    /// What a link says.
    pub(super) fn text(&self) -> Option<String> {
        self.small.as_ref().and_then(|bytes| String::from_utf8(bytes.clone()).ok())
    }
}

/// The archive that is being read.
enum Open<'a> {
    /// Not packed: a place in the file.
    Plain { at: u64 },
    /// Packed: a stream, where the packed bytes have got to, and how much may still be unpacked.
    Packed { stream: Box<dyn Read + 'a>, position: Position, left: u64 },
}

/// All archives of all files.
#[derive(Default)]
pub(super) struct Archives<'a> {
    files: VecDeque<Extents<'a>>,
    effort: Effort,
    /// Where the next archive of the first file begins.
    at: u64,
    open: Option<Open<'a>>,
    last: String,
    ordered: bool,
    members: usize,
    /// Bytes of names and files that are kept.
    kept: u64,
    stopped: Option<String>,
}

impl std::fmt::Debug for Archives<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Archives").field("at", &self.at).field("stopped", &self.stopped).finish_non_exhaustive()
    }
}

impl<'a> Archives<'a> {
    pub(super) fn new(files: Vec<Extents<'a>>, effort: Effort) -> Archives<'a> {
        Archives { files: files.into(), effort, ..Archives::default() }
    }

    /// Why no more members are read, when that is not the end.
    pub(super) fn stopped(&self) -> Option<&str> {
        self.stopped.as_deref()
    }

    /// Whether the names of the last archive come in order, and are past this one. Archives that are not packed do not
    /// count: they bring microcode and modules, and the system follows.
    pub(super) fn is_past(&self, path: &str) -> bool {
        self.ordered && self.last.as_str() > path && matches!(self.open, Some(Open::Packed { .. }))
    }

    /// The next member.
    pub(super) fn next(&mut self) -> Option<(String, Member)> {
        while self.stopped.is_none() {
            match self.step() {
                Ok(Some(found)) => return Some(found),
                Ok(None) if self.files.is_empty() => return None,
                Ok(None) => {}
                Err(error) => self.stopped = Some(error.to_string()),
            }
        }
        None
    }

    /// One member, or one step towards the next archive.
    fn step(&mut self) -> io::Result<Option<(String, Member)>> {
        let Some(file) = self.files.front() else { return Ok(None) };
        let Some(open) = &mut self.open else {
            match begin(file, self.at, self.effort)? {
                Some((at, open)) => {
                    (self.at, self.open, self.ordered) = (at, Some(open), true);
                    self.last.clear();
                }
                None => {
                    self.files.pop_front();
                    self.at = 0;
                }
            }
            return Ok(None);
        };
        self.members += 1;
        if self.members > MEMBERS {
            return Err(io::Error::other(format!("it has more than {MEMBERS} members")));
        }
        match member(file, open)? {
            Some((name, member)) => {
                self.kept += (name.len() + member.small.as_ref().map_or(0, Vec::len)) as u64;
                if self.kept > KEPT {
                    return Err(io::Error::other(format!("it has more than {KEPT} bytes of small files")));
                }
                self.ordered &= name >= self.last;
                self.last.clone_from(&name);
                Ok(Some((name, member)))
            }
            None => {
                self.at = match self.open.take() {
                    Some(Open::Plain { at }) => at,
                    Some(Open::Packed { mut stream, position, mut left }) => {
                        drain(&mut stream, &mut left)?;
                        position.get()
                    }
                    None => self.at,
                };
                Ok(None)
            }
        }
    }
}

/// The archive at or behind this place; `None` at the end of the file.
fn begin<'a>(file: &Extents<'a>, from: u64, effort: Effort) -> io::Result<Option<(u64, Open<'a>)>> {
    let mut at = from;
    let mut block = [0; 4096];
    loop {
        let count = read_full(file, &mut block, at)?;
        let seen = block.get(..count).unwrap_or_default();
        match seen.iter().position(|byte| *byte != 0) {
            Some(zeros) => {
                at += zeros as u64;
                break;
            }
            None if count == 0 => return Ok(None),
            None => at += count as u64,
        }
        if at - from > PADDING {
            return Err(io::Error::other(format!("wanted an archive at byte {from}, seen zeros")));
        }
    }
    let mut magic = [0; 6];
    read_full(file, &mut magic, at)?;
    if magic.starts_with(b"07070") {
        return Ok(Some((at, Open::Plain { at })));
    }
    let Some(method) = Method::of(&magic) else {
        return Err(io::Error::other(format!("wanted an archive at byte {at}, seen {}", magic.escape_ascii())));
    };
    let (stream, position) = method.open(Section::new(file.clone(), at))?;
    Ok(Some((at, Open::Packed { stream, position, left: method.limit(effort) })))
}

/// The next member of an archive; `None` behind its last one.
fn member(file: &Extents, open: &mut Open) -> io::Result<Option<(String, Member)>> {
    let mut header = [0; HEADER];
    fill(file, open, &mut header)?;
    let number = |index: usize| -> io::Result<u64> {
        let digits = header.get(6 + index * 8..14 + index * 8).and_then(|digits| std::str::from_utf8(digits).ok());
        let number = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        number.map(u64::from).ok_or_else(|| io::Error::other("wanted a member's header, seen no numbers"))
    };
    if !header.starts_with(b"070701") && !header.starts_with(b"070702") {
        return Err(io::Error::other(format!(
            "wanted a member's header, seen {}",
            header.get(..6).unwrap_or_default().escape_ascii()
        )));
    }
    let (mode, size, name_len) = (number(1)?, number(6)?, number(11)?);
    if name_len > NAME {
        return Err(io::Error::other(format!("wanted a name of at most {NAME} bytes, seen {name_len}")));
    }
    // Name and data each end on a multiple of four, counted from the header.
    let mut name = vec![0; padded(HEADER as u64 + name_len) as usize - HEADER];
    fill(file, open, &mut name)?;
    let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
    let name = String::from_utf8_lossy(name);
    if name == TRAILER {
        return Ok(None);
    }
    let kept = size <= SMALL;
    let mut small = Vec::new();
    if kept {
        small = vec![0; padded(size) as usize];
        fill(file, open, &mut small)?;
        small.truncate(size as usize);
    } else {
        skip(open, padded(size))?;
    }
    let name = name.trim_start_matches("./").trim_matches('/').to_owned();
    let name = if name == "." { String::new() } else { name };
    Ok(Some((name, Member { mode: mode as u32, small: kept.then_some(small) })))
}

fn padded(size: u64) -> u64 {
    size.next_multiple_of(4)
}

fn fill(file: &Extents, open: &mut Open, buf: &mut [u8]) -> io::Result<()> {
    match open {
        Open::Plain { at } => {
            if read_full(file, buf, *at)? < buf.len() {
                return Err(io::Error::other(format!("its archive ends at byte {at}, in the middle of a member")));
            }
            *at += buf.len() as u64;
            Ok(())
        }
        Open::Packed { stream, left, .. } => {
            pay(left, buf.len() as u64)?;
            stream.read_exact(buf).map_err(|error| io::Error::other(format!("it cannot be unpacked: {error}")))
        }
    }
}

fn skip(open: &mut Open, count: u64) -> io::Result<()> {
    match open {
        Open::Plain { at } => *at += count,
        Open::Packed { stream, left, .. } => {
            pay(left, count)?;
            io::copy(&mut stream.take(count), &mut io::sink())?;
        }
    }
    Ok(())
}

/// Reads a packed archive to its end, so that what follows it is found.
fn drain(stream: &mut dyn Read, left: &mut u64) -> io::Result<()> {
    let mut buf = [0; 4096];
    loop {
        match stream.read(&mut buf)? {
            0 => return Ok(()),
            count => pay(left, count as u64)?,
        }
    }
}

fn pay(left: &mut u64, count: u64) -> io::Result<()> {
    match left.checked_sub(count) {
        Some(rest) => {
            *left = rest;
            Ok(())
        }
        None => Err(io::Error::other("only its first megabytes are read")),
    }
}
