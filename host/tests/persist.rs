//! `isolde persist` on folders, and on an image file with the real mke2fs and debugfs.

#![allow(clippy::unwrap_used)] // clippy knows test functions as tests, but not what they call

use isolde::formats::generations::{Generation, Generations, State};
use isolde::formats::luks::{Direction, Volume};
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

const FOLDER: &str = "boot/isolde/persist";

fn run(arguments: &[&str], status: i32) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_isolde")).arg("persist").args(arguments).output().unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {text}");
    text
}

/// 1 ← 2 ← 3 of work, 4 above 1 as 2 and 3 were left out, 5 of play above 4.
fn record() -> Generations {
    let one = |number, parent, profile: &str| Generation {
        number,
        parent,
        profile: profile.to_owned(),
        base: [1; 32],
        image: "/iso/debian.iso".to_owned(),
        boot: "b".to_owned(),
        time: 0,
        state: State::Saved,
    };
    let all = vec![one(1, 0, "work"), one(2, 1, "work"), one(3, 2, "work"), one(4, 1, "work"), one(5, 4, "play")];
    Generations { all, merging: None }
}

fn store(at: &Path) -> String {
    let folder = at.join(FOLDER);
    for number in 1..=5 {
        fs::create_dir_all(folder.join(format!("{number}/etc"))).unwrap();
    }
    fs::write(folder.join("record.toml"), record().to_string()).unwrap();
    at.to_str().unwrap().to_owned()
}

fn layers(at: &Path) -> Vec<String> {
    let entries = fs::read_dir(at.join(FOLDER)).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names.retain(|name| name != "record.toml");
    names
}

#[test]
fn sessions_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let text = run(&["list", &store], 0);
    assert_eq!(text.lines().count(), 5);
    assert!(text.starts_with("1 above the image, saved, profile work, over /iso/debian.iso\n2 above 1, "), "{text}");
    assert_eq!(run(&["list", folder.path().join(FOLDER).to_str().unwrap()], 0), text);
}

#[test]
fn what_is_dropped_goes_and_what_something_stands_on_stays() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    assert!(run(&["drop", &store, "2"], 2).contains("session 3 stands on session 2; drop that one first"));
    assert!(run(&["drop", &store, "9"], 2).contains("no session 9"));
    assert!(run(&["drop", &store, "../x"], 2).contains("wanted a session's number or a profile"));
    run(&["drop", &store, "3"], 0);
    assert_eq!(layers(folder.path()), ["1", "2", "3", "4", "5"], "marked, and no more");
    assert_eq!(run(&["prune", &store], 0), "1 sessions deleted\n");
    assert_eq!(layers(folder.path()), ["1", "2", "4", "5"]);
    assert_eq!(run(&["prune", &store, "--left-out"], 0), "1 sessions deleted\n");
    assert_eq!(layers(folder.path()), ["1", "4", "5"]);
    run(&["drop", &store, "play"], 0);
    run(&["prune", &store], 0);
    assert_eq!(layers(folder.path()), ["1", "4"]);
    assert_eq!(run(&["list", &store], 0).lines().count(), 2);
}

#[test]
fn a_damaged_record_is_named_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let at = folder.path().join(FOLDER).join("record.toml");
    fs::write(&at, "version = 1\ncolour = 3\n").unwrap();
    for arguments in [["list", &store].to_vec(), ["drop", &store, "1"].to_vec(), ["prune", &store].to_vec()] {
        let text = run(&arguments, 2);
        assert!(text.contains("line 2: wanted a key of a record and its value, seen \"colour = 3\""), "{text}");
    }
    assert_eq!(fs::read_to_string(&at).unwrap(), "version = 1\ncolour = 3\n");
    let empty = tempfile::tempdir().unwrap();
    assert!(run(&["list", empty.path().to_str().unwrap()], 2).contains("nothing was saved here"));
}

/// Without root: the volume is read by init's own code.
#[test]
fn an_encrypted_image_is_listed() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (file, plain, key) = (at("persist.img"), at("plain"), at("key"));
    fs::write(&key, "correct horse").unwrap();
    run(&["create", &plain, "--size", "16M"], 0);
    put_record(folder.path(), Path::new(&plain));
    let mut bytes = fs::read(&plain).unwrap();
    let image = fs::File::options().read(true).write(true).create_new(true).open(&file).unwrap();
    image.set_len(32 << 20).unwrap();
    let format = ["luksFormat", "-q", "--type", "luks2", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"];
    let mut cryptsetup = tool("cryptsetup");
    cryptsetup.args(format).args(["--sector-size", "4096", "--key-file", &key, &file]);
    assert!(cryptsetup.status().unwrap().success());
    let volume = Volume::read(&image).unwrap();
    let (master, payload) = (volume.unlock(&image, b"correct horse", 1 << 20).unwrap(), &volume.payload);
    payload.cipher.crypt(Direction::Encrypt, master.bytes(), 0, 4096, &mut bytes).unwrap();
    image.write_all_at(&bytes, payload.offset).unwrap();
    assert_eq!(run(&["list", &file, "--key-file", &key], 0).lines().count(), 5);
    fs::write(&key, "wrong").unwrap();
    assert!(run(&["list", &file, "--key-file", &key], 2).contains("no key slot fits"));
}

