//! A seal that is interrupted at any moment leaves the old manifest or the new one, and the next seal works.

use crate::fixture::{ISO, SCRIPT, Store};
use isolde::formats::manifest::{Manifest, PLACE, SIGNATURE};
use isolde::formats::minisig::{self, Signature};
use std::fs;
use std::process::{Command, Stdio};
use std::time::Instant;

const WORDS: [&str; 4] = ["seal", "store", "--key", "owner.key"];

/// The manifest's text, which has to be whole, and whether its signature is of it.
fn manifest(store: &Store) -> (Manifest, Vec<u8>, bool) {
    let text = fs::read(store.path(PLACE)).unwrap();
    let manifest = Manifest::parse(&text).unwrap();
    let keys = minisig::keys(&fs::read(store.folder.path().join("owner.pub")).unwrap()).unwrap();
    // Whole, whichever manifest it is of.
    let signature = Signature::parse(&fs::read(store.path(SIGNATURE)).unwrap()).unwrap();
    let is_signed = signature.verify(&text, &keys).is_ok();
    (manifest, text, is_signed)
}

/// Names that do not belong there.
fn leftovers(store: &Store) -> usize {
    let folders = ["boot/isolde", "boot/iso", "boot/customize", "boot/extensions"];
    let names = folders.iter().flat_map(|folder| fs::read_dir(store.path(folder)).unwrap());
    names.filter(|name| name.as_ref().unwrap().file_name().to_str().unwrap().starts_with('.')).count()
}

#[test]
fn a_seal_that_is_killed_leaves_the_old_manifest_or_the_new_one() {
    let store = Store::new();
    store.seal(&[]).unwrap();
    let begin = Instant::now();
    assert!(store.isolde(&WORDS).output().unwrap().status.success());
    // The wait follows the moment at which the manifest changes, however busy the machine is, and spreads around it.
    let mut wait = begin.elapsed();
    let (mut before, mut text, _) = manifest(&store);
    let (mut old, mut new) = (0, 0);
    for step in 0..60_u32 {
        // Another image and script each time, so that an entry of one manifest does not fit the other's file.
        store.write(SCRIPT, format!("#!/bin/sh\n# {step}\n").as_bytes());
        let mut child = store.isolde(&WORDS).stdout(Stdio::null()).spawn().unwrap();
        std::thread::sleep(wait * (50 + step * 37 % 100) / 100);
        child.kill().unwrap();
        child.wait().unwrap();
        let (after, now, is_signed) = manifest(&store);
        if after.serial == before.serial {
            old += 1;
            wait = wait * 6 / 5;
            assert!(now == text && is_signed, "the old one is as it was");
        } else {
            new += 1;
            wait = wait * 5 / 6;
            assert_eq!(after.serial, before.serial + 1);
            assert_ne!(after.find(SCRIPT), before.find(SCRIPT));
            assert_eq!(after.find(ISO), before.find(ISO), "an image that is the same keeps its tree");
        }
        if !is_signed {
            assert!(store.verify(0).unwrap().stores[0].fault.is_some(), "what nobody signed is not accepted");
        }
        // The tree is whole too, whichever manifest is there.
        assert!(store.faults().iter().all(|(path, _)| path != ISO));
        (before, text) = if is_signed { (after, now) } else { again(&store) };
    }
    assert!(old > 5 && new > 5, "{old} left the old manifest, {new} the new one");
    again(&store);
    assert_eq!(leftovers(&store), 0);
    assert!(store.verify(0).unwrap().is_good());
}

/// A seal that is not interrupted.
fn again(store: &Store) -> (Manifest, Vec<u8>) {
    store.seal(&[]).unwrap();
    let (manifest, text, is_signed) = manifest(store);
    assert!(is_signed);
    (manifest, text)
}

#[test]
fn a_seal_that_cannot_write_leaves_everything_as_it_was() {
    let store = Store::new();
    // So that a manifest has more than one of the units.
    (0..4).for_each(|n| store.write(&format!("boot/extensions/{n}.ExtensionImage"), b"an extension"));
    store.seal(&[]).unwrap();
    let image = store.path(ISO);
    let tree = fs::read(store.path("boot/iso/x.iso.verity")).unwrap();
    let (before, text, _) = manifest(&store);
    // The largest file that may be written, in units of 512 bytes: within the tree, and within the manifest.
    for (limit, words) in [(0, &[][..]), (1, &[]), (200, &[]), (0, &["--no-verity"]), (1, &["--no-verity"])] {
        // A signal that is ignored stays ignored, and the write fails instead.
        let script = format!("trap '' XFSZ; ulimit -f {limit}; exec \"$@\"");
        let mut command = Command::new("sh");
        command.args(["-c", &script, "sh", env!("CARGO_BIN_EXE_isolde")]).args(WORDS).args(words);
        let output = command.current_dir(store.folder.path()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{limit} {words:?}: {said}");
        assert!(said.contains("write ") && said.contains("File too large"), "{said}");
        assert_eq!(manifest(&store), (before.clone(), text.clone(), true), "{limit} {words:?}");
        assert_eq!(fs::read(store.path("boot/iso/x.iso.verity")).unwrap(), tree);
        assert_eq!(leftovers(&store), 0);
    }
    assert!(image.exists() && store.verify(1).unwrap().is_good());
}
