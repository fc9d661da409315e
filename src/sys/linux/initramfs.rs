//! Leaving the initramfs: `switch_root(8)`, kernel: filesystems/ramfs-rootfs-initramfs.rst.
#![allow(unsafe_code)] // fork(2)

use super::log::Log;
use super::paths;
use crate::op::{NEW_ROOT, Place};
use crate::sys::Level;
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

/// `statfs(2)`: the file systems that an initramfs can be.
const MAGICS: [i64; 2] = [0x8584_58f6, 0x0102_1994]; // RAMFS_MAGIC, TMPFS_MAGIC in linux/magic.h
/// Files that only an initramfs has.
const MARKS: [&str; 2] = ["/init", "/isolde/init"];

/// Deletes everything on the file system at /, and nothing else, while the boot goes on: thousands of files take a
/// third of the time that is left. Deleting the wrong tree is a disaster, so all of it has to be true: process 1, / in
/// memory, / another device than the new root, and a mark of an initramfs in it.
///
/// The deletion is a child's, whose root stays the old one; the real init reaps it, as every init reaps orphans. A
/// failure of it goes to `log`.
pub(super) fn empty(log: &mut Log) -> io::Result<()> {
    let refuse = |why: &str| Err(io::Error::new(io::ErrorKind::PermissionDenied, why.to_owned()));
    if rustix::process::getpid() != rustix::process::Pid::INIT {
        return refuse("this is not process 1");
    }
    if !MAGICS.contains(&rustix::fs::statfs("/")?.f_type) {
        return refuse("/ is not in memory");
    }
    let device = rustix::fs::stat("/")?.st_dev;
    if rustix::fs::stat(NEW_ROOT)?.st_dev == device {
        return refuse("the new root is the same file system");
    }
    if !MARKS.iter().any(|mark| rustix::fs::stat(*mark).is_ok()) {
        return refuse("/ has no /init: it is no initramfs");
    }
    let root = rustix::fs::openat(CWD, "/", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    // SAFETY: this process has one thread here (those of `verify` are joined), so the child may go on as a copy of it;
    // it ends by _exit(2), without running anything of the parent's.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            let done = empty_directory(root, device);
            if let Err(error) = &done {
                log.write(Level::Warning, &format!("empty the initramfs: {error}; its memory is not freed"));
            }
            // SAFETY: _exit(2) only ends this process.
            unsafe { libc::_exit(done.is_err().into()) }
        }
        _ => Ok(()),
    }
}

/// Below one directory. What is mounted there is another device and stays, and so do the directories above it.
fn empty_directory(folder: OwnedFd, device: u64) -> io::Result<()> {
    for entry in Dir::read_from(&folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        if entry.file_type() != FileType::Directory {
            rustix::fs::unlinkat(&folder, name, AtFlags::empty())?;
            continue;
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let inner = rustix::fs::openat(&folder, name, flags, Mode::empty())?;
        if rustix::fs::fstat(&inner)?.st_dev != device {
            continue;
        }
        empty_directory(inner, device)?;
        match rustix::fs::unlinkat(&folder, name, AtFlags::REMOVEDIR) {
            // It holds a mount point.
            Ok(()) | Err(Errno::NOTEMPTY | Errno::BUSY | Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// `chdir`, `mount --move . /`, `chroot .`: the root of the initramfs cannot be unmounted or pivoted away, so the new
/// root goes on top of it.
pub(super) fn switch_root() -> io::Result<()> {
    rustix::process::chdir(NEW_ROOT)?;
    rustix::mount::mount_move(".", "/")?;
    rustix::process::chroot(".")?;
    rustix::process::chdir("/")?;
    Ok(())
}

/// A copy of this program. It is read from where the kernel has it, as the initramfs may have it by any name.
pub(super) fn install(at: &Place) -> io::Result<()> {
    let mut own = File::open("/proc/self/exe").or_else(|_| File::open([NEW_ROOT, "/proc/self/exe"].concat()))?;
    let mut copy = File::from(paths::open(at, OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC)?);
    io::copy(&mut own, &mut copy)?;
    Ok(rustix::fs::fchmod(&copy, Mode::from_raw_mode(0o755))?)
}
