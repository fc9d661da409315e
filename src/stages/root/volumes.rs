//! Folders that may not be on an overlay: what runs containers makes overlays of its own in them, and an overlay cannot be the
//! upper layer of another one (kernel: filesystems/overlayfs.rst).
//!
//! Takes   the assembled root, and what this session is written to.
//! Gives   for each such folder of a program that is there, a folder beside the session's own layer, or in the tmpfs.
//! Leaves  a folder alone that the image has something in.

use crate::machine::Machine;
use crate::op::{Op, Place};
use crate::sys::{Kind, Sys};
use rustix::mount::MountFlags;

/// The folder, and where the program is that it belongs to. Debian's docker is among the system's programs.
const FOLDERS: [(&str, &[&str]); 4] = [
    ("docker", &["usr/bin/dockerd", "usr/sbin/dockerd"]),
    ("containerd", &["usr/bin/containerd"]),
    ("containers", &["usr/bin/podman"]),
    ("flatpak", &["usr/bin/flatpak"]),
];

/// Mounts them; `beside` is where there is no overlay.
pub(super) fn mount<S: Sys>(machine: &mut Machine<S>, beside: &Place) {
    for (name, programs) in FOLDERS {
        let target = Place::new_root(["/var/lib/", name].concat());
        let is_file = |path: &&str| matches!(machine.sys().kind(&Place::new_root(path)), Ok(Some(Kind::File { .. })));
        let is_there = programs.iter().any(is_file);
        // A folder that is not there is as good as an empty one.
        let is_empty = machine.sys().list(&target).is_ok_and(|all| all.is_empty())
            || matches!(machine.sys().kind(&target), Ok(None));
        if is_there && is_empty {
            let source = beside.join("volumes").join(name);
            let flags = MountFlags::empty();
            for op in [Op::MakeDir(source.clone()), Op::MakeDir(target.clone()), Op::Bind { source, target, flags }] {
                machine.best_effort(&op, "containers may not run");
            }
        }
    }
}
