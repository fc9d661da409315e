//! What is saved in the machine: over boots, over power cuts, on file systems that cannot hold it themselves, and where
//! there is no room.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests; clippy.toml does not see this file as one"
)]

mod debian;
mod unclean;

use crate::common::disks::{assert_unmounted, partition};
use crate::common::saved::{self, ISO, cat, image_of};
use crate::common::small::{self, Guest};
use crate::common::{Booted, build, machine, stick};
use isolde_mkinitrd::Form;
use isolde_qemu::machine::{Bus, Disk};
use isolde_qemu::store::{FileSystem, Layout, Store};
use isolde_qemu::{families, fixtures};
use std::path::Path;
use std::time::Duration;

/// How many times the power is cut, and how many times more in each of four long tests, which are 200 together.
const CUTS: u64 = 5;
const MORE_CUTS: u64 = 50;

fn store(file_system: FileSystem) -> Store {
    saved::store(file_system).free(96)
}

/// How the sessions ended, by the record on a store.
fn states(partition: &Path) -> Vec<String> {
    let record = cat(partition, "/boot/isolde/persist/record.toml");
    let states = record.lines().filter_map(|line| line.strip_prefix("state = "));
    states.map(|state| state.trim_matches('"').to_owned()).collect()
}

/// The power goes.
fn cut(guest: Guest) {
    drop(guest);
}

#[test]
fn an_image_file_on_vfat_and_no_room_left_in_it() {
    let persist = image_of("persist-vfat.img", 40);
    let store = store(FileSystem::Vfat).layout(Layout::Mbr).copy("/boot/isolde/persist.img", &persist);
    let image = build("persist-vfat", &store);
    let mut guest = Guest::boot(&saved::machine("persist-vfat", &image, "isolde.persist=work"));
    let report = guest.report();
    assert_eq!((report["session"].as_u64(), report["saved_sessions"].as_u64()), (Some(1), Some(0)), "{report}");
    assert_eq!(
        guest.ask("rm /etc/layer; echo mine > /etc/mine; mkdir -p /opt/a; echo 1 > /opt/a/b; sync; cat /etc/mine"),
        "mine"
    );
    // Full, the system still answers, and can be written to in memory.
    guest.ask("cat /dev/zero > /full 2>/dev/null; sync; test -s /full");
    assert_eq!(guest.ask("echo x > /run/x; cat /run/x"), "x");
    cut(guest);
    let mut guest = Guest::boot(&saved::machine("persist-full", &image, "isolde.persist=work"));
    let (report, warnings) = (guest.report(), guest.warnings().join("\n"));
    assert_eq!((report["session"].as_u64(), report["saved_sessions"].as_u64()), (None, Some(1)), "{report}");
    assert!(warnings.contains("session 1 did not come to its end"), "{warnings}");
    assert!(
        warnings.contains("this session is in memory") && warnings.contains("MiB of what is saved on are free"),
        "{warnings}"
    );
    assert_eq!(
        guest.ask("cat /etc/mine /opt/a/b; test ! -e /etc/layer; echo y > /etc/new; cat /etc/new"),
        "mine\n1\ny"
    );
    cut(guest);
    // The session that filled it is left out.
    let mut guest =
        Guest::boot(&saved::machine("persist-back", &image, "isolde.persist=work@-1 isolde.session=discard"));
    guest.assert_root(ISO);
    assert_eq!(
        guest.ask(
            "test ! -e /etc/mine; cut -d ' ' -f 2,4 /proc/mounts | grep '^/run/initramfs/isolde/persist ro,' | wc -l"
        ),
        "1"
    );
}

#[test]
fn another_image_gets_a_line_of_its_own() {
    let other = families::build().unwrap().into_iter().find(|built| built.sample.name == "kiwi");
    let other = other.expect("a sample of kiwi");
    let image = build("persist-base", &store(FileSystem::Ext4).copy("/other.iso", &other.iso));
    let mut guest = Guest::boot(&saved::machine("persist-base", &image, "isolde.persist=work"));
    guest.ask("echo first > /etc/mine; sync");
    cut(guest);
    let line = format!(
        "isolde.image=/other.iso isolde.store=LABEL=STICK isolde.persist=work {}",
        other.words("/other.iso", "")
    );
    let machine = small::machine("persist-other", &line).disk(Disk::new("stick", &image, Bus::Virtio).kept());
    let mut vm = machine.start().unwrap();
    vm.wait_for("isolde: persist: what is saved as work belongs to another image, /small.iso", small::BOOT).unwrap();
    vm.wait_for("isolde: persist: keys: f, or none for 5 s, forks it for /other.iso; k keeps it; n .*; c", small::BOOT)
        .unwrap();
    // Not a key, and then one.
    vm.type_on_console("\r").unwrap();
    vm.type_on_console("f").unwrap();
    vm.wait_for("isolde: persist: what was saved over /small.iso is forked for /other.iso", small::BOOT).unwrap();
    let mut guest = Guest::of(vm);
    let report = guest.report();
    let took = report["stages"].as_array().unwrap().iter().find(|stage| stage["stage"] == "persist").unwrap();
    assert!(took["ms"].as_u64().unwrap() < 5000, "the key was not waited past: {took}");
    assert_eq!(guest.ask("cat /etc/mine; echo second > /etc/mine; sync; cat /etc/mine"), "first\nsecond");
    cut(guest);
    let mut guest = Guest::boot(&saved::machine("persist-again", &image, "isolde.persist=work isolde.session=discard"));
    assert_eq!(guest.ask("cat /etc/mine"), "first", "the first image finds its own");
    assert!(!guest.vm.log_text().unwrap().contains("isolde: persist: keys: "), "it has sessions of its own");
}

