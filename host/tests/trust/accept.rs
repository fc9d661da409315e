//! `isolde trust`: what an initrd of `isolde mkinitrd` would accept of a store.

use crate::fixture::{EXTENSION, ISO, SCRIPT, Store, text};
use isolde::formats::manifest::{PLACE, SIGNATURE};
use isolde_host::trust::accept::{Answer, Args, Fate, accept};
use std::fs;
use std::path::PathBuf;

/// A second initrd with these options, beside the store. Any static program serves as init.
fn initrd(store: &Store, name: &str, options: &[&str]) -> PathBuf {
    let busybox = ["/usr/bin/busybox", "/bin/busybox"].into_iter().find(|path| fs::exists(path).unwrap());
    let busybox = busybox.unwrap_or_else(|| panic!("no busybox; run setup.sh test"));
    let path = store.folder.path().join(name);
    let words = ["mkinitrd", "--compress", "gzip", "--output", text(&path), busybox];
    let output = store.isolde(&[&words[..], options].concat()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    path
}

fn ask(store: &Store, initrd: &[&PathBuf], cmdline: &str) -> Answer {
    let initrd = initrd.iter().map(|&path| path.clone()).collect();
    let (store, cmdline) = (Some(store.root()), cmdline.to_owned());
    accept(&Args { store, initrd, cmdline, quick: false, json: false }).unwrap()
}

/// Path, fate and reason of the files that are not accepted.
fn others(answer: &Answer) -> Vec<(&str, Fate, &str)> {
    let others = answer.files.iter().filter(|file| file.fate != Fate::Accepted);
    others.map(|file| (file.path.as_str(), file.fate, file.why.as_str())).collect()
}

#[test]
fn a_sealed_store_is_accepted_by_the_initrd_of_its_owner() {
    let store = Store::new();
    store.seal(&[]).unwrap();
    let ours = initrd(&store, "isolde.img", &["--key", "owner.pub", "--words", "isolde.verify=signed"]);
    let answer = ask(&store, &[&ours], "isolde.verify=auto");
    assert!(answer.is_good(), "{answer}");
    assert_eq!((answer.policy, answer.words.as_deref()), ("signed", Some("isolde.verify=signed")));
    let asked: Vec<(&str, &str)> = answer.asked.iter().map(|asked| (asked.by, asked.policy)).collect();
    assert_eq!(asked, [("the initrd", "signed"), ("the command line", "auto")]);
    assert_eq!((answer.keys[0].file.as_str(), &answer.keys[0].id), ("/isolde/keys/owner.pub", &store.key));
    let manifest = answer.manifest.as_ref().unwrap();
    assert_eq!((manifest.serial, manifest.signed_by.as_ref()), (1, Some(&store.key)));
    let files: Vec<(&str, &str)> = answer.files.iter().map(|file| (file.path.as_str(), file.why.as_str())).collect();
    let signed = format!("the manifest, signed by key {}", store.key);
    let (whole, tree) = (format!("BLAKE3 of {signed}"), format!("the hash tree of {signed}"));
    assert_eq!(files, [(SCRIPT, whole.as_str()), (EXTENSION, &whole), (ISO, &tree)]);
    // The same by the program, and as JSON.
    let words = ["trust", "store", "--initrd", "isolde.img"];
    let (status, said) = store.ask(&words);
    assert_eq!(status, 0, "{said}");
    assert!(said.starts_with("policy     signed; the initrd asks for signed\n"), "{said}");
    let (_, said) = store.ask(&[&words[..], &["--json", "--quick"]].concat());
    let json: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&json["manifest"]["serial"], &json["files"][2]["fate"]), (&1.into(), &"accepted".into()));
}

#[test]
fn every_change_is_foretold() {
    let store = Store::new();
    store.seal(&[]).unwrap();
    let ours = initrd(&store, "isolde.img", &["--key", "owner.pub", "--words", "isolde.verify=signed"]);
    let changed = |path: &str, at: usize, wanted: &[(&str, Fate)]| {
        store.flip(path, at);
        let answer = ask(&store, &[&ours], "");
        let seen: Vec<(&str, Fate)> = others(&answer).iter().map(|&(path, fate, _)| (path, fate)).collect();
        assert_eq!((seen.as_slice(), answer.fault.is_some()), (wanted, wanted.is_empty()), "{path}: {answer}");
        store.flip(path, at);
    };
    changed(ISO, 5 << 20, &[(ISO, Fate::Refused)]);
    changed("boot/iso/x.iso.verity", 4096, &[(ISO, Fate::Refused)]);
    changed(EXTENSION, 0, &[(EXTENSION, Fate::LeftOut)]);
    changed(SCRIPT, 0, &[(SCRIPT, Fate::LeftOut)]);
    // Nothing is used of a store whose manifest does not hold.
    changed(PLACE, 5, &[]);
    changed(SIGNATURE, 90, &[]);
    store.write("boot/iso/new.iso", &fs::read(store.path(ISO)).unwrap());
    let answer = ask(&store, &[&ours], "");
    let why = "isolde.verify=signed and /boot/iso/new.iso is not in the manifest";
    assert_eq!(others(&answer), [("boot/iso/new.iso", Fate::Refused, why)]);
    fs::remove_file(store.path("boot/iso/x.iso.verity")).unwrap();
    let answer = ask(&store, &[&ours], "isolde.image=/boot/iso/x.iso");
    assert!(answer.notes.iter().any(|note| note.contains("the whole image is checked at boot")), "{answer}");
}

