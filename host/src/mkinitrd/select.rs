//! Which modules come along.
//!
//! Takes   a kernel's [`Tables`], and the names that are asked for.
//! Gives   for each name an [`Answer`], and the set of modules with all that they need. Pure.
//! Fails   never: a name that means nothing in this kernel is [`Answer::Missing`].

use super::tables::{Row, Tables, name_of};
use isolde::stages::drivers;
use std::collections::BTreeSet;

/// What becomes of a name that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// These modules come along: itself, or what answers to it, and what they need.
    Taken(BTreeSet<String>),
    /// It is in the kernel itself.
    BuiltIn,
    /// It is in this kernel in no form.
    Missing,
    /// It needs a module that the image does not have.
    Incomplete(String),
}

/// What a module asks the kernel for only once it is used, by name or alias; no table of the kernel has it. Each is taken
/// where it exists: which of them a kernel has as modules differs.
const ASKS_FOR: &[(&str, &[&str])] = &[
    // The code page of its short names and the character set of the others (fs/fat/inode.c).
    ("vfat", TABLES),
    ("msdos", TABLES),
    ("exfat", &["nls_utf8"]),
    ("ntfs3", &["nls_utf8"]),
    ("ntfs", &["nls_utf8"]),
    ("hfsplus", &["nls_utf8"]),
    ("hfs", TABLES),
    ("isofs", TABLES),
    ("udf", TABLES),
    ("f2fs", &["crc32", "lz4", "lz4hc", "zstd"]),
    ("btrfs", &["crc32c", "xxhash64", "sha256", "blake2b_256"]),
    ("ext4", &["crc32c"]),
    ("jbd2", &["crc32c"]),
    ("xfs", &["crc32c"]),
    // The ciphers of LUKS1 and LUKS2 as cryptsetup makes them, and those of older volumes.
    ("dm_crypt", CIPHERS),
    ("dm_verity", &["crypto-sha256"]),
    // What distributions choose for it (CONFIG_ZRAM_DEF_COMP). Without a bridge init takes it from the image, once that is
    // mounted.
    ("zram", &["lzo-rle", "zstd"]),
];
/// Character sets: what distributions choose for FAT and Joliet (CONFIG_FAT_DEFAULT_*, CONFIG_NLS_DEFAULT).
const TABLES: &[&str] = &["nls_cp437", "nls_ascii", "nls_iso8859_1", "nls_utf8"];
/// By the names that the kernel asks for them.
const CIPHERS: &[&str] = &[
    "crypto-aes",
    "crypto-xts",
    "crypto-cbc",
    "crypto-ecb",
    "crypto-essiv",
    "crypto-sha1",
    "crypto-sha256",
    "crypto-sha512",
    "crypto-authenc",
    "crypto-hmac",
    "crypto-cryptd",
];
/// Drivers of special hardware answer to the same names as the ciphers in software, and want firmware.
const ACCELERATORS: &str = "kernel/drivers/crypto/";

/// Beside the drivers that init loads for devices: the file systems of stores and images, and device mapper.
const STANDALONE: &[&str] = &[
    "btrfs",
    "dm_crypt",
    "dm_mod",
    "dm_verity",
    "erofs",
    "exfat",
    "ext4",
    "f2fs",
    "fat",
    "isofs",
    "loop",
    "ntfs3",
    "overlay",
    "squashfs",
    "udf",
    "vfat",
    "xfs",
];

/// What most machines and sticks have: a module that is asked for everywhere is worth having unpacked.
const USUAL: &[&str] = &[
    "ahci",
    "ehci_pci",
    "erofs",
    "exfat",
    "nvme",
    "sdhci_pci",
    "sr_mod",
    "virtio_blk",
    "virtio_pci",
    "virtio_scsi",
    "xhci_pci",
];

/// No store is on a network, and the drivers of such cards are half of all drivers for disks.
const NETWORKS: &[&str] =
    &["kernel/net/", "kernel/drivers/net/", "kernel/drivers/infiniband/", "kernel/drivers/target/"];
