//! `isolde home grow`, and `isolde persist grow`.

use super::create::unfinished;
use super::joined::{Joined, can_join, unused};
use super::mounted::Mounted;
use super::{Size, crypt, pieces, tool};
use anyhow::{Context, Result, ensure};
use isolde::formats::pieces::{MOST, lengths};
use isolde::op::{Op, Place};
use isolde::sys::Sys;
use isolde::sys::linux::Linux;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

/// Make an image file larger. It must not be in use; a grown copy takes its place, for which there has to be room beside it.
/// One with sessions that is in pieces, or has to be, is not copied: that takes root.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// The image file.
    file: PathBuf,
    /// Its new size: bytes, or with K, M, G or T.
    #[arg(long, value_name = "SIZE")]
    size: Size,
    #[command(flatten)]
    key: crypt::Key,
}

/// Grows a copy, and puts it in the file's place when it is whole.
pub(crate) fn grow(args: &Args) -> Result<()> {
    let shown = args.file.display();
    let old = locked(&args.file)?;
    let metadata = old.metadata().with_context(|| shown.to_string())?;
    let Size(size) = args.size;
    ensure!(metadata.is_file(), "{shown} is no file");
    if let Some(limit) = pieces::limit(args.file.parent().unwrap_or(Path::new(".")))? {
        ensure!(size <= limit, "{shown}: no file can be so large there, and a home has to be in one");
    }
    ensure!(size > metadata.len(), "{shown} has {} bytes: wanted more than that", metadata.len());
    let volume = crypt::volume(&old).with_context(|| shown.to_string())?;
    let key = volume.is_some().then(|| args.key.read(false)).transpose()?;
    let folder = args.file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let whole = unfinished(folder)?;
    copy(&args.file, whole.path())?;
    whole.as_file().set_len(size).with_context(|| format!("make a file of {size} bytes"))?;
    match key {
        None => tool::fill(whole.path())?,
        // A volume's last segment is as long as its file, so there is nothing to be changed in its header.
        Some(key) => crypt::open(whole.path(), &key, crypt::Access::ReadWrite)?.with(tool::fill)?,
    }
    // Rights that the file system does not keep are refused there, and not needed.
    let _ = fs::set_permissions(whole.path(), metadata.permissions());
    whole.as_file().sync_all().with_context(|| format!("write {shown}"))?;
    whole.persist(&args.file).with_context(|| format!("replace {shown}"))?;
    File::open(folder).and_then(|folder| folder.sync_all()).with_context(|| folder.display().to_string())
}

/// The same for sessions. Where one file cannot hold them, the last one becomes longer and others follow it; then the file
/// system grows while it is mounted, which its journal makes safe. Files that did not come to their use are not in the way.
pub(crate) fn grow_sessions(args: &Args) -> Result<()> {
    let Size(size) = args.size;
    let limit = pieces::limit(args.file.parent().unwrap_or(Path::new(".")))?;
    let files = pieces::there(&args.file);
    if files.len() < 2 && limit.is_none_or(|limit| size <= limit) {
        return grow(args);
    }
    let shown = args.file.display().to_string();
    let first = locked(&args.file)?;
    can_join(&shown)?;
    let key = crypt::volume(&first).with_context(|| shown.clone())?.map(|_| args.key.read(false)).transpose()?;
    lengthen(&args.file, &files, size, limit.unwrap_or(u64::MAX))?;
    let joined = Joined::open(&pieces::there(&args.file), crypt::Access::ReadWrite)?;
    match key {
        None => fill_mounted(joined.node()),
        Some(key) => crypt::open(joined.node(), &key, crypt::Access::ReadWrite)?.with(fill_mounted),
    }
    .with_context(|| format!("{shown} has grown, and its file system has not"))
}

fn locked(path: &Path) -> Result<File> {
    let (shown, file) = (path.display(), File::open(path).with_context(|| path.display().to_string())?);
    unused(&shown.to_string(), &file.metadata().with_context(|| shown.to_string())?)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => anyhow::bail!("{shown}: somebody else is at work with it"),
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("lock {shown}")),
    }
}