#[test]
fn the_power_is_cut_at_random() {
    cut_the_power("persist-cut", CUTS, 0x1501_de00);
}

#[test]
#[ignore = "long: a boot for each power cut"]
fn power_cuts_1_to_50() {
    cut_the_power("persist-cuts-1", MORE_CUTS, 1);
}

#[test]
#[ignore = "long: a boot for each power cut"]
fn power_cuts_51_to_100() {
    cut_the_power("persist-cuts-2", MORE_CUTS, 2);
}

#[test]
#[ignore = "long: a boot for each power cut"]
fn power_cuts_101_to_150() {
    cut_the_power("persist-cuts-3", MORE_CUTS, 3);
}

#[test]
#[ignore = "long: a boot for each power cut"]
fn power_cuts_151_to_200() {
    cut_the_power("persist-cuts-4", MORE_CUTS, 4);
}

/// What was saved is whole after each cut, during a boot with its merges and while a session writes; and so is what a
/// session has brought to the disk itself.
fn cut_the_power(name: &str, cuts: u64, seed: u64) {
    let image = build(name, &store(FileSystem::Ext4));
    let more = "isolde.persist=work isolde.persist-keep=2";
    let mut guest = Guest::boot(&saved::machine(name, &image, more));
    guest.ask("mkdir /saved; for n in $(seq 200); do seq $n > /saved/$n; done; busybox md5sum /saved/* > /sums; sync");
    cut(guest);
    let (mut dice, mut written) = (seed, 0);
    for number in 1..=cuts {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let moment = Duration::from_millis((dice >> 33) % 4000);
        let vm = saved::machine(name, &image, more).start().unwrap();
        if number % 3 == 0 {
            // While it boots: modules, store, merges.
            std::thread::sleep(moment);
            drop(vm);
            continue;
        }
        let mut guest = Guest::of(vm);
        assert_eq!(guest.ask("busybox md5sum /saved/* | cmp - /sums && echo whole"), "whole", "cut {number}");
        for earlier in 1..=written {
            assert_eq!(guest.ask(&format!("cat /brought/{earlier}")), format!("brought {earlier}"), "cut {number}");
        }
        written += 1;
        guest.ask(&format!("mkdir -p /brought; echo brought {written} > /brought/{written}; sync"));
        guest.ask(
            "(while :; do for n in $(seq 50); do echo $n > /half.$n; done; rm -f /half.*; done) >/dev/null 2>&1 &",
        );
        std::thread::sleep(moment / 4);
        cut(guest);
    }
    let mut guest = Guest::boot(&saved::machine(name, &image, more));
    assert_eq!(guest.ask("busybox md5sum /saved/* | cmp - /sums && ls /brought | wc -l"), written.to_string());
    let saved = guest.report()["saved_sessions"].as_u64().unwrap();
    // One more than persist-keep= says: a session without an end is merged once two stand on it.
    assert!(saved <= 3, "{saved} sessions stay apart");
}

#[test]
fn sessions_come_to_their_end_under_systemd() {
    let iso = fixtures::fedora_like().unwrap();
    let store = Store::new(FileSystem::Ext4, "STICK").copy("/fedora.iso", &iso.path).free(300);
    let image = build("persist-fedora", &store);
    let boot = |name: &str, more: &str| {
        let words = format!("{} isolde.persist=work {more}", iso.stock_words("/fedora.iso"));
        Booted::start(&machine(name, &iso, Form::Init, &words).disk(stick(&image).kept()))
    };
    let mut booted = boot("persist-1", "");
    booted.ask("echo one > /etc/mine; rm /etc/os-release; mkdir /var/lib/mine; cat /run/isolde/session");
    booted.power_off();
    assert_unmounted(&["e2fsck", "-f", "-n"], &partition(&image));
    let mut booted = boot("persist-2", "");
    assert!(booted.report()["warnings"].to_string().find("did not come to its end").is_none());
    assert_eq!(
        booted.ask(
            "cat /etc/mine; test ! -e /etc/os-release; test -d /var/lib/mine; echo two > /etc/mine; cat /etc/mine"
        ),
        "one\ntwo"
    );
    booted.ask("echo discard > /run/isolde/session");
    booted.power_off();
    let partition = partition(&image);
    assert_unmounted(&["e2fsck", "-f", "-n"], &partition);
    assert_eq!(cat(&partition, "/boot/isolde/persist/1/etc/mine"), "one\n");
    assert_eq!(cat(&partition, "/boot/isolde/persist/2/etc/mine"), "", "thrown away");
    assert_eq!(states(&partition), ["saved", "dropped"]);
}
