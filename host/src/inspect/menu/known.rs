//! Kernels and initrds by the names that distributions give them, for images without a config file that can be read.

use isolde::families::tree::Tree;
use isolde::formats::glob;
use std::io;

/// Folder, and patterns of the two names.
const PLACES: &[(&str, &str, &str)] = &[
    ("casper", "vmlinuz*", "initrd*"),
    ("live", "vmlinuz*", "initrd*"),
    ("images/pxeboot", "vmlinuz*", "initrd*"),
    ("boot/x86_64/loader", "linux", "initrd"),
    ("boot/aarch64/loader", "linux", "initrd"),
    ("isolinux", "vmlinuz*", "initrd*"),
    ("arch/boot/x86_64", "vmlinuz*", "initramfs*.img"),
    ("sysresccd/boot/x86_64", "vmlinuz*", "sysresccd.img"),
    ("antiX", "vmlinuz", "initrd.gz"),
    ("boot/syslinux", "vmlinuz", "initrd*"),
    ("slax/boot", "vmlinuz", "initrfs.img"),
    ("minios/boot", "vmlinuz*", "initrfs*"),
    ("boot", "vmlinuz*", "init*"),
    ("boot", "generic", "initrd.img"),
    ("boot", "gentoo", "gentoo.igz"),
    ("boot", "kernel", "initrd*"),
    ("boot", "bzImage", "initrd"),
    ("kernel", "kernel.xz", "initrd*"),
    ("", "vmlinuz", "initrd*"),
];

/// The kernel and the initrd of the first place that has both.
pub(super) fn find(tree: &dyn Tree) -> io::Result<Option<(String, String)>> {
    for (folder, kernel, initrd) in PLACES {
        if !tree.is_directory(folder)? {
            continue;
        }
        let names = tree.list(folder)?;
        let matching = |pattern: &str| -> io::Result<Option<String>> {
            for entry in names.iter().filter(|entry| glob::matches(pattern.as_bytes(), entry.name.as_bytes())) {
                let path = if folder.is_empty() { entry.name.clone() } else { format!("{folder}/{}", entry.name) };
                if tree.is_file(&path)? {
                    return Ok(Some(path));
                }
            }
            Ok(None)
        };
        if let (Some(kernel), Some(initrd)) = (matching(kernel)?, matching(initrd)?) {
            return Ok(Some((kernel, initrd)));
        }
    }
    Ok(None)
}
