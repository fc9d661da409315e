//! The hash functions that LUKS headers name, and what is built of them: PBKDF2 (RFC 8018) and the anti-forensic merge.

use crate::secret::Secret;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

/// A hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the names are those of the functions
pub enum Hash {
    Sha1,
    Sha256,
    Sha512,
}

impl Hash {
    /// By the name that a header has for it.
    pub fn parse(name: &str) -> Option<Hash> {
        let all = [("sha256", Hash::Sha256), ("sha512", Hash::Sha512), ("sha1", Hash::Sha1)];
        all.into_iter().find(|(known, _)| *known == name).map(|(_, hash)| hash)
    }

    /// The digest of a few pieces, one behind the other.
    pub(super) fn digest(self, pieces: &[&[u8]]) -> Secret {
        fn all<D: Digest>(pieces: &[&[u8]]) -> Secret {
            let mut state = D::new();
            pieces.iter().for_each(|piece| state.update(piece));
            Secret::new(state.finalize().to_vec())
        }
        match self {
            Hash::Sha1 => all::<Sha1>(pieces),
            Hash::Sha256 => all::<Sha256>(pieces),
            Hash::Sha512 => all::<Sha512>(pieces),
        }
    }

    /// The digest of some bytes.
    pub fn checksum(self, bytes: &[u8]) -> Vec<u8> {
        self.digest(&[bytes]).bytes().to_vec()
    }

    /// PBKDF2 with HMAC of this function, `len` bytes.
    pub(crate) fn pbkdf2(self, password: &[u8], salt: &[u8], iterations: u32, len: usize) -> Secret {
        let mut out = Secret::zeroes(len);
        let to = out.bytes_mut();
        match self {
            Hash::Sha1 => pbkdf2::pbkdf2_hmac::<Sha1>(password, salt, iterations, to),
            Hash::Sha256 => pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, iterations, to),
            Hash::Sha512 => pbkdf2::pbkdf2_hmac::<Sha512>(password, salt, iterations, to),
        }
        out
    }

    /// Puts a key together again that was spread over stripes of its own length (LUKS1 on-disk format, 2.4, "AFmerge").
    pub fn merge(self, stripes: &[u8], len: usize) -> Secret {
        let mut all = stripes.chunks_exact(len.max(1)).peekable();
        let mut key = Secret::zeroes(len);
        while let Some(stripe) = all.next() {
            key.bytes_mut().iter_mut().zip(stripe).for_each(|(to, from)| *to ^= from);
            if all.peek().is_some() {
                key = self.diffuse(&key);
            }
        }
        key
    }

    /// Every piece of the digest's length becomes the digest of its number and itself.
    fn diffuse(self, key: &Secret) -> Secret {
        let size = self.digest(&[]).bytes().len();
        let mut out = Secret::zeroes(key.bytes().len());
        let pieces = key.bytes().chunks(size).zip(out.bytes_mut().chunks_mut(size));
        for (number, (from, to)) in (0_u32..).zip(pieces) {
            let digest = self.digest(&[&number.to_be_bytes(), from]);
            to.iter_mut().zip(digest.bytes()).for_each(|(to, from)| *to = *from);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn pbkdf2_gives_the_known_answers() {
        // RFC 6070, and RFC 7914 section 11.
        let sha1 = Hash::Sha1.pbkdf2(b"password", b"salt", 4096, 20);
        assert_eq!(hex(sha1.bytes()), "4b007901b765489abead49d926f721d065a429c1");
        let sha256 = Hash::Sha256.pbkdf2(b"passwd", b"salt", 1, 32);
        assert_eq!(hex(sha256.bytes()), "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc");
    }

    #[test]
    fn one_stripe_is_the_key_itself() {
        assert_eq!(Hash::Sha256.merge(b"0123456789", 10).bytes(), b"0123456789");
        assert_eq!(Hash::Sha256.merge(b"", 4).bytes(), [0; 4]);
    }
}
