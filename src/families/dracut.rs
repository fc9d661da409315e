//! dracut's dmsquash-live: Fedora, CentOS, Alma, Rocky, and whoever uses its layout.
//!
//! One image, `LiveOS/squashfs.img`, squashfs or erofs; older ones hold `LiveOS/rootfs.img` in it. The userland finds
//! the medium at /run/initramfs/live, and the installer takes the device of the mount at /run/rootfsbase
//! (dracut.cmdline(7); modules.d/90dmsquash-live/dmsquash-live-root.sh).

use super::tree::Tree;
use super::{Family, Layer, Layout};
use crate::stages::plan::LiveWords;
use std::io;

/// See the module's own text.
pub const FAMILY: Family = Family { name: "dracut", recognise, duties: |_, _| Ok(Vec::new()) };

/// File names that dracut looks for inside the container; the second is what Void and old Fedora images have.
const NESTED: &[&str] = &["LiveOS/rootfs.img", "LiveOS/ext3fs.img"];

fn recognise(tree: &dyn Tree, words: &LiveWords) -> io::Result<Option<Layout>> {
    let folder = words.rd_live_dir.as_deref().unwrap_or("LiveOS").trim_matches('/');
    let path = |name: &str| if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
    let squashed = path(words.rd_live_squashimg.as_deref().unwrap_or("squashfs.img"));
    let plain = path("rootfs.img");
    let file = if tree.is_file(&squashed)? {
        squashed
    } else if tree.is_file(&plain)? {
        plain
    } else {
        return Ok(None);
    };
    let layer = Layer { file, at: "/run/rootfsbase".to_owned(), nested: NESTED, container: "/run/initramfs/squashfs" };
    Ok(Some(Layout {
        medium: "/run/initramfs/live",
        layers: vec![layer],
        upper_mount: "/run/initramfs/overlay",
        upper: ("overlayfs", "ovlwork"),
        source: "LiveOS_rootfs",
    }))
}
