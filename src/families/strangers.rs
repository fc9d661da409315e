//! Media that are no live systems of a family: what they are, and what to do with them instead.

use super::tree::Tree;
use std::io;

/// A medium that is known and cannot be booted as a live system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stranger {
    /// What it is, with an article.
    pub what: &'static str,
    /// What its user can do.
    pub advice: &'static str,
}

const AS_A_MEDIUM: &str =
    "write it to a medium of its own, or start it in a virtual machine: it installs, it does not run live";
const NO_LINUX: &str = "write it to a medium of its own, or start it in a virtual machine; it is no Linux system";

const WINDOWS: Stranger = Stranger { what: "a Windows medium", advice: NO_LINUX };

const fn installer(what: &'static str) -> Stranger {
    Stranger { what, advice: AS_A_MEDIUM }
}

const fn foreign(what: &'static str) -> Stranger {
    Stranger { what, advice: NO_LINUX }
}

/// Marks, any of which is enough, and what has them. More specific ones come first.
const STRANGERS: &[(&[&str], Stranger)] = &[
    (&["sources/boot.wim", "sources/install.wim", "sources/install.esd", "bootmgr"], WINDOWS),
    (
        &["KNOPPIX/KNOPPIX"],
        Stranger {
            what: "a Knoppix medium",
            advice: "its cloop image needs a driver that only its own kernel has; write it to a medium of its own",
        },
    ),
    (
        &["boot/core.gz", "boot/corepure64.gz"],
        Stranger {
            what: "Tiny Core Linux",
            advice: "its initrd is the whole system: boot its own entry, without this second initrd",
        },
    ),
    (
        &["system.sfs", "system.efs"],
        Stranger {
            what: "an Android-x86 medium",
            advice: "its own initrd finds the file: boot its own entry with iso-scan/filename=, without this second initrd",
        },
    ),
    (
        &["livecd.sqfs"],
        Stranger {
            what: "PCLinuxOS",
            advice: "its own initrd finds the file: boot its own entry with bootfromiso=, without this second initrd",
        },
    ),
    (
        &["sysrcd.dat"],
        Stranger {
            what: "a SystemRescueCd before version 6",
            advice: "its own initrd finds the file: boot its own entry with isoloop=, without this second initrd",
        },
    ),
    (
        &["config.isoclient"],
        Stranger {
            what: "a live medium made by KIWI 7",
            advice: "its own initrd finds the file: boot its own entry with isofrom_device= and isofrom_system=, \
                     without this second initrd",
        },
    ),
    (&["install/netboot/ubuntu-installer", "install/filesystem.squashfs"], installer("an installer of Ubuntu Server")),
    (&["pve-installer.squashfs", "pve-base.squashfs"], installer("a Proxmox installer")),
    (&["install.amd", "install.a64", "install.386"], installer("a Debian installer")),
    (&["images/install.img", "images/stage2.img"], installer("an Anaconda installer")),
    (
        &["media.1/media", "suse/setup/descr", "boot/x86_64/root", "boot/aarch64/root"],
        installer("an openSUSE installer"),
    ),
    (&["x86_64/install/stage2", "i586/install/stage2"], installer("a Mageia installer")),
    (&["slackware64/PACKAGES.TXT", "slackware/PACKAGES.TXT"], installer("a Slackware installer")),
    (&["bin/freebsd-version", "boot/kernel/kernel", "boot/kernel/kernel.gz"], foreign("a FreeBSD medium")),
    (&["etc/boot.conf"], foreign("an OpenBSD medium")),
    (&["netbsd", "netbsd.gz"], foreign("a NetBSD medium")),
    (&["k.b00", "b.b00"], foreign("a VMware ESXi installer")),
    (&["reactos/reactos.inf", "reactos/txtsetup.sif"], foreign("a ReactOS medium")),
];

