//! Trees packed: squashfs, erofs, ext, ISO 9660, and the cpio archive of an initrd.
//!
//! Takes   a [`Tree`].
//! Gives   a file whose content belongs to root, made without root.
//! Leaves  no work folder.
//! Fails   when a program is missing or fails.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::tree::Tree;
use crate::tool::{command, run, text};

/// What a file of a live medium that holds a tree is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// squashfs, compressed with xz as most live media are.
    Squashfs,
    /// erofs, lz4hc.
    Erofs,
    /// ext2.
    Ext2,
    /// ext3.
    Ext3,
    /// ext4.
    Ext4,
    /// A package: a tar archive, compressed with gzip.
    Package,
}

/// MiB of room in an ext image beside what it holds: inode tables and journal.
const EXT_ROOM: u64 = 8;

/// What may not be a folder of a further initrd: it would replace the link of that name in the stock initrd.
const LINKS_OF_THE_STOCK_INITRD: [&str; 4] = ["bin", "lib", "lib64", "sbin"];

/// Bytes of the stand-in kernel: boot sector and the first sectors of set-up code, where its version is.
const KERNEL_SIZE: usize = 4096;
/// Where the stand-in kernel has its version.
const KERNEL_VERSION_AT: usize = 0x800;

/// Makes an image of a tree.
pub(super) fn make(format: Format, tree: &Tree, to: &Path) -> Result<()> {
    staged(tree, to, |folder| match format {
        Format::Squashfs => {
            let mut mksquashfs = command("mksquashfs");
            mksquashfs.args([
                text(folder)?,
                text(to)?,
                "-all-root",
                "-comp",
                "xz",
                "-noappend",
                "-no-progress",
                "-quiet",
            ]);
            // One processor: the images are small, and several are made at a time.
            run("squashfs", mksquashfs.args(["-processors", "1"])).map(drop)
        }
        Format::Erofs => {
            let mut erofs = command("mkfs.erofs");
            erofs.args(["--all-root", "--quiet", "-z", "lz4hc", text(to)?, text(folder)?]);
            run("erofs", &mut erofs).map(drop)
        }
        Format::Ext2 => ext("ext2", folder, to),
        Format::Ext3 => ext("ext3", folder, to),
        Format::Ext4 => ext("ext4", folder, to),
        Format::Package => {
            let mut tar = command("tar");
            tar.args(["--owner=0", "--group=0", "--sort=name", "-C", text(folder)?, "-czf", text(to)?, "."]);
            run("package", &mut tar).map(drop)
        }
    })
}

fn ext(kind: &str, folder: &Path, to: &Path) -> Result<()> {
    const SCRIPT: &str = r#"chown -R 0:0 "$1" && exec mke2fs -q -F -b 4096 -t "$2" -d "$1" "$3" "$4""#;
    let mut du = command("du");
    let listing = run("size of a tree", du.args(["-sm", text(folder)?]))?;
    let size: u64 = listing.split_whitespace().next().context("du's answer")?.parse().context("du's answer")?;
    let mut fakeroot = command("fakeroot");
    fakeroot.args(["--", "sh", "-c", SCRIPT, "sh", text(folder)?, kind, text(to)?, &format!("{}M", size + EXT_ROOM)]);
    run(kind, &mut fakeroot).map(drop)
}

/// An ISO with Rock Ridge and Joliet. It boots only where kernel and initrd are given directly.
pub(super) fn iso(tree: &Tree, label: &str, to: &Path) -> Result<()> {
    staged(tree, to, |folder| {
        let mut xorriso = command("xorriso");
        xorriso.args(["-as", "mkisofs", "-quiet", "-R", "-J", "-V", label, "-o", text(to)?, text(folder)?]);
        run("ISO", &mut xorriso).map(drop)
    })
}

/// A cpio archive, to be put behind a stock initrd.
pub(crate) fn initrd(tree: &Tree, to: &Path) -> Result<()> {
    const SCRIPT: &str = r#"cd "$1" && find . -mindepth 1 | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet > "$2""#;
    if let Some(path) =
        tree.paths().find(|path| LINKS_OF_THE_STOCK_INITRD.iter().any(|name| path.split('/').next() == Some(name)))
    {
        bail!("{path}: put it below usr; a folder would replace the stock initrd's link");
    }
    staged(tree, to, |folder| {
        let mut cpio = command("sh");
        run("initrd", cpio.args(["-c", SCRIPT, "sh", text(folder)?, text(to)?])).map(drop)
    })
}

/// The beginning of a kernel image as its boot protocol describes it (kernel: Documentation/arch/x86/boot.rst), enough for
/// those who read its version. It does not boot.
pub fn kernel(version: &str) -> Vec<u8> {
    let mut bytes = vec![0; KERNEL_SIZE];
    let pointer = u16::try_from(KERNEL_VERSION_AT - 0x200).unwrap_or_default().to_le_bytes();
    // Set-up sectors; boot signature; header magic; protocol 2.15; offset of the version string.
    let fields: [(usize, &[u8]); 6] = [
        (0x1f1, &[7]),
        (0x1fe, &[0x55, 0xaa]),
        (0x202, b"HdrS"),
        (0x206, &[0x0f, 0x02]),
        (0x20e, &pointer),
        (KERNEL_VERSION_AT, version.as_bytes()),
    ];
    for (at, field) in fields {
        for (to, from) in bytes.iter_mut().skip(at).zip(field) {
            *to = *from;
        }
    }
    bytes
}

/// Writes the tree into a folder beside the file that is made of it.
fn staged(tree: &Tree, to: &Path, pack: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let parent = to.parent().with_context(|| format!("folder of {}", to.display()))?;
    fs::create_dir_all(parent).with_context(|| format!("create {}", parent.display()))?;
    let work = tempfile::tempdir().context("a work folder")?;
    let folder = work.path().join("tree");
    tree.write(&folder)?;
    pack(&folder).with_context(|| format!("make {}", to.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_is_what_it_says() {
        let folder = tempfile::tempdir().unwrap();
        for (format, kind) in [
            (Format::Squashfs, "squashfs"),
            (Format::Erofs, "erofs"),
            (Format::Ext2, "ext2"),
            (Format::Ext3, "ext3"),
            (Format::Ext4, "ext4"),
        ] {
            let to = folder.path().join(kind);
            make(format, &Tree::new().text("a/b", "text"), &to).unwrap();
            let seen = run("blkid", command("blkid").args(["-p", "-o", "value", "-s", "TYPE"]).arg(&to)).unwrap();
            assert_eq!(seen.trim(), kind);
        }
    }

    #[test]
    fn a_folder_that_would_replace_a_link_of_the_stock_initrd_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("initrd");
        let error = initrd(&Tree::new().text("lib/x", "text"), &to).unwrap_err().to_string();
        assert!(error.starts_with("lib/x: put it below usr"), "{error}");
        initrd(&Tree::new().text("usr/lib/x", "text"), &to).unwrap();
        assert!(fs::read(&to).unwrap().starts_with(b"070701"));
    }

    #[test]
    fn the_stand_in_kernel_has_its_version_where_the_boot_protocol_says() {
        let bytes = kernel("6.8.0-31-generic (build) #1");
        let at = usize::from(u16::from_le_bytes([bytes[0x20e], bytes[0x20f]])) + 0x200;
        assert!(bytes[at..].starts_with(b"6.8.0-31-generic (build) #1\0"));
        assert_eq!(&bytes[0x1fe..0x200], [0x55, 0xaa]);
    }
}
