//! archiso, SystemRescue, miso.

use super::guest::{Guest, Wish};

const MOUNTS: &str = "mounts only";

fn assert_archiso_mounts(guest: &mut Guest, image: &str) {
    guest.assert_mounts(&[
        ("/", "overlay", "airootfs"),
        ("/run/archiso/bootmnt", "iso9660", "/dev/loop"),
        ("/run/archiso/airootfs", image, "/dev/loop"),
        ("/run/archiso/cowspace", "tmpfs", "tmpfs"),
    ]);
}

#[test]
fn archiso_with_squashfs() {
    let mut guest = Wish::new("archiso").boot();
    guest.assert_layers("/", &["airootfs.sfs"]);
    guest.assert_report("archiso", MOUNTS, &["arch/x86_64/airootfs.sfs"]);
    guest.assert_warnings(&[]);
    assert_archiso_mounts(&mut guest, "squashfs");
    assert!(guest.ask("ls /etc/fstab 2>&1 || true").contains("No such file"), "nothing is written to the root");
}

#[test]
fn archiso_with_erofs() {
    let mut guest = Wish::new("archiso-erofs").boot();
    guest.assert_layers("/", &["airootfs.erofs"]);
    guest.assert_report("archiso", MOUNTS, &["arch/x86_64/airootfs.erofs"]);
    guest.assert_warnings(&[]);
    assert_archiso_mounts(&mut guest, "erofs");
}

#[test]
fn archiso_with_an_ext4_image_in_the_squashfs() {
    let mut guest = Wish::new("archiso-nested").boot();
    guest.assert_layers("/", &["airootfs.img"]);
    guest.assert_report("archiso", MOUNTS, &["blackarch/x86_64/airootfs.sfs/airootfs.img"]);
    assert_archiso_mounts(&mut guest, "ext4");
}

fn assert_systemrescue(guest: &mut Guest) {
    guest.assert_layers("/", &["airootfs.sfs", "20-second.srm", "10-first.srm"]);
    let layers = ["sysresccd/x86_64/airootfs.sfs", "sysresccd/20-second.srm", "sysresccd/10-first.srm"];
    guest.assert_report("systemrescue", "mounts, then its initrd's scripts or the same natively", &layers);
    guest.assert_warnings(&[]);
    assert_archiso_mounts(guest, "squashfs");
}

const CONFIGURATION: &str = "cat /run/archiso/config/sysrescue-effective-config.json";

#[test]
fn systemrescue_with_modules_and_its_own_helper() {
    let mut guest = Wish::new("systemrescue").scripts().boot();
    assert_systemrescue(&mut guest);
    assert_eq!(guest.ask(CONFIGURATION), r#"{"global":{"loadsrm":"y"},"read":"100-defaults.yaml"}"#);
    assert_eq!(guest.booted.report()["scripts"], "succeeded");
}

#[test]
fn systemrescue_without_its_helper() {
    let mut guest = Wish::new("systemrescue").words("setkmap=de nofirewall").boot();
    assert_systemrescue(&mut guest);
    let text = guest.ask(CONFIGURATION);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["global"], serde_json::json!({ "loadsrm": true, "nofirewall": true, "setkmap": "de" }));
    assert_eq!(guest.booted.report()["scripts"], serde_json::Value::Null);
}

#[test]
fn manjaro_with_four_layers() {
    let mut guest = Wish::new("miso").boot();
    let layers = ["rootfs", "desktopfs", "mhwdfs", "livefs"];
    guest.assert_layers("/", &layers);
    guest.assert_report(
        "miso",
        MOUNTS,
        &layers.map(|name| format!("manjaro/x86_64/{name}.sfs")).each_ref().map(|s| &**s),
    );
    guest.assert_warnings(&[]);
    guest.assert_mounts(&[
        ("/run/miso/bootmnt", "iso9660", "/dev/loop"),
        ("/run/miso/sfs/rootfs", "squashfs", "/dev/loop"),
        ("/run/miso/sfs/livefs", "squashfs", "/dev/loop"),
        ("/run/miso/overlay_root", "tmpfs", "tmpfs"),
    ]);
    assert_eq!(guest.mount("/").option("upperdir"), "/run/miso/overlay_root/upper");
}

#[test]
fn artix_with_an_image_in_its_lowest_layer() {
    let mut guest = Wish::new("artix").boot();
    guest.assert_layers("/", &["rootfs", "livefs"]);
    guest.assert_report("miso", MOUNTS, &["artix/x86_64/rootfs.sfs/rootfs.img", "artix/x86_64/livefs.sfs"]);
    guest.assert_mounts(&[
        ("/run/artix/bootmnt", "iso9660", "/dev/loop"),
        ("/run/artix/sfs/rootfs", "ext4", "/dev/loop"),
    ]);
}
