//! The hash tree of an image, beside it.

use crate::trust::measure::Made;
use crate::trust::replace::replace;
use anyhow::{Context, Result};
use isolde::formats::manifest::Verity;
use isolde::formats::superblock::{Format, probe};
use isolde::formats::verity::{Algorithm, SuperBlock};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Bytes of a new salt, as veritysetup makes it.
const SALT: usize = 32;
/// Bytes of a UUID.
const UUID: usize = 16;
/// Bytes of a hash block.
const HASH_BLOCK: u32 = 4096;

/// The super block of an image's tree; none for a file that is no image, or has no whole number of blocks.
///
/// With the salt of the tree before: that of an unchanged image is then the same, and is at no time one that the manifest
/// does not know.
pub fn head(file: &File, size: u64, salt: Option<Vec<u8>>) -> Result<Option<SuperBlock>> {
    let Some(superblock) = probe(file)?.filter(|_| size > 0) else { return Ok(None) };
    let largest = largest_block(file, superblock.format)?;
    let fits = |&block: &u32| block <= largest && size.is_multiple_of(u64::from(block));
    let Some(data_block) = [4096, 2048, 1024, 512].into_iter().find(fits) else { return Ok(None) };
    let mut random = [0; SALT + UUID];
    File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut random)).context("/dev/urandom")?;
    let (new, uuid) = random.split_at(SALT);
    let salt = salt.unwrap_or_else(|| new.to_vec());
    let (uuid, data_blocks) = (uuid.try_into()?, size / u64::from(data_block));
    let algorithm = Algorithm::Sha256;
    Ok(Some(SuperBlock { uuid, algorithm, data_block, hash_block: HASH_BLOCK, data_blocks, salt }))
}

/// The largest blocks of a device on which the kernel mounts that file system. A device of dm-verity has those of its tree
/// (kernel: drivers/md/dm-verity-target.c, `verity_io_hints`).
fn largest_block(file: &File, format: Format) -> Result<u32> {
    let shift = |at: u64| -> Result<u32> {
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).context("the file system's own block size")?;
        Ok(byte[0].into())
    };
    let size = |shift: u32| 1_u32.checked_shl(shift).unwrap_or_default();
    Ok(match format {
        // Of a disc's sectors (fs/isofs/inode.c).
        Format::Iso9660 => 2048,
        // Of its own: s_log_block_size counts from 1024 (fs/ext4/ext4.h), blkszbits from 1 (fs/erofs/erofs_fs.h).
        Format::Ext2 | Format::Ext3 | Format::Ext4 => size(shift(1024 + 24)?.saturating_add(10)),
        Format::Erofs => size(shift(1024 + 12)?),
        // It reads bytes through whatever blocks there are (fs/squashfs/super.c).
        Format::Squashfs => 4096,
        _ => 512,
    })
}

/// Writes the tree that was made, and gives what it is trusted by.
pub fn write(image: &Path, head: Option<SuperBlock>, made: Option<Made>) -> Result<Option<Verity>> {
    let (Some(head), Some(made)) = (head, made) else { return Ok(None) };
    replace(&place(image), made.parts())?;
    Ok(Some(Verity { root: made.root, salt: head.salt, block: head.data_block }))
}

/// `IMAGE.verity`.
pub fn place(image: &Path) -> PathBuf {
    let mut path = image.as_os_str().to_owned();
    path.push(".verity");
    path.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An image of that many bytes with these bytes at these places.
    fn block_of(size: u64, marks: &[(&[u8], u64)]) -> Option<u32> {
        let file = tempfile::tempfile().unwrap();
        file.set_len(size).unwrap();
        for (bytes, at) in marks {
            file.write_all_at(bytes, *at).unwrap();
        }
        head(&file, size, None).unwrap().map(|head| head.data_block)
    }

    #[test]
    fn blocks_are_as_large_as_size_and_file_system_allow() {
        let squashfs: [(&[u8], u64); 2] = [(b"hsqs", 0), (&[4], 28)];
        let iso: [(&[u8], u64); 2] = [(&[1], 32 << 10), (b"CD001", (32 << 10) + 1)];
        let erofs: [(&[u8], u64); 2] = [(&[0xe2, 0xe1, 0xf5, 0xe0], 1024), (&[9], 1024 + 12)];
        assert_eq!(block_of(64 << 10, &squashfs), Some(4096));
        assert_eq!(block_of((64 << 10) + 1024, &squashfs), Some(1024));
        assert_eq!(block_of((64 << 10) + 1, &squashfs), None);
        assert_eq!(block_of(64 << 10, &iso), Some(2048));
        assert_eq!(block_of((64 << 10) + 512, &iso), Some(512));
        assert_eq!(block_of(64 << 10, &erofs), Some(512));
        assert_eq!(block_of(64 << 10, &[]), None, "no image");
    }
}
