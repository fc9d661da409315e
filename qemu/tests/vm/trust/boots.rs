//! Sealed stores that boot: through dm-verity, and without it. What is bad in them is left out, or found when it is read.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests; clippy.toml does not see this file as one")]

use super::flips::Random;
use super::sealed::{
    CUSTOMIZED, EXTENSION, Files, GREETING, ISO, LATE, LATE_SIZE, OTHER, SCRIPT, TREE, WORDS, initrd, late_start, owner,
};
use crate::common::small::{self, BOOT, Guest};
use crate::common::{build, folder};
use isolde_qemu::families::Base;
use isolde_qemu::machine::{Bus, Disk, Machine, Vm};

/// Bytes of a hash block, and of the hashes in it.
const HASH_BLOCK: usize = 4096;
const HASHES: usize = 128;
/// The first MiB of a file may be read ahead with what is before it.
const READ_AHEAD: usize = 1 << 20;

fn machine(name: &str, words: &str, files: &Files) -> Machine {
    let image = build(name, &files.store());
    let initrd = initrd(name, words);
    small::with_second_initrd(name, &initrd, WORDS).disk(Disk::new("store", &image, Bus::Virtio))
}

/// Sealed by the owner, or by nobody.
fn sealed(is_signed: bool) -> Files {
    Files::new().sealed(is_signed.then(owner), &[])
}

fn block_size(files: &Files) -> usize {
    files.manifest().find(ISO).unwrap().verity.as_ref().unwrap().block as usize
}

/// Reads one block of the late file; whether it can be read.
fn can_read(guest: &mut Guest, block: usize, size: usize) -> bool {
    let answer = guest.shell.run(&format!("dd if={LATE} of=/dev/null bs={size} skip={block} count=1")).unwrap();
    assert!(answer.status == 0 || answer.output.contains("Input/output error"), "{}", answer.output);
    answer.status == 0
}

/// Six bits, one each in: two blocks of the image, two hash blocks, an extension, the script. The boot goes on, without
/// what is left out; a bad block is found when it is read, and all others can be read.
fn six_flips(name: &str, policy: &str, seed: u64) {
    let good = sealed(policy == "signed");
    let (size, start) = (block_size(&good), late_start());
    let mut random = Random(seed);
    // Of the late file, two blocks of its second quarter, and two hash blocks over its second half.
    let quarter = LATE_SIZE / 4;
    let blocks = [0, 1].map(|_| (READ_AHEAD.max(quarter) + random.below(quarter)) / size);
    let first_hash = (start + 3 * quarter) / size / HASHES;
    let hashes = [first_hash, first_hash + 1];
    let mut files = good.clone();
    for block in blocks {
        let at = start / size * size + block * size;
        files = files.flipped(ISO, at * 8 + random.below(size * 8));
    }
    for hash in hashes {
        // Behind super block and top level. A hash block that is full has no padding, so every bit of it counts.
        files = files.flipped(TREE, (2 + hash) * HASH_BLOCK * 8 + random.below(HASH_BLOCK * 8));
    }
    let bits = [EXTENSION, SCRIPT].map(|path| random.below(good.get(path).len() * 8));
    let files = files.flipped(EXTENSION, bits[0]).flipped(SCRIPT, bits[1]);

    let mut guest = Guest::boot(&machine(name, &format!("isolde.verify={policy}"), &files));
    let check = guest.report()["check"].clone();
    assert_eq!(check["policy"], policy);
    assert!(check["verity_root"].is_string() && check["blake3"].is_null(), "{check}");
    let signer = (policy == "signed").then(|| owner().id.clone());
    assert_eq!(check["signed_by"].as_str().map(str::to_owned), signer);
    assert_eq!(guest.ask("cat /sys/block/dm-0/dm/name"), "isolde-image");
    assert_eq!(guest.mount_at("/run/archiso/bootmnt").0, "/dev/dm-0");
    assert_eq!(guest.ask("cat /sys/block/dm-0/queue/read_ahead_kb"), "32");
    assert_eq!(guest.ask("cat /sys/module/dm_verity/parameters/prefetch_cluster"), "16384");
    // Taken by the device, beside the reference that the kernel itself has.
    let hash = guest.ask("awk '$1 == \"driver\" { name = $3 } $1 == \"refcnt\" && $3 > 1 { print name }' /proc/crypto");
    assert!(hash.lines().any(|name| name == "sha256-ssse3"), "the processor's own instructions: {hash}");

    let warnings = guest.warnings();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    for (path, end) in [(EXTENSION, " is left out: "), (SCRIPT, " of the store is not run: ")] {
        assert!(warnings.iter().any(|text| text.contains(&format!("/{path}{end}"))), "{path}: {warnings:?}");
    }
    assert_eq!(guest.ask(&format!("ls {GREETING} {CUSTOMIZED} 2>/dev/null || true")), "");
    assert_eq!(guest.ask(&format!("cat {OTHER}")), "other");

    let log = guest.vm.log_text().unwrap();
    assert!(!log.contains("is corrupted"), "found while it boots:\n{log}");
    assert!(can_read(&mut guest, blocks[0] - 8, size) && can_read(&mut guest, blocks[1] + 8, size));
    for block in blocks {
        assert!(!can_read(&mut guest, block, size), "block {block}");
        let line = format!("data block {} is corrupted", start / size + block);
        guest.ask(&format!("dmesg | grep -q '{line}'"));
    }
    for hash in hashes {
        // Any data block below it.
        assert!(!can_read(&mut guest, hash * HASHES + 5 - start / size, size), "hash block {hash}");
        guest.ask(&format!("dmesg | grep -q 'metadata block {} is corrupted'", 2 + hash));
    }
    // Where udev runs it says which file that is.
    let rule = guest.ask("cat $(grep -l DM_VERITY_ERR_BLOCK_NR /run/udev/rules.d/*)");
    assert!(rule.contains(&format!("/{ISO}")) && rule.contains("dm-0"), "{rule}");
}

