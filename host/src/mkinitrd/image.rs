//! What an image boots, and where the modules of its kernel are.
//!
//! Takes   the path of an image: an ISO, or a single file system.
//! Gives   [`Image`]: the kernel's release, the layers as one tree, and the modules' [`Tables`].
//! Leaves  the image as it is: nothing is mounted, and no root is needed.
//! Fails   when the image is no live system, its layers cannot be read, or they hold no modules for its kernel.

use super::tables::Tables;
use crate::inspect::kernel;
use crate::inspect::menu::{self, grub};
use crate::inspect::understood;
use crate::iso::bytes::{ImageFile, Limited, Part};
use crate::iso::initrd::{Effort, Initrd};
use crate::iso::optical::Optical;
use crate::iso::system::{Bytes, Stack};
use anyhow::{Context, Result, bail, ensure};
use isolde::families::tree::Tree;
use isolde::families::{self, Asked, Family};
use isolde::formats::ReadAt;
use isolde::formats::superblock::{Format, Superblock, probe};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Bytes that are read of one image in all: the lists of its layers, and the modules that come along.
const MOST: u64 = 4 << 30;
/// Bytes of a table; the largest, modules.alias, has a tenth.
const LARGEST: u64 = 16 << 20;
/// Bytes of the list of soft dependencies, which has 2 kB. Each of them is looked up among all aliases.
const LARGEST_SOFT: u64 = 64 << 10;
/// Bytes of a module; init reads no larger ones.
const LARGEST_MODULE: u64 = 64 << 20;
/// Where the modules of a kernel are; in that order.
const FOLDERS: [&str; 2] = ["usr/lib/modules", "lib/modules"];
/// Releases that a message lists.
const SHOWN: usize = 8;

/// See the module's own text.
#[derive(Debug)]
pub struct Image {
    /// As `uname -r` prints it.
    pub release: String,
    /// Its modules.
    pub tables: Tables,
    /// Whose live system it is.
    pub family: Family,
    /// Files of its own initrd that a boot without that initrd needs, or why there is no such boot.
    pub alone: Result<Vec<(String, Vec<u8>)>, String>,
    root: Stack,
    /// The kernel's folder in it.
    folder: String,
}

impl Image {
    /// Reads what is said about the modules; the modules themselves are read by [`Image::module`].
    pub fn open(path: &Path) -> Result<Image> {
        let shown = || path.display().to_string();
        let file = ImageFile::open(path).with_context(shown)?;
        Image::read(Limited::new(file, MOST)).with_context(shown)
    }

    /// The same of any bytes.
    pub fn read<T: ReadAt + Send + Sync + 'static>(image: T) -> Result<Image> {
        const WANTED: &str = "wanted an ISO 9660, UDF, squashfs, erofs or ext4 image";
        let image = Arc::new(image);
        let bytes = image.size()?;
        let Some(superblock) = probe(&*image)? else { bail!("{WANTED}, seen no known file system in {bytes} bytes") };
        if let Some(want) = superblock.size.filter(|want| *want > bytes) {
            bail!("wanted {want} bytes, as its file system says, seen {bytes}: the copy was cut short");
        }
        match superblock.format {
            Format::Iso9660 => medium(&image, &superblock, &Optical::iso(&*image)?),
            Format::Udf => medium(&image, &superblock, &Optical::udf(&*image)?),
            Format::Squashfs | Format::Erofs | Format::Ext2 | Format::Ext3 | Format::Ext4 => {
                let mut root = Stack::default();
                root.push(Bytes::new(Shared(image)), &[])?;
                with_modules(root, None, families::BARE, Ok(Vec::new()))
            }
            other => bail!("{WANTED}, seen {}", other.name()),
        }
    }

    /// How large the file of a module is.
    pub fn size(&self, path: &str) -> Result<u64> {
        let path = [&self.folder, "/", path].concat();
        Ok(self.root.open(&path)?.with_context(|| format!("{path}: wanted a module, seen none"))?.size()?)
    }

    /// The file of a module, by its path in the kernel's folder.
    pub fn module(&self, path: &str) -> Result<Vec<u8>> {
        Ok(self.root.read(&[&self.folder, "/", path].concat(), LARGEST_MODULE)?)
    }
}

/// An image that others read as well.
struct Shared<T>(Arc<T>);

impl<T: ReadAt> ReadAt for Shared<T> {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buf, offset)
    }

    fn size(&self) -> io::Result<u64> {
        self.0.size()
    }
}

