//! The modules of an initramfs, made by code: real ELF files with a `.modinfo`, and depmod's index over them.

use isolde::sys::record::{Module, Tree};
use std::collections::BTreeMap;

/// The version of the kernel that all of them are for.
pub const RELEASE: &str = "6.1.0-test";

/// One module: its path below `kernel/`, what it needs, its aliases, and what it brings.
pub struct Row(&'static str, &'static [&'static str], &'static [&'static str], &'static [&'static str]);

pub const ROWS: &[Row] = &[
    Row("drivers/usb/core/usbcore", &[], &[], &[]),
    Row("drivers/usb/host/xhci-pci", &["usbcore"], &["pci:v*d*sv*sd*bc0Csc03i30*"], &[]),
    Row("drivers/scsi/scsi_mod", &[], &[], &[]),
    Row("drivers/usb/storage/usb-storage", &["usbcore", "scsi_mod"], &["usb:v*p*d*dc*dsc*dp*ic08isc06ip50in*"], &[]),
    Row("drivers/scsi/sd_mod", &["scsi_mod"], &["scsi:t-0x00*"], &[]),
    Row("drivers/hid/usbhid", &["usbcore"], &["usb:v*p*d*dc*dsc*dp*ic03isc*ip*in*"], &[]),
    Row("drivers/gpu/drm/i915/i915", &[], &["pci:v00008086d*sv*sd*bc03sc*i*"], &[]),
    Row("drivers/block/loop", &[], &["char-major-10-237"], &["loop"]),
    Row("lib/crc16", &[], &[], &[]),
    Row("fs/mbcache", &[], &[], &[]),
    Row("fs/jbd2/jbd2", &["crc16"], &[], &[]),
    Row("fs/ext4/ext4", &["jbd2", "mbcache", "crc16"], &["fs-ext4", "fs-ext3", "fs-ext2"], &["ext4"]),
    Row("fs/fat/fat", &[], &[], &[]),
    Row("fs/fat/vfat", &["fat"], &["fs-vfat"], &["vfat"]),
    Row("fs/nls/nls_cp437", &[], &[], &["nls_cp437"]),
    Row("fs/nls/nls_ascii", &[], &[], &["nls_ascii"]),
    Row("fs/isofs/isofs", &[], &["fs-iso9660"], &["iso9660"]),
    Row("fs/squashfs/squashfs", &[], &["fs-squashfs"], &["squashfs"]),
    Row("fs/erofs/erofs", &[], &["fs-erofs"], &["erofs"]),
    Row("drivers/md/dm-mod", &[], &["devname:mapper/control"], &["dm-linear"]),
    Row("drivers/md/dm-crypt", &["dm_mod"], &[], &["dm-crypt"]),
    Row("drivers/md/dm-bufio", &[], &[], &[]),
    Row("drivers/md/dm-verity", &["dm_bufio", "dm_mod"], &[], &["dm-verity"]),
    Row("arch/x86/crypto/sha256-ssse3", &[], &["crypto-sha256"], &[]),
    Row("fs/overlayfs/overlay", &[], &["fs-overlay"], &["overlay"]),
    Row("mm/zsmalloc", &[], &[], &[]),
    Row("drivers/block/zram/zram", &["zsmalloc"], &["devname:zram"], &["zram"]),
];

impl Row {
    fn name(&self) -> String {
        self.0.rsplit('/').next().unwrap().replace('-', "_")
    }
    fn path(&self) -> String {
        format!("kernel/{}.ko", self.0)
    }
}

/// What each needs, directly and not, by name.
pub fn needs(name: &str) -> Vec<String> {
    let Some(row) = ROWS.iter().find(|row| row.name() == name) else { return Vec::new() };
    row.1.iter().flat_map(|needed| needs(needed).into_iter().chain([(*needed).to_owned()])).collect()
}

/// What the fake kernel does with them.
pub fn behaviour() -> BTreeMap<String, Module> {
    let owned = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect();
    ROWS.iter().map(|row| (row.name(), Module { needs: owned(row.1), provides: owned(row.3), refuses: None })).collect()
}

/// The tree with the modules, without their index.
pub fn without_index(tree: Tree, keep: impl Fn(&str) -> bool) -> Tree {
    files(tree, "lib/modules", keep)
}

/// The tree with the modules and depmod's index.
pub fn with_index(tree: Tree, keep: impl Fn(&str) -> bool) -> Tree {
    indexed(tree, "lib/modules", keep)
}

/// The tree with the modules and their index where `isolde mkinitrd` puts them.
pub fn with_bridge(tree: Tree, keep: impl Fn(&str) -> bool) -> Tree {
    indexed(tree, "isolde/modules", keep)
}

/// A root whose /lib is a link, with the modules and their index.
pub fn in_a_root(tree: Tree, keep: impl Fn(&str) -> bool) -> Tree {
    indexed(tree, "usr/lib/modules", keep)
}

fn files(mut tree: Tree, folder: &str, keep: impl Fn(&str) -> bool) -> Tree {
    for row in ROWS.iter().filter(|row| keep(&row.name())) {
        tree = tree.file(&format!("{folder}/{RELEASE}/{}", row.path()), super::worlds::bytes(elf(row)));
    }
    tree
}

fn indexed(tree: Tree, folder: &str, keep: impl Fn(&str) -> bool) -> Tree {
    let kept: Vec<&Row> = ROWS.iter().filter(|row| keep(&row.name())).collect();
    let path = |name: &str| ROWS.iter().find(|row| row.name() == name).unwrap().path();
    let depends = kept.iter().map(|row| {
        // depmod writes what is needed first last.
        let all = needs(&row.name());
        let mut seen: Vec<String> = Vec::new();
        all.iter().for_each(|name| {
            if !seen.contains(name) {
                seen.push(name.clone())
            }
        });
        let needed: String = seen.iter().rev().map(|name| format!(" {}", path(name))).collect();
        (row.name(), format!("{}:{needed}", row.path()))
    });
    let aliases =
        kept.iter().flat_map(|row| row.2.iter().map(|alias| (alias.replace('-', "_"), row.name())).collect::<Vec<_>>());
    let tables = format!("{folder}/{RELEASE}");
    files(tree, folder, &keep)
        .file(&format!("{tables}/modules.dep.bin"), super::worlds::bytes(index(depends)))
        .file(&format!("{tables}/modules.alias.bin"), super::worlds::bytes(index(aliases)))
}

#[derive(Default)]
struct Node {
    children: BTreeMap<u8, Node>,
    values: Vec<String>,
}

/// kmod's index file (libkmod-index.h), one node for each letter.
fn index(entries: impl Iterator<Item = (String, String)>) -> Vec<u8> {
    let mut root = Node::default();
    for (key, value) in entries {
        let node = key.bytes().fold(&mut root, |node, letter| node.children.entry(letter).or_default());
        node.values.push(value);
    }
    let mut out = [0xb007_f457_u32, 0x0002_0001, 0].map(u32::to_be_bytes).concat();
    let at = write(&root, &mut out);
    out[8..12].copy_from_slice(&at.to_be_bytes());
    out
}

fn write(node: &Node, out: &mut Vec<u8>) -> u32 {
    let children: BTreeMap<u8, u32> =
        node.children.iter().map(|(letter, child)| (*letter, write(child, out))).collect();
    let mut at = u32::try_from(out.len()).unwrap();
    if let (Some((first, _)), Some((last, _))) = (children.first_key_value(), children.last_key_value()) {
        at |= 0x2000_0000;
        out.extend([*first, *last]);
        for letter in *first..=*last {
            out.extend(children.get(&letter).copied().unwrap_or(0).to_be_bytes());
        }
    }
    if !node.values.is_empty() {
        at |= 0x4000_0000;
        out.extend(u32::try_from(node.values.len()).unwrap().to_be_bytes());
        for value in &node.values {
            out.extend(0_u32.to_be_bytes());
            out.extend(value.bytes().chain([0]));
        }
    }
    at
}

/// A 64-bit ELF file (elf(5)) with the sections `.modinfo` and `.shstrtab` alone.
fn elf(row: &Row) -> Vec<u8> {
    const NAMES: &[u8] = b"\0.modinfo\0.shstrtab\0";
    let mut info = format!("name={}\0depends={}\0", row.name(), row.1.join(","));
    row.2.iter().for_each(|alias| info.push_str(&format!("alias={alias}\0")));
    let (info_at, names_at) = (64, 64 + info.len());
    let table = (names_at + NAMES.len()).next_multiple_of(8);
    let mut out = b"\x7fELF\x02\x01\x01".to_vec();
    out.resize(0x28, 0);
    out.extend((table as u64).to_le_bytes());
    out.resize(0x3a, 0);
    out.extend([64_u16, 3, 2].map(u16::to_le_bytes).concat());
    out.extend(info.bytes());
    out.extend(NAMES);
    out.resize(table + 64, 0);
    for (name, at, length) in [(1_u32, info_at, info.len()), (10, names_at, NAMES.len())] {
        let start = out.len();
        out.extend(name.to_le_bytes());
        out.resize(start + 0x18, 0);
        out.extend((at as u64).to_le_bytes());
        out.extend((length as u64).to_le_bytes());
        out.resize(start + 64, 0);
    }
    out
}
