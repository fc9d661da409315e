//! Key material: wiped when it is dropped, and never shown.

use std::fmt;
use zeroize::Zeroizing;

/// A passphrase or a key.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the bytes over; they are wiped with this value.
    pub fn new(bytes: Vec<u8>) -> Secret {
        Secret(Zeroizing::new(bytes))
    }

    /// That many zero bytes, to be filled.
    pub fn zeroes(len: usize) -> Secret {
        Secret::new(vec![0; len])
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, to be changed.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}-byte key]", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_form_of_printing_shows_it() {
        let secret = Secret::new(b"hunter2".to_vec());
        assert_eq!(format!("{secret} {secret:?} {:?}", Some(&secret)), "[7-byte key] [7-byte key] Some([7-byte key])");
    }
}
