//! LUKS volumes made by cryptsetup and volume groups made by lvm2, read by `formats::luks` and `formats::lvm`.
//!
//! cryptsetup needs nothing but a file, and its absence is a failure. lvm2 wants block devices: where it is missing, or
//! nobody here may attach a loop device, its test says so and ends.

// A test fails by panicking, and so do its helpers, which clippy.toml's exceptions for test functions do not cover.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use isolde::formats::luks::{LuksError, Volume};
use isolde::formats::lvm::{LogicalVolume, LvmError, PhysicalVolume};
use isolde::formats::superblock::{Format, probe};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const PASSPHRASE: &[u8] = b"correct horse";
/// KiB for argon2: enough for every case here.
const MEMORY: u64 = 1 << 20;

/// A directory of its own for each test, removed at its end.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("containers-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn blank(&self, name: &str, mebibytes: u64) -> PathBuf {
        let path = self.0.join(name);
        File::create(&path).unwrap().set_len(mebibytes << 20).unwrap();
        path
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn tool(name: &str) -> Command {
    let mut command = Command::new(name);
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/sbin:/sbin");
    command.env("PATH", path).env("LC_ALL", "C");
    command
}

/// Runs a command with some input and gives what it prints.
fn run(command: &mut Command, input: &[u8]) -> String {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}; run setup.sh test"));
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Formats a volume; the numbers of the key derivation are the least that cryptsetup takes, unless named.
fn format(image: &Path, words: &str) {
    let words = words.split_whitespace();
    run(tool("cryptsetup").args(["luksFormat", "-q", "--key-file", "-"]).args(words).arg(image), PASSPHRASE);
}

