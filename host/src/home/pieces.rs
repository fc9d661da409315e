//! An image in several files, where no file can be as large as the whole: vfat takes one byte less than 4 GiB.
//!
//! Takes   a whole image in a temporary file.
//! Gives   `persist.img`, `persist.img.1` … of whole mebibytes each, which init joins again (src/stages/persist/image.rs).
//! Fails   when one of them is there already. The first gets its name last: until then there is no image.

use super::Size;
use super::create::unfinished;
use anyhow::{Context, Result, ensure};
use isolde::formats::pieces::{self, LARGEST_ON_VFAT};
use rustix::fs::statfs;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// MSDOS_SUPER_MAGIC of linux/magic.h, as statfs(2) gives it.
const VFAT: i64 = 0x4d44;
/// Bytes that are read at once.
const STEP: usize = 1 << 20;

/// How large a file may be in that folder, where a home or what is saved can be larger.
pub(super) fn limit(folder: &Path) -> Result<Option<u64>> {
    let seen = statfs(folder).with_context(|| folder.display().to_string())?;
    Ok((seen.f_type == VFAT).then_some(LARGEST_ON_VFAT))
}

/// A size that pieces can have.
pub(crate) fn piece_size(text: &str) -> Result<Size, &'static str> {
    let size = text.parse::<Size>()?;
    if size.0 > 0 && size.0 % (1 << 20) == 0 { Ok(size) } else { Err("wanted whole mebibytes, such as 2G") }
}

/// Puts it there in pieces.
pub(super) fn write(mut whole: File, piece: u64, first: &Path) -> Result<()> {
    let folder = first.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let size = whole.metadata().context("a temporary file")?.len();
    let count = u32::try_from(size.div_ceil(piece)).ok().filter(|count| *count <= pieces::MOST);
    let count = count.with_context(|| format!("wanted at most {} pieces of {piece} bytes", pieces::MOST))?;
    let names: Vec<PathBuf> = (0..count).map(|number| name(first, number)).collect();
    for name in &names {
        ensure!(!name.exists(), "{} is there already", name.display());
    }
    whole.seek(SeekFrom::Start(0)).context("a temporary file")?;
    let mut made = Vec::new();
    let mut left = size;
    for name in &names {
        let length = left.min(piece);
        left -= length;
        let file = unfinished(folder)?;
        copy(&mut whole, file.as_file(), length).with_context(|| format!("write {}", name.display()))?;
        made.push((file, name));
    }
    let mut named = Vec::new();
    for (file, name) in made.into_iter().rev() {
        if let Err(error) = file.persist_noclobber(name) {
            // Pieces of no image, which a boot would refuse.
            named.iter().for_each(|name| drop(fs::remove_file(name)));
            return Err(error).with_context(|| format!("give {} its name", name.display()));
        }
        named.push(name);
    }
    File::open(folder).and_then(|folder| folder.sync_all()).with_context(|| folder.display().to_string())
}

/// Those of an image that are there, the first one first.
pub(crate) fn there(first: &Path) -> Vec<PathBuf> {
    (0..pieces::MOST).map(|number| name(first, number)).take_while(|path| path.is_file()).collect()
}

/// The first one has the image's own name.
pub(super) fn name(first: &Path, number: u32) -> PathBuf {
    // The end alone: a path need not be text.
    let mut name = first.as_os_str().to_owned();
    name.push(pieces::name("", number));
    name.into()
}

/// What is zero stays a hole, where the file system has such.
fn copy(from: &mut File, mut to: &File, length: u64) -> Result<()> {
    to.set_len(length)?;
    let mut step = vec![0; STEP];
    let mut left = length;
    while left > 0 {
        let now = usize::try_from(left).unwrap_or(STEP).min(STEP);
        let bytes = step.get_mut(..now).context("a step")?;
        from.read_exact(bytes)?;
        if bytes.iter().all(|byte| *byte == 0) {
            to.seek_relative(i64::try_from(now)?)?;
        } else {
            to.write_all(bytes)?;
        }
        left -= now as u64;
    }
    to.sync_all()?;
    Ok(())
}