/// Fibre Channel's and iSCSI's.
const TRANSPORTS: &[&str] = &["scsi_transport_fc", "scsi_transport_iscsi", "libfc", "libiscsi"];

/// What a name comes to.
pub fn ask(tables: &Tables, name: &str) -> Answer {
    let file_system = ["fs-", name].concat();
    let mut found: Vec<&str> = tables.module(name).map(|(name, _)| name).into_iter().collect();
    if found.is_empty() {
        if tables.is_built_in(name) || tables.is_built_in(&file_system) {
            return Answer::BuiltIn;
        }
        found = tables.by_alias(&file_system);
    }
    if found.is_empty() {
        return Answer::Missing;
    }
    let (all, missing) = closure(tables, found.into_iter().map(str::to_owned).collect());
    match missing.into_iter().next() {
        None => Answer::Taken(all),
        Some(needed) => Answer::Incomplete(needed),
    }
}

/// What a boot without any other initrd may ask for.
pub fn standalone(tables: &Tables) -> BTreeSet<String> {
    let buses = tables.for_devices();
    let by_device = tables.modules().filter(|(name, row)| {
        let buses = buses.get(name);
        let is_remote = row.needs.iter().any(|path| is_of_a_network(path)) && buses.is_some_and(is_pci);
        (buses.is_some() && !is_remote && drivers::may_be_needed(&row.path)) || drivers::is_needed_soon(name)
    });
    let by_device = by_device.map(|(name, _)| name);
    let by_name = STANDALONE.iter().filter_map(|name| Some(tables.module(name)?.0));
    let (mut all, missing) = closure(tables, by_device.chain(by_name).map(str::to_owned).collect());
    // One whose needs are not there cannot be loaded in the image itself either.
    let is_whole = |row: &Row| row.needs.iter().all(|path| !missing.contains(&name_of(path)));
    all.retain(|name| tables.module(name).is_some_and(|(_, row)| is_whole(row)));
    all
}

/// Those of [`standalone`] that nearly every boot loads.
pub fn usual(tables: &Tables) -> BTreeSet<String> {
    let soon = tables.modules().map(|(name, _)| name).filter(|name| drivers::is_needed_soon(name));
    let usual = USUAL.iter().filter_map(|name| Some(tables.module(name)?.0));
    closure(tables, soon.chain(usual).map(str::to_owned).collect()).0
}

/// Whether what needs this module reaches its disks over a network.
fn is_of_a_network(path: &str) -> bool {
    NETWORKS.iter().any(|folder| path.starts_with(folder)) || TRANSPORTS.contains(&name_of(path).as_str())
}

/// Whether the devices are cards: Hyper-V's own disks use a network's transport without one.
fn is_pci(buses: &BTreeSet<&[u8]>) -> bool {
    buses.iter().all(|bus| *bus == b"pci")
}

/// These modules with all that they need and ask for; and those that are needed and not there.
fn closure(tables: &Tables, mut waiting: Vec<String>) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut all, mut missing, mut wished) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    while let Some(name) = waiting.pop() {
        let Some((name, row)) = tables.module(&name) else {
            missing.insert(name);
            continue;
        };
        if !all.insert(name.to_owned()) {
            continue;
        }
        waiting.extend(row.needs.iter().map(|path| name_of(path)));
        let asks_for = ASKS_FOR.iter().filter(|(who, _)| *who == name).flat_map(|(_, what)| *what);
        let before = tables.before(name).iter().map(String::as_str);
        for wish in asks_for.copied().chain(before).filter(|wish| wished.insert(*wish)) {
            waiting.extend(answers(tables, wish).into_iter().map(str::to_owned));
        }
    }
    (all, missing)
}

