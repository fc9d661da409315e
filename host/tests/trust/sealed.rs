//! Stores that are sealed, and everything that can be changed on them.

use crate::fixture::{EXTENSION, ISO, SCRIPT, Store, text};
use isolde::formats::manifest::{Manifest, PLACE, SIGNATURE};
use isolde::params::Policy;
use isolde_host::trust::keygen;
use isolde_host::trust::manifest::hex;
use std::fs;
use std::os::unix::fs::PermissionsExt;

#[test]
fn what_is_sealed_is_accepted_here_and_by_the_programs() {
    let store = Store::new();
    let manifest = store.seal(&[]).unwrap();
    assert_eq!(manifest.serial, 1);
    let paths: Vec<&str> = manifest.files.iter().map(|entry| entry.path.as_str()).collect();
    assert_eq!(paths, [SCRIPT, EXTENSION, ISO]);
    let answer = store.verify(1).unwrap();
    assert!(answer.is_good(), "{answer:?}");
    assert_eq!(answer.stores[0].signed_by, Some(store.key.clone()));

    let place = store.path(PLACE);
    let shown = store.run("minisign", &["-V", "-p", "owner.pub", "-m", text(&place)]);
    assert!(shown.contains("Signature and comment signature verified"), "{shown}");
    for entry in &manifest.files {
        let line = store.run("b3sum", &["--no-names", text(&store.path(&entry.path))]);
        assert_eq!(line.trim(), hex(&entry.blake3));
        assert_eq!(store.path(&entry.path).metadata().unwrap().len(), entry.size);
    }
    let verity = manifest.find(ISO).unwrap().verity.clone().unwrap();
    assert_eq!((verity.block, verity.salt.len()), (1024, 32));
    let (iso, tree) = (store.path(ISO), store.path("boot/iso/x.iso.verity"));
    store.run("veritysetup", &["verify", text(&iso), text(&tree), &hex(&verity.root)]);
    assert_eq!(manifest.find(SCRIPT).unwrap().verity, None);
    assert_eq!(store.folder.path().join("owner.key").metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let key = keygen::make(&store.folder.path().join("owner"));
    assert!(key.unwrap_err().to_string().contains("owner.key"), "a key is not written over");
}

#[test]
fn keys_of_minisign_seal_and_keys_of_ours_sign_with_minisign() {
    let store = Store::new();
    store.seal(&[SCRIPT]).unwrap();
    let place = store.path(PLACE);
    store.run("minisign", &["-S", "-s", "owner.key", "-m", text(&place)]);
    assert_eq!(store.verify(0).unwrap().stores[0].signed_by.clone(), Some(store.key.clone()));
    store.run("minisign", &["-G", "-f", "-W", "-p", "owner.pub", "-s", "owner.key"]);
    assert!(store.fault().1.contains(&format!("signed by key {}, trusted: ", store.key)), "{:?}", store.fault());
    store.seal(&[SCRIPT]).unwrap();
    let answer = store.verify(2).unwrap();
    assert!(answer.stores[0].fault.is_none() && answer.stores[0].signed_by.as_ref() != Some(&store.key), "{answer:?}");
}

#[test]
fn every_change_is_named() {
    let store = Store::new();
    store.seal(&[]).unwrap();
    let changed = |path: &str, at: usize, wanted: (&str, &str)| {
        store.flip(path, at);
        let (name, fault) = store.fault();
        assert!(name == wanted.0 && fault.contains(wanted.1), "{path}, byte {at}: {name}: {fault}");
        store.flip(path, at);
    };
    for at in [0, 4096, 5 << 20, (9 << 20) + 2047] {
        changed(ISO, at, (ISO, "wanted "));
    }
    changed(EXTENSION, 3, (EXTENSION, "wanted "));
    let tree = "boot/iso/x.iso.verity";
    changed(tree, 0, (ISO, "its hash tree: wanted a super block"));
    changed(tree, 72, (ISO, "its hash tree: wanted the tree of 9439232 bytes"));
    changed(tree, 88, (ISO, "its hash tree: its salt is not the one"));
    changed(tree, 4096, (ISO, "its hash tree: block 1 of the hash tree"));
    changed(tree, 8192, (ISO, "its hash tree is not the one of its bytes"));
    changed(SIGNATURE, 90, ("manifest", "manifest.toml.minisig"));
    changed(PLACE, 5, ("manifest", "not what key"));
    assert!(store.verify(0).unwrap().is_good());

    let answer = store.verify(2).unwrap();
    assert_eq!(answer.stores[0].fault.as_deref(), Some("wanted serial 2 or a later one, seen 1"));
    for (path, bytes, fault) in [
        (EXTENSION, b"an extensio".as_slice(), "wanted 12 bytes, seen 11"),
        (EXTENSION, b"an extension.", "wanted 12 bytes, seen 13"),
    ] {
        store.write(path, bytes);
        assert_eq!(store.fault(), (path.to_owned(), fault.to_owned()));
    }
    fs::remove_file(store.path(EXTENSION)).unwrap();
    assert_eq!(store.fault().0, EXTENSION);
    fs::write(store.folder.path().join("outside"), b"an extension").unwrap();
    std::os::unix::fs::symlink("../../../outside", store.path(EXTENSION)).unwrap();
    assert_eq!(store.fault().1, "wanted a file, seen a link on the way to it");
    fs::remove_file(store.path(SIGNATURE)).unwrap();
    assert!(store.verify(0).unwrap().stores[0].fault.clone().unwrap().contains("minisig"));
}

#[test]
fn sealing_again_reads_only_what_is_named() {
    let store = Store::new();
    let first = store.seal(&[]).unwrap();
    let tree = fs::read(store.path("boot/iso/x.iso.verity")).unwrap();
    store.write(SCRIPT, b"#!/bin/sh\ntrue\n");
    store.flip(EXTENSION, 0);
    let second = store.seal(&[SCRIPT]).unwrap();
    assert_eq!(second.serial, 2);
    assert_eq!(second.find(EXTENSION), first.find(EXTENSION));
    assert_eq!(second.find(ISO), first.find(ISO));
    assert_ne!(second.find(SCRIPT), first.find(SCRIPT));
    assert_eq!(store.fault().0, EXTENSION);
    // An image that is the same has the same tree, but for the tree's own UUID: the manifest before still fits.
    let third = store.seal(&[]).unwrap();
    assert_eq!(third.find(ISO), first.find(ISO));
    let again = fs::read(store.path("boot/iso/x.iso.verity")).unwrap();
    assert!(again[..16] == tree[..16] && again[32..] == tree[32..]);
    assert!(store.verify(3).unwrap().is_good());
}

#[test]
fn what_cannot_be_sealed_leaves_the_manifest_as_it_was() {
    let store = Store::new();
    store.seal(&[]).unwrap();
    let before = fs::read(store.path(PLACE)).unwrap();
    std::os::unix::fs::symlink("init", store.path("boot/customize/link")).unwrap();
    for path in ["../owner.key", "/etc/passwd", "boot/none", "boot/iso", "boot/customize/link", "boot/iso/../iso/x.iso"]
    {
        assert!(store.seal(&[path]).is_err(), "{path}");
    }
    assert_eq!(fs::read(store.path(PLACE)).unwrap(), before);
    // The serial number of a damaged manifest is not known, so none is made that could be an older one.
    store.flip(PLACE, before.len() - 1);
    assert!(store.seal(&[]).is_err());
    let leftovers = fs::read_dir(store.path("boot/isolde")).unwrap().count();
    assert_eq!(leftovers, 2, "the manifest and its signature");
}

#[test]
fn a_thousand_flipped_bits_are_caught() {
    let store = Store::new();
    // Small, as every flip reads everything again.
    let image = store.path("boot/iso/x.iso");
    fs::File::create(&image).unwrap().set_len(128 << 10).unwrap();
    store.run("mke2fs", &["-q", "-t", "ext2", text(&image)]);
    store.seal(&[]).unwrap();
    let untrusted = fs::read_to_string(store.path(SIGNATURE)).unwrap().find('\n').unwrap();
    // The first block of a tree is its super block, of which only what the manifest fixes has a meaning.
    let files =
        [(ISO, 0), (EXTENSION, 0), (SCRIPT, 0), (PLACE, 0), (SIGNATURE, untrusted), ("boot/iso/x.iso.verity", 4096)];
    let mut random = 0x1501_de00_u64;
    for number in 0..1000 {
        let (path, from) = files[number % files.len()];
        let good = fs::read(store.path(path)).unwrap();
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let bit = (random >> 16) as usize % ((good.len() - from) * 8);
        let mut bad = good.clone();
        bad[from + bit / 8] ^= 1 << (bit % 8);
        store.write(path, &bad);
        // A manifest that cannot be read is refused as well.
        assert!(!store.verify(0).is_ok_and(|answer| answer.is_good()), "{path}, bit {bit} after byte {from}");
        store.write(path, &good);
    }
    assert!(store.verify(0).unwrap().is_good());
}

#[test]
fn a_store_asks_for_a_policy_until_that_is_taken_back() {
    let store = Store::new();
    let wish = |words: &[&str]| {
        let (status, _) = store.ask(&[&["seal", "store", SCRIPT], words].concat());
        let manifest = Manifest::parse(&fs::read(store.path(PLACE)).unwrap()).unwrap();
        (status, manifest.serial, manifest.verify)
    };
    assert_eq!(wish(&[]), (0, 1, None));
    assert_eq!(wish(&["--verify", "require"]), (0, 2, Some(Policy::Require)));
    assert_eq!(wish(&["--verify=signed", "--key", "owner.key"]), (0, 3, Some(Policy::Signed)));
    assert_eq!(wish(&["--no-verity"]), (0, 4, Some(Policy::Signed)));
    assert_eq!(wish(&["--verify=off"]), (2, 4, Some(Policy::Signed)), "a store does not ask for less");
    assert_eq!(wish(&["--verify=auto"]), (0, 5, None));
}

#[test]
fn what_an_interrupted_seal_left_is_nothing() {
    let store = Store::new();
    store.write("boot/iso/.isolde-seal-Ab12Cd", b"half a tree");
    store.write("boot/isolde/.isolde-seal-Ef34Gh", b"half a manifest");
    let manifest = store.seal(&[]).unwrap();
    assert_eq!(manifest.files.len(), 3);
    assert!(!store.path("boot/iso/.isolde-seal-Ab12Cd").exists());
    assert!(!store.path("boot/isolde/.isolde-seal-Ef34Gh").exists());
}

#[test]
fn two_seals_of_one_store_do_not_mix() {
    let store = Store::new();
    store.seal(&[]).unwrap();
    let folder = fs::File::open(store.path("boot/isolde")).unwrap();
    folder.lock().unwrap();
    assert!(store.seal(&[]).unwrap_err().to_string().contains("another isolde seal"));
    drop(folder);
    assert_eq!(store.seal(&[]).unwrap().serial, 2);
}
