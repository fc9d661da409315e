//! Debian's live-boot: Debian, Kali, Tails, GParted, Clonezilla, LMDE, …
//!
//! Every image of the folder is a layer, in the order of their names, or in the order of a `.module` list (live-boot(7);
//! /usr/lib/live/boot/9990-overlay.sh). Users and autologin are made later by live-config, in the running system, which
//! looks for the medium at /run/live/medium.

use super::tree::Tree;
use super::{Edit, Family, Layer, Layout, mount_name};
use crate::stages::plan::LiveWords;
use std::io;

/// See the module's own text.
pub const FAMILY: Family = Family { name: "live-boot", recognise, duties };

/// What live-boot takes for an image.
const EXTENSIONS: &[&str] = &["squashfs", "ext2", "ext3", "ext4", "xfs"];
/// A list of modules or an fstab is a page of text.
const LARGEST: u64 = 1 << 20;

fn recognise(tree: &dyn Tree, words: &LiveWords) -> io::Result<Option<Layout>> {
    let folder = words.live_media_path.as_deref().unwrap_or("live").trim_matches('/');
    if !tree.is_directory(folder)? {
        return Ok(None);
    }
    let files = match module_list(tree, folder, words.module.as_deref())? {
        Some(files) => files,
        None => images(tree, folder)?,
    };
    if files.is_empty() {
        return Ok(None);
    }
    let layer = |file: String| {
        let at = format!("/run/live/rootfs/{}", mount_name(&file));
        Layer { at, file, nested: &[], container: "" }
    };
    Ok(Some(Layout {
        medium: "/run/live/medium",
        layers: files.into_iter().map(layer).collect(),
        upper_mount: "/run/live/overlay",
        upper: ("rw", "work"),
        source: "overlay",
    }))
}

/// `filesystem.NAME.module` or `NAME.module`: image names, the lowest first, separated by white space.
fn module_list(tree: &dyn Tree, folder: &str, module: Option<&str>) -> io::Result<Option<Vec<String>>> {
    let name = module.unwrap_or("filesystem");
    for list in [format!("{folder}/filesystem.{name}.module"), format!("{folder}/{name}.module")] {
        if tree.is_file(&list)? {
            let text = tree.read(&list, LARGEST)?;
            let text = String::from_utf8_lossy(&text);
            return Ok(Some(text.split_whitespace().map(|image| format!("{folder}/{image}")).collect()));
        }
    }
    Ok(None)
}

fn images(tree: &dyn Tree, folder: &str) -> io::Result<Vec<String>> {
    let is_image = |name: &str| name.rsplit_once('.').is_some_and(|(_, extension)| EXTENSIONS.contains(&extension));
    let mut files = Vec::new();
    for entry in tree.list(folder)? {
        let path = format!("{folder}/{}", entry.name);
        if is_image(&entry.name) && tree.is_file(&path)? {
            files.push(path);
        }
    }
    Ok(files)
}

/// What 9990-fstab.sh writes: systemd remounts / by fstab, and without the line it would have nothing to go by.
fn duties(root: &dyn Tree, words: &LiveWords) -> io::Result<Vec<Edit>> {
    if words.nofstab.is_some() {
        return Ok(Vec::new());
    }
    let before = if root.is_file("etc/fstab")? { root.read("etc/fstab", LARGEST)? } else { Vec::new() };
    let mut text = String::from_utf8_lossy(&before).into_owned();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    for (target, line) in [("/", "overlay / overlay rw 0 0\n"), ("/tmp", "tmpfs /tmp tmpfs nosuid,nodev 0 0\n")] {
        if !text.lines().any(|line| line.split_whitespace().nth(1) == Some(target) && !line.starts_with('#')) {
            text.push_str(line);
        }
    }
    Ok(vec![Edit::Write { path: "etc/fstab", text }])
}
