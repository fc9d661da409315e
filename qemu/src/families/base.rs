//! The initrd that a sample's own is made of: a fixture's, without the drivers of other machines.
//!
//! Takes   the fixture's initrd.
//! Gives   the same programs and scripts with the modules that a sample's boot needs, and not compressed: a guest in
//!         software emulation takes seconds to unpack 130 MB of drivers, at each boot.
//! Leaves  it in the cache, under the digest of the fixture's.
//! Fails   when a program is missing, or the fixture has to be built and cannot be.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::cache::{cached, digest};
use crate::fixtures::{self, Iso};
use crate::tool::{command, run};

/// A fixture's initrd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Base {
    /// Made by initramfs-tools, with busybox and live-boot.
    InitramfsTools,
    /// Made by dracut, with all of the kernel's file systems.
    Dracut,
}

/// Kernel and initrd of a [`Base`].
#[derive(Debug, Clone)]
pub struct Parts {
    /// The fixture's kernel.
    pub kernel: PathBuf,
    /// What is left of its initrd.
    pub initrd: PathBuf,
}

/// The modules that are kept, as far as they are there, with what they need: a disk on virtio, and the file systems of a
/// store, of a medium, and in it.
const MODULES: &str = "virtio_pci virtio_blk loop isofs udf vfat ext4 squashfs erofs overlay nls_ascii nls_cp437 nls_iso8859_1 \
    nls_utf8 crc32c_generic";

/// Unpacks $2 into the folder $1, removes all modules but those named in $3, and packs it as $4. The file of dependencies
/// names all of them for each module.
const SCRIPT: &str = r#"set -eu
cd "$1"
zstd -dcq "$2" >../all
cpio -idm --quiet <../all
cd usr/lib/modules/*
awk -v names=" $3 " '{
    name = $1; gsub(/.*\/|\.ko.*/, "", name); gsub(/-/, "_", name); sub(/:/, "", $1)
    if (index(names, " " name " ")) for (i = 1; i <= NF; i++) print $i
}' modules.dep >"$1/../kept"
find kernel -type f | grep -vxFf "$1/../kept" | xargs rm
find kernel -type d -empty -delete
depmod -b "$1" "${PWD##*/}"
cd "$1"
find . -mindepth 1 | LC_ALL=C sort | cpio -o -H newc --quiet >"$4"
"#;

impl Base {
    /// The fixture whose kernel and initrd it is.
    fn fixture(self) -> Result<Iso> {
        match self {
            Base::InitramfsTools => fixtures::debian(),
            Base::Dracut => fixtures::fedora_like(),
        }
    }

    /// What boots before a sample's own additions.
    ///
    /// # Errors
    /// When it has to be built and cannot be.
    pub fn parts(self) -> Result<Parts> {
        let Iso { kernel, initrd, .. } = self.fixture()?;
        let bytes = fs::read(&initrd).with_context(|| format!("read {}", initrd.display()))?;
        let recipe = format!("{}\n{MODULES}\n{SCRIPT}", digest(&bytes));
        let folder = cached(&format!("families-base-{self:?}"), &recipe, |folder| {
            let work = tempfile::tempdir().context("a work folder")?;
            let tree = work.path().join("tree");
            fs::create_dir(&tree).context("create a folder for the initrd")?;
            // fakeroot: there are device nodes in it.
            let mut pack = command("fakeroot");
            pack.args(["--", "sh", "-c", SCRIPT, "sh"]).arg(&tree).arg(&initrd).arg(MODULES).arg(folder.join("initrd"));
            run("initrd without drivers", &mut pack).map(drop)
        })?;
        Ok(Parts { kernel, initrd: folder.join("initrd") })
    }
}
