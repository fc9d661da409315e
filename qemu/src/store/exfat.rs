//! Fills a new exFAT image with files; Debian's exfatprogs can make one but copy nothing into it.
//!
//! Takes   an image as mkfs.exfat leaves it, and a folder.
//! Gives   the files in it, each in one run of clusters, so that no chain has to be written (exFAT specification, 6.3.4.2
//!         "NoFatChain").
//! Fails   when the files do not fit, the root's entries need more than a cluster, or a name has letters beyond ASCII that
//!         have an upper case: the table of those in the image is not read.

use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

/// Bytes in an entry of a directory.
const ENTRY: usize = 32;
/// Characters of a name in one entry.
const NAME_PART: usize = 15;
/// 2024-01-01 00:00:00 in the form of the specification, 7.4.8.
const TIME: u32 = (2024 - 1980) << 25 | 1 << 21 | 1 << 16;
/// The time zone of [`TIME`] is known, and is UTC.
const UTC: u8 = 0x80;
/// Types of entries.
const BITMAP: u8 = 0x81;
const FILE: u8 = 0x85;
const STREAM: u8 = 0xc0;
const NAME: u8 = 0xc1;
/// Attributes.
const DIRECTORY: u16 = 0x10;
const ARCHIVE: u16 = 0x20;

/// Copies a folder's content into the image.
pub(super) fn fill(image: &Path, folder: &Path) -> Result<()> {
    let file =
        OpenOptions::new().read(true).write(true).open(image).with_context(|| format!("open {}", image.display()))?;
    let mut volume = Volume::open(file)?;
    let entries = volume.store_entries(folder)?;
    volume.append_to_root(&entries)
}

/// Where things are in the image.
struct Volume {
    file: File,
    /// Bytes in a cluster.
    cluster: u64,
    /// Byte offset of cluster 2, the first.
    heap: u64,
    clusters: u32,
    root: u32,
    /// First cluster of the bitmap of used clusters.
    bitmap: u32,
    /// The first cluster that is still free; a new file system is filled from its start.
    free: u32,
}

impl Volume {
    fn open(file: File) -> Result<Self> {
        let mut sector = [0; 512];
        file.read_exact_at(&mut sector, 0).context("exFAT boot sector")?;
        ensure!(sector.get(3..8) == Some(b"EXFAT".as_slice()), "not an exFAT file system");
        let [sector_shift, cluster_shift] = [byte(&sector, 108)?, byte(&sector, 109)?];
        let cluster = 1 << (sector_shift + cluster_shift);
        let heap = u64::from(number(&sector, 88)?) << sector_shift;
        let (clusters, root) = (number(&sector, 92)?, number(&sector, 96)?);
        let mut volume = Self { file, cluster, heap, clusters, root, bitmap: 0, free: root + 1 };
        let directory = volume.read_cluster(root)?;
        let bitmap = directory.chunks_exact(ENTRY).find(|entry| entry.first() == Some(&BITMAP)).context("no bitmap")?;
        volume.bitmap = number(bitmap, 20)?;
        Ok(volume)
    }

    /// Stores what is in a folder, and gives the entries that name it.
    fn store_entries(&mut self, folder: &Path) -> Result<Vec<u8>> {
        let mut paths = Vec::new();
        for entry in fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))? {
            paths.push(entry.context("list the staged files")?.path());
        }
        paths.sort();
        let mut entries = Vec::new();
        for path in paths {
            let name = path.file_name().and_then(|name| name.to_str()).context("a name that is not UTF-8")?;
            let (first, length, attributes) = if path.is_dir() {
                let mut content = self.store_entries(&path)?;
                // A directory is never empty of clusters, and ends with a zeroed entry or its last cluster.
                let whole = content.len().max(1).next_multiple_of(usize::try_from(self.cluster)?);
                content.resize(whole, 0);
                let length = u64::try_from(whole)?;
                (self.store_bytes(&mut content.as_slice(), length)?, length, DIRECTORY)
            } else {
                let mut source = File::open(&path).with_context(|| format!("open {}", path.display()))?;
                let length = source.metadata().context("size of a staged file")?.len();
                (self.store_bytes(&mut source, length)?, length, ARCHIVE)
            };
            entries.extend(entry_set(name, first, length, attributes)?);
        }
        Ok(entries)
    }

    /// Writes a file's bytes into free clusters, and gives the first of them: 0 for an empty file.
    fn store_bytes(&mut self, source: &mut dyn Read, length: u64) -> Result<u32> {
        let (first, count) = (self.free, u32::try_from(length.div_ceil(self.cluster))?);
        if count == 0 {
            return Ok(0);
        }
        // Clusters are numbered from 2.
        ensure!(u64::from(first) + u64::from(count) <= u64::from(self.clusters) + 2, "the files do not fit");
        self.write_blocks(source, self.offset(first), length)?;
        self.mark_used(first, count)?;
        self.free = first + count;
        Ok(first)
    }

    /// Blocks of zeros are left out: the image is new, and a hole reads as zeros.
    fn write_blocks(&self, source: &mut dyn Read, mut place: u64, mut left: u64) -> Result<()> {
        let zeros = vec![0; 1 << 20];
        let mut block = zeros.clone();
        while left > 0 {
            let read = source.read(&mut block).context("read a staged file")?;
            let Some(bytes) = block.get(..read).filter(|bytes| !bytes.is_empty()) else {
                bail!("a staged file shrank")
            };
            if !zeros.starts_with(bytes) {
                self.file.write_all_at(bytes, place).context("write the exFAT image")?;
            }
            place += u64::try_from(read)?;
            left = left.saturating_sub(u64::try_from(read)?);
        }
        Ok(())
    }

    /// Sets the bits of clusters in the bitmap; bit 0 of byte 0 is cluster 2.
    fn mark_used(&self, first: u32, count: u32) -> Result<()> {
        let (from, to) = (u64::from(first - 2), u64::from(first - 2 + count));
        let start = self.offset(self.bitmap) + from / 8;
        let mut bytes = vec![0; usize::try_from(to.div_ceil(8) - from / 8)?];
        self.file.read_exact_at(&mut bytes, start).context("read the bitmap")?;
        for bit in from..to {
            let at = usize::try_from(bit / 8 - from / 8)?;
            *bytes.get_mut(at).context("bitmap")? |= 1 << (bit % 8);
        }
        self.file.write_all_at(&bytes, start).context("write the bitmap")
    }

    fn append_to_root(&mut self, entries: &[u8]) -> Result<()> {
        let directory = self.read_cluster(self.root)?;
        let used = directory.chunks_exact(ENTRY).take_while(|entry| entry.first() != Some(&0)).count() * ENTRY;
        ensure!(used + entries.len() <= directory.len(), "too many names in the root of an exFAT store");
        self.file
            .write_all_at(entries, self.offset(self.root) + u64::try_from(used)?)
            .context("write the root directory")
    }

    fn read_cluster(&self, cluster: u32) -> Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(self.cluster)?];
        self.file.read_exact_at(&mut bytes, self.offset(cluster)).context("read a directory")?;
        Ok(bytes)
    }

    fn offset(&self, cluster: u32) -> u64 {
        self.heap + u64::from(cluster.saturating_sub(2)) * self.cluster
    }
}

