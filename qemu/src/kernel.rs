//! A kernel without its compression.
//!
//! Takes   a kernel image as a distribution ships it (bzImage).
//! Gives   the ELF file that is packed in it, if QEMU can start that: it has an entry point for hypervisors (PVH). A guest
//!         in software emulation takes six seconds to unpack a kernel, this machine less than one, and once. Otherwise the
//!         image as it is.
//! Leaves  it in the cache, under the digest of the image.
//! Fails   when xz or zstd is missing, or what is packed is damaged.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::cache::{cached, digest};
use crate::tool::{command, run};

/// Where the set-up header has its fields (kernel: Documentation/arch/x86/boot.rst).
const SETUP_SECTORS: usize = 0x1f1;
const PAYLOAD_OFFSET: usize = 0x248;
const PAYLOAD_LENGTH: usize = 0x24c;
/// Bytes behind a payload that say how long it is unpacked (kernel: scripts/Makefile.lib, size_append).
const SIZE: usize = 4;

/// A program that unpacks its input, by the first bytes of what it packs.
const PACKERS: [(&[u8], &str); 2] = [(b"\xfd7zXZ\0", "xz"), (b"\x28\xb5\x2f\xfd", "zstd")];

/// A note of the ELF file: lengths of name and value, kind (XEN_ELFNOTE_PHYS32_ENTRY of the kernel's
/// xen/interface/elfnote.h), name. The value is a word of 4 or 8 bytes.
const PVH: [&[u8]; 2] = [b"\x04\0\0\0\x04\0\0\0\x12\0\0\0Xen\0", b"\x04\0\0\0\x08\0\0\0\x12\0\0\0Xen\0"];

/// What QEMU is to be given for that kernel.
///
/// # Errors
/// When the kernel cannot be read or unpacked, or the cache cannot be written.
pub fn unpacked(kernel: &Path) -> Result<PathBuf> {
    let bytes = fs::read(kernel).with_context(|| format!("read {}", kernel.display()))?;
    let Some((payload, packer)) = payload(&bytes) else { return Ok(kernel.to_owned()) };
    let folder = cached("kernel", &format!("{}\n{}", digest(&bytes), include_str!("kernel.rs")), |folder| {
        let packed = folder.join("packed");
        fs::write(&packed, payload).with_context(|| format!("write {}", packed.display()))?;
        let elf = folder.join("kernel");
        let mut unpack = command("sh");
        unpack.args(["-c", r#"exec "$1" -dc <"$2" >"$3""#, "sh", packer]).arg(&packed).arg(&elf);
        run("kernel", &mut unpack)?;
        fs::remove_file(&packed).with_context(|| format!("remove {}", packed.display()))?;
        let unpacked = fs::read(&elf).with_context(|| format!("read {}", elf.display()))?;
        if !starts_under_a_hypervisor(&unpacked) {
            fs::write(&elf, &bytes).with_context(|| format!("write {}", elf.display()))?;
        }
        Ok(())
    })?;
    Ok(folder.join("kernel"))
}

/// What is packed, and the program that unpacks it. Pure.
fn payload(kernel: &[u8]) -> Option<(&[u8], &'static str)> {
    let number = |at: usize| {
        let bytes = kernel.get(at..at + 4)?.try_into().ok()?;
        usize::try_from(u32::from_le_bytes(bytes)).ok()
    };
    let setup = (usize::from(*kernel.get(SETUP_SECTORS)?) + 1) * 512;
    let start = setup.checked_add(number(PAYLOAD_OFFSET)?)?;
    let end = start.checked_add(number(PAYLOAD_LENGTH)?)?.checked_sub(SIZE)?;
    let payload = kernel.get(start..end)?;
    let (_, packer) = PACKERS.iter().find(|(magic, _)| payload.starts_with(magic))?;
    Some((payload, packer))
}

fn starts_under_a_hypervisor(elf: &[u8]) -> bool {
    // Notes begin at a multiple of four.
    let notes = || elf.chunks_exact(4).enumerate().map(|(place, _)| elf.get(place * 4..).unwrap_or_default());
    elf.starts_with(b"\x7fELF") && notes().any(|note| PVH.iter().any(|pvh| note.starts_with(pvh)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A kernel image with that payload, its length behind it.
    fn image(payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; 1024];
        bytes[SETUP_SECTORS] = 1;
        bytes[PAYLOAD_OFFSET..PAYLOAD_OFFSET + 4].copy_from_slice(&16_u32.to_le_bytes());
        let length = u32::try_from(payload.len() + SIZE).unwrap();
        bytes[PAYLOAD_LENGTH..PAYLOAD_LENGTH + 4].copy_from_slice(&length.to_le_bytes());
        bytes.extend([&[0; 16], payload, b"size", b"rest"].concat());
        bytes
    }

    #[test]
    fn the_payload_is_where_the_boot_protocol_says() {
        let xz = b"\xfd7zXZ\0and more";
        assert_eq!(payload(&image(xz)), Some((&xz[..], "xz")));
        assert_eq!(payload(&image(b"\x28\xb5\x2f\xfdx")).unwrap().1, "zstd");
        assert_eq!(payload(&image(b"\x1f\x8b")), None);
        for length in 0..1060 {
            payload(&image(xz)[..length]);
        }
        let mut hostile = image(xz);
        hostile[PAYLOAD_OFFSET..PAYLOAD_OFFSET + 8].fill(0xff);
        assert_eq!(payload(&hostile), None);
    }

    #[test]
    fn only_a_kernel_with_that_entry_point_is_unpacked() {
        assert!(starts_under_a_hypervisor(&[b"\x7fELF0123", PVH[1], b"entry"].concat()));
        assert!(!starts_under_a_hypervisor(b"\x7fELF0123 and no note"));
        assert!(!starts_under_a_hypervisor(&[b"text", PVH[1]].concat()));
    }

    #[test]
    fn a_kernel_in_no_known_form_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let kernel = folder.path().join("vmlinuz");
        fs::write(&kernel, "no kernel").unwrap();
        assert_eq!(unpacked(&kernel).unwrap(), kernel);
    }
}
