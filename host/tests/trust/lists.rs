//! Lists of checksums as the programs of distributors write them, and what implantisomd5 puts into an ISO.

use crate::fixture::Store;
use isolde_host::trust::verify::{Args, FileAnswer, Proof, verify};
use std::fs;
use std::path::PathBuf;

const NAME: &str = "live (1).iso";

/// A folder with one file, of which nothing is known yet.
struct Folder(Store, PathBuf);

impl Folder {
    fn new() -> Folder {
        let store = Store::new();
        let folder = store.folder.path().join("downloads");
        fs::create_dir(&folder).unwrap();
        let bytes: Vec<u8> = (0..3_000_001_usize).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        fs::write(folder.join(NAME), bytes).unwrap();
        Folder(store, folder)
    }

    /// Writes a list with what a program says in the folder.
    fn list(&self, list: &str, program: &str, words: &[&str]) {
        let words = [&["-C", self.1.to_str().unwrap(), program][..], words].concat();
        let text = self.0.run("env", &words);
        fs::write(self.1.join(list), text).unwrap();
    }

    fn verify(&self) -> FileAnswer {
        let paths = vec![self.1.join(NAME)];
        let mut answer = verify(&Args { paths, key: None, manifest_min: 0, json: false }).unwrap();
        answer.files.remove(0)
    }

    fn flip(&self) {
        let mut bytes = fs::read(self.1.join(NAME)).unwrap();
        bytes[2_999_999] ^= 0x10;
        fs::write(self.1.join(NAME), bytes).unwrap();
    }
}

#[test]
fn every_list_is_read_and_every_list_finds_a_change() {
    let lists: [(&str, &str, &[&str], Proof); 12] = [
        ("SHA256SUMS", "sha256sum", &[NAME], Proof::SameBytes),
        ("SHA512SUMS", "sha512sum", &["-b", NAME], Proof::SameBytes),
        ("SHA1SUMS", "sha1sum", &[NAME], Proof::NoAccident),
        ("MD5SUMS", "md5sum", &["./live (1).iso"], Proof::NoAccident),
        ("Fedora-42-CHECKSUM", "sha256sum", &["--tag", NAME], Proof::SameBytes),
        ("sha384sum.txt", "sha384sum", &[NAME], Proof::SameBytes),
        ("live (1).iso.sha256", "sha256sum", &[NAME], Proof::SameBytes),
        ("live (1).iso.sha512sum", "sha512sum", &["--tag", NAME], Proof::SameBytes),
        ("live (1).iso.sha224", "sha224sum", &[NAME], Proof::SameBytes),
        ("live (1).iso.md5", "md5sum", &[NAME], Proof::NoAccident),
        ("live (1).iso.b3", "b3sum", &[NAME], Proof::SameBytes),
        ("B3SUMS", "b3sum", &[NAME], Proof::SameBytes),
    ];
    let folder = Folder::new();
    for (list, program, words, proves) in lists {
        folder.list(list, program, words);
        let answer = folder.verify();
        let [check] = answer.checks.as_slice() else { panic!("{list}: {answer:?}") };
        assert_eq!((check.by.as_str(), check.proves, &check.fault), (list, proves, &None));
        assert!(program.starts_with(&check.digest.replace("blake3", "b3")), "{check:?}");
        folder.flip();
        assert!(folder.verify().is_bad(), "{list}");
        folder.flip();
        fs::rename(folder.1.join(list), folder.1.join(format!("{list}-kept"))).unwrap();
        assert!(folder.verify().checks.is_empty(), "{list}");
    }
    for (list, ..) in lists {
        fs::rename(folder.1.join(format!("{list}-kept")), folder.1.join(list)).unwrap();
    }
    let answer = folder.verify();
    assert!(answer.checks.len() == lists.len() && !answer.is_bad(), "{answer:?}");
    folder.flip();
    assert_eq!(folder.verify().faults().count(), lists.len());
}

#[test]
fn signatures_of_lists_are_not_taken_for_checked() {
    let folder = Folder::new();
    folder.list("body", "sha256sum", &["--tag", NAME]);
    let body = fs::read_to_string(folder.1.join("body")).unwrap();
    let signed = format!(
        "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n# {NAME}: 3000001 bytes\n{body}\
         -----BEGIN PGP SIGNATURE-----\n\niQIzBAEBCAAdFiEE\n=abcd\n-----END PGP SIGNATURE-----\n"
    );
    fs::write(folder.1.join("Fedora-42-CHECKSUM"), &signed).unwrap();
    let answer = folder.verify();
    assert!(!answer.is_bad() && answer.checks[0].proves == Proof::SameBytes);
    assert_eq!(answer.notes, ["Fedora-42-CHECKSUM: the PGP signature around it is not checked; gpg --verify does"]);
    // A line that was put behind the signature is nobody's.
    fs::write(folder.1.join("Fedora-42-CHECKSUM"), signed.replace(&body, "") + &body).unwrap();
    assert!(folder.verify().checks.is_empty());
    fs::remove_file(folder.1.join("Fedora-42-CHECKSUM")).unwrap();
    folder.list("SHA256SUMS", "sha256sum", &[NAME]);
    fs::write(folder.1.join("SHA256SUMS.gpg"), "…").unwrap();
    assert_eq!(folder.verify().notes, ["SHA256SUMS.gpg: this signature is not checked; gpg --verify does"]);
}

