//! The text of docs/families.md: from the families' table what it has, and here what it has not: how a medium is
//! recognised, what is peculiar, and which tests hold it.

use isolde::families::{FAMILIES, Family, Way};
use isolde::words::Does;

/// What the table of families does not have.
struct About {
    /// The family's name.
    family: &'static str,
    /// How a medium is recognised, as a phrase.
    marks: &'static str,
    /// What a boot through init does differently from a stock one; a sentence or two.
    differs: &'static str,
    /// Tests in a virtual machine that boot it: the file below qemu/tests/vm, and their names.
    booted: &'static [(&'static str, &'static str)],
}

/// In any order; the page has the table's.
const ABOUT: &[About] = &[
    About {
        family: "casper",
        marks: "a folder `casper`, or one whose name begins so, or the one that `live-media-path=` names, \
                holds an image (`.squashfs`, `.ext2`)",
        differs: "Swap partitions of the machine are not used, persistence and copying to memory are not done, \
                and directories (`.dir`) are no layers.",
        booted: &[
            ("families/casper.rs", "the_initrds_scripts_and_the_native_way_give_the_same_root"),
            ("families/casper.rs", "a_folder_of_another_name_and_an_initrd_of_another_medium"),
        ],
    },
    About {
        family: "antix",
        marks: "`antiX/linuxfs`, or what `sq=`, `bdir=`, `sqname=` and `sqext=` name",
        differs: "in nothing; its own init runs",
        booted: &[("families/delegates.rs", "antix_finds_the_device_by_its_id")],
    },
    About {
        family: "miso",
        marks: "`rootfs.sfs` in `FOLDER/ARCHITECTURE`",
        differs: "Copying to memory is not done. The layers are those of one overlay, also where the stock \
                initrd would make a device-mapper snapshot.",
        booted: &[
            ("families/arch.rs", "manjaro_with_four_layers"),
            ("families/arch.rs", "artix_with_an_image_in_its_lowest_layer"),
        ],
    },
    About {
        family: "systemrescue",
        marks: "the folder `sysrescue.d` or `sysresccd`, with an image as archiso has it",
        differs: "Without its initrd the settings in `sysrescue.d` are read for `loadsrm` alone.",
        booted: &[
            ("families/arch.rs", "systemrescue_with_modules_and_its_own_helper"),
            ("families/arch.rs", "systemrescue_without_its_helper"),
        ],
    },
    About {
        family: "archiso",
        marks: "`airootfs.sfs` or `airootfs.erofs` in `FOLDER/ARCHITECTURE`",
        differs: "Copying to memory, which is the stock default on a stick, and space for changes on a disk \
                are not done; the writable layer takes as much as `isolde.overlay-size=` says.",
        booted: &[
            ("families/arch.rs", "archiso_with_squashfs"),
            ("families/arch.rs", "archiso_with_erofs"),
            ("families/arch.rs", "archiso_with_an_ext4_image_in_the_squashfs"),
        ],
    },
    About {
        family: "kiwi",
        marks: "the files of dracut; kiwi-live-lib.sh in the initrd, or the kernel at \
                `boot/ARCHITECTURE/loader/linux` where the initrd has no dmsquash-live",
        differs: "Persistence, encryption and dm-verity of the image are not done.",
        booted: &[("families/dracut.rs", "kiwi_with_its_own_mount_points")],
    },
    About {
        family: "void",
        marks: "the files of dracut, with `boot/grub/grub_void.cfg` on the medium or with its hooks in the \
                initrd",
        differs: "in nothing that is known",
        booted: &[("families/void.rs", "the_initrds_hooks_and_the_native_way_give_the_same_root")],
    },
    About {
        family: "dracut",
        marks: "`LiveOS/squashfs.img` or `LiveOS/rootfs.img`, or what `rd.live.dir=` and \
                `rd.live.squashimg=` name",
        differs: "The root is always an overlay, also where the stock initrd would make a device-mapper \
                snapshot, so `/dev/mapper/live-base` is not there. Deployments of OSTree in the image are \
                not booted.",
        booted: &[
            ("boots.rs", "the_fedora_layout_with_a_nested_root"),
            ("families/dracut.rs", "a_squashfs_that_is_the_root"),
            ("families/dracut.rs", "erofs_under_the_name_of_squashfs"),
            ("families/dracut.rs", "an_ext4_image_in_the_squashfs"),
            ("families/others.rs", "gentoo_with_dracut"),
        ],
    },
    About {
        family: "gentoo",
        marks: "what `loop=` names; or `livecd`, `boot/gentoo` or `isolinux/gentoo` beside `image.squashfs`, \
                `livecd.squashfs` or `livecd.loop`",
        differs: "The root is always an overlay, also where genkernel would copy folders to a tmpfs.",
        booted: &[("families/others.rs", "gentoo_with_genkernel_and_modules")],
    },
    About { family: "nixos", marks: "`nix-store.squashfs`", differs: "Copying to memory is not done.", booted: &[] },
    About { family: "alpine", marks: "`apks/.boot_repository`", differs: "in nothing; its own init runs", booted: &[] },
    About {
        family: "liveslak",
        marks: "`*.sxz` in the folder `system` of `liveslak`, or of what `livemain=` names",
        differs: "in nothing; its own init runs",
        booted: &[("families/delegates.rs", "slackware_scans_all_devices")],
    },
    About {
        family: "live-kit",
        marks: "a folder at the top holds `*.sb`",
        differs: "in nothing; its own init runs",
        booted: &[("families/delegates.rs", "slax_finds_the_file_on_the_store")],
    },
    About {
        family: "porteus",
        marks: "`porteus/base/*.xzm` or `porteux/base/*.xzm`",
        differs: "in nothing; its own init runs",
        booted: &[("families/delegates.rs", "porteus_finds_the_file_on_the_store")],
    },
    About {
        family: "clear",
        marks: "`images/rootfs.img` and `EFI/BOOT/initrd.gz`",
        differs: "The processor is not checked for what Clear Linux needs.",
        booted: &[("families/others.rs", "clear_by_our_own_word")],
    },
    About {
        family: "puppy",
        marks: "`puppy_*.sfs`, at the top, in a folder there, or in the one that `psubdir=` names",
        differs: "in nothing; its own init runs",
        booted: &[("families/delegates.rs", "puppy_gets_its_words_in_its_environment")],
    },
    About { family: "mageia", marks: "`loopbacks/distrib*.sqfs`", differs: "Persistence is not done.", booted: &[] },
    About {
        family: "tails",
        marks: "`live/Tails.module` on the medium, or its partitioning script in the initrd",
        differs: "in nothing; its own init runs",
        booted: &[("families/delegates.rs", "tails_boots_by_the_live_boot_of_its_initrd")],
    },
    About {
        family: "live-boot",
        marks: "the folder `live`, or the one that `live-media-path=` names, holds an image (`.squashfs`, \
                `.ext2` to `.ext4`, `.xfs`) or the list that `module=` names; or a single folder in `live` \
                does",
        differs: "Persistence, copying to memory and encrypted images are not done, and directories (`.dir`) \
                are no layers.",
        booted: &[
            ("boots.rs", "debian_from_ext4_keeps_its_home_over_two_boots"),
            ("boots.rs", "debian_from_btrfs_by_identity_with_the_rdinit_form"),
            ("boots.rs", "an_iso_written_to_the_device_as_it_is"),
            ("families/live_boot.rs", "every_image_of_the_folder_by_name"),
            ("families/live_boot.rs", "a_list_of_modules"),
            ("families/live_boot.rs", "grml_in_a_folder_of_its_own"),
            ("families/delegates.rs", "debian_is_delegated_when_that_is_asked_for"),
        ],
    },
];

