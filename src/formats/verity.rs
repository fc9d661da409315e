//! dm-verity's hash trees in a file of their own, as `veritysetup format` makes them: super block, then the levels.
//!
//! Takes   the bytes of `<image>.verity`, and blocks of the image.
//! Gives   [`Tree`], which knows where each level is, and checks single blocks from the root hash downwards.
//! Fails   with [`VerityError`]. Nothing in the file is believed: what counts is a root hash from elsewhere, together
//!         with the number and size of the data blocks, as a tree of another height could show hashes as data.
//!
//! Sources: Documentation/admin-guide/device-mapper/verity.rst of the kernel, and the on-disk format of cryptsetup's wiki
//! (DMVerity). SHA-256 and SHA-512 with hash type 1, which all that make trees today write; forward error correction is
//! not read, as it only adds bytes behind the tree or in another file.

mod error;

pub use error::VerityError;

use super::fields::{has, le16, le32, le64, slice};
use super::{ReadAt, fields, read_exact_at};
use sha2::{Digest, Sha256, Sha512};

/// Bytes of a super block.
pub const SUPER_BLOCK: usize = 512;
/// Bytes of a salt, at most.
pub const MOST_SALT: usize = 256;
/// Data blocks that fit into one hash block are at least 4, so that 32 levels are more than 64 bits of blocks.
const MOST_LEVELS: usize = 32;
const MAGIC: &[u8] = b"verity\0\0";

/// What blocks are hashed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the names are those of the functions
pub enum Algorithm {
    Sha256,
    Sha512,
}

impl Algorithm {
    const ALL: [Algorithm; 2] = [Algorithm::Sha256, Algorithm::Sha512];

    /// As super blocks and the kernel's table have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Sha256 => "sha256",
            Algorithm::Sha512 => "sha512",
        }
    }

    /// Bytes of a hash; a power of two, so hashes lie without gaps.
    #[must_use]
    pub fn length(self) -> usize {
        match self {
            Algorithm::Sha256 => 32,
            Algorithm::Sha512 => 64,
        }
    }

    /// Adds the hash of one block to `out`.
    pub fn hash(self, salt: &[u8], block: &[u8], out: &mut Vec<u8>) {
        match self {
            Algorithm::Sha256 => {
                out.extend_from_slice(&Sha256::new().chain_update(salt).chain_update(block).finalize())
            }
            Algorithm::Sha512 => {
                out.extend_from_slice(&Sha512::new().chain_update(salt).chain_update(block).finalize())
            }
        }
    }
}

/// The super block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SuperBlock {
    /// Of the hash tree, not of the image.
    pub uuid: [u8; 16],
    /// What blocks are hashed with.
    pub algorithm: Algorithm,
    /// Bytes of a block of the image: a power of two from 512 to 4096, the largest that the kernel takes.
    pub data_block: u32,
    /// Bytes of a block of the tree; the same.
    pub hash_block: u32,
    /// Blocks of the image.
    pub data_blocks: u64,
    /// Hashed before each block; may be empty.
    pub salt: Vec<u8>,
}

impl SuperBlock {
    /// Reads one.
    ///
    /// # Errors
    /// When it is damaged, or of a kind that is not done here.
    pub fn parse(bytes: &[u8]) -> Result<SuperBlock, VerityError> {
        let bytes = bytes.get(..SUPER_BLOCK).ok_or(VerityError::Short)?;
        if !has(bytes, 0, MAGIC) {
            return Err(VerityError::Magic);
        }
        let number = |what, seen: Option<u32>, wanted| match seen.unwrap_or_default() {
            seen if seen == wanted => Ok(()),
            seen => Err(VerityError::Number { what, wanted, seen }),
        };
        number("version", le32(bytes, 8), 1)?;
        number("hash type", le32(bytes, 12), 1)?;
        let name = slice(bytes, 32, 32).unwrap_or_default();
        let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
        let algorithm = Algorithm::ALL.into_iter().find(|algorithm| algorithm.name().as_bytes() == name);
        let algorithm = algorithm.ok_or_else(|| VerityError::Algorithm { seen: name.escape_ascii().to_string() })?;
        let block = |what, at| match le32(bytes, at).unwrap_or_default() {
            size @ (512 | 1024 | 2048 | 4096) => Ok(size),
            seen => Err(VerityError::Block { what, seen }),
        };
        let salt_length = le16(bytes, 80).unwrap_or_default();
        let salt = Some(salt_length.into()).filter(|&length| length <= MOST_SALT).and_then(|n| slice(bytes, 88, n));
        Ok(SuperBlock {
            uuid: slice(bytes, 16, 16).and_then(|uuid| uuid.try_into().ok()).ok_or(VerityError::Short)?,
            algorithm,
            data_block: block("data block", 64)?,
            hash_block: block("hash block", 68)?,
            data_blocks: le64(bytes, 72).unwrap_or_default(),
            salt: salt.ok_or(VerityError::Salt { seen: salt_length })?.to_vec(),
        })
    }

