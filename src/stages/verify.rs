//! Stage 7: the image is the one that was meant.
//!
//! Takes   the open image.
//! Gives   [`Verified`]; only [`check`] makes one, so no later stage can mount unchecked bytes.
//! Leaves  the image open: what was read here is what is mounted, through the same open file.
//! Fails   when the BLAKE3 differs, or the policy wants one and there is none. See cmdline-spec.md, "isolde.verify".
//!
//! What a check at this time does not prove: a hostile medium may answer differently later.

pub mod hash;

use crate::error::{Cause, List, Result};
use crate::formats::b3sums;
use crate::machine::Machine;
use crate::op::{Place, Quoted};
use crate::params::Policy;
use crate::stages::image::{Image, Source};
use crate::stages::plan::Plan;
use crate::sys::{self, Kind, Sys};
use hash::Progress;
use std::fmt;
use std::io;
use std::time::Duration;

/// Larger lists of checksums than this are refused.
const LARGEST_LIST: u64 = 4 << 20;
/// How often progress is shown, and how long a check may take before any is.
const SAY_EVERY: Duration = Duration::from_secs(2);

/// Why the bytes are believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Their BLAKE3 is the one that this source names.
    Blake3 {
        /// 64 hexadecimal digits.
        digest: String,
        /// A parameter or a checksum file.
        source: String,
    },
    /// Nothing was checked, for this reason.
    NotAsked(&'static str),
}

impl fmt::Display for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trust::Blake3 { digest, source } => write!(f, "BLAKE3 {digest} as {source} says"),
            Trust::NotAsked(why) => write!(f, "not checked: {why}"),
        }
    }
}

/// An image that passed the check that the plan asks for.
#[derive(Debug)]
pub struct Verified<S: Sys> {
    pub(super) image: Image<S>,
    pub(super) trust: Trust,
}

impl<S: Sys> fmt::Display for Verified<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.trust.fmt(f)
    }
}

/// Checks the image.
pub fn check<S: Sys>(machine: &mut Machine<S>, plan: &Plan, image: Image<S>) -> Result<Verified<S>> {
    let trust = match &image.source {
        Source::File { path, file, .. } => check_file(machine, plan, path, file, plan.digest)?,
        Source::Medium if plan.policy == Policy::Require => {
            let looked = vec!["nothing: the medium itself is booted, and it is no file".to_owned()];
            return Err(machine.error("check the image", Cause::NoChecksum { looked }));
        }
        Source::Medium => Trust::NotAsked("the medium itself is booted"),
    };
    Ok(Verified { image, trust })
}

/// Checks one open file of the store against the named digest, or else against the checksum files beside it.
pub(super) fn check_file<S: Sys>(
    machine: &mut Machine<S>,
    plan: &Plan,
    path: &str,
    file: &S::File,
    named: Option<[u8; 32]>,
) -> Result<Trust> {
    let doing = || format!("check {}", Quoted(path));
    if plan.policy == Policy::Off {
        return Ok(Trust::NotAsked("isolde.verify=off"));
    }
    let wanted = match named {
        Some(digest) => Some((digest, "isolde.blake3".to_owned())),
        None => beside(machine, path).map_err(|cause| machine.error(doing(), cause))?,
    };
    let Some((want, source)) = wanted else {
        let looked = sidecars(path).into();
        return match plan.policy {
            Policy::Require => Err(machine.error(doing(), Cause::NoChecksum { looked })),
            _ => Ok(Trust::NotAsked("no checksum for it")),
        };
    };
    let got = measure(machine, path, file).map_err(|e| machine.os(doing(), e))?;
    judge(want, got, source).map_err(|cause| machine.error(doing(), cause))
}

