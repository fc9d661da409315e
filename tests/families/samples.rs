//! A medium of every family, by the files that matter, as its distribution makes it; what a family says of it is held
//! against the documents.

#![allow(dead_code)] // each test crate that has this module uses another part of it

use crate::tree::Paths;
use isolde::families::{Asked, Family, Layout, recognise};
use isolde::stages::{cmdline, plan};
use isolde::words::Words;

/// One medium with the initramfs and the command line of its own boot entry.
pub struct Sample {
    /// Whose system it is, by the family's name.
    pub family: &'static str,
    /// Which system it is like.
    pub like: &'static str,
    medium: &'static str,
    initrd: &'static str,
    words: &'static str,
}

impl Sample {
    /// What the families say of it.
    pub fn recognised(&self) -> Option<(Family, Layout)> {
        let line = format!("isolde.image=/x.iso {}", self.words);
        let words: Words = plan::decide(&cmdline::parse(&line).unwrap()).unwrap().words;
        let (medium, initrd) = (Paths::new(self.medium), Paths::new(self.initrd));
        recognise(&Asked { medium: &medium, initrd: &initrd, words: &words }).unwrap()
    }

    /// Its layout.
    pub fn layout(&self) -> Layout {
        self.recognised().unwrap_or_else(|| panic!("{} is of no family", self.like)).1
    }
}

/// The first sample of a family.
pub fn first_of(family: &str) -> &'static Sample {
    SAMPLES.iter().find(|sample| sample.family == family).unwrap_or_else(|| panic!("no sample of {family}"))
}

