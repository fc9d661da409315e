//! Stores and disks in states that only a running kernel leaves behind: journals that wait for replay, sub-volumes.
//!
//! Takes   an image file that is copied into each.
//! Gives   [`Prepared`], made in a guest: it mounts new file systems, writes, and is killed.
//! Leaves  all of it in the cache, under the digest of the recipe.
//! Fails   when a program is missing, or the guest does not do what it is told.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::{FileSystem, Layout, Store};
use crate::cache::{cached, digest};
use crate::families::{self, Tree, root};
use crate::machine::{Bus, Disk, Machine};
use crate::modules;
use crate::tool::say;

/// The disks. Each has the image at [`PATH`] of the tree that its comment names.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// ext4; its journal holds changes that are not in place yet.
    pub ext4: PathBuf,
    /// XFS with such a log.
    pub xfs: PathBuf,
    /// btrfs with a log tree.
    pub btrfs: PathBuf,
    /// btrfs, clean. The image is in the sub-volume [`SUB_VOLUME`], which is the one that is mounted when none is named.
    pub sub_volume: PathBuf,
}

/// Where the image is.
pub const PATH: &str = "/images/small.iso";
/// The sub-volume's folder, seen from the top.
pub const SUB_VOLUME: &str = "/@data";
/// The UUIDs of the four, in the order of [`Prepared`].
pub const UUIDS: [&str; 4] = [
    "15010000-d1e7-4000-8000-0000000000e4",
    "15010000-d1e7-4000-8000-0000000000f5",
    "15010000-d1e7-4000-8000-0000000000b7",
    "15010000-d1e7-4000-8000-00000000005b",
];
const NAMES: [&str; 4] = ["ext4", "xfs", "btrfs", "sub-volume"];

/// A few seconds on an idle machine.
const TIME: Duration = Duration::from_secs(200);
const DONE: &str = "prepared: done";
const FAILED: &str = "prepared: failed";

/// The guest's process 1. It ends by being killed.
const INIT: &str = r#"#!/bin/sh
export PATH=/usr/bin:/usr/sbin
mkdir -p /proc /sys /dev /mnt
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
exec </dev/console >/dev/console 2>&1
if sh -eux /work; then echo 'prepared: done'; else echo 'prepared: failed'; fi
while :; do sleep 1000; done
"#;

/// btrfs comes last: a log tree is there from a write that was synchronised to the next commit, half a minute later.
const WORK: &str = r#"
for name in virtio_pci virtio_blk ext4 xfs btrfs; do modprobe $name; done
mkdir /mnt/ext4 /mnt/xfs /mnt/btrfs /mnt/sub
mount -t btrfs /dev/vdd /mnt/sub
btrfs subvolume create /mnt/sub/@data
mkdir /mnt/sub/@data/images
mv /mnt/sub/small.iso /mnt/sub/@data/images
btrfs subvolume set-default /mnt/sub/@data
umount /mnt/sub
mount -t ext4 /dev/vda /mnt/ext4
mount -t xfs /dev/vdb /mnt/xfs
mount -t btrfs /dev/vdc /mnt/btrfs
for place in /mnt/ext4 /mnt/xfs /mnt/btrfs; do
    mkdir $place/new
    for n in 1 2 3 4 5 6 7 8; do dd if=/dev/urandom of=$place/new/$n bs=4096 count=$n; done
done
sync
dd if=/dev/urandom of=/mnt/btrfs/new/logged bs=4096 count=1 conv=fsync
"#;

/// Makes them, or finds them in the cache.
///
/// # Errors
/// When they have to be made and cannot be.
pub fn prepared(image: &Path) -> Result<Prepared> {
    let bytes = std::fs::read(image).with_context(|| format!("read {}", image.display()))?;
    let recipe = [&digest(&bytes), INIT, WORK, modules::STORAGE, &UUIDS.join(" "), PATH].join("\n");
    let folder = cached("prepared", &recipe, |folder| {
        say("preparing file systems in a virtual machine, once");
        build(image, folder)
    })?;
    let [ext4, xfs, btrfs, sub_volume] = NAMES.map(|name| folder.join(name));
    Ok(Prepared { ext4, xfs, btrfs, sub_volume })
}

fn build(image: &Path, folder: &Path) -> Result<()> {
    let kinds = [FileSystem::Ext4, FileSystem::Xfs, FileSystem::Btrfs, FileSystem::Btrfs];
    let work = tempfile::tempdir().context("a work folder")?;
    let initrd = work.path().join("initrd");
    families::pack_initrd(&guest()?, &initrd)?;
    let parts = modules::parts()?;
    let mut machine = Machine::direct("prepared", work.path(), &parts.kernel, &[&parts.initrd, &initrd], "quiet");
    for ((name, kind), uuid) in NAMES.into_iter().zip(kinds).zip(UUIDS) {
        let store = Store::new(kind, &name.to_uppercase()).layout(Layout::WholeDisk).uuid(uuid).free(16);
        let path = if name == "sub-volume" { "/small.iso" } else { PATH };
        let disk = folder.join(name);
        store.copy(path, image).build(&disk)?;
        machine = machine.disk(Disk::new(name, &disk, Bus::Virtio).kept());
    }
    let mut vm = machine.start()?;
    match vm.wait_for_any(&[DONE, FAILED], TIME)? {
        (0, _) => Ok(()),
        _ => bail!("the guest has failed:\n{}", vm.log_text()?),
    }
}

/// What the guest runs, and with what.
fn guest() -> Result<Tree> {
    let tree = root::programs("usr/bin")?.program("init", INIT).text("work", WORK);
    let tree = ["sync", "modprobe"].iter().fold(tree, |tree, name| tree.link(format!("usr/bin/{name}"), "busybox"));
    // The kernel itself asks here for what a file system needs.
    root::with_program(tree.link("usr/sbin/modprobe", "../bin/busybox"), "btrfs")
}
