//! AES in the modes that LUKS volumes have, over sectors (IEEE 1619 for XTS; dm-crypt.rst for the initial values).
//!
//! A header's own words never reach the kernel: what is not in this table is refused, among it `cipher_null`, with which
//! a forged header would pass for a volume that was unlocked.

use aes::cipher::{Array, BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use aes::{Aes128, Aes256};

/// A block of AES in bytes.
const BLOCK: usize = 16;
/// Initial values count in sectors of this many bytes, whatever the volume's own are.
const SECTOR: u64 = 512;

type Block = [u8; BLOCK];

/// AES in one mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cipher {
    name: &'static str,
    xts: bool,
    iv: Iv,
}

/// How a sector's initial value comes from its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Iv {
    /// 32 bits of it.
    Plain,
    /// 64 bits of it.
    Plain64,
    /// 64 bits of it, encrypted with the key's SHA-256.
    Essiv,
}

const ALL: [Cipher; 5] = [
    Cipher { name: "aes-xts-plain64", xts: true, iv: Iv::Plain64 },
    Cipher { name: "aes-xts-plain", xts: true, iv: Iv::Plain },
    Cipher { name: "aes-cbc-essiv:sha256", xts: false, iv: Iv::Essiv },
    Cipher { name: "aes-cbc-plain64", xts: false, iv: Iv::Plain64 },
    Cipher { name: "aes-cbc-plain", xts: false, iv: Iv::Plain },
];

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To plain text.
    Decrypt,
    /// To cipher text.
    Encrypt,
}

impl Cipher {
    /// By cipher and mode in the words of dm-crypt.
    pub fn parse(name: &str) -> Option<Cipher> {
        ALL.into_iter().find(|cipher| cipher.name == name)
    }

    /// In the words of dm-crypt.
    pub fn name(self) -> &'static str {
        self.name
    }

    /// Whether a key can have this many bytes: XTS takes two keys, one behind the other.
    pub fn takes_key_of(self, len: usize) -> bool {
        if self.xts { matches!(len, 32 | 64) } else { matches!(len, 16 | 32) }
    }

    /// Decrypts or encrypts whole sectors of `size` bytes, the first of which has this number counted in 512 bytes.
    /// `None` when the key is of another length.
    pub fn crypt(self, way: Direction, key: &[u8], first: u64, size: usize, data: &mut [u8]) -> Option<()> {
        if !self.takes_key_of(key.len()) {
            return None;
        }
        let (first_half, second_half) = key.split_at_checked(key.len() / 2)?;
        let digest = super::hash::Hash::Sha256.digest(&[key]);
        let (main, other) = match (self.xts, self.iv) {
            (true, _) => (Aes::new(first_half)?, Some(Aes::new(second_half)?)),
            (false, Iv::Essiv) => (Aes::new(key)?, Some(Aes::new(digest.bytes())?)),
            (false, _) => (Aes::new(key)?, None),
        };
        for (index, sector) in data.chunks_mut(size.max(BLOCK)).enumerate() {
            let number = first.wrapping_add(index as u64 * (size as u64 / SECTOR));
            let number = if self.iv == Iv::Plain { number & u64::from(u32::MAX) } else { number };
            let mut iv = u128::from(number).to_le_bytes();
            if let Some(other) = &other {
                other.crypt(Direction::Encrypt, &mut iv);
            }
            let blocks = sector.chunks_exact_mut(BLOCK).filter_map(|block| <&mut Block>::try_from(block).ok());
            if self.xts { xts(way, &main, iv, blocks) } else { cbc(way, &main, iv, blocks) }
        }
        Some(())
    }
}

/// The tweak is doubled from block to block in the field of 2^128 elements.
fn xts<'a>(way: Direction, aes: &Aes, iv: Block, blocks: impl Iterator<Item = &'a mut Block>) {
    let mut tweak = u128::from_le_bytes(iv);
    for block in blocks {
        *block = (u128::from_le_bytes(*block) ^ tweak).to_le_bytes();
        aes.crypt(way, block);
        *block = (u128::from_le_bytes(*block) ^ tweak).to_le_bytes();
        tweak = tweak << 1 ^ if tweak >> 127 == 1 { 0x87 } else { 0 };
    }
}

