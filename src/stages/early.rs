//! Stage 1: the file systems that everything else reads.
//!
//! Takes   the initramfs as the kernel unpacked it.
//! Gives   [`Api`]: /proc, /sys, /dev and /run are mounted, and the kernel asks us when it wants a module.
//! Leaves  a file system that is mounted already as it is.
//! Fails   when one of the four cannot be mounted.

use crate::error::Result;
use crate::machine::Machine;
use crate::op::{Op, Place};
use crate::sys::{self, Sys};
use rustix::mount::MountFlags;
use std::fmt;

/// Where the kernel keeps the program that it runs when it wants a module (kernel: admin-guide/sysctl/kernel.rst).
pub(crate) const MODPROBE: &str = "/proc/sys/kernel/modprobe";

/// The virtual file systems of the kernel are there.
#[derive(Debug)]
pub struct Api {
    /// The module helper that was set before, to be set again at the hand-off.
    pub(super) modprobe: String,
}

impl fmt::Display for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "isolde {}", env!("CARGO_PKG_VERSION"))
    }
}

/// The mounts that every root expects, in the order in which they move into it.
pub(crate) const API_MOUNTS: [(&str, &str, &str); 4] = [
    ("proc", "/proc", ""),
    ("sysfs", "/sys", ""),
    ("devtmpfs", "/dev", "mode=755"),
    ("tmpfs", "/run", "mode=755"), // no size: half of the memory, as live-boot and dracut have it
];

/// Mounts what is not mounted yet.
pub fn mount<S: Sys>(machine: &mut Machine<S>) -> Result<Api> {
    machine.apply(&[Op::MakeDir(Place::at("/proc"))])?;
    // Without /proc nothing says what is mounted, so it comes first and its absence is the question.
    if machine.sys().kind(&Place::at("/proc/self")).ok().flatten().is_none() {
        machine.apply(&[api_mount(&API_MOUNTS[0])])?;
    }
    let mounts = sys::read(machine.sys(), &Place::at("/proc/mounts"), 1 << 20)
        .map_err(|e| machine.os("read /proc/mounts", e))?;
    let mounts = String::from_utf8_lossy(&mounts).into_owned();
    for mount in API_MOUNTS.iter().skip(1).filter(|mount| !is_mounted(&mounts, mount.1)) {
        machine.apply(&[Op::MakeDir(Place::at(mount.1)), api_mount(mount)])?;
    }
    let modprobe = take_over_module_requests(machine);
    Ok(Api { modprobe })
}

fn api_mount((fstype, target, options): &(&str, &str, &str)) -> Op {
    let flags = match *target {
        "/dev" => MountFlags::NOSUID,
        "/run" => MountFlags::NOSUID | MountFlags::NODEV,
        _ => MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC,
    };
    let (fstype, options) = ((*fstype).to_owned(), (*options).to_owned());
    Op::Mount { source: fstype.clone(), fstype, target: Place::at(target), flags, options }
}

/// /proc/mounts: source, mount point, type, …; blanks in a mount point are escaped, so splitting at blanks is right.
fn is_mounted(mounts: &str, target: &str) -> bool {
    mounts.lines().any(|line| line.split(' ').nth(1) == Some(target))
}

/// The kernel asks for modules by itself (`request_module`: crypto-crc32c, nls_utf8) and runs /sbin/modprobe, which an
/// initramfs may not have; without an answer such a load fails with "no such file or directory".
fn take_over_module_requests<S: Sys>(machine: &mut Machine<S>) -> String {
    let at = Place::at(MODPROBE);
    let before = sys::read(machine.sys(), &at, 4096).unwrap_or_default();
    let before = String::from_utf8_lossy(&before).trim().to_owned();
    if let Some(own) = machine.sys().own_path() {
        let op = Op::Write { at, text: own };
        machine.best_effort(&op, "modules that the kernel itself asks for are not loaded");
    }
    before
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_point_is_compared_whole() {
        let mounts = "proc /proc proc rw 0 0\ntmpfs /run/lock tmpfs rw 0 0\n";
        assert!(is_mounted(mounts, "/proc"));
        assert!(!is_mounted(mounts, "/run"));
    }
}
