//! What the store adds to a system: checksums, extensions, an image file as home, the user's script; good and bad ones.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests; clippy.toml does not see this file as one")]

use crate::common::small::{self, Guest};
use crate::common::{Booted, build, folder, machine, stick};
use isolde_mkinitrd::Form;
use isolde_qemu::fixtures;
use isolde_qemu::machine::{Bus, Disk};
use isolde_qemu::store::{FileSystem, Store};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the image of the small system is.
const SMALL: &str = "/boot/iso/small.iso";

/// A squashfs image of a folder that `fill` fills.
fn extension(name: &str, fill: impl Fn(&Path)) -> PathBuf {
    let tree = tempfile::tempdir_in(folder()).unwrap();
    fill(tree.path());
    let image = folder().join(format!("{name}.ExtensionImage"));
    let _ = fs::remove_file(&image);
    let made = Command::new("mksquashfs").arg(tree.path()).arg(&image).args(["-quiet", "-all-root"]).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    image
}

fn write(root: &Path, path: &str, text: &str, mode: u32) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
#[ignore = "long: a whole Debian; small systems have what fails"]
fn good_extras_from_vfat() {
    let iso = fixtures::debian().unwrap();
    let path = "/boot/iso/debian.iso";
    let good = extension("good", |root| {
        write(root, "usr/bin/from-extension", "#!/bin/sh\necho works\n", 0o755);
        // /lib of the root is a link to usr/lib: it has to be followed.
        write(root, "lib/firmware/new/blob.bin", "firmware", 0o644);
        symlink("blob.bin", root.join("lib/firmware/new/link.bin")).unwrap();
        write(root, "etc/issue", "replaced\n", 0o644);
        write(root, "ExtensionRun", "#!/bin/sh\necho ran as $(id -u) > /etc/extension-ran\n", 0o755);
    });
    let sums = Command::new("b3sum").arg(&iso.path).output().unwrap();
    let sums = String::from_utf8(sums.stdout).unwrap();
    let digest = sums.split(' ').next().unwrap().to_owned();
    let home = folder().join("home.img");
    let _ = fs::remove_file(&home);
    let made = Command::new("mke2fs").args(["-q", "-t", "ext4"]).arg(&home).arg("32M").output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let store = Store::new(FileSystem::Vfat, "STICK")
        .copy(path, &iso.path)
        .bytes("/boot/iso/B3SUMS", format!("{digest}  debian.iso\n").as_bytes())
        .copy("/boot/extensions/good.ExtensionImage", &good)
        .copy("/home.img", &home)
        .script(
            "/boot/customize/init",
            "#!/bin/sh\necho customized > /etc/customized\ntest -d /sys/class && echo said something\n",
        );
    let image = build("vfat-extras", &store);
    let words = format!("boot=live components=user-setup findiso={path} isolde.store=LABEL=STICK isolde.verify=auto");
    let machine = machine("vfat-extras", &iso, Form::Init, &words).disk(stick(&image));
    let mut booted = Booted::start(&machine);

    assert_eq!(booted.mount_at("/run/isolde/store"), "vfat /dev/sda1");
    assert_eq!(booted.ask("from-extension"), "works");
    assert_eq!(booted.ask("cat /usr/lib/firmware/new/link.bin"), "firmware");
    assert_eq!(
        booted.ask("readlink /usr/lib/firmware/new/blob.bin"),
        "/run/isolde/extensions/good/lib/firmware/new/blob.bin"
    );
    assert_eq!(booted.ask("readlink /lib"), "usr/lib", "a linked directory stays one");
    assert_eq!(booted.ask("cat /etc/issue"), "replaced");
    assert_eq!(booted.ask("cat /etc/extension-ran"), "ran as 0");
    assert_eq!(booted.ask("cat /etc/customized"), "customized");
    assert_eq!(booted.ask("dmesg | grep -c 'isolde: customize: .*/boot/customize/init: said something'"), "1");
    assert!(booted.mount_at("/home").starts_with("ext4 /dev/loop"));
    assert_eq!(booted.ask("stat -c %U /home/user"), "user");
    let report = booted.report();
    assert_eq!(report["check"]["blake3"], digest.as_str());
    assert_eq!(report["check"]["source"], "/boot/iso/B3SUMS");
    assert_eq!(report["extensions"][0]["name"], "good");
    assert_eq!(report["home"], "/home.img");
    assert_eq!(report["programs"][0]["end"], "succeeded");
    assert_eq!(report["programs"][1]["path"], "/run/isolde/store/boot/customize/init");
    assert!(report["warnings"][0].as_str().unwrap().contains("/etc/issue replaces the root's own"), "{report}");
    booted.assert_clean();
}

/// A small system whose store has the image and whatever else it is given.
fn small_system(name: &str, store: Store, words: &str) -> Guest {
    let image = build(name, &store.copy(SMALL, small::iso()));
    let machine = small::machine(name, &format!("isolde.image={SMALL} {words}"));
    Guest::boot(&machine.disk(Disk::new("stick", &image, Bus::Virtio)))
}

#[test]
fn bad_extras_are_left_out_and_the_boot_goes_on() {
    let good = extension("still-good", |root| write(root, "usr/bin/still-good", "#!/bin/sh\necho works\n", 0o755));
    // The superblock is right, and everything behind it is not.
    let mut damaged = fs::read(&good).unwrap();
    damaged[96..].fill(0xa5);
    let cut = fs::read(&good).unwrap();
    let store = Store::new(FileSystem::Ext4, "STICK")
        .bytes("/boot/extensions/a-damaged.ExtensionImage", &damaged)
        .bytes("/boot/extensions/b-cut.ExtensionImage", &cut[..200])
        .bytes("/boot/extensions/c-text.ExtensionImage", b"not an image at all")
        .copy("/boot/extensions/x86_64/still-good.ExtensionImage", &good)
        .script("/boot/customize/init", "#!/bin/sh\necho begun > /etc/begun\nsleep 1000\necho over > /etc/over\n");
    let mut guest = small_system("bad-extras", store, "isolde.customize-limit=3");
    assert_eq!(guest.ask("still-good"), "works");
    assert_eq!(guest.ask("cat /etc/begun; ls /etc/over 2>/dev/null || true"), "begun");
    assert_eq!(guest.ask("ps | grep 'slee[p] 1000' || true"), "", "what hung is gone");
    let (report, warnings) = (guest.report(), guest.warnings());
    for wanted in ["a-damaged", "b-cut", "c-text", "was ended after its 3 s"] {
        assert_eq!(warnings.iter().filter(|warning| warning.contains(wanted)).count(), 1, "{wanted}: {warnings:?}");
    }
    assert_eq!(report["extensions"].as_array().unwrap().len(), 1);
}

#[test]
fn a_script_that_fails_does_not_stop_the_boot() {
    let script = "#!/bin/sh\necho tried > /etc/tried\nexit 7\n";
    let store = Store::new(FileSystem::Ext4, "STICK").script("/boot/customize/init", script);
    let mut guest = small_system("script-fails", store, "");
    assert_eq!(guest.ask("cat /etc/tried"), "tried");
    assert_eq!(guest.report()["programs"][0]["end"], "failed with status 7");
    let warnings = guest.warnings();
    assert!(warnings[0].contains("failed with status 7"), "{warnings:?}");
}
