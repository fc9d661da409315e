//! A store in memory: what `isolde seal` made of it, and what somebody then made of that.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests; clippy.toml does not see this file as one"
)]

use crate::common::small;
use crate::common::{folder, isolde, second_initrd_with};
use isolde::formats::manifest::{Manifest, PLACE, SIGNATURE};
use isolde_qemu::families::root;
use isolde_qemu::store::{Content, FileSystem, Store};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The files of a store, and what init is asked for.
pub const ISO: &str = "boot/iso/small.iso";
pub const TREE: &str = "boot/iso/small.iso.verity";
pub const EXTENSION: &str = "boot/extensions/greeting.ExtensionImage";
pub const OTHER_EXTENSION: &str = "boot/extensions/other.ExtensionImage";
pub const SCRIPT: &str = "boot/customize/init";
pub const WORDS: &str = "isolde.image=/boot/iso/small.iso";
/// What the extensions bring, and the script writes.
pub const GREETING: &str = "/etc/greeting";
pub const OTHER: &str = "/etc/other";
pub const CUSTOMIZED: &str = "/etc/customized";
/// A file of the medium that no boot reads, and where it is mounted.
pub const LATE: &str = "/run/archiso/bootmnt/late.bin";
/// Bytes of it.
pub const LATE_SIZE: usize = 4 << 20;

/// A program that has to succeed. An ordinary user's PATH lacks sbin.
pub fn run(command: &mut Command) -> String {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/sbin:/sbin");
    let done = command.env("PATH", path).stdin(Stdio::null()).output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).trim().to_owned()
}

/// A pair of keys.
pub struct Key {
    pub secret: PathBuf,
    pub public: PathBuf,
    pub id: String,
}

impl Key {
    fn new(name: &str) -> Key {
        let base = folder().join(format!("trust-{name}"));
        let file = |ending: &str| PathBuf::from(format!("{}.{ending}", base.display()));
        let (secret, public) = (file("key"), file("pub"));
        for path in [&secret, &public] {
            // A key is never overwritten, and those of another run are as good as none.
            let _ = fs::remove_file(path);
        }
        run(Command::new(isolde()).arg("keygen").arg(&base));
        let id = fs::read_to_string(&public).unwrap().lines().next().unwrap().rsplit(' ').next().unwrap().to_owned();
        Key { secret, public, id }
    }
}

/// The key whose public half is in the initrds.
pub fn owner() -> &'static Key {
    static KEY: OnceLock<Key> = OnceLock::new();
    KEY.get_or_init(|| Key::new("owner"))
}

/// A key that is in none.
pub fn stranger() -> &'static Key {
    static KEY: OnceLock<Key> = OnceLock::new();
    KEY.get_or_init(|| Key::new("stranger"))
}

/// A second initrd with the owner's key, these words, and a shell for the questions of the tests.
pub fn initrd(name: &str, words: &str) -> PathBuf {
    let file = folder().join(format!("{name}.words"));
    fs::write(&file, format!("{words}\n")).unwrap();
    let busybox = root::busybox().unwrap();
    let add: [(&str, &Path); 3] =
        [("/isolde/keys/owner.pub", &owner().public), ("/isolde/cmdline", &file), ("/usr/bin/sh", &busybox)];
    second_initrd_with(name, &add)
}

/// The small medium with a file behind all others.
pub fn late_iso() -> &'static [u8] {
    static ISO: OnceLock<Vec<u8>> = OnceLock::new();
    ISO.get_or_init(|| {
        let work = tempfile::tempdir_in(folder()).unwrap();
        let (late, iso) = (work.path().join("late.bin"), work.path().join("late.iso"));
        fs::write(&late, late_bytes()).unwrap();
        let mut xorriso = Command::new("xorriso");
        xorriso.arg("-indev").arg(small::iso()).arg("-outdev").arg(&iso);
        run(xorriso.arg("-map").arg(&late).arg("/late.bin"));
        fs::read(iso).unwrap()
    })
}

/// Where that file begins in the medium.
pub fn late_start() -> usize {
    let first = &late_bytes()[..2048];
    late_iso().chunks(2048).position(|sector| sector == first).unwrap() * 2048
}

