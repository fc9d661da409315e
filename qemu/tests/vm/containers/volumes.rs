//! Disk images with a LUKS volume or a volume group around something, made without root and without a device mapper.

use anyhow::{Context, Result, ensure};
use isolde::formats::luks::{Cipher, Direction, Volume};
use isolde::sys::record::containers::{LVM_PAYLOAD, metadata, physical_volume};
use isolde_qemu::tool::command;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

pub const UUID: &str = "4a860b4a-da18-4958-a71f-e7e00445327d";
pub const PASSPHRASE: &str = "correct horse";
/// The key derivation is as cheap as cryptsetup allows, but for argon2's memory: more than the heap of a small program.
pub const LUKS1: &[&str] = &["--type", "luks1", "--pbkdf-force-iterations", "1000"];
pub const LUKS2: &[&str] = &[
    "--type",
    "luks2",
    "--pbkdf",
    "argon2id",
    "--pbkdf-force-iterations",
    "4",
    "--pbkdf-memory",
    "16384",
    "--pbkdf-parallel",
    "2",
];

const GROUP: &str = "eGX4s2-62lj-Njbx-PGnJ-lmPO-2avV-C5m0f6";
const VOLUME: &str = "DDdjgk-ttL1-Al23-EcLT-ENDa-j7Ts-oq3PZ2";
const IDS: [&str; 2] = ["mUNVSf-ah0x-bHzu-GUQk-76d0-Vptu-3p9lm9", "nUNVSf-ah0x-bHzu-GUQk-76d0-Vptu-3p9lm9"];
/// Bytes of LVM's extents.
const EXTENT: u64 = 1 << 20;
/// Bytes that are encrypted at a time.
const STEP: usize = 1 << 20;

/// A LUKS volume with this file in it.
pub fn luks(name: &str, words: &[&str], inner: &Path) -> Result<PathBuf> {
    let image = super::folder().join(format!("{name}.luks"));
    let size = inner.metadata()?.len();
    // Room for the header: 16 MiB in LUKS2, 2 MiB in LUKS1.
    File::create(&image)?.set_len(size + (16 << 20))?;
    let mut cryptsetup = command("cryptsetup");
    cryptsetup.args(["luksFormat", "-q", "--uuid", UUID, "--key-file", "-"]).args(words).arg(&image);
    let mut child = cryptsetup.stdin(Stdio::piped()).spawn().context("start cryptsetup; ./setup.sh installs it")?;
    child.stdin.take().context("cryptsetup's input")?.write_all(PASSPHRASE.as_bytes())?;
    ensure!(child.wait()?.success(), "cryptsetup luksFormat {}", image.display());

    let (file, source) = (File::options().read(true).write(true).open(&image)?, File::open(inner)?);
    let volume = Volume::read(&file).map_err(|error| anyhow::anyhow!("{error}"))?;
    let offset = volume.payload.offset;
    crypt(
        &file,
        &volume,
        Direction::Encrypt,
        size,
        |plain, at| source.read_exact_at(plain, at),
        |bytes, at| file.write_all_at(bytes, offset + at),
    )?;
    Ok(image)
}

/// What is in a LUKS volume, as a file of its own.
pub fn inside(image: &Path) -> Result<PathBuf> {
    let file = File::open(image)?;
    let volume = Volume::read(&file).map_err(|error| anyhow::anyhow!("{error}"))?;
    let offset = volume.payload.offset;
    let path = image.with_extension("inside");
    let (to, size) = (File::create(&path)?, file.metadata()?.len() - offset);
    crypt(
        &file,
        &volume,
        Direction::Decrypt,
        size,
        |bytes, at| file.read_exact_at(bytes, offset + at),
        |plain, at| to.write_all_at(plain, at),
    )?;
    Ok(path)
}

/// Takes that many bytes of a volume's payload from one side to the other.
fn crypt(
    file: &File,
    volume: &Volume,
    direction: Direction,
    size: u64,
    read: impl Fn(&mut [u8], u64) -> io::Result<()>,
    write: impl Fn(&[u8], u64) -> io::Result<()>,
) -> Result<()> {
    let key = volume.unlock(file, PASSPHRASE.as_bytes(), 1 << 20).map_err(|error| anyhow::anyhow!("{error}"))?;
    let (cipher, sector): (Cipher, u32) = (volume.payload.cipher, volume.payload.sector_size);
    let mut bytes = vec![0; STEP];
    for at in (0..size).step_by(STEP) {
        let rest = usize::try_from(size - at)?.min(STEP);
        bytes[rest..].fill(0);
        read(&mut bytes[..rest], at)?;
        cipher.crypt(direction, key.bytes(), at / 512, sector as usize, &mut bytes).context("the key's length")?;
        write(&bytes[..rest], at)?;
    }
    Ok(())
}

/// A volume group with one volume that is this file.
pub fn lvm(name: &str, inner: &Path) -> Result<PathBuf> {
    let size = inner.metadata()?.len();
    let text = metadata("my-vg", GROUP, "store", VOLUME, &[(IDS[0], size.div_ceil(EXTENT))]);
    physical(name, IDS[0], Some(&text), &fs::read(inner)?)
}

/// The same over two disks, of which the second has no metadata.
pub fn lvm_over_two(name: &str, inner: &Path) -> Result<[PathBuf; 2]> {
    let bytes = fs::read(inner)?;
    let half = bytes.len() / 2 / EXTENT as usize * EXTENT as usize;
    let (first, second) = bytes.split_at(half);
    let extents = |part: &[u8]| (part.len() as u64).div_ceil(EXTENT);
    let physical_volumes = [(IDS[0], extents(first)), (IDS[1], extents(second))];
    let text = metadata("my-vg", GROUP, "store", VOLUME, &physical_volumes);
    let one = physical(&format!("{name}-1"), IDS[0], Some(&text), first)?;
    Ok([one, physical(&format!("{name}-2"), IDS[1], None, second)?])
}

fn physical(name: &str, id: &str, text: Option<&str>, payload: &[u8]) -> Result<PathBuf> {
    let image = super::folder().join(format!("{name}.lvm"));
    let size = LVM_PAYLOAD + (payload.len() as u64).div_ceil(EXTENT) * EXTENT;
    let file = File::create(&image)?;
    file.set_len(size)?;
    file.write_all_at(&physical_volume(id, size, text), 0)?;
    file.write_all_at(payload, LVM_PAYLOAD)?;
    Ok(image)
}
