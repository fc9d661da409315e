//! Families with a form of their own: NixOS, Gentoo, Clear Linux, Mageia.

use anyhow::Result;

use super::image::{Format, kernel};
use super::root::{SHELL, layer, lowest, marks, programs};
use super::{Base, Sample, Tree};

pub(super) fn samples() -> Result<Vec<Sample>> {
    Ok(vec![nixos()?, gentoo()?, gentoo_dracut()?, clear()?, mageia()?])
}

/// A package store, around which the root is empty; the init is named by its path in the store.
fn nixos() -> Result<Sample> {
    const SYSTEM: &str = "0c8h3xs1nq2dyvlrlm7w0dd5yf1kwvyn-nixos-system-nixos-24.05";
    const BUSYBOX: &str = "4a1y9wqjlhv2m3z6rv7qpd3k8ghs6w5x-busybox-1.36.1";
    // The first process finds nothing but the store and what the kernel mounts.
    let init = format!(
        "#!/nix/store/{BUSYBOX}/bin/sh\nexport PATH=/nix/store/{BUSYBOX}/bin\ncd /\n\
         printf '%s\\n' \"$0\" \"$@\" >/run/process-1\n{SHELL}"
    );
    let store =
        programs(&format!("{BUSYBOX}/bin"))?.program(format!("{SYSTEM}/init"), init).with(marks("", "nix-store"));
    let menu = "if [ \"$iso_path\" ]; then\n  isoboot=\"findiso=${iso_path}\"\nfi\nmenuentry 'NixOS 24.05 Installer' {\n  linux \
                /boot/bzImage ${isoboot} init=/nix/store/0c8h3xs1nq2dyvlrlm7w0dd5yf1kwvyn-nixos-system-nixos-24.05/init \
                root=LABEL=nixos-24.05-x86_64 boot.shell_on_fail nohibernate loglevel=4\n  initrd /boot/initrd\n}\n";
    Ok(Sample {
        name: "nixos",
        label: "nixos-24.05-x86_64",
        words: "findiso=$P init=/nix/store/0c8h3xs1nq2dyvlrlm7w0dd5yf1kwvyn-nixos-system-nixos-24.05/init root=LABEL=$L \
            boot.shell_on_fail nohibernate loglevel=4",
        base: Base::InitramfsTools,
        medium: Tree::new()
            .image("nix-store.squashfs", Format::Squashfs, store)
            .text("version.txt", "24.05.20240531.0ab0fd4\n")
            .text("EFI/nixos-installer-image", "")
            .text("EFI/boot/grub.cfg", menu)
            .text("boot/grub/loopback.cfg", "source /EFI/boot/grub.cfg\n")
            .bytes("boot/bzImage", kernel("6.6.32 (nixbld@localhost) #1-NixOS SMP PREEMPT_DYNAMIC")),
        initrd_path: "boot/initrd",
        initrd: Tree::new(),
        scripts: Tree::new(),
    })
}

/// genkernel's medium: an image, and modules, which are laid below it.
fn gentoo() -> Result<Sample> {
    Ok(Sample {
        name: "gentoo",
        label: "Gentoo amd64 20240519",
        words: "isoboot=$P looptype=squashfs loop=/image.squashfs cdroot dokeymap",
        base: Base::InitramfsTools,
        medium: gentoo_medium()?.text("livecd", "").image("modules/1-one.lzm", Format::Squashfs, layer("1-one")).image(
            "modules/2-two.lzm",
            Format::Squashfs,
            layer("2-two"),
        ),
        initrd_path: "boot/gentoo.igz",
        initrd: Tree::new(),
        scripts: Tree::new(),
    })
}

/// The same image with dracut in the place of genkernel.
fn gentoo_dracut() -> Result<Sample> {
    Ok(Sample {
        name: "gentoo-dracut",
        label: "Gentoo-amd64-20250601",
        words: "root=live:CDLABEL=$L rd.live.dir=/ rd.live.squashimg=image.squashfs cdroot iso-scan/filename=$P",
        base: Base::Dracut,
        medium: gentoo_medium()?,
        initrd_path: "boot/gentoo.igz",
        initrd: Tree::new(),
        scripts: Tree::new(),
    })
}

fn gentoo_medium() -> Result<Tree> {
    let root = lowest("image.squashfs")?;
    let kernel = kernel("6.6.30-gentoo-dist (root@poseidon) #1 SMP PREEMPT_DYNAMIC");
    Ok(Tree::new().image("image.squashfs", Format::Squashfs, root).bytes("boot/gentoo", kernel))
}

/// A squashfs under the name of a raw image; no word of its own for a file.
fn clear() -> Result<Sample> {
    Ok(Sample {
        name: "clear",
        label: "CLR_ISO",
        words: "isolde.image=$P quiet",
        base: Base::InitramfsTools,
        medium: Tree::new()
            .image("images/rootfs.img", Format::Squashfs, lowest("rootfs.img")?)
            .bytes("kernel/kernel.xz", kernel("6.8.9-1438.native (abuild@localhost) #1 SMP")),
        initrd_path: "EFI/BOOT/initrd.gz",
        initrd: Tree::new(),
        scripts: Tree::new(),
    })
}

/// One image below loopbacks/.
fn mageia() -> Result<Sample> {
    Ok(Sample {
        name: "mageia",
        label: "Mageia-9-Live-GNOME-x86_64",
        words: "isofrom=/dev/disk/by-uuid/$U:$P quiet splash",
        base: Base::InitramfsTools,
        medium: Tree::new()
            .image("loopbacks/distrib-lzma.sqfs", Format::Squashfs, lowest("distrib")?)
            .bytes("boot/vmlinuz", kernel("6.4.9-desktop-4.mga9 (iurt@localhost) #1 SMP PREEMPT_DYNAMIC")),
        initrd_path: "boot/cdrom/initrd.gz",
        initrd: Tree::new(),
        scripts: Tree::new(),
    })
}