    /// Its bytes, as [`SuperBlock::parse`] reads them.
    ///
    /// # Errors
    /// When the salt is too long.
    pub fn bytes(&self) -> Result<Vec<u8>, VerityError> {
        let salt_length = self.salt.len().try_into().unwrap_or(u16::MAX);
        if self.salt.len() > MOST_SALT {
            return Err(VerityError::Salt { seen: salt_length });
        }
        let mut bytes = Vec::with_capacity(SUPER_BLOCK);
        let one = 1_u32.to_le_bytes();
        let length = salt_length.to_le_bytes();
        let fields: [(usize, &[u8]); 11] = [
            (0, MAGIC),
            (8, &one),
            (12, &one),
            (16, &self.uuid),
            (32, self.algorithm.name().as_bytes()),
            (64, &self.data_block.to_le_bytes()),
            (68, &self.hash_block.to_le_bytes()),
            (72, &self.data_blocks.to_le_bytes()),
            (80, &length),
            (88, &self.salt),
            (SUPER_BLOCK, &[]),
        ];
        for (at, field) in fields {
            bytes.resize(at, 0);
            bytes.extend_from_slice(field);
        }
        Ok(bytes)
    }

    /// Its UUID in letters; `None` when it has none.
    #[must_use]
    pub fn uuid(&self) -> Option<String> {
        fields::uuid(&self.uuid, 0)
    }
}

/// What an image and its root hash have to be; from a manifest or a command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// The root hash.
    pub root: &'a [u8],
    /// The salt.
    pub salt: &'a [u8],
    /// Bytes of a data block.
    pub block: u32,
    /// Bytes of the image.
    pub size: u64,
}

/// One level of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// Its first hash block, counted from the start of the file.
    pub first: u64,
    /// How many hash blocks it has.
    pub blocks: u64,
}

/// A hash tree: its super block, and where its levels are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    /// The super block.
    pub head: SuperBlock,
    /// The levels, lowest first: level 0 has the hashes of data blocks. None when there is one data block only.
    pub levels: Vec<Level>,
    /// Bytes of the whole file.
    pub size: u64,
}

impl Tree {
    /// Lays a tree out: the highest level comes first, right behind the super block's own hash block.
    ///
    /// # Errors
    /// When there is no data, or more than can be counted.
    pub fn new(head: SuperBlock) -> Result<Tree, VerityError> {
        let unfit = VerityError::Blocks { seen: head.data_blocks };
        let per_block = u64::from(head.hash_block) / head.algorithm.length() as u64;
        let mut counts = Vec::new();
        let mut blocks = head.data_blocks;
        while blocks > 1 && per_block > 1 && counts.len() < MOST_LEVELS {
            blocks = blocks.div_ceil(per_block);
            counts.push(blocks);
        }
        let is_countable = head.data_blocks.checked_mul(head.data_block.into()).is_some_and(|size| size < 1 << 63);
        if blocks != 1 || !is_countable {
            return Err(unfit);
        }
        let mut first = (SUPER_BLOCK as u64).div_ceil(head.hash_block.into());
        let mut levels = Vec::with_capacity(counts.len());
        for &blocks in counts.iter().rev() {
            levels.push(Level { first, blocks });
            first += blocks;
        }
        levels.reverse();
        let size = first * u64::from(head.hash_block);
        Ok(Tree { head, levels, size })
    }

    /// Opens the tree of an image: it has to be of this size, these blocks and this salt, be there as a whole, and its
    /// highest block has to have the root hash. What lies below is checked block by block when it is used.
    ///
    /// # Errors
    /// The first thing that is otherwise.
    pub fn open(file: &dyn ReadAt, wanted: Wanted) -> Result<Tree, VerityError> {
        let head = read_exact_at(file, 0, SUPER_BLOCK)?.ok_or(VerityError::Short)?;
        let head = SuperBlock::parse(&head)?;
        let data_blocks = wanted.size.checked_div(wanted.block.into()).unwrap_or_default();
        if head.data_block != wanted.block {
            let (wanted, seen) = (wanted.block, head.data_block);
            return Err(VerityError::Number { what: "bytes of a data block", wanted, seen });
        }
        if head.data_blocks != data_blocks || data_blocks * u64::from(wanted.block) != wanted.size {
            return Err(VerityError::Size { wanted: wanted.size, block: wanted.block, seen: head.data_blocks });
        }
        if head.salt != wanted.salt {
            return Err(VerityError::OtherSalt);
        }
        if head.algorithm.length() != wanted.root.len() {
            return Err(VerityError::Algorithm { seen: head.algorithm.name().into() });
        }
        let tree = Tree::new(head)?;
        let size = file.size()?;
        // More behind it is no fault: veritysetup can put forward error correction there.
        if size < tree.size {
            return Err(VerityError::Cut { wanted: tree.size, seen: size });
        }
        if let Some(top) = tree.levels.last() {
            tree.hash_block(file, top.first, wanted.root)?;
        }
        Ok(tree)
    }

