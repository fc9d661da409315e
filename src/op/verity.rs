//! dm-verity over an image and its hash tree, as a value that prints like veritysetup(8)'s command.

use super::Quoted;
use crate::params::OnCorruption;
use std::fmt;

/// What the kernel checks each block of an image against (kernel: device-mapper/verity.rst).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verity {
    /// The device's name below /dev/mapper, where udev makes a link.
    pub name: String,
    /// What the tools of the running system recognise it by: `CRYPT-VERITY-…`.
    pub uuid: String,
    /// The image's name, for the log.
    pub image: String,
    /// The hash tree's name, for the log.
    pub tree: String,
    /// Bytes of a block of the image.
    pub data_block: u32,
    /// Bytes of a block of the tree.
    pub hash_block: u32,
    /// Blocks of the image.
    pub data_blocks: u64,
    /// The highest block of the tree, counted from the start of its file.
    pub hash_start: u64,
    /// What blocks are hashed with, in the kernel's word.
    pub algorithm: &'static str,
    /// The root hash in hexadecimal digits.
    pub root: String,
    /// The salt in hexadecimal digits; empty for none.
    pub salt: String,
    /// What happens at a block that is not the one that was sealed.
    pub on_corruption: OnCorruption,
}

impl Verity {
    /// The line of the kernel's table behind the target's name, with the nodes of both devices.
    pub fn parameters(&self, image: &str, tree: &str) -> String {
        let salt = if self.salt.is_empty() { "-" } else { &self.salt };
        let option = match self.on_corruption {
            OnCorruption::IoError => "",
            OnCorruption::Restart => " 1 restart_on_corruption",
            OnCorruption::Panic => " 1 panic_on_corruption",
        };
        let Verity { data_block, hash_block, data_blocks, hash_start, algorithm, root, .. } = self;
        format!(
            "1 {image} {tree} {data_block} {hash_block} {data_blocks} {hash_start} {algorithm} {root} {salt}{option}"
        )
    }
}

impl fmt::Display for Verity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.on_corruption {
            OnCorruption::IoError => "veritysetup open ",
            OnCorruption::Restart => "veritysetup open --restart-on-corruption ",
            OnCorruption::Panic => "veritysetup open --panic-on-corruption ",
        })?;
        write!(f, "{} {} {} {}", Quoted(&self.image), Quoted(&self.name), Quoted(&self.tree), self.root)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_the_one_of_the_kernels_document() {
        let verity = Verity {
            name: "isolde-image".into(),
            uuid: "CRYPT-VERITY-x".into(),
            image: "/a b.iso".into(),
            tree: "/a b.iso.verity".into(),
            data_block: 4096,
            hash_block: 1024,
            data_blocks: 262_144,
            hash_start: 1,
            algorithm: "sha256",
            root: "4392712ba01368efdf14b05c76f9e4df".into(),
            salt: String::new(),
            on_corruption: OnCorruption::Panic,
        };
        assert_eq!(
            verity.parameters("/dev/loop0", "/dev/loop1"),
            "1 /dev/loop0 /dev/loop1 4096 1024 262144 1 sha256 4392712ba01368efdf14b05c76f9e4df - 1 panic_on_corruption"
        );
        assert_eq!(
            verity.to_string(),
            "veritysetup open --panic-on-corruption \"/a b.iso\" isolde-image \"/a b.iso.verity\" \
             4392712ba01368efdf14b05c76f9e4df"
        );
    }
}
