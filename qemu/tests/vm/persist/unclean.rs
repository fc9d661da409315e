//! A machine that is killed in the middle of its session, and the session after it.

#![allow(clippy::unwrap_used, reason = "tests; clippy.toml does not see this file as one")]

use super::{cat, cut, states};
use crate::common::build;
use crate::common::disks::{assert_unmounted, partition};
use crate::common::small::{self, BOOT, Guest};
use isolde_qemu::fixtures::{Init, root_of};
use isolde_qemu::machine::{Bus, Disk};
use isolde_qemu::store::{FileSystem, Store};

#[test]
fn a_lost_session_is_named_and_the_next_one_writes_and_ends_beside_it() {
    let store =
        Store::new(FileSystem::Ext4, "STICK").free(64).copy("/root.squashfs", &root_of(Init::Sysvinit).unwrap());
    let image = build("persist-lost", &store);
    // Everything is merged as soon as it may be. Named, because a store that was not unmounted is passed over otherwise.
    let words = "isolde.image=/root.squashfs isolde.store=LABEL=STICK isolde.persist=work isolde.persist-keep=1";
    let boot =
        |name: &str| Guest::boot(&small::machine(name, words).disk(Disk::new("stick", &image, Bus::Virtio).kept()));
    let mut first = boot("persist-lost-1");
    first.ask("echo first >/etc/mine; echo first >/etc/both; rm /etc/fstab; sync");
    cut(first);

    let mut second = boot("persist-lost-2");
    let warnings = second.warnings();
    let says = "persist: session 1 did not come to its end: the machine lost its power, or still runs";
    assert!(warnings.iter().any(|text| text == says), "{warnings:?}");
    let (_, _, options) = second.mount_at("/");
    assert!(options.contains(",upperdir=/run/initramfs/isolde/persist/2,"), "{options}");
    assert_eq!(second.ask("cat /etc/mine /etc/both; test ! -e /etc/fstab"), "first\nfirst");
    second.ask("rm /etc/mine; echo second >/etc/both; poweroff >/dev/null 2>&1 &");
    second.vm.wait_for_end(BOOT).unwrap();
    let log = second.vm.log_text().unwrap();
    assert!(log.contains("isolde: exit: everything is unmounted"), "{log}");

    let partition = partition(&image);
    assert_unmounted(&["e2fsck", "-f", "-n"], &partition);
    assert_eq!(states(&partition), ["unclean", "saved"]);
    for (path, text) in [("1/etc/mine", "first\n"), ("1/etc/both", "first\n"), ("2/etc/both", "second\n")] {
        assert_eq!(cat(&partition, &format!("/boot/isolde/persist/{path}")), text, "{path}");
    }
}
