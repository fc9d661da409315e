//! `isolde keygen`, `isolde seal` and `isolde verify`, against the programs minisign, veritysetup and b3sum.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // clippy knows test functions as tests, but not what they call

use isolde::formats::manifest::{Manifest, PLACE, SIGNATURE};
use isolde_host::trust::manifest::hex;
use isolde_host::trust::{keygen, seal, verify};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

const ISO: &str = "boot/iso/x.iso";
const EXTENSION: &str = "boot/extensions/b43.ExtensionImage";
const SCRIPT: &str = "boot/customize/init";

/// A store, sealed with a key; the image is an ext4 of an odd number of blocks of 2048 bytes.
struct Store {
    folder: TempDir,
    key: String,
}

impl Store {
    fn new() -> Store {
        let folder = TempDir::new().unwrap();
        let store = Store { key: keygen::make(&folder.path().join("owner")).unwrap(), folder };
        store.write(ISO, &[]);
        let image = store.path(ISO);
        fs::File::create(&image).unwrap().set_len(9 << 20).unwrap();
        store.run("mke2fs", &["-q", "-t", "ext4", image.to_str().unwrap()]);
        let mut bytes = fs::read(&image).unwrap();
        bytes.resize((9 << 20) + 2048, 7);
        // Not only zeroes, over all of it.
        bytes
            .iter_mut()
            .enumerate()
            .skip(4 << 20)
            .for_each(|(at, byte)| *byte = (at.wrapping_mul(2_654_435_761) >> 13) as u8);
        store.write(ISO, &bytes);
        store.write(EXTENSION, b"an extension");
        store.write(SCRIPT, b"#!/bin/sh\n");
        store.write("boot/iso/x.iso.b3", b"not read");
        store.write("photos/me.jpg", b"not ours");
        store
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root().join(path)
    }

    fn write(&self, path: &str, bytes: &[u8]) {
        fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        fs::write(self.path(path), bytes).unwrap();
    }

    fn flip(&self, path: &str, at: usize) {
        let mut bytes = fs::read(self.path(path)).unwrap();
        bytes[at] ^= 1;
        self.write(path, &bytes);
    }

    fn seal(&self, files: &[&str]) -> anyhow::Result<Manifest> {
        seal::seal(&seal::Args {
            store: self.root(),
            files: files.iter().map(|&file| file.to_owned()).collect(),
            key: Some(self.folder.path().join("owner.key")),
            no_verity: false,
        })
    }

    fn verify(&self, least: u64) -> anyhow::Result<verify::Answer> {
        let key = Some(self.folder.path().join("owner.pub"));
        verify::verify(&verify::Args { store: self.root(), key, manifest_min: least, json: false })
    }

    /// The only fault there is.
    fn fault(&self) -> (String, String) {
        let answer = self.verify(0).unwrap();
        let files = answer.files.into_iter().filter_map(|file| Some((file.path, file.fault?)));
        let mut all: Vec<_> =
            answer.fault.map(|fault| ("manifest".to_owned(), fault)).into_iter().chain(files).collect();
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    fn run(&self, program: &str, words: &[&str]) -> String {
        let mut path = std::env::var_os("PATH").unwrap_or_default();
        path.push(":/usr/sbin:/sbin");
        let mut command = Command::new(program);
        command.args(words).current_dir(self.folder.path()).env("PATH", path).stdin(Stdio::null());
        let output = command.output().unwrap_or_else(|error| panic!("{program}: {error}; run setup.sh test"));
        assert!(output.status.success(), "{program} {words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn what_is_sealed_is_accepted_here_and_by_the_programs() {
    let store = Store::new();
    let manifest = store.seal(&[]).unwrap();
    assert_eq!(manifest.serial, 1);
    let paths: Vec<&str> = manifest.files.iter().map(|entry| entry.path.as_str()).collect();
    assert_eq!(paths, [SCRIPT, EXTENSION, ISO]);
    let answer = store.verify(1).unwrap();
    assert!(answer.is_good(), "{answer:?}");
    assert_eq!(answer.signed_by, Some(store.key.clone()));

    let place = store.path(PLACE);
    let shown = store.run("minisign", &["-V", "-p", "owner.pub", "-m", text(&place)]);
    assert!(shown.contains("Signature and comment signature verified"), "{shown}");
    for entry in &manifest.files {
        let line = store.run("b3sum", &["--no-names", text(&store.path(&entry.path))]);
        assert_eq!(line.trim(), hex(&entry.blake3));
        assert_eq!(store.path(&entry.path).metadata().unwrap().len(), entry.size);
    }
    let verity = manifest.find(ISO).unwrap().verity.clone().unwrap();
    assert_eq!((verity.block, verity.salt.len()), (2048, 32));
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
    assert_eq!(store.verify(0).unwrap().signed_by, Some(store.key.clone()));
    store.run("minisign", &["-G", "-f", "-W", "-p", "owner.pub", "-s", "owner.key"]);
    assert!(store.fault().1.contains(&format!("signed by key {}, trusted: ", store.key)), "{:?}", store.fault());
    store.seal(&[SCRIPT]).unwrap();
    let answer = store.verify(2).unwrap();
    assert!(answer.is_good() && answer.signed_by != Some(store.key.clone()), "{answer:?}");
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
        changed(ISO, at, (ISO, "wanted BLAKE3 "));
    }
    changed(EXTENSION, 3, (EXTENSION, "wanted BLAKE3 "));
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
    assert_eq!(answer.fault.as_deref(), Some("wanted serial 2 or a later one, seen 1"));
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
    assert!(store.verify(0).unwrap().fault.unwrap().contains("minisig"));
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
