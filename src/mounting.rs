//! How each file system is mounted: its driver's name and the options that keep a read-only mount from writing.

use crate::formats::superblock::Format;

/// How a file system is mounted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mounting {
    /// The type's name in /proc/filesystems.
    pub(crate) fstype: &'static str,
    /// Options for reading. Without them even a read-only mount replays a journal, which writes.
    pub(crate) read_only: &'static str,
    /// Options for writing; `None` where there is no such thing, or it is not safe.
    pub(crate) writable: Option<&'static str>,
}

/// `None` for what is no file system, or none that we mount.
pub(crate) fn mounting(format: Format) -> Option<Mounting> {
    let how = |fstype, read_only, writable| Some(Mounting { fstype, read_only, writable });
    match format {
        // The ext4 driver serves all three (kernel: admin-guide/ext4.rst).
        Format::Ext2 | Format::Ext3 | Format::Ext4 => how("ext4", "noload", Some("errors=remount-ro")),
        // Names are UTF-16 there. Unless they are asked for in UTF-8, the kernel's default counts, which may be Latin 1
        // (CONFIG_NLS_DEFAULT): a name with other letters would then not be found.
        Format::Vfat => how("vfat", "utf8,umask=022", Some("utf8,umask=022")),
        Format::Exfat => how("exfat", "iocharset=utf8,umask=022", Some("iocharset=utf8,umask=022")),
        // The top of all sub-volumes, which is where GRUB's paths begin; btrfs(5).
        Format::Btrfs => how("btrfs", "rescue=nologreplay,subvolid=5", Some("subvolid=5")),
        Format::Xfs => how("xfs", "norecovery", Some("")),
        Format::F2fs => how("f2fs", "norecovery", Some("")),
        // Never `force`: the driver refuses to write to what is marked, and stages/store/ntfs.rs to what Windows still uses.
        Format::Ntfs => how("ntfs3", "iocharset=utf8", Some("iocharset=utf8,umask=022")),
        Format::Iso9660 => how("iso9660", "", None),
        Format::Udf => how("udf", "", None),
        Format::Squashfs => how("squashfs", "", None),
        Format::Erofs => how("erofs", "", None),
        _ => None,
    }
}
