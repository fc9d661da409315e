//! Brings a stick up to date without touching what the user made on it.
//!
//! The data's file system is copied out of the image; e2fsck replays its journal, as a machine whose plug was pulled leaves one
//! (in place, at an offset, e2fsck 1.47 loses the offset after that); debugfs replaces files in it; and a new image takes the
//! old one's name. What is on the stick is recorded beside it as path and digest.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::{Context, Result, bail, ensure};

use super::{DATA_START, Stick};
use crate::cache::{digest, lock};
use crate::store::partition::SECTOR;
use crate::store::{Content, FileSystem, MIB, StoredFile, copy_part};
use crate::tool::{command, run, text};

/// The record of GRUB and the partitions, beside those of the files.
const FRAME: &str = "GRUB";

/// What is on a stick: path and digest of what it was made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct State(BTreeMap<String, String>);

impl State {
    /// What this stick shall hold.
    pub fn of(stick: &Stick, files: &[StoredFile]) -> Result<Self> {
        // The frame is made by the sources beside this one.
        let frame = [include_str!("grub.rs"), include_str!("mod.rs"), stick.uuid()].concat();
        let mut records = BTreeMap::from([(FRAME.to_owned(), digest(frame.as_bytes()))]);
        for file in files {
            let content = match &file.content {
                Content::Folder => continue,
                Content::Bytes(bytes) => digest(bytes),
                // Reading an ISO to see whether it has changed would take longer than copying it.
                Content::Copy(from) => {
                    let about = fs::metadata(from).with_context(|| format!("look at {}", from.display()))?;
                    let time =
                        about.modified().context("a file's time")?.duration_since(UNIX_EPOCH).unwrap_or_default();
                    digest(format!("{} {} {}", from.display(), about.len(), time.as_nanos()).as_bytes())
                }
            };
            records.insert(file.path.clone(), format!("{content}-{:o}", file.mode));
        }
        Ok(Self(records))
    }

    /// The record beside an image, empty if there is none.
    fn read(image: &Path) -> Result<Self> {
        let path = place(image);
        if !path.exists() {
            return Ok(Self(BTreeMap::new()));
        }
        let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        let split = |line: &str| line.split_once(' ').map(|(digest, path)| (path.to_owned(), digest.to_owned()));
        Ok(Self(text.lines().filter_map(split).collect()))
    }

    /// Writes the record beside an image.
    pub fn write(&self, image: &Path) -> Result<()> {
        let text: String = self.0.iter().map(|(path, digest)| format!("{digest} {path}\n")).collect();
        let path = place(image);
        fs::write(&path, text).with_context(|| format!("write {}", path.display()))
    }

    /// The paths whose records differ, or are in only one of the two. Pure.
    fn differences(&self, other: &Self) -> Vec<String> {
        let differs = |path: &&String| self.0.get(*path) != other.0.get(*path);
        let mut paths: Vec<String> = self.0.keys().chain(other.0.keys()).filter(differs).cloned().collect();
        paths.sort();
        paths.dedup();
        paths
    }
}

fn place(image: &Path) -> PathBuf {
    let mut path = image.as_os_str().to_owned();
    path.push(".state");
    PathBuf::from(path)
}

/// See [`Stick::update`].
pub(super) fn update(stick: &Stick, image: &Path) -> Result<Vec<String>> {
    ensure!(stick.file_system == FileSystem::Ext4, "only a stick with ext4 can be brought up to date");
    let folder = image.parent().context("the image's folder")?;
    fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    let name = image.file_name().unwrap_or_default().to_string_lossy();
    let _lock = lock(folder, &name)?;
    let files = stick.all_files()?;
    let wanted = State::of(stick, &files)?;
    if !image.exists() {
        stick.build(image)?;
        return Ok(wanted.0.into_keys().collect());
    }
    let present = State::read(image)?;
    let changed = wanted.differences(&present);
    if changed.is_empty() {
        return Ok(changed);
    }
    let work = tempfile::tempdir_in(folder).context("a work folder")?;
    let data = work.path().join("data");
    take_out(image, &data)?;
    repair(&data).with_context(|| format!("{}: move it away to start with an empty one", image.display()))?;
    let mut script = Script::default();
    for path in changed.iter().filter(|path| *path != FRAME) {
        script.remove(path)?;
    }
    // Removals first: an ISO's successor may need its room.
    for (number, file) in files.iter().filter(|file| changed.contains(&file.path)).enumerate() {
        match &file.content {
            Content::Folder => {}
            Content::Copy(from) => script.write(from, file)?,
            Content::Bytes(bytes) => {
                let from = work.path().join(number.to_string());
                fs::write(&from, bytes).with_context(|| format!("write {}", from.display()))?;
                script.write(&from, file)?;
            }
        }
    }
    script.run(&data, work.path())?;
    stick.assemble(&data, work.path(), image)?;
    wanted.write(image)?;
    Ok(changed)
}

