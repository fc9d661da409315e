//! live-boot: Debian's medium, media with a list of modules, and grml's, whose image is in a folder of its own.

use anyhow::Result;

use super::image::{Format, kernel};
use super::root::{layer, lowest};
use super::{Base, Sample, Tree};

const KERNEL: &str = "6.1.0-21-amd64 (debian-kernel@lists.debian.org) #1 SMP PREEMPT_DYNAMIC Debian 6.1.90-1";

/// The id in grml's boot entry and on its medium.
pub const GRML_ID: &str = "grml_full_amd64_2024_02_27";

pub(super) fn samples() -> Result<Vec<Sample>> {
    Ok(vec![debian()?, module_list()?, tails()?, grml()?])
}

/// Every image of the folder, in the order of their names.
fn debian() -> Result<Sample> {
    let menu = |words: &str| {
        format!(
            "menuentry \"Live system (amd64)\" --hotkey=l {{\n\tlinux /live/vmlinuz-6.1.0-21-amd64 {words}\n\
             \tinitrd /live/initrd.img-6.1.0-21-amd64\n}}\n"
        )
    };
    Ok(Sample {
        name: "live-boot",
        label: "d-live 12.5.0 st amd64",
        words: "boot=live findiso=$P components quiet splash",
        base: Base::InitramfsTools,
        medium: Tree::new()
            .image("live/filesystem.squashfs", Format::Squashfs, lowest("filesystem")?)
            .image("live/personal.squashfs", Format::Squashfs, layer("personal"))
            .image("live/language.ext4", Format::Ext4, layer("language"))
            .text("live/filesystem.packages", "busybox-static\n")
            .bytes("live/vmlinuz-6.1.0-21-amd64", kernel(KERNEL))
            .text(".disk/info", "Official Debian GNU/Linux Live 12.5.0 standard 2024-02-10T11:32")
            .text("boot/grub/grub.cfg", menu("boot=live components quiet splash findiso=${iso_path}"))
            .text("boot/grub/loopback.cfg", "source /boot/grub/grub.cfg\n"),
        initrd_path: "live/initrd.img-6.1.0-21-amd64",
        initrd: Tree::new(),
        scripts: Tree::new(),
    })
}

/// A list says which images, and in which order; one that it does not name is left alone.
fn module_list() -> Result<Sample> {
    let medium = Tree::new().text("live/rescue.module", "filesystem.squashfs\n6.3.squashfs 6.2.squashfs\n");
    let words = "boot=live findiso=$P module=rescue components quiet splash";
    listed("live-boot-module", "d-live 12.5.0 re amd64", words, medium)
}

/// The same with Tails' own list: its init is live-boot's, and it is delegated to.
fn tails() -> Result<Sample> {
    let medium = Tree::new().text("live/Tails.module", "filesystem.squashfs\n6.3.squashfs 6.2.squashfs\n");
    let words = "boot=live findiso=$P config nopersistence noprompt timezone=Etc/UTC splash noautologin module=Tails";
    listed("tails", "TAILS 6.3 - 20240507", words, medium)
}

fn listed(name: &'static str, label: &'static str, words: &'static str, list: Tree) -> Result<Sample> {
    Ok(Sample {
        name,
        label,
        words,
        base: Base::InitramfsTools,
        medium: list
            .image("live/filesystem.squashfs", Format::Squashfs, lowest("filesystem")?)
            .image("live/6.2.squashfs", Format::Squashfs, layer("6.2"))
            .image("live/6.3.squashfs", Format::Squashfs, layer("6.3"))
            .image("live/unlisted.squashfs", Format::Squashfs, layer("unlisted"))
            .bytes("live/vmlinuz", kernel(KERNEL)),
        initrd_path: "live/initrd.img",
        initrd: Tree::new(),
        scripts: Tree::new(),
    })
}

/// The image is one folder deeper.
fn grml() -> Result<Sample> {
    let menu = "if [ \"${iso_path}\" ] ; then\n    loopback=\"findiso=${iso_path}\"\n    export loopback\nfi\n\
                menuentry \"grml64-full\" {\n    linux /boot/grml64full/vmlinuz apm=power-off boot=live \
                live-media-path=/live/grml64-full/ bootid=grml_full_amd64_2024_02_27 nomce net.ifnames=0 ${loopback}\n\
                \x20   initrd /boot/grml64full/initrd.img\n}\n";
    Ok(Sample {
        name: "grml",
        label: "grml64-full 2024.02",
        words: "boot=live live-media-path=/live/grml64-full/ bootid=grml_full_amd64_2024_02_27 findiso=$P \
            apm=power-off nomce net.ifnames=0",
        base: Base::InitramfsTools,
        medium: Tree::new()
            .image("live/grml64-full/grml64-full.squashfs", Format::Squashfs, lowest("grml64-full")?)
            .text("live/grml64-full/filesystem.module", "grml64-full.squashfs\n")
            .text("conf/bootid.txt", format!("{GRML_ID}\n"))
            .bytes("boot/grml64full/vmlinuz", kernel(KERNEL))
            .text("boot/grub/loopback.cfg", menu),
        initrd_path: "boot/grml64full/initrd.img",
        initrd: Tree::new(),
        scripts: Tree::new(),
    })
}