/// Is it the file that was meant? Pure.
fn judge(want: [u8; 32], got: blake3::Hash, source: String) -> std::result::Result<Trust, Cause> {
    let want = blake3::Hash::from_bytes(want);
    let digest = got.to_hex().to_string();
    if want == got {
        return Ok(Trust::Blake3 { digest, source });
    }
    Err(Cause::DigestMismatch { source, want: want.to_hex().to_string(), got: digest })
}

/// `NAME.b3` and `B3SUMS`, in the image's folder.
fn sidecars(path: &str) -> [String; 2] {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    [format!("{path}.b3"), format!("{folder}/B3SUMS")]
}

/// The digest that a checksum file beside the image names. A list that cannot be read is never taken for none.
fn beside<S: Sys>(machine: &Machine<S>, path: &str) -> std::result::Result<Option<([u8; 32], String)>, Cause> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let [own, list] = sidecars(path);
    for (file, whole_file_is_about_it) in [(own, true), (list, false)] {
        let at = Place::store(&file);
        if !matches!(machine.sys().kind(&at)?, Some(Kind::File { .. })) {
            continue;
        }
        let bad = |why: String| Cause::BadChecksumFile { file: file.clone(), why };
        let text = sys::read(machine.sys(), &at, LARGEST_LIST).map_err(|e| bad(e.to_string()))?;
        let entries = b3sums::parse(&text).map_err(|e| bad(e.to_string()))?;
        let found = b3sums::find(&entries, name).map_err(|e| bad(e.to_string()))?;
        match (found, whole_file_is_about_it) {
            (Some(digest), _) => return Ok(Some((digest, file))),
            (None, false) => {}
            (None, true) => {
                let names: Vec<String> = entries.into_iter().map(|entry| entry.name).collect();
                return Err(bad(format!("no line for {name:?}; it has {}", List(&names, "no line at all"))));
            }
        }
    }
    Ok(None)
}

/// Hashes on all processors and tells a waiting person how far it is.
fn measure<S: Sys>(machine: &mut Machine<S>, path: &str, file: &S::File) -> io::Result<blake3::Hash> {
    let begin = machine.sys().now();
    let mut say_at = begin + SAY_EVERY;
    // available_parallelism() would also read the limits of control groups, of which process 1 has none.
    let threads = rustix::thread::sched_getaffinity(None).map_or(1, |all| all.count() as usize);
    hash::hash(file, threads, &mut |progress| {
        let now = machine.sys().now();
        if now >= say_at {
            say_at = now + SAY_EVERY;
            machine.notice(&progress_line(path, progress, now - begin));
        }
    })
}

fn progress_line(path: &str, Progress { done, total }: Progress, spent: Duration) -> String {
    let percent = (u128::from(done) * 100).checked_div(u128::from(total)).unwrap_or(100);
    let rate = u128::from(done) * 1000 / spent.as_millis().max(1);
    let left = u128::from(total.saturating_sub(done)).checked_div(rate).unwrap_or_default();
    format!("checking {}: {percent} % of {} MiB, {} MiB/s, {left} s left", Quoted(path), total >> 20, rate >> 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_never_divides_by_nothing() {
        for (done, total, millis) in [(0, 0, 0), (0, 1 << 30, 0), (0, 1 << 30, 2000), (1 << 29, 1 << 30, 2000)] {
            let line = progress_line("/x.iso", Progress { done, total }, Duration::from_millis(millis));
            assert!(line.contains('%'), "{line}");
        }
        let line = progress_line("/x.iso", Progress { done: 1 << 29, total: 1 << 30 }, Duration::from_secs(2));
        assert_eq!(line, "checking /x.iso: 50 % of 1024 MiB, 256 MiB/s, 2 s left");
    }

    #[test]
    fn checksum_files_are_looked_for_beside_the_image() {
        assert_eq!(sidecars("/boot/iso/x.iso"), ["/boot/iso/x.iso.b3", "/boot/iso/B3SUMS"]);
        assert_eq!(sidecars("x.iso"), ["x.iso.b3", "/B3SUMS"]);
    }
}
