//! Paths that stay inside their tree: `openat2(2)` with RESOLVE_IN_ROOT.

use crate::op::Place;
use crate::sys::{Entry, Kind};
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

/// Opens a place. Created files get mode 0644.
pub(super) fn open(at: &Place, flags: OFlags) -> io::Result<OwnedFd> {
    let tree = rustix::fs::openat(CWD, at.tree(), OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let inner = if at.inner().as_os_str().is_empty() { Path::new(".") } else { at.inner() };
    let mode = if flags.contains(OFlags::CREATE) { Mode::from_raw_mode(0o644) } else { Mode::empty() };
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    loop {
        match rustix::fs::openat2(&tree, inner, flags | OFlags::CLOEXEC, mode, resolve) {
            // The kernel gives up when something was renamed meanwhile, and asks to be called again.
            Err(Errno::AGAIN | Errno::INTR) => {}
            done => return done.map_err(io::Error::from),
        }
    }
}

/// What stands at a place, links followed.
pub(super) fn kind(at: &Place) -> io::Result<Option<Kind>> {
    let file = match open(at, OFlags::PATH) {
        Ok(file) => file,
        Err(error) => {
            let nothing = [Errno::NOENT, Errno::NOTDIR, Errno::LOOP].map(Errno::raw_os_error);
            return if error.raw_os_error().is_some_and(|e| nothing.contains(&e)) { Ok(None) } else { Err(error) };
        }
    };
    let stat = rustix::fs::fstat(&file)?;
    Ok(Some(match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Kind::File { executable: stat.st_mode & 0o111 != 0 },
        FileType::Directory => Kind::Directory,
        FileType::BlockDevice => Kind::BlockDevice,
        _ => Kind::Other,
    }))
}

/// The names of a directory, sorted.
pub(super) fn list(at: &Place) -> io::Result<Vec<Entry>> {
    let folder = open(at, OFlags::RDONLY | OFlags::DIRECTORY)?;
    let mut entries = Vec::new();
    for entry in Dir::read_from(&folder)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().to_str() else { continue };
        if name == "." || name == ".." {
            continue;
        }
        let kind = match entry.file_type() {
            // Some file systems do not say; ask the entry itself, without following a link.
            FileType::Unknown => {
                let stat = rustix::fs::statat(&folder, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)?;
                FileType::from_raw_mode(stat.st_mode)
            }
            known => known,
        };
        entries.push(Entry { name: name.to_owned(), is_directory: kind == FileType::Directory });
    }
    entries.sort_unstable();
    Ok(entries)
}

/// `mkdir -p`, component by component, following links inside the tree.
pub(super) fn make_directories(at: &Place) -> io::Result<()> {
    let mut made = Place::within(at.tree(), "");
    for component in at.inner().components() {
        let Component::Normal(name) = component else {
            return Err(Errno::INVAL.into()); // `..` has no place in a path that we make
        };
        let next = made.join(Path::new(name));
        match kind(&next)? {
            Some(Kind::Directory) => {}
            Some(_) => return Err(Errno::NOTDIR.into()),
            None => {
                let parent = open(&made, OFlags::PATH | OFlags::DIRECTORY)?;
                rustix::fs::mkdirat(&parent, Path::new(name), Mode::from_raw_mode(0o755))?;
            }
        }
        made = next;
    }
    Ok(())
}

/// `ln -sfn`: replaces a file or a link; a directory in the way is an error.
pub(super) fn symlink(to: &str, at: &Place) -> io::Result<()> {
    let (Some(parent), Some(name)) = (at.inner().parent(), at.inner().file_name()) else {
        return Err(Errno::INVAL.into());
    };
    let parent = open(&Place::within(at.tree(), parent), OFlags::PATH | OFlags::DIRECTORY)?;
    match rustix::fs::symlinkat(to, &parent, Path::new(name)) {
        Err(Errno::EXIST) => {
            rustix::fs::unlinkat(&parent, Path::new(name), AtFlags::empty())?;
            Ok(rustix::fs::symlinkat(to, &parent, Path::new(name))?)
        }
        done => Ok(done?),
    }
}

/// A mount point for `mount(2)`, which takes paths only: by the name of the open file, so that no link is followed a
/// second time.
#[derive(Debug)]
pub(super) struct Target {
    path: PathBuf,
    _open: OwnedFd,
}

impl Target {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// Opens a mount point. Before /proc is mounted it is named by its own path: that is a directory of the initramfs.
pub(super) fn mount_target(at: &Place) -> io::Result<Target> {
    let file = open(at, OFlags::PATH | OFlags::DIRECTORY)?;
    let by_number = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    let path = if by_number.exists() { by_number } else { at.full() };
    Ok(Target { path, _open: file })
}
/// Owner first: a change of owner takes the set-id bits away (chown(2)).
pub(super) fn own(at: &Place, mode: u32, uid: u32, gid: u32) -> io::Result<()> {
    let file = open(at, OFlags::RDONLY | OFlags::NOFOLLOW)?;
    let (owner, group) = (rustix::fs::Uid::from_raw(uid), rustix::fs::Gid::from_raw(gid));
    rustix::fs::fchown(&file, Some(owner), Some(group))?;
    Ok(rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))?)
}
