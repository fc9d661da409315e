//! Stores in LUKS volumes and volume groups. The headers are real, and so are their keys; what is inside is the fake
//! kernel's.

use super::harness::{boot, boot_with};
use super::modules::with_index;
use super::worlds::*;
use isolde::error::Cause;
use isolde::sys::record::containers::{EXTENT, LUKS_PAYLOAD, LVM_PAYLOAD, luks1, metadata, physical_volume};
use isolde::sys::record::{Arrival, Arrives, Content, Ending, Tree, World};
use rustix::io::Errno;

pub const LUKS: &str = "4a860b4a-da18-4958-a71f-e7e00445327d";
const KEY: [u8; 64] = [0x42; 64];
pub const PASSPHRASE: &[u8] = b"correct horse";
const GROUP: &str = "eGX4s2-62lj-Njbx-PGnJ-lmPO-2avV-C5m0f6";
const VOLUME: &str = "DDdjgk-ttL1-Al23-EcLT-ENDa-j7Ts-oq3PZ2";
const ONE: &str = "mUNVSf-ah0x-bHzu-GUQk-76d0-Vptu-3p9lm9";
const TWO: &str = "nUNVSf-ah0x-bHzu-GUQk-76d0-Vptu-3p9lm9";

fn line(words: &str) -> String {
    format!("isolde.image=/iso/debian.iso isolde.wait=10 isolde.onfail=poweroff {words}")
}

/// A LUKS volume around something.
pub fn luks(inner: Content) -> Content {
    let size = LUKS_PAYLOAD + inner.size();
    let header = luks1(LUKS, PASSPHRASE, &KEY);
    Content::new(header).resized(size).holding(&format!("luks-{LUKS}"), Some(&KEY), inner)
}

/// A group with one volume over whole devices, each with so many extents of 1 MiB.
fn lvm(extents: [u64; 2]) -> String {
    let physical = [(ONE, extents[0]), (TWO, extents[1])];
    metadata("my-vg", GROUP, "store", VOLUME, &physical[..if extents[1] == 0 { 1 } else { 2 }])
}

fn physical(id: &str, extents: u64, text: Option<&str>, inner: Content) -> Content {
    let size = LVM_PAYLOAD + extents * EXTENT * 512;
    Content::new(physical_volume(id, size, text)).resized(size).holding("my--vg-store", None, inner)
}

fn ext4_store(tree: Tree) -> Content {
    Content::image(&ext4(tree))
}

fn with_key(words: &str, content: Content) -> World {
    let mut world = with(machine(&line(words)), [disk("sdb1", content)]);
    world.initramfs = world.initramfs.file("etc/store.key", bytes(PASSPHRASE.to_vec()));
    world
}

/// Somebody types these, two seconds apart.
fn typed(words: &str, lines: &[&str]) -> World {
    let world = with(machine(&line(words)), [disk("sdb1", luks(ext4_store(store())))]);
    let typed = (1_u64..).zip(lines).map(|(n, line)| Arrival::now(Arrives::Typed((*line).to_owned())).after(2 * n));
    with(world, typed)
}

fn internal(mut arrival: Arrival) -> Arrival {
    if let Arrives::Device(device, _) = &mut arrival.what {
        device.removable = false;
    }
    arrival
}

/// A store that is written to, in a volume group, in a LUKS volume. A failure ends in the menu.
pub fn lvm_in_luks() -> World {
    let inner = physical(ONE, 2, Some(&lvm([2, 0])), ext4_store(store().directory("home/user")));
    let mut world = with_key("", luks(inner));
    world.cmdline = format!(
        "isolde.image=/iso/debian.iso isolde.luks=UUID={LUKS} isolde.luks-key=/etc/store.key isolde.lvm=my-vg/store"
    );
    world
}

#[test]
fn a_new_attempt_opens_everything_anew() {
    let world = with(lvm_in_luks(), [Arrival::now(Arrives::Typed("t".into())).after(90)]);
    let outcome = boot_with(&world, |record| record.fail_once("mount -t overlay", Errno::NOMEM));
    assert_eq!(outcome.end.ending, Ending::Exec, "{}", outcome.end.journal);
    let changes: Vec<&str> = outcome.end.journal.changes().filter(|change| change.starts_with("dmsetup ")).collect();
    let words: Vec<&str> = changes.iter().filter_map(|change| change.split(' ').nth(1)).collect();
    let attempt = ["create", "create", "load", "load"];
    assert_eq!(words, [&attempt[..], &["remove", "remove"], &attempt].concat());
    assert_eq!(changes[4..6], ["dmsetup remove my--vg-store".to_owned(), format!("dmsetup remove luks-{LUKS}")]);
}

#[test]
fn no_key_and_no_passphrase_is_in_the_log() {
    for (name, world) in all() {
        let text = boot(&world).end.journal.to_string().to_lowercase();
        for secret in ["42424242", "0x42", "66, 66", "correct horse", "corr"] {
            assert!(!text.contains(secret), "{name}: {secret}");
        }
    }
}

