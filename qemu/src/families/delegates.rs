//! Systems that cannot be taken over, each with a stand-in for its own init: Slax, Porteus, Slackware, antiX, Puppy, Alpine.
//!
//! The stand-ins are the scripts in `inits/`: they search as the real ones do, and then enter what they found.

use anyhow::Result;

use super::image::{Format, kernel};
use super::root::{SHELL, layer, lowest};
use super::{Base, Sample, Tree};

pub(super) fn samples() -> Result<Vec<Sample>> {
    Ok(vec![slax()?, porteus()?, slackware()?, antix()?, puppy()?, alpine()?])
}

/// An initrd whose init searches like that.
fn initrd(search: &str) -> Tree {
    let begin = include_str!("inits/begin.sh");
    Tree::new().program("init", format!("{begin}{SHELL}}}\n{search}"))
}

/// Images of those names and trees.
fn images(medium: Tree, images: Vec<(&str, Tree)>) -> Tree {
    images.into_iter().fold(medium, |medium, (path, tree)| medium.image(path, Format::Squashfs, tree))
}

/// Linux Live Kit: bundles by number, then the user's modules.
fn slax() -> Result<Sample> {
    let bundles = vec![
        ("slax/01-core.sb", lowest("01-core")?),
        ("slax/02-xorg.sb", layer("02-xorg")),
        ("slax/10-apps.sb", layer("10-apps")),
        ("slax/modules/a-module.sb", layer("a-module")),
    ];
    let medium = images(Tree::new(), bundles).bytes("slax/boot/vmlinuz", kernel("6.1.38 (root@slax) #1 SMP"));
    Ok(Sample {
        name: "slax",
        label: "SLAX",
        words: "vga=normal load_ramdisk=1 prompt_ramdisk=0 rw printk.time=0 from=$P",
        base: Base::InitramfsTools,
        medium,
        initrd_path: "slax/boot/initrfs.img",
        initrd: initrd(include_str!("inits/slax.sh")).text("usr/lib/config", "LIVEKITNAME=\"slax\"\nBEXT=sb\n"),
        scripts: Tree::new(),
    })
}

/// Two folders by path, and what `load=` names of a third.
fn porteus() -> Result<Sample> {
    let modules = vec![
        ("porteus/base/000-kernel.xzm", layer("000-kernel")),
        ("porteus/base/001-core.xzm", lowest("001-core")?),
        ("porteus/modules/000-mine.xzm", layer("000-mine")),
        ("porteus/optional/firefox.xzm", layer("firefox")),
        ("porteus/optional/office.xzm", layer("office")),
    ];
    let medium = images(Tree::new(), modules)
        .text("porteus/porteus-v5.01-x86_64.cfg", "# Porteus configuration\n")
        .bytes("boot/syslinux/vmlinuz", kernel("6.5.5-porteus (root@porteus) #1 SMP PREEMPT_DYNAMIC"));
    Ok(Sample {
        name: "porteus",
        label: "Porteus",
        words: "from=$P load=firefox",
        base: Base::InitramfsTools,
        medium,
        initrd_path: "boot/syslinux/initrd.xz",
        initrd: initrd(include_str!("inits/porteus.sh")),
        scripts: Tree::new(),
    })
}

/// system, addons, and what `load=` names of optional.
fn slackware() -> Result<Sample> {
    let modules = vec![
        ("liveslak/system/0010-slackware_a-15.0-x86_64.sxz", lowest("0010-a")?),
        ("liveslak/system/0099-slackware_zzzconf-15.0-x86_64.sxz", layer("0099-zzzconf")),
        ("liveslak/addons/0001-addon.sxz", layer("0001-addon")),
        ("liveslak/optional/0050-nvidia.sxz", layer("0050-nvidia")),
    ];
    let medium =
        images(Tree::new(), modules).bytes("boot/generic", kernel("5.15.19 (root@z-mp.slackware.lan) #1 SMP PREEMPT"));
    Ok(Sample {
        name: "slackware",
        label: "LIVESLAK",
        words: "livemedia=scandev:$P load=nvidia locale=en_US.UTF-8 kbd=us tz=UTC",
        base: Base::InitramfsTools,
        medium,
        initrd_path: "boot/initrd.img",
        initrd: initrd(include_str!("inits/slackware.sh")),
        scripts: Tree::new(),
    })
}

