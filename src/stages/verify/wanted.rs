//! What a file of the store has to be: by the manifest, or else by the checksum files beside it. The same for init, which
//! then compares it, and for `isolde trust` on the host, which says beforehand what init will do.

use super::ledger::Ledger;
use super::lists::{self, Reader};
use crate::error::Cause;
use crate::formats::manifest::Entry;
use crate::params::Policy;

/// Who names a digest on the command line.
const COMMAND_LINE: &str = "isolde.blake3";

/// What a file has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Anything, for this reason.
    Nothing(&'static str),
    /// The file with this BLAKE3, which this source names.
    Digest([u8; 32], String),
    /// The file of this entry of the manifest.
    Entry(Entry),
}

impl Wanted {
    /// What any file but the image has to be.
    ///
    /// # Errors
    /// When the policy wants more than there is, or a list is there and cannot be used.
    pub fn of(ledger: &Ledger, path: &str, read: Reader) -> Result<Wanted, Cause> {
        if ledger.policy() == Policy::Off {
            return Ok(Wanted::Nothing("isolde.verify=off"));
        }
        if let Some(entry) = ledger.find(path)? {
            return Ok(Wanted::Entry(entry.clone()));
        }
        match lists::beside(path, read)? {
            Some((digest, source)) => Ok(Wanted::Digest(digest, source)),
            None if ledger.policy() == Policy::Auto => Ok(Wanted::Nothing("no checksum for it")),
            None => Err(Cause::NoChecksum { looked: lists::sidecars(path).into() }),
        }
    }

    /// What the image has to be, which the command line can name the digest of.
    ///
    /// # Errors
    /// As [`Wanted::of`], and when manifest and command line name different files.
    pub fn of_image(ledger: &Ledger, path: &str, named: Option<[u8; 32]>, read: Reader) -> Result<Wanted, Cause> {
        match (Wanted::of(ledger, path, read), named) {
            (Ok(wanted), _) if ledger.policy() == Policy::Off => Ok(wanted),
            // What is not covered stays so, whatever the command line names.
            (Err(cause @ Cause::NotCovered { .. }), _) | (Err(cause), None) => Err(cause),
            (Ok(Wanted::Entry(entry)), Some(named)) if entry.blake3 != named => {
                let (want, got) = (hex(&named), hex(&entry.blake3));
                Err(Cause::DigestMismatch { source: COMMAND_LINE.into(), want, got })
            }
            (_, Some(named)) => Ok(Wanted::Digest(named, COMMAND_LINE.into())),
            (Ok(wanted), None) => Ok(wanted),
        }
    }
}

/// 64 hexadecimal digits.
pub(super) fn hex(digest: &[u8; 32]) -> String {
    blake3::Hash::from_bytes(*digest).to_hex().to_string()
}
