//! An image in several files as one device, as init joins them (src/stages/persist/image.rs).
//!
//! Takes   the files, the first one first.
//! Gives   a device of the kernel's device mapper, over loop devices, until it is dropped; or all bytes, to be read without
//!         either.
//! Leaves  the files as they are; the loop devices go with the device.
//! Fails   without root, without the device mapper, when a file is in use or no whole number of blocks long.

use super::crypt::Access;
use anyhow::{Context, Result, bail, ensure};
use isolde::formats::ReadAt;
use isolde::op::{Mapping, Op};
use isolde::sys::Sys;
use isolde::sys::linux::Linux;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What is asked for a new device; the kernel has it where the device mapper is loaded.
const CONTROL: &str = "/dev/mapper/control";

/// The device.
#[derive(Debug)]
pub(crate) struct Joined {
    name: String,
    node: PathBuf,
}

impl Joined {
    /// Makes it.
    pub(crate) fn open(files: &[PathBuf], access: Access) -> Result<Joined> {
        let first = files.first().map_or_else(String::new, |first| first.display().to_string());
        can_join(&first)?;
        let writable = access == Access::ReadWrite;
        let (mut open, mut sizes) = (Vec::new(), Vec::new());
        for path in files {
            let shown = || path.display().to_string();
            let file = File::options().read(true).write(writable).open(path).with_context(shown)?;
            let metadata = file.metadata().with_context(shown)?;
            unused(&shown(), &metadata)?;
            sizes.push((shown(), metadata.len()));
            open.push(file);
        }
        let name = format!("isolde-pieces-{}", std::process::id());
        let mapping = Mapping::joined(&name, writable, sizes).map_err(anyhow::Error::msg)?;
        let node = Linux::new().map_images(&open, &mapping).with_context(|| format!("join the pieces of {first}"))?;
        Ok(Joined { name, node })
    }

    /// Where it is.
    pub(crate) fn node(&self) -> &Path {
        &self.node
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        // Once nobody uses it: udev looks into every device that comes.
        if let Err(error) = Linux::new().apply(&Op::Release(self.name.clone())) {
            eprintln!("isolde: {} stays: {error}", self.name);
        }
    }
}

/// Whether this machine can join files at all.
pub(crate) fn can_join(shown: &str) -> Result<()> {
    ensure!(rustix::process::geteuid().is_root(), "{shown} goes on in further files: to join them takes root");
    ensure!(
        Path::new(CONTROL).exists(),
        "{shown} goes on in further files, and there is no device mapper to join them ({CONTROL}): modprobe dm_mod"
    );
    Ok(())
}

/// Fails when a file is attached to a loop device, as that of the running system is: two users of one file system destroy it.
pub(crate) fn unused(shown: &str, file: &fs::Metadata) -> Result<()> {
    let devices = fs::read_dir("/sys/block").into_iter().flatten().flatten();
    for device in devices.filter_map(|device| device.file_name().into_string().ok()) {
        let backing = fs::read_to_string(format!("/sys/block/{device}/loop/backing_file")).unwrap_or_default();
        let other = fs::metadata(backing.trim_end_matches('\n'));
        if other.is_ok_and(|other| (other.dev(), other.ino()) == (file.dev(), file.ino())) {
            bail!("{shown} is in use by /dev/{device}");
        }
    }
    Ok(())
}

/// All their bytes, one file behind the other.
#[derive(Debug)]
pub(crate) struct Bytes(Vec<(File, u64)>);

impl Bytes {
    pub(crate) fn open(files: &[PathBuf]) -> io::Result<Bytes> {
        let open = |path: &PathBuf| File::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
        files.iter().map(|path| open(path).map(|(size, file)| (file, size))).collect::<io::Result<_>>().map(Bytes)
    }
}

impl ReadAt for Bytes {
    fn read_at(&self, buf: &mut [u8], mut offset: u64) -> io::Result<usize> {
        for (file, size) in &self.0 {
            let Some(left) = size.checked_sub(offset).filter(|left| *left > 0) else {
                offset -= size;
                continue;
            };
            let count = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len());
            return file.read_at(buf.get_mut(..count).unwrap_or_default(), offset);
        }
        Ok(0)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.0.iter().fold(0, |sum, (_, size)| sum.saturating_add(*size)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use isolde::formats::read_full;

    #[test]
    fn bytes_go_on_in_the_next_file() {
        let folder = tempfile::tempdir().unwrap();
        let files = [("a", "0123"), ("b", ""), ("c", "45"), ("d", "6789")].map(|(name, text)| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path
        });
        let all = Bytes::open(&files).unwrap();
        assert_eq!(all.size().unwrap(), 10);
        for from in 0..12 {
            for length in 0..12 {
                let mut buf = vec![b'x'; length];
                let count = read_full(&all, &mut buf, from as u64).unwrap();
                let wanted = "0123456789".get(from..10.min(from + length)).unwrap_or("");
                assert_eq!(std::str::from_utf8(&buf[..count]).unwrap(), wanted, "{from} {length}");
            }
        }
        assert_eq!(all.read_at(&mut [0; 4], u64::MAX).unwrap(), 0);
    }
}
