//! Stage 8: the image is the one that was meant.
//!
//! Takes   the open image.
//! Gives   [`Verified`]; only [`check`] makes one, so no later stage can mount unchecked bytes.
//! Leaves  the image open: what was read here is what is mounted, through the same open file; or, where there is a hash
//!         tree, a device whose every block the kernel checks when it is read.
//! Fails   when it is not the file that a manifest or a checksum names, or nothing names it and the policy wants that.
//!         See cmdline-spec.md, "isolde.verify", and docs/trust.md.
//!
//! What a full check at this time does not prove: a hostile medium may answer differently later. A hash tree does.

pub mod hash;
pub mod ledger;
pub mod lists;
mod measure;

mod tree;
pub mod wanted;

use crate::error::{Cause, Failure, Result};
use crate::formats::ReadAt;
use crate::formats::manifest::Entry;
use crate::machine::Machine;
use crate::op::{Place, Quoted};
use crate::params::Policy;
use crate::stages::drivers::Drivers;
use crate::stages::image::{Image, Opened, Source};
use crate::stages::plan::Plan;
use crate::stages::store::Store;
use crate::sys::{self, Kind, Sys};
use ledger::Ledger;
use measure::Skip;
use std::fmt;
use wanted::{Wanted, hex};

/// Where a checksum of the manifest stands, from the store's root.
pub(super) const MANIFEST: &str = "/boot/isolde/manifest.toml";

/// Why the bytes are believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Their BLAKE3 is the one that this source names.
    Blake3 {
        /// 64 hexadecimal digits.
        digest: String,
        /// A parameter, a checksum file or the manifest.
        source: String,
    },
    /// The kernel compares each block, when it is read, with a hash tree of this root hash, which the manifest names.
    Verity {
        /// In hexadecimal digits.
        root: String,
    },
    /// Nothing was checked, for this reason.
    NotAsked(&'static str),
}

impl fmt::Display for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trust::Blake3 { digest, source } => write!(f, "BLAKE3 {digest} as {source} says"),
            Trust::Verity { root } => write!(f, "dm-verity with the root hash {root} of the manifest"),
            Trust::NotAsked(why) => write!(f, "not checked: {why}"),
        }
    }
}

/// What is known of the store's files, and of the image.
#[derive(Clone, Debug)]
pub struct Proof {
    pub(super) ledger: Ledger,
    pub(super) image: Trust,
}

/// An image that passed the check that the policy asks for.
#[derive(Debug)]
pub struct Verified<S: Sys> {
    pub(super) store: Store,
    pub(super) source: Source<S::File>,
    pub(super) proof: Proof,
}

impl<S: Sys> fmt::Display for Verified<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.proof.image.fmt(f)?;
        match self.proof.ledger.signed_by() {
            Some(key) => write!(f, ", signed with the key {key}"),
            None => Ok(()),
        }
    }
}

/// Checks the image.
pub fn check<S: Sys>(
    machine: &mut Machine<S>,
    plan: &Plan,
    drivers: &mut Drivers,
    image: Image<S>,
) -> Result<Verified<S>> {
    let ledger = ledger::read(machine, plan)?;
    let Image { store, mut source } = image;
    let trust = match &mut source {
        Source::File(opened) => check_image(machine, plan, drivers, &ledger, opened)?,
        Source::Medium if ledger.policy() >= Policy::Require => {
            let cause = match ledger.policy() {
                Policy::Signed => {
                    Cause::NotCovered { why: "the medium itself is booted, and it is no file".to_owned() }
                }
                _ => {
                    Cause::NoChecksum { looked: vec!["nothing: the medium itself is booted, and it is no file".into()] }
                }
            };
            return Err(machine.error("check the image", cause));
        }
        Source::Medium => Trust::NotAsked("the medium itself is booted"),
    };
    Ok(Verified { store, source, proof: Proof { ledger, image: trust } })
}

fn check_image<S: Sys>(
    machine: &mut Machine<S>,
    plan: &Plan,
    drivers: &mut Drivers,
    ledger: &Ledger,
    opened: &mut Opened<S::File>,
) -> Result<Trust> {
    let path = opened.path.clone();
    let fail = |machine: &Machine<S>, cause| machine.error(doing(&path), cause);
    let wanted = Wanted::of_image(ledger, &path, plan.digest, &|list| read_list(machine, list));
    let wanted = wanted.map_err(|cause| fail(machine, cause))?;
    if let Wanted::Entry(Entry { size, verity: Some(verity), .. }) = &wanted {
        same_size(*size, opened.size).map_err(|cause| fail(machine, cause))?;
        if let Some(root) = tree::seal(machine, plan, drivers, opened, verity)? {
            return Ok(Trust::Verity { root });
        }
    }
    let asked = ledger.policy() > Policy::Auto || plan.digest.is_some();
    let skip = if asked { Skip::Never } else { Skip::ByKey(drivers) };
    compare(machine, wanted, &path, &opened.file, skip)
}

/// Checks one open file of the store that is not the image.
pub(super) fn check_file<S: Sys>(machine: &mut Machine<S>, proof: &Proof, path: &str, file: &S::File) -> Result<Trust> {
    let wanted = Wanted::of(&proof.ledger, path, &|list| read_list(machine, list));
    let wanted = wanted.map_err(|cause| machine.error(doing(path), cause))?;
    compare(machine, wanted, path, file, Skip::Never)
}

/// A list of checksums on the store.
fn read_list<S: Sys>(machine: &Machine<S>, list: &str) -> std::result::Result<Option<Vec<u8>>, Cause> {
    let at = Place::store(list);
    if !matches!(machine.sys().kind(&at)?, Some(Kind::File { .. })) {
        return Ok(None);
    }
    let text = sys::read(machine.sys(), &at, lists::LARGEST);
    text.map(Some).map_err(|error| lists::bad(list, error.to_string()))
}

fn compare<S: Sys>(machine: &mut Machine<S>, wanted: Wanted, path: &str, file: &S::File, skip: Skip) -> Result<Trust> {
    let (want, source) = match wanted {
        Wanted::Nothing(why) => return Ok(Trust::NotAsked(why)),
        Wanted::Digest(digest, source) => (digest, source),
        Wanted::Entry(entry) => {
            let size = file.size().map_err(|e| machine.os(doing(path), e))?;
            same_size(entry.size, size).map_err(|cause| machine.error(doing(path), cause))?;
            (entry.blake3, MANIFEST.to_owned())
        }
    };
    let Some(got) =
        measure::measure(machine, path, file, skip).map_err(|e| Box::new(Failure { doing: doing(path), ..*e }))?
    else {
        machine.warn(&format!("{}: the check was skipped at the console", Quoted(path)));
        return Ok(Trust::NotAsked("skipped at the console"));
    };
    if got == want {
        return Ok(Trust::Blake3 { digest: got.to_hex().to_string(), source });
    }
    let cause = Cause::DigestMismatch { source, want: hex(&want), got: got.to_hex().to_string() };
    Err(machine.error(doing(path), cause))
}

fn same_size(want: u64, got: u64) -> std::result::Result<(), Cause> {
    if want == got { Ok(()) } else { Err(Cause::WrongSize { want, got }) }
}

fn doing(path: &str) -> String {
    format!("check {}", Quoted(path))
}