/// Copies the data's file system out of an image. It ends where the second copy of the GPT has its MiB.
fn take_out(image: &Path, data: &Path) -> Result<()> {
    let length = image.metadata().with_context(|| format!("look at {}", image.display()))?.len();
    let part = DATA_START * SECTOR..length.saturating_sub(MIB);
    ensure!(!part.is_empty(), "{} is too small to be a stick", image.display());
    let file = File::create(data).with_context(|| format!("create {}", data.display()))?;
    file.set_len(part.end - part.start).context("size of the data's file system")?;
    copy_part(image, part, data, 0)
}

/// Makes the file system consistent; status 1 means that something was corrected.
fn repair(data: &Path) -> Result<()> {
    let mut e2fsck = command("sh");
    e2fsck.args(["-c", "e2fsck -p \"$1\"; [ $? -le 1 ]", "sh", text(data)?]);
    run("file system of the stick", &mut e2fsck)?;
    Ok(())
}

/// Commands for debugfs(8).
#[derive(Debug, Default)]
struct Script(Vec<String>);

impl Script {
    fn remove(&mut self, path: &str) -> Result<()> {
        self.0.push(format!("rm {}", quoted(path)?));
        Ok(())
    }

    fn write(&mut self, from: &Path, file: &StoredFile) -> Result<()> {
        let path = quoted(&file.path)?;
        self.0.push(format!("write {} {path}", quoted(text(from)?)?));
        self.0.push(format!("set_inode_field {path} mode 0{:o}", 0o100_000 | file.mode));
        self.0.push(format!("set_inode_field {path} uid 0"));
        self.0.push(format!("set_inode_field {path} gid 0"));
        Ok(())
    }

    /// debugfs ends with status 0 whatever happened, so its messages decide.
    fn run(&self, data: &Path, work: &Path) -> Result<()> {
        let script = work.join("debugfs.txt");
        fs::write(&script, self.0.join("\n") + "\n").context("write debugfs.txt")?;
        let mut debugfs = command("debugfs");
        debugfs.args(["-w", "-f", text(&script)?, text(data)?]);
        let output = run("files of the stick", &mut debugfs)?;
        let harmless = |line: &&str| {
            line.starts_with("debugfs")
                || line.starts_with("Allocated inode")
                // The user may have removed it before.
                || (line.starts_with("rm: File not found"))
        };
        match output.lines().filter(|line| !line.trim().is_empty()).find(|line| !harmless(line)) {
            Some(message) => bail!("files of the stick: {message}"),
            None => Ok(()),
        }
    }
}

/// A word for debugfs, which knows double quotes and no escapes in them.
fn quoted(word: &str) -> Result<String> {
    ensure!(!word.contains(['"', '\n']), "debugfs cannot name {word:?}");
    Ok(format!("\"{word}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn debugfs(image: &Path, request: &str) -> String {
        let place = format!("{}?offset={}", image.display(), DATA_START * SECTOR);
        run("debugfs", command("debugfs").args(["-w", "-R", request, &place])).unwrap()
    }

    #[test]
    fn an_update_replaces_what_differs_and_keeps_the_home() {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("stick.img");
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let (old, new) = (file("old.iso", "old"), file("new.iso", "new image"));
        let stick = Stick::new(FileSystem::Ext4).free(16);
        stick.clone().iso(&old).update(&image).unwrap();
        let letter = file("letter", "dear");
        debugfs(&image, &format!("write {} /home/letter", letter.display()));

        assert_eq!(stick.clone().iso(&old).update(&image).unwrap(), Vec::<String>::new());
        // As a machine leaves it whose plug was pulled.
        debugfs(&image, "feature needs_recovery");
        assert!(debugfs(&image, "features").contains("needs_recovery"));
        let changed = stick.iso(&new).second_initrd(&file("initrd", "second")).update(&image).unwrap();
        assert_eq!(changed, ["/boot/iso/new.iso", "/boot/iso/old.iso", "/boot/isolde.img"]);
        assert!(debugfs(&image, "cat /home/letter").ends_with("dear"));
        assert!(debugfs(&image, "cat /boot/iso/new.iso").ends_with("new image"));
        assert!(debugfs(&image, "stat /boot/iso/old.iso").contains("File not found"));
        assert!(debugfs(&image, "stat /boot/isolde.img").contains("Mode:  0644"));
        assert!(!debugfs(&image, "features").contains("needs_recovery"));
        assert!(debugfs(&image, "stat /home").contains("Mode:  0755"));
    }

    #[test]
    fn a_file_that_does_not_fit_is_an_error_and_the_stick_stays_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("stick.img");
        Stick::new(FileSystem::Ext4).free(1).build(&image).unwrap();
        let big = folder.path().join("big.iso");
        fs::write(&big, vec![1; 80 << 20]).unwrap();
        let stick = Stick::new(FileSystem::Ext4).free(1).iso(&big);
        let before = digest(&fs::read(&image).unwrap());
        assert!(stick.update(&image).unwrap_err().to_string().starts_with("files of the stick: "));
        assert_eq!(digest(&fs::read(&image).unwrap()), before);
        assert_eq!(State::read(&image).unwrap().0.get("/boot/iso/big.iso"), None);
    }
}