    /// The first block of the levels, behind the super block's own, which the kernel counts from.
    #[must_use]
    pub fn first_block(&self) -> u64 {
        (SUPER_BLOCK as u64).div_ceil(self.head.hash_block.into())
    }

    /// Reads a hash block and checks it.
    fn hash_block(&self, file: &dyn ReadAt, number: u64, hash: &[u8]) -> Result<Vec<u8>, VerityError> {
        let length = self.head.hash_block;
        let bytes = read_exact_at(file, number * u64::from(length), length as usize)?;
        let bytes = bytes.ok_or(VerityError::Short)?;
        match self.has_hash(&bytes, hash) {
            true => Ok(bytes),
            false => Err(VerityError::HashBlock { block: number }),
        }
    }

    fn has_hash(&self, bytes: &[u8], hash: &[u8]) -> bool {
        let mut seen = Vec::with_capacity(64);
        self.head.algorithm.hash(&self.head.salt, bytes, &mut seen);
        seen == hash
    }

    /// Checks one data block from the root hash downwards, as the kernel does it.
    ///
    /// # Errors
    /// [`VerityError::HashBlock`] when the tree was changed on the way to it, [`VerityError::DataBlock`] when the block
    /// was.
    pub fn check(&self, file: &dyn ReadAt, root: &[u8], number: u64, data: &[u8]) -> Result<(), VerityError> {
        let length = self.head.algorithm.length();
        let per_block = u64::from(self.head.hash_block) / length as u64;
        if number >= self.head.data_blocks || data.len() != self.head.data_block as usize {
            return Err(VerityError::DataBlock { block: number });
        }
        let mut hash = root.to_vec();
        for (height, level) in self.levels.iter().enumerate().rev() {
            // The number, at this level, of the hash that is wanted.
            let slot = (0..height).fold(number, |number, _| number / per_block);
            let bytes = self.hash_block(file, level.first + slot / per_block, &hash)?;
            let at = usize::try_from(slot % per_block).unwrap_or_default() * length;
            hash = slice(&bytes, at, length).ok_or(VerityError::Short)?.to_vec();
        }
        if self.has_hash(data, &hash) { Ok(()) } else { Err(VerityError::DataBlock { block: number }) }
    }

    /// Makes the tree over the hashes of all data blocks, one behind the other: the root hash and the file.
    ///
    /// # Errors
    /// When there is not one hash for each data block.
    pub fn build(&self, hashes: Vec<u8>) -> Result<(Vec<u8>, Vec<u8>), VerityError> {
        let (root, levels) = self.levels_over(hashes)?;
        let mut file = self.head_block()?;
        levels.iter().rev().for_each(|level| file.extend_from_slice(level));
        Ok((root, file))
    }

    /// The super block with the zeros up to the next hash block: what a tree's file begins with. The levels follow it, the
    /// highest first.
    ///
    /// # Errors
    /// When the salt is too long.
    pub fn head_block(&self) -> Result<Vec<u8>, VerityError> {
        let mut bytes = self.head.bytes()?;
        bytes.resize(bytes.len().next_multiple_of(self.head.hash_block as usize), 0);
        Ok(bytes)
    }

    /// Makes the levels over the hashes of all data blocks, one behind the other: the root hash, and the levels, lowest
    /// first. The hashes become the lowest level without being copied when they have room for its last block.
    ///
    /// # Errors
    /// When there is not one hash for each data block.
    pub fn levels_over(&self, hashes: Vec<u8>) -> Result<(Vec<u8>, Vec<Vec<u8>>), VerityError> {
        let (algorithm, salt) = (self.head.algorithm, self.head.salt.as_slice());
        let block = self.head.hash_block as usize;
        if hashes.len() as u64 != self.head.data_blocks * algorithm.length() as u64 {
            return Err(VerityError::Blocks { seen: hashes.len() as u64 / algorithm.length() as u64 });
        }
        let mut below = hashes;
        let mut all = Vec::with_capacity(self.levels.len());
        for _ in &self.levels {
            below.resize(below.len().next_multiple_of(block), 0);
            let mut above = Vec::with_capacity(below.len() / block * algorithm.length());
            below.chunks(block).for_each(|bytes| algorithm.hash(salt, bytes, &mut above));
            all.push(std::mem::replace(&mut below, above));
        }
        Ok((below, all))
    }
}

#[cfg(test)]
mod tests;
