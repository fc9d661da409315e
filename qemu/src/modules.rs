//! An initrd that holds kernel modules alone.
//!
//! Takes   Debian 13's live image: its kernel has a module for each file system that a store can have.
//! Gives   kernel and initrd for tests of devices and file systems: unpacked modules, an index, and the links that a
//!         stock initrd has; no program at all. A guest in software emulation starts it in a second.
//! Leaves  it in the cache, under the digest of the image.
//! Fails   when a program is missing, a module is not in the image, or the image has to be built and cannot be.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::cache::{cached, digest};
use crate::fixtures::{self, extract};
use crate::tool::{command, run};

/// What boots.
#[derive(Debug, Clone)]
pub struct Parts {
    /// The image's kernel.
    pub kernel: PathBuf,
    /// The modules.
    pub initrd: PathBuf,
}

/// What stores are on, and in; what a medium and its layers are in.
pub const STORAGE: &str = "virtio_pci virtio_blk virtio_scsi sd_mod sr_mod ahci ata_piix nvme xhci_pci usb_storage uas \
    sdhci_pci mmc_block loop dm_mod dm_verity ext4 vfat exfat ntfs3 btrfs xfs f2fs isofs udf squashfs erofs overlay virtiofs 9p 9pnet_virtio dm_crypt xts aes_generic sha256_generic nls_cp437 nls_ascii \
    nls_iso8859_1 nls_utf8 crc32c_generic crc32_generic crc32c_intel";

/// What init has to leave to the real root, for each of [`Machine::other_devices`](crate::machine::Machine), and a keyboard.
pub const OTHERS: &str = "bochs e1000 virtio_net snd_hda_intel snd_hda_codec_generic";
const INPUT: &str = "usbhid hid_generic";

/// In the folder $1: takes the modules $3, and what they need, out of the root $2, and packs them as $4.
const SCRIPT: &str = r#"set -eu
unsquashfs -quiet -no-progress -no-xattrs -dest "$1/root" "$2" usr/lib/modules >&2
ln -s usr/lib "$1/root/lib"
cd "$1/root/usr/lib/modules"/*
version=${PWD##*/}
for name in $3; do
    modprobe --dirname "$1/root" --set-version "$version" --show-depends "$name"
done >"$1/found"
to=$1/tree/usr/lib/modules/$version
sed -n 's/^insmod \([^ ]*\).*/\1/p' "$1/found" | sort -u | while read -r file; do
    place=$to/${file#*/"$version"/}
    mkdir -p "${place%/*}"
    xz -dc "$file" >"${place%.xz}"
done
cp modules.order modules.builtin modules.builtin.modinfo "$to"
cd "$1/tree"
for name in bin sbin lib lib64; do
    mkdir -p "usr/$name"
    ln -s "usr/$name" "$name"
done
depmod -b . "$version"
find . -mindepth 1 | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet >"$4"
"#;

/// Makes them, or finds them in the cache.
///
/// # Errors
/// When they have to be made and cannot be.
pub fn parts() -> Result<Parts> {
    let image = fixtures::live_build()?.live_boot;
    let bytes = fs::read(&image.initrd).with_context(|| format!("read {}", image.initrd.display()))?;
    let names = [STORAGE, OTHERS, INPUT].join(" ");
    let recipe = format!("{}\n{names}\n{SCRIPT}", digest(&bytes));
    let folder = cached("modules", &recipe, |folder| {
        let work = tempfile::tempdir().context("a work folder")?;
        let root = work.path().join("root.squashfs");
        extract(&image.path, "/live/filesystem.squashfs", &root)?;
        let mut pack = command("sh");
        pack.args(["-c", SCRIPT, "sh"]).arg(work.path()).arg(&root).arg(&names).arg(folder.join("initrd"));
        run("initrd of modules", &mut pack).map(drop)
    })?;
    Ok(Parts { kernel: image.kernel, initrd: folder.join("initrd") })
}
