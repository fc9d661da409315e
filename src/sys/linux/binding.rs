//! Bind mounts: the newer mount calls, which take open files (`open_tree(2)`, `move_mount(2)`).

use super::{idmap, paths};
use crate::op::{Ids, Place};
use rustix::fs::OFlags;
use rustix::mount::{MountFlags, MoveMountFlags, OpenTreeFlags};
use std::io;
use std::os::fd::AsFd;

/// `open_tree(2)` with OPEN_TREE_CLONE, then `move_mount(2)`: no path is looked up twice. The flags take a remount,
/// because a bind mount inherits its own from its source.
///
/// Owners are mapped before anybody can see the mount: later the kernel refuses it.
pub(super) fn bind(source: &Place, target: &Place, flags: MountFlags, ids: Option<&Ids>) -> io::Result<()> {
    let source = paths::open(source, OFlags::PATH)?;
    let clone = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    let tree = rustix::mount::open_tree(source.as_fd(), "", clone)?;
    if let Some(ids) = ids {
        idmap::set(&tree, ids)?;
    }
    let onto = paths::open(target, OFlags::PATH)?;
    let empty = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    rustix::mount::move_mount(tree.as_fd(), "", onto.as_fd(), "", empty)?;
    if !flags.is_empty() {
        let mounted = paths::mount_target(target)?;
        rustix::mount::mount_remount(mounted.path(), MountFlags::BIND | flags, c"")?;
    }
    Ok(())
}
