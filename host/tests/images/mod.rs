//! Images for the tests, made on the fly by the tools that distributions use.

#![allow(dead_code, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // each test file uses a part; and clippy does not take this for a test

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// A folder that becomes an image.
pub struct Folder {
    dir: TempDir,
}

impl Folder {
    pub fn new() -> Folder {
        let folder = Folder { dir: tempfile::tempdir().unwrap() };
        fs::create_dir(folder.tree()).unwrap();
        folder
    }

    /// What will be in the image.
    pub fn tree(&self) -> PathBuf {
        self.dir.path().join("tree")
    }

    /// A file beside it.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, path: &str, bytes: impl AsRef<[u8]>) -> &Folder {
        let path = self.tree().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
        self
    }

    pub fn link(&self, path: &str, to: &str) -> &Folder {
        let path = self.tree().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(to, path).unwrap();
        self
    }

    /// An ISO with these kinds of names.
    pub fn iso(&self, rock_ridge: bool, joliet: bool) -> PathBuf {
        let on = |wanted: bool| if wanted { "on" } else { "off" };
        let path = self.beside("test.iso");
        run(Command::new("xorriso")
            .args(["-no_rc", "-rockridge", on(rock_ridge), "-joliet", on(joliet), "-volid", "TEST_LIVE", "-outdev"])
            .arg(&path)
            .arg("-map")
            .arg(self.tree())
            .arg("/"));
        path
    }

    /// A UDF file system without an ISO 9660 one: a bridge whose ISO 9660 descriptors are made into others.
    pub fn udf(&self, bridge: bool) -> PathBuf {
        let path = self.beside("test.iso");
        run(Command::new("genisoimage")
            .args(["-quiet", "-udf", "-r", "-V", "TEST_UDF", "-o"])
            .arg(&path)
            .arg(self.tree()));
        if !bridge {
            let mut bytes = fs::read(&path).unwrap();
            for sector in 16..32 {
                let sign = &mut bytes[sector * 2048 + 1..sector * 2048 + 6];
                if sign == b"CD001" {
                    sign.copy_from_slice(b"CDW02");
                }
            }
            fs::write(&path, bytes).unwrap();
        }
        path
    }
}

pub fn run(command: &mut Command) {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/sbin:/sbin"); // mke2fs is there, and not on the search path of an ordinary user
    let output = command.env("PATH", path).stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}; setup.sh installs it"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A file system image of these files.
pub fn packed(tool: &str, options: &[&str], files: &[(&str, &[u8])]) -> Vec<u8> {
    let folder = Folder::new();
    for (path, bytes) in files {
        folder.write(path, bytes);
    }
    let image = folder.beside("image");
    match tool {
        "mksquashfs" => {
            run(Command::new(tool).arg(folder.tree()).arg(&image).args(["-quiet", "-no-progress"]).args(options))
        }
        "mkfs.erofs" => run(Command::new(tool).args(options).arg(&image).arg(folder.tree())),
        other => panic!("{other}"),
    }
    fs::read(image).unwrap()
}

/// An empty ext4.
pub fn ext4(label: &str) -> Vec<u8> {
    let folder = Folder::new();
    let image = folder.beside("image");
    run(Command::new("mke2fs").args(["-q", "-t", "ext4", "-L", label]).arg(&image).arg("1M"));
    fs::read(image).unwrap()
}

/// The start of a kernel for x86_64 that says this version (Documentation/arch/x86/boot.rst).
pub fn kernel(version: &str) -> Vec<u8> {
    let mut bytes = vec![0; 16 << 10];
    bytes[0x202..0x206].copy_from_slice(b"HdrS");
    bytes[0x206..0x208].copy_from_slice(&0x020f_u16.to_le_bytes());
    bytes[0x20e..0x210].copy_from_slice(&0x3000_u16.to_le_bytes());
    bytes[0x236] = 1;
    let text = format!("{version} (builder@example) #1 SMP\0");
    bytes[0x3200..0x3200 + text.len()].copy_from_slice(text.as_bytes());
    bytes
}

/// A newc archive (cpio(5)): paths with modes and contents.
pub fn cpio(members: &[(&str, u32, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, mode, data) in members.iter().chain([&("TRAILER!!!", 0, &[][..])]) {
        bytes.extend(b"070701");
        for number in [1, *mode, 0, 0, 1, 0, data.len() as u32, 0, 0, 0, 0, name.len() as u32 + 1, 0] {
            bytes.extend(format!("{number:08x}").bytes());
        }
        bytes.extend(name.bytes().chain([0]));
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes.extend(*data);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes
}

/// What a program makes of these bytes: a compressor.
pub fn through(program: &str, arguments: &[&str], bytes: &[u8]) -> Vec<u8> {
    let folder = Folder::new();
    folder.write("in", bytes);
    let input = fs::File::open(folder.tree().join("in")).unwrap();
    let output = Command::new(program).args(arguments).stdin(input).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}; setup.sh installs it"));
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// The path of a file in a folder that lives as long as the test.
pub fn keep(folder: &Folder, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.beside(name);
    fs::write(&path, bytes).unwrap();
    path
}

/// The length of a file.
pub fn length(path: &Path) -> u64 {
    fs::metadata(path).unwrap().len()
}