/// Makes the last file longer, and new ones behind it; without room all of it is undone.
fn lengthen(first: &Path, files: &[PathBuf], size: u64, largest: u64) -> Result<()> {
    let mut there = Vec::new();
    for path in files {
        there.push(path.metadata().with_context(|| path.display().to_string())?.len());
    }
    let now = there.iter().fold(0_u64, |sum, length| sum.saturating_add(*length));
    ensure!(size > now, "{} has {now} bytes: wanted more than that", first.display());
    let last = there.pop().unwrap_or_default();
    let all = behind(u32::try_from(there.len())?, last.saturating_add(size - now), largest);
    let all = all.with_context(|| format!("{}: no image can be so large there", first.display()))?;
    let mut made: Vec<(PathBuf, u64)> = Vec::new();
    for (number, length) in all {
        let path = pieces::name(first, number);
        let before = if made.is_empty() { last } else { 0 };
        let is_new = !made.is_empty();
        let done = File::options().write(true).create_new(is_new).open(&path).and_then(|file| {
            made.push((path.clone(), before));
            make_room(&file, length)
        });
        if let Err(error) = done {
            undo(&made);
            return Err(error).with_context(|| format!("make room in {}", path.display()));
        }
    }
    let folder = first.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).with_context(|| folder.display().to_string())
}

/// The numbers and lengths of the files from the last one on, which are to hold that many bytes. Pure.
fn behind(last: u32, bytes: u64, largest: u64) -> Option<Vec<(u32, u64)>> {
    let all: Vec<(u32, u64)> = (last..).zip(lengths(bytes, largest)).collect();
    all.last().is_some_and(|(number, _)| *number < MOST).then_some(all)
}

/// Where the file system cannot promise room, the file is only that long.
fn make_room(file: &File, length: u64) -> std::io::Result<()> {
    match rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, length) {
        Err(rustix::io::Errno::OPNOTSUPP) => file.set_len(length)?,
        done => done?,
    }
    file.sync_all()
}

/// The first one was there before.
fn undo(made: &[(PathBuf, u64)]) {
    for (number, (path, length)) in made.iter().enumerate() {
        let done = match number {
            0 => File::options().write(true).open(path).and_then(|file| file.set_len(*length)),
            _ => fs::remove_file(path),
        };
        if let Err(error) = done {
            eprintln!("isolde: {}: {error}", path.display());
        }
    }
}

/// Grows a file system to the end of its device, as a boot does.
fn fill_mounted(node: &Path) -> Result<()> {
    let mounted = Mounted::new(node)?;
    let grown = Linux::new().apply(&Op::GrowFileSystem(Place::at(mounted.path())));
    grown.with_context(|| format!("grow the file system on {}", node.display()))
}

/// Holes stay holes, and where the file system can share blocks nothing is copied.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let mut cp = tool::command("cp");
    tool::run("cp", cp.args(["--reflink=auto", "--sparse=always", "--"]).arg(from).arg(to), &[])
}

#[cfg(test)]
mod tests {
    use super::*;
    use isolde::formats::pieces::LARGEST_ON_VFAT;

    #[test]
    fn the_last_file_becomes_longer_and_others_follow() {
        let most = LARGEST_ON_VFAT;
        assert_eq!(behind(0, 5000 << 20, most).unwrap(), [(0, most), (1, 905 << 20)]);
        assert_eq!(behind(2, 100 << 20, most).unwrap(), [(2, 100 << 20)]);
        assert_eq!(behind(2, 3 * most, most).unwrap(), [(2, most), (3, most), (4, most)]);
        assert_eq!(behind(1, 1 << 40, u64::MAX).unwrap(), [(1, 1 << 40)], "no limit, no new file");
        assert_eq!(behind(62, 3 * most, most), None);
        assert_eq!(behind(0, u64::MAX, most), None);
    }

    #[test]
    fn without_room_for_all_everything_is_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let first = folder.path().join("persist.img");
        let files = [first.clone(), folder.path().join("persist.img.1")];
        files.iter().for_each(|path| fs::write(path, [7; 8192]).unwrap());
        // Where the next file would be, there is something else.
        fs::create_dir(folder.path().join("persist.img.2")).unwrap();
        let error = lengthen(&first, &files, 64 << 10, 16 << 10).unwrap_err();
        assert!(format!("{error:#}").contains("persist.img.2"), "{error:#}");
        assert!(files.iter().all(|path| fs::read(path).unwrap() == [7; 8192]));
        fs::remove_dir(folder.path().join("persist.img.2")).unwrap();
        lengthen(&first, &files, 64 << 10, 16 << 10).unwrap();
        let sizes: Vec<u64> = pieces::there(&first).iter().map(|path| path.metadata().unwrap().len()).collect();
        assert_eq!(sizes, [8 << 10, 16 << 10, 16 << 10, 16 << 10, 8 << 10], "the first one is not the last one");
        assert!(lengthen(&first, &pieces::there(&first), 64 << 10, 16 << 10).is_err(), "it never shrinks");
    }
}
