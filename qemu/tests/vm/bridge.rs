//! The bridge: modules out of the image's own root, where its initrd has none. With them beside the stock initrd, without
//! them, and as the only initrd.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests; clippy.toml does not see this file as one")]

use crate::common::{Booted, assert_refused, build, folder, init, stick};
use isolde_host::mkinitrd::{self, Args};
use isolde_mkinitrd::cli::Options;
use isolde_mkinitrd::{Compression, Form};
use isolde_qemu::fixtures::{self, Iso};
use isolde_qemu::machine::Machine;
use isolde_qemu::store::{FileSystem, Store};
use std::path::{Path, PathBuf};

const PATH: &str = "/boot/iso/x.iso";
const UUID: &str = "ABCD-1234";

/// What `isolde mkinitrd` writes for an image. Not compressed: unoptimised, that takes minutes for all modules of a boot.
fn mkinitrd(name: &str, iso: &Iso, names: &[&str], standalone: bool) -> PathBuf {
    let output = folder().join(format!("{name}.img"));
    let options = Options {
        output: Some(output.clone()),
        form: Form::Init,
        compress: Compression::None,
        add: Vec::new(),
        key: Vec::new(),
        words: None,
        dry_run: false,
    };
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    let args = Args { init: Some(init().to_owned()), image: Some(iso.path.clone()), names, standalone, options };
    assert!(mkinitrd::write(&args).unwrap());
    output
}

/// An exfat stick with the ISO, found by its identity.
fn exfat(name: &str, iso: &Iso, initrds: &[&Path]) -> Machine {
    let store = Store::new(FileSystem::Exfat, "STICK").uuid(UUID).copy(PATH, &iso.path);
    let words = format!("isolde.store=UUID={UUID} isolde.onfail=poweroff {}", iso.stock_words(PATH));
    Machine::direct(name, &folder(), &iso.kernel, initrds, &words).processors(1).disk(stick(&build(name, &store)))
}

/// What the boot says of itself: the right image, nothing left behind, and nothing to complain about.
fn assert_booted(booted: &mut Booted, family: &str) {
    let report = booted.report();
    assert_eq!(report["image"], PATH);
    assert_eq!(report["family"], family);
    assert_eq!(report["warnings"].as_array().map(Vec::len), Some(0), "{report}");
    assert_eq!(booted.mount_at("/run/isolde/store"), "exfat /dev/sda1");
    assert!(booted.mount_at("/").starts_with("overlay "));
    // The modules of the bridge went with the initramfs, and are in the kernel.
    booted.ask("test ! -e /isolde/modules && grep -q '^exfat ' /proc/modules");
}

#[test]
fn an_exfat_store_whose_driver_only_the_root_has() {
    let iso = fixtures::debian().unwrap();
    let bridge = mkinitrd("bridge-exfat", &iso, &["exfat"], false);
    let mut booted = Booted::begin(&exfat("bridge-exfat", &iso, &[&iso.initrd, &bridge]));
    assert_booted(&mut booted, "live-boot");
}

#[test]
fn without_the_bridge_the_missing_driver_is_named() {
    let iso = fixtures::debian().unwrap();
    let plain = crate::common::second_initrd(Form::Init);
    let message = r#"isolde: store: .*no driver "exfat": not in the kernel, not in /lib/modules/6\.1\."#;
    assert_refused(&exfat("bridge-without", &iso, &[&iso.initrd, &plain]), message);
}

#[test]
#[ignore = "long: a whole Debian; an exfat store by the bridge is the short one"]
fn debian_without_any_other_initrd() {
    let iso = fixtures::debian().unwrap();
    let alone = mkinitrd("standalone-debian", &iso, &[], true);
    let mut booted = Booted::start(&exfat("standalone-debian", &iso, &[&alone]));
    assert_booted(&mut booted, "live-boot");
    booted.assert_clean();
    booted.power_off();
}

/// The modules are in an ext4 image within a squashfs.
#[test]
#[ignore = "long: `make test-long`"]
fn a_nested_root_without_any_other_initrd() {
    let iso = fixtures::fedora_like().unwrap();
    let alone = mkinitrd("standalone-nested", &iso, &[], true);
    let mut booted = Booted::start(&exfat("standalone-nested", &iso, &[&alone]));
    assert_booted(&mut booted, "dracut");
    booted.assert_clean();
    booted.power_off();
}

/// The modules are packed with xz, in an erofs; what tells this medium from another family's is in its own initrd.
#[test]
#[ignore = "long: `make test-long`"]
fn an_erofs_root_without_any_other_initrd() {
    let iso = fixtures::live_build().unwrap().erofs;
    let alone = mkinitrd("standalone-erofs", &iso, &[], true);
    let mut booted = Booted::start(&exfat("standalone-erofs", &iso, &[&alone]));
    assert_booted(&mut booted, "dracut");
    booted.assert_clean();
    booted.power_off();
}
