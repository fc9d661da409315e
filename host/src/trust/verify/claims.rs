//! What there is to check a file by.
//!
//! Takes   a file, and what its store's manifest says of it.
//! Gives   its [`Claims`]: what speaks of it, and what that proves.
//! Fails   never: what cannot be understood, and speaks of the file, is a claim that does not hold.
//!
//! The lists that init reads (`NAME.b3`, `B3SUMS`) are read by init's own code, and a damaged line in them is a fault. Those
//! of distributors have headings and signatures between their lines, and count as far as they are understood.

use crate::trust::digest::Algorithm;
use crate::trust::implanted;
use crate::trust::lists;
use crate::trust::pass::Job;
use crate::trust::store::{self, limited};
use crate::trust::sums;
use crate::trust::verify::answer::Proof;
use anyhow::{Context, Result, bail};
use isolde::formats::b3sums;
use isolde::formats::manifest::Entry;
use isolde::formats::verity::{SUPER_BLOCK, SuperBlock, Tree, Wanted};
use isolde::formats::{ReadAt, read_exact_at};
use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Files beside an image that are looked at for being a list, at most.
const MOST_NAMES: usize = 10_000;

/// Something that speaks of the file.
pub struct Claim {
    /// What it is.
    pub by: String,
    /// Its digest's name.
    pub digest: &'static str,
    /// What it proves when it holds.
    pub proves: Proof,
    /// What it wants, or why that is not known.
    pub wants: Result<Want>,
}

/// What is wanted.
pub enum Want {
    /// A digest.
    Digest(Job, Vec<u8>),
    /// A hash tree, in this file.
    Tree(Box<Tree>, File),
}

/// All that speaks of a file.
#[derive(Default)]
pub struct Claims {
    /// Each of them has to hold.
    pub all: Vec<Claim>,
    /// What was seen and proves nothing.
    pub notes: Vec<String>,
}

/// A file that is checked.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// Its bytes.
    pub file: &'a File,
    /// How many.
    pub size: u64,
    /// Where it is; lists are looked for in its folder.
    pub path: &'a Path,
    /// What the manifest of its store has of it, and what that proves.
    pub sealed: Option<(&'a Entry, Proof)>,
}

impl Claims {
    /// Finds them.
    #[must_use]
    pub fn of(subject: Subject<'_>) -> Claims {
        let mut claims = Claims::default();
        if let Some((entry, proves)) = subject.sealed {
            claims.manifest(subject, entry, proves);
        }
        claims.tree(subject);
        if let Err(error) = claims.lists(subject) {
            claims.notes.push(format!("lists beside it were not looked for: {error:#}"));
        }
        claims.implanted(subject);
        claims
    }

    /// What an entry of a manifest wants, and nothing else.
    #[must_use]
    pub fn of_entry(subject: Subject<'_>, entry: &Entry) -> Claims {
        let mut claims = Claims::default();
        claims.manifest(subject, entry, Proof::SameBytes);
        claims
    }

    /// This BLAKE3, and nothing else.
    #[must_use]
    pub fn of_blake3(subject: Subject<'_>, by: String, digest: [u8; 32]) -> Claims {
        let mut claims = Claims::default();
        claims.listed(subject, &by, digest);
        claims
    }

    /// A list of BLAKE3 that stands elsewhere has it.
    pub fn listed(&mut self, subject: Subject<'_>, list: &str, digest: [u8; 32]) {
        let job = Job::whole(Algorithm::Blake3, subject.size);
        self.add(list.to_owned(), "blake3", Proof::SameBytes, Ok(Want::Digest(job, digest.to_vec())));
    }

    fn add(&mut self, by: String, digest: &'static str, proves: Proof, wants: Result<Want>) {
        self.all.push(Claim { by, digest, proves, wants });
    }

    fn manifest(&mut self, subject: Subject<'_>, entry: &Entry, proves: Proof) {
        let wants = match entry.size == subject.size {
            true => Ok(Want::Digest(Job::whole(Algorithm::Blake3, subject.size), entry.blake3.to_vec())),
            false => Err(anyhow::anyhow!("wanted {} bytes, seen {}", entry.size, subject.size)),
        };
        self.add("the manifest".to_owned(), "blake3", proves, wants);
        let Some(verity) = &entry.verity else { return };
        let open = || -> Result<Want> {
            let file = store::regular(&beside(subject.path, ".verity"))?.context("there is none")?;
            let wanted = Wanted { root: &verity.root, salt: &verity.salt, block: verity.block, size: entry.size };
            Ok(Want::Tree(Box::new(Tree::open(&file, wanted)?), file))
        };
        self.add("the manifest".to_owned(), "verity", proves, open().context("its hash tree"));
    }

