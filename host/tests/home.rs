//! `isolde home` with the real mke2fs, resize2fs, e2fsck and cryptsetup.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // clippy knows test functions as tests, but not what they call

use isolde::formats::luks::{Direction, Volume};
use isolde::formats::superblock::{Format, probe};
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

fn isolde(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_isolde")).arg("home").args(arguments).output().unwrap()
}

fn run(arguments: &[&str], status: i32) -> String {
    let output = isolde(arguments);
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {text}");
    text
}

/// What debugfs(8) answers.
fn debugfs(image: &Path, request: &str) -> String {
    let path = [std::env::var("PATH").unwrap_or_default(), ":/usr/sbin:/sbin".to_owned()].concat();
    let output =
        Command::new("env").arg("debugfs").env("PATH", path).args(["-R", request]).arg(image).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn owner(image: &Path, path: &str) -> (u32, u32) {
    let stat = debugfs(image, &format!("stat {path}"));
    let number = |name: &str| stat.split(name).nth(1).unwrap().split_whitespace().next().unwrap().parse().unwrap();
    (number("User:"), number("Group:"))
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.0.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn key(&self) -> String {
        fs::write(self.path("key"), "correct horse").unwrap();
        self.text("key")
    }
}

#[test]
fn an_empty_home_is_made_for_everybody_or_for_one() {
    let folder = Folder::new();
    let home = folder.text("home.img");
    run(&["create", &home, "--size", "16M"], 0);
    assert_eq!(folder.names(), ["home.img"]);
    let superblock = probe(&File::open(&home).unwrap()).unwrap().unwrap();
    assert_eq!((superblock.format, superblock.label.as_deref()), (Format::Ext4, Some("home")));
    assert_eq!((fs::metadata(&home).unwrap().len(), owner(Path::new(&home), "/")), (16 << 20, (0, 0)));
    assert_eq!(fs::metadata(&home).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(run(&["check", &home], 0).contains("home: 11/"), "e2fsck's own summary");
    // One that is there is not touched.
    let before = fs::read(&home).unwrap();
    assert!(run(&["create", &home, "--size", "32M"], 2).contains("is there already"));
    assert!(fs::read(&home).unwrap() == before);

    let own = folder.text("own.img");
    run(&["create", &own, "--size", "8M", "--owner", "1000:1001"], 0);
    assert_eq!(owner(Path::new(&own), "/"), (1000, 1001));
}

#[test]
fn a_folder_comes_along_with_its_owners() {
    let folder = Folder::new();
    fs::create_dir_all(folder.path("from/docs")).unwrap();
    fs::write(folder.path("from/docs/note"), "mine\n").unwrap();
    let owned = fs::metadata(folder.path("from")).unwrap();
    let home = folder.path("home.img");
    run(&["create", home.to_str().unwrap(), "--size", "8M", "--from", &folder.text("from")], 0);
    assert_eq!(debugfs(&home, "cat /docs/note"), "mine\n");
    assert_eq!(owner(&home, "/"), (owned.uid(), owned.gid()));
    fs::write(folder.path("from/large"), vec![1; 9 << 20]).unwrap();
    let text = run(&["create", &folder.text("small.img"), "--size", "8M", "--from", &folder.text("from")], 2);
    assert!(text.contains("mke2fs") && !folder.path("small.img").exists(), "{text}");
    assert_eq!(folder.names(), ["from", "home.img"], "nothing unfinished is left");
}

#[test]
fn an_encrypted_home_is_a_luks_volume_with_an_ext4_in_it() {
    let folder = Folder::new();
    let (home, key) = (folder.path("home.img"), folder.key());
    run(&["create", home.to_str().unwrap(), "--size", "8M", "--encrypt", "--key-file", &key], 0);
    let file = File::open(&home).unwrap();
    assert_eq!(probe(&file).unwrap().unwrap().format, Format::Luks);
    assert_eq!(file.metadata().unwrap().len(), (8 + 16) << 20);
    let test =
        Command::new("env").args(["cryptsetup", "open", "--test-passphrase", "--key-file", &key]).arg(&home).status();
    assert!(test.unwrap().success(), "cryptsetup takes the passphrase");
    let volume = Volume::read(&file).unwrap();
    assert_eq!(volume.version, 2);
    let master = volume.unlock(&file, b"correct horse", 4 << 20).unwrap();
    let mut plain = vec![0; 8 << 20];
    file.read_exact_at(&mut plain, volume.payload.offset).unwrap();
    let at_rest = plain.clone();
    let sector = volume.payload.sector_size as usize;
    volume.payload.cipher.crypt(Direction::Decrypt, master.bytes(), 0, sector, &mut plain).unwrap();
    let inner = folder.path("inner.img");
    fs::write(&inner, &plain).unwrap();
    run(&["check", inner.to_str().unwrap()], 0);
    assert!(at_rest.chunks(4096).all(|block| block.iter().any(|byte| *byte != 0)), "nobody sees what is unused");
}

#[test]
fn a_home_grows_and_keeps_what_is_in_it() {
    let folder = Folder::new();
    fs::create_dir(folder.path("from")).unwrap();
    fs::write(folder.path("from/note"), "mine\n").unwrap();
    let home = folder.path("home.img");
    let shown = home.to_str().unwrap();
    run(&["create", shown, "--size", "8M", "--from", &folder.text("from")], 0);
    run(&["grow", shown, "--size", "64M"], 0);
    run(&["check", shown], 0);
    let superblock = probe(&File::open(&home).unwrap()).unwrap().unwrap();
    assert_eq!((superblock.size, fs::metadata(&home).unwrap().len()), (Some(64 << 20), 64 << 20));
    assert_eq!(debugfs(&home, "cat /note"), "mine\n");
    assert!(run(&["grow", shown, "--size", "64M"], 2).contains("wanted more than that"));
    fs::write(folder.path("text"), "no home").unwrap();
    assert!(run(&["grow", &folder.text("text"), "--size", "9M"], 2).contains("e2fsck"));
    assert_eq!(fs::read(folder.path("text")).unwrap(), b"no home");
}

#[test]
fn faults_are_found_and_left() {
    let folder = Folder::new();
    let home = folder.path("home.img");
    run(&["create", home.to_str().unwrap(), "--size", "8M"], 0);
    // The bitmaps are not the ones of the tables any more.
    let file = File::options().read(true).write(true).open(&home).unwrap();
    let bitmap = debugfs(&home, "stats");
    let block: u64 =
        bitmap.split("block bitmap at ").nth(1).unwrap().split(',').next().unwrap().trim().parse().unwrap();
    let size: u64 = bitmap.split("Block size:").nth(1).unwrap().split_whitespace().next().unwrap().parse().unwrap();
    file.write_all_at(&[0x5a; 64], block * size).unwrap();
    let before = fs::read(&home).unwrap();
    let text = run(&["check", home.to_str().unwrap()], 1);
    assert!(text.to_lowercase().contains("bitmap"), "{text}");
    assert!(fs::read(&home).unwrap() == before);
    fs::write(folder.path("text"), "no home").unwrap();
    run(&["check", &folder.text("text")], 2);
    run(&["check", &folder.text("missing")], 2);
}

#[test]
fn whoever_is_interrupted_leaves_the_old_one_whole() {
    let folder = Folder::new();
    let home = folder.path("home.img");
    run(&["create", home.to_str().unwrap(), "--size", "8M"], 0);
    let before = fs::read(&home).unwrap();
    // A resize2fs that has begun to write, and takes for ever.
    let tools = folder.path("tools");
    fs::create_dir(&tools).unwrap();
    let script = format!("#!/bin/sh\nprintf x >\"$1\"\n: >{}\nexec sleep 60\n", folder.text("begun"));
    fs::write(tools.join("resize2fs"), script).unwrap();
    fs::set_permissions(tools.join("resize2fs"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());
    let mut grow = Command::new("setpriv");
    grow.args(["--pdeathsig", "KILL", env!("CARGO_BIN_EXE_isolde"), "home", "grow"]).arg(&home).args(["--size", "16M"]);
    let mut child = grow.env("PATH", path).spawn().unwrap();
    let limit = Instant::now() + Duration::from_secs(60);
    while !folder.path("begun").exists() {
        assert!(Instant::now() < limit, "resize2fs was not started");
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(fs::read(&home).unwrap() == before);
    assert!(folder.names().iter().any(|name| name.starts_with(".isolde-home-")), "what is left says whose it is");
    run(&["grow", home.to_str().unwrap(), "--size", "16M"], 0);
}

#[test]
fn an_encrypted_home_that_nobody_can_open_is_left_as_it_is() {
    let folder = Folder::new();
    let (home, key) = (folder.path("home.img"), folder.key());
    let shown = home.to_str().unwrap();
    run(&["create", shown, "--size", "8M", "--encrypt", "--key-file", &key], 0);
    let before = fs::read(&home).unwrap();
    fs::write(folder.path("wrong"), "battery staple").unwrap();
    // Without the device mapper it fails earlier, and says so.
    for command in [vec!["grow", shown, "--size", "48M"], vec!["check", shown]] {
        let text = run(&[&command[..], &["--key-file", &folder.text("wrong")]].concat(), 2);
        assert!(text.contains("that takes root, and the kernel's device mapper: cryptsetup"), "{text}");
    }
    assert!(fs::read(&home).unwrap() == before);
    assert_eq!(folder.names(), ["home.img", "key", "wrong"]);
}
