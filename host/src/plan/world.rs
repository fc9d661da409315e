//! The machine on which init's code boots.
//!
//! Takes   the command line and the store.
//! Gives   a [`World`]: the initramfs, a kernel that has every driver, and the device with the store.
//! Leaves  drivers out of the question: which modules an initramfs has, and which a machine wants, is not known here.
//! Fails   when the store's files cannot be read.

use super::notes::Notes;
use super::{device, initramfs};
use anyhow::Result;
use isolde::source::ImageSpec;
use isolde::stages::cmdline;
use isolde::stages::plan::decide;
use isolde::stages::plan::render::origins;
use isolde::sys::record::World;
use std::path::{Path, PathBuf};

/// What init mounts without a module. The code pages are those of FAT's names.
const BUILT_IN: [&str; 16] = [
    "ext4",
    "vfat",
    "exfat",
    "ntfs3",
    "btrfs",
    "xfs",
    "f2fs",
    "iso9660",
    "udf",
    "squashfs",
    "erofs",
    "overlay",
    "loop",
    "nls_cp437",
    "nls_ascii",
    "zram",
];

/// The machine, and what is assumed about it.
///
/// # Errors
/// When the store's files cannot be read.
pub fn world(line: &str, store: &Path) -> Result<(World, Notes)> {
    let notes = Notes::default();
    notes.say("every driver that is needed is there".to_owned());
    let plan = cmdline::parse(line).and_then(|typed| decide(&typed)).ok();
    let arrivals = device::arrivals(store, plan.as_ref().map(|plan| &plan.store), &notes)?;
    let (own_path, initramfs) = initramfs::plain(line, &notes);
    let mut world = World {
        cmdline: line.to_owned(),
        release: "unknown".to_owned(),
        own_path: Some(own_path.to_owned()),
        arguments: arguments(line),
        initramfs,
        built_in: BUILT_IN.map(str::to_owned).into(),
        arrivals,
        ..World::default()
    };
    if let Some(plan) = plan
        && let Some((image, at)) = image(store, &plan.image)
    {
        initramfs::complete(&mut world, &plan, &image, &at, &notes);
    }
    Ok((world, notes))
}

/// The image's file on the host, and its path on the store. A link that leads out of the store leads nowhere at the boot.
fn image(store: &Path, image: &ImageSpec) -> Option<(PathBuf, String)> {
    match image {
        ImageSpec::Medium => store.is_file().then(|| (store.to_path_buf(), String::new())),
        ImageSpec::File(path) => {
            let file = store.join(path.trim_start_matches('/')).canonicalize().ok()?;
            (file.is_file() && file.starts_with(store.canonicalize().ok()?)).then(|| (file, path.clone()))
        }
    }
}

/// What the kernel hands to init for certain. Of the words before `--`, it also hands over those that none of its own
/// parts knows, and which those are is not known here.
fn arguments(line: &str) -> Vec<String> {
    let words = origins::words(line).into_iter().map(|typed| typed.text);
    words.skip_while(|word| word != "--").skip(1).collect()
}
