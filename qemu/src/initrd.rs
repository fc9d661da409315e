//! Several initrds in one file, as the kernel wants them.
//!
//! Boot loaders load a list of initrds and pad each; QEMU's direct kernel boot takes one file. The kernel looks for a
//! further archive only at an offset that is a multiple of four, and skips zero bytes before it
//! (`init/initramfs.c`, `unpack_to_rootfs`): unpadded, the second archive is silently ignored.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Alignment of an archive in the file, in bytes.
const ALIGNMENT: u64 = 4;

/// Writes the initrds one after the other into `to`, in the order given.
///
/// # Errors
/// When a file cannot be read or `to` cannot be written.
pub fn concatenate(initrds: &[PathBuf], to: &Path) -> Result<()> {
    let mut out = File::create(to).with_context(|| format!("create {}", to.display()))?;
    let mut written = 0;
    for initrd in initrds {
        let gap = padding(written);
        written +=
            io::copy(&mut io::repeat(0).take(gap), &mut out).with_context(|| format!("write {}", to.display()))?;
        let mut from = File::open(initrd).with_context(|| format!("open {}", initrd.display()))?;
        written += io::copy(&mut from, &mut out).with_context(|| format!("copy {}", initrd.display()))?;
    }
    Ok(())
}

/// The bytes of zero that make `length` a multiple of the alignment.
fn padding(length: u64) -> u64 {
    length.next_multiple_of(ALIGNMENT) - length
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn each_archive_starts_at_a_multiple_of_four() {
        let folder = tempfile::tempdir().unwrap();
        let part = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            fs::write(&path, bytes).unwrap();
            path
        };
        let parts = [part("a", b"12345"), part("b", b"6789"), part("c", b"x")];
        let to = folder.path().join("all");
        concatenate(&parts, &to).unwrap();
        assert_eq!(fs::read(to).unwrap(), b"12345\0\0\x006789x");
    }

    #[test]
    fn padding_fills_up_to_four() {
        assert_eq!([0, 1, 2, 3, 4, 5].map(padding), [0, 3, 2, 1, 0, 3]);
    }
}