/// One image without an extension in its name.
fn antix() -> Result<Sample> {
    let medium = images(Tree::new(), vec![("antiX/linuxfs", lowest("linuxfs")?)])
        .text("antiX/linuxfs.md5", "d41d8cd98f00b204e9800998ecf8427e  linuxfs\n")
        .text("version", "MX-23.3_x64 Libretto May 19, 2024\n")
        .bytes("antiX/vmlinuz", kernel("6.1.0-21-amd64 (debian-kernel@lists.debian.org) #1 SMP"));
    Ok(Sample {
        name: "antix",
        label: "MX-Live",
        words: "fromiso=$P buuid=$U quiet splash=v",
        base: Base::InitramfsTools,
        medium,
        initrd_path: "antiX/initrd.gz",
        initrd: initrd(include_str!("inits/antix.sh")),
        scripts: Tree::new(),
    })
}

/// Five images whose names are in the initrd.
fn puppy() -> Result<Sample> {
    let specs = "DISTRO_PUPPYSFS='puppy_bookwormpup64_10.0.6.sfs'\nDISTRO_ZDRVSFS='zdrv_bookwormpup64_10.0.6.sfs'\n\
                 DISTRO_FDRVSFS='fdrv_bookwormpup64_10.0.6.sfs'\nDISTRO_ADRVSFS='adrv_bookwormpup64_10.0.6.sfs'\n\
                 DISTRO_YDRVSFS='ydrv_bookwormpup64_10.0.6.sfs'\n";
    let images_of_it = vec![
        ("puppy_bookwormpup64_10.0.6.sfs", lowest("puppy")?),
        ("zdrv_bookwormpup64_10.0.6.sfs", layer("zdrv")),
        ("fdrv_bookwormpup64_10.0.6.sfs", layer("fdrv")),
        ("adrv_bookwormpup64_10.0.6.sfs", layer("adrv")),
        ("ydrv_bookwormpup64_10.0.6.sfs", layer("ydrv")),
    ];
    let medium =
        images(Tree::new(), images_of_it).bytes("vmlinuz", kernel("6.1.94 (root@puppy) #1 SMP PREEMPT_DYNAMIC"));
    Ok(Sample {
        name: "puppy",
        label: "BookwormPup64",
        words: "pmedia=cd findiso=$P",
        base: Base::InitramfsTools,
        medium,
        initrd_path: "initrd.gz",
        initrd: initrd(include_str!("inits/puppy.sh")).text("DISTRO_SPECS", specs),
        scripts: Tree::new(),
    })
}

/// No image of a root: a repository of packages. No word of its own for a file.
fn alpine() -> Result<Sample> {
    let medium = Tree::new()
        .text("apks/.boot_repository", "")
        .image("apks/x86_64/alpine-base-3.20.0-r0.apk", Format::Package, lowest("alpine-base")?)
        .text(".alpine-release", "alpine-standard 3.20.0 240522\n")
        .image("boot/modloop-lts", Format::Squashfs, Tree::new().folder("modules/6.6.31-0-lts"))
        .bytes("boot/vmlinuz-lts", kernel("6.6.31-0-lts (buildozer@build-3-20-x86_64) #1-Alpine SMP PREEMPT_DYNAMIC"));
    Ok(Sample {
        name: "alpine",
        label: "alpine-std 3.20.0 x86_64",
        words: "isolde.image=$P modules=loop,squashfs,sd-mod,usb-storage quiet",
        base: Base::InitramfsTools,
        medium,
        initrd_path: "boot/initramfs-lts",
        initrd: initrd(include_str!("inits/alpine.sh")),
        scripts: Tree::new(),
    })
}