#[test]
fn damaged_lists_are_never_taken_for_good_ones() {
    let folder = Folder::new();
    for (list, text, is_bad) in [
        ("live (1).iso.b3", "not a list\n", true),
        ("live (1).iso.b3", &format!("{}  other\n", "0".repeat(64)), true),
        ("B3SUMS", "not a list\n", true),
        ("B3SUMS", &format!("{}  other\n", "0".repeat(64)), false),
        ("live (1).iso.sha256", "not a list\n", false),
        ("SHA256SUMS", "\u{0}\u{ff}\n", false),
        ("SHA256SUMS", &format!("{}  {NAME}\n", "0".repeat(64)), true),
        ("live (1).iso.verity", "", true),
    ] {
        fs::write(folder.1.join(list), text).unwrap();
        let answer = folder.verify();
        assert_eq!(answer.is_bad(), is_bad, "{list}: {answer:?}");
        assert!(is_bad || answer.checks.is_empty(), "{list}: {answer:?}");
        fs::remove_file(folder.1.join(list)).unwrap();
    }
}

#[test]
fn what_implantisomd5_wrote_is_checked_as_checkisomd5_does() {
    let folder = Folder::new();
    let at = folder.1.join("contents");
    fs::create_dir(&at).unwrap();
    fs::rename(folder.1.join(NAME), at.join("file")).unwrap();
    let (iso, contents) = (folder.1.join(NAME), at.to_str().unwrap());
    let path = iso.to_str().unwrap();
    folder.0.run("xorriso", &["-no_rc", "-as", "mkisofs", "-quiet", "-R", "-o", path, contents]);
    assert!(folder.verify().checks.is_empty());
    folder.0.run("implantisomd5", &[path]);
    let theirs = |is_good| {
        let output = std::process::Command::new("checkisomd5").arg(path).output().unwrap();
        assert_eq!(output.status.success(), is_good);
    };
    theirs(true);
    let answer = folder.verify();
    let [check] = answer.checks.as_slice() else { panic!("{answer:?}") };
    assert_eq!((check.digest, check.proves, &check.fault), ("md5", Proof::NoAccident, &None));
    assert_eq!(check.by, "the image, by isomd5sum");
    // The sectors that it leaves out, and the rest.
    let bytes = fs::read(&iso).unwrap();
    for (place, is_good) in [(bytes.len() - 15 * 2048, true), (bytes.len() - 15 * 2048 - 1, false), (40_000, false)] {
        let mut changed = bytes.clone();
        changed[place] ^= 1;
        fs::write(&iso, changed).unwrap();
        theirs(is_good);
        assert_eq!(!folder.verify().is_bad(), is_good, "byte {place}");
    }
}

#[test]
fn lists_of_a_store_are_found_anywhere_below_boot() {
    let store = Store::new();
    store.seal(&[]).unwrap();
    store.write("boot/other/a/file", b"a file");
    let line = store.run("b3sum", &["store/boot/other/a/file"]);
    store.write("boot/other/a/B3SUMS", line.as_bytes());
    let answer = store.verify(0).unwrap();
    let file = answer.files.iter().find(|file| file.path == "boot/other/a/file").unwrap();
    assert!(answer.is_good() && file.checks[0].by == "B3SUMS", "{file:?}");
    // A list of a folder above it, with the way from there; init would not look there.
    fs::rename(store.path("boot/other/a/B3SUMS"), store.path("boot/other/B3SUMS")).unwrap();
    store.write("boot/other/B3SUMS", line.replace("store/boot/other/", "").as_bytes());
    let answer = store.verify(0).unwrap();
    let file = answer.files.iter().find(|file| file.path == "boot/other/a/file").unwrap();
    assert!(answer.is_good() && file.checks[0].by == "boot/other/B3SUMS", "{file:?}");
    store.write("boot/other/a/file", b"another");
    assert_eq!(store.fault().0, "boot/other/a/file");
    fs::remove_file(store.path("boot/other/a/file")).unwrap();
    assert_eq!(store.fault().0, "boot/other/a/file");
    let digest = "0".repeat(64);
    for line in [format!("{digest}  .."), format!("{digest}  a\\b"), "damaged".to_owned()] {
        store.write("boot/other/B3SUMS", format!("{line}\n").as_bytes());
        assert_eq!(store.fault().0, "boot/other/B3SUMS", "{line}");
    }
}

#[test]
fn nothing_but_files_is_opened() {
    let folder = Folder::new();
    let pipe = folder.1.join("SHA256SUMS");
    folder.0.run("mkfifo", &[pipe.to_str().unwrap(), folder.1.join("B3SUMS").to_str().unwrap()]);
    let answer = folder.verify();
    assert_eq!(answer.checks.len(), 1, "what init would read has to be readable: {answer:?}");
    assert!(answer.is_bad() && answer.notes[0].contains("wanted a file, seen something else"), "{answer:?}");
    folder.0.write("boot/x", b"");
    folder.0.run("mkfifo", &[folder.0.path("boot/iso/pipe.iso").to_str().unwrap()]);
    assert_eq!(folder.0.ask(&["verify", "store/boot/iso/pipe.iso"]).0, 2);
    assert_eq!(folder.0.ask(&["seal", "store/boot/iso/pipe.iso"]).0, 2);
    assert_eq!(folder.0.seal(&[]).unwrap().files.len(), 3);
}
