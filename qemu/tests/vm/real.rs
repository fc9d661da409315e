//! Real software of Debian 13: ISOs that live-build made, with live-boot and with dracut, and an erofs root in Fedora's
//! layout. `isolde inspect` reads each ISO's own menu; its words boot, and what it foretold is what is found inside.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests; clippy.toml does not see this file as one")]

use crate::common::{BOOT, Booted, build, folder, machine, stick};
use isolde_host::inspect::{self, Report, Verdict};
use isolde_mkinitrd::Form;
use isolde_qemu::fixtures::{self, Iso, extract};
use isolde_qemu::machine::Machine;
use isolde_qemu::store::{FileSystem, Layout, Store};
use std::fs;

/// Comes after the words of an ISO's menu: all components of live-config take minutes in software emulation, and the last
/// list holds.
const FEWER: &str = " components=hostname,user-setup,sudo";

/// What `isolde inspect` says of an ISO that is to be at that path of a store.
fn foretold(iso: &Iso, path: &str) -> Report {
    let report = inspect::examine(&iso.path, Some(path)).unwrap();
    assert_eq!(report.verdict, Verdict::Live, "{report}");
    assert_eq!(report.volume_id.as_deref(), Some(iso.label));
    // The kernel and the initrd that the menu names are those that are booted here.
    let taken = folder().join(format!("{}.taken", iso.file_name()));
    for (inside, booted) in report.kernel.iter().zip([&iso.kernel]).chain(report.initrd.iter().zip([&iso.initrd])) {
        extract(&iso.path, &format!("/{}", inside.trim_start_matches('/')), &taken).unwrap();
        assert!(fs::read(&taken).unwrap() == fs::read(booted).unwrap(), "{inside}");
    }
    report
}

/// The words of the entry in the ISO's loopback.cfg, as they are.
fn words(report: &Report) -> &str {
    let menu = report.menu.as_ref().unwrap();
    assert_eq!(menu.from.as_deref(), Some("boot/grub/loopback.cfg"));
    assert_eq!(menu.left_out, [""; 0]);
    &menu.words
}

/// The boot is of that family and otherwise what was foretold, with nothing to complain about.
fn assert_as_foretold(booted: &mut Booted, foretold: &Report, path: &str, family: &str) {
    let report = booted.report();
    assert_eq!(report["image"], path);
    assert_eq!(report["family"], family);
    let layers: Vec<&str> =
        report["layers"].as_array().unwrap().iter().map(|it| it["file"].as_str().unwrap()).collect();
    assert_eq!(layers, foretold.layers.iter().map(|layer| layer.file.as_str()).collect::<Vec<_>>());
    assert_eq!(report["warnings"].as_array().map(Vec::len), Some(0), "{report}");
    assert_eq!(Some(booted.ask("uname -r")), foretold.kernel_version);
    // Its drivers are compressed, in the initrd as here.
    booted.ask("test -f /lib/modules/$(uname -r)/kernel/fs/isofs/isofs.ko.xz");
    booted.assert_clean();
}

/// What dracut's userland finds, whoever made the mounts.
fn assert_dracut(booted: &mut Booted) {
    assert_eq!(booted.mount_at("/"), "overlay LiveOS_rootfs");
    assert!(booted.options_of("/").contains(",lowerdir=/run/rootfsbase,"));
    assert!(booted.options_of("/run/rootfsbase").contains(",ro,"));
    assert!(booted.options_of("/run/initramfs/live").contains(",ro,"));
    let medium = booted.mount_at("/run/initramfs/live");
    assert!(medium.starts_with("iso9660 /dev/loop"), "{medium}");
    assert_eq!(booted.ask("readlink -f /run/initramfs/livedev"), medium.replace("iso9660 ", ""));
}

/// live-config has made its user, and that user may become root.
fn assert_live_config(booted: &mut Booted) {
    assert_eq!(booted.ask("id -u user"), "1000");
    booted.ask("su user -c 'sudo -n true'");
}

