//! The machines, media and images of the scenarios, made by code.

use super::modules::{RELEASE, behaviour, with_index};
use isolde::sys::record::{Arrival, Arrives, Content, Medium, Tree, World};
use isolde::sys::{BlockDevice, Bus};

pub const UUID: &str = "0b8d8cfa-6a8c-4d4e-9b0a-3f8c2f1e0d5c";
pub const SERIAL: &str = "AB12-34CD";
const XHCI: &str = "pci:v00001B36d0000000Dsv00001AF4sd00001100bc0Csc03i30";
const GRAPHICS: &str = "pci:v00008086d00001916sv*sd*bc03sc00i00";
const STICK: &str = "usb:v0781p5581d0100dc00dsc00dp00ic08isc06ip50in00";
const DISK: &str = "scsi:t-0x00";

pub fn bytes(bytes: Vec<u8>) -> Content {
    Content::new(bytes)
}

/// A machine with a USB controller and graphics, whose drivers are modules.
pub fn machine(cmdline: &str) -> World {
    let initramfs = Tree::new()
        .program("init")
        .program("bin/sh")
        .directory("dev")
        .directory("proc")
        .directory("sys")
        .directory("run");
    World {
        cmdline: cmdline.to_owned(),
        release: RELEASE.to_owned(),
        initramfs: with_index(initramfs, |_| true),
        modules: behaviour(),
        arrivals: vec![
            Arrival::now(Arrives::Modalias(XHCI.into())),
            Arrival::now(Arrives::Modalias(GRAPHICS.into())),
            Arrival::now(Arrives::Modalias(STICK.into())).needing("xhci_pci"),
            Arrival::now(Arrives::Modalias(DISK.into())).needing("usb_storage"),
        ],
        ..World::default()
    }
}

/// A partition with a file system; it comes when the driver of disks is loaded.
pub fn partition(name: &str, medium: &Medium) -> Arrival {
    disk(name, Content::image(medium))
}

/// The same with any bytes; a name without a number is a whole disk.
pub fn disk(name: &str, content: Content) -> Arrival {
    let disk = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let number = name.strip_prefix(disk).unwrap().parse().ok();
    let device = BlockDevice {
        name: name.into(),
        disk: number.map(|_| disk.into()),
        partition: number,
        sequence: None,
        size: content.size(),
        removable: true,
        bus: Bus::Usb,
        mapped: None,
    };
    Arrival::now(Arrives::Device(device, content)).needing("sd_mod")
}

/// A partition of a disk inside the machine.
pub fn internal(name: &str, content: Content) -> Arrival {
    let mut arrival = disk(name, content);
    if let Arrives::Device(device, _) = &mut arrival.what {
        (device.removable, device.bus) = (false, Bus::Ata);
    }
    arrival
}

/// Swap space with a system that sleeps.
pub fn hibernated() -> Content {
    let mut bytes = vec![0; 64 << 10];
    bytes[4086..4096].copy_from_slice(b"S1SUSPEND\0");
    Content::new(bytes)
}

/// Somebody types this at a console, so many seconds after the kernel's start.
pub fn typed(text: &str, seconds: u64) -> Arrival {
    Arrival::now(Arrives::Typed(text.into())).after(seconds)
}

/// The partition table of a disk with one Linux partition (UEFI specification, 5.2.1, legacy master boot record).
pub fn mbr(signature: u32) -> Content {
    let mut bytes = vec![0; 4 << 20];
    bytes[440..444].copy_from_slice(&signature.to_le_bytes());
    bytes[446 + 4] = 0x83;
    bytes[446 + 8..446 + 12].copy_from_slice(&2048_u32.to_le_bytes());
    bytes[446 + 12..446 + 16].copy_from_slice(&4096_u32.to_le_bytes());
    bytes[510..512].copy_from_slice(&[0x55, 0xaa]);
    Content::new(bytes)
}

pub fn with(mut world: World, arrivals: impl IntoIterator<Item = Arrival>) -> World {
    world.arrivals.extend(arrivals);
    world
}

/// A Debian with merged /usr.
pub fn root() -> Tree {
    rootless_init()
        .link("usr/sbin/init", "../lib/systemd/systemd")
        .program("usr/lib/systemd/systemd")
        .program("usr/bin/sh")
}

/// The same without any init.
pub fn rootless_init() -> Tree {
    let mut tree = Tree::new().file("etc/hostname", "debian\n").file("usr/lib/os-release", "ID=debian\n");
    for folder in ["dev", "proc", "sys", "run", "home", "tmp", "usr/bin", "usr/sbin", "usr/lib/firmware"] {
        tree = tree.directory(folder);
    }
    tree.link("bin", "usr/bin").link("sbin", "usr/sbin").link("lib", "usr/lib")
}

pub fn squashfs(tree: Tree) -> Content {
    Content::image(&Medium::new("squashfs", tree))
}

/// As live-build makes them.
pub fn debian() -> Medium {
    let tree = Tree::new()
        .file("live/filesystem.squashfs", squashfs(root()))
        .file("live/vmlinuz", "kernel")
        .file(".disk/info", "Debian");
    Medium::new("iso9660", tree).labelled("DEBIAN LIVE").identified("2026-11-21-08-30-00-00")
}

/// As livemedia-creator makes them, with the nested image of dracut's older layout.
pub fn fedora() -> Medium {
    let inner = Content::image(&Medium::new("ext4", root()).labelled("Anaconda").identified(UUID));
    let container = squashfs(Tree::new().file("LiveOS/rootfs.img", inner));
    Medium::new("iso9660", Tree::new().file("LiveOS/squashfs.img", container)).labelled("Fedora-Live")
}

pub fn ext4(tree: Tree) -> Medium {
    Medium::new("ext4", tree).labelled("LIVE").identified(UUID)
}

pub fn vfat(tree: Tree) -> Medium {
    Medium::new("vfat", tree).labelled("STICK").identified(SERIAL)
}

/// A store with the Debian ISO.
pub fn store() -> Tree {
    Tree::new().file("iso/debian.iso", Content::image(&debian()))
}

/// A line as b3sum writes it.
pub fn b3sum(content: &Content, name: &str) -> String {
    format!("{}  {name}\n", blake3::hash(&content.to_vec()).to_hex())
}

/// An extension with firmware, and a file that the root has too.
pub fn extension() -> Content {
    let tree = Tree::new()
        .file("lib/firmware/b43/ucode.fw", "firmware")
        .file("etc/hostname", "theirs\n")
        .file("opt/tool/data", "data")
        .program("ExtensionRun");
    squashfs(tree)
}