/// Media that are refused by name: their marks, and what they are called.
pub const STRANGERS: &[(&str, &str)] = &[
    ("sources/boot.wim\nbootmgr", "a Windows medium"),
    ("KNOPPIX/KNOPPIX\nboot/isolinux/linux64", "a Knoppix medium"),
    ("boot/corepure64.gz\ncde/onboot.lst", "Tiny Core Linux"),
    ("system.sfs\ninitrd.img\nramdisk.img", "an Android-x86 medium"),
    ("livecd.sqfs\nisolinux/vmlinuz", "PCLinuxOS"),
    ("sysrcd.dat\nisolinux/rescue64", "a SystemRescueCd before version 6"),
    ("config.isoclient\nopenSUSE-leap-42.3-read-only.x86_64", "a live medium made by KIWI 7"),
    ("install/filesystem.squashfs\ndists/bionic/Release", "an installer of Ubuntu Server"),
    ("pve-installer.squashfs\npve-base.squashfs", "a Proxmox installer"),
    ("install.amd/vmlinuz\npool/main/a", "a Debian installer"),
    ("images/install.img\nimages/pxeboot/vmlinuz", "an Anaconda installer"),
    ("boot/x86_64/root\nboot/x86_64/loader/linux", "an openSUSE installer"),
    ("x86_64/install/stage2/mdkinst.sqfs", "a Mageia installer"),
    ("slackware64/PACKAGES.TXT\nkernels/huge.s/bzImage", "a Slackware installer"),
    ("boot/kernel/kernel\nusr/freebsd-dist/base.txz", "a FreeBSD medium"),
    ("etc/boot.conf\n7.6/amd64/bsd.rd", "an OpenBSD medium"),
    ("netbsd.gz\namd64/binary/kernel/netbsd", "a NetBSD medium"),
    ("k.b00\nb.b00\nboot.cfg", "a VMware ESXi installer"),
    ("reactos/reactos.inf\nfreeldr.ini", "a ReactOS medium"),
];

