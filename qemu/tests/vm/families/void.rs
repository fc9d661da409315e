//! Void: dracut's layout with its own nested image, and a user that its initrd makes.

use super::guest::{Guest, Wish};
use super::snapshot::{self, Snapshot};
use isolde_qemu::families::void_hooks;

/// What holds whoever has done it.
fn assert_void(guest: &mut Guest) -> Snapshot {
    guest.assert_layers("/", &["ext3fs.img"]);
    let way = "mounts, then its initrd's scripts or the same natively";
    guest.assert_report("void", way, &["LiveOS/squashfs.img/LiveOS/ext3fs.img"]);
    guest.assert_warnings(&[]);
    guest.assert_mounts(&[
        ("/", "overlay", "LiveOS_rootfs"),
        ("/run/initramfs/live", "iso9660", "/dev/loop"),
        // The driver for ext4 mounts ext3, too.
        ("/run/rootfsbase", "ext4", "/dev/loop"),
    ]);
    assert_eq!(guest.process_1()[0], "/sbin/init");
    assert_eq!(guest.ask("id anon"), "uid=1000(anon) gid=1000(anon) groups=1000(anon),29(audio),44(video),101(wheel)");
    assert_eq!(guest.ask("su anon -c 'cat ~/.profile; touch ~/mine && rm ~/mine'"), "umask 022");
    for (command, wanted) in [
        ("cat /etc/hostname", "void-live"),
        ("cat /etc/default/live.conf", "USERNAME=anon"),
        ("cat /etc/sudoers.d/99-void-live", "anon ALL=(ALL:ALL) NOPASSWD: ALL"),
        ("stat -c '%a %u' /etc/sudoers.d/99-void-live", "440 0"),
        ("grep KEYMAP /etc/rc.conf", "KEYMAP=de"),
        ("cat /etc/locale.conf", "LANG=de_DE.UTF-8\nLC_COLLATE=C"),
        ("head -n 1 /etc/sv/agetty-tty1/conf", "GETTY_ARGS=\"--noclear -a anon\""),
        ("readlink /etc/runit/runsvdir/default/agetty-ttyS0", "/etc/sv/agetty-ttyS0"),
        (
            "grep -v '#' /etc/lightdm/lightdm.conf | sort",
            "[LightDM]\n[Seat:*]\nautologin-session=xfce\nautologin-user-timeout=0\nautologin-user=anon\nuser-session=xfce",
        ),
        ("ls -A /etc/other-hook-ran 2>/dev/null || true", ""),
    ] {
        assert_eq!(guest.ask(command), wanted, "{command}");
    }
    snapshot::take(guest, "/etc /home")
}

#[test]
#[ignore = "long: it boots twice, to compare"]
fn the_initrds_hooks_and_the_native_way_give_the_same_root() {
    let mut hooks = Wish::new("void").scripts().boot();
    let by_hooks = assert_void(&mut hooks);
    assert_eq!(hooks.booted.report()["scripts"], "succeeded");
    let log = "01-adduser anon /sysroot\n02-display-manager-autologin anon\n03-getty-serial\n04-locale";
    assert_eq!(hooks.ask(&format!("cat {}", void_hooks::LOG)), log);
    assert_eq!(hooks.ask("grep -c ':hash-of-voidlinux:' /etc/shadow"), "2");
    drop(hooks);

    let mut native = Wish::new("void").boot();
    let natively = assert_void(&mut native);
    assert_eq!(native.booted.report()["scripts"], serde_json::Value::Null);
    assert_eq!(native.ask("grep -cF ':$6$isolde.void$' /etc/shadow"), "2");
    let differ = snapshot::differences(&by_hooks, &natively);
    // Each has a hash of its own for the one password.
    assert!(differ.len() == 1 && differ[0].starts_with("/etc/shadow: "), "{differ:#?}");
}
