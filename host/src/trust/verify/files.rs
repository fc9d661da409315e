//! Which files are checked, and what the manifests of their stores are worth.
//!
//! Of a store these are all files that init may use, all files of its manifest, and all that its lists of BLAKE3 name.

use super::answer::{FileAnswer, Proof, StoreAnswer};
use super::check::check;
use super::claims::{Claims, Subject};
use crate::trust::meter::Meter;
use crate::trust::pool::LARGE;
use crate::trust::store::{self, Sealed, limited};
use crate::trust::sums;
use crate::trust::used::{self, Kind};
use anyhow::{Context, Result, bail};
use isolde::formats::b3sums;
use isolde::formats::manifest::path as rules;
use isolde::formats::minisig::PublicKey;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A file that is checked.
#[derive(Debug)]
pub struct Candidate {
    /// As the answer has it.
    shown: String,
    /// Where it is.
    path: PathBuf,
    /// Its store, and its path there.
    home: Option<(usize, String)>,
    size: u64,
    /// What lists of BLAKE3 in other folders have of it.
    listed: Vec<Listed>,
    /// What is wrong before it is read.
    fault: Option<String>,
}

/// A list, and the digest that it has of a file.
type Listed = (String, [u8; 32]);

impl Candidate {
    /// Whether it keeps all processors busy by itself.
    pub fn is_large(&self) -> bool {
        self.size >= LARGE
    }
}

/// What was found.
#[derive(Debug)]
pub struct Found {
    keys: Option<Vec<PublicKey>>,
    least: u64,
    /// Root, and manifest.
    sealed: Vec<(PathBuf, Sealed)>,
    pub files: Vec<Candidate>,
}

impl Found {
    pub fn new(keys: Option<Vec<PublicKey>>, least: u64) -> Found {
        Found { keys, least, sealed: Vec::new(), files: Vec::new() }
    }

    /// Bytes that will be read, if each file is read once.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }

    pub fn stores(&self) -> Vec<StoreAnswer> {
        let answer = |(root, sealed): &(PathBuf, Sealed)| StoreAnswer {
            store: root.display().to_string(),
            serial: sealed.manifest.as_ref().map(|manifest| manifest.serial),
            signed_by: sealed.signed_by.clone(),
            fault: sealed.fault.clone(),
        };
        self.sealed.iter().map(answer).collect()
    }

    /// Adds a store.
    ///
    /// # Errors
    /// When its directories cannot be read.
    pub fn store(&mut self, root: &Path) -> Result<()> {
        let number = self.sealed(root);
        let mut paths = used::files(root, Kind::Used)?;
        let (_, sealed) = self.sealed.get(number).ok_or_else(|| anyhow::anyhow!("no such store"))?;
        let entries = sealed.manifest.iter().flat_map(|manifest| &manifest.files);
        paths.extend(entries.map(|entry| entry.path.clone()));
        let mut faults = Vec::new();
        let mut listed: BTreeMap<String, Vec<Listed>> = BTreeMap::new();
        for list in used::files(root, Kind::Lists)? {
            match named(root, &list) {
                Ok(named) => {
                    for (path, digest) in named {
                        paths.insert(path.clone());
                        // Those of its own folder are found with the file.
                        if folder(&path) != folder(&list) {
                            listed.entry(path).or_default().push((list.clone(), digest));
                        }
                    }
                }
                Err(error) => faults.push((list, format!("{error:#}"))),
            }
        }
        for path in paths {
            let at = root.join(&path);
            let size = at.symlink_metadata().map_or(0, |meta| meta.len());
            let home = Some((number, path.clone()));
            let listed = listed.remove(&path).unwrap_or_default();
            self.files.push(Candidate { shown: path, path: at, home, size, listed, fault: None });
        }
        for (list, fault) in faults {
            let path = root.join(&list);
            self.files.push(Candidate {
                shown: list,
                path,
                home: None,
                size: 0,
                listed: Vec::new(),
                fault: Some(fault),
            });
        }
        Ok(())
    }