#[test]
fn without_the_driver_the_message_names_it() {
    let mut world = lvm_in_luks();
    world.initramfs = with_index(Tree::new().program("init"), |name| name != "dm_crypt");
    world.initramfs = world.initramfs.file("etc/store.key", bytes(PASSPHRASE.to_vec()));
    let (error, _) = boot(&world).error.unwrap();
    assert!(matches!(&error.cause, Cause::NoDriver { name, .. } if name == "dm-crypt"), "{error}");
}

pub fn all() -> Vec<(&'static str, World)> {
    let by_uuid = format!("isolde.luks=UUID={LUKS} isolde.luks-key=/etc/store.key");
    let two = lvm([1, 1]);
    let first = || disk("sdb1", physical(ONE, 1, Some(&two), ext4_store(store())));
    let one = || physical(ONE, 2, Some(&lvm([2, 0])), ext4_store(store()));
    vec![
        ("luks_with_a_key_file", with_key(&by_uuid, luks(ext4_store(store())))),
        ("luks_with_a_home_is_made_writable", with_key(&by_uuid, luks(ext4_store(store().directory("home/user"))))),
        ("luks_with_a_passphrase_that_is_right_the_second_time", {
            typed(&format!("isolde.luks=UUID={LUKS}"), &["correct  horse\r", "correct horze\x7f\x7fse\r"])
        }),
        ("luks_with_three_wrong_passphrases", typed(&format!("isolde.luks=UUID={LUKS}"), &["one\r", "two\r", "\r"])),
        ("luks_that_somebody_leaves_closed", typed("isolde.luks=auto", &["corr\x1b"])),
        ("luks_that_is_looked_at_again", typed("isolde.luks=auto", &["\x03", "", "r", "correct horse\r"])),
        ("luks_that_nobody_asks_for", with_key("", luks(ext4_store(store())))),
        ("luks_and_a_plain_store", {
            let world = with_key("isolde.luks=auto isolde.luks-key=/etc/store.key", luks(ext4_store(store())));
            with(world, [partition("sdc1", &ext4(store()))])
        }),
        ("luks_on_an_internal_disk_is_not_automatic", {
            let world = machine(&line("isolde.luks=auto isolde.luks-key=/etc/store.key"));
            with(world, [internal(disk("sda1", luks(ext4_store(store()))))])
        }),
        ("luks_of_an_unknown_cipher", {
            let mut header = luks1(LUKS, PASSPHRASE, &KEY);
            header[8..11].copy_from_slice(b"xor");
            with_key(&by_uuid, Content::new(header).resized(4 << 20))
        }),
        ("luks_pulled_out_and_back", {
            let empty = luks(ext4_store(Tree::new()));
            let gone = Arrival::now(Arrives::Gone("sdb1".into())).after(4);
            with(with_key(&by_uuid, empty), [gone, disk("sdc1", luks(ext4_store(store()))).after(6)])
        }),
        ("lvm_volume", with(machine(&line("isolde.lvm=my-vg/store")), [disk("sdb1", one())])),
        ("lvm_that_nobody_may_write_to", {
            let text = lvm([2, 0]).replace("\"WRITE\", \"VISIBLE\"", "\"VISIBLE\"");
            let content = physical(ONE, 2, Some(&text), ext4_store(store().directory("home/user")));
            with(machine(&line("isolde.lvm=my-vg/store")), [disk("sdb1", content)])
        }),
        ("lvm_store_by_its_mapped_name", {
            let words = "isolde.lvm=my-vg/store isolde.store=/dev/mapper/my--vg-store";
            with(machine(&line(words)), [disk("sdb1", one())])
        }),
        ("lvm_that_nobody_asks_for", with(machine(&line("isolde.lvm=other/store")), [disk("sdb1", one())])),
        ("lvm_over_two_devices_of_which_one_is_late", {
            let second = disk("sdc1", physical(TWO, 1, None, Content::default())).after(7);
            with(machine(&line("isolde.lvm=my-vg/store")), [first(), second])
        }),
        ("lvm_without_one_of_its_devices", with(machine(&line("isolde.lvm=my-vg/store")), [first()])),
        ("lvm_in_luks", lvm_in_luks()),
        ("luks_in_lvm", {
            let inner = luks(ext4_store(store()));
            let outer = physical(ONE, 4, Some(&lvm([4, 0])), inner);
            with_key(&format!("{by_uuid} isolde.lvm=my-vg/store"), outer)
        }),
    ]
}

#[test]
fn a_volume_with_the_name_of_one_that_is_gone_is_another_volume() {
    let good = luks(ext4_store(store()));
    let strange = Content::new(luks1(LUKS, b"another passphrase", &KEY)).resized(good.size());
    let mut world = with_key("isolde.luks=auto isolde.luks-key=/etc/store.key isolde.wait=600", strange);
    world.arrivals.push(disk("sdb1", good).after(200));
    let outcome = boot(&world);
    assert_eq!(outcome.end.ending, Ending::Exec, "{}", outcome.end.journal);
}
