//! What the store's manifest says of its files, as far as it is believed.
//!
//! Takes   the keys of the initrd, the policy, and the manifest with its signature.
//! Gives   [`Ledger`]: the policy that holds, and an entry for each file that may be used.
//! Fails   when a manifest or a signature is there and does not hold: what was tampered with is not taken for absent. Under
//!         `off` that is a warning, so that a store can be rescued.
//!
//! Which policy holds: the strictest of what the initrd, the command line and the manifest itself ask for.

use crate::error::{Cause, Result};
use crate::formats::manifest::{Entry, MOST, Manifest, PLACE, SIGNATURE};
use crate::formats::minisig::{self, KeyId, MOST_KEYS, MOST_SIGNATURE, PublicKey, Signature};
use crate::machine::Machine;
use crate::op::Place;
use crate::params::Policy;
use crate::stages::plan::Plan;
use crate::sys::{self, Sys};
use std::fmt::Display;
use std::io;

/// Where the initrd has its keys.
pub const KEYS: &str = "/isolde/keys";
/// What the name of a key ends with.
pub const KEY: &str = ".pub";

/// What initrd and command line ask for.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// The stricter policy of the two.
    pub policy: Policy,
    /// The serial number of the oldest manifest that may be used.
    pub least: u64,
    /// The keys of the initrd.
    pub keys: &'a [PublicKey],
    /// Seconds since 1970.
    pub now: u64,
}

/// See the module's own text.
#[derive(Clone, Debug)]
pub struct Ledger {
    policy: Policy,
    manifest: Option<Manifest>,
    signed_by: Option<KeyId>,
}

impl Ledger {
    /// Judges a manifest and its signature, where they are there. Pure.
    ///
    /// # Errors
    /// [`Cause::Unsound`] for what is there and does not hold, [`Cause::NotCovered`] for what is wanted and not there.
    pub fn judge(
        rules: Rules<'_>,
        manifest: Option<&[u8]>,
        signature: Option<&[u8]>,
    ) -> std::result::Result<Ledger, Cause> {
        let Some(text) = manifest else {
            return match rules.policy {
                Policy::Signed => Err(not_covered(["the store has no /", PLACE].concat())),
                policy => Ok(Ledger { policy, manifest: None, signed_by: None }),
            };
        };
        // First the signature: what it does not hold for is not even parsed where one is wanted.
        let signed_by = signature.map_or(Ok(None), |signature| rules.signer(text, signature))?;
        let manifest = Manifest::parse(text).map_err(|e| unsound(PLACE, &e))?;
        manifest.check_serial(rules.least).map_err(|e| unsound(PLACE, &e))?;
        let policy = rules.policy.max(manifest.verify.unwrap_or(Policy::Off));
        if policy == Policy::Signed && signed_by.is_none() {
            return Err(not_covered(match rules.keys {
                [] => ["the initrd has no key in ", KEYS].concat(),
                _ => ["the store has no /", SIGNATURE].concat(),
            }));
        }
        Ok(Ledger { policy, manifest: Some(manifest), signed_by })
    }

    /// The policy that holds.
    #[must_use]
    pub fn policy(&self) -> Policy {
        self.policy
    }

    /// The key that the manifest is signed with.
    #[must_use]
    pub fn signed_by(&self) -> Option<KeyId> {
        self.signed_by
    }

    /// The manifest's serial number.
    #[must_use]
    pub fn serial(&self) -> Option<u64> {
        self.manifest.as_ref().map(|manifest| manifest.serial)
    }

    /// What a file of the store has to be; `None` where the manifest does not say, and need not.
    ///
    /// # Errors
    /// [`Cause::NotCovered`] under `signed`.
    pub fn find(&self, path: &str) -> std::result::Result<Option<&Entry>, Cause> {
        match self.manifest.as_ref().and_then(|manifest| manifest.find(path)) {
            None if self.policy == Policy::Signed => Err(not_covered([path, " is not in the manifest"].concat())),
            found => Ok(found),
        }
    }
}

impl Rules<'_> {
    /// Without keys there is nothing to check a signature with. With keys one that is there has to hold.
    fn signer(self, manifest: &[u8], signature: &[u8]) -> std::result::Result<Option<KeyId>, Cause> {
        if self.keys.is_empty() {
            return Ok(None);
        }
        let signed = || {
            let signature = Signature::parse(signature)?;
            let signed = signature.verify(manifest, self.keys)?;
            signed.check_expiry(self.now)?;
            Ok(signed.key)
        };
        signed().map(Some).map_err(|e: minisig::MinisigError| unsound(SIGNATURE, &e))
    }
}

fn unsound(file: &str, why: &dyn Display) -> Cause {
    Cause::Unsound { file: ["/", file].concat(), why: why.to_string() }
}

fn not_covered(why: String) -> Cause {
    Cause::NotCovered { why }
}

/// Reads what there is of them, and judges.
pub(super) fn read<S: Sys>(machine: &mut Machine<S>, plan: &Plan) -> Result<Ledger> {
    const DOING: &str = "read the store's manifest";
    let keys = keys(machine)?;
    let rules = Rules { policy: plan.policy, least: plan.manifest_min, keys: &keys, now: machine.sys().wall_clock() };
    let judged = found(machine, PLACE, MOST).and_then(|manifest| {
        let signature = found(machine, SIGNATURE, MOST_SIGNATURE)?;
        Ledger::judge(rules, manifest.as_deref(), signature.as_deref())
    });
    match judged {
        Err(cause) if plan.policy == Policy::Off => {
            machine.warn(&format!("{DOING}: {cause}"));
            Ok(Ledger { policy: Policy::Off, manifest: None, signed_by: None })
        }
        judged => judged.map_err(|cause| machine.error(DOING, cause)),
    }
}

/// A file of the store; `None` where there is none.
fn found<S: Sys>(machine: &Machine<S>, path: &str, most: usize) -> std::result::Result<Option<Vec<u8>>, Cause> {
    match sys::read(machine.sys(), &Place::store(path), most as u64) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(unsound(path, &crate::error::OsText(&error))),
    }
}

/// A key that cannot be read is a fault of whoever made the initrd, who wants to know.
fn keys<S: Sys>(machine: &Machine<S>) -> Result<Vec<PublicKey>> {
    let folder = Place::at(KEYS);
    let mut all = Vec::new();
    for entry in machine.sys().list(&folder).unwrap_or_default() {
        if !entry.name.ends_with(KEY) {
            continue;
        }
        let at = folder.join(&entry.name);
        let doing = || format!("read the key {at}");
        let text = sys::read(machine.sys(), &at, MOST_KEYS as u64).map_err(|e| machine.os(doing(), e))?;
        let keys = minisig::keys(&text);
        let why = |e: minisig::MinisigError| Cause::Unsound { file: at.to_string(), why: e.to_string() };
        all.extend(keys.map_err(|e| machine.error(doing(), why(e)))?);
    }
    Ok(all)
}