#[test]
fn six_flipped_bits_of_a_signed_store() {
    six_flips("trust-flips-signed", "signed", 0x51f);
}

#[test]
fn six_flipped_bits_under_require() {
    six_flips("trust-flips-require", "require", 0x4e0);
}

/// Boots a store with one late bad block, reads it, and gives what is on the console when the machine has ended.
fn read_a_bad_block(name: &str, word: &str) -> String {
    let files = sealed(true).flipped(ISO, (late_start() + 2 * READ_AHEAD) * 8);
    let words = format!("isolde.verify=signed isolde.oncorruption={word}");
    let Guest { mut vm, mut shell } = Guest::boot(&machine(name, &words, &files));
    shell.check(&format!("dd if={LATE} of=/dev/null bs=4096 count=1")).unwrap();
    assert!(shell.run(&format!("cat {LATE} >/dev/null")).is_err(), "the machine goes on");
    end(&mut vm)
}

fn end(vm: &mut Vm) -> String {
    vm.wait_for_end(BOOT).unwrap();
    vm.log_text().unwrap()
}

#[test]
fn a_bad_block_restarts_the_machine() {
    let log = read_a_bad_block("trust-restart", "restart");
    assert!(log.contains("reboot: Restarting system"), "{log}");
    assert!(!log.contains("Kernel panic"), "{log}");
}

#[test]
fn a_bad_block_stops_the_kernel() {
    let log = read_a_bad_block("trust-panic", "panic");
    assert!(log.contains("Kernel panic - not syncing: dm-verity device corrupted"), "{log}");
}

/// Debian 12's kernel, whose initrd here has no device mapper: all of the image is read instead, and a line says so.
#[test]
fn without_dm_verity_the_whole_image_is_checked() {
    let name = "trust-fallback";
    let files = sealed(true);
    let image = build(name, &files.store());
    let parts = Base::InitramfsTools.parts().unwrap();
    let ours = initrd(name, "isolde.verify=signed");
    let machine = Machine::direct(name, &folder(), &parts.kernel, &[&parts.initrd, &ours], WORDS);
    let mut guest = Guest::boot(&machine.memory(320).disk(Disk::new("store", &image, Bus::Virtio)));
    guest.assert_root(&format!("/{ISO}"));
    let check = guest.report()["check"].clone();
    assert_eq!(check["blake3"], blake3::hash(files.get(ISO)).to_hex().as_str());
    assert_eq!(
        (&check["verity_root"], check["signed_by"].as_str()),
        (&serde_json::Value::Null, Some(owner().id.as_str()))
    );
    assert_eq!(guest.warnings(), [""; 0]);
    assert_eq!(guest.ask(&format!("cat {GREETING} {OTHER} {CUSTOMIZED}")), "greetingotherdone");
    let log = guest.vm.log_text().unwrap();
    let line = "no driver \"dm-verity\": not in the kernel, not in ";
    assert!(
        log.lines().any(|text| text.contains(line) && text.ends_with("the whole image is checked instead")),
        "{log}"
    );
}
