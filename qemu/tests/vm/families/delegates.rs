//! Delegates: their init runs, with its own arguments, and finds what it looks for.

use super::guest::{Guest, Wish, path};
use crate::common::assert_refused;
use isolde_qemu::families::root;

const EXECUTING: &str = "isolde: delegate: executing the distribution's own /init";
/// The sample's layers, in the order in which live-boot's own init stacks them.
const LIVE_BOOT: &[&str] = &["filesystem", "language", "personal"];

/// Boots a delegate by its own words; gives what its init has found.
fn delegated(name: &'static str, layers: &[&str]) -> (Guest, Vec<String>) {
    found(&Wish::new(name).rdinit(), layers)
}

/// The same, by other words.
fn found(wish: &Wish, layers: &[&str]) -> (Guest, Vec<String>) {
    let mut guest = wish.boot();
    let found: Vec<String> = guest.ask("cat /run/found").lines().map(str::to_owned).collect();
    assert!(!found.iter().any(|line| line.starts_with("not found")), "{found:?}");
    guest.assert_layers("/", layers);
    let log = guest.booted.vm.log_text().unwrap();
    assert!(log.contains(EXECUTING), "{log}");
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
#[ignore = "long: slax takes the same way"]
fn porteus_finds_the_file_on_the_store() {
    let (_, found) = delegated("porteus", &["000-kernel", "001-core", "000-mine", "firefox"]);
    assert_eq!(found, ["store /dev/vda1", "data /mnt/isoloop/porteus"]);
}

#[test]
#[ignore = "long: slax takes the same way"]
fn slackware_scans_all_devices() {
    let (_, found) = delegated("slackware", &["0010-a", "0099-zzzconf", "0001-addon", "0050-nvidia"]);
    assert_eq!(found, ["store /dev/vda1", "data /mnt/livemedia/liveslak"]);
}

#[test]
fn antix_finds_the_device_by_its_id() {
    let (_, found) = delegated("antix", &["linuxfs"]);
    assert_eq!(found, ["boot device /dev/vda1", "data /live/iso-file/antiX"]);
}

#[test]
fn antix_is_told_of_the_loop_device_where_no_word_of_its_own_names_the_file() {
    let (_, found) = found(&Wish::new("antix").rdinit().instead("isolde.image=$P quiet"), &["linuxfs"]);
    assert_eq!(found, ["boot device /dev/loop0", "data /live/boot-dev/antiX"]);
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
    guest.assert_layers("/", &["filesystem", "6.3", "6.2"]);
    // By the device that it was told of.
    guest.assert_mounts(&[
        ("/run/live/medium", "iso9660", "/dev/loop0"),
        ("/run/live/rootfs/filesystem.squashfs", "squashfs", "/dev/loop"),
    ]);
    guest.assert_not_mounted("/run/live/findiso");
    assert!(guest.booted.vm.log_text().unwrap().contains(EXECUTING));
}

#[test]
#[ignore = "long: a whole Debian; ubuntu takes the same way"]
fn debian_is_delegated_when_that_is_asked_for() {
    let mut guest = Wish::new("live-boot").rdinit().words("isolde.delegate").boot();
    guest.assert_layers("/", LIVE_BOOT);
    // By the device that it was told of: it has not searched for the file.
    guest.assert_mounts(&[("/run/live/medium", "iso9660", "/dev/loop0")]);
    guest.assert_not_mounted("/run/live/findiso");
    guest.ask("test ! -e /run/isolde/report.json");
}

#[test]
fn ubuntu_is_delegated_when_that_is_asked_for() {
    let wish = Wish::new("casper-layers").scripts().rdinit().words("isolde.delegate");
    let mut guest = wish.boot();
    guest.assert_layers("/", &["minimal", "minimal.standard", "minimal.standard.live"]);
    assert_eq!(guest.ask("cat /run/found"), "medium /dev/loop0");
    assert_eq!(guest.ask("ls /var/log"), "", "nothing was done before its init");
}

#[test]
fn a_delegate_without_its_init_is_refused() {
    let machine = Wish::new("slax").words("isolde.onfail=poweroff").machine();
    assert_refused(&machine, "isolde: delegate: delegate to the distribution's own init: ");
}

#[test]
#[ignore = "long: live-boot itself takes two minutes"]
fn the_last_resort_is_the_stock_boot() {
    let wish = Wish::new("live-boot").rdinit().words("isolde.verify=require isolde.onfail=delegate");
    let mut guest = wish.boot();
    guest.assert_layers("/", LIVE_BOOT);
    guest.assert_mounts(&[("/run/live/findiso", "ext4", "/dev/vda1"), ("/run/live/medium", "iso9660", "/dev/loop")]);
    let log = guest.booted.vm.log_text().unwrap();
    let refusal = log.find("isolde: verify: ").unwrap_or_else(|| panic!("{log}"));
    assert!(
        log[refusal..].contains("isolde.verify=require and no checksum") && log[refusal..].contains(EXECUTING),
        "{log}"
    );
}
