//! File systems in image files, filled without mounting them.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result};

use super::{Content, FileSystem, MIB, StoredFile, makers};
use crate::tool::{command, run, text};

/// A file system to be made.
#[derive(Debug)]
pub(crate) struct Parameters<'a> {
    pub file_system: FileSystem,
    pub label: &'a str,
    pub uuid: Option<&'a str>,
    /// Bytes. A packed file system takes what it needs instead.
    pub size: u64,
    /// The folder with its files.
    pub staging: &'a Path,
    /// The image to write.
    pub to: &'a Path,
}

/// Puts the files into a folder as they shall be in the store, and gives the sum of their sizes in bytes.
pub(crate) fn stage(files: &[StoredFile], staging: &Path) -> Result<u64> {
    fs::create_dir_all(staging).with_context(|| format!("create {}", staging.display()))?;
    let mut bytes = 0;
    for file in files {
        let to = staging.join(file.path.trim_start_matches('/'));
        let parent = to.parent().with_context(|| format!("folder of {}", file.path))?;
        fs::create_dir_all(parent).with_context(|| format!("create {}", parent.display()))?;
        match &file.content {
            Content::Folder => fs::create_dir_all(&to).with_context(|| format!("create {}", to.display()))?,
            Content::Bytes(content) => {
                fs::write(&to, content).with_context(|| format!("write {}", to.display()))?;
                bytes += u64::try_from(content.len())?;
            }
            Content::Copy(from) => {
                // A copy, not a link: the permissions are set below, and a link would change the source's. Where the
                // file system can, the copy shares its blocks with the source; holes stay holes.
                run("copy", command("cp").args(["--reflink=auto", "--sparse=auto"]).arg(from).arg(&to))?;
                bytes += to.metadata().with_context(|| format!("size of {}", to.display()))?.len();
            }
        }
        fs::set_permissions(&to, fs::Permissions::from_mode(file.mode))
            .with_context(|| format!("chmod {}", to.display()))?;
    }
    Ok(bytes)
}

/// Bytes for a file system that shall hold so many bytes and leave so many free. Pure.
pub(crate) fn size_for(file_system: FileSystem, bytes: u64, free: u64) -> u64 {
    let (part, fixed, least) = match file_system {
        // Inode tables take 1/64, the journal up to 64 MiB at this size, root's reserve 5 %.
        FileSystem::Ext2 | FileSystem::Ext3 | FileSystem::Ext4 => (bytes / 10, 32 * MIB, 48 * MIB),
        // mkfs.vfat refuses FAT32 with fewer than 65525 clusters.
        FileSystem::Vfat => (bytes / 100, 8 * MIB, 48 * MIB),
        FileSystem::Exfat => (bytes / 100, 8 * MIB, 16 * MIB),
        // mkfs.btrfs makes a second copy of the metadata, and cannot be smaller than this.
        FileSystem::Btrfs => (bytes / 4, 128 * MIB, 256 * MIB),
        FileSystem::Ntfs => (bytes / 50, 16 * MIB, 32 * MIB),
        // mkfs.xfs refuses less than 300 MiB.
        FileSystem::Xfs => (bytes / 20, 80 * MIB, 320 * MIB),
        // Segments kept free for cleaning.
        FileSystem::F2fs => (bytes / 10, 96 * MIB, 128 * MIB),
        FileSystem::Iso9660 | FileSystem::Udf | FileSystem::Squashfs | FileSystem::Erofs => (0, 0, 0),
    };
    (bytes + part + fixed + free).max(least).next_multiple_of(MIB)
}

/// Makes and fills a file system.
pub(crate) fn make(parameters: &Parameters<'_>) -> Result<()> {
    let Parameters { file_system, size, to, .. } = *parameters;
    if !file_system.is_packed() {
        let file = File::create(to).with_context(|| format!("create {}", to.display()))?;
        file.set_len(size).context("size of the file system")?;
    }
    makers::make(parameters).with_context(|| format!("{file_system:?} in {}", to.display()))
}

/// An EFI system partition, small enough that FAT16 or FAT12 must do.
pub(crate) fn make_efi_system(staging: &Path, to: &Path, size: u64) -> Result<()> {
    let file = File::create(to).with_context(|| format!("create {}", to.display()))?;
    file.set_len(size).context("size of the EFI system partition")?;
    run("EFI system partition", command("mkfs.vfat").args(["-n", "EFI", "-i", "1501DE0E"]).arg(to))?;
    fill_vfat(staging, to)
}

/// Copies a folder's content into a FAT image.
pub(super) fn fill_vfat(staging: &Path, image: &Path) -> Result<()> {
    let mut sources = Vec::new();
    for entry in fs::read_dir(staging).with_context(|| format!("list {}", staging.display()))? {
        sources.push(entry.context("list the staged files")?.path());
    }
    if sources.is_empty() {
        return Ok(());
    }
    let mut mcopy = command("mcopy");
    mcopy.args(["-i", text(image)?, "-s", "-o", "-Q"]).args(sources).arg("::/");
    // mtools refuses geometries that old systems could not have; nothing here depends on cylinders.
    mcopy.env("MTOOLS_SKIP_CHECK", "1");
    // The locale says how the names of the source are encoded.
    run("FAT files", mcopy.env("LC_ALL", "C.UTF-8"))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_the_files_and_what_shall_be_free() {
        for file_system in [FileSystem::Ext4, FileSystem::Vfat, FileSystem::Exfat, FileSystem::Btrfs, FileSystem::Xfs] {
            let size = size_for(file_system, 300 * MIB, 64 * MIB);
            assert!((364 * MIB..600 * MIB).contains(&size) && size.is_multiple_of(MIB), "{file_system:?}: {size}");
        }
    }
}