/// The volume's key as cryptsetup finds it.
fn volume_key(image: &Path) -> Vec<u8> {
    let dump = ["luksDump", "-q", "--dump-volume-key", "--key-file", "-"];
    let text = run(tool("cryptsetup").args(dump).arg(image), PASSPHRASE);
    let (_, digits) = text.split_once("MK dump:").unwrap();
    digits.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

fn unlock(image: &Path, passphrase: &[u8]) -> Result<Vec<u8>, LuksError> {
    let file = File::open(image).unwrap();
    let volume = Volume::read(&file)?;
    volume.unlock(&file, passphrase, MEMORY).map(|key| key.bytes().to_vec())
}

const LUKS1: &str = "--type luks1 --pbkdf-force-iterations 1000";
const LUKS2: &str = "--type luks2 --pbkdf argon2id --pbkdf-force-iterations 4 --pbkdf-memory 64 --pbkdf-parallel 2";

#[test]
fn the_key_of_every_kind_of_volume_is_the_one_that_cryptsetup_finds() {
    let dir = Dir::new("kinds");
    let image = dir.blank("volume", 20);
    for (kind, words) in [
        (LUKS1, ""),
        (LUKS1, "--hash sha1"),
        (LUKS1, "--hash sha512 --key-size 256"),
        (LUKS1, "--cipher aes-cbc-essiv:sha256 --key-size 256"),
        (LUKS1, "--cipher aes-cbc-plain64 --key-size 128"),
        (LUKS1, "--cipher aes-xts-plain"),
        (LUKS2, ""),
        (LUKS2, "--pbkdf argon2i --sector-size 512"),
        (LUKS2, "--pbkdf pbkdf2 --pbkdf-force-iterations 1000 --hash sha512"),
        (LUKS2, "--key-size 256 --luks2-metadata-size 64k"),
        (LUKS2, "--pbkdf-memory 65536 --pbkdf-parallel 4"),
    ] {
        let mut all: Vec<&str> = kind.split_whitespace().collect();
        // The last word of a kind counts for cryptsetup, but pbkdf2 takes no memory and no lanes.
        if words.contains("pbkdf pbkdf2") {
            all.truncate(2);
        }
        format(&image, &format!("{} {words}", all.join(" ")));
        let key = unlock(&image, PASSPHRASE).unwrap_or_else(|error| panic!("{kind} {words}: {error}"));
        assert_eq!(key, volume_key(&image), "{kind} {words}");
        let wrong = unlock(&image, b"correct  horse").unwrap_err();
        assert!(matches!(wrong, LuksError::WrongKey), "{kind} {words}: {wrong}");
    }
}

#[test]
fn any_slot_opens_its_volume_and_a_removed_one_does_not() {
    let dir = Dir::new("slots");
    for kind in [LUKS1, LUKS2] {
        let image = dir.blank("volume", 20);
        format(&image, kind);
        let new = dir.0.join("new");
        fs::write(&new, b"\x00\xffbytes\n").unwrap();
        let words = kind.split_whitespace().skip(2);
        let mut add = tool("cryptsetup");
        run(add.args(["luksAddKey", "-q", "--key-file", "-"]).args(words).arg(&image).arg(&new), PASSPHRASE);
        assert_eq!(unlock(&image, b"\x00\xffbytes\n").unwrap(), volume_key(&image));
        run(tool("cryptsetup").args(["luksRemoveKey", "-q", "--key-file"]).arg(&new).arg(&image), b"");
        assert!(matches!(unlock(&image, b"\x00\xffbytes\n"), Err(LuksError::WrongKey)), "{kind}");
        unlock(&image, PASSPHRASE).unwrap();
    }
}

#[test]
fn the_second_header_serves_when_the_first_is_damaged() {
    let dir = Dir::new("second");
    let image = dir.blank("volume", 20);
    format(&image, LUKS2);
    let key = volume_key(&image);
    let mut bytes = fs::read(&image).unwrap();
    bytes[5000] ^= 1;
    let volume = Volume::read(&bytes.as_slice()).unwrap();
    assert_eq!(volume.unlock(&bytes.as_slice(), PASSPHRASE, MEMORY).unwrap().bytes(), key);
    bytes[0x4000 + 5000] ^= 1;
    assert!(matches!(Volume::read(&bytes.as_slice()), Err(LuksError::Broken(_))));
}

#[test]
fn where_the_payload_is() {
    let dir = Dir::new("payload");
    let image = dir.blank("volume", 20);
    let uuid = "1501de00-0000-4000-8000-0000000057c4";
    format(&image, &format!("{LUKS2} --uuid {uuid} --offset 16384 --sector-size 2048"));
    let volume = Volume::read(&File::open(&image).unwrap()).unwrap();
    let payload = &volume.payload;
    assert_eq!((volume.uuid.as_str(), payload.offset, payload.sector_size), (uuid, 8 << 20, 2048));
    format(&image, &format!("{LUKS1} --uuid {uuid}"));
    let volume = Volume::read(&File::open(&image).unwrap()).unwrap();
    assert_eq!((volume.version, volume.payload.offset, volume.payload.sector_size), (1, 2 << 20, 512));
}

#[test]
fn what_is_not_done_is_said() {
    let dir = Dir::new("other");
    let image = dir.blank("volume", 20);
    format(&image, &format!("{LUKS2} --pbkdf-memory 65536"));
    let file = File::open(&image).unwrap();
    let error = Volume::read(&file).unwrap().unlock(&file, PASSPHRASE, 65535).unwrap_err();
    assert!(matches!(error, LuksError::Memory { want: 65536, have: 65535 }), "{error}");
}

/// A loop device that goes with this value.
struct Loop(String);

impl Loop {
    /// `None` where nobody may have one.
    fn attach(image: &Path) -> Option<Loop> {
        let output = tool("losetup").args(["--find", "--show"]).arg(image).output().ok()?;
        output.status.success().then(|| Loop(String::from_utf8(output.stdout).unwrap().trim().to_owned()))
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = tool("losetup").args(["-d", &self.0]).status();
    }
}

/// lvm2 without the device mapper, and on these devices alone.
fn lvm(dir: &Dir, devices: &[&Loop], words: &str) -> String {
    let filter: String = devices.iter().map(|device| format!("\"a|^{}$|\",", device.0)).collect();
    let config = format!(
        "devices {{ filter=[{filter}\"r|.*|\"] use_devicesfile=0 }} backup {{ backup=0 archive=0 }} \
         global {{ locking_dir=\"{}\" }}",
        dir.0.display()
    );
    let mut words = words.split_whitespace();
    let mut command = tool("lvm");
    command.arg(words.next().unwrap()).args(["--driverloaded", "n", "--config", &config]).args(words);
    run(&mut command, b"")
}

fn read(image: &Path) -> PhysicalVolume {
    let file = File::open(image).unwrap();
    assert_eq!(probe(&file).unwrap().unwrap().format, Format::LvmPv);
    PhysicalVolume::read(&file).unwrap()
}

#[test]
fn volume_groups_are_as_lvm2_makes_them() {
    let dir = Dir::new("lvm");
    let images = ["one", "two", "three"].map(|name| dir.blank(name, 40));
    let attached: Option<Vec<Loop>> = images.iter().map(|image| Loop::attach(image)).collect();
    let (Some(loops), Ok(_)) = (attached, tool("lvm").arg("version").output()) else {
        eprintln!("skipped: lvm2 is not installed, or no loop device can be attached; as root, run setup.sh test");
        return;
    };
    let devices: Vec<&Loop> = loops.iter().collect();
    let names: Vec<&str> = devices.iter().map(|device| device.0.as_str()).collect();
    lvm(&dir, &devices, &format!("pvcreate {} {}", names[0], names[1]));
    lvm(&dir, &devices, &format!("pvcreate --metadatacopies 0 {}", names[2]));
    lvm(&dir, &devices, &format!("vgcreate my-vg {}", names.join(" ")));
    // Many changes, so that the text goes round the end of its area: 1 MiB by default.
    let lvcreate = "lvcreate -an -Zn -Wn";
    lvm(&dir, &devices, &format!("{lvcreate} -n first -L 12M my-vg {}", names[0]));
    lvm(&dir, &devices, &format!("{lvcreate} -n store-lv -L 40M my-vg"));
    lvm(&dir, &devices, &format!("{lvcreate} -n wide -L 8M -i 2 my-vg"));
    lvm(&dir, &devices, "vgchange --addtag tag my-vg");
    // `/dev/loop1:0-8 /dev/loop0:3-3`: the physical extents in their order.
    let ranges = lvm(&dir, &devices, "lvs --noheadings -o seg_pe_ranges my-vg/store-lv");
    let ranges: Vec<(usize, u64, u64)> = ranges
        .split_whitespace()
        .map(|range| {
            let (device, extents) = range.split_once(':').unwrap();
            let (first, last) = extents.split_once('-').unwrap();
            let device = names.iter().position(|name| *name == device).unwrap();
            (device, first.parse().unwrap(), last.parse().unwrap())
        })
        .collect();
    drop(loops);
    let volumes = images.each_ref().map(|image| read(image));
    let group = volumes[0].group.clone().unwrap();
    assert_eq!(volumes[1].group.as_ref().unwrap().sequence, group.sequence);
    assert_eq!(volumes[2].group, None);
    assert_eq!(group.physical().len(), 3);
    let LogicalVolume { uuid, extents, writable } = group.volume("store-lv").unwrap();
    assert!(writable);
    assert_eq!((uuid.len(), &uuid[..4]), (4 + 64, "LVM-"));
    assert_eq!(extents.iter().map(|extent| extent.length).sum::<u64>(), 40 << 11);
    assert!(ranges.len() >= 2, "{ranges:?}");
    for ((device, first, last), extent) in ranges.iter().zip(&extents) {
        assert_eq!(extent.physical, volumes[*device].uuid);
        assert_eq!((extent.offset, extent.length), (2048 + first * 8192, (last + 1 - first) * 8192));
    }
    assert_eq!(ranges.len(), extents.len());
    assert_eq!(group.volume("first").unwrap().extents[0].offset, 2048);
    let error = group.volume("wide").unwrap_err();
    assert!(matches!(&error, LvmError::Unsupported { seen, .. } if seen == "striped"), "{error}");
    assert!(matches!(group.volume("none"), Err(LvmError::NoVolume(seen)) if seen.len() == 3));
}

#[test]
fn what_the_tests_make_themselves_is_what_the_tools_take() {
    use isolde::sys::record::containers::{LUKS_PAYLOAD, luks1, metadata, physical_volume};
    let dir = Dir::new("own");
    let key = [0x42; 64];
    let image = dir.blank("luks", 4);
    let mut file = fs::OpenOptions::new().write(true).open(&image).unwrap();
    file.write_all(&luks1("4a860b4a-da18-4958-a71f-e7e00445327d", PASSPHRASE, &key)).unwrap();
    let dump = run(tool("cryptsetup").arg("luksDump").arg(&image), b"");
    assert!(dump.contains(&format!("Payload offset:\t{}", LUKS_PAYLOAD / 512)), "{dump}");
    assert_eq!(volume_key(&image), key);
    assert_eq!(unlock(&image, PASSPHRASE).unwrap(), key);

    let (id, group) = ("mUNVSf-ah0x-bHzu-GUQk-76d0-Vptu-3p9lm9", "eGX4s2-62lj-Njbx-PGnJ-lmPO-2avV-C5m0f6");
    let text = metadata("my-vg", group, "store", "DDdjgk-ttL1-Al23-EcLT-ENDa-j7Ts-oq3PZ2", &[(id, 7)]);
    let image = dir.blank("lvm", 8);
    let mut file = fs::OpenOptions::new().write(true).open(&image).unwrap();
    file.write_all(&physical_volume(id, 8 << 20, Some(&text))).unwrap();
    let (Some(device), Ok(_)) = (Loop::attach(&image), tool("lvm").arg("version").output()) else {
        eprintln!("skipped: lvm2 is not installed, or no loop device can be attached; as root, run setup.sh test");
        return;
    };
    lvm(&dir, &[&device], &format!("vgck {}", "my-vg"));
    lvm(&dir, &[&device], &format!("pvck {}", device.0));
}
