//! Disk images that hold chosen files: what a stick, a disc or a hard disk looks like to the system that boots.
//!
//! Takes   a [`Store`]: file system, names, partition table, files.
//! Gives   a raw disk image, sparse, made without root and without partition nodes.
//! Leaves  nothing beside the image.
//! Fails   when a program is missing, or the files do not fit.

mod exfat;
pub(crate) mod filesystem;
pub(crate) mod partition;

use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use rustix::fs::{SeekFrom, seek};

use partition::{Entry, SECTOR, Table};

/// Bytes in a MiB.
pub(crate) const MIB: u64 = 1 << 20;

/// The file systems a store can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileSystem {
    /// ext4 with journal.
    Ext4,
    /// FAT32.
    Vfat,
    /// exFAT.
    Exfat,
    /// btrfs, one device.
    Btrfs,
    /// ISO 9660 with Rock Ridge.
    Iso9660,
}

/// What is around the file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// One partition of a GPT.
    Gpt,
    /// One partition of an MBR.
    Mbr,
    /// No partition table.
    WholeDisk,
}

/// What one file of a store is made of.
#[derive(Debug, Clone)]
pub enum Content {
    /// A copy of that file.
    Copy(PathBuf),
    /// These bytes.
    Bytes(Vec<u8>),
    /// A folder.
    Folder,
}

/// A store to be made.
#[derive(Debug, Clone)]
pub struct Store {
    file_system: FileSystem,
    layout: Layout,
    label: String,
    uuid: Option<String>,
    partition_uuid: Option<String>,
    partition_label: Option<String>,
    free: u64,
    files: Vec<StoredFile>,
}

/// One file of a store.
#[derive(Debug, Clone)]
pub(crate) struct StoredFile {
    /// Absolute path in the store.
    pub path: String,
    pub content: Content,
    /// Permissions; FAT and exFAT have none.
    pub mode: u32,
}

impl Store {
    /// An empty store in a GPT partition, with 64 MiB of free space.
    pub fn new(file_system: FileSystem, label: &str) -> Self {
        Self {
            file_system,
            layout: Layout::Gpt,
            label: label.to_owned(),
            uuid: None,
            partition_uuid: None,
            partition_label: None,
            free: 64 * MIB,
            files: Vec::new(),
        }
    }

    /// With that partition table.
    pub fn layout(self, layout: Layout) -> Self {
        Self { layout, ..self }
    }

    /// With that UUID, in the form blkid prints for the file system (`ABCD-1234` for FAT and exFAT). Not for ISO 9660.
    pub fn uuid(self, uuid: &str) -> Self {
        Self { uuid: Some(uuid.to_owned()), ..self }
    }

    /// With that PARTUUID. GPT only.
    pub fn partition_uuid(self, uuid: &str) -> Self {
        Self { partition_uuid: Some(uuid.to_owned()), ..self }
    }

    /// With that PARTLABEL. GPT only.
    pub fn partition_label(self, label: &str) -> Self {
        Self { partition_label: Some(label.to_owned()), ..self }
    }

    /// With that many MiB of free space.
    pub fn free(self, mebibytes: u64) -> Self {
        Self { free: mebibytes * MIB, ..self }
    }

    /// With a file at an absolute path, a copy of `from`.
    pub fn copy(self, path: &str, from: &Path) -> Self {
        self.with(path, Content::Copy(from.to_owned()), 0o644)
    }

    /// With a file of these bytes.
    pub fn bytes(self, path: &str, bytes: &[u8]) -> Self {
        self.with(path, Content::Bytes(bytes.to_owned()), 0o644)
    }

    /// With an executable script.
    pub fn script(self, path: &str, text: &str) -> Self {
        self.with(path, Content::Bytes(text.as_bytes().to_owned()), 0o755)
    }

    /// With an empty folder. Folders on the way to a file need no mention.
    pub fn folder(self, path: &str) -> Self {
        self.with(path, Content::Folder, 0o755)
    }

    /// With any content and permissions.
    pub fn with(mut self, path: &str, content: Content, mode: u32) -> Self {
        self.files.push(StoredFile { path: path.to_owned(), content, mode });
        self
    }

    /// Makes the disk image.
    ///
    /// # Errors
    /// When a source is missing, or a program is or fails.
    pub fn build(&self, image: &Path) -> Result<()> {
        let folder = image.parent().context("the image's folder")?;
        fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
        // Beside the image, so that large files may share blocks or be linked.
        let work = tempfile::tempdir_in(folder).context("a work folder")?;
        let file_system = work.path().join("filesystem");
        self.build_file_system(&file_system, work.path())?;
        let length = file_system.metadata().context("the file system's image")?.len();
        let (table, entry) = match self.layout {
            Layout::WholeDisk => {
                return fs::rename(&file_system, image).with_context(|| format!("rename to {}", image.display()));
            }
            Layout::Gpt => (Table::Gpt, Entry::new("linux", length)),
            Layout::Mbr => {
                (Table::Mbr, Entry::new(if self.file_system == FileSystem::Ext4 { "83" } else { "7" }, length))
            }
        };
        let entry = entry.named(self.partition_label.as_deref(), self.partition_uuid.as_deref());
        let starts = partition::write(image, table, &[entry])?;
        let start = *starts.first().context("one partition")?;
        copy_into(&file_system, image, start * SECTOR)
    }

