//! From a passphrase to the volume's key: through one slot, and compared with the digest.

use super::{Digest, Kdf, LuksError, Slot};
use crate::formats::luks::{Direction, luks1::SECTOR};
use crate::formats::{ReadAt, read_full};
use crate::secret::Secret;
use argon2::{Argon2, Params, Version};

impl Slot {
    /// `None` when the passphrase does not fit.
    pub(super) fn open(&self, dev: &dyn ReadAt, passphrase: &[u8], memory: u64) -> Result<Option<Secret>, LuksError> {
        let key = self.kdf.derive(passphrase, &self.salt, self.area_key_size, memory)?;
        let mut area = Secret::zeroes(self.key_size * self.stripes);
        if read_full(dev, area.bytes_mut(), self.offset)? != area.bytes().len() {
            return Err(LuksError::Broken("a key slot ends behind the medium"));
        }
        let way = Direction::Decrypt;
        let done = self.cipher.crypt(way, key.bytes(), 0, SECTOR as usize, area.bytes_mut());
        done.ok_or(LuksError::Broken("the length of a slot's key"))?;
        let key = self.hash.merge(area.bytes(), self.key_size);
        Ok(self.digest.is_of(&key).then_some(key))
    }
}

impl Digest {
    fn is_of(&self, key: &Secret) -> bool {
        let have = self.hash.pbkdf2(key.bytes(), &self.salt, self.iterations, self.value.len());
        have.bytes() == self.value
    }
}

impl Kdf {
    fn derive(self, passphrase: &[u8], salt: &[u8], len: usize, have: u64) -> Result<Secret, LuksError> {
        let (algorithm, time, memory, lanes) = match self {
            Kdf::Pbkdf2 { hash, iterations } => return Ok(hash.pbkdf2(passphrase, salt, iterations, len)),
            Kdf::Argon2 { algorithm, time, memory, lanes } => (algorithm, time, memory, lanes),
        };
        let want = u64::from(memory);
        if want > have {
            return Err(LuksError::Memory { want, have });
        }
        let mut key = Secret::zeroes(len);
        let params = Params::new(memory, time, lanes, Some(len)).map_err(|_| LuksError::Broken("argon2's numbers"))?;
        let argon2 = Argon2::new(algorithm, Version::V0x13, params);
        match argon2.hash_password_into(passphrase, salt, key.bytes_mut()) {
            Ok(()) => Ok(key),
            Err(argon2::Error::OutOfMemory) => Err(LuksError::Memory { want, have }),
            Err(_) => Err(LuksError::Broken("argon2's numbers")),
        }
    }
}