/// Who comes when a module asks for a name or an alias.
fn answers<'a>(tables: &'a Tables, wish: &str) -> Vec<&'a str> {
    let mut found = tables.by_alias(wish);
    found.extend(tables.module(wish).map(|(name, _)| name));
    found.retain(|name| tables.module(name).is_some_and(|(_, row)| !row.path.starts_with(ACCELERATORS)));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables() -> Tables {
        let mut tables = Tables::default();
        tables.depends(
            "kernel/fs/exfat/exfat.ko:\n\
             kernel/fs/ext4/ext4.ko: kernel/fs/jbd2/jbd2.ko kernel/lib/crc16.ko\n\
             kernel/fs/jbd2/jbd2.ko:\n\
             kernel/lib/crc16.ko: kernel/fs/ext4/ext4.ko\n\
             kernel/fs/fat/vfat.ko: kernel/fs/fat/fat.ko\n\
             kernel/fs/fat/fat.ko:\n\
             kernel/fs/nls/nls_utf8.ko:\n\
             kernel/fs/nls/nls_cp437.ko:\n\
             kernel/arch/x86/crypto/crc32c-intel.ko:\n\
             kernel/arch/x86/crypto/sha256-ssse3.ko:\n\
             kernel/drivers/md/dm-verity.ko: kernel/drivers/md/dm-mod.ko\n\
             kernel/drivers/md/dm-mod.ko:\n\
             kernel/drivers/crypto/qat/qat.ko:\n\
             kernel/fs/isofs/isofs.ko: kernel/drivers/cdrom/cdrom.ko\n\
             kernel/drivers/usb/storage/usb-storage.ko: kernel/drivers/scsi/scsi_mod.ko\n\
             kernel/drivers/scsi/scsi_mod.ko:\n\
             kernel/drivers/gpu/drm/i915.ko:\n\
             kernel/drivers/block/nbd.ko:\n\
             kernel/drivers/block/loop.ko:\n\
             kernel/drivers/scsi/scsi_transport_fc.ko:\n\
             kernel/drivers/scsi/lpfc.ko: kernel/drivers/scsi/scsi_transport_fc.ko\n\
             kernel/drivers/scsi/hv_storvsc.ko: kernel/drivers/scsi/scsi_transport_fc.ko\n",
        );
        tables.aliases(
            "alias fs-ext3 ext4\nalias crc32c crc32c_intel\nalias crc32c qat\nalias crypto-sha256 sha256_ssse3\n\
             alias usb:v*ic08is06ip50in* usb_storage\nalias pci:v00008086* i915\nalias block-major-43-* nbd\n\
             alias devname:nbd0 nbd\nalias pci:v000010DF* lpfc\nalias vmbus:d96361baa104294d* hv_storvsc\n",
        );
        tables.built_in("kernel/fs/fuse/fuse.ko\n");
        tables
    }

    fn taken(name: &str) -> Vec<String> {
        match ask(&tables(), name) {
            Answer::Taken(all) => all.into_iter().collect(),
            other => panic!("{name}: {other:?}"),
        }
    }

    #[test]
    fn a_module_comes_with_what_it_needs_and_asks_for() {
        // A circle between ext4 and crc16, which no kernel has, ends.
        assert_eq!(taken("ext4"), ["crc16", "crc32c_intel", "ext4", "jbd2"]);
        assert_eq!(taken("ext3"), taken("ext4"));
        assert_eq!(taken("exfat"), ["exfat", "nls_utf8"]);
        assert_eq!(taken("vfat"), ["fat", "nls_cp437", "nls_utf8", "vfat"]);
        assert_eq!(taken("usb-storage"), ["scsi_mod", "usb_storage"]);
    }

    #[test]
    fn what_cannot_come_is_told_apart() {
        assert_eq!(ask(&tables(), "fuse"), Answer::BuiltIn);
        assert_eq!(ask(&tables(), "ntfs3"), Answer::Missing);
        assert_eq!(ask(&tables(), "isofs"), Answer::Incomplete("cdrom".to_owned()));
    }

    #[test]
    fn alone_without_what_no_boot_asks_for() {
        let all = standalone(&tables());
        for name in [
            "exfat",
            "ext4",
            "jbd2",
            "vfat",
            "usb_storage",
            "scsi_mod",
            "hv_storvsc",
            "loop",
            "dm_verity",
            "sha256_ssse3",
        ] {
            assert!(all.contains(name), "{name}: {all:?}");
        }
        for name in ["i915", "qat", "isofs", "nbd", "lpfc"] {
            assert!(!all.contains(name), "{name}");
        }
    }
}