    fn build_file_system(&self, to: &Path, work: &Path) -> Result<()> {
        let staging = work.join("staging");
        let bytes = filesystem::stage(&self.files, &staging)?;
        filesystem::make(&filesystem::Parameters {
            file_system: self.file_system,
            label: &self.label,
            uuid: self.uuid.as_deref(),
            size: filesystem::size_for(self.file_system, bytes, self.free),
            staging: &staging,
            to,
        })
    }
}

/// Copies a file's bytes into another at an offset; its holes are left out, as the target is empty there.
pub(crate) fn copy_into(from: &Path, to: &Path, offset: u64) -> Result<()> {
    let length = from.metadata().with_context(|| format!("look at {}", from.display()))?.len();
    copy_part(from, 0..length, to, offset)
}

/// Copies a part of a sparse file, as [`copy_into`] does the whole.
pub(crate) fn copy_part(from: &Path, part: Range<u64>, to: &Path, offset: u64) -> Result<()> {
    let mut source = File::open(from).with_context(|| format!("open {}", from.display()))?;
    let mut target = fs::OpenOptions::new().write(true).open(to).with_context(|| format!("open {}", to.display()))?;
    let mut place = part.start;
    while place < part.end {
        let start = match seek(&source, SeekFrom::Data(place)) {
            // No data after this place.
            Err(rustix::io::Errno::NXIO) => return Ok(()),
            other => other.with_context(|| format!("data of {}", from.display()))?.min(part.end),
        };
        let end =
            seek(&source, SeekFrom::Hole(start)).with_context(|| format!("holes of {}", from.display()))?.min(part.end);
        source.seek(io::SeekFrom::Start(start)).context("seek")?;
        target.seek(io::SeekFrom::Start(offset + start - part.start)).context("seek")?;
        let copied = io::copy(&mut (&mut source).take(end - start), &mut target).context("write the disk image")?;
        ensure!(copied == end - start, "{} shrank while it was copied", from.display());
        place = end;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tool::{command, run};

    fn identity(image: &Path, offset: u64) -> String {
        let offset = offset.to_string();
        let mut blkid = command("blkid");
        blkid.args(["-p", "-o", "export", "-O", &offset]).arg(image);
        run("blkid", &mut blkid).unwrap()
    }

    #[test]
    fn each_file_system_has_its_names_at_its_offset() {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("disk");
        for (file_system, kind, uuid) in [
            (FileSystem::Ext4, "ext4", "11111111-2222-4333-8444-555555555555"),
            (FileSystem::Btrfs, "btrfs", "11111111-2222-4333-8444-555555555556"),
            (FileSystem::Vfat, "vfat", "ABCD-1234"),
            (FileSystem::Exfat, "exfat", "ABCD-1235"),
        ] {
            for (layout, offset) in [(Layout::Gpt, MIB), (Layout::Mbr, MIB), (Layout::WholeDisk, 0)] {
                let store = Store::new(file_system, "NAME").uuid(uuid).layout(layout);
                store.bytes("/boot/iso/a.iso", b"content").folder("/home").build(&image).unwrap();
                let identity = identity(&image, offset);
                for wanted in [format!("TYPE={kind}"), format!("UUID={uuid}"), "LABEL=NAME".to_owned()] {
                    assert!(identity.lines().any(|line| line == wanted), "{wanted} of {layout:?}:\n{identity}");
                }
            }
        }
        Store::new(FileSystem::Iso9660, "DISC").layout(Layout::WholeDisk).bytes("/a", b"x").build(&image).unwrap();
        assert!(identity(&image, 0).contains("LABEL=DISC\n"));
    }

    #[test]
    fn an_ext4_store_holds_its_files_with_root_as_owner() {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("disk");
        let store =
            Store::new(FileSystem::Ext4, "S").layout(Layout::WholeDisk).script("/boot/customize/init", "#!/bin/sh\n");
        store.build(&image).unwrap();
        let mut debugfs = command("debugfs");
        debugfs.args(["-R", "stat /boot/customize/init"]).arg(&image);
        let stat = run("debugfs", &mut debugfs).unwrap();
        assert!(stat.contains("Mode:  0755") && stat.contains("User:     0"), "{stat}");
    }

    #[test]
    fn a_vfat_store_holds_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("disk");
        let bytes = vec![7; 3_000_000];
        Store::new(FileSystem::Vfat, "S").bytes("/boot/iso/Name With Case.iso", &bytes).build(&image).unwrap();
        let out = folder.path().join("out");
        let mut mcopy = command("mcopy");
        mcopy.arg("-i").arg(format!("{}@@{MIB}", image.display())).arg("::/boot/iso/Name With Case.iso").arg(&out);
        run("mcopy", &mut mcopy).unwrap();
        assert_eq!(fs::read(out).unwrap(), bytes);
    }
}
