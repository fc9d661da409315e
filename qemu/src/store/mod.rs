//! Disk images that hold chosen files: what a stick, a disc or a hard disk looks like to the system that boots.
//!
//! Takes   a [`Store`]: file system, names, partition table, files.
//! Gives   a raw disk image, sparse, made without root and without partition nodes.
//! Leaves  nothing beside the image.
//! Fails   when a program is missing, or the files do not fit.

mod exfat;
pub(crate) mod filesystem;
pub mod foreign;
mod makers;
pub mod odd;
pub(crate) mod partition;
pub mod prepared;

use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::ops::Range;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use rustix::fs::{SeekFrom, seek};

use partition::{Entry, SECTOR, Table};

/// Bytes in a MiB.
pub(crate) const MIB: u64 = 1 << 20;

/// The file systems a store can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileSystem {
    /// ext2.
    Ext2,
    /// ext3.
    Ext3,
    /// ext4 with journal.
    Ext4,
    /// FAT32.
    Vfat,
    /// exFAT.
    Exfat,
    /// NTFS; files at its top only.
    Ntfs,
    /// btrfs, one device.
    Btrfs,
    /// XFS; no names with blanks.
    Xfs,
    /// F2FS.
    F2fs,
    /// ISO 9660 with Rock Ridge.
    Iso9660,
    /// UDF, as on a disc, without ISO 9660 beside it.
    Udf,
    /// squashfs, not compressed; it has no name of its own.
    Squashfs,
    /// EROFS; its label is not set.
    Erofs,
}

impl FileSystem {
    /// Is it as large as what is in it?
    fn is_packed(self) -> bool {
        matches!(self, Self::Iso9660 | Self::Udf | Self::Squashfs | Self::Erofs)
    }

    /// The type of an MBR's partition that holds it.
    fn partition_type(self) -> &'static str {
        match self {
            Self::Vfat => "c",
            Self::Exfat | Self::Ntfs => "7",
            _ => "83",
        }
    }
}

/// What is around the file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// One partition of a GPT.
    Gpt,
    /// One partition of an MBR.
    Mbr,
    /// One logical partition of an MBR, the fifth by the kernel's count.
    MbrLogical,
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
    links: Vec<(String, String)>,
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
            links: Vec::new(),
        }
    }

    /// With that partition table.
    pub fn layout(self, layout: Layout) -> Self {
        Self { layout, ..self }
    }

    /// With that UUID, in the form blkid prints for the file system (`ABCD-1234` for FAT and exFAT, 16 digits for NTFS). Not
    /// for ISO 9660, UDF and squashfs.
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

    /// With a symbolic link of that text. For file systems that have links and are filled from a folder: ext, btrfs,
    /// ISO 9660, squashfs, EROFS.
    pub fn link(mut self, path: &str, text: &str) -> Self {
        self.links.push((path.to_owned(), text.to_owned()));
        self
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
        let (table, kind) = match self.layout {
            Layout::WholeDisk => {
                return fs::rename(&file_system, image).with_context(|| format!("rename to {}", image.display()));
            }
            Layout::Gpt => (Table::Gpt, "linux"),
            Layout::Mbr => (Table::Mbr, self.file_system.partition_type()),
            Layout::MbrLogical => (Table::MbrLogical, self.file_system.partition_type()),
        };
        let entry = Entry::new(kind, length);
        let entry = entry.named(self.partition_label.as_deref(), self.partition_uuid.as_deref());
        let starts = partition::write(image, table, &[entry])?;
        let start = *starts.first().context("one partition")?;
        copy_into(&file_system, image, start * SECTOR)
    }

    fn build_file_system(&self, to: &Path, work: &Path) -> Result<()> {
        let staging = work.join("staging");
        let bytes = filesystem::stage(&self.files, &staging)?;
        for (path, text) in &self.links {
            let to = staging.join(path.trim_start_matches('/'));
            let parent = to.parent().with_context(|| format!("folder of {path}"))?;
            fs::create_dir_all(parent).with_context(|| format!("create {}", parent.display()))?;
            symlink(text, &to).with_context(|| format!("link {path}"))?;
        }
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
            (FileSystem::Ext2, "ext2", Some("11111111-2222-4333-8444-555555555551")),
            (FileSystem::Ext3, "ext3", Some("11111111-2222-4333-8444-555555555552")),
            (FileSystem::Ext4, "ext4", Some("11111111-2222-4333-8444-555555555555")),
            (FileSystem::Btrfs, "btrfs", Some("11111111-2222-4333-8444-555555555556")),
            (FileSystem::Xfs, "xfs", Some("11111111-2222-4333-8444-555555555557")),
            (FileSystem::F2fs, "f2fs", Some("11111111-2222-4333-8444-555555555558")),
            (FileSystem::Erofs, "erofs", Some("11111111-2222-4333-8444-555555555559")),
            (FileSystem::Vfat, "vfat", Some("ABCD-1234")),
            (FileSystem::Exfat, "exfat", Some("ABCD-1235")),
            (FileSystem::Ntfs, "ntfs", Some("0123456789ABCDEF")),
            (FileSystem::Iso9660, "iso9660", None),
            (FileSystem::Udf, "udf", None),
            (FileSystem::Squashfs, "squashfs", None),
        ] {
            let layouts =
                [(Layout::Gpt, MIB), (Layout::Mbr, MIB), (Layout::MbrLogical, 2 * MIB), (Layout::WholeDisk, 0)];
            // One file system in all layouts, and all in one.
            let count = if file_system == FileSystem::Ext4 { layouts.len() } else { 1 };
            for (layout, offset) in layouts.into_iter().take(count) {
                let mut store = Store::new(file_system, "NAME").layout(layout).bytes("/a.iso", b"content");
                if file_system != FileSystem::Ntfs {
                    store = store.bytes("/boot/iso/b.iso", b"content").folder("/home");
                }
                if let Some(uuid) = uuid {
                    store = store.uuid(uuid);
                }
                store.build(&image).unwrap();
                let identity = identity(&image, offset);
                let mut wanted = vec![format!("TYPE={kind}")];
                wanted.extend(uuid.map(|uuid| format!("UUID={uuid}")));
                if !matches!(file_system, FileSystem::Squashfs | FileSystem::Erofs) {
                    wanted.push("LABEL=NAME".to_owned());
                }
                for wanted in wanted {
                    assert!(identity.lines().any(|line| line == wanted), "{wanted} of {layout:?}:\n{identity}");
                }
            }
        }
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
