//! mkinitcpio's live hooks: archiso in its forms, SystemRescue, and miso as Manjaro and Artix have it.

use anyhow::Result;

use super::image::{Format, kernel};
use super::root::{layer, lowest};
use super::{Base, Sample, Tree};

const KERNEL: &str = "6.9.1-arch1-1 (linux@archlinux) #1 SMP PREEMPT_DYNAMIC";

pub(super) fn samples() -> Result<Vec<Sample>> {
    Ok(vec![arch()?, cachyos()?, blackarch()?, systemrescue()?, manjaro()?, artix()?])
}

/// squashfs.
fn arch() -> Result<Sample> {
    let medium = Tree::new().image("arch/x86_64/airootfs.sfs", Format::Squashfs, lowest("airootfs.sfs")?);
    let words = "archisobasedir=arch img_dev=UUID=$U img_loop=$P";
    Ok(archiso("archiso", "ARCH_202405", "arch", words, medium))
}

/// erofs, and a larger space for changes.
fn cachyos() -> Result<Sample> {
    let medium = Tree::new().image("arch/x86_64/airootfs.erofs", Format::Erofs, lowest("airootfs.erofs")?);
    let words = "archisobasedir=arch img_dev=UUID=$U img_loop=$P cow_spacesize=10G copytoram=n";
    Ok(archiso("archiso-erofs", "COS_202405", "arch", words, medium))
}

/// An ext4 image in the squashfs, below a folder of another name.
fn blackarch() -> Result<Sample> {
    let inside = Tree::new().image("airootfs.img", Format::Ext4, lowest("airootfs.img")?);
    let medium = Tree::new().image("blackarch/x86_64/airootfs.sfs", Format::Squashfs, inside);
    let words = "archisobasedir=blackarch img_dev=/dev/disk/by-uuid/$U img_loop=$P";
    Ok(archiso("archiso-nested", "BLACKARCH_202312", "blackarch", words, medium))
}

fn archiso(name: &'static str, label: &'static str, dir: &str, words: &'static str, medium: Tree) -> Sample {
    let menu = format!(
        "search --no-floppy --set=archiso_img_dev --file \"${{iso_path}}\"\nprobe --set archiso_img_dev_uuid --fs-uuid \
         \"${{archiso_img_dev}}\"\nmenuentry \"Arch Linux install medium (x86_64)\" --class arch {{\n    linux \
         /{dir}/boot/x86_64/vmlinuz-linux archisobasedir={dir} img_dev=UUID=${{archiso_img_dev_uuid}} \
         img_loop=\"${{iso_path}}\"\n    initrd /{dir}/boot/x86_64/initramfs-linux.img\n}}\n"
    );
    let initrd_path = match dir {
        "arch" => "arch/boot/x86_64/initramfs-linux.img",
        _ => "blackarch/boot/x86_64/initramfs-linux.img",
    };
    Sample {
        name,
        label,
        words,
        base: Base::Dracut,
        medium: medium
            .bytes(format!("{dir}/boot/x86_64/vmlinuz-linux"), kernel(KERNEL))
            .text(format!("{dir}/grubenv"), "# GRUB Environment Block\n")
            .text("boot/2024-05-01-15-20-58-00.uuid", "2024-05-01-15-20-58-00\n")
            .text("boot/grub/loopback.cfg", menu),
        initrd_path,
        initrd: Tree::new(),
        scripts: Tree::new(),
    }
}

/// Stand-in for the Lua program: it reads the command line and the medium's settings, and writes where it is started.
const CONFIGURATION: &str = r#"#!/bin/sh
settings=$(ls /run/archiso/bootmnt/sysrescue.d)
loadsrm=$(tr ' ' '\n' </proc/cmdline | sed -n 's/^loadsrm=//p')
printf '{"global":{"loadsrm":"%s"},"read":"%s"}\n' "$loadsrm" "$settings" >sysrescue-effective-config.json
"#;

/// Modules above the image, and a helper in the initrd that writes the settings which booted services read.
fn systemrescue() -> Result<Sample> {
    Ok(Sample {
        name: "systemrescue",
        label: "RESCUE1101",
        words: "archisobasedir=sysresccd img_dev=/dev/disk/by-uuid/$U img_loop=$P loadsrm=y",
        base: Base::InitramfsTools,
        medium: Tree::new()
            .image("sysresccd/x86_64/airootfs.sfs", Format::Squashfs, lowest("airootfs.sfs")?)
            .image("sysresccd/10-first.srm", Format::Squashfs, layer("10-first.srm"))
            .image("sysresccd/20-second.srm", Format::Squashfs, layer("20-second.srm"))
            .text("sysrescue.d/100-defaults.yaml", "---\nglobal:\n    copytoram: false\n    loadsrm: false\n")
            .folder("autorun")
            .bytes("sysresccd/boot/x86_64/vmlinuz", kernel(KERNEL)),
        initrd_path: "sysresccd/boot/x86_64/sysresccd.img",
        initrd: Tree::new(),
        scripts: Tree::new().program("usr/bin/sysrescue-configuration.lua", CONFIGURATION),
    })
}

/// Four layers in a fixed order.
fn manjaro() -> Result<Sample> {
    let image =
        |tree: Tree, name: &str, inside| tree.image(format!("manjaro/x86_64/{name}.sfs"), Format::Squashfs, inside);
    let medium = image(Tree::new(), "rootfs", lowest("rootfs")?);
    let medium =
        ["desktopfs", "mhwdfs", "livefs"].into_iter().fold(medium, |tree, name| image(tree, name, layer(name)));
    Ok(Sample {
        name: "miso",
        label: "MANJARO_GNOME_2400",
        words: "misobasedir=manjaro misolabel=$L img_dev=/dev/disk/by-uuid/$U img_loop=$P driver=free quiet splash",
        base: Base::InitramfsTools,
        medium: medium
            .text(".miso", "manjaro\n")
            .text("manjaro/x86_64/rootfs.md5", "d41d8cd98f00b204e9800998ecf8427e  rootfs.sfs\n")
            .bytes("boot/vmlinuz-x86_64", kernel("6.9.2-1-MANJARO (builduser@fv-az) #1 SMP PREEMPT_DYNAMIC"))
            .bytes("boot/amd_ucode.img", [0; 4])
            .bytes("boot/intel_ucode.img", [0; 4]),
        initrd_path: "boot/initramfs-x86_64.img",
        initrd: Tree::new(),
        scripts: Tree::new(),
    })
}

/// Two layers, of which one holds an ext4 image.
fn artix() -> Result<Sample> {
    let nested = Tree::new().image("rootfs.img", Format::Ext4, lowest("rootfs")?);
    Ok(Sample {
        name: "artix",
        label: "ARTIX_201806",
        words: "misobasedir=artix misolabel=$L img_dev=/dev/disk/by-uuid/$U img_loop=$P overlay=livefs quiet",
        base: Base::InitramfsTools,
        medium: Tree::new()
            .image("artix/x86_64/rootfs.sfs", Format::Squashfs, nested)
            .image("artix/x86_64/livefs.sfs", Format::Squashfs, layer("livefs"))
            .bytes("boot/vmlinuz-x86_64", kernel("4.17.2-artix (artix@build) #1 SMP PREEMPT")),
        initrd_path: "boot/initramfs-x86_64.img",
        initrd: Tree::new(),
        scripts: Tree::new(),
    })
}
