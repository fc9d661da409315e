//! The fate of each file that init may use.

use super::answer::{Fate, File, StoreFiles};
use crate::trust::meter::Meter;
use crate::trust::pool::{self, LARGE};
use crate::trust::store;
use crate::trust::used::{self, Kind};
use crate::trust::verify::check::check;
use crate::trust::verify::claims::{Claims, Subject, Want, beside};
use anyhow::Result;
use isolde::error::Cause;
use isolde::formats::manifest::Entry;
use isolde::formats::superblock::probe;
use isolde::params::Extras;
use isolde::source::ImageSpec;
use isolde::stages::plan::Plan;
use isolde::stages::verify::ledger::Ledger;
use isolde::stages::verify::lists;
use isolde::stages::verify::wanted::Wanted;
use std::fs;
use std::io::{self, Read};
use std::path::Path;

/// What a store is asked with.
struct Question<'a> {
    root: &'a Path,
    ledger: &'a Ledger,
    plan: Option<&'a Plan>,
    is_quick: bool,
}

/// A file, and what it is to init.
struct Candidate {
    path: String,
    kind: &'static str,
    size: u64,
}

/// Finds them, and compares each as init would.
pub(super) fn of(root: &Path, ledger: &Ledger, plan: Option<&Plan>, is_quick: bool) -> Result<StoreFiles> {
    let question = Question { root, ledger, plan, is_quick };
    let candidates = question.candidates()?;
    let meter = Meter::new("checking", candidates.iter().map(|file| file.size).sum());
    let answers = pool::map(&candidates, |file| file.size >= LARGE, |file| question.fate(file, &meter));
    let mut all = StoreFiles::default();
    for (file, notes) in answers {
        all.files.push(file);
        all.notes.extend(notes);
    }
    Ok(all)
}