/// The entries for one name: the file, its stream of clusters, its name in pieces. Pure.
fn entry_set(name: &str, first: u32, length: u64, attributes: u16) -> Result<Vec<u8>> {
    let plain = |letter: char| letter.is_ascii() || letter.to_uppercase().eq([letter]);
    ensure!(name.chars().all(plain), "{name}: only ASCII and letters without an upper case here");
    let letters: Vec<u16> = name.encode_utf16().collect();
    ensure!(letters.len() <= 255, "{name}: too long");
    let parts = letters.chunks(NAME_PART);
    let secondary = u8::try_from(1 + parts.len())?;
    let mut set = vec![FILE, secondary, 0, 0];
    set.extend(attributes.to_le_bytes());
    set.extend([0, 0]);
    for _ in ["created", "modified", "accessed"] {
        set.extend(TIME.to_le_bytes());
    }
    set.extend([0, 0, UTC, UTC, UTC]);
    set.resize(ENTRY, 0);
    // Bit 0: clusters may be allocated. Bit 1: they are one run, without a chain in the FAT.
    let flags = if first == 0 { 1 } else { 3 };
    set.extend([STREAM, flags, 0, u8::try_from(letters.len())?]);
    set.extend(name_hash(&letters).to_le_bytes());
    set.extend([0, 0]);
    set.extend(length.to_le_bytes());
    set.extend([0; 4]);
    set.extend(first.to_le_bytes());
    set.extend(length.to_le_bytes());
    for part in parts {
        let start = set.len();
        set.extend([NAME, 0]);
        set.extend(part.iter().flat_map(|letter| letter.to_le_bytes()));
        set.resize(start + ENTRY, 0);
    }
    let sum = sum(set.iter().enumerate().filter(|(place, _)| !(2..4).contains(place)).map(|(_, byte)| *byte));
    if let Some(field) = set.get_mut(2..4) {
        field.copy_from_slice(&sum.to_le_bytes());
    }
    Ok(set)
}

fn name_hash(letters: &[u16]) -> u16 {
    let upper = |letter: &u16| if (0x61..=0x7a).contains(letter) { letter - 0x20 } else { *letter };
    sum(letters.iter().flat_map(|letter| upper(letter).to_le_bytes()))
}

/// The specification's rotating sum, 6.3.3 and 7.6.4.
fn sum(bytes: impl Iterator<Item = u8>) -> u16 {
    bytes.fold(0, |sum: u16, byte| sum.rotate_right(1).wrapping_add(u16::from(byte)))
}

fn byte(bytes: &[u8], at: usize) -> Result<u8> {
    bytes.get(at).copied().context("short sector")
}

fn number(bytes: &[u8], at: usize) -> Result<u32> {
    let field = bytes.get(at..at + 4).and_then(|field| field.try_into().ok()).context("short sector")?;
    Ok(u32::from_le_bytes(field))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{FileSystem, Layout, Store};
    use crate::tool::{command, run};

    #[test]
    fn fsck_finds_a_filled_image_clean_and_counts_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("disk");
        Store::new(FileSystem::Exfat, "S")
            .layout(Layout::WholeDisk)
            .bytes("/boot/iso/a name longer than one entry.iso", &vec![5; 9_000_001])
            .bytes("/boot/empty", b"")
            .bytes("/boot/日本 {a}.iso", b"x")
            .bytes("/B3SUMS", b"x")
            .folder("/home")
            .build(&image)
            .unwrap();
        let text = run("fsck", command("fsck.exfat").arg("-n").arg(&image)).unwrap();
        // Directories: root, boot, boot/iso, home.
        assert!(text.contains("clean. directories 4, files 4"), "{text}");
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("disk");
        File::create(&image).unwrap().set_len(8 << 20).unwrap();
        run("mkfs", command("mkfs.exfat").arg(&image)).unwrap();
        let files = folder.path().join("files");
        fs::create_dir(&files).unwrap();
        fs::write(files.join("big"), vec![1; 9 << 20]).unwrap();
        assert_eq!(fill(&image, &files).unwrap_err().to_string(), "the files do not fit");
    }
}
