//! One upper layer of an overlay is moved into the one below it.
//!
//! What both show together is the same before, after, and at each step between: every step either moves one name, which is
//! seen at its old place or at its new one, or takes away what the upper one hides. So a merge that a power cut ended
//! does no harm, and is ended by doing it again.
//!
//! On disk (kernel: filesystems/overlayfs.rst): a deleted file is a character device 0:0, and a directory that hides the
//! one below it has the attribute `trusted.overlay.opaque`. The layers were made without `redirect_dir` and `metacopy`, so no
//! file refers to another path.

use super::{paths, upper};
use crate::op::Place;
use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

const OPAQUE: &str = "trusted.overlay.opaque";
/// Two directories are open for each.
const DEEPEST: usize = 256;
/// Bytes of an attribute, and of a list of them (xattr(7)).
const LONGEST: usize = 64 << 10;
/// What is hidden already is moved there at once, and deleted afterwards.
const TRASH: &str = "trash";

/// Moves `from` into `into`, which is beside it; `from` is gone afterwards.
pub(super) fn merge(from: &Place, into: &Place) -> io::Result<()> {
    let beside = Place::within(from.tree(), from.inner().parent().unwrap_or(from.inner()));
    let trash = beside.join(TRASH);
    upper::delete(&trash)?;
    if paths::kind(from)?.is_none() {
        return Ok(()); // moved before the last power cut
    }
    paths::make_directories(&trash)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let mut merge = Merge { trash: paths::open(&trash, flags)?, moved: 0 };
    merge.directory(paths::open(from, flags)?, paths::open(into, flags)?, DEEPEST)?;
    drop(merge);
    upper::delete(&trash)?;
    upper::delete(from)
}

struct Merge {
    trash: OwnedFd,
    moved: u64,
}

impl Merge {
    fn directory(&mut self, from: OwnedFd, into: OwnedFd, deeper: usize) -> io::Result<()> {
        let before = rustix::fs::fstat(&from)?;
        let deeper = deeper.checked_sub(1).ok_or(Errno::NAMETOOLONG)?;
        for name in names(&from)? {
            let upper = rustix::fs::statat(&from, &name, AtFlags::SYMLINK_NOFOLLOW)?;
            let lower = match rustix::fs::statat(&into, &name, AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => None,
                stat => Some(is_directory(&stat?)),
            };
            if is_directory(&upper) && lower.is_some() {
                let inner = open(&from, &name)?;
                if lower == Some(true) && !is_opaque(&inner)? {
                    self.directory(inner, open(&into, &name)?, deeper)?;
                    rustix::fs::unlinkat(&from, &name, AtFlags::REMOVEDIR)?;
                    continue;
                }
                // It hides what is below it; where the lower layer did that by another file, it has to do so itself now.
                rustix::fs::fsetxattr(&inner, OPAQUE, b"y", XattrFlags::empty())?;
                self.throw_away(&into, &name)?;
            } else if lower == Some(true) {
                self.throw_away(&into, &name)?;
            }
            rustix::fs::renameat(&from, &name, &into, &name)?;
        }
        copy_attributes(&from, &into, &before)
    }

    fn throw_away(&mut self, from: &OwnedFd, name: &CString) -> io::Result<()> {
        self.moved += 1;
        Ok(rustix::fs::renameat(from, name, &self.trash, self.moved.to_string())?)
    }
}

fn names(folder: &OwnedFd) -> io::Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let name = entry?.file_name().to_owned();
        if !matches!(name.to_bytes(), b"." | b"..") {
            names.push(name);
        }
    }
    Ok(names)
}

fn open(folder: &OwnedFd, name: &CString) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(folder, name, flags, Mode::empty())?)
}

fn is_directory(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}

fn is_opaque(folder: &OwnedFd) -> io::Result<bool> {
    let mut value = [0; 1];
    match rustix::fs::fgetxattr(folder, OPAQUE, &mut value[..]) {
        Err(Errno::NODATA | Errno::RANGE) => Ok(false),
        done => Ok(done? == 1 && value == *b"y"),
    }
}

/// The directory below gets what the one above it showed: owner, mode, attributes and times.
fn copy_attributes(from: &OwnedFd, into: &OwnedFd, stat: &Stat) -> io::Result<()> {
    rustix::fs::fchown(into, Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)))?;
    rustix::fs::fchmod(into, Mode::from_raw_mode(stat.st_mode))?;
    let mut list = vec![0; LONGEST];
    let length = rustix::fs::flistxattr(from, &mut list[..])?;
    for name in list.get(..length).unwrap_or_default().split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        copy_attribute(from.as_fd(), into.as_fd(), name)?;
    }
    let time = |tv_sec, tv_nsec: u64| Timespec { tv_sec, tv_nsec: tv_nsec.try_into().unwrap_or(0) };
    let last_access = time(stat.st_atime, stat.st_atime_nsec);
    let last_modification = time(stat.st_mtime, stat.st_mtime_nsec);
    Ok(rustix::fs::futimens(into, &Timestamps { last_access, last_modification })?)
}

fn copy_attribute(from: BorrowedFd<'_>, into: BorrowedFd<'_>, name: &[u8]) -> io::Result<()> {
    let mut value = vec![0; LONGEST];
    let length = rustix::fs::fgetxattr(from, name, &mut value[..])?;
    Ok(rustix::fs::fsetxattr(into, name, value.get(..length).unwrap_or_default(), XattrFlags::empty())?)
}
