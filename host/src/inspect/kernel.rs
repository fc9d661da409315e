//! What a kernel image says about itself.
//!
//! Takes   the image's bytes.
//! Gives   the processor that it is for, and its version where its header has one.
//!
//! x86: Documentation/arch/x86/boot.rst. arm64 and RISC-V: Documentation/arch/{arm64/booting,riscv/boot-image-header}.rst.
//! The others are PE programs for UEFI, or plain ELF.

use isolde::formats::{ReadAt, read_full};
use std::io;

/// Bytes at the start that hold every header.
const HEAD: usize = 4096;
/// Bytes of the version's text.
const VERSION: usize = 256;

/// What is known of a kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kernel {
    /// As uname(1) calls it.
    pub architecture: Option<&'static str>,
    /// As in `uname -r`.
    pub version: Option<String>,
}

/// Reads the headers.
pub fn read(image: &dyn ReadAt) -> io::Result<Kernel> {
    let mut head = vec![0; HEAD];
    let count = read_full(image, &mut head, 0)?;
    head.truncate(count);
    // `HdrS`, since 1996.
    if head.get(0x202..0x206) == Some(b"HdrS") {
        return x86(image, &head);
    }
    let magic = |at: usize, text: &[u8]| head.get(at..at + text.len()) == Some(text);
    let architecture = if magic(0x38, b"ARM\x64") {
        Some("aarch64")
    } else if magic(0x38, b"RSC\x05") {
        Some("riscv64")
    } else if magic(0, b"\x7fELF") {
        elf(&head)
    } else if magic(0, b"MZ") {
        pe(&head)
    } else {
        None
    };
    Ok(Kernel { architecture, version: None })
}

fn x86(image: &dyn ReadAt, head: &[u8]) -> io::Result<Kernel> {
    let protocol = le16(head, 0x206).unwrap_or(0);
    // `xloadflags`, since protocol 2.12; bit 0: there is an entry of 64 bits.
    let is_64 = protocol >= 0x020c && le16(head, 0x236).is_some_and(|flags| flags & 1 != 0);
    let architecture = Some(if is_64 { "x86_64" } else { "i686" });
    // `kernel_version`: where the text is, less 0x200; 0 when there is none.
    let version = match le16(head, 0x20e) {
        Some(at) if at != 0 => {
            let mut text = [0; VERSION];
            let count = read_full(image, &mut text, u64::from(at) + 0x200)?;
            let text = text.get(..count).unwrap_or_default();
            // The version is followed by who built it, and when.
            let first = text.split(|byte| *byte == 0 || byte.is_ascii_whitespace()).next().unwrap_or_default();
            std::str::from_utf8(first).ok().filter(|text| is_version(text)).map(str::to_owned)
        }
        _ => None,
    };
    Ok(Kernel { architecture, version })
}

/// The version in a kernel's file name: `vmlinuz-6.1.0-18-amd64`.
pub fn version_in_name(path: &str) -> Option<&str> {
    let name = path.rsplit('/').next()?;
    let version = name.split_once('-')?.1;
    is_version(version).then_some(version)
}

fn is_version(text: &str) -> bool {
    text.starts_with(|letter: char| letter.is_ascii_digit())
        && text.contains('.')
        && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn elf(head: &[u8]) -> Option<&'static str> {
    let machine = if head.get(5) == Some(&2) { le16(head, 18)?.swap_bytes() } else { le16(head, 18)? };
    Some(match machine {
        3 => "i686",
        21 if head.get(5) == Some(&1) => "ppc64le",
        21 => "ppc64",
        22 => "s390x",
        62 => "x86_64",
        183 => "aarch64",
        243 => "riscv64",
        258 => "loongarch64",
        _ => return None,
    })
}

fn pe(head: &[u8]) -> Option<&'static str> {
    let at = usize::try_from(u32::from_le_bytes(head.get(0x3c..0x40)?.try_into().ok()?)).ok()?;
    let header = head.get(at..at.checked_add(6)?)?;
    if !header.starts_with(b"PE\0\0") {
        return None;
    }
    Some(match le16(header, 4)? {
        0x014c => "i686",
        0x8664 => "x86_64",
        0xaa64 => "aarch64",
        0x5064 => "riscv64",
        0x6264 => "loongarch64",
        _ => return None,
    })
}

fn le16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn image(parts: &[(usize, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![0; 8192];
        for (at, part) in parts {
            bytes[*at..*at + part.len()].copy_from_slice(part);
        }
        bytes
    }

    #[test]
    fn headers() {
        let version: &[u8] = b"6.1.0-56-amd64 (debian-kernel@lists.debian.org) #1 SMP\0";
        let new =
            image(&[(0x202, b"HdrS"), (0x206, &[0x0f, 2]), (0x20e, &[0, 0x10]), (0x236, &[0x7f]), (0x1200, version)]);
        let old = image(&[(0x202, b"HdrS"), (0x206, &[0x0a, 2]), (0x20e, &[0, 0x10]), (0x1200, b"2.6.32\0")]);
        let none = image(&[(0x202, b"HdrS"), (0x206, &[0x0f, 2]), (0x20e, &[0, 0xff])]);
        let pe: &[u8] = b"PE\0\0\x64\xaa";
        for (bytes, architecture, version) in [
            (new, Some("x86_64"), Some("6.1.0-56-amd64")),
            (old, Some("i686"), Some("2.6.32")),
            (none, Some("i686"), None),
            (image(&[(0x38, b"ARM\x64")]), Some("aarch64"), None),
            (image(&[(0, b"MZ"), (0x3c, &[0x40]), (0x40, pe)]), Some("aarch64"), None),
            (image(&[(0, b"\x7fELF\x02\x02"), (18, &[0, 22])]), Some("s390x"), None),
            (image(&[(0, b"\x7fELF\x02\x01"), (18, &[21, 0])]), Some("ppc64le"), None),
            (image(&[(0, b"MZ"), (0x3c, &[0xff; 4])]), None, None),
            (Vec::new(), None, None),
        ] {
            let kernel = read(&bytes.as_slice()).unwrap();
            assert_eq!((kernel.architecture, kernel.version.as_deref()), (architecture, version));
        }
    }

    #[test]
    fn versions_in_names() {
        assert_eq!(version_in_name("live/vmlinuz-6.1.0-18-amd64"), Some("6.1.0-18-amd64"));
        for path in ["arch/boot/vmlinuz-linux", "vmlinuz", "vmlinuz-", "a-b.c"] {
            assert_eq!(version_in_name(path), None, "{path}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..2048)) {
            read(&bytes.as_slice()).unwrap();
        }
    }
}
