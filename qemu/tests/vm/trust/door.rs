//! One machine that is shown one store after the other, and has to refuse each: it says why, mounts nothing of it, and
//! changes no byte.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests; clippy.toml does not see this file as one")]

use super::sealed::{WORDS, initrd};
use crate::common::small::{self, BOOT};
use crate::common::{self};
use isolde_qemu::machine::{Bus, Disk, Vm};
use isolde_qemu::store::Store;
use std::fs::File;
use std::path::{Path, PathBuf};

/// The end of init's menu.
const MENU: &str = "press a key: ";
/// The store itself is read, and so it is mounted.
const STORE: &str = "/run/isolde/store";

/// Only errors and what init says to a person are on the console, so that no line of the kernel cuts another one in two.
/// Disks that are no sticks are not looked for, and the driver of sticks does not let them settle for a second.
const CALM: &str = "loglevel=4 isolde.wait=600 isolde.blacklist=ahci,ata_piix usb_storage.delay_use=0";

/// A store that is to be refused.
pub struct Shown {
    /// What is wrong with it.
    pub name: String,
    pub store: Store,
    /// What init says: a regular expression, from the stage on.
    pub says: String,
    /// Whether init has mounted a part of the image, because it is found out only when it is read.
    pub is_read: bool,
}

impl Shown {
    pub fn new(name: &str, store: Store, says: impl Into<String>) -> Shown {
        Shown { name: name.to_owned(), store, says: says.into(), is_read: false }
    }

    /// Found out when the image is read.
    pub fn once_read(self) -> Shown {
        Shown { is_read: true, ..self }
    }
}

/// Shows them to a machine whose initrd has the owner's key and these words.
pub fn refuses(name: &str, words: &str, shown: Vec<Shown>) {
    let disks: Vec<(Shown, PathBuf, blake3::Hash)> = (0..)
        .zip(shown)
        .map(|(number, shown)| {
            let image = common::build(&format!("{name}-{number}"), &shown.store);
            let before = digest(&image);
            (shown, image, before)
        })
        .collect();
    let machine = small::with_second_initrd(name, &initrd(name, words), &format!("{WORDS} {CALM}"));
    let late = |number: usize, image: &Path| Disk::new(&stick(number), image, Bus::Usb).kept().late();
    let machine = (0..).zip(&disks).fold(machine, |machine, (number, (_, image, _))| machine.disk(late(number, image)));
    let mut vm = machine.start().unwrap();
    vm.plug(&stick(0)).unwrap();
    for (number, (shown, _, _)) in (0..).zip(&disks) {
        let wanted = format!("isolde: {}", shown.says);
        let found = vm.wait_for_any(&[&wanted, MENU], BOOT);
        match found.unwrap_or_else(|error| panic!("{}: {error:#}", shown.name)) {
            (0, _) => {}
            _ => panic!("{}: wanted {wanted:?}, seen:\n{}", shown.name, last_lines(&vm)),
        }
        vm.wait_for(MENU, BOOT).unwrap();
        vm.type_on_console("x").unwrap();
        let left = left(&mut vm);
        assert!(shown.is_read || left == STORE, "{}: {left}", shown.name);
        // One after the other: two disks that take turns under one name are another test's business.
        vm.unplug(&stick(number)).unwrap();
        until(&mut vm, "! ls /sys/block | grep -q ^sd");
        if number + 1 < disks.len() {
            vm.plug(&stick(number + 1)).unwrap();
            until(&mut vm, "grep -q 'sd[a-z]1$' /proc/partitions");
        }
        try_again(&mut vm);
    }
    // Nothing of any of them is left for the next attempt.
    vm.wait_for("isolde: store: keys: ", BOOT).unwrap();
    vm.type_on_console("m").unwrap();
    vm.wait_for(MENU, BOOT).unwrap();
    vm.type_on_console("x").unwrap();
    assert_eq!(left(&mut vm), "");
    drop(vm);
    for (shown, image, before) in disks {
        assert!(digest(&image) == before, "{}: the store was written to", shown.name);
        std::fs::remove_file(image).unwrap();
    }
}

/// From the shell of the initramfs: mount points but for the kernel's own, what loop devices read, and mapped devices.
fn left(vm: &mut Vm) -> String {
    // With an end of its own: a line is looked at while it is still being printed.
    const QUESTION: &str = "echo st''ate: $(cut -d ' ' -f 2 /proc/mounts | grep -vE '^/(proc|sys|dev|run)?$') \
                            $(cat /sys/block/loop*/loop/backing_file 2>/dev/null) $(ls /sys/block | grep ^dm-) e''nd\n";
    vm.wait_for(r"\(isolde\) # ", BOOT).unwrap();
    vm.type_on_console(QUESTION).unwrap();
    let answer = vm.wait_for("^state: .*end$", BOOT).unwrap().text;
    answer.trim_start_matches("state:").trim_end_matches("end").trim().to_owned()
}

/// Waits in that shell. Said more than once, as the kernel may have something to say of a stick in the same line.
fn until(vm: &mut Vm, condition: &str) {
    let loops = format!("until {condition}; do sleep 0.1; done; for n in 1 2 3; do echo no''w; sleep 0.1; done\n");
    vm.type_on_console(&loops).unwrap();
    vm.wait_for("^now", BOOT).unwrap();
}

/// Out of that shell and into the next attempt.
fn try_again(vm: &mut Vm) {
    vm.type_on_console("exit\n").unwrap();
    vm.wait_for(MENU, BOOT).unwrap();
    vm.type_on_console("t").unwrap();
}

fn stick(number: usize) -> String {
    format!("store{number}")
}

fn last_lines(vm: &Vm) -> String {
    let log = vm.log_text().unwrap();
    let lines: Vec<&str> = log.lines().collect();
    lines.iter().rev().take(40).rev().copied().collect::<Vec<_>>().join("\n")
}

fn digest(image: &Path) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    std::io::copy(&mut File::open(image).unwrap(), &mut hasher).unwrap();
    hasher.finalize()
}
