//! dracut's dmsquash-live in its forms, kiwi's medium, and Void's.

use anyhow::Result;

use super::image::{Format, kernel};
use super::root::lowest;
use super::{Base, Sample, Tree, void_hooks};

const KERNEL: &str = "6.8.5-301.fc40.x86_64 (mockbuild@bkernel) #1 SMP PREEMPT_DYNAMIC";

pub(super) fn samples() -> Result<Vec<Sample>> {
    Ok(vec![flattened()?, erofs()?, nested()?, kiwi()?, void()?])
}

/// The image is the root, as Fedora makes it since it is built by kiwi.
fn flattened() -> Result<Sample> {
    Ok(fedora("dracut", Format::Squashfs, lowest("squashfs.img")?))
}

/// erofs under squashfs' name.
fn erofs() -> Result<Sample> {
    Ok(fedora("dracut-erofs", Format::Erofs, lowest("squashfs.img")?))
}

/// An ext4 image in the container, as older media have it.
fn nested() -> Result<Sample> {
    let inside = Tree::new().image("LiveOS/rootfs.img", Format::Ext4, lowest("rootfs.img")?);
    Ok(fedora("dracut-nested", Format::Squashfs, inside))
}

fn fedora(name: &'static str, format: Format, image: Tree) -> Sample {
    let menu = "menuentry 'Start Fedora-Workstation-Live 40' --class fedora --class gnu-linux {\n\tlinux \
                /images/pxeboot/vmlinuz root=live:CDLABEL=Fedora-WS-Live-40-1-14 rd.live.image quiet rhgb\n\tinitrd \
                /images/pxeboot/initrd.img\n}\n";
    Sample {
        name,
        label: "Fedora-WS-Live-40-1-14",
        words: "root=live:CDLABEL=$L rd.live.image iso-scan/filename=$P",
        base: Base::Dracut,
        medium: Tree::new()
            .image("LiveOS/squashfs.img", format, image)
            .bytes("images/pxeboot/vmlinuz", kernel(KERNEL))
            .text("EFI/BOOT/grub.cfg", menu),
        initrd_path: "images/pxeboot/initrd.img",
        initrd: Tree::new(),
        scripts: Tree::new(),
    }
}

/// Kernel below boot/ARCH/loader, a container with an ext4 image.
fn kiwi() -> Result<Sample> {
    let menu = "set isoboot=\"iso-scan/filename=${iso_path}\"\nmenuentry \"openSUSE Tumbleweed GNOME Live\" {\n\tlinux \
                ($root)/boot/x86_64/loader/linux ${extra_cmdline} ${isoboot} root=live:CDLABEL=openSUSE_Tumbleweed_GNOME_Live \
                rd.live.image splash=silent\n\tinitrd ($root)/boot/x86_64/loader/initrd\n}\n";
    let inside = Tree::new().image("LiveOS/rootfs.img", Format::Ext4, lowest("rootfs.img")?);
    Ok(Sample {
        name: "kiwi",
        label: "openSUSE_Tumbleweed_GNOME_Live",
        words: "root=live:CDLABEL=$L rd.live.image iso-scan/filename=$P rd.live.overlay.persistent rd.live.overlay.cowfs=ext4",
        base: Base::Dracut,
        medium: Tree::new()
            .image("LiveOS/squashfs.img", Format::Squashfs, inside)
            .bytes("boot/x86_64/loader/linux", kernel(KERNEL))
            .text("boot/grub2/loopback.cfg", menu),
        initrd_path: "boot/x86_64/loader/initrd",
        initrd: Tree::new().text("usr/lib/kiwi-live-lib.sh", "# kiwi's library: it is not run.\n"),
        scripts: Tree::new(),
    })
}

/// What void-mklive changes in a root is there.
fn desktop(root: Tree) -> Tree {
    root.folders(&["etc/polkit-1/rules.d", "etc/sudoers.d", "etc/runit/runsvdir/default", "etc/sv/agetty-ttyS0"])
        .text("etc/sv/agetty-tty1/conf", "GETTY_ARGS=\"--noclear\"\nBAUD_RATE=38400\n")
        .text("etc/rc.conf", "#KEYMAP=\"es\"\n#FONT=\"lat9w-16\"\n")
        .text("etc/skel/.profile", "umask 022\n")
        .text("etc/login.defs", "UMASK\t\t022\nHOME_MODE\t0700\n")
        .text("etc/lightdm/.session", "xfce\n")
        .text(
            "etc/lightdm/lightdm.conf",
            "[LightDM]\n[Seat:*]\n#user-session=default\n#autologin-user=\n#autologin-user-timeout=0\n#autologin-session=\n",
        )
}

/// An ext3 image in the container, and hooks in the initrd that make the user.
fn void() -> Result<Sample> {
    let inside = Tree::new().image(
        "LiveOS/ext3fs.img",
        Format::Ext3,
        desktop(lowest("ext3fs.img")?).with(void_hooks::programs()),
    );
    let menu = "menuentry \"Void Linux 6.6 x86_64\" --id \"linux\" {\n\tlinux /boot/vmlinuz root=live:CDLABEL=VOID_LIVE ro \
                init=/sbin/init rd.luks=0 rd.md=0 rd.dm=0 loglevel=4 gpt add_efi_memmap vconsole.unicode=1 \
                vconsole.keymap=us locale.LANG=en_US.UTF-8\n\tinitrd /boot/initrd\n}\n";
    Ok(Sample {
        name: "void",
        label: "VOID_LIVE",
        words: "iso-scan/filename=$P root=live:CDLABEL=VOID_LIVE ro init=/sbin/init rd.luks=0 rd.md=0 rd.dm=0 loglevel=4 \
            vconsole.unicode=1 vconsole.keymap=de locale.LANG=de_DE.UTF-8 live.autologin",
        base: Base::Dracut,
        medium: Tree::new()
            .image("LiveOS/squashfs.img", Format::Squashfs, inside)
            .bytes("boot/vmlinuz", kernel("6.6.25_1 (voidbuilds@build) #1 SMP PREEMPT_DYNAMIC"))
            .text("boot/grub/grub_void.cfg", menu),
        initrd_path: "boot/initrd",
        initrd: Tree::new(),
        scripts: void_hooks::tree()?,
    })
}