/// An ISO: its menu says which kernel boots, its family which files are the layers.
fn medium<T: ReadAt + Send + Sync + 'static>(image: &Arc<T>, superblock: &Superblock, tree: &Optical) -> Result<Image> {
    let (label, uuid) = (superblock.label.as_deref().unwrap_or(""), superblock.uuid.as_deref().unwrap_or(""));
    // The words that name the file are of no matter here.
    let at = "/x.iso";
    let (chosen, _) = menu::choose(grub::Medium { tree, iso_path: at, label, uuid })?;
    let chosen = chosen.unwrap_or_default();
    let (words, _) = understood(&chosen.words, at, &mut Vec::new());
    let files = chosen.initrd.iter().filter_map(|path| tree.file(path).transpose()).collect::<io::Result<Vec<_>>>()?;
    let initrd = Initrd::new(files, Effort::All);
    let asked = Asked { medium: tree, initrd: &initrd, words: &words };
    let Some((family, layout)) = families::recognise(&asked)? else {
        bail!("wanted a live system, seen none that is known; `isolde inspect` says what it is");
    };
    let mut root = Stack::default();
    for layer in &layout.layers {
        let file = tree.file(&layer.file)?.with_context(|| format!("{}: wanted a layer, seen none", layer.file))?;
        root.push(Bytes::new(Part::of(image, &file)), &layer.nested).with_context(|| layer.file.clone())?;
    }
    let release = match tree.file(&chosen.kernel)? {
        Some(file) if !chosen.kernel.is_empty() => {
            kernel::read(&file)?.version.or_else(|| kernel::version_in_name(&chosen.kernel).map(str::to_owned))
        }
        _ => None,
    };
    let alone = super::alone::files(&asked, &family, &layout, &root)?;
    with_modules(root, release, family, alone)
}

/// Finds the modules of a release, or of the only one that is there.
fn with_modules(
    root: Stack,
    release: Option<String>,
    family: Family,
    alone: Result<Vec<(String, Vec<u8>)>, String>,
) -> Result<Image> {
    let mut seen = Vec::new();
    for folder in FOLDERS {
        if root.is_directory(folder)? {
            seen.extend(root.list(folder)?.into_iter().filter(|entry| entry.is_directory).map(|entry| entry.name));
        }
    }
    seen.sort();
    seen.dedup();
    let release = match (release, seen.as_slice()) {
        (Some(release), _) => release,
        (None, [only]) => only.clone(),
        (None, _) => bail!("not known which kernel boots; wanted modules of one in its layers, seen {}", list(&seen)),
    };
    // It becomes a part of paths.
    ensure!(
        !release.contains('/') && !matches!(release.as_str(), "." | ".."),
        "kernel: wanted a release, seen {release:?}"
    );
    let places = FOLDERS.map(|folder| [folder, "/", &release].concat());
    let mut with_table = None;
    for place in places {
        if with_table.is_none() && root.is_file(&[&place, "/modules.dep"].concat())? {
            with_table = Some(place);
        }
    }
    let Some(folder) = with_table else {
        bail!("wanted the modules of kernel {release} and their modules.dep in its layers, seen {}", list(&seen));
    };
    let tables = tables(&root, &folder)?;
    ensure!(tables.count() != 0, "{folder}/modules.dep: wanted modules, seen none");
    Ok(Image { release, tables, family, alone, root, folder })
}

fn list(seen: &[String]) -> String {
    let shown: Vec<String> = seen.iter().take(SHOWN).map(|name| name.escape_debug().to_string()).collect();
    if shown.is_empty() { "none".to_owned() } else { format!("those of {}", shown.join(", ")) }
}

fn tables(root: &Stack, folder: &str) -> Result<Tables> {
    let read = |name: &str, limit: u64| -> Result<Vec<u8>> {
        let path = [folder, "/", name].concat();
        // Only modules.dep has to be there: a kernel without aliases or without anything built in writes no table.
        Ok(if root.is_file(&path)? { root.read(&path, limit)? } else { Vec::new() })
    };
    let text = |name: &str| Ok::<_, anyhow::Error>(String::from_utf8_lossy(&read(name, LARGEST)?).into_owned());
    let mut tables = Tables::default();
    tables.depends(&text("modules.dep")?);
    tables.aliases(&text("modules.alias")?);
    tables.soft(&String::from_utf8_lossy(&read("modules.softdep", LARGEST_SOFT)?));
    tables.built_in(&text("modules.builtin")?);
    tables.built_in_info(&read("modules.builtin.modinfo", LARGEST)?);
    Ok(tables)
}
