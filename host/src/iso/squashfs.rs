//! squashfs images, opened within bounds.
//!
//! Takes   the bytes of the image, and how large its lists may be.
//! Gives   backhand's [`FilesystemReader`], whose every path is one that a kernel could walk.
//! Fails   when the image is damaged or hostile. backhand reads all lists before it answers anything; a hostile image of
//!         some megabytes could make that gigabytes: by blocks that unpack to more than a block, by lists without an end,
//!         and by folders in folders in folders, whose paths grow with the square of their number.
//!
//! The format: linux, fs/squashfs/squashfs_fs.h, and Documentation/filesystems/squashfs.rst.

use super::damaged;
use backhand::compression::{CompressionAction, Compressor, DefaultCompressor};
use backhand::kind::Kind;
use backhand::v4::inode::InodeInner;
use backhand::{BackhandError, FilesystemCompressor, FilesystemReader, Inode, Squashfs, SuperBlock};
use isolde::formats::{ReadAt, read_exact_at};
use std::collections::HashSet;
use std::io::{self, BufRead, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Inodes of a root. A system with everything installed has some hundred thousand.
pub const MOST: u32 = 1 << 20;
/// Bytes that one inode and its names may take unpacked, on average; 60 to 150 are usual.
const EACH: u64 = 256;
/// Blocks besides: the map of a nested image of 32 GiB has 130.
const BLOCKS: u64 = 300;
/// Bytes of a block of a list, unpacked (`SQUASHFS_METADATA_SIZE`).
const BLOCK: u64 = 8192;
/// Reads that a block costs: its length, its bytes, and now and then the rest of them at the buffer's edge.
const READS: u64 = 3;
/// Bytes that are read at once: lists lie together.
const BUFFER: usize = 64 << 10;
/// Folders in one another. What is deeper has no path that fits into PATH_MAX with names of 16 letters.
const DEEPEST: usize = 256;
/// Bytes of one name (`SQUASHFS_NAME_LEN`).
const NAME: usize = 256;
/// Bytes of all paths together.
const PATHS: u64 = 256 << 20;
/// Bytes of a directory's list that its inode counts and the list does not have: `.` and `..`.
const DOTS: usize = 3;

/// How many inodes the superblock says that there are.
pub fn inodes(image: &dyn ReadAt) -> io::Result<u32> {
    // `inodes` of struct squashfs_super_block.
    let count = read_exact_at(image, 4, 4)?.and_then(|bytes| Some(u32::from_le_bytes(bytes.try_into().ok()?)));
    count.ok_or_else(|| damaged("squashfs: wanted a superblock, seen the end of the image"))
}

/// Reads the lists of an image with at most so many inodes.
pub fn open<'a, T: ReadAt + Send + 'a>(image: T, most: u32) -> io::Result<FilesystemReader<'a>> {
    let count = inodes(&image)?;
    if count > most {
        return Err(damaged(format!("squashfs: wanted at most {most} files, seen {count}")));
    }
    let blocks = u64::from(count) * EACH / BLOCK + BLOCKS;
    let left = Arc::new(AtomicU64::new(blocks * READS));
    let stream = Stream { image, position: 0, buffer: Vec::new(), start: 0, left: left.clone() };
    let kind = Kind::new_v4(&BOUNDED);
    let squashfs = Squashfs::from_reader_with_offset_and_kind(stream, 0, kind).map_err(|error| failed(&error))?;
    check_paths(&squashfs)?;
    // From now on it is files that are read.
    left.store(u64::MAX, Ordering::Relaxed);
    squashfs.into_filesystem_reader().map_err(|error| failed(&error))
}

fn failed(error: &BackhandError) -> io::Error {
    damaged(format!("squashfs: {error}"))
}

/// Unpacks no more than the buffer was made for: what is longer is no block of a list, and none of a file.
struct Bounded;

static BOUNDED: Bounded = Bounded;

impl CompressionAction for Bounded {
    type Error = BackhandError;
    type Compressor = Compressor;
    type FilesystemCompressor = FilesystemCompressor;
    type SuperBlock = SuperBlock;

    fn decompress(&self, bytes: &[u8], out: &mut Vec<u8>, compressor: Compressor) -> Result<(), BackhandError> {
        let most = out.capacity().max(BLOCK as usize);
        DefaultCompressor.decompress(bytes, out, compressor)?;
        if out.len() > most { Err(BackhandError::CorruptedOrInvalidSquashfs) } else { Ok(()) }
    }

    fn compress(&self, _: &[u8], _: FilesystemCompressor, _: u32) -> Result<Vec<u8>, BackhandError> {
        // Nothing is written here.
        Err(BackhandError::UnsupportedCompression("none".to_owned()))
    }
}

