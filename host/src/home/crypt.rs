//! LUKS2 around a home: cryptsetup(8) makes the header, init's own code the key and what is encrypted with it, so that no
//! device mapper and no root is needed to make one.

use super::tool::{command, run};
use anyhow::{Context, Result, bail, ensure};
use isolde::formats::luks::{Direction, Volume};
use isolde::formats::superblock::{Format, probe};
use isolde::formats::{ReadAt, read_full};
use isolde::secret::Secret;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Room for the header, as cryptsetup takes it.
pub(super) const HEADER: u64 = 16 << 20;
/// Bytes that are encrypted at a time.
const STEP: usize = 1 << 20;
/// KiB of memory that a key may take: more than cryptsetup asks for.
const MEMORY: u64 = 4 << 20;

/// How an encrypted home is opened.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Key {
    /// A file that holds the passphrase, all of it; without one it is asked for.
    #[arg(long, value_name = "FILE")]
    pub(super) key_file: Option<PathBuf>,
}

impl Key {
    /// The passphrase; a new one is typed twice.
    pub(crate) fn read(&self, new: bool) -> Result<Secret> {
        if let Some(path) = &self.key_file {
            return Ok(Secret::new(std::fs::read(path).with_context(|| path.display().to_string())?));
        }
        let ask = |prompt| rpassword::prompt_password(prompt).context("read the passphrase").map(String::into_bytes);
        let typed = Secret::new(ask("Passphrase: ")?);
        ensure!(!typed.bytes().is_empty(), "an empty passphrase protects nothing");
        if new && Secret::new(ask("Once more: ")?).bytes() != typed.bytes() {
            bail!("the two are not the same");
        }
        Ok(typed)
    }
}

/// The LUKS volume in an image, if one is in it.
pub(crate) fn volume(file: &dyn ReadAt) -> Result<Option<Volume>> {
    let found = probe(file)?;
    if found.is_none_or(|superblock| superblock.format != Format::Luks) {
        return Ok(None);
    }
    Volume::read(file).map(Some).map_err(|error| anyhow::anyhow!("{error}"))
}

/// Makes a volume of a file, which holds what another one holds, encrypted. All of it is written, so that nobody sees how
/// much is used.
pub(super) fn fill(image: &Path, plain: &File, key: &Secret) -> Result<()> {
    let size = plain.metadata().context("the plain file's size")?.len();
    let file = File::options().read(true).write(true).open(image).context("open the image")?;
    file.set_len(size + HEADER).context("make room")?;
    let mut format = command("cryptsetup");
    format.args(["luksFormat", "-q", "--type", "luks2", "--sector-size", "512", "--key-file", "-"]).arg(image);
    run("cryptsetup", &mut format, key.bytes())?;
    let volume = volume(&file)?.context("cryptsetup made no LUKS volume")?;
    let master = volume.unlock(&file, key.bytes(), MEMORY).map_err(|error| anyhow::anyhow!("{error}"))?;
    let payload = &volume.payload;
    ensure!(payload.offset <= HEADER, "cryptsetup's header takes {} bytes", payload.offset);
    let mut bytes = vec![0; STEP];
    let mut at = 0;
    while at < size {
        let count = usize::try_from(size - at).unwrap_or(STEP).min(STEP);
        let part = bytes.get_mut(..count).unwrap_or_default();
        plain.read_exact_at(part, at).context("read the plain file")?;
        let sector = usize::try_from(payload.sector_size)?;
        payload.cipher.crypt(Direction::Encrypt, master.bytes(), at / 512, sector, part).context("the key's length")?;
        file.write_all_at(part, payload.offset + at).context("write the image")?;
        at += count as u64;
    }
    file.sync_all().context("write the image")
}

/// Whether an open volume takes writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    ReadOnly,
    ReadWrite,
}

/// A volume that the kernel has open, until this value goes.
#[derive(Debug)]
pub(crate) struct Open(String);

/// Opens a volume, which takes root and the kernel's device mapper.
pub(crate) fn open(image: &Path, key: &Secret, access: Access) -> Result<Open> {
    let name = format!("isolde-home-{}", std::process::id());
    let mut open = command("cryptsetup");
    open.args(["open", "--key-file", "-"]).args((access == Access::ReadOnly).then_some("--readonly"));
    let why = "open it: that takes root, and the kernel's device mapper";
    run("cryptsetup", open.arg(image).arg(&name), key.bytes()).context(why)?;
    Ok(Open(name))
}

impl Open {
    /// Its device.
    pub(crate) fn node(&self) -> PathBuf {
        Path::new("/dev/mapper").join(&self.0)
    }

    /// Works with its device, and closes it.
    pub(super) fn with<T>(self, work: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
        work(&self.node())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Err(error) = run("cryptsetup", command("cryptsetup").args(["close", &self.0]), &[]) {
            eprintln!("isolde: {error:#}");
        }
    }
}

/// What is in a volume, read without the kernel's help: it takes neither root nor a device mapper.
pub(crate) struct Plain<T> {
    inner: T,
    volume: Volume,
    master: Secret,
}

impl<T: ReadAt> Plain<T> {
    /// Opens it with its passphrase.
    pub(crate) fn open(inner: T, volume: Volume, key: &Secret) -> Result<Plain<T>> {
        let master = volume.unlock(&inner, key.bytes(), MEMORY).map_err(|error| anyhow::anyhow!("{error}"))?;
        Ok(Plain { inner, volume, master })
    }
}

impl<T: ReadAt> ReadAt for Plain<T> {
    /// Whole sectors are read: each is encrypted as one.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let payload = &self.volume.payload;
        let sector = u64::from(payload.sector_size);
        let skip = usize::try_from(offset % sector).map_err(io::Error::other)?;
        let start = offset - offset % sector;
        let left = self.size()?.saturating_sub(start).min(STEP as u64);
        let wanted = (skip + buf.len()).next_multiple_of(payload.sector_size as usize);
        let mut bytes = vec![0; wanted.min(usize::try_from(left).map_err(io::Error::other)?)];
        let at = payload.offset.checked_add(start).ok_or(io::ErrorKind::InvalidInput)?;
        let read = read_full(&self.inner, &mut bytes, at)?;
        bytes.truncate(read - read % payload.sector_size as usize);
        let first = payload.iv_offset.wrapping_add(start / 512);
        let size = payload.sector_size as usize;
        let key = self.master.bytes();
        let done = payload.cipher.crypt(Direction::Decrypt, key, first, size, &mut bytes);
        done.ok_or_else(|| io::Error::other("the key's length"))?;
        let found = bytes.get(skip..).unwrap_or_default();
        let count = found.len().min(buf.len());
        buf.iter_mut().zip(found).for_each(|(to, from)| *to = *from);
        Ok(count)
    }

    fn size(&self) -> io::Result<u64> {
        let payload = &self.volume.payload;
        let rest = self.inner.size()?.saturating_sub(payload.offset);
        let size = payload.size.map_or(rest, |size| size.min(rest));
        Ok(size - size % u64::from(payload.sector_size))
    }
}