impl Question<'_> {
    fn candidates(&self) -> Result<Vec<Candidate>> {
        let mut paths = used::files(self.root, Kind::Used)?;
        if let Some(path) = self.booted() {
            paths.insert(path.to_owned());
        }
        let candidate = |path: String| {
            let kind = self.kind(&path)?;
            let size = self.root.join(&path).symlink_metadata().map_or(0, |meta| meta.len());
            Some(Candidate { path, kind, size })
        };
        Ok(paths.into_iter().filter_map(candidate).collect())
    }

    /// The image that the command line names, without a slash before it.
    fn booted(&self) -> Option<&str> {
        match &self.plan?.image {
            ImageSpec::File(path) => Some(path.trim_start_matches('/')),
            ImageSpec::Medium => None,
        }
    }

    /// What init uses a file as; none when it does not, or the command line says that it shall not.
    fn kind(&self, path: &str) -> Option<&'static str> {
        let wants = |extras: fn(&Plan) -> Extras| self.plan.is_none_or(|plan| extras(plan) == Extras::Use);
        let extension = path.strip_prefix("boot/extensions/").filter(|rest| rest.ends_with(".ExtensionImage"));
        let is_found =
            |rest: &str| rest.strip_prefix(&format!("{}/", std::env::consts::ARCH)).unwrap_or(rest).find('/').is_none();
        match path {
            "boot/customize/init" => wants(|plan| plan.customize).then_some("script"),
            "boot/isolde.toml" => Some("settings"),
            _ if extension.is_some_and(is_found) => wants(|plan| plan.extensions).then_some("extension"),
            _ if self.booted() == Some(path) => Some("image"),
            _ if path.starts_with("boot/iso/") => self.is_image(path).then_some("image"),
            _ => None,
        }
    }

    /// A file that cannot be read is taken for one: why it cannot is then said.
    fn is_image(&self, path: &str) -> bool {
        store::open(self.root, path).map_or(true, |file| probe(&file).is_ok_and(|found| found.is_some()))
    }

    fn fate(&self, candidate: &Candidate, meter: &Meter) -> (File, Vec<String>) {
        let mut notes = Vec::new();
        let judged = self.judge(candidate, meter, &mut notes);
        let other = if candidate.kind == "image" { Fate::Refused } else { Fate::LeftOut };
        let (fate, why) = match judged {
            Ok(why) => (Fate::Accepted, why),
            Err(error) => (other, format!("{error:#}")),
        };
        (File { path: candidate.path.clone(), kind: candidate.kind, fate, why }, notes)
    }

    /// What accepts it.
    fn judge(&self, candidate: &Candidate, meter: &Meter, notes: &mut Vec<String>) -> Result<String> {
        let path = format!("/{}", candidate.path);
        let file = store::open(self.root, &candidate.path)?;
        let named = self.plan.and_then(|plan| plan.digest).filter(|_| self.booted() == Some(&candidate.path));
        let read = |list: &str| read_list(self.root, list);
        let wanted = match candidate.kind {
            "image" => Wanted::of_image(self.ledger, &path, named, &read),
            _ => Wanted::of(self.ledger, &path, &read),
        };
        let at = self.root.join(&candidate.path);
        let subject = Subject { file: &file, size: file.metadata()?.len(), path: &at, sealed: None };
        let (by, mut claims) = match wanted.map_err(|cause| anyhow::anyhow!("{cause}"))? {
            Wanted::Nothing(why) => return Ok(format!("nothing is checked: {why}")),
            Wanted::Digest(digest, source) => {
                (format!("BLAKE3 as {source} says"), Claims::of_blake3(subject, source, digest))
            }
            Wanted::Entry(entry) => self.entry(candidate, subject, &entry, notes),
        };
        if self.is_quick {
            // What is known without the contents: sizes, and whether a tree is the one that is meant.
            claims.all.retain(|claim| !matches!(claim.wants, Ok(Want::Digest(..) | Want::Tree(..))));
        }
        let answer = check(path, &file, claims, &mut meter.task());
        match answer.faults().next() {
            Some(fault) => Err(anyhow::anyhow!("{fault}")),
            None if self.is_quick => Ok(format!("{by}; its contents are not compared here")),
            None => Ok(by),
        }
    }

    /// An image with a hash tree is checked by it, block by block; anything else as a whole.
    fn entry(
        &self,
        candidate: &Candidate,
        subject: Subject<'_>,
        entry: &Entry,
        notes: &mut Vec<String>,
    ) -> (String, Claims) {
        let manifest = match self.ledger.signed_by() {
            Some(key) => format!("the manifest, signed by key {key}"),
            None => "the manifest, which proves no origin".to_owned(),
        };
        let has_tree = candidate.kind == "image" && entry.verity.is_some();
        let is_there = beside(subject.path, ".verity").symlink_metadata().is_ok();
        if has_tree && !is_there {
            notes.push(format!("{} has no hash tree beside it: the whole image is checked at boot", candidate.path));
        }
        match has_tree && is_there {
            true => (format!("the hash tree of {manifest}"), Claims::of_entry(subject, entry)),
            false => {
                let whole = Entry { verity: None, ..entry.clone() };
                (format!("BLAKE3 of {manifest}"), Claims::of_entry(subject, &whole))
            }
        }
    }
}

/// A list of checksums on the store, as init reads it.
fn read_list(root: &Path, list: &str) -> std::result::Result<Option<Vec<u8>>, Cause> {
    let at = root.join(list.trim_start_matches('/'));
    match fs::metadata(&at) {
        Ok(meta) if meta.is_file() => {}
        Ok(_) => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    let mut text = Vec::new();
    let read = fs::File::open(&at).and_then(|file| file.take(lists::LARGEST + 1).read_to_end(&mut text));
    match read {
        Ok(count) if count as u64 > lists::LARGEST => {
            Err(lists::bad(list, format!("more than {} bytes", lists::LARGEST)))
        }
        Ok(_) => Ok(Some(text)),
        Err(error) => Err(lists::bad(list, error.to_string())),
    }
}
