//! live-boot.

use super::guest::Wish;

const WAY: &str = "mounts; its userland does the rest";

#[test]
fn every_image_of_the_folder_by_name() {
    let mut guest = Wish::new("live-boot").boot();
    guest.assert_layers("/", &["filesystem", "language", "personal"]);
    let layers = ["live/filesystem.squashfs", "live/language.ext4", "live/personal.squashfs"];
    guest.assert_report("live-boot", WAY, &layers);
    guest.assert_warnings(&[]);
    guest.assert_mounts(&[
        ("/", "overlay", "overlay"),
        ("/run/live/medium", "iso9660", "/dev/loop"),
        ("/run/live/rootfs/filesystem.squashfs", "squashfs", "/dev/loop"),
        ("/run/live/rootfs/language.ext4", "ext4", "/dev/loop"),
        ("/run/live/rootfs/personal.squashfs", "squashfs", "/dev/loop"),
        ("/run/live/overlay", "tmpfs", "tmpfs"),
        ("/isodevice", "ext4", "/dev/vda1"),
    ]);
    let root = guest.mount("/");
    assert_eq!(root.option("upperdir"), "/run/live/overlay/rw");
    assert_eq!(root.option("workdir"), "/run/live/overlay/work");
    let fstab = guest.ask("cat /etc/fstab");
    assert_eq!(fstab, "overlay / overlay rw 0 0\ntmpfs /tmp tmpfs nosuid,nodev 0 0");
    // live-config's own words reach it.
    assert!(
        guest.ask("cat /proc/cmdline").contains(" boot=live ")
            && guest.ask("cat /proc/cmdline").contains(" components ")
    );
}

#[test]
fn a_list_of_modules() {
    let mut guest = Wish::new("live-boot-module").boot();
    guest.assert_layers("/", &["filesystem", "6.3", "6.2"]);
    let layers = ["live/filesystem.squashfs", "live/6.3.squashfs", "live/6.2.squashfs"];
    guest.assert_report("live-boot", WAY, &layers);
}

#[test]
fn grml_in_a_folder_of_its_own() {
    let mut guest = Wish::new("grml").boot();
    guest.assert_layers("/", &["grml64-full"]);
    guest.assert_report("live-boot", WAY, &["live/grml64-full/grml64-full.squashfs"]);
    guest.assert_warnings(&[]);
    guest.assert_mounts(&[("/run/live/rootfs/grml64-full.squashfs", "squashfs", "/dev/loop")]);
}