    /// Adds a file, with the store that it is on.
    ///
    /// # Errors
    /// When it is not there.
    pub fn file(&mut self, path: &Path) -> Result<()> {
        let meta = path.metadata()?;
        if !meta.is_file() {
            bail!("{}: wanted a file, or the directory of a store, seen something else", path.display());
        }
        let (shown, size, listed) = (path.display().to_string(), meta.len(), Vec::new());
        let candidate = match store::home(path)? {
            Some((root, on_it)) => {
                let home = Some((self.sealed(&root), on_it.clone()));
                Candidate { shown, path: root.join(on_it), home, size, listed, fault: None }
            }
            None => {
                let fault = self.keys.is_some().then(|| "wanted a signed manifest above it, seen none".to_owned());
                Candidate { shown, path: path.to_owned(), home: None, size, listed, fault }
            }
        };
        self.files.push(candidate);
        Ok(())
    }

    /// The number of a store, whose manifest is read once.
    fn sealed(&mut self, root: &Path) -> usize {
        if let Some(number) = self.sealed.iter().position(|(seen, _)| seen == root) {
            return number;
        }
        self.sealed.push((root.to_owned(), Sealed::open(root, self.keys.as_deref(), self.least)));
        self.sealed.len() - 1
    }

    /// Checks one of the files.
    pub fn check(&self, candidate: &Candidate, meter: &Meter) -> FileAnswer {
        let shown = candidate.shown.clone();
        let bad = |fault| FileAnswer { path: shown.clone(), checks: Vec::new(), notes: Vec::new(), fault: Some(fault) };
        if let Some(fault) = &candidate.fault {
            return bad(fault.clone());
        }
        let home = candidate.home.as_ref();
        let store = home.and_then(|(number, path)| Some((self.sealed.get(*number)?, path)));
        let opened = match &store {
            Some(((root, _), path)) => store::open(root, path),
            None => store::regular(&candidate.path).and_then(|file| file.context("there is no such file")),
        };
        let opened = opened.and_then(|file| Ok((file.metadata()?.len(), file)));
        let (size, file) = match opened {
            Ok(opened) => opened,
            Err(error) => return bad(format!("{error:#}")),
        };
        let mut notes = Vec::new();
        let sealed = store.and_then(|((_, sealed), path)| {
            let proves = if sealed.signed_by.is_some() { Proof::Origin } else { Proof::SameBytes };
            let manifest = sealed.manifest.as_ref()?;
            let entry = manifest.find(path);
            if entry.is_none() {
                notes.push("the manifest does not have it".to_owned());
            }
            Some((entry?, proves))
        });
        let subject = Subject { file: &file, size, path: &candidate.path, sealed };
        let mut claims = Claims::of(subject);
        candidate.listed.iter().for_each(|(list, digest)| claims.listed(subject, list, *digest));
        claims.notes.extend(notes);
        check(shown, &file, claims, &mut meter.task())
    }
}

/// The files that a list of BLAKE3 names, as paths on the store. A name that leads out of it is refused; one that is not
/// there is named all the same, and found missing.
fn named(root: &Path, list: &str) -> Result<Vec<(String, [u8; 32])>> {
    let text = limited(&root.join(list), sums::MOST)?.unwrap_or_default();
    let folder = folder(list);
    let mut paths = Vec::new();
    for entry in b3sums::parse(&text)? {
        let name = match entry.name.as_str() {
            // One digest without a name: of the file that the list stands beside.
            "" => list.rsplit('/').next().and_then(|name| name.strip_suffix(".b3")).unwrap_or_default(),
            name => name.strip_prefix("./").unwrap_or(name),
        };
        let here = [folder, name].join("/");
        let other = [folder, name.rsplit('/').next().unwrap_or_default()].join("/");
        let is_there = |path: &str| rules::check(path).is_ok() && root.join(path).symlink_metadata().is_ok();
        // A list that was made elsewhere has other folders; init goes by the name then.
        let path = if !is_there(&here) && is_there(&other) { other } else { here };
        rules::check(&path).map_err(|fault| anyhow::anyhow!("{:?}: {fault}", entry.name))?;
        paths.push((path, entry.digest));
    }
    Ok(paths)
}

fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}
