//! An initrd that holds kernel modules alone.
//!
//! Takes   the package of Debian 13's kernel: it has a module for each file system that a store can have.
//! Gives   kernel and initrd for tests of devices and file systems: unpacked modules, an index, and the links that a
//!         stock initrd has; no program at all. A guest in software emulation starts it in a second.
//! Leaves  both in the cache.
//! Fails   when a program is missing, a module is not in the package, or the mirror does not answer.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::cache::cached;
use crate::fixtures::unpacked;
use crate::tool::{command, run, say};

/// What boots.
#[derive(Debug, Clone)]
pub struct Parts {
    /// The kernel.
    pub kernel: PathBuf,
    /// The modules.
    pub initrd: PathBuf,
}

/// What stores are on, and in; what a medium and its layers are in.
pub const STORAGE: &str = "virtio_pci virtio_blk virtio_scsi sd_mod sr_mod ahci ata_piix nvme xhci_pci usb_storage uas \
    sdhci_pci mmc_block loop dm_mod dm_verity zram ext4 vfat exfat ntfs3 btrfs xfs f2fs isofs udf squashfs erofs overlay \
    virtiofs 9p 9pnet_virtio dm_crypt xts aes_generic sha256_generic sha256_ssse3 nls_cp437 nls_ascii nls_iso8859_1 nls_utf8 \
    crc32c_generic crc32_generic crc32c_intel";

/// What init has to leave to the real root, for each of [`Machine::other_devices`](crate::machine::Machine), and a keyboard.
pub const OTHERS: &str = "bochs e1000 virtio_net snd_hda_intel snd_hda_codec_generic";
const INPUT: &str = "usbhid hid_generic";
/// What a home on a server is reached by, which the small machine does without.
pub const NETWORK: &str = "e1000 nfsv4";

/// The release, and the package: kernel and modules come with what it depends on.
const SUITE: &str = "trixie";
const PACKAGE: &str = "linux-image-amd64";

/// In the folder $1, where the archive "packages" is: takes the kernel as $3, and the modules $2 with what they need, packed
/// as $4. The index of all modules would be made by the package's own script, which has not run.
const SCRIPT: &str = r#"set -eu
mkdir "$1/root"
tar -xf "$1/packages" -C "$1/root" --wildcards './boot/vmlinuz-*' './usr/lib/modules/*'
ln -s usr/lib "$1/root/lib"
cp "$1/root/boot/"vmlinuz-* "$3"
cd "$1/root/usr/lib/modules"/*
version=${PWD##*/}
depmod -b "$1/root" "$version"
for name in $2; do
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
    make(&[STORAGE, OTHERS, INPUT].join(" "))
}

/// The same with [`NETWORK`].
///
/// # Errors
/// As [`parts`].
pub fn with_network() -> Result<Parts> {
    make(&[STORAGE, NETWORK].join(" "))
}

fn make(names: &str) -> Result<Parts> {
    let folder = cached("modules", &format!("{SUITE} {PACKAGE}\n{names}\n{SCRIPT}"), |folder| {
        say("unpacking Debian 13's kernel, once");
        let work = tempfile::tempdir_in(folder).context("a work folder")?;
        unpacked(SUITE, PACKAGE, &work.path().join("packages"))?;
        let mut pack = command("sh");
        pack.args(["-c", SCRIPT, "sh"]).arg(work.path()).arg(names);
        pack.args([folder.join("vmlinuz"), folder.join("initrd")]);
        run("initrd of modules", &mut pack).map(drop)
    })?;
    Ok(Parts { kernel: folder.join("vmlinuz"), initrd: folder.join("initrd") })
}