/// What it is, where one of the marks is there.
pub fn recognise(tree: &dyn Tree) -> io::Result<Option<Stranger>> {
    for (marks, stranger) in STRANGERS {
        for mark in *marks {
            if tree.kind(mark)?.is_some() {
                return Ok(Some(*stranger));
            }
        }
    }
    only_a_note(tree)
}

/// Media of Microsoft are UDF. Who reads their ISO 9660 side finds one file, which says so.
fn only_a_note(tree: &dyn Tree) -> io::Result<Option<Stranger>> {
    const NOTE: &str = "readme.txt";
    let [note] = &tree.list("")?[..] else { return Ok(None) };
    if !note.name.eq_ignore_ascii_case(NOTE) || !tree.is_file(&note.name)? {
        return Ok(None);
    }
    let text = match tree.read(&note.name, 4096) {
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => return Ok(None),
        text => text?,
    };
    let says_so = text.windows(5).any(|word| word == b"\"UDF\"");
    Ok(says_so.then_some(WINDOWS))
}

#[cfg(test)]
mod tests {
    use super::super::fake::{layers, medium};
    use super::super::testing::ask;
    use super::*;
    use crate::sys::record::Tree as Files;

    fn what(medium: Files) -> Option<&'static str> {
        ask(&medium, &Files::new(), "", |asked| recognise(asked.medium).unwrap()).map(|stranger| stranger.what)
    }

    #[test]
    fn each_is_called_by_its_name() {
        for (files, name) in [
            (&["sources/boot.wim", "setup.exe"][..], "a Windows medium"),
            (&["KNOPPIX/KNOPPIX", "boot/isolinux/linux64"], "a Knoppix medium"),
            (&["install.amd/vmlinuz", "dists/bookworm/Release"], "a Debian installer"),
            (&["install/filesystem.squashfs", "dists/bionic/Release"], "an installer of Ubuntu Server"),
            (&["images/install.img", ".treeinfo"], "an Anaconda installer"),
            (&["boot/x86_64/root", "boot/x86_64/loader/linux"], "an openSUSE installer"),
            (&["boot/kernel/kernel", "usr/freebsd-dist/base.txz"], "a FreeBSD medium"),
            (&["etc/boot.conf", "7.6/amd64/bsd.rd"], "an OpenBSD medium"),
            (&["livecd.sqfs", "isolinux/vmlinuz"], "PCLinuxOS"),
            (&["sysrcd.dat", "isolinux/rescue64"], "a SystemRescueCd before version 6"),
            (&["config.isoclient", "openSUSE-leap-42.3-read-only.x86_64"], "a live medium made by KIWI 7"),
            (&["boot/corepure64.gz", "cde/onboot.lst"], "Tiny Core Linux"),
        ] {
            assert_eq!(what(medium(files)), Some(name));
            assert_eq!(layers(medium(files), "boot=live"), None, "{name} is no live system");
        }
        assert_eq!(what(medium(&["README", "data/file"])), None);
        assert_eq!(what(Files::new()), None);
    }

    #[test]
    fn the_iso_9660_side_of_a_windows_medium_is_known_by_its_only_file() {
        let note = "This disc contains a \"UDF\" file system and requires an operating system that supports it.";
        assert_eq!(what(Files::new().file("README.TXT", note)), Some("a Windows medium"));
        assert_eq!(what(Files::new().file("readme.txt", note).file("boot.bin", "")), None);
        assert_eq!(what(Files::new().file("readme.txt", "read me")), None);
        assert_eq!(what(Files::new().file("readme.txt", "\"UDF\"".repeat(1000).as_str())), None, "too long");
    }

    #[test]
    fn advice_is_one_plain_sentence() {
        for (_, stranger) in STRANGERS {
            assert!(stranger.advice.len() > 20 && !stranger.advice.ends_with('.'), "{}", stranger.what);
            let first = stranger.what.split(' ').next();
            assert!(matches!(first, Some("a" | "an" | "Tiny" | "PCLinuxOS")), "{}", stranger.what);
        }
    }
}
