//! Which folder of the medium is casper's, and which images in it are the stack.

use super::leaf;
use crate::families::{Asked, folders::matching, tree::Tree};
use crate::sys::Entry;
use std::io;

const FOLDER: &str = "casper";
/// In this order: each kind on top of the one before. Plain directories (`*.dir`) are the developers' own.
const EXTENSIONS: [&str; 2] = [".ext2", ".squashfs"];
/// Images for something else in Edubuntu's folder.
const NO_LAYERS: [&str; 2] = ["ltsp.squashfs", "server.squashfs"];
/// The highest layer of a desktop image; exactly one image has this end (livecd-rootfs).
const LIVE_LAYER: &str = ".live.squashfs";

/// The folder that the command line names, `casper`, or one that begins with it and holds an image: Pop!_OS names it
/// after the ISO.
pub(super) fn folder(asked: &Asked) -> io::Result<Option<String>> {
    let tree = asked.medium;
    if let Some(named) = asked.words.get("live-media-path") {
        let named = named.trim_matches('/');
        // live-boot has the same word: it is ours when the name or the initrd says so.
        let ours = named.starts_with(FOLDER) || asked.initrd.is_file(super::MAIN_SCRIPT)?;
        return Ok((ours && tree.is_directory(named)?).then(|| named.to_owned()));
    }
    // The list is sorted: the plain name comes first.
    for Entry { name, .. } in tree.list("")? {
        if name.starts_with(FOLDER) && tree.is_directory(&name)? && has_image(tree, &name)? {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

fn has_image(tree: &dyn Tree, folder: &str) -> io::Result<bool> {
    let entries = tree.list(folder)?;
    Ok(entries.iter().any(|entry| EXTENSIONS.iter().any(|extension| entry.name.ends_with(extension))))
}

/// The stack's images, the lowest first, by their paths on the medium.
pub(super) fn files(asked: &Asked, folder: &str) -> io::Result<Vec<String>> {
    if let Some(leaf) = leaf(asked)? {
        // The initrd sees the medium at /cdrom. A relative name is one of the folder.
        let path = leaf.strip_prefix("/cdrom").unwrap_or(&leaf);
        let path = match path.strip_prefix('/') {
            Some(path) => path.to_owned(),
            None => format!("{folder}/{path}"),
        };
        return Ok(stack(&path));
    }
    // Without the initrd that knows the name, the one live layer says it. The other images are sources of the installer.
    if !asked.initrd.is_file(super::MAIN_SCRIPT)? {
        let live = matching(asked.medium, folder, "", LIVE_LAYER)?;
        if let [live] = live.as_slice() {
            return Ok(stack(live));
        }
    }
    let mut images = Vec::new();
    for extension in EXTENSIONS {
        images.append(&mut matching(asked.medium, folder, "", extension)?);
    }
    images.retain(|image| !NO_LAYERS.iter().any(|name| image.rsplit('/').next() == Some(name)));
    Ok(images)
}

/// `a.b.c.squashfs` stands on `a.b.squashfs`, and that on `a.squashfs`.
fn stack(leaf: &str) -> Vec<String> {
    let (folder, name) = leaf.rsplit_once('/').unwrap_or(("", leaf));
    let Some((stem, extension)) = name.rsplit_once('.') else { return vec![leaf.to_owned()] };
    let slash = if folder.is_empty() { "" } else { "/" };
    let ends = stem.match_indices('.').map(|(at, _)| at).chain([stem.len()]);
    let stems = ends.filter_map(|end| stem.get(..end)).filter(|stem| !stem.is_empty());
    stems.map(|stem| [folder, slash, stem, ".", extension].concat()).collect()
}

#[cfg(test)]
mod tests {
    use super::stack;

    #[test]
    fn the_dots_of_a_name_are_its_stack() {
        let lower = ["casper/minimal.squashfs", "casper/minimal.standard.squashfs"];
        assert_eq!(stack("casper/minimal.standard.live.squashfs")[..2], lower);
        assert_eq!(stack("casper/minimal.standard.live.squashfs").len(), 3);
        assert_eq!(stack("filesystem.squashfs"), ["filesystem.squashfs"]);
        assert_eq!(stack("a/b"), ["a/b"]);
        assert_eq!(stack("a/..squashfs"), ["a/..squashfs"], "a name of dots alone ends, too");
    }
}
