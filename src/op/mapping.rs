//! Devices that the kernel's device mapper makes of parts of others, as values that print like dmsetup(8)'s tables.

use super::Quoted;
use crate::formats::pieces::BLOCK;
use crate::secret::Secret;
use std::fmt;

/// The kernel counts in sectors of this many bytes, whatever those of the disk are.
pub const SECTOR: u64 = 512;

/// A mapped device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Its name below /dev/mapper, where udev makes a link.
    pub name: String,
    /// What the tools of the running system recognise it by, for example `CRYPT-LUKS2-…`.
    pub uuid: String,
    /// Whether it takes writes. What is below it must, then.
    pub writable: bool,
    /// Its parts, one behind the other.
    pub parts: Vec<Part>,
}

/// One part of a mapped device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Length in sectors.
    pub length: u64,
    /// The device that it is on, by its node.
    pub device: String,
    /// The first sector there.
    pub offset: u64,
    /// What happens to the bytes on the way.
    pub target: Target,
}

/// The kernel's name for what happens to the bytes on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Nothing (kernel: device-mapper/linear.rst).
    Linear,
    /// They are decrypted and encrypted (kernel: device-mapper/dm-crypt.rst).
    Crypt {
        /// Cipher and mode in the kernel's words.
        cipher: &'static str,
        /// The volume's key.
        key: Secret,
        /// Added to the number of each sector.
        iv_offset: u64,
        /// Bytes that are encrypted as one.
        sector_size: u32,
    },
    /// They are compared with a hash tree; the line of the table ([`Verity::parameters`](super::Verity::parameters)).
    Verity(String),
}

impl Target {
    /// The kernel's name.
    pub fn name(&self) -> &'static str {
        match self {
            Target::Linear => "linear",
            Target::Crypt { .. } => "crypt",
            Target::Verity(_) => "verity",
        }
    }
}

impl Part {
    /// The line of this part as the kernel wants it behind the target's name, with `key` for the key.
    pub fn parameters(&self, key: &str) -> String {
        let place = [&self.device, " ", &self.offset.to_string()].concat();
        let (cipher, iv_offset, sector_size) = match &self.target {
            Target::Linear => return place,
            Target::Verity(line) => return line.clone(),
            Target::Crypt { cipher, iv_offset, sector_size, .. } => (cipher, iv_offset, sector_size),
        };
        let large = u64::from(*sector_size) != SECTOR;
        let option = if large { [" 1 sector_size:", &sector_size.to_string()].concat() } else { String::new() };
        // One piece for all of it: pieces that grow would leave parts of the key in freed memory.
        [*cipher, " ", key, " ", &iv_offset.to_string(), " ", &place, &option].concat()
    }
}

impl Mapping {
    /// Files one behind the other as one device, each with its name and its size in bytes. The error is a text: a file that is
    /// empty, or no whole number of blocks long, is damaged or cut short.
    pub fn joined(
        name: &str,
        writable: bool,
        files: impl IntoIterator<Item = (String, u64)>,
    ) -> Result<Mapping, String> {
        let part = |(device, size): (String, u64)| {
            if size == 0 || size % BLOCK != 0 {
                let wanted = format!("wanted a multiple of {BLOCK}: a piece is damaged or cut short");
                return Err(format!("{device} has {size} bytes, {wanted}"));
            }
            Ok(Part { length: size / SECTOR, device, offset: 0, target: Target::Linear })
        };
        let parts = files.into_iter().map(part).collect::<Result<_, _>>()?;
        Ok(Mapping { name: name.to_owned(), uuid: ["ISOLDE-", name].concat(), writable, parts })
    }
}

impl fmt::Display for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let readonly = if self.writable { "" } else { "--readonly " };
        write!(f, "{readonly}{} --table \"", Quoted(&self.name))?;
        let mut start = 0_u64;
        for part in &self.parts {
            let key = match &part.target {
                Target::Crypt { key, .. } => key.to_string(),
                Target::Linear | Target::Verity(_) => String::new(),
            };
            let line = if start > 0 { "\\n" } else { "" };
            write!(f, "{line}{start} {} {} {}", part.length, part.target.name(), part.parameters(&key))?;
            start = start.saturating_add(part.length);
        }
        f.write_str("\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_joined_one_behind_the_other_or_named() {
        let piece = |name: &str, size| (name.to_owned(), size);
        let joined = Mapping::joined("x", true, [piece("a.img", 8192), piece("a.img.1", 4096)]).unwrap();
        assert_eq!(joined.to_string(), "x --table \"0 16 linear a.img 0\\n16 8 linear a.img.1 0\"");
        for size in [0, 512, 4097] {
            let why = Mapping::joined("x", false, [piece("a.img", 8192), piece("a.img.1", size)]).unwrap_err();
            assert!(why.starts_with(&format!("a.img.1 has {size} bytes, wanted a multiple of 4096")), "{why}");
        }
    }

    #[test]
    fn a_mapping_prints_as_dmsetup_and_hides_the_key() {
        let key = Secret::new(b"\xfe\xdc".repeat(16));
        let target = Target::Crypt { cipher: "aes-xts-plain64", key, iv_offset: 0, sector_size: 4096 };
        let part = Part { length: 8, device: "/dev/sdb1".into(), offset: 32768, target };
        let text = "0 8 crypt aes-xts-plain64 [32-byte key] 0 /dev/sdb1 32768 1 sector_size:4096";
        let mut mapping = Mapping { name: "luks-1".into(), uuid: "x".into(), writable: false, parts: vec![part] };
        assert_eq!(mapping.to_string(), format!("--readonly luks-1 --table \"{text}\""));
        assert!(!format!("{mapping:?}").contains("fe"));
        let linear = |length, offset| Part { length, device: "/dev/sda2".into(), offset, target: Target::Linear };
        mapping = Mapping { writable: true, parts: vec![linear(8, 2048), linear(16, 4096)], ..mapping };
        assert_eq!(mapping.to_string(), "luks-1 --table \"0 8 linear /dev/sda2 2048\\n8 16 linear /dev/sda2 4096\"");
    }
}