    /// A tree that no manifest knows: it fits the file, or not.
    fn tree(&mut self, subject: Subject<'_>) {
        if self.all.iter().any(|claim| claim.digest == "verity") {
            return;
        }
        let path = beside(subject.path, ".verity");
        let file = match store::regular(&path) {
            Ok(Some(file)) => file,
            Ok(None) => return,
            Err(error) => return self.add(name(&path), "verity", Proof::SameBytes, Err(error)),
        };
        let open = || {
            let head = read_exact_at(&file, 0, SUPER_BLOCK)?.context("no super block fits into it")?;
            let tree = Tree::new(SuperBlock::parse(&head)?)?;
            if tree.head.data_blocks * u64::from(tree.head.data_block) != subject.size || file.size()? < tree.size {
                bail!("it is of {} blocks of {} bytes", tree.head.data_blocks, tree.head.data_block);
            }
            Ok(Want::Tree(Box::new(tree), file))
        };
        self.add(name(&path), "verity", Proof::SameBytes, open());
        self.notes.push("init does not use its hash tree: no manifest has its root hash".to_owned());
    }

    fn implanted(&mut self, subject: Subject<'_>) {
        match implanted::find(subject.file) {
            Ok(found) => {
                for one in found {
                    if one.is_signed {
                        self.notes.push(format!("the PGP signature of its {} tags is not checked", one.by));
                    }
                    let wants = Ok(Want::Digest(one.job.clone(), one.digest));
                    self.add(format!("the image, by {}", one.by), one.job.algorithm.name(), Proof::NoAccident, wants);
                }
            }
            Err(error) => self.add("the image".to_owned(), "implanted", Proof::NoAccident, Err(error)),
        }
    }

    /// The lists in the folder.
    fn lists(&mut self, subject: Subject<'_>) -> Result<()> {
        let own = subject.path.file_name().and_then(OsStr::to_str).context("its name is not in UTF-8")?;
        let folder = match subject.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let mut names = Vec::new();
        for entry in folder.read_dir()?.take(MOST_NAMES) {
            if let Some(name) = entry?.file_name().to_str() {
                names.push(name.to_owned());
            }
        }
        names.sort_unstable();
        for list in &names {
            let is_own = list.strip_prefix(own).is_some_and(|rest| rest.starts_with('.'));
            if *list == format!("{own}.b3") || list == "B3SUMS" {
                self.blake3(subject, &folder.join(list), own, is_own);
            } else if lists::is_of_a_folder(list) || lists::is_of(list, own) {
                self.vendor(subject, &folder.join(list), own, is_own, &names);
            }
        }
        Ok(())
    }

    /// A list that init reads.
    fn blake3(&mut self, subject: Subject<'_>, list: &Path, own: &str, is_own: bool) {
        let read = || {
            let text = limited(list, sums::MOST)?.unwrap_or_default();
            let found = b3sums::find(&b3sums::parse(&text)?, own)?;
            if found.is_none() && is_own {
                bail!("no line for {own:?}");
            }
            Ok(found)
        };
        let wants = match read() {
            Ok(None) => return,
            Ok(Some(digest)) => Ok(Want::Digest(Job::whole(Algorithm::Blake3, subject.size), digest.to_vec())),
            Err(error) => Err(error),
        };
        self.add(name(list), "blake3", Proof::SameBytes, wants);
    }

    /// A list of a distributor.
    fn vendor(&mut self, subject: Subject<'_>, path: &Path, own: &str, is_own: bool, names: &[String]) {
        let by = name(path);
        let text = match limited(path, sums::MOST) {
            Ok(text) => text.unwrap_or_default(),
            Err(error) => return self.notes.push(format!("{error:#}")),
        };
        let list = sums::parse(&text, lists::algorithm_of(&by));
        let entries = list.of(own, is_own);
        if entries.is_empty() {
            if is_own {
                self.notes.push(format!("{by} has no line for it that is understood"));
            }
            return;
        }
        for entry in entries {
            let proves = if entry.algorithm.is_strong() { Proof::SameBytes } else { Proof::NoAccident };
            let wants = Ok(Want::Digest(Job::whole(entry.algorithm, subject.size), entry.digest.clone()));
            self.add(by.clone(), entry.algorithm.name(), proves, wants);
        }
        match (list.is_signed, lists::signature(&by, names)) {
            (true, _) => {
                self.notes.push(format!("{by}: the PGP signature around it is not checked; gpg --verify does"))
            }
            (false, Some(other)) => {
                self.notes.push(format!("{other}: this signature is not checked; gpg --verify does"))
            }
            (false, None) => {}
        }
    }
}

pub fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
