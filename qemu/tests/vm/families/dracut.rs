//! dracut's dmsquash-live, kiwi, Void.

use super::guest::{Guest, Wish};

const WAY: &str = "mounts; its userland does the rest";

/// Mount points that livesys and Anaconda look for.
fn assert_dracut_mounts(guest: &mut Guest, image: &str) {
    guest.assert_mounts(&[
        ("/", "overlay", "LiveOS_rootfs"),
        ("/run/initramfs/live", "iso9660", "/dev/loop"),
        ("/run/rootfsbase", image, "/dev/loop"),
        ("/isodevice", "ext4", "/dev/vda1"),
    ]);
    let medium = guest.mount("/run/initramfs/live").source.clone();
    assert_eq!(guest.ask("readlink /run/initramfs/livedev"), medium);
    assert!(guest.ask("cat /proc/cmdline").contains(" rd.live.image "));
}

#[test]
fn a_squashfs_that_is_the_root() {
    let mut guest = Wish::new("dracut").boot();
    guest.assert_layers("/", &["squashfs.img"]);
    guest.assert_report("dracut", WAY, &["LiveOS/squashfs.img"]);
    guest.assert_warnings(&[]);
    assert_dracut_mounts(&mut guest, "squashfs");
}

#[test]
fn erofs_under_the_name_of_squashfs() {
    let mut guest = Wish::new("dracut-erofs").boot();
    guest.assert_layers("/", &["squashfs.img"]);
    guest.assert_report("dracut", WAY, &["LiveOS/squashfs.img"]);
    assert_dracut_mounts(&mut guest, "erofs");
}

#[test]
fn an_ext4_image_in_the_squashfs() {
    let mut guest = Wish::new("dracut-nested").boot();
    guest.assert_layers("/", &["rootfs.img"]);
    guest.assert_report("dracut", WAY, &["LiveOS/squashfs.img/LiveOS/rootfs.img"]);
    assert_dracut_mounts(&mut guest, "ext4");
}

#[test]
fn kiwi_with_its_own_mount_points() {
    let mut guest = Wish::new("kiwi").boot();
    guest.assert_layers("/", &["rootfs.img"]);
    guest.assert_report("kiwi", "mounts only", &["LiveOS/squashfs.img/LiveOS/rootfs.img"]);
    guest.assert_warnings(&["rd.live.overlay.cowfs", "what is written is lost at power-off"]);
    guest.assert_mounts(&[
        ("/", "overlay", "LiveOS_rootfs"),
        ("/run/overlay/live", "iso9660", "/dev/loop"),
        ("/run/overlay/squashfs_container", "squashfs", "/dev/loop"),
        ("/run/overlay/rootfsbase", "ext4", "/dev/loop"),
        ("/run/overlay/overlayfs", "tmpfs", "tmpfs"),
    ]);
    assert_eq!(guest.mount("/").option("upperdir"), "/run/overlay/overlayfs/rw");
    let medium = guest.mount("/run/overlay/live").source.clone();
    guest.assert_links(&[("/run/overlay/isodev", &medium)]);
}