/// The image as a stream that ends with an error after so many reads.
struct Stream<T> {
    image: T,
    position: u64,
    buffer: Vec<u8>,
    /// Where the buffer's bytes are in the image.
    start: u64,
    left: Arc<AtomicU64>,
}

impl<T: ReadAt> BufRead for Stream<T> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let within = |stream: &Self| usize::try_from(stream.position.checked_sub(stream.start)?).ok();
        let is_there = within(self).is_some_and(|at| at < self.buffer.len());
        if !is_there {
            self.buffer.resize(BUFFER, 0);
            let count = self.image.read_at(&mut self.buffer, self.position);
            self.buffer.truncate(*count.as_ref().unwrap_or(&0));
            self.start = self.position;
            count?;
        }
        Ok(within(self).and_then(|at| self.buffer.get(at..)).unwrap_or_default())
    }

    fn consume(&mut self, count: usize) {
        self.position = self.position.saturating_add(count as u64);
    }
}

impl<T: ReadAt> Read for Stream<T> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let pay = |left: u64| if left == u64::MAX { Some(left) } else { left.checked_sub(1) };
        if self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, pay).is_err() {
            return Err(damaged("its lists are longer than those of so many files"));
        }
        let count = self.fill_buf()?.read(buf)?;
        self.consume(count);
        Ok(count)
    }
}

impl<T: ReadAt> Seek for Stream<T> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.image.size()?.checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position = position.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.position)
    }
}

/// Walks the directories as backhand will, and refuses what it would not survive.
fn check_paths(squashfs: &Squashfs) -> io::Result<()> {
    let mut folders = vec![(&squashfs.root_inode, 0_usize, 0_u64)];
    let mut seen = HashSet::new();
    let mut paths = 0_u64;
    while let Some((folder, depth, length)) = folders.pop() {
        if !seen.insert(folder.header.inode_number) {
            return Err(damaged("squashfs: a directory that stands in two places"));
        }
        let mut rest = list_of(squashfs, folder)?;
        while let Some((header, behind)) = rest.split_first_chunk::<12>() {
            let [count, _, number] = words(header);
            rest = behind;
            for _ in 0..=count.min(NAME as u32) {
                let Some((head, behind)) = rest.split_first_chunk::<8>() else { break };
                let [offset, type_and_size] = words(head);
                let size = (type_and_size >> 16) as usize + 1;
                let Some(behind) = behind.get(size..) else { break };
                rest = behind;
                // The difference is signed, and the sum a number that is there.
                let difference = i32::from((offset >> 16) as u16 as i16);
                let inode = (number as i32).checked_add(difference).and_then(|sum| u32::try_from(sum).ok());
                let inode = inode.and_then(|inode| squashfs.inodes.get(&inode));
                let inode = inode.ok_or_else(|| damaged("squashfs: a name without an inode"))?;
                let length = length + 1 + size as u64;
                paths = paths.saturating_add(length);
                if size > NAME || paths > PATHS {
                    return Err(damaged("squashfs: longer paths than any system has"));
                }
                if matches!(inode.inner, InodeInner::BasicDirectory(_) | InodeInner::ExtendedDirectory(_)) {
                    if depth + 1 > DEEPEST {
                        return Err(damaged("squashfs: more folders in one another than any system has"));
                    }
                    folders.push((inode, depth + 1, length));
                }
            }
        }
    }
    Ok(())
}

/// The list of a directory.
fn list_of<'a>(squashfs: &'a Squashfs, folder: &Inode) -> io::Result<&'a [u8]> {
    let (block, size, offset) = match &folder.inner {
        InodeInner::BasicDirectory(it) => (it.block_index, u32::from(it.file_size), it.block_offset),
        InodeInner::ExtendedDirectory(it) => (it.block_index, it.file_size, it.block_offset),
        _ => return Err(damaged("squashfs: wanted a directory's inode, seen another one")),
    };
    if size as usize <= DOTS {
        return Ok(&[]);
    }
    let (places, bytes) = &squashfs.dir_blocks;
    let start = places.get(&u64::from(block)).and_then(|at| usize::try_from(*at).ok());
    let from = start.and_then(|start| start.checked_add(offset.into()));
    let list = from.and_then(|from| bytes.get(from..from.checked_add(size as usize - DOTS)?));
    list.ok_or_else(|| damaged("squashfs: a directory beyond the list of directories"))
}

/// Numbers of 32 bits, little endian.
fn words<const BYTES: usize, const COUNT: usize>(bytes: &[u8; BYTES]) -> [u32; COUNT] {
    let mut all = [0; COUNT];
    let (chunks, _) = bytes.as_chunks::<4>();
    all.iter_mut().zip(chunks).for_each(|(word, chunk)| *word = u32::from_le_bytes(*chunk));
    all
}
