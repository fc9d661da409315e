//! Upper layers of real overlays: what a file system has to be able to do, and the merge of two of them.

use crate::alone;
use isolde::op::{Op, Place};
use isolde::sys::Sys;
use isolde::sys::linux::Linux;
use rustix::mount::MountFlags;
use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Interrupted merges, each at another moment.
const CUTS: u32 = 200;
/// So many of them have to be in the middle of a merge.
const ENOUGH: u32 = 20;
/// Set for the process that merges and is killed.
const CHILD: &str = "ISOLDE_TEST_MERGE";

/// A stream of numbers that looks random and is the same in each run (Marsaglia's xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

fn mount(at: &Path, lower: &[&Path], upper: Option<&Path>) {
    let lower: Vec<&str> = lower.iter().map(|path| path.to_str().unwrap()).collect();
    let mut options = format!("lowerdir={},redirect_dir=off,metacopy=off,index=off", lower.join(":"));
    if let Some(upper) = upper {
        let work = upper.parent().unwrap().join("work");
        let _ = fs::remove_dir_all(&work);
        fs::create_dir_all(&work).unwrap();
        options = format!("{options},upperdir={},workdir={}", upper.display(), work.display());
    }
    fs::create_dir_all(at).unwrap();
    rustix::mount::mount("overlay", at, "overlay", MountFlags::empty(), CString::new(options).unwrap().as_c_str())
        .unwrap();
}

fn unmount(at: &Path) {
    rustix::mount::unmount(at, rustix::mount::UnmountFlags::empty()).unwrap();
}

/// Everything that can be seen below a folder: by path its type, mode, owner and content.
fn seen(at: &Path) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let mut todo = vec![at.to_owned()];
    while let Some(folder) = todo.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let meta = path.symlink_metadata().unwrap();
            let content = if meta.is_file() {
                String::from_utf8(fs::read(&path).unwrap()).unwrap()
            } else if meta.is_symlink() {
                fs::read_link(&path).unwrap().display().to_string()
            } else {
                todo.push(path.clone());
                String::new()
            };
            let name = path.strip_prefix(at).unwrap().display().to_string();
            all.insert(name, format!("{:o} {} {content}", meta.mode(), meta.uid()));
        }
    }
    all
}

/// Does something to a tree at random: what people and package managers do.
fn change(at: &Path, dice: &mut Dice) {
    let name = |dice: &mut Dice| ["a", "b", "c", "d", "e", "f"][usize::try_from(dice.below(6)).unwrap()];
    let depth = dice.below(4);
    let mut path = at.to_owned();
    for _ in 0..=depth {
        path.push(name(dice));
    }
    let folder = path.parent().unwrap();
    if fs::create_dir_all(folder).is_err() {
        return; // a file is in the way
    }
    let kind = path.symlink_metadata().ok().map(|meta| meta.is_dir());
    match (dice.below(8), kind) {
        (0 | 1, Some(true)) => fs::remove_dir_all(&path).unwrap(),
        (0 | 1, Some(false)) => fs::remove_file(&path).unwrap(),
        (2, None) => fs::create_dir(&path).unwrap(),
        (3, None) => symlink(name(dice), &path).unwrap(),
        (4, Some(true)) => fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap(),
        (5, Some(_)) => std::os::unix::fs::lchown(&path, Some(u32::try_from(dice.below(5)).unwrap()), None).unwrap(),
        // Over a file that has been there, a directory, and the other way round.
        (6, Some(false)) => {
            fs::remove_file(&path).unwrap();
            fs::create_dir(&path).unwrap();
        }
        (_, None | Some(false)) if !path.is_symlink() => fs::write(&path, format!("{}", dice.below(1000))).unwrap(),
        _ => {}
    }
}

/// An image's tree and two sessions above it; gives what they show together.
fn sessions(at: &Path, dice: &mut Dice, changes: usize) -> BTreeMap<String, String> {
    let [image, one, two, root] = ["image", "1", "2", "root"].map(|name| at.join(name));
    for folder in [&image, &one, &two] {
        let _ = fs::remove_dir_all(folder);
        fs::create_dir_all(folder).unwrap();
    }
    (0..changes).for_each(|_| change(&image, dice));
    mount(&root, &[&image], Some(&one));
    (0..changes).for_each(|_| change(&root, dice));
    unmount(&root);
    mount(&root, &[&one, &image], Some(&two));
    (0..changes).for_each(|_| change(&root, dice));
    let all = seen(&root);
    unmount(&root);
    all
}

