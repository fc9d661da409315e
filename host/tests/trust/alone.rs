//! Files that are on no store: sealed and verified alone, against b3sum and veritysetup.

use crate::fixture::{ISO, Store, text};
use std::fs;

/// The value of a line such as `  root hash   0f…`.
fn line<'a>(text: &'a str, name: &str) -> &'a str {
    text.lines().find_map(|line| line.trim().strip_prefix(name)).unwrap().trim()
}

#[test]
fn a_file_alone_gets_what_b3sum_and_veritysetup_check() {
    let store = Store::new();
    fs::copy(store.path(ISO), store.folder.path().join("an image.iso")).unwrap();
    fs::write(store.folder.path().join("notes"), "not an image").unwrap();
    let (status, said) = store.ask(&["seal", "an image.iso", "notes"]);
    assert_eq!(status, 0);
    assert_eq!(store.run("b3sum", &["-c", "an image.iso.b3", "notes.b3"]), "an image.iso: OK\nnotes: OK\n");
    let list = fs::read_to_string(store.folder.path().join("an image.iso.b3")).unwrap();
    assert_eq!(list, store.run("b3sum", &["an image.iso"]));
    let root = line(&said, "root hash");
    store.run("veritysetup", &["verify", "an image.iso", "an image.iso.verity", root]);
    let dump = store.run("veritysetup", &["dump", "an image.iso.verity"]);
    assert_eq!(line(&dump, "Salt:"), line(&said, "salt"));
    assert!(line(&dump, "Data block size:").starts_with("1024"), "{dump}");
    assert!(said.contains("init uses this tree only when a manifest has its root hash"), "{said}");
    assert!(!store.folder.path().join("notes.verity").exists());

    let (status, said) = store.ask(&["verify", "an image.iso", "notes"]);
    assert_eq!(status, 0, "{said}");
    assert!(said.contains("an image.iso: good\n  verity of an image.iso.verity: same bytes"), "{said}");
    assert!(said.contains("blake3 of an image.iso.b3: same bytes, proves no origin"), "{said}");
    let mut bytes = fs::read(store.folder.path().join("an image.iso")).unwrap();
    bytes[9 << 20] ^= 0x80;
    fs::write(store.folder.path().join("an image.iso"), &bytes).unwrap();
    let (status, said) = store.ask(&["verify", "an image.iso"]);
    assert_eq!(status, 1, "{said}");
    assert!(said.contains("its hash tree is not the one of its bytes") && said.contains("wanted "), "{said}");
}

#[test]
fn a_tree_of_veritysetup_is_checked_too() {
    let store = Store::new();
    fs::copy(store.path(ISO), store.folder.path().join("y.iso")).unwrap();
    let sizes = ["--data-block-size=1024", "--hash-block-size=1024", "--hash=sha512"];
    store.run("veritysetup", &[&["format", "y.iso", "y.iso.verity"][..], &sizes].concat());
    assert_eq!(store.ask(&["verify", "y.iso"]).0, 0);
    let path = store.folder.path().join("y.iso.verity");
    let mut tree = fs::read(&path).unwrap();
    let last = tree.len() - 1024;
    tree[last] ^= 1;
    fs::write(&path, tree).unwrap();
    assert_eq!(store.ask(&["verify", "y.iso"]).0, 1);
}

#[test]
fn a_file_of_a_store_is_not_sealed_alone() {
    let store = Store::new();
    let iso = store.path(ISO);
    assert_eq!(store.ask(&["seal", text(&iso)]).0, 0, "the store has no manifest yet");
    store.seal(&[]).unwrap();
    let tree = fs::read(store.path("boot/iso/x.iso.verity")).unwrap();
    assert_eq!(store.ask(&["seal", text(&iso)]).0, 2);
    assert_eq!(fs::read(store.path("boot/iso/x.iso.verity")).unwrap(), tree);
    assert_eq!(store.ask(&["seal", "owner.pub", "--key", "owner.key"]).0, 2, "there is nothing to sign");
}

#[test]
fn a_file_of_a_store_is_checked_by_its_manifest() {
    let store = Store::new();
    store.seal(&[]).unwrap();
    let iso = store.path(ISO);
    let (status, said) = store.ask(&["verify", text(&iso), "--key", "owner.pub"]);
    assert_eq!(status, 0, "{said}");
    assert_eq!(said.matches("of the manifest: proves origin").count(), 2, "BLAKE3 and the tree: {said}");
    let (_, said) = store.ask(&["verify", text(&iso)]);
    assert_eq!(said.matches("of the manifest: same bytes, proves no origin").count(), 2, "{said}");
    assert_eq!(store.ask(&["verify", text(&iso), "--manifest-min", "2"]).0, 1);
}

#[test]
fn the_status_says_what_is_not_known() {
    let store = Store::new();
    fs::write(store.folder.path().join("x"), "x").unwrap();
    let (status, said) = store.ask(&["verify", "x"]);
    assert_eq!((status, said.as_str()), (3, "x: nothing to check it by\n"));
    assert_eq!(store.ask(&["verify", "none"]).0, 2);
    assert_eq!(store.ask(&["verify", "x", "--key", "x"]).0, 2);
    assert_eq!(store.ask(&["verify", "x", "--key", "owner.pub"]).0, 1, "a signature was wanted");
    assert_eq!(store.ask(&["verify"]).0, 2);
    // A store without a manifest.
    let (status, said) = store.ask(&["verify", "store"]);
    assert_eq!(status, 3, "{said}");
    assert_eq!(store.ask(&["verify", "store", "--key", "owner.pub"]).0, 1);
    // What came after the manifest is not sealed by it.
    store.seal(&[]).unwrap();
    assert_eq!(store.ask(&["verify", "store"]).0, 0);
    store.write("boot/iso/new.iso", b"new");
    let (status, said) = store.ask(&["verify", "store"]);
    assert_eq!(status, 3, "{said}");
    assert!(said.contains("new.iso: nothing to check it by\n  note: the manifest does not have it\n"), "{said}");
}