/// All of them.
pub const SAMPLES: &[Sample] = &[
    Sample {
        family: "casper",
        like: "Ubuntu 24.04 desktop",
        medium: "casper/minimal.squashfs
                 casper/minimal.de.squashfs
                 casper/minimal.standard.squashfs
                 casper/minimal.standard.fr.squashfs
                 casper/minimal.standard.live.squashfs
                 casper/minimal.standard.enhanced-secureboot.squashfs
                 casper/install-sources.yaml
                 casper/vmlinuz
                 casper/initrd
                 .disk/info: Ubuntu 24.04 LTS \"Noble Numbat\" - Release amd64 (20240424)
                 .disk/casper-uuid-generic: a1b2c3d4-0001-4000-8000-24042404abcd
                 md5sum.txt",
        initrd: "init
                 conf/uuid.conf: a1b2c3d4-0001-4000-8000-24042404abcd
                 conf/conf.d/default-layer.conf: LAYERFS_PATH=minimal.standard.live.squashfs
                 scripts/casper-bottom/ORDER",
        words: "iso-scan/filename=/iso/ubuntu.iso quiet splash ---",
    },
    Sample {
        family: "casper",
        like: "Linux Mint 22",
        medium: "casper/filesystem.squashfs
                 casper/vmlinuz
                 casper/initrd.lz
                 .disk/info: Linux Mint 22 \"Wilma\" - Release amd64 20240722",
        initrd: "init
                 scripts/casper-bottom/ORDER",
        words: "boot=casper iso-scan/filename=/iso/mint.iso quiet splash --",
    },
    Sample {
        family: "casper",
        like: "Pop!_OS 22.04",
        medium: "casper_pop-os_22.04_amd64_intel_43/filesystem.squashfs
                 casper_pop-os_22.04_amd64_intel_43/vmlinuz.efi
                 casper_pop-os_22.04_amd64_intel_43/initrd.gz
                 .disk/info: Pop_OS 22.04 \"Jammy Jellyfish\" - Release amd64 (20240402)",
        initrd: "init
                 scripts/casper-bottom/ORDER",
        words: "boot=casper live-media-path=/casper_pop-os_22.04_amd64_intel_43 hostname=pop-os username=pop-os noprompt \
                iso-scan/filename=/iso/pop.iso ---",
    },
    Sample {
        family: "casper",
        like: "elementary OS 8, with live-boot's kernel path beside casper's",
        medium: "casper/filesystem.squashfs
                 casper/vmlinuz
                 live/vmlinuz
                 live/initrd.lz",
        initrd: "init",
        words: "boot=casper iso-scan/filename=/iso/elementary.iso quiet splash",
    },
    Sample {
        family: "live-boot",
        like: "Debian 12",
        medium: "live/filesystem.squashfs
                 live/vmlinuz
                 live/initrd.img
                 .disk/info: Official Debian GNU/Linux Live 12.5.0 gnome",
        initrd: "init
                 scripts/live",
        words: "boot=live components findiso=/iso/debian.iso",
    },
    Sample {
        family: "tails",
        like: "Tails 6",
        medium: "live/filesystem.squashfs
                 live/6.1.squashfs
                 live/Tails.module: filesystem.squashfs\\n6.1.squashfs\\n
                 live/vmlinuz",
        initrd: "init
                 scripts/live",
        words: "boot=live findiso=/iso/tails.iso config module=Tails",
    },
    Sample {
        family: "live-boot",
        like: "grml 2024.02, its image in a folder of its own",
        medium: "live/grml64-full/grml64-full.squashfs
                 boot/grml64full/vmlinuz
                 conf/bootid.txt: grml64full202402",
        initrd: "init",
        words: "boot=live live-media-path=/live/grml64-full/ bootid=grml64full202402 findiso=/iso/grml.iso",
    },
    Sample {
        family: "dracut",
        like: "Fedora 40 Workstation",
        medium: "LiveOS/squashfs.img
                 images/pxeboot/vmlinuz
                 images/pxeboot/initrd.img
                 boot/grub2/grub.cfg",
        initrd: "init
                 etc/initrd-release: ID=fedora",
        words: "root=live:CDLABEL=Fedora-WS-Live-40-1-14 rd.live.image iso-scan/filename=/iso/fedora.iso",
    },
    Sample {
        family: "dracut",
        like: "Gentoo's LiveGUI of 2025, which dracut boots",
        medium: "image.squashfs
                 boot/gentoo
                 boot/gentoo.igz",
        initrd: "init
                 etc/initrd-release: ID=gentoo",
        words: "root=live:CDLABEL=Gentoo-amd64-20250302 rd.live.dir=/ rd.live.squashimg=image.squashfs cdroot",
    },
    Sample {
        family: "kiwi",
        like: "openSUSE Tumbleweed GNOME Live",
        medium: "LiveOS/squashfs.img
                 boot/x86_64/loader/linux
                 boot/x86_64/loader/initrd
                 boot/grub2/grub.cfg",
        initrd: "init
                 lib/dracut/hooks/cmdline/30-parse-kiwi-live.sh
                 lib/kiwi-live-lib.sh",
        words: "root=live:CDLABEL=openSUSE_Tumbleweed_GNOME_Live rd.live.image iso-scan/filename=/iso/opensuse.iso",
    },
    Sample {
        family: "void",
        like: "Void 2025",
        medium: "LiveOS/squashfs.img
                 boot/vmlinuz
                 boot/initrd
                 boot/grub/grub_void.cfg",
        initrd: "init
                 lib/dracut/hooks/pre-pivot/01-adduser.sh",
        words: "root=live:CDLABEL=VOID_LIVE init=/sbin/init ro rd.luks=0 rd.md=0 rd.dm=0 iso-scan/filename=/iso/void.iso",
    },
    Sample {
        family: "archiso",
        like: "Arch 2024.05",
        medium: "arch/x86_64/airootfs.sfs
                 arch/x86_64/airootfs.sha512
                 arch/boot/x86_64/vmlinuz-linux
                 arch/boot/x86_64/initramfs-linux.img
                 arch/grubenv
                 boot/2024-05-01-15-20-58-00.uuid",
        initrd: "init
                 hooks/archiso
                 hooks/archiso_loop_mnt",
        words: "archisobasedir=arch img_dev=UUID=0b1c2d3e-1111-4222-8333-444455556666 img_loop=/iso/arch.iso",
    },
    Sample {
        family: "systemrescue",
        like: "SystemRescue 11",
        medium: "sysresccd/x86_64/airootfs.sfs
                 sysresccd/boot/x86_64/vmlinuz
                 sysresccd/boot/x86_64/sysresccd.img
                 sysrescue.d/100-defaults.yaml: ---
                 autorun/README",
        initrd: "init
                 hooks/archiso",
        words: "archisobasedir=sysresccd img_dev=/dev/disk/by-uuid/0b1c2d3e-1111-4222-8333-444455556666 \
                img_loop=/iso/systemrescue.iso",
    },
    Sample {
        family: "miso",
        like: "Manjaro 24",
        medium: ".miso
                 manjaro/x86_64/rootfs.sfs
                 manjaro/x86_64/desktopfs.sfs
                 manjaro/x86_64/mhwdfs.sfs
                 manjaro/x86_64/livefs.sfs
                 boot/vmlinuz-x86_64
                 boot/initramfs-x86_64.img",
        initrd: "init
                 hooks/miso",
        words: "misobasedir=manjaro misolabel=MANJARO_GNOME_2400 \
                img_dev=/dev/disk/by-uuid/0b1c2d3e-1111-4222-8333-444455556666 img_loop=/iso/manjaro.iso",
    },
    Sample {
        family: "nixos",
        like: "NixOS 24.05",
        medium: "nix-store.squashfs
                 version.txt
                 boot/bzImage
                 boot/initrd
                 EFI/nixos-installer-image",
        initrd: "init",
        words: "findiso=/iso/nixos.iso init=/nix/store/0c0lf8hf5sb4ihf8x6h2lzb7a1k8v6zc-nixos-system-nixos-24.05/init \
                root=LABEL=nixos-minimal-24.05-x86_64",
    },
    Sample {
        family: "gentoo",
        like: "Gentoo's minimal medium, which genkernel boots",
        medium: "image.squashfs
                 livecd
                 boot/gentoo
                 boot/gentoo.igz",
        initrd: "init
                 etc/initrd.scripts",
        words: "isoboot=/iso/gentoo.iso looptype=squashfs loop=/image.squashfs cdroot dokeymap",
    },
    Sample {
        family: "clear",
        like: "Clear Linux 41",
        medium: "images/rootfs.img
                 kernel/kernel.xz
                 EFI/BOOT/initrd.gz
                 EFI/BOOT/BOOTX64.EFI",
        initrd: "init",
        words: "isolde.image=/iso/clear.iso",
    },
    Sample {
        family: "mageia",
        like: "Mageia 9 Live",
        medium: "loopbacks/distrib-lzma.sqfs
                 boot/vmlinuz
                 boot/cdrom/initrd.gz",
        initrd: "init",
        words: "isofrom=/dev/disk/by-uuid/0b1c2d3e-1111-4222-8333-444455556666:/iso/mageia.iso",
    },
    Sample {
        family: "live-kit",
        like: "Slax 12",
        medium: "slax/01-core.sb
                 slax/02-xorg.sb
                 slax/boot/vmlinuz
                 slax/boot/initrfs.img",
        initrd: "init
                 lib/config: LIVEKITNAME=\"slax\"\\nBEXT=sb\\n
                 lib/livekitlib",
        words: "from=/iso/slax.iso vga=normal load_ramdisk=1 prompt_ramdisk=0 rw printk.time=0",
    },
    Sample {
        family: "porteus",
        like: "Porteus 5",
        medium: "porteus/base/000-kernel.xzm
                 porteus/base/001-core.xzm
                 porteus/porteus-v5.0-x86_64.cfg
                 boot/syslinux/vmlinuz
                 boot/syslinux/initrd.xz",
        initrd: "linuxrc
                 init",
        words: "from=/iso/porteus.iso",
    },
    Sample {
        family: "liveslak",
        like: "Slackware Live 15",
        medium: "liveslak/system/0001-min-15.0-x86_64.sxz
                 liveslak/system/0099-slackware_zzzconf-15.0-x86_64.sxz
                 boot/generic
                 boot/initrd.img",
        initrd: "init",
        words: "livemedia=/dev/disk/by-uuid/0b1c2d3e-1111-4222-8333-444455556666:/iso/slackware.iso",
    },
    Sample {
        family: "antix",
        like: "MX 23",
        medium: "antiX/linuxfs
                 antiX/linuxfs.md5
                 antiX/vmlinuz
                 antiX/initrd.gz
                 version",
        initrd: "init",
        words: "fromiso=/iso/mx.iso buuid=0b1c2d3e-1111-4222-8333-444455556666 quiet splash=v",
    },
    Sample {
        family: "puppy",
        like: "BookwormPup64",
        medium: "puppy_bookwormpup64_10.0.6.sfs
                 zdrv_bookwormpup64_10.0.6.sfs
                 vmlinuz
                 initrd.gz",
        initrd: "init
                 DISTRO_SPECS: DISTRO_PUPPYSFS='puppy_bookwormpup64_10.0.6.sfs'\\n",
        words: "pmedia=cd findiso=/iso/puppy.iso",
    },
    Sample {
        family: "alpine",
        like: "Alpine 3.20",
        medium: "apks/.boot_repository
                 apks/x86_64/APKINDEX.tar.gz
                 boot/vmlinuz-lts
                 boot/initramfs-lts
                 boot/modloop-lts",
        initrd: "init",
        words: "isolde.image=/iso/alpine.iso modules=loop,squashfs,sd-mod,usb-storage quiet",
    },
];
