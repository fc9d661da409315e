//! Writes in compressed memory: how much, by which driver, and that the boot goes on without it.

use super::harness::{Outcome, boot, boot_and_leave, boot_with};
use super::modules::{in_a_root, with_bridge, with_index};
use super::worlds::*;
use isolde::sys::Level;
use isolde::sys::record::{Content, Ending, Medium, Tree, World};
use rustix::io::Errno;
use serde_json::Value;

/// Bytes of memory of the fake machine.
const MEMORY: u64 = 1_024_000 << 10;

pub fn world(words: &str) -> World {
    let line = format!("boot=live components findiso=/iso/debian.iso {words}");
    with(machine(&line), [partition("sdb1", &ext4(store()))])
}

/// An initramfs without the driver, and the image with it or without.
fn by_the_image(image_has_it: bool) -> World {
    let tree = if image_has_it { in_a_root(root(), |name| matches!(name, "zram" | "zsmalloc")) } else { root() };
    let medium = Medium::new("iso9660", Tree::new().file("live/filesystem.squashfs", squashfs(tree)));
    let line = "boot=live findiso=/debian.iso isolde.zram=50%";
    let tree = Tree::new().file("debian.iso", Content::image(&medium));
    let mut world = with(machine(line), [partition("sdb1", &ext4(tree))]);
    world.initramfs = with_index(Tree::new().program("init").program("bin/sh"), |name| !name.starts_with('z'));
    world
}

fn report(outcome: &Outcome) -> Value {
    assert_eq!(outcome.end.ending, Ending::Exec, "{}", outcome.end.journal);
    serde_json::from_str(outcome.end.report.as_deref().unwrap()).unwrap()
}

/// Where it stands among the changes.
fn place(outcome: &Outcome, part: &str) -> Option<usize> {
    outcome.end.journal.changes().position(|change| change.contains(part))
}

#[test]
fn the_tmpfs_grows_by_half_of_it_unless_its_size_was_said() {
    for (words, zram, tmpfs) in [
        ("isolde.zram=100%", Some(MEMORY), MEMORY.to_string()),
        ("isolde.zram=50%", Some(MEMORY / 2), (MEMORY / 4 * 3).to_string()),
        ("isolde.zram=100M", Some(100 << 20), (MEMORY / 2 + (50 << 20)).to_string()),
        ("isolde.zram=100% isolde.overlay-size=50%", Some(MEMORY), "50%".to_owned()),
        ("isolde.zram=100% overlay-size=2G", Some(MEMORY), (2_u64 << 30).to_string()),
        ("isolde.zram=100% isolde.zram=no", None, "50%".to_owned()),
        ("", None, "50%".to_owned()),
    ] {
        let outcome = boot(&world(words));
        let report = report(&outcome);
        assert_eq!((report["zram"].as_u64(), report["overlay_size"].as_str()), (zram, Some(tmpfs.as_str())), "{words}");
        assert_eq!(report["warnings"], Value::Array(Vec::new()), "{words}");
        let swap = zram.map(|bytes| format!("swapon zram ({bytes} bytes)"));
        let (swap, tmpfs) = (swap.and_then(|swap| place(&outcome, &swap)), place(&outcome, &format!("size={tmpfs}")));
        assert_eq!(swap.is_some(), zram.is_some(), "{words}: {}", outcome.end.journal);
        assert!(swap < tmpfs, "{words}: {}", outcome.end.journal);
    }
}

#[test]
fn a_size_without_bounds_is_cut() {
    let outcome = boot(&world("isolde.zram=999999G"));
    let report = report(&outcome);
    assert_eq!(report["zram"], MEMORY * 4);
    assert!(report["warnings"].to_string().contains("are more than 4 times the memory"), "{report}");
}

#[test]
fn the_driver_comes_from_wherever_it_is() {
    let mut built_in = world("isolde.zram=50%");
    built_in.initramfs = with_index(Tree::new().program("init").program("bin/sh"), |name| !name.starts_with('z'));
    built_in.built_in.push("zram".to_owned());
    let mut bridge = built_in.clone();
    bridge.built_in.clear();
    bridge.initramfs = with_bridge(bridge.initramfs, |name| name.starts_with('z'));
    let layer = "insmod /run/live/rootfs/filesystem.squashfs/lib/modules/6.1.0-test/kernel/drivers/block/zram/zram.ko";
    for (world, from) in [
        (world("isolde.zram=50%"), Some("insmod /lib/modules/6.1.0-test/kernel/drivers/block/zram/zram.ko")),
        (bridge, Some("insmod /isolde/modules/6.1.0-test/kernel/drivers/block/zram/zram.ko")),
        (by_the_image(true), Some(layer)),
        (built_in, None),
    ] {
        let outcome = boot(&world);
        assert_eq!(report(&outcome)["zram"], MEMORY / 2, "{}", outcome.end.journal);
        let loaded = outcome.end.journal.changes().find(|change| change.ends_with("/zram.ko"));
        assert_eq!(loaded, from, "{}", outcome.end.journal);
    }
}

#[test]
fn without_it_the_boot_goes_on_and_says_so() {
    let none = boot(&by_the_image(false));
    let refused = boot_with(&world("isolde.zram=50%"), |record| record.fail_when("swapon", Errno::NOMEM));
    for (outcome, why) in [
        (none, "isolde.zram: prepare compressed memory: no driver \"zram\": not in the kernel, not in /lib/modules"),
        (refused, "isolde.zram: swapon zram (524288000 bytes): cannot allocate memory; what is written is not"),
    ] {
        let report = report(&outcome);
        assert_eq!((&report["zram"], report["overlay_size"].as_str()), (&Value::Null, Some("50%")));
        let warned: Vec<&str> = outcome.end.journal.log(Level::Warning).collect();
        assert!(warned.iter().any(|line| line.contains(why)), "{warned:?}");
    }
}

#[test]
fn what_is_saved_on_a_disk_is_not_compressed() {
    let outcome = boot(&world("isolde.zram=50% isolde.persist=work"));
    let report = report(&outcome);
    assert_eq!((&report["zram"], place(&outcome, "swapon")), (&Value::Null, None));
    assert!(report["warnings"].to_string().contains("isolde.zram: not used"), "{report}");
    let discard = boot(&world("isolde.zram=50% isolde.persist=work isolde.session=discard"));
    assert!(place(&discard, "swapon").is_some(), "this session is in memory: {}", discard.end.journal);
}

/// Nothing that is swapped out may have to come back before the machine stops.
#[test]
fn nobody_switches_it_off() {
    let outcome = boot(&world("isolde.zram=100%"));
    assert!(place(&outcome, "write /run/systemd/system/zram.swap.d/isolde.conf").is_some(), "{}", outcome.end.journal);
    let end = boot_and_leave(&world("isolde.zram=100%"), "poweroff", |_| {}).unwrap();
    assert!(!end.journal.changes().any(|change| change.contains("swapoff")), "{}", end.journal);
}