fn cbc<'a>(way: Direction, aes: &Aes, iv: Block, blocks: impl Iterator<Item = &'a mut Block>) {
    let xor = |one: Block, other: Block| (u128::from_le_bytes(one) ^ u128::from_le_bytes(other)).to_le_bytes();
    let mut before = iv;
    for block in blocks {
        match way {
            Direction::Encrypt => {
                *block = xor(*block, before);
                aes.crypt(way, block);
                before = *block;
            }
            Direction::Decrypt => {
                let this = *block;
                aes.crypt(way, block);
                *block = xor(*block, before);
                before = this;
            }
        }
    }
}

/// AES with either length of key.
enum Aes {
    Short(Box<Aes128>),
    Long(Box<Aes256>),
}

impl Aes {
    fn new(key: &[u8]) -> Option<Aes> {
        let short = || Aes128::new_from_slice(key).ok().map(|aes| Aes::Short(Box::new(aes)));
        short().or_else(|| Aes256::new_from_slice(key).ok().map(|aes| Aes::Long(Box::new(aes))))
    }

    fn crypt(&self, way: Direction, block: &mut Block) {
        let mut array = Array::from(*block);
        match (self, way) {
            (Aes::Short(aes), Direction::Encrypt) => aes.encrypt_block(&mut array),
            (Aes::Short(aes), Direction::Decrypt) => aes.decrypt_block(&mut array),
            (Aes::Long(aes), Direction::Encrypt) => aes.encrypt_block(&mut array),
            (Aes::Long(aes), Direction::Decrypt) => aes.decrypt_block(&mut array),
        }
        *block = array.into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xts_gives_the_known_answer() {
        // IEEE 1619-2007, annex B, vector 2.
        let key = [[0x11; 16], [0x22; 16]].concat();
        let mut data = [0x44; 32];
        let cipher = Cipher::parse("aes-xts-plain64").unwrap();
        cipher.crypt(Direction::Encrypt, &key, 0x33_3333_3333, 32, &mut data).unwrap();
        assert_eq!(data[..8], [0xc4, 0x54, 0x18, 0x5e, 0x6a, 0x16, 0x93, 0x6e]);
        assert_eq!(data[24..], [0x28, 0x93, 0x82, 0xec, 0xd6, 0xd3, 0x94, 0xf0]);
    }

    #[test]
    fn every_mode_undoes_itself_and_no_other() {
        let plain: Vec<u8> = (0..2048_u32).map(|n| (n * 7 % 251) as u8).collect();
        let key: Vec<u8> = (0..64).collect();
        for cipher in ALL {
            let key = &key[..if cipher.xts { 64 } else { 32 }];
            let mut data = plain.clone();
            cipher.crypt(Direction::Encrypt, key, 1 << 33, 1024, &mut data).unwrap();
            assert!(data.chunks(16).zip(plain.chunks(16)).all(|(a, b)| a != b), "{cipher:?}");
            let mut other = data.clone();
            cipher.crypt(Direction::Decrypt, key, 1, 1024, &mut other).unwrap();
            assert_ne!(other, plain, "{cipher:?} without regard to the sector");
            cipher.crypt(Direction::Decrypt, key, 1 << 33, 1024, &mut data).unwrap();
            assert_eq!(data, plain, "{cipher:?}");
        }
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for name in ["cipher_null-ecb", "aes-ecb", "aes-xts-plain64 0 /dev/sda 0", "serpent-xts-plain64", ""] {
            assert_eq!(Cipher::parse(name), None, "{name}");
        }
        assert!(ALL[0].crypt(Direction::Decrypt, &[0; 48], 0, 512, &mut [0; 512]).is_none());
    }
}
