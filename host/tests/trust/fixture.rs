//! A store on disk, and programs of others.

use isolde::formats::manifest::Manifest;
use isolde_host::trust::{keygen, seal, verify};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

pub const ISO: &str = "boot/iso/x.iso";
pub const EXTENSION: &str = "boot/extensions/b43.ExtensionImage";
pub const SCRIPT: &str = "boot/customize/init";

/// A store that can be sealed with a key; the image is an ext4 with blocks of 1024 bytes, and an odd number of 2048.
pub struct Store {
    pub folder: TempDir,
    /// The id of its owner's key.
    pub key: String,
}

impl Store {
    pub fn new() -> Store {
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
        store.write("photos/me.jpg", b"not ours");
        store
    }

    pub fn root(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.root().join(path)
    }

    pub fn write(&self, path: &str, bytes: &[u8]) {
        fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        fs::write(self.path(path), bytes).unwrap();
    }

    pub fn flip(&self, path: &str, at: usize) {
        let mut bytes = fs::read(self.path(path)).unwrap();
        bytes[at] ^= 1;
        self.write(path, &bytes);
    }

    pub fn seal(&self, files: &[&str]) -> anyhow::Result<Manifest> {
        seal::seal(&seal::Args {
            store: self.root(),
            files: files.iter().map(|&file| file.to_owned()).collect(),
            key: Some(self.folder.path().join("owner.key")),
            verify: None,
            no_verity: false,
        })
    }

    pub fn verify(&self, least: u64) -> anyhow::Result<verify::Answer> {
        let key = Some(self.folder.path().join("owner.pub"));
        verify::verify(&verify::Args { paths: vec![self.root()], key, manifest_min: least, json: false })
    }

    /// All faults there are, with what has them.
    pub fn faults(&self) -> Vec<(String, String)> {
        let answer = self.verify(0).unwrap();
        let stores = answer.stores.into_iter().filter_map(|store| Some(("manifest".to_owned(), store.fault?)));
        let of = |file: verify::FileAnswer| {
            let faults: Vec<String> = file.faults().map(str::to_owned).collect();
            faults.into_iter().map(move |fault| (file.path.clone(), fault))
        };
        stores.chain(answer.files.into_iter().flat_map(of)).collect()
    }

    /// The first fault; all others have to be of the same file.
    pub fn fault(&self) -> (String, String) {
        let all = self.faults();
        assert!(!all.is_empty() && all.iter().all(|(path, _)| *path == all[0].0), "{all:?}");
        all[0].clone()
    }

    /// The program `isolde` with these words, in the folder of the store and the keys.
    pub fn isolde(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_isolde"));
        command.args(words).current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    /// Its status and what it prints.
    pub fn ask(&self, words: &[&str]) -> (i32, String) {
        let output = self.isolde(words).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    }

    /// Runs a program in the folder of the store and the keys.
    pub fn run(&self, program: &str, words: &[&str]) -> String {
        let mut path = std::env::var_os("PATH").unwrap_or_default();
        path.push(":/usr/sbin:/sbin");
        let mut command = Command::new(program);
        command.args(words).current_dir(self.folder.path()).env("PATH", path).stdin(Stdio::null());
        let output = command.output().unwrap_or_else(|error| panic!("{program}: {error}; run setup.sh test"));
        assert!(output.status.success(), "{program} {words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
