//! Delegates: their init runs, with its own arguments, and finds what it looks for.

use super::guest::{Guest, Wish, path};
use crate::common::{self, assert_refused};
use isolde_qemu::families::root;

/// Boots a delegate; gives what its init has found.
fn delegated(name: &'static str, layers: &[&str]) -> (Guest, Vec<String>) {
    let mut guest = Wish::new(name).rdinit().boot();
    let found: Vec<String> = guest.ask("cat /run/found").lines().map(str::to_owned).collect();
    assert!(!found.iter().any(|line| line.starts_with("not found")), "{found:?}");
    guest.assert_layers("/", layers);
    let log = guest.booted.vm.log_text().unwrap();
    assert!(log.contains("isolde: delegate: executing the distribution's own /init"), "{log}");
    assert!(guest.ask("head -n 1 /run/arguments").ends_with("/init"));
    (guest, found)
}

#[test]
fn slax_finds_the_file_on_the_store() {
    let (mut guest, found) = delegated("slax", &["01-core", "02-xorg", "10-apps", "a-module"]);
    assert_eq!(found, ["store /dev/vda1", "data /memory/iso/slax"]);
    // Words that the kernel does not know are the init's arguments and environment.
    let environment = guest.ask("cat /run/environment");
    assert!(environment.lines().any(|line| line == format!("from={}", path("slax"))), "{environment}");
}

#[test]
fn porteus_finds_the_file_on_the_store() {
    let (_, found) = delegated("porteus", &["000-kernel", "001-core", "000-mine", "firefox"]);
    assert_eq!(found, ["store /dev/vda1", "data /mnt/isoloop/porteus"]);
}

#[test]
fn slackware_scans_all_devices() {
    let (_, found) = delegated("slackware", &["0010-a", "0099-zzzconf", "0001-addon", "0050-nvidia"]);
    assert_eq!(found, ["store /dev/vda1", "data /mnt/livemedia/liveslak"]);
}

#[test]
fn antix_finds_the_device_by_its_id() {
    let (_, found) = delegated("antix", &["linuxfs"]);
    assert_eq!(found, ["store /dev/vda1", "data /live/iso-file/antiX"]);
}

#[test]
fn puppy_gets_its_words_in_its_environment() {
    let (_, found) = delegated("puppy", &["fdrv", "zdrv", "puppy", "ydrv", "adrv"]);
    assert_eq!(found, ["store /dev/vda1", "data /mnt/pdrv", "pmedia cd"]);
}

#[test]
fn alpine_finds_the_loop_device() {
    let mut guest = Wish::new("alpine").rdinit().boot();
    let found = guest.ask("cat /run/found");
    let data = found
        .lines()
        .find_map(|line| line.strip_prefix("data /media/"))
        .unwrap_or_else(|| panic!("{found}"))
        .to_owned();
    assert!(data.starts_with("loop"), "{found}");
    assert_eq!(guest.ask(&format!("cat /{}", root::TOP)), "alpine-base");
    // The link that udev would have made.
    guest.assert_links(&[("/dev/disk/by-label/alpine-std*", &format!("/dev/{data}"))]);
}

#[test]
fn tails_boots_by_the_live_boot_of_its_initrd() {
    let mut guest = Wish::new("tails").rdinit().boot();
    guest.assert_mounts(&[
        ("/", "overlay", "overlay"),
        ("/run/live/medium", "iso9660", "/dev/loop"),
        ("/run/live/rootfs/filesystem.squashfs", "squashfs", "/dev/loop"),
    ]);
    assert_eq!(guest.ask(&format!("cat /{}", root::TOP)), "6.2");
    assert!(guest.booted.vm.log_text().unwrap().contains("isolde: delegate: executing the distribution's own /init"));
}

#[test]
fn debian_is_delegated_when_that_is_asked_for() {
    let mut guest = Wish::new("live-boot").rdinit().words("isolde.delegate").boot();
    guest.assert_mounts(&[("/", "overlay", "overlay"), ("/run/live/medium", "iso9660", "/dev/loop")]);
    assert_eq!(guest.ask(&format!("cat /{}", root::TOP)), "personal");
    guest.ask("test ! -e /run/isolde/report.json");
}

#[test]
fn a_delegate_without_its_init_is_refused() {
    let machine = Wish::new("slax").words("isolde.onfail=poweroff").machine();
    assert_refused(&machine, "isolde: delegate: delegate to the distribution's own init: ");
}

#[test]
fn the_last_resort_is_the_stock_boot() {
    let machine = Wish::new("unknown").rdinit().words("isolde.onfail=delegate").machine();
    let mut vm = machine.start().unwrap();
    vm.wait_for("isolde: family: recognise the family: ", common::REFUSAL).unwrap();
    vm.wait_for("isolde: delegate: executing the distribution's own /init", common::REFUSAL).unwrap();
    vm.wait_for("Loading, please wait", common::REFUSAL).unwrap();
}
