//! What the later stages ask for: drivers of file systems, and of the devices that images are put together with.
//!
//! Takes   the name of what is needed: a file system's type, a target of the device mapper.
//! Gives   nothing: it can be mounted or made afterwards, as far as modules decide that.
//! Fails   when the driver of a file system is nowhere. The device mapper says so itself when it is asked for a device.

use super::Drivers;
use crate::error::{Cause, Result};
use crate::machine::Machine;
use crate::op::Place;
use crate::sys::{self, Sys};

impl Drivers {
    /// Whether a file system can be mounted, or its driver is at hand.
    pub(in crate::stages) fn has_file_system<S: Sys>(&self, machine: &Machine<S>, fstype: &str) -> bool {
        let module = if fstype == "iso9660" { "isofs" } else { fstype };
        is_known(machine, fstype) || self.catalogue.files(module).is_some()
    }

    /// Makes images of a file system type usable: its driver, and loop devices.
    pub(in crate::stages) fn image<S: Sys>(&mut self, machine: &mut Machine<S>, fstype: &str) -> Result<()> {
        self.module(machine, "loop");
        self.file_system(machine, fstype)
    }

    /// Makes a file system type usable, or says that its driver is nowhere.
    pub(in crate::stages) fn file_system<S: Sys>(&mut self, machine: &mut Machine<S>, fstype: &str) -> Result<()> {
        if fstype == "vfat" {
            // FAT names are in a code page; the mount fails without its table (kernel: fs/fat/inode.c).
            for table in ["nls_cp437", "nls_ascii", "nls_iso8859_1", "nls_utf8"] {
                self.module(machine, table);
            }
        }
        if is_known(machine, fstype) {
            return Ok(());
        }
        self.by_alias_or_name(machine, &format!("fs-{fstype}"));
        if !is_known(machine, fstype) {
            self.module(machine, if fstype == "iso9660" { "isofs" } else { fstype });
        }
        if is_known(machine, fstype) {
            return Ok(());
        }
        let searched = self.catalogue.searched();
        Err(machine.error(format!("prepare to mount {fstype}"), Cause::NoDriver { name: fstype.to_owned(), searched }))
    }

    /// Makes mapped devices with a kind of target possible, as far as modules can; the kernel asks for the ciphers itself.
    pub(in crate::stages) fn mapper<S: Sys>(&mut self, machine: &mut Machine<S>, target: &str) {
        self.module(machine, "dm_mod");
        self.module(machine, &["dm_", target].concat()); // `linear` is part of dm_mod, and no module
    }

    /// Makes a file system of another machine usable. The one below a virtual machine is reached by virtio, which only
    /// disks have asked for so far.
    pub(in crate::stages) fn share<S: Sys>(&mut self, machine: &mut Machine<S>, fstype: &str) -> Result<()> {
        if fstype != "nfs4" {
            self.module(machine, "virtio_pci");
            self.module(machine, "virtio_mmio");
        }
        if fstype == "9p" {
            self.module(machine, "9pnet_virtio");
        }
        self.file_system(machine, fstype)
    }

    /// Makes devices over images with hash trees usable. Most kernels have a hash in portable code built in, and then do not
    /// ask for the module with the processor's own instructions.
    pub(in crate::stages) fn verity<S: Sys>(&mut self, machine: &mut Machine<S>, hash: &str) {
        self.module(machine, "loop");
        self.mapper(machine, "verity");
        self.by_alias_or_name(machine, &hash_alias(hash));
    }

    /// Makes images in several files usable.
    pub(in crate::stages) fn joined_image<S: Sys>(&mut self, machine: &mut Machine<S>) {
        self.module(machine, "loop");
        self.mapper(machine, "linear");
    }

    /// Makes encrypted image files usable.
    pub(in crate::stages) fn crypt_image<S: Sys>(&mut self, machine: &mut Machine<S>) {
        self.module(machine, "loop");
        self.mapper(machine, "crypt");
    }

    /// The error when those are not there.
    pub(in crate::stages) fn no_mapper(&self, target: &str) -> Cause {
        Cause::NoDriver { name: ["dm-", target].concat(), searched: self.catalogue.searched() }
    }
}

/// The name by which the kernel asks for the modules of a hash (`MODULE_ALIAS_CRYPTO` in linux/crypto.h).
pub(super) fn hash_alias(name: &str) -> String {
    ["crypto-", name].concat()
}

/// /proc/filesystems: `nodev` or nothing, a tab, the type.
fn is_known<S: Sys>(machine: &Machine<S>, fstype: &str) -> bool {
    let text = sys::read(machine.sys(), &Place::at("/proc/filesystems"), 1 << 16).unwrap_or_default();
    String::from_utf8_lossy(&text).lines().any(|line| line.rsplit('\t').next() == Some(fstype))
}
