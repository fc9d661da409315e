//! Debian's live system, booted by live-boot itself and by us: the same /etc, the same mounts. What may differ is listed,
//! each with its reason; everything else is a failure.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests; clippy.toml does not see this file as one"
)]

use crate::common::{Booted, build, folder, second_initrd, stick};
use isolde_mkinitrd::Form;
use isolde_qemu::fixtures;
use isolde_qemu::machine::Machine;
use isolde_qemu::store::{FileSystem, Store};
use std::collections::BTreeMap;

const PATH: &str = "/boot/iso/debian.iso";

/// One of live-config's components, by name, so that it runs: those that make a user take a minute in software emulation.
const WORDS: &str = "boot=live components=hostname findiso=/boot/iso/debian.iso";

/// Files of /etc that may differ.
const FILES: &[(&str, &str)] = &[("/etc/machine-id", "made anew at each boot")];

/// Mount points, or single options of them, that may differ, be missing, or be more.
const MOUNTS: &[(&str, &str)] = &[
    ("/ redirect_dir=on", "live-boot's: a folder of the image can be renamed; programs copy it otherwise (EXDEV)"),
    ("/dev", "the source of a devtmpfs is only a name"),
    ("/isodevice", "ours: the store, under the name that SystemImageKit gave it"),
    ("/run noexec", "initramfs-tools': as systemd mounts it, programs there may run"),
    ("/run size=N", "initramfs-tools': a tenth of the memory; ours is half, as dracut has it"),
    ("/run/isolde/store", "ours: the store; live-boot has it at /run/live/findiso"),
    ("/run/live/findiso", "live-boot's name for the store"),
    ("/run/live/medium noatime", "live-boot's; it is read-only"),
    ("/run/live/medium relatime", "ours; it is read-only"),
    ("/run/live/medium nodev", "ours: no device of a medium is one of this machine"),
    ("/run/live/medium nosuid", "ours: no program of a medium runs with the rights of its owner"),
    ("/run/live/rootfs/filesystem.squashfs noatime", "live-boot's; it is read-only"),
    ("/run/live/rootfs/filesystem.squashfs relatime", "ours; it is read-only"),
    ("/usr/lib/live/mount", "/run/live once more, for programs of live-boot 4 and older; ours is a link to it"),
];

/// Options whose value is this boot's.
const NUMBERS: &[&str] = &["fd", "nr_inodes", "pgrp", "pipe_ino", "size"];

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

/// File system and source of every mount, and each of its options. Loop devices have no fixed numbers.
fn mounts(booted: &mut Booted) -> Facts {
    let mut facts = Facts::new();
    for line in booted.ask("findmnt --noheadings --raw --output TARGET,FSTYPE,SOURCE,OPTIONS").lines() {
        let [target, kind, source, options] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let source = if source.starts_with("/dev/loop") { "/dev/loopN" } else { source };
        facts.insert(target.to_owned(), format!("{kind} {source}"));
        for option in options.split(',') {
            let option = match option.split_once('=') {
                Some((name, _)) if NUMBERS.contains(&name) => format!("{name}=N"),
                _ => option.trim_end_matches('/').to_owned(),
            };
            facts.insert(format!("{target} {option}"), String::new());
        }
    }
    facts
}

/// What differs and is not on the list; and what is on the list and does not differ, so that the list stays true.
fn unexpected(stock: &Facts, ours: &Facts, allowed: &[(&str, &str)]) -> Vec<String> {
    let mut paths: Vec<&String> = stock.keys().chain(ours.keys()).collect();
    paths.sort_unstable();
    paths.dedup();
    let differ: Vec<&String> = paths.into_iter().filter(|path| stock.get(*path) != ours.get(*path)).collect();
    // With everything below it, and all options of a mount.
    let names = |name: &str, path: &str| {
        path.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '/']))
    };
    let more = differ.iter().filter(|path| !allowed.iter().any(|(name, _)| names(name, path)));
    let more = more.map(|path| format!("{path}: live-boot {:?}, ours {:?}", stock.get(*path), ours.get(*path)));
    let stale = allowed.iter().filter(|(name, _)| !differ.iter().any(|path| names(name, path)));
    more.chain(stale.map(|(name, _)| format!("{name} is on the list of differences and does not differ"))).collect()
}

#[test]
#[ignore = "long: live-boot itself takes two minutes"]
fn the_root_is_the_one_that_live_boot_makes() {
    let iso = fixtures::debian().unwrap();
    let image = build("same-root", &Store::new(FileSystem::Ext4, "STICK").copy(PATH, &iso.path));
    let ours = second_initrd(Form::Init);
    let look = |name: &str, initrds: &[&std::path::Path]| {
        let machine = Machine::direct(name, &folder(), &iso.kernel, initrds, WORDS).disk(stick(&image));
        let mut booted = Booted::start(&machine);
        booted.ask("test -e /var/lib/live/config/hostname");
        // Where live-config looks for settings on the medium.
        booted.ask("test -e /lib/live/mount/medium/live/filesystem.squashfs");
        (etc(&mut booted), mounts(&mut booted))
    };
    let (stock_etc, stock_mounts) = look("same-root-live-boot", &[&iso.initrd]);
    let (our_etc, our_mounts) = look("same-root-isolde", &[&iso.initrd, &ours]);
    assert_eq!(unexpected(&stock_etc, &our_etc, FILES), Vec::<String>::new());
    assert_eq!(unexpected(&stock_mounts, &our_mounts, MOUNTS), Vec::<String>::new());
}