fn late_bytes() -> Vec<u8> {
    (0..LATE_SIZE as u32 / 4).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

/// Files by their path, without a slash before it.
#[derive(Clone, Default)]
pub struct Files(BTreeMap<String, Vec<u8>>);

impl Files {
    /// Medium, extensions and script; not sealed.
    pub fn new() -> Files {
        let script = "#!/bin/sh\necho done >/etc/customized\n";
        Files::default()
            .with(ISO, late_iso())
            .with(EXTENSION, &extension("greeting"))
            .with(OTHER_EXTENSION, &extension("other"))
            .with(SCRIPT, script.as_bytes())
    }

    pub fn get(&self, path: &str) -> &[u8] {
        self.0.get(path).unwrap_or_else(|| panic!("the store has no {path}"))
    }

    pub fn with(mut self, path: &str, bytes: &[u8]) -> Files {
        self.0.insert(path.to_owned(), bytes.to_owned());
        self
    }

    pub fn without(mut self, path: &str) -> Files {
        assert!(self.0.remove(path).is_some(), "the store has no {path}");
        self
    }

    /// With a file that was changed.
    pub fn changed(self, path: &str, change: impl FnOnce(&mut Vec<u8>)) -> Files {
        let mut bytes = self.get(path).to_owned();
        change(&mut bytes);
        self.with(path, &bytes)
    }

    /// With one bit of a file the other way round.
    pub fn flipped(self, path: &str, bit: usize) -> Files {
        self.changed(path, |bytes| bytes[bit / 8] ^= 1 << (bit % 8))
    }

    /// What `isolde seal` makes of it, with further options.
    pub fn sealed(&self, key: Option<&Key>, options: &[&str]) -> Files {
        let work = tempfile::tempdir_in(folder()).unwrap();
        for (path, bytes) in &self.0 {
            let to = work.path().join(path);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::write(to, bytes).unwrap();
        }
        let mut seal = Command::new(isolde());
        seal.arg("seal").arg(work.path()).args(options);
        if let Some(key) = key {
            seal.arg("--key").arg(&key.secret);
        }
        run(&mut seal);
        let made = [TREE, PLACE, SIGNATURE].into_iter().filter(|path| work.path().join(path).exists());
        made.fold(self.clone(), |files, path| files.with(path, &fs::read(work.path().join(path)).unwrap()))
    }

    /// Signed by the program minisign, whatever the manifest is.
    pub fn signed(self, key: &Key, comment: &str) -> Files {
        let work = tempfile::tempdir_in(folder()).unwrap();
        let (manifest, signature) = (work.path().join("manifest"), work.path().join("signature"));
        fs::write(&manifest, self.get(PLACE)).unwrap();
        let mut minisign = Command::new("minisign");
        minisign.arg("-S").arg("-s").arg(&key.secret).arg("-m").arg(&manifest).arg("-x").arg(&signature);
        run(minisign.args(["-t", comment]));
        self.with(SIGNATURE, &fs::read(signature).unwrap())
    }

    /// With a manifest of that text, signed by the owner.
    pub fn with_manifest(self, text: &[u8]) -> Files {
        self.with(PLACE, text).signed(owner(), "made by hand")
    }

    pub fn manifest(&self) -> Manifest {
        Manifest::parse(self.get(PLACE)).unwrap()
    }

    /// The same in a file system.
    pub fn store(&self) -> Store {
        self.store_in(FileSystem::Ext4)
    }

    pub fn store_in(&self, file_system: FileSystem) -> Store {
        let store = Store::new(file_system, "STORE").free(1);
        self.0.iter().fold(store, |store, (path, bytes)| {
            let mode = if path == SCRIPT { 0o755 } else { 0o644 };
            store.with(&format!("/{path}"), Content::Bytes(bytes.clone()), mode)
        })
    }
}

/// A squashfs with one file in /etc.
fn extension(name: &str) -> Vec<u8> {
    let work = tempfile::tempdir_in(folder()).unwrap();
    let (tree, image) = (work.path().join("tree"), work.path().join("image"));
    fs::create_dir_all(tree.join("etc")).unwrap();
    fs::write(tree.join("etc").join(name), name).unwrap();
    run(Command::new("mksquashfs").arg(&tree).arg(&image).args(["-quiet", "-all-root", "-no-progress"]));
    fs::read(image).unwrap()
}