/// What is shown now, whatever is left of the upper one.
fn shown(at: &Path) -> BTreeMap<String, String> {
    let [image, one, two, root] = ["image", "1", "2", "root"].map(|name| at.join(name));
    let layers: Vec<&Path> =
        [&two, &one, &image].into_iter().filter(|path| path.exists()).map(|path| path.as_path()).collect();
    mount(&root, &layers, None);
    let all = seen(&root);
    unmount(&root);
    all
}

fn merge(at: &Path) {
    let (from, into) = (Place::at(at.join("2")), Place::at(at.join("1")));
    Linux::new().apply(&Op::Merge { from, into }).unwrap();
}

#[test]
fn a_merge_changes_nothing_that_is_shown() {
    alone("merge", |at| {
        for seed in 1..=40 {
            let before = sessions(at, &mut Dice(seed), 60);
            merge(at);
            assert!(!at.join("2").exists() && !at.join("trash").exists(), "seed {seed}");
            assert_eq!(shown(at), before, "seed {seed}");
        }
        Ok(())
    });
}

/// The process that the next test kills. Run as a test by itself it has nothing to do.
#[test]
fn merge_in_a_process_of_its_own() {
    if let Some(at) = std::env::var_os(CHILD) {
        merge(Path::new(&at));
    }
}

#[test]
fn a_merge_that_is_interrupted_changes_nothing_either() {
    alone("cut", |at| {
        let child = || {
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.args(["--exact", "privileged::upper::merge_in_a_process_of_its_own"]).env(CHILD, at);
            command.stdout(std::process::Stdio::null());
            command.spawn().unwrap()
        };
        let mut dice = Dice(0x1501de);
        let (mut halves, mut cuts) = (0, 0);
        // Until enough of them were in its middle, on however busy a machine.
        while (cuts < CUTS || halves < ENOUGH) && cuts < 20 * CUTS {
            let before = sessions(at, &mut dice, 1500);
            while at.join("2").exists() {
                let trash = at.join("trash");
                let _ = fs::remove_dir_all(&trash);
                let mut child = child();
                // It begins with this folder; from then on it takes less than a millisecond.
                while !trash.exists() && child.try_wait().unwrap().is_none() {}
                let (now, pause) = (Instant::now(), Duration::from_micros(dice.below(150)));
                while now.elapsed() < pause {}
                child.kill().unwrap();
                child.wait().unwrap();
                cuts += 1;
                halves += u32::from(trash.exists());
                assert_eq!(shown(at), before, "cut {cuts}");
            }
            merge(at);
            assert_eq!(shown(at), before, "ended after cut {cuts}");
        }
        assert!(halves >= ENOUGH, "only {halves} of {cuts} were in the middle of a merge");
        Ok(())
    });
}

#[test]
fn a_record_is_saved_whole() {
    alone("save", |at| {
        let (file, mut linux) = (Place::at(at.join("record.toml")), Linux::new());
        for text in ["one\n", "two\n"] {
            linux.apply(&Op::Save { at: file.clone(), text: text.into() }).unwrap();
            assert_eq!(fs::read_to_string(at.join("record.toml")).unwrap(), text);
        }
        // A link of the new name is not followed: it may lead anywhere.
        fs::write(at.join("other"), "mine").unwrap();
        symlink(at.join("other"), at.join("record.toml.new")).unwrap();
        assert!(linux.apply(&Op::Save { at: file, text: "three\n".into() }).is_err());
        assert_eq!(fs::read_to_string(at.join("other")).unwrap(), "mine");
        Ok(())
    });
}

#[test]
fn a_file_system_is_tried_out() {
    alone("probe", |at| {
        let mut linux = Linux::new();
        assert_eq!(linux.fault_as_upper(&Place::at(at)).unwrap(), None, "tmpfs can be an upper");
        assert_eq!(fs::read_dir(at).unwrap().count(), 0, "nothing of it stays");
        let space = linux.space(&Place::at(at)).unwrap();
        assert!(space.free > 0 && space.free <= space.size);
        assert!(linux.fault_as_upper(&Place::at("/proc")).is_err());
        Ok(())
    });
}

#[test]
fn deleting_does_not_follow_links() {
    alone("delete", |at| {
        fs::create_dir_all(at.join("tree/deep/er")).unwrap();
        fs::create_dir(at.join("kept")).unwrap();
        fs::write(at.join("kept/file"), "").unwrap();
        symlink(at.join("kept"), at.join("tree/link")).unwrap();
        symlink(at.join("kept"), at.join("link")).unwrap();
        let mut linux = Linux::new();
        for name in ["tree", "link", "not there"] {
            linux.apply(&Op::Delete(Place::at(at.join(name)))).unwrap();
        }
        let left: Vec<_> = fs::read_dir(at).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["kept"]);
        assert!(at.join("kept/file").exists());
        Ok(())
    });
}
