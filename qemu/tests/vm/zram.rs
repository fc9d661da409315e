//! Writes in compressed memory in the machine: more of them than there is memory, and the way out with them.

#![allow(clippy::unwrap_used, reason = "tests; clippy.toml does not see this file as one")]

use crate::common::small::{self, Guest};
use crate::common::{Booted, build, machine, stick};
use isolde_mkinitrd::Form;
use isolde_qemu::fixtures;
use isolde_qemu::machine::{Bus, Disk, Shell};
use isolde_qemu::store::{FileSystem, Store};
use std::time::Duration;

/// Where the small medium is on its store.
const ISO: &str = "/small.iso";
/// MiB. As little as the small machine boots with: all that is free is written to.
const MEMORY: u32 = 256;
/// A minute is not enough where both processors are busy.
const LONG: Duration = Duration::from_secs(300);

/// Zeros and text, half as much again as the memory that is free, in files of a mebibyte; and whether they are there
/// afterwards, by every eighth of them: `whole`, or `full`.
fn write_more_than_is_free(shell: &mut Shell, to: &str) -> String {
    let free = shell.check("awk '/^MemAvailable:/ {print $2}' /proc/meminfo").unwrap();
    let pieces = free.trim().parse::<u64>().unwrap() * 3 / 2 / 1024;
    // Emulated processors compress slowly: a quarter is text.
    let write = format!(
        "p=/run/piece; (seq 60000 | head -c 262144; head -c 786432 /dev/zero) >$p; mkdir {to}; \
         for n in $(seq {pieces}); do cp $p {to}/$n 2>/dev/null || exec echo full; done; \
         for n in $(seq 1 8 {pieces}); do cmp $p {to}/$n || exit; done; echo whole"
    );
    let answer = shell.run_within(&write, LONG).unwrap();
    answer.output.trim().to_owned()
}

#[test]
fn more_is_written_than_the_memory_holds() {
    let image = build("zram", &Store::new(FileSystem::Ext4, "STICK").copy(ISO, small::iso()));
    let boot = |name: &str, more: &str| {
        let words = format!("img_dev=/dev/disk/by-label/STICK img_loop={ISO} {more}");
        Guest::boot(&small::machine(name, &words).memory(MEMORY).disk(Disk::new("stick", &image, Bus::Virtio)))
    };
    let mut guest = boot("zram", "isolde.zram=600M");
    assert_eq!(guest.report()["zram"], 600 << 20);
    assert!(guest.warnings().is_empty(), "{:?}", guest.warnings());
    assert_eq!(write_more_than_is_free(&mut guest.shell, "/big"), "whole");
    guest.ask("cat /big/* >/dev/null");
    let used: u64 = guest.ask("awk '$1 == \"/zram\" && $5 == 100 {print $4}' /proc/swaps").parse().unwrap();
    assert!(used > 10 << 10, "{used} KiB are swapped out");
    assert_eq!(guest.ask("cat /sys/block/zram0/disksize"), "0", "it is left to the system");
    assert_eq!(guest.ask("rm -r /big; echo small > /small; cat /small"), "small");
    drop(guest);
    let mut without = boot("zram-without", "");
    assert_eq!(without.ask("tail -n +2 /proc/swaps | wc -l"), "0");
    assert_eq!(write_more_than_is_free(&mut without.shell, "/big"), "full");
}

/// The module is that of the image; its initrd has none. What is swapped out would not fit into memory when the system stops.
#[test]
#[ignore = "long: a whole distribution that is short of memory"]
fn a_system_stops_with_more_written_than_the_memory_holds() {
    let iso = fixtures::debian().unwrap();
    let path = format!("/{}", iso.file_name());
    let image = build("zram-debian", &Store::new(FileSystem::Ext4, "STICK").copy(&path, &iso.path));
    let words = format!("{} isolde.zram=2G", iso.stock_words(&path));
    let mut booted =
        Booted::start(&machine("zram-debian", &iso, Form::Init, &words).memory(700).disk(stick(&image).kept()));
    let report = booted.report();
    assert_eq!((&report["zram"], report["warnings"].to_string().as_str()), (&(2_u64 << 30).into(), "[]"), "{report}");
    assert_eq!(write_more_than_is_free(&mut booted.shell, "/big"), "whole");
    let facts = "awk '/^MemTotal:/ {m = $2} END {print m}' /proc/meminfo; awk '$1 == \"/zram\" {print $4}' /proc/swaps";
    let facts = booted.ask(facts);
    let mut numbers = facts.lines().map(|line| line.parse::<u64>().unwrap());
    let (memory, swapped) = (numbers.next().unwrap(), numbers.next().unwrap());
    assert!(swapped > memory / 4, "{swapped} of {memory} KiB are swapped out");
    // It stops by itself, and nothing is brought back into memory for that.
    booted.vm.power_off(&mut booted.shell, crate::common::BOOT).unwrap();
    let log = booted.vm.log_text().unwrap();
    assert!(log.contains("isolde: exit: everything is unmounted") && !log.contains("Out of memory"), "{log}");
}
