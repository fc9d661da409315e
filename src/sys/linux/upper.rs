//! What an overlay asks of the file system of its upper layer, and what is done with such layers.

use super::paths;
use crate::op::Place;
use crate::sys::Space;
use rustix::fs::{AtFlags, FallocateFlags, FileType, Mode, OFlags, RenameFlags, XattrFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

/// The label of SELinux (xattr(7)).
const LABEL: &str = "security.selinux";
/// Bytes of a label: the kernel's own limit is a page.
const LONGEST_LABEL: usize = 4096;
/// What the probe makes and takes away again.
const PROBE: &str = "probe";

/// The folder of a place, open, and the last name.
fn parent(at: &Place) -> io::Result<(OwnedFd, &Path)> {
    let (Some(folder), Some(name)) = (at.inner().parent(), at.inner().file_name()) else {
        return Err(Errno::INVAL.into());
    };
    let folder = paths::open(&Place::within(at.tree(), folder), OFlags::RDONLY | OFlags::DIRECTORY)?;
    Ok((folder, Path::new(name)))
}

/// All that was written to the file system before comes to the disk before the file does, and a power cut leaves either
/// the old file or the new one.
pub(super) fn save(at: &Place, text: &str) -> io::Result<()> {
    let (folder, name) = parent(at)?;
    let mut new = name.as_os_str().to_owned();
    new.push(".new");
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(&folder, Path::new(&new), flags, Mode::from_raw_mode(0o644))?;
    File::from(file.try_clone()?).write_all(text.as_bytes())?;
    rustix::fs::syncfs(&file)?;
    rustix::fs::renameat(&folder, Path::new(&new), &folder, name)?;
    Ok(rustix::fs::fsync(&folder)?)
}

/// A file of at least that size. Where the file system can promise the room, it does (fallocate(2)); elsewhere the file is
/// only that long, or the kernel fills it with zeroes.
pub(super) fn allocate(at: &Place, size: u64) -> io::Result<()> {
    let file = paths::open(at, OFlags::WRONLY | OFlags::CREATE)?;
    if u64::try_from(rustix::fs::fstat(&file)?.st_size).map_err(io::Error::other)? >= size {
        return Ok(());
    }
    match rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, size) {
        Err(Errno::OPNOTSUPP) => rustix::fs::ftruncate(&file, size)?,
        done => done?,
    }
    Ok(rustix::fs::fsync(&file)?)
}

/// Another name in the same file system; what has that name already stays, and the call fails.
pub(super) fn rename(from: &Place, to: &Place) -> io::Result<()> {
    let ((old_folder, old), (folder, name)) = (parent(from)?, parent(to)?);
    rustix::fs::renameat_with(&old_folder, old, &folder, name, RenameFlags::NOREPLACE)?;
    Ok(rustix::fs::fsync(&folder)?)
}

/// `rm -rf`: links are removed, not followed.
pub(super) fn delete(at: &Place) -> io::Result<()> {
    let (folder, name) = parent(at)?;
    let done = match rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(error) => Err(error.into()),
        Ok(stat) if FileType::from_raw_mode(stat.st_mode) != FileType::Directory => {
            Ok(rustix::fs::unlinkat(&folder, name, AtFlags::empty())?)
        }
        Ok(_) => std::fs::remove_dir_all(Path::new(&format!("/proc/self/fd/{}", folder.as_raw_fd())).join(name)),
    };
    match done {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// The label of one directory for another; none where there is none.
pub(super) fn copy_label(from: &Place, to: &Place) -> io::Result<()> {
    let mut label = vec![0; LONGEST_LABEL];
    let from = paths::open(from, OFlags::RDONLY | OFlags::DIRECTORY)?;
    let length = match rustix::fs::fgetxattr(&from, LABEL, &mut label[..]) {
        Err(Errno::NODATA | Errno::OPNOTSUPP) => return Ok(()),
        done => done?,
    };
    let to = paths::open(to, OFlags::RDONLY | OFlags::DIRECTORY)?;
    match rustix::fs::fsetxattr(&to, LABEL, label.get(..length).unwrap_or_default(), XattrFlags::empty()) {
        // A file system without labels gives everything the label that its policy names.
        Err(Errno::OPNOTSUPP) => Ok(()),
        done => Ok(done?),
    }
}

/// What a file system has room for.
pub(super) fn space(at: &Place) -> io::Result<Space> {
    let seen = rustix::fs::fstatvfs(paths::open(at, OFlags::RDONLY | OFlags::DIRECTORY)?)?;
    Ok(Space { free: seen.f_bavail.saturating_mul(seen.f_frsize), size: seen.f_blocks.saturating_mul(seen.f_frsize) })
}

/// What the kernel would refuse an upper directory here for, tried (kernel: filesystems/overlayfs.rst, "Upper and lower").
pub(super) fn fault_as_upper(at: &Place) -> io::Result<Option<&'static str>> {
    let folder = paths::open(at, OFlags::RDONLY | OFlags::DIRECTORY)?;
    delete(&at.join(PROBE))?;
    rustix::fs::mkdirat(&folder, PROBE, Mode::from_raw_mode(0o700))?;
    let fault = faults(&at.join(PROBE));
    delete(&at.join(PROBE))?;
    fault
}

fn faults(at: &Place) -> io::Result<Option<&'static str>> {
    let folder = paths::open(at, OFlags::RDONLY | OFlags::DIRECTORY)?;
    let tried = rustix::fs::fsetxattr(&folder, "trusted.overlay.opaque", b"y", XattrFlags::empty());
    if tried.is_err() {
        return Ok(Some("it keeps no extended attributes"));
    }
    if rustix::fs::mknodat(&folder, "whiteout", FileType::CharacterDevice, Mode::empty(), 0).is_err() {
        return Ok(Some("it keeps no device nodes, which stand for deleted files"));
    }
    let tells = rustix::fs::Dir::read_from(&folder)?.filter_map(Result::ok);
    let mut types = tells.filter(|entry| entry.file_name() == c"whiteout").map(|entry| entry.file_type());
    if types.next() != Some(FileType::CharacterDevice) {
        return Ok(Some("its directories do not tell what their entries are"));
    }
    Ok(None)
}
