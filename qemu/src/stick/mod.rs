//! A bootable USB stick in a disk image.
//!
//! Takes   a [`Stick`]: the ISOs, the second initrd, further files, the data partition's file system.
//! Gives   a raw image with three partitions: GRUB for BIOS, GRUB for UEFI (FAT), and the data. [`Stick::update`] changes
//!         only what differs and leaves all else on the data partition, `/home` first of all, as it is.
//! Leaves  `<image>.state` beside the image: what was put on it.
//! Fails   when a program is missing or a file does not fit; a file system that e2fsck cannot repair is never replaced.

mod grub;
mod menu;
mod update;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::store::partition::{self, Entry, SECTOR, Table};
use crate::store::{Content, FileSystem, MIB, StoredFile, copy_into, filesystem};
use grub::Grub;
pub use menu::Loads;
use menu::Menu;

/// GPT types, in sfdisk's words.
const BIOS_BOOT: &str = "21686148-6449-6E6F-744E-656564454649";
const EFI_SYSTEM: &str = "uefi";

/// Room for GRUB in MiB: core.img has about 150 KiB, BOOTX64.EFI about 600.
const BIOS_BOOT_SIZE: u64 = MIB;
const EFI_SYSTEM_SIZE: u64 = 16 * MIB;

/// Folders of the data partition that are always there.
const FOLDERS: &[&str] =
    &["/boot/grub", "/boot/grub/entries", "/boot/iso", "/boot/extensions", "/boot/customize", "/home"];

/// Where the second initrd is on the stick.
const SECOND_INITRD: &str = "/boot/isolde.img";

/// A stick to be made or brought up to date.
#[derive(Debug, Clone)]
pub struct Stick {
    file_system: FileSystem,
    free: u64,
    words: String,
    timeout: u32,
    chosen: Option<String>,
    files: Vec<StoredFile>,
}

impl Stick {
    /// A stick whose data partition has that file system, ext4 or FAT, and 256 MiB of free space.
    pub fn new(file_system: FileSystem) -> Self {
        let words = "console=tty0 console=ttyS0,115200".to_owned();
        Self { file_system, free: 256 * MIB, words, timeout: 2, chosen: None, files: Vec::new() }
    }

    /// The label of the data partition's file system.
    pub const LABEL: &'static str = "ISOLDE";

