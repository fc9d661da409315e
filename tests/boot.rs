//! The whole boot on a fake kernel: what is done is compared with golden plans in `tests/plans/`, every operation is
//! made to fail once, and what must always hold is checked for machines made at random.
//!
//! `UPDATE_PLANS=1 cargo test --test boot` writes the plans anew; read what changed as you would read code.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // all of it is test code

mod boot {
    pub mod containers;
    pub mod delegate;
    pub mod exit;
    pub mod harness;
    pub mod home;
    pub mod injected;
    pub mod invariants;
    pub mod menu;
    pub mod modules;
    pub mod offer;
    pub mod persist;
    pub mod persist_place;
    pub mod ram;
    pub mod random;
    pub mod refusals;
    pub mod scenarios;
    pub mod sealed;
    pub mod stores;
    pub mod trust;
    pub mod unclean;
    pub mod worlds;
    pub mod zram;
}

use boot::{harness, invariants, scenarios};
use isolde::sys::record::Ending;

#[test]
fn every_scenario_is_as_its_golden_plan() {
    let wrong: Vec<String> =
        scenarios::all().iter().filter_map(|(name, world)| harness::golden(name, world).err()).collect();
    assert!(wrong.is_empty(), "UPDATE_PLANS=1 accepts this:\n{}", wrong.join("\n"));
}

#[test]
fn every_golden_plan_belongs_to_a_scenario() {
    let names: Vec<String> = scenarios::all().iter().map(|(name, _)| format!("{name}.txt")).collect();
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/plans")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(names.contains(&name), "tests/plans/{name} is of no scenario");
    }
}

#[test]
fn what_must_always_hold_holds_in_every_scenario() {
    for (name, world) in scenarios::all() {
        let outcome = harness::boot(&world);
        invariants::check(&outcome).unwrap_or_else(|why| panic!("{name}: {why}\n{}", outcome.end.journal));
    }
}

#[test]
fn the_report_says_what_was_done() {
    let outcome = harness::boot(&scenarios::everything());
    assert_eq!(outcome.end.ending, Ending::Exec, "{}", outcome.end.journal);
    let report: serde_json::Value = serde_json::from_str(&outcome.end.report.unwrap()).unwrap();
    assert_eq!(report["store"]["device"], "/dev/sdb1");
    assert_eq!(report["store"]["writable"], true);
    assert_eq!(report["image"], "/iso/debian.iso");
    assert_eq!(report["family"], "live-boot");
    assert_eq!(report["layers"][0]["at"], "/run/live/rootfs/filesystem.squashfs");
    assert_eq!(report["extensions"][0]["name"], "b43");
    assert_eq!(report["home"], "/home");
    assert_eq!(report["programs"].as_array().unwrap().len(), 2);
    assert_eq!(report["stages"].as_array().unwrap().len(), 16, "all but the hand-off itself");
    assert_eq!(report["init"], "/sbin/init");
}

#[test]
fn two_boots_of_one_machine_do_the_same() {
    for (name, world) in scenarios::all() {
        assert_eq!(harness::boot(&world).end.journal, harness::boot(&world).end.journal, "{name}");
    }
}