const HEAD: &str = "\
# Live systems that Isolde boots

Written from the table in `src/families` by `tests/families.rs`; `UPDATE_DOCS=1 cargo test --test families` writes it
anew. The families are tried in this order: the first whose marks are on the medium has it. `isolde inspect IMAGE` says
which one it is before the boot. The words of each are in section 3 of [cmdline-spec.md](../cmdline-spec.md), the paths
at which its parts are mounted in section 6.

The way is one of:

";

const WAYS: [(Way, &str); 4] = [
    (Way::Mounts, "Isolde mounts the layers where the running system expects them; nothing is written to the root."),
    (Way::Userland, "the same, and services in the image make the user and log in when they see their words."),
    (
        Way::Scripts,
        "the same, and the user, the log-in and more are made in the root: by the scripts of the image's own \
                    initrd, which are run where they are there, and by Isolde itself where they are not.",
    ),
    (
        Way::Delegate,
        "the set-up is too large to be taken over. Isolde finds and checks the image, attaches it as a block \
                     device, puts down what that init searches for, and executes it. This needs the second initrd in \
                     its rdinit form. Extensions, home and the customize script are then not used.",
    ),
];

fn about(family: &Family) -> &'static About {
    ABOUT
        .iter()
        .find(|about| about.family == family.name)
        .unwrap_or_else(|| panic!("page.rs: nothing of {}", family.name))
}

/// Words of a fate, as a list of code.
fn words(family: &Family, does: Does) -> String {
    let words: Vec<String> =
        family.words.iter().filter(|word| word.does == does).map(|word| format!("`{}`", word.name)).collect();
    if words.is_empty() { "no word of its own".to_owned() } else { words.join(", ") }
}

fn chapter(family: &Family) -> String {
    let About { marks, differs, booted, .. } = about(family);
    let mut text = format!("\n## {}\n\n", family.name);
    text.push_str(&format!("- Systems: {}\n- Way: {}\n- Recognised by: {marks}\n", family.systems, family.way.text()));
    if let Some(scripts) = family.scripts {
        let marks: Vec<String> = scripts.marks.iter().map(|mark| format!("`{mark}`")).collect();
        text.push_str(&format!("- Scripts of its initrd: run where it has {}\n", marks.join(" or ")));
    }
    text.push_str(&format!("- The image is named by: {}\n", words(family, Does::Source)));
    text.push_str(&format!("- Not done yet, with a warning: {}\n- Differs: {differs}\n", words(family, Does::NotYet)));
    let booted: Vec<String> = booted.iter().map(|(file, name)| format!("`{name}` (`qemu/tests/vm/{file}`)")).collect();
    let booted = if booted.is_empty() { "in no virtual machine".to_owned() } else { booted.join(", ") };
    text.push_str(&format!("- Booted by: {booted}; its medium is recognised in `tests/families.rs`\n"));
    text
}

/// The whole page.
pub fn text() -> String {
    let mut text = HEAD.to_owned();
    for (way, what) in WAYS {
        text.push_str(&format!("- **{}**: {what}\n", way.text()));
    }
    text.push_str("\n| family | systems | way |\n|---|---|---|\n");
    text.extend(FAMILIES.iter().map(|f| format!("| [{0}](#{0}) | {1} | {2} |\n", f.name, f.systems, f.way.text())));
    text.extend(FAMILIES.iter().map(chapter));
    text.push_str("\n## Media that are refused\n\nThe message says what it is and what to do instead:\n\n");
    text.extend(STRANGERS.iter().map(|(_, what)| format!("- {what}\n")));
    text.push_str(
        "\nAnything else is refused with the names at its top; see [troubleshooting.md](troubleshooting.md).\n",
    );
    text
}

/// The tests that the page names: file and function.
pub fn named_tests() -> impl Iterator<Item = (String, &'static str)> {
    let booted = ABOUT.iter().flat_map(|about| about.booted);
    booted.map(|(file, name)| (format!("qemu/tests/vm/{file}"), *name))
}