#[test]
fn the_strictest_of_initrd_command_line_and_store_holds() {
    let store = Store::new();
    store.seal(&[]).unwrap();
    let plain = initrd(&store, "plain.img", &[]);
    let policy = |initrd: &PathBuf, line| ask(&store, &[initrd], line).policy;
    assert_eq!(policy(&plain, ""), "auto");
    assert_eq!(policy(&plain, "isolde.verify=off"), "off");
    let strict = initrd(&store, "strict.img", &["--words", "isolde.verify=require isolde.manifest-min=3"]);
    assert_eq!(policy(&strict, "isolde.verify=off isolde.manifest-min=0"), "require");
    let answer = ask(&store, &[&strict], "isolde.manifest-min=2");
    assert_eq!(answer.least, 3);
    assert!(answer.fault.as_ref().unwrap().contains("wanted serial 3 or a later one, seen 1"), "{answer}");
    assert_eq!(store.ask(&["seal", "store", SCRIPT, "--verify", "signed"]).0, 0);
    let answer = ask(&store, &[&plain], "isolde.verify=off");
    assert!(answer.policy == "off" || answer.policy == "signed", "{answer}");
    let answer = ask(&store, &[&plain], "isolde.verify=require");
    assert!(answer.fault.as_ref().unwrap().contains("the initrd has no key"), "{answer}");
}

#[test]
fn without_a_manifest_lists_of_blake3_count() {
    let store = Store::new();
    let plain = initrd(&store, "plain.img", &[]);
    let answer = ask(&store, &[&plain], "");
    assert!(answer.is_good() && answer.files.iter().all(|file| file.why == "nothing is checked: no checksum for it"));
    let answer = ask(&store, &[&plain], "isolde.verify=require");
    assert_eq!(others(&answer).len(), 3, "{answer}");
    for path in [ISO, EXTENSION, SCRIPT] {
        let line = store.run("b3sum", &[text(&store.path(path))]);
        store.write(&format!("{path}.b3"), line.as_bytes());
    }
    let answer = ask(&store, &[&plain], "isolde.verify=require");
    assert!(answer.is_good(), "{answer}");
    assert!(answer.files.iter().all(|file| file.why == format!("BLAKE3 as /{}.b3 says", file.path)), "{answer}");
    store.write(&format!("{ISO}.b3"), b"damaged");
    let answer = ask(&store, &[&plain], "");
    assert_eq!(others(&answer)[0].1, Fate::Refused);
    // The image that is booted can be named by its digest, and only that.
    let line = format!("isolde.image=/{ISO} isolde.blake3={}", "0".repeat(64));
    assert!(others(&ask(&store, &[&plain], &line))[0].2.starts_with("wanted 0000"));
    let answer = ask(&store, &[&plain], "isolde.image=/boot/iso/x.iso isolde.extensions=no isolde.customize=no");
    assert_eq!(answer.files.len(), 1, "{answer}");
}

#[test]
fn keys_are_those_of_the_initramfs_that_the_kernel_makes() {
    let store = Store::new();
    store.seal(&[]).unwrap();
    fs::create_dir(store.folder.path().join("other")).unwrap();
    isolde_host::trust::keygen::make(&store.folder.path().join("other/owner")).unwrap();
    let ours = initrd(&store, "ours.img", &["--key", "owner.pub"]);
    let other = initrd(&store, "other.img", &["--key", "other/owner.pub"]);
    assert!(ask(&store, &[&other, &ours], "").is_good(), "the later file of one name counts");
    let answer = ask(&store, &[&ours, &other], "");
    assert!(answer.fault.as_ref().unwrap().contains(&format!("signed by key {}", store.key)), "{answer}");
    // One that is cut off could have had other keys.
    let bytes = fs::read(&ours).unwrap();
    fs::write(store.folder.path().join("cut.img"), &bytes[..bytes.len() - 4096]).unwrap();
    for wrong in ["cut.img", "none.img", "owner.pub", "store"] {
        assert_eq!(store.ask(&["trust", "store", "--initrd", wrong]).0, 2, "{wrong}");
    }
    assert_eq!(store.ask(&["trust", "store"]).0, 2, "an initrd is needed");
    assert_eq!(store.ask(&["trust", "--initrd", "ours.img"]).0, 0, "a store is not");
    assert_eq!(store.ask(&["trust", "--initrd", "ours.img", "--cmdline", "isolde.verify=maybe"]).0, 1);
}

#[test]
fn a_secret_key_does_not_get_into_an_initrd() {
    let store = Store::new();
    for options in [["--key", "owner.key"], ["--words", "isolde.verify=maybe"], ["--key", "none.pub"]] {
        let words = [&["mkinitrd", "-n", "/bin/busybox"], &options[..]].concat();
        assert_eq!(store.ask(&words).0, 2, "{options:?}");
    }
}
