//! casper: Ubuntu's layered medium, and one in the form of Pop!_OS, whose folder has a name of its own.
//!
//! Paths and contents as livecd-rootfs and Pop's iso repository make them.

use anyhow::Result;

use super::image::{Format, kernel};
use super::root::{layer, lowest};
use super::{Base, Sample, Tree, casper_bottom};

/// Kernel of the stand-ins.
const KERNEL: &str = "6.8.0-31-generic (buildd@lcy02-amd64) #31-Ubuntu SMP";

/// The id that ties Ubuntu's initrd and medium together.
pub const UBUNTU_ID: &str = "a1b2c3d4-0001-4000-8000-24042404abcd";
/// Pop's initrd here is one of another build: what a user gets who mixes up files.
pub const POP_INITRD_ID: &str = "a1b2c3d4-0002-4000-8000-00000000aaaa";
/// And this is its medium's.
pub const POP_MEDIUM_ID: &str = "a1b2c3d4-0003-4000-8000-00000000bbbb";

pub(super) fn samples() -> Result<Vec<Sample>> {
    Ok(vec![ubuntu()?, pop()?])
}

/// Three layers that the initrd names, beside images that are none.
fn ubuntu() -> Result<Sample> {
    let image = |name: &str, tree: Tree| (format!("casper/{name}.squashfs"), tree);
    let decoy = |name: &str| image(name, layer(name));
    let images = [
        image("minimal", desktop(lowest("minimal")?).with(gdm()).with(casper_bottom::debconf())),
        image("minimal.standard", layer("minimal.standard")),
        image("minimal.standard.live", layer("minimal.standard.live")),
        decoy("minimal.de"),
        decoy("minimal.standard.fr"),
        decoy("minimal.enhanced-secureboot"),
    ];
    let medium =
        images.into_iter().fold(Tree::new(), |tree, (path, inside)| tree.image(path, Format::Squashfs, inside));
    Ok(Sample {
        name: "casper-layers",
        label: "Ubuntu 24.04 LTS amd64",
        words: "boot=casper iso-scan/filename=$P fsck.mode=skip keyboard-configuration/layoutcode=de quiet splash ---",
        base: Base::InitramfsTools,
        medium: medium
            .text(".disk/info", "Ubuntu 24.04 LTS \"Noble Numbat\" - Release amd64 (20240424)")
            .text(".disk/casper-uuid-generic", format!("{UBUNTU_ID}\n"))
            .bytes("casper/vmlinuz", kernel(KERNEL))
            .text(
                "casper/install-sources.yaml",
                "- default: true\n  id: ubuntu-desktop\n  path: minimal.standard.squashfs\n",
            )
            .text("md5sum.txt", "d41d8cd98f00b204e9800998ecf8427e  ./boot/grub/grub.cfg\n")
            .text("boot/grub/grub.cfg", menu("casper", "initrd", "--- quiet splash"))
            .text("boot/grub/loopback.cfg", menu("casper", "initrd", "iso-scan/filename=${iso_path} --- quiet splash")),
        initrd_path: "casper/initrd",
        initrd: initrd(
            UBUNTU_ID,
            "USERNAME=\"ubuntu\"\nUSERFULLNAME=\"Live session user\"\nHOST=\"ubuntu\"\nBUILD_SYSTEM=\"Ubuntu\"\n",
        )
        .text("conf/conf.d/default-layer.conf", "LAYERFS_PATH=minimal.standard.live.squashfs\n"),
        scripts: casper_bottom::tree(),
    })
}

/// One image and an addition, in a folder with the ISO's name and a link to it; an image for network boots is none of
/// them. Another id in the initrd.
fn pop() -> Result<Sample> {
    const FOLDER: &str = "casper_pop-os_22.04_amd64_intel_debug_42";
    Ok(Sample {
        name: "casper-single",
        label: "Pop_OS 22.04 amd64 Intel",
        words: "boot=casper live-media-path=/casper_pop-os_22.04_amd64_intel_debug_42 hostname=pop-os username=pop-os noprompt \
            iso-scan/filename=$P ---",
        base: Base::InitramfsTools,
        medium: Tree::new()
            .link("casper", FOLDER)
            .image(
                format!("{FOLDER}/filesystem.squashfs"),
                Format::Squashfs,
                desktop(lowest("filesystem")?).with(sddm()),
            )
            .image(format!("{FOLDER}/local.squashfs"), Format::Squashfs, layer("local"))
            .image(format!("{FOLDER}/server.squashfs"), Format::Squashfs, layer("server"))
            .bytes(format!("{FOLDER}/vmlinuz.efi"), kernel(KERNEL))
            .text(".disk/info", "Pop_OS 22.04 \"Jammy Jellyfish\" - Release amd64 (20240101)")
            .text(".disk/casper-uuid-generic", format!("{POP_MEDIUM_ID}\n"))
            .text("boot/grub/grub.cfg", menu(FOLDER, "initrd.gz", "boot=casper --- quiet splash")),
        initrd_path: "casper_pop-os_22.04_amd64_intel_debug_42/initrd.gz",
        initrd: initrd(
            POP_INITRD_ID,
            "export USERNAME=\"pop-os\"\nexport USERFULLNAME=\"Pop_OS Live\"\nexport HOST=\"pop-os\"\n",
        ),
        scripts: Tree::new(),
    })
}

fn initrd(id: &str, conf: &str) -> Tree {
    Tree::new()
        .text("conf/uuid.conf", format!("{id}\n"))
        .text("conf/conf.d/default-boot-to-casper.conf", "export BOOT=casper\n")
        .text("etc/casper.conf", conf)
}

fn menu(folder: &str, initrd: &str, words: &str) -> String {
    let kernel = if initrd == "initrd" { "vmlinuz" } else { "vmlinuz.efi" };
    format!(
        "menuentry \"Try or Install\" {{\n\tset gfxpayload=keep\n\tlinux /{folder}/{kernel} {words}\n\tinitrd /{folder}/{initrd}\n}}\n"
    )
}

/// What casper changes in a desktop's root is there.
fn desktop(root: Tree) -> Tree {
    root.folders(&["etc/polkit-1/rules.d", "etc/sudoers.d", "etc/systemd/system"])
        .text("etc/fstab", "# UNCONFIGURED FSTAB FOR BASE SYSTEM\n")
        .text("etc/default/keyboard", "XKBMODEL=\"pc105\"\nXKBLAYOUT=\"us\"\nXKBVARIANT=\"\"\n")
        .text("etc/skel/.profile", "umask 022\n")
        .text("usr/lib/udev/rules.d/60-cdrom_id.rules", CDROM_RULES)
}

/// gdm3, with the file as Ubuntu ships it.
fn gdm() -> Tree {
    Tree::new().text(
        "etc/gdm3/custom.conf",
        "[daemon]\n#  AutomaticLoginEnable = true\n#  AutomaticLogin = user1\n\n[security]\n",
    )
}

/// sddm, and a session for it.
fn sddm() -> Tree {
    Tree::new().program("usr/bin/sddm", "#!/bin/sh\n").text("usr/share/xsessions/plasma.desktop", "[Desktop Entry]\n")
}

/// Udev's rules for a drive, shortened; systemd unmounts a medium of which the first of these lines is true.
const CDROM_RULES: &str =
    "KERNEL==\"sr0\", ENV{SYSTEMD_MOUNT_DEVICE_BOUND}=\"1\"\nKERNEL==\"sr0\", SYMLINK+=\"cdrom\"\n";