    /// The UUID of the data partition's file system.
    pub fn uuid(&self) -> &'static str {
        if self.file_system == FileSystem::Vfat { "1501-DE00" } else { "1501de00-0000-4000-8000-0000000057c4" }
    }

    /// With that ISO, at `/boot/iso/<its name>`.
    pub fn iso(self, path: &Path) -> Self {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.with(&format!("/boot/iso/{name}"), Content::Copy(path.to_owned()), 0o644)
    }

    /// With an entry for the ISO of that name (without `.iso`).
    ///
    /// # Errors
    /// When it has characters that would be commands to GRUB.
    pub fn entry(self, name: &str, loads: &Loads) -> Result<Self> {
        let text = loads.text()?.into_bytes();
        Ok(self.with(&format!("/boot/grub/entries/{name}.cfg"), Content::Bytes(text), 0o644))
    }

    /// With that second initrd, loaded after each ISO's own.
    pub fn second_initrd(self, path: &Path) -> Self {
        self.with(SECOND_INITRD, Content::Copy(path.to_owned()), 0o644)
    }

    /// With a file anywhere on the data partition.
    pub fn with(mut self, path: &str, content: Content, mode: u32) -> Self {
        self.files.push(StoredFile { path: path.to_owned(), content, mode });
        self
    }

    /// With these kernel words in every entry, instead of consoles on the screen and the first serial port.
    pub fn words(self, words: &str) -> Self {
        Self { words: words.to_owned(), ..self }
    }

    /// With that many MiB of free space.
    pub fn free(self, mebibytes: u64) -> Self {
        Self { free: mebibytes * MIB, ..self }
    }

    /// Starts the ISO of that name (without `.iso`) by itself, not the first one found.
    pub fn choose(self, name: &str) -> Self {
        Self { chosen: Some(name.to_owned()), ..self }
    }

    /// Seconds the menu waits, instead of 2.
    pub fn timeout(self, seconds: u32) -> Self {
        Self { timeout: seconds, ..self }
    }

    /// Makes the image anew.
    ///
    /// # Errors
    /// When a source is missing, a program is or fails, or the words have a quote in them.
    pub fn build(&self, image: &Path) -> Result<()> {
        let folder = image.parent().context("the image's folder")?;
        fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
        let work = tempfile::tempdir_in(folder).context("a work folder")?;
        let files = self.all_files()?;
        let (staging, data) = (work.path().join("staging"), work.path().join("data"));
        let bytes = filesystem::stage(&files, &staging)?;
        let size = filesystem::size_for(self.file_system, bytes, self.free);
        filesystem::make(&filesystem::Parameters {
            file_system: self.file_system,
            label: Self::LABEL,
            uuid: Some(self.uuid()),
            size,
            staging: &staging,
            to: &data,
        })?;
        self.assemble(&data, work.path(), image)?;
        update::State::of(self, &files)?.write(image)
    }

    /// Puts the data's file system and GRUB into a new image, which takes its name when it is whole.
    fn assemble(&self, data: &Path, work: &Path, image: &Path) -> Result<()> {
        let whole = work.join("stick");
        let size = data.metadata().context("the data's file system")?.len();
        let entries = [
            Entry::new(BIOS_BOOT, BIOS_BOOT_SIZE),
            Entry::new(EFI_SYSTEM, EFI_SYSTEM_SIZE),
            Entry::new("linux", size).named(Some("isolde"), None),
        ];
        let starts = partition::write(&whole, Table::Gpt, &entries)?;
        ensure!(starts == [BIOS_START, EFI_START, DATA_START], "partitions at {starts:?}");
        copy_into(data, &whole, DATA_START * SECTOR)?;
        self.install_grub(&whole, work)?;
        fs::rename(&whole, image).with_context(|| format!("rename to {}", image.display()))
    }

    /// The same files, and what is on the data partition besides them stays. Makes the image if it is not there.
    /// Gives the paths that were written or removed. ext4 only.
    ///
    /// # Errors
    /// As [`Self::build`]; and when the file system is damaged or full.
    pub fn update(&self, image: &Path) -> Result<Vec<String>> {
        update::update(self, image)
    }

    fn install_grub(&self, image: &Path, work: &Path) -> Result<()> {
        let grub = Grub::make(self.uuid(), work)?;
        grub.install_for_bios(image, BIOS_START, BIOS_BOOT_SIZE / SECTOR)?;
        let (staging, efi) = (work.join("efi-files"), work.join("efi"));
        let program = [StoredFile {
            path: "/EFI/BOOT/BOOTX64.EFI".to_owned(),
            content: Content::Copy(grub.efi.clone()),
            mode: 0o644,
        }];
        filesystem::stage(&program, &staging)?;
        filesystem::make_efi_system(&staging, &efi, EFI_SYSTEM_SIZE)?;
        copy_into(&efi, image, EFI_START * SECTOR)
    }

    /// Every file that is ours on the data partition.
    fn all_files(&self) -> Result<Vec<StoredFile>> {
        ensure!(
            !self.words.contains(['"', '$', '\\', '\n']),
            "kernel words with a sign that GRUB would read: {}",
            self.words
        );
        let menu = Menu { words: &self.words, timeout: self.timeout, chosen: self.chosen.as_deref() };
        let folder = |path: &&str| StoredFile { path: (*path).to_owned(), content: Content::Folder, mode: 0o755 };
        let mut files: Vec<StoredFile> = FOLDERS.iter().map(folder).collect();
        files.extend(self.files.iter().cloned());
        let content = Content::Bytes(menu::text(&menu).into_bytes());
        files.push(StoredFile { path: "/boot/grub/grub.cfg".to_owned(), content, mode: 0o644 });
        Ok(files)
    }
}

/// First sectors of the three partitions; `partition::write` gives the same for their sizes.
const BIOS_START: u64 = MIB / SECTOR;
const EFI_START: u64 = BIOS_START + BIOS_BOOT_SIZE / SECTOR;
const DATA_START: u64 = EFI_START + EFI_SYSTEM_SIZE / SECTOR;
