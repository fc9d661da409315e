//! One file compared with all that speaks of it.
//!
//! A file is read once for BLAKE3 and its hash tree, and once for digests that need its bytes in order; when there is no
//! tree, all of them come from that one pass.

use super::answer::{Check, FileAnswer};
use super::claims::{Claim, Claims, Want};
use crate::trust::digest::{Algorithm, hex};
use crate::trust::measure::{Made, measure};
use crate::trust::meter::Task;
use crate::trust::pass::{Job, digests};
use anyhow::{Context, Result, bail};
use isolde::formats::ReadAt;
use isolde::formats::read_full;
use isolde::formats::verity::Tree;
use std::fs::File;

/// Bytes of a hash tree that are compared at once.
const STEP: usize = 64 << 10;

/// Compares it.
pub fn check(path: String, file: &File, claims: Claims, task: &mut Task<'_>) -> FileAnswer {
    let Claims { all, notes } = claims;
    match seen(file, &all, task) {
        Ok(seen) => {
            let checks = all.into_iter().map(|claim| judge(claim, &seen)).collect();
            FileAnswer { path, checks, notes, fault: None }
        }
        Err(error) => FileAnswer { path, checks: Vec::new(), notes, fault: Some(format!("{error:#}")) },
    }
}

/// What the file is.
struct Seen {
    digests: Vec<(Job, Vec<u8>)>,
    tree: Option<Made>,
}

fn seen(file: &File, claims: &[Claim], task: &mut Task<'_>) -> Result<Seen> {
    let size = ReadAt::size(file)?;
    let mut jobs: Vec<&Job> = Vec::new();
    let mut head = None;
    for claim in claims {
        match &claim.wants {
            Ok(Want::Digest(job, _)) if !jobs.contains(&job) => jobs.push(job),
            Ok(Want::Tree(tree, _)) => head = Some(tree.head.clone()),
            _ => {}
        }
    }
    let mut seen = Seen { digests: Vec::new(), tree: None };
    let whole = Job::whole(Algorithm::Blake3, size);
    let wants_blake3 = jobs.iter().any(|job| **job == whole);
    let mut before = 0;
    if head.is_some() || (wants_blake3 && jobs.len() == 1) {
        let measured = measure(file, head, &mut |progress| task.said(progress))?;
        jobs.retain(|job| **job != whole);
        seen.digests.push((whole, measured.blake3.to_vec()));
        seen.tree = measured.tree;
        before = size;
    }
    if !jobs.is_empty() {
        let jobs: Vec<Job> = jobs.into_iter().cloned().collect();
        let made = digests(file, &jobs, &mut |done, _| task.at(before + done))?;
        seen.digests.extend(jobs.into_iter().zip(made));
    }
    Ok(seen)
}

fn judge(claim: Claim, seen: &Seen) -> Check {
    let Claim { by, digest, proves, wants } = claim;
    let fault = wants.and_then(|want| compare(want, seen)).err().map(|error| format!("{error:#}"));
    Check { by, digest, proves, fault }
}

fn compare(want: Want, seen: &Seen) -> Result<()> {
    match want {
        Want::Digest(job, wanted) => {
            let (_, seen) = seen.digests.iter().find(|(other, _)| *other == job).context("it was not made")?;
            if *seen != wanted {
                bail!("wanted {}, seen {}", hex(&wanted), hex(seen));
            }
            Ok(())
        }
        Want::Tree(tree, file) => same_tree(&tree, &file, seen.tree.as_ref().context("it was not made")?),
    }
}

/// Whether a tree's file is the tree of these bytes. Its super block was checked when it was opened; what that has besides
/// means nothing.
fn same_tree(tree: &Tree, file: &File, made: &Made) -> Result<()> {
    let mut at = u64::from(tree.head.hash_block);
    let mut buffer = vec![0; STEP];
    for part in made.parts().skip(1).flat_map(|level| level.chunks(STEP)) {
        let there = buffer.get_mut(..part.len()).unwrap_or_default();
        read_full(file, there, at).context("its hash tree")?;
        if *there != *part {
            bail!("its hash tree is not the one of its bytes");
        }
        at += part.len() as u64;
    }
    Ok(())
}
