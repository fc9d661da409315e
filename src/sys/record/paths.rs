//! Where a path leads, across mounts and links (kernel: filesystems/path-lookup.rst).
//!
//! Takes   a [`Place`]: a tree, and a path that links cannot lead out of it.
//! Gives   the [`Location`] it names: a mount, and a path in the file system that is mounted.
//! Fails   with the errno that `openat2(2)` gives.

use super::mounts::{INITRAMFS, Namespace};
use super::tree::Node;
use crate::op::Place;
use rustix::io::Errno;
use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Component, Path, PathBuf};

/// Links that one look-up follows (`path_resolution(7)`).
const MOST_LINKS: usize = 40;

/// A place as the kernel sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Location {
    /// Which mount.
    pub(super) mount: usize,
    /// Path in its file system, from that file system's top.
    pub(super) path: PathBuf,
}

/// What becomes of a link that is the path's last part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Last {
    Follow,
    Keep,
}

/// The end of a look-up.
#[derive(Clone, Debug)]
pub(super) enum Found {
    /// It is there.
    There(Location),
    /// Only its folder is there.
    Missing { folder: Location, name: OsString },
}

impl Namespace {
    /// Looks up a place that has to be there.
    pub(super) fn locate(&self, at: &Place) -> io::Result<Location> {
        match self.look_up(at, Last::Follow)? {
            Found::There(location) => Ok(location),
            Found::Missing { .. } => Err(Errno::NOENT.into()),
        }
    }

    /// Looks up a place: its tree by the path that it has now, and then its path inside that tree.
    pub(super) fn look_up(&self, at: &Place, last: Last) -> io::Result<Found> {
        match self.walk(&self.root, at.tree(), Last::Follow)? {
            Found::There(tree) if matches!(self.node(&tree), Some(Node::Directory)) => {
                self.walk(&tree, at.inner(), last)
            }
            Found::There(_) => Err(Errno::NOTDIR.into()),
            Found::Missing { .. } => Err(Errno::NOENT.into()),
        }
    }

    /// What stands there.
    pub(super) fn node(&self, at: &Location) -> Option<&Node> {
        self.tree_of(at.mount)?.get(&at.path)
    }

    fn walk(&self, base: &Location, path: &Path, last: Last) -> io::Result<Found> {
        let mut stack = vec![base.clone()];
        let mut todo = VecDeque::new();
        push_front(&mut todo, path);
        let mut links = 0;
        while let Some(part) = todo.pop_front() {
            let Some(here) = stack.last().cloned() else { return Err(Errno::NOENT.into()) };
            if !matches!(self.node(&here), Some(Node::Directory)) {
                return Err(Errno::NOTDIR.into());
            }
            if part == ".." {
                if stack.len() > 1 {
                    stack.pop();
                }
                continue;
            }
            let next = Location { mount: here.mount, path: here.path.join(&part) };
            match self.node(&next) {
                None => {
                    self.missed(&next, &todo);
                    let missing = Found::Missing { folder: here, name: part };
                    return if todo.is_empty() { Ok(missing) } else { Err(Errno::NOENT.into()) };
                }
                Some(Node::Link(to)) if last == Last::Follow || !todo.is_empty() => {
                    links += 1;
                    if links > MOST_LINKS {
                        return Err(Errno::LOOP.into());
                    }
                    if to.is_absolute() {
                        stack.truncate(1);
                    }
                    push_front(&mut todo, to);
                }
                Some(_) => stack.push(self.cross(next)),
            }
        }
        stack.pop().map(Found::There).ok_or_else(|| Errno::NOENT.into())
    }

    /// Remembers what was looked for in the initramfs and is not there.
    fn missed(&self, at: &Location, rest: &VecDeque<OsString>) {
        if at.mount == INITRAMFS {
            let path = rest.iter().fold(at.path.clone(), |path, part| path.join(part));
            self.missed.borrow_mut().insert(path);
        }
    }

    /// From a mount point to what is mounted on it, and on that in turn.
    fn cross(&self, mut at: Location) -> Location {
        while let Some((mount, top)) = self.mounted_on(&at) {
            at = Location { mount, path: top };
        }
        at
    }

    /// The path from the present root, if it is reachable from there.
    pub(super) fn path_of(&self, mount: usize) -> Option<PathBuf> {
        let mut below = PathBuf::new();
        let mut mount = mount;
        while mount != self.root.mount {
            let at = self.mount_point(mount)?;
            let inner = at.path.strip_prefix(self.top_of(at.mount)?).ok()?;
            below = if below.as_os_str().is_empty() { inner.to_path_buf() } else { inner.join(&below) };
            mount = at.mount;
        }
        Some(Path::new("/").join(below))
    }
}

fn push_front(todo: &mut VecDeque<OsString>, path: &Path) {
    for component in path.components().rev() {
        match component {
            Component::Normal(name) => todo.push_front(name.to_owned()),
            Component::ParentDir => todo.push_front(OsStr::new("..").to_owned()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
}
