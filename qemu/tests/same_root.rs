//! Debian's live system, booted by live-boot itself and by us: the same /etc, the same mounts. What may differ is listed,
//! each with its reason; everything else is a failure.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests; clippy.toml does not see this file as one")]

mod common;

use common::{Booted, build, folder, second_initrd, stick};
use isolde_mkinitrd::Form;
use isolde_qemu::fixtures;
use isolde_qemu::machine::Machine;
use isolde_qemu::store::{FileSystem, Store};
use std::collections::BTreeMap;

const PATH: &str = "/boot/iso/debian.iso";

/// Some of live-config's components, by name: all of them take minutes in software emulation.
const WORDS: &str = "boot=live components=hostname,user-setup,sudo findiso=/boot/iso/debian.iso";

/// Files of /etc that may differ.
const FILES: &[(&str, &str)] = &[("/etc/machine-id", "made anew at each boot")];

/// Mount points that may differ, be missing, or be more.
const MOUNTS: &[(&str, &str)] = &[
    ("/isodevice", "ours: the store, under the name that SystemImageKit gave it"),
    ("/run/isolde/store", "ours: the store; live-boot has it at /run/live/findiso"),
    ("/run/live/findiso", "live-boot's name for the store"),
];

/// Path → what is there.
type Facts = BTreeMap<String, String>;

/// Kind, mode, owner, link target and content's digest of everything in /etc.
fn etc(booted: &mut Booted) -> Facts {
    let mut facts = Facts::new();
    for line in booted.ask("find /etc -printf '%p|%y %m %U:%G %l\\n'").lines() {
        let (path, fact) = line.split_once('|').unwrap();
        facts.insert(path.to_owned(), fact.to_owned());
    }
    for line in booted.ask("find /etc -type f -exec md5sum {} +").lines() {
        let (digest, path) = line.split_once("  ").unwrap();
        facts.entry(path.to_owned()).or_default().push_str(digest);
    }
    facts
}

/// File system, source and options of every mount. Loop devices have no fixed numbers.
fn mounts(booted: &mut Booted) -> Facts {
    let mut facts = Facts::new();
    for line in booted.ask("findmnt --noheadings --raw --output TARGET,FSTYPE,SOURCE,OPTIONS").lines() {
        let (target, fact) = line.split_once(' ').unwrap();
        let words = fact.split(' ').map(|word| if word.starts_with("/dev/loop") { "/dev/loopN" } else { word });
        facts.insert(target.to_owned(), words.collect::<Vec<_>>().join(" "));
    }
    facts
}

/// What differs and is not on the list; and what is on the list and does not differ, so that the list stays true.
fn unexpected(stock: &Facts, ours: &Facts, allowed: &[(&str, &str)]) -> Vec<String> {
    let mut paths: Vec<&String> = stock.keys().chain(ours.keys()).collect();
    paths.sort_unstable();
    paths.dedup();
    let differ: Vec<&String> = paths.into_iter().filter(|path| stock.get(*path) != ours.get(*path)).collect();
    let listed = |path: &str| allowed.iter().any(|(name, _)| *name == path);
    let more = differ.iter().filter(|path| !listed(path));
    let more = more.map(|path| format!("{path}: live-boot {:?}, ours {:?}", stock.get(*path), ours.get(*path)));
    let stale = allowed.iter().filter(|(name, _)| !differ.iter().any(|path| path == name));
    more.chain(stale.map(|(name, _)| format!("{name} is on the list of differences and does not differ"))).collect()
}

#[test]
fn the_root_is_the_one_that_live_boot_makes() {
    let iso = fixtures::debian().unwrap();
    let image = build("same-root", &Store::new(FileSystem::Ext4, "STICK").copy(PATH, &iso.path));
    let ours = second_initrd(Form::Init);
    let look = |name: &str, initrds: &[&std::path::Path]| {
        let machine = Machine::direct(name, folder(), &iso.kernel, initrds, WORDS).disk(stick(&image));
        let mut booted = Booted::start(&machine);
        assert_eq!(booted.ask("id -u user"), "1000");
        booted.ask("su user -c 'sudo -n true'");
        (etc(&mut booted), mounts(&mut booted))
    };
    let (stock_etc, stock_mounts) = look("same-root-live-boot", &[&iso.initrd]);
    let (our_etc, our_mounts) = look("same-root-isolde", &[&iso.initrd, &ours]);
    assert_eq!(unexpected(&stock_etc, &our_etc, FILES), Vec::<String>::new());
    assert_eq!(unexpected(&stock_mounts, &our_mounts, MOUNTS), Vec::<String>::new());
}