/// Writes the record into an ext4.
fn put_record(folder: &Path, image: &Path) {
    let text = folder.join("record.toml");
    fs::write(&text, record().to_string()).unwrap();
    let request = format!("write {} record.toml", text.display());
    assert!(tool("debugfs").args(["-w", "-R", &request]).arg(image).output().unwrap().status.success());
}

/// A program, also where a user's search path lacks the system's own folders.
fn tool(name: &str) -> Command {
    let path = [std::env::var("PATH").unwrap(), ":/usr/sbin:/sbin".to_owned()].concat();
    let mut command = Command::new("env");
    command.arg(name).env("PATH", path);
    command
}

#[test]
fn an_image_file_is_made_grown_and_listed() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("persist.img");
    let file = image.to_str().unwrap();
    run(&["create", file, "--size", "16M"], 0);
    assert!(run(&["create", file, "--size", "16M"], 2).contains("is there already"));
    assert!(run(&["list", file], 2).contains("no record.toml in it"));
    put_record(folder.path(), &image);
    assert_eq!(run(&["list", file], 0).lines().count(), 5);
    run(&["grow", file, "--size", "24M"], 0);
    run(&["check", file], 0);
    assert_eq!((image.metadata().unwrap().len(), run(&["list", file], 0).lines().count()), (24 << 20, 5));
}

#[test]
fn half_of_a_merge_is_not_taken_away() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let at = folder.path().join(FOLDER).join("record.toml");
    let text = Generations { merging: Some(3), ..record() }.to_string();
    fs::write(&at, &text).unwrap();
    for arguments in [["drop", &store, "3"].to_vec(), ["prune", &store, "--left-out"].to_vec()] {
        assert!(run(&arguments, 2).contains("session 3 is half merged into the one below it"));
    }
    assert_eq!(fs::read_to_string(&at).unwrap(), text);
}

#[test]
fn an_image_in_pieces_is_the_whole_one_cut() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("persist.img");
    let file = image.to_str().unwrap();
    run(&["create", file, "--size", "80M", "--piece", "33M"], 0);
    let pieces: Vec<Vec<u8>> =
        ["", ".1", ".2"].map(|end| fs::read(format!("{file}{end}")).unwrap()).into_iter().collect();
    assert_eq!(pieces.iter().map(|piece| piece.len() >> 20).collect::<Vec<_>>(), [33, 33, 14]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3, "nothing else is left");
    let whole = folder.path().join("whole");
    fs::write(&whole, pieces.concat()).unwrap();
    let checked = Command::new("/sbin/e2fsck").args(["-f", "-n"]).arg(&whole).output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    let text = run(&["list", file], 2);
    assert!(text.contains("persist.img: no record.toml in it"), "{text}");
    // With one in it, which lies wherever mke2fs has put its block.
    put_record(folder.path(), &whole);
    let bytes = fs::read(&whole).unwrap();
    for (end, part) in ["", ".1", ".2"].into_iter().zip(bytes.chunks(33 << 20)) {
        fs::write(format!("{file}{end}"), part).unwrap();
    }
    assert_eq!(run(&["list", file], 0).lines().count(), 5);
    let text = run(&["grow", file, "--size", "40M"], 2);
    assert!(["takes root", "no device mapper", "wanted more"].iter().any(|why| text.contains(why)), "{text}");
    if !Path::new("/dev/mapper/control").exists() {
        for arguments in
            [["drop", file, "5"].as_slice(), &["prune", file], &["check", file], &["grow", file, "--size", "1G"]]
        {
            let text = run(arguments, 2);
            assert!(["takes root", "no device mapper"].iter().any(|why| text.contains(why)), "{text}");
        }
        assert_eq!(fs::read(format!("{file}.2")).unwrap(), bytes[66 << 20..], "nothing has grown");
    }
    fs::remove_file(&image).unwrap();
    let text = run(&["create", file, "--size", "80M", "--piece", "33M"], 2);
    assert!(text.contains("persist.img.1 is there already") && !image.exists(), "{text}");
    run(&["create", file, "--size", "80M", "--piece", "1000"], 2);
    run(&["create", file, "--size", "20M", "--piece", "33M"], 0);
}
