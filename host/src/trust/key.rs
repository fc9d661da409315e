//! minisign's secret keys without a password, as `minisign -G -W` writes them, and signatures with them.
//!
//! A key with a password needs the program minisign itself, which signs a manifest as well. The file: "Ed", two zero
//! bytes for no key derivation, "B2", 48 zero bytes of its parameters, the id, the key, and a checksum that is zero.

use anyhow::{Context, Result, bail};
use blake2::{Blake2b512, Digest};
use ed25519_compact::{KeyPair, Seed};
use isolde::formats::base64;
use std::fs::File;
use std::io::Read;
use std::time::{SystemTime, UNIX_EPOCH};

const ALGORITHM: &[u8] = b"Ed";
const HASHED: &[u8] = b"ED";
/// What is before the id in a file without a password.
const HEAD: usize = 54;
const ID: usize = 8;
const KEY: usize = 64;
const CHECKSUM: usize = 32;

/// A secret key.
pub struct SecretKey {
    id: [u8; ID],
    pair: KeyPair,
}

// The key is not for messages.
impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SecretKey").field("id", &self.name()).finish_non_exhaustive()
    }
}

impl SecretKey {
    /// A new key, of the kernel's random numbers.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn generate() -> Result<SecretKey> {
        let (mut id, mut seed) = ([0; ID], [0; Seed::BYTES]);
        let mut random = File::open("/dev/urandom").context("/dev/urandom")?;
        random.read_exact(&mut id).context("/dev/urandom")?;
        random.read_exact(&mut seed).context("/dev/urandom")?;
        let pair = KeyPair::try_from_seed(Seed::new(seed)).ok().context("/dev/urandom gives zeroes")?;
        Ok(SecretKey { id, pair })
    }

    /// Reads the file of one.
    ///
    /// # Errors
    /// When it is none, is damaged, or has a password.
    pub fn parse(text: &str) -> Result<SecretKey> {
        let line = text.lines().nth(1).and_then(base64::decode);
        let bytes = line.filter(|bytes| bytes.len() == HEAD + ID + KEY + CHECKSUM && bytes.starts_with(ALGORITHM));
        let bytes = bytes.context("wanted a secret key of minisign, seen something else")?;
        if bytes.get(2..4) != Some(&[0, 0]) {
            bail!("wanted a key without a password; with this one, sign with minisign -S -m boot/isolde/manifest.toml");
        }
        let part = |from: usize, length: usize| bytes.get(from..from + length).unwrap_or_default();
        let (seed, public) = part(HEAD + ID, KEY).split_at(Seed::BYTES);
        let pair = KeyPair::try_from_seed(Seed::new(seed.try_into()?)).ok();
        let pair = pair.filter(|pair| pair.pk[..] == *public);
        let pair = pair.context("wanted a secret key of minisign, seen one that does not fit its public key")?;
        Ok(SecretKey { id: part(HEAD, ID).try_into()?, pair })
    }

    /// Its id as minisign shows it.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{:X}", u64::from_le_bytes(self.id))
    }

    /// Its file.
    #[must_use]
    pub fn text(&self) -> String {
        let mut bytes = [ALGORITHM, &[0, 0], b"B2"].concat();
        bytes.resize(HEAD, 0);
        bytes.extend([&self.id[..], &self.pair.sk[..]].concat());
        bytes.resize(HEAD + ID + KEY + CHECKSUM, 0);
        format!("untrusted comment: minisign secret key {}\n{}\n", self.name(), base64::encode(&bytes))
    }

    /// The file of its public key.
    #[must_use]
    pub fn public(&self) -> String {
        let bytes = [ALGORITHM, &self.id, &self.pair.pk[..]].concat();
        format!("untrusted comment: minisign public key {}\n{}\n", self.name(), base64::encode(&bytes))
    }

    /// Signs a file's bytes: the text of its `*.minisig`.
    #[must_use]
    pub fn sign(&self, message: &[u8], name: &str) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let comment = format!("timestamp:{now}\tfile:{name}\thashed");
        let signature = self.pair.sk.sign(Blake2b512::digest(message), None);
        let global = self.pair.sk.sign([&signature[..], comment.as_bytes()].concat(), None);
        let first = base64::encode(&[HASHED, &self.id, &signature[..]].concat());
        let second = base64::encode(&global[..]);
        format!(
            "untrusted comment: signature from isolde, key {}\n{first}\ntrusted comment: {comment}\n{second}\n",
            self.name()
        )
    }
}
