//! File systems in image files, filled without mounting them.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::{Content, FileSystem, MIB, StoredFile, exfat};
use crate::tool::{command, run, text};

/// A file system to be made.
#[derive(Debug)]
pub(crate) struct Parameters<'a> {
    pub file_system: FileSystem,
    pub label: &'a str,
    pub uuid: Option<&'a str>,
    /// Bytes. ISO 9660 takes what it needs instead.
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
                // file system can, the copy shares its blocks with the source.
                bytes += fs::copy(from, &to).with_context(|| format!("copy {} to {}", from.display(), to.display()))?;
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
        FileSystem::Ext4 => (bytes / 10, 32 * MIB, 48 * MIB),
        // mkfs.vfat refuses FAT32 with fewer than 65525 clusters.
        FileSystem::Vfat => (bytes / 100, 8 * MIB, 48 * MIB),
        FileSystem::Exfat => (bytes / 100, 8 * MIB, 16 * MIB),
        // mkfs.btrfs makes a second copy of the metadata, and cannot be smaller than this.
        FileSystem::Btrfs => (bytes / 4, 128 * MIB, 256 * MIB),
        FileSystem::Iso9660 => (0, 0, 0),
    };
    (bytes + part + fixed + free).max(least).next_multiple_of(MIB)
}

/// Makes and fills a file system.
pub(crate) fn make(parameters: &Parameters<'_>) -> Result<()> {
    let Parameters { file_system, label, uuid, size, staging, to } = *parameters;
    if file_system != FileSystem::Iso9660 {
        let file = File::create(to).with_context(|| format!("create {}", to.display()))?;
        file.set_len(size).context("size of the file system")?;
    }
    match file_system {
        FileSystem::Ext4 => {
            let id = uuid.unwrap_or("random");
            // Blocks of 4 KiB: mke2fs would take 1 KiB for a small file system, and four times as long to fill it.
            // fakeroot: the files belong to root although an ordinary user has staged them.
            let mut mke2fs = command("fakeroot");
            mke2fs.args(["--", "sh", "-c", "chown -R 0:0 \"$1\"; shift; exec mke2fs \"$@\"", "sh", text(staging)?]);
            mke2fs.args([
                "-q",
                "-F",
                "-t",
                "ext4",
                "-b",
                "4096",
                "-L",
                label,
                "-U",
                id,
                "-d",
                text(staging)?,
                text(to)?,
            ]);
            run("ext4", &mut mke2fs)?;
        }
        FileSystem::Vfat => {
            let mut mkfs = command("mkfs.vfat");
            mkfs.args(["-F", "32", "-n", label]);
            if let Some(id) = uuid {
                mkfs.args(["-i", &id.replace('-', "")]);
            }
            run("FAT", mkfs.arg(to))?;
            fill_vfat(staging, to)?;
        }
        FileSystem::Exfat => {
            run("exFAT", command("mkfs.exfat").args(["-L", label]).arg(to))?;
            if let Some(id) = uuid {
                run("exFAT serial", command("tune.exfat").args(["-I", &format!("0x{}", id.replace('-', ""))]).arg(to))?;
            }
            exfat::fill(to, staging)?;
        }
        FileSystem::Btrfs => {
            let mut mkfs = command("mkfs.btrfs");
            mkfs.args(["-q", "-f", "-L", label, "--rootdir", text(staging)?]);
            if let Some(id) = uuid {
                mkfs.args(["-U", id]);
            }
            run("btrfs", mkfs.arg(to))?;
        }
        FileSystem::Iso9660 => {
            if uuid.is_some() {
                bail!("ISO 9660 has no UUID of its own");
            }
            let mut xorriso = command("xorriso");
            xorriso.args([
                "-as",
                "mkisofs",
                "-quiet",
                "-iso-level",
                "3",
                "-R",
                "-V",
                label,
                "-o",
                text(to)?,
                text(staging)?,
            ]);
            run("ISO 9660", &mut xorriso)?;
        }
    }
    Ok(())
}

/// An EFI system partition, small enough that FAT16 or FAT12 must do.
pub(crate) fn make_efi_system(staging: &Path, to: &Path, size: u64) -> Result<()> {
    let file = File::create(to).with_context(|| format!("create {}", to.display()))?;
    file.set_len(size).context("size of the EFI system partition")?;
    run("EFI system partition", command("mkfs.vfat").args(["-n", "EFI", "-i", "1501DE0E"]).arg(to))?;
    fill_vfat(staging, to)
}

/// Copies a folder's content into a FAT image.
fn fill_vfat(staging: &Path, image: &Path) -> Result<()> {
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
    run("FAT files", mcopy.env("MTOOLS_SKIP_CHECK", "1"))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_the_files_and_what_shall_be_free() {
        for file_system in [FileSystem::Ext4, FileSystem::Vfat, FileSystem::Exfat, FileSystem::Btrfs] {
            let size = size_for(file_system, 300 * MIB, 64 * MIB);
            assert!((364 * MIB..600 * MIB).contains(&size) && size.is_multiple_of(MIB), "{file_system:?}: {size}");
        }
    }
}