#[test]
#[ignore = "long: `make test-long`"]
fn live_build_with_live_boot_from_exfat() {
    let (iso, path) = (fixtures::live_build().unwrap().live_boot, "/boot/iso/live-build.iso");
    let foretold = foretold(&iso, path);
    assert_eq!(words(&foretold), "boot=live components quiet splash findiso=/boot/iso/live-build.iso");
    assert_eq!((foretold.family, &foretold.notes[..]), (Some("live-boot"), &[][..]));
    let store = Store::new(FileSystem::Exfat, "STICK").copy(path, &iso.path);
    let image = build("real-live-boot", &store);
    let machine =
        machine("real-live-boot", &iso, Form::Init, &(words(&foretold).to_owned() + FEWER)).disk(stick(&image));
    let mut booted = Booted::start(&machine);
    assert_as_foretold(&mut booted, &foretold, path, "live-boot");
    assert_live_config(&mut booted);
    assert_eq!(booted.mount_at("/"), "overlay overlay");
    assert!(booted.options_of("/").contains(",lowerdir=/run/live/rootfs/filesystem.squashfs,"));
    assert!(booted.options_of("/").contains(",upperdir=/run/live/overlay/rw,"));
    assert!(booted.mount_at("/run/live/rootfs/filesystem.squashfs").starts_with("squashfs /dev/loop"));
    assert!(booted.mount_at("/run/live/medium").starts_with("iso9660 /dev/loop"));
    assert_eq!(booted.mount_at("/run/isolde/store"), "exfat /dev/sda1");
    assert_eq!(booted.ask("grep -c '^overlay / overlay' /etc/fstab"), "1");
    // What live-config reads its settings from.
    booted.ask("test -e /lib/live/mount/medium/live/filesystem.squashfs");
    booted.power_off();
}

#[test]
#[ignore = "long: `make test-long`"]
fn live_build_with_dracut_from_btrfs() {
    let (iso, path) = (fixtures::live_build().unwrap().dracut, "/boot/iso/live-build.iso");
    let foretold = foretold(&iso, path);
    assert_eq!(foretold.family, Some("dracut"));
    // The words of two families, and a label with a colon.
    assert_eq!(
        words(&foretold),
        "boot=live components quiet splash rd.live.image root=live:CDLABEL=Debian_trixie_20240101-00:00 \
         rd.live.dir=live rd.live.squashimg=filesystem.squashfs iso-scan/filename=/boot/iso/live-build.iso"
    );
    let store = Store::new(FileSystem::Btrfs, "STICK").layout(Layout::Mbr).copy(path, &iso.path);
    let image = build("real-dracut", &store);
    let machine = machine("real-dracut", &iso, Form::Init, &(words(&foretold).to_owned() + FEWER)).disk(stick(&image));
    let mut booted = Booted::start(&machine);
    assert_as_foretold(&mut booted, &foretold, path, "dracut");
    assert_live_config(&mut booted);
    assert_dracut(&mut booted);
    assert!(booted.mount_at("/run/rootfsbase").starts_with("squashfs /dev/loop"));
    assert!(booted.mount_at("/run/isolde/store").starts_with("btrfs /dev/sda1"));
}

#[test]
#[ignore = "long: `make test-long`"]
fn an_erofs_root_is_where_dracut_has_it() {
    let (iso, path) = (fixtures::live_build().unwrap().erofs, "/boot/iso/fedora.iso");
    let foretold = foretold(&iso, path);
    assert_eq!(foretold.layers[0].format, Some("erofs"));
    let image = build("real-erofs", &Store::new(FileSystem::Ext4, "STICK").copy(path, &iso.path));
    let words = iso.stock_words(path);

    let stock =
        Machine::direct("real-erofs-dracut", &folder(), &iso.kernel, &[&iso.initrd], &words).disk(stick(&image));
    let mut vm = stock.start().unwrap();
    let shell = vm.shell(BOOT).unwrap();
    let mut stock = Booted { vm, shell };
    assert_dracut(&mut stock);
    // The kernel mounts such an image without a loop device. Anaconda looks for a block device here.
    assert_eq!(stock.mount_at("/run/rootfsbase"), "erofs /run/initramfs/live/LiveOS/squashfs.img");
    drop(stock);

    let ours = machine("real-erofs-isolde", &iso, Form::Init, &words).disk(stick(&image));
    let mut ours = Booted::start(&ours);
    // kiwi's media have the same files. The initrd decides, and of that inspect reads the first megabytes only.
    assert_as_foretold(&mut ours, &foretold, path, "dracut");
    assert_dracut(&mut ours);
    assert!(ours.mount_at("/run/rootfsbase").starts_with("erofs /dev/loop"));
}
