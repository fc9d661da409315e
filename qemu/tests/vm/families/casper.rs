//! casper: layers, mount points, and what its scripts do, by them and natively.

use super::guest::{Guest, Wish};
use super::snapshot::{self, Snapshot};
use isolde_qemu::families::{casper, casper_bottom};

const WAY: &str = "mounts, then its initrd's scripts or the same natively";

/// What holds whoever has done it.
fn assert_ubuntu(guest: &mut Guest) -> Snapshot {
    guest.assert_layers("/", &["minimal", "minimal.standard", "minimal.standard.live"]);
    let layers = ["minimal", "minimal.standard", "minimal.standard.live"].map(|name| format!("casper/{name}.squashfs"));
    guest.assert_report("casper", WAY, &layers.each_ref().map(|file| &**file));
    guest.assert_mounts(&[
        ("/", "overlay", "/cow"),
        ("/cdrom", "iso9660", "/dev/loop"),
        ("/rofs", "squashfs", "/dev/loop"),
        ("/isodevice", "ext4", "/dev/vda1"),
    ]);
    assert_eq!(guest.ask("cat /rofs/etc/layer"), "minimal", "the lowest layer");
    assert_eq!(guest.ask("cat /cdrom/.disk/info | cut -d' ' -f1"), "Ubuntu");
    guest.assert_links(&[("/media/cdrom", "/cdrom"), ("/etc/systemd/system/cdrom.mount", "/dev/null")]);
    let groups = "groups=1000(ubuntu),4(adm),24(cdrom),27(sudo),30(dip),46(plugdev),115(lpadmin)";
    assert_eq!(guest.ask("id ubuntu"), format!("uid=1000(ubuntu) gid=1000(ubuntu) {groups}"));
    assert_eq!(guest.ask("su ubuntu -c 'cat ~/.profile; touch ~/mine && rm ~/mine'"), "umask 022");
    for (command, wanted) in [
        ("grep ^ubuntu /etc/passwd", "ubuntu:x:1000:1000:Live session user,,,:/home/ubuntu:/bin/sh"),
        ("grep ^ubuntu /etc/shadow", "ubuntu:::0:99999:7:::"),
        ("grep ^root /etc/shadow | cut -d: -f2", "*"),
        ("cat /etc/sudoers.d/casper", "ubuntu  ALL=(ALL) NOPASSWD: ALL"),
        ("stat -c '%a %u' /etc/sudoers.d/casper", "440 0"),
        ("grep -v '#' /etc/gdm3/custom.conf | grep Auto | sort", "AutomaticLogin=ubuntu\nAutomaticLoginEnable=true"),
        ("ls /etc/systemd/system", "cdrom.mount"),
        ("grep -c 'subject.user == \"ubuntu\"' /etc/polkit-1/rules.d/10-live-cd.rules", "1"),
        ("cat /etc/hostname", "ubuntu"),
        ("grep ubuntu /etc/hosts", "127.0.1.1 ubuntu"),
        ("grep -v '#' /etc/fstab", "overlay / overlay rw 0 0\ntmpfs /tmp tmpfs nosuid,nodev 0 0"),
        ("cat /etc/default/locale", "LANG=\"C.UTF-8\""),
        ("grep LAYOUT /etc/default/keyboard", "XKBLAYOUT=\"de\""),
        ("grep -c SYSTEMD_MOUNT_DEVICE_BOUND /usr/lib/udev/rules.d/60-cdrom_id.rules || true", "0"),
        ("grep -h USERNAME /etc/casper.conf", "USERNAME=\"ubuntu\""),
    ] {
        assert_eq!(guest.ask(command), wanted, "{command}");
    }
    snapshot::take(guest, "/etc /home /usr/lib")
}

#[test]
#[ignore = "long: it boots twice, to compare"]
fn the_initrds_scripts_and_the_native_way_give_the_same_root() {
    let mut scripts = Wish::new("casper-layers").scripts().boot();
    let by_scripts = assert_ubuntu(&mut scripts);
    assert_eq!(scripts.booted.report()["scripts"], "succeeded");
    scripts.assert_warnings(&[]);
    let log = scripts.ask(&format!("cat {}", casper_bottom::LOG));
    let given = "ubuntu ubuntu Live session user, Ubuntu ubuntu, /root casper minimal.standard.live.squashfs";
    let ran: Vec<String> = [
        "05mountpoints",
        "12fstab",
        "14locales",
        "15autologin",
        "18hostname",
        "19keyboard",
        "25adduser",
        "25disable_cdrom.mount",
        "43disable_updateinitramfs",
        "99casperboot",
    ]
    .into_iter()
    .flat_map(|name| {
        let debconf = (name == "19keyboard").then(|| "debconf: 0 value set".to_owned());
        [format!("{name} {given}")].into_iter().chain(debconf)
    })
    .collect();
    assert_eq!(log.lines().collect::<Vec<_>>(), ran, "no swap, and all the others in their order");
    // What debconf was told is in the root's data, and its own copy is gone.
    let told = scripts.ask("cat /var/cache/debconf/config.dat");
    assert_eq!(told, "Name: keyboard-configuration/layoutcode\nValue: de");
    assert_eq!(scripts.ask("ls /tmp"), "");
    scripts.ask("test -e /run/.casper-boot");
    // With `quiet`, what they print is in the kernel's log alone.
    scripts.ask("dmesg | grep -q '43disable_updateinitramfs ended with status 3'");
    drop(scripts);

    let mut native = Wish::new("casper-layers").boot();
    let natively = assert_ubuntu(&mut native);
    assert_eq!(native.booted.report()["scripts"], serde_json::Value::Null);
    native.assert_warnings(&[]);
    assert_eq!(snapshot::differences(&by_scripts, &natively), Vec::<String>::new());
}

#[test]
fn a_folder_of_another_name_and_an_initrd_of_another_medium() {
    let mut guest = Wish::new("casper-single").boot();
    guest.assert_layers("/", &["filesystem", "local"]);
    let folder = "casper_pop-os_22.04_amd64_intel_debug_42";
    let layers = ["filesystem", "local"].map(|name| format!("{folder}/{name}.squashfs"));
    guest.assert_report("casper", WAY, &layers.each_ref().map(|file| &**file));
    let warning = format!("it carries the id {}, the medium {};", casper::POP_INITRD_ID, casper::POP_MEDIUM_ID);
    guest.assert_warnings(&[&warning]);
    guest.assert_mounts(&[("/cdrom", "iso9660", "/dev/loop"), ("/rofs", "squashfs", "/dev/loop")]);
    for (command, wanted) in [
        ("cat /etc/hostname", "pop-os"),
        ("id -u pop-os", "1000"),
        ("grep ^pop-os /etc/passwd | cut -d: -f5", "Pop_OS Live,,,"),
        // sddm refuses an empty field.
        ("grep ^pop-os /etc/shadow | cut -d: -f2", "U6aMy0wojraho"),
        ("cat /etc/sddm.conf", "[Autologin]\nUser=pop-os\nSession=plasma.desktop"),
        ("cat /etc/sudoers.d/casper", "pop-os  ALL=(ALL) NOPASSWD: ALL"),
        ("grep -h HOST= /etc/casper.conf", "export HOST=\"pop-os\""),
    ] {
        assert_eq!(guest.ask(command), wanted, "{command}");
    }
}
