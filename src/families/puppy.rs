//! Puppy: delegated.
//!
//! Its init stacks the `.sfs` files that `/DISTRO_SPECS` of the initrd names, keeps all its mounts below /initrd and
//! writes its state into the root (puppylinux-woof-CE, `initrd-progs/0initrd`). It finds the ISO by any of six words
//! (`sbin/isoboot`), which the kernel gives it in its environment as well.

use super::folders::matching;
use super::llk::MOST_FOLDERS;
use super::tree::Tree;
use super::{Asked, Family, Layer, Layout, NO_HABITS, Way, mount_name};
use crate::source::{Named, StoreSpec};
use crate::words::Does::{Choice, Source, Userland};
use crate::words::{Word, Words, word};
use std::io;

/// See the module's own text.
pub const FAMILY: Family = Family {
    name: "puppy",
    systems: "Puppy, BookwormPup, Fossapup",
    way: Way::Delegate,
    words: WORDS,
    sources,
    recognise,
    ..NO_HABITS
};

const WORDS: &[Word] = &[
    word("find_iso", "PATH", Source),
    word("isoloop", "PATH", Source),
    word("iso_dev", "NODE|LABEL|UUID", Source),
    word("psubdir", "DIRECTORY", Choice),
    word("pmedia", "cd|usbflash|usbhd|atahd|…", Userland),
    word("pdrv", "[ID:]PATH", Userland),
    word("pupsfs", "[ID:]PATH", Userland),
    word("psave", "[ID:]PATH", Userland),
    word("pfix", "ram|copy|nocopy|clean|fsck|nox|rdsh", Userland),
];

/// Words that mean the same to it, the last one first: it takes the last that is there.
const SYNONYMS: [&str; 6] = ["find_iso", "findiso", "isoloop", "img_loop", "isofrom", "iso-scan/filename"];

/// How partitions are called.
const NODES: [&str; 5] = ["sd", "nvme", "mmcblk", "vd", "hd"];

/// How the files' names begin, the lowest layer first.
const ORDER: [&str; 7] = ["kbuild-", "fdrv_", "zdrv_", "puppy_", "bdrv_", "ydrv_", "adrv_"];

fn recognise(asked: &Asked) -> io::Result<Option<Layout>> {
    let tree = asked.medium;
    let mut found = in_folder(tree, asked.words.path("psubdir", ""))?;
    if found.is_none() {
        for entry in tree.list("")?.into_iter().filter(|entry| entry.is_directory).take(MOST_FOLDERS) {
            found = in_folder(tree, &entry.name)?;
            if found.is_some() {
                break;
            }
        }
    }
    Ok(found.map(|layers| Layout::new("/initrd/mnt/dev_save", layers)))
}

fn in_folder(tree: &dyn Tree, folder: &str) -> io::Result<Option<Vec<Layer>>> {
    let all = matching(tree, folder, "", ".sfs")?;
    let starts = |file: &str, prefix| file.rsplit('/').next().is_some_and(|name| name.starts_with(prefix));
    if !all.iter().any(|file| starts(file, "puppy_")) {
        return Ok(None);
    }
    let layer = |file: &String| Layer::plain(file.trim_start_matches('/'), format!("/initrd/{}", mount_name(file)));
    let of = |prefix| all.iter().filter(move |file| starts(file, prefix)).map(layer);
    Ok(Some(ORDER.into_iter().flat_map(of).collect()))
}

fn sources(words: &Words) -> Vec<Named> {
    let Some((name, path)) = SYNONYMS.iter().find_map(|name| Some((name, words.get(name)?))) else { return Vec::new() };
    // The forms of live-boot and Mageia, which have a device in them.
    if path.starts_with("/dev/") || path.contains(':') {
        return Vec::new();
    }
    // Its ids can be cut short, and labels and UUIDs look alike: only a node is taken at its word.
    let is_node =
        |id: &&str| id.ends_with(|c: char| c.is_ascii_digit()) && NODES.iter().any(|kind| id.starts_with(kind));
    let node = words.get("iso_dev").map(|id| id.trim_start_matches("/dev/")).filter(|id| !id.contains('-'));
    let store = node.filter(is_node).map_or(StoreSpec::Any, |node| StoreSpec::Device(node.to_owned()));
    vec![Named::file(format!("{name}={path}"), store, path)]
}

#[cfg(test)]
mod tests {
    use super::super::fake::{layers, medium, named};
    use super::*;

    #[test]
    fn the_users_files_are_above_puppy_and_the_drivers_below() {
        let tree = ["adrv_a_1.sfs", "fdrv_a_1.sfs", "puppy_a_1.sfs", "ydrv_a_1.sfs", "zdrv_a_1.sfs", "devx_a_1.sfs"];
        let wanted = ["fdrv_a_1", "zdrv_a_1", "puppy_a_1", "ydrv_a_1", "adrv_a_1"].map(|name| format!("{name}.sfs"));
        assert_eq!(layers(medium(&tree), ""), Some(("puppy", wanted.into())));
        let below = Some(("puppy", vec!["pup/puppy_a_1.sfs".to_owned()]));
        assert_eq!(layers(medium(&["pup/puppy_a_1.sfs"]), ""), below);
        assert_eq!(layers(medium(&["pup/puppy_a_1.sfs"]), "psubdir=/pup"), below);
        assert_eq!(layers(medium(&["zdrv_a_1.sfs", "puppy_.txt"]), ""), None);
    }

    #[test]
    fn six_words_mean_the_same() {
        for name in SYNONYMS {
            let [one] = &named(&FAMILY, &format!("pmedia=cd {name}=/pup.iso"))[..] else { panic!("{name}") };
            assert_eq!((one.path(), &one.store), (Some("/pup.iso"), &StoreSpec::Any));
        }
        assert_eq!(named(&FAMILY, "find_iso=/p.iso iso_dev=sda6")[0].store, StoreSpec::Device("sda6".into()));
        for id in ["Work", "49baa82d-8c69", "sda", "home2"] {
            assert_eq!(named(&FAMILY, &format!("find_iso=/p.iso iso_dev={id}"))[0].store, StoreSpec::Any, "{id}");
        }
        assert!(named(&FAMILY, "isofrom=/dev/sda1:/x.iso").is_empty(), "Mageia's form");
    }
}
