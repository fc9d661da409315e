//! Mounts whose owners look like others: mount_setattr(2) with MOUNT_ATTR_IDMAP, which rustix has no call for, and the user
//! namespace that holds the map (user_namespaces(7)).
#![allow(unsafe_code)] // two system calls without a safe form

use crate::op::Ids;
use linux_raw_sys::general::{MOUNT_ATTR_IDMAP, mount_attr};
use rustix::process::{Pid, Signal, WaitOptions};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// Maps the owners in a mount that is in no namespace yet. The kernel keeps the map as long as the mount.
pub(super) fn set(tree: &impl AsFd, ids: &Ids) -> io::Result<()> {
    let map = namespace(ids)?;
    let (attr_set, userns_fd) =
        (u64::from(MOUNT_ATTR_IDMAP), u64::try_from(map.as_raw_fd()).map_err(io::Error::other)?);
    let attributes = mount_attr { attr_set, attr_clr: 0, propagation: 0, userns_fd };
    // SAFETY: the path is an empty C string, and mount_setattr reads one mount_attr (linux/mount.h) of the size given.
    let done = unsafe {
        let (tree, size) = (tree.as_fd().as_raw_fd(), size_of::<mount_attr>());
        libc::syscall(libc::SYS_mount_setattr, tree, c"".as_ptr(), libc::AT_EMPTY_PATH, &raw const attributes, size)
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// A user namespace that is there for its maps alone. It comes with a process, which may end as soon as the namespace is
/// open.
fn namespace(ids: &Ids) -> io::Result<File> {
    // SAFETY: without CLONE_VM the child is a copy, as after fork(2). It makes no call but pause(2) until it is killed: it
    // takes no lock that a thread of the parent may hold. All other arguments are unused without their flags.
    let child = unsafe { libc::syscall(libc::SYS_clone, libc::CLONE_NEWUSER | libc::SIGCHLD, 0, 0, 0, 0) };
    match i32::try_from(child) {
        Ok(0) => loop {
            // SAFETY: pause(2) takes nothing.
            unsafe { libc::pause() };
        },
        Ok(child) if child > 0 => {
            let opened = write_maps(child, ids);
            if let Some(pid) = Pid::from_raw(child) {
                rustix::process::kill_process(pid, Signal::KILL)?;
                rustix::process::waitpid(Some(pid), WaitOptions::empty())?;
            }
            opened
        }
        _ => Err(io::Error::last_os_error()),
    }
}

fn write_maps(child: i32, ids: &Ids) -> io::Result<File> {
    let [users, groups] = ids.maps();
    // Each in one write, as the kernel wants it.
    fs::write(format!("/proc/{child}/uid_map"), users)?;
    fs::write(format!("/proc/{child}/gid_map"), groups)?;
    File::open(format!("/proc/{child}/ns/user"))
}
