//! NixOS, Gentoo, Clear Linux, Mageia.

use super::guest::Wish;

const MOUNTS: &str = "mounts only";

#[test]
fn nixos_around_its_store() {
    let mut guest = Wish::new("nixos").boot();
    guest.assert_layers("/nix/store", &["nix-store"]);
    guest.assert_report("nixos", MOUNTS, &["nix-store.squashfs"]);
    guest.assert_warnings(&[]);
    guest.assert_mounts(&[
        ("/", "tmpfs", "tmpfs"),
        ("/iso", "iso9660", "/dev/loop"),
        ("/nix/.ro-store", "squashfs", "/dev/loop"),
        ("/nix/.rw-store", "tmpfs", "tmpfs"),
        ("/nix/store", "overlay", "overlay"),
    ]);
    let medium = guest.mount("/iso").source.clone();
    guest.assert_links(&[("/dev/root", &medium)]);
    let init = "/nix/store/0c8h3xs1nq2dyvlrlm7w0dd5yf1kwvyn-nixos-system-nixos-24.05/init";
    assert_eq!(guest.process_1()[0], init);
    assert_eq!(guest.booted.report()["init"], init);
    // Nothing is in the root but what is mounted in it: its init makes the rest.
    assert_eq!(
        guest.ask("ls -A /").split_whitespace().collect::<Vec<_>>().join(" "),
        "dev iso isodevice nix proc run sys"
    );
    guest.ask("touch /nix/store/written /written");
}

#[test]
fn gentoo_with_genkernel_and_modules() {
    let mut guest = Wish::new("gentoo").boot();
    guest.assert_layers("/", &["2-two", "1-one", "image.squashfs"]);
    let layers = ["modules/2-two.lzm", "modules/1-one.lzm", "image.squashfs"];
    guest.assert_report("gentoo", "mounts, then its initrd's scripts or the same natively", &layers);
    guest.assert_warnings(&[]);
    guest.assert_mounts(&[
        ("/mnt/cdrom", "iso9660", "/dev/loop"),
        ("/mnt/livecd", "squashfs", "/dev/loop"),
        ("/mnt/overlay", "tmpfs", "tmpfs"),
    ]);
    assert_eq!(guest.ask("cat /etc/fstab"), "overlay / overlay defaults 0 0");
}

#[test]
fn gentoo_with_dracut() {
    let mut guest = Wish::new("gentoo-dracut").boot();
    guest.assert_layers("/", &["image.squashfs"]);
    guest.assert_report("dracut", "mounts; its userland does the rest", &["image.squashfs"]);
    guest.assert_mounts(&[
        ("/run/initramfs/live", "iso9660", "/dev/loop"),
        ("/run/rootfsbase", "squashfs", "/dev/loop"),
    ]);
}

#[test]
fn clear_by_our_own_word() {
    let mut guest = Wish::new("clear").boot();
    guest.assert_layers("/", &["rootfs.img"]);
    guest.assert_report("clear", MOUNTS, &["images/rootfs.img"]);
    guest.assert_mounts(&[("/mnt/media", "iso9660", "/dev/loop"), ("/mnt/rootfs", "squashfs", "/dev/loop")]);
    // The installer asks which device the image is attached to.
    let device = guest.mount("/mnt/rootfs").source.clone();
    assert!(guest.ask(&format!("cat /sys/block/{}/loop/backing_file", &device[5..])).ends_with("/images/rootfs.img"));
}

#[test]
fn mageia_with_device_and_path_in_one_word() {
    let mut guest = Wish::new("mageia").boot();
    guest.assert_layers("/", &["distrib"]);
    guest.assert_report("mageia", MOUNTS, &["loopbacks/distrib-lzma.sqfs"]);
    guest.assert_warnings(&[]);
    guest.assert_mounts(&[
        ("/live/media", "iso9660", "/dev/loop"),
        ("/live/distrib", "squashfs", "/dev/loop"),
        ("/live/tmpfs", "tmpfs", "tmpfs"),
    ]);
}
