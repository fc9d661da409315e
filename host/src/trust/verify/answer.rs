//! What `isolde verify` answers, as text and as JSON.

use serde::Serialize;
use std::fmt;
use std::process::ExitCode;

/// The status when something is not what it was meant to be.
const BAD: u8 = 1;
/// The status when nothing is bad, and there is a file that nothing speaks of.
const UNCHECKED: u8 = 3;

/// The answer.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Answer {
    /// The manifests that were asked, one for each store.
    pub stores: Vec<StoreAnswer>,
    /// The files.
    pub files: Vec<FileAnswer>,
}

/// What a manifest is worth.
#[derive(Clone, Debug, Serialize)]
pub struct StoreAnswer {
    /// The store's directory.
    pub store: String,
    /// The manifest's serial number; none without a manifest.
    pub serial: Option<u64>,
    /// The id of the key that signed it; none when no keys were given, and when the signature does not hold.
    pub signed_by: Option<String>,
    /// What is wrong with the manifest as a whole.
    pub fault: Option<String>,
}

/// What became of a file.
#[derive(Clone, Debug, Serialize)]
pub struct FileAnswer {
    /// As it was given, or on its store.
    pub path: String,
    /// What it was compared with.
    pub checks: Vec<Check>,
    /// What was seen and proves nothing.
    pub notes: Vec<String>,
    /// Why it could not be compared at all.
    pub fault: Option<String>,
}

/// One comparison.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// What speaks of the file.
    pub by: String,
    /// The digest: `blake3`, `sha256`, …; `verity` for a hash tree.
    pub digest: &'static str,
    /// What it proves when it holds.
    pub proves: Proof,
    /// Why it does not hold.
    pub fault: Option<String>,
}

/// What a comparison proves when it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// The owner of a key that was given meant these bytes.
    Origin,
    /// These are the bytes that somebody wrote down; who that was is not proved.
    SameBytes,
    /// Nothing happened to them by accident; whoever wants to can make others that pass.
    NoAccident,
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Proof::Origin => "proves origin",
            Proof::SameBytes => "same bytes, proves no origin",
            Proof::NoAccident => "no accident, proves no origin and can be forged",
        })
    }
}

impl FileAnswer {
    /// Whether something is otherwise than it was meant.
    #[must_use]
    pub fn is_bad(&self) -> bool {
        self.fault.is_some() || self.checks.iter().any(|check| check.fault.is_some())
    }

    /// All faults, with what found them.
    pub fn faults(&self) -> impl Iterator<Item = &str> {
        self.fault.iter().chain(self.checks.iter().filter_map(|check| check.fault.as_ref())).map(String::as_str)
    }
}

impl Answer {
    /// Whether everything is as it was meant, and there is nothing that nobody speaks of.
    #[must_use]
    pub fn is_good(&self) -> bool {
        !self.is_bad() && !self.is_unchecked()
    }

    fn is_bad(&self) -> bool {
        self.stores.iter().any(|store| store.fault.is_some()) || self.files.iter().any(FileAnswer::is_bad)
    }

    /// Whether there is a file that nothing speaks of, or nothing at all.
    fn is_unchecked(&self) -> bool {
        self.files.is_empty() || self.files.iter().any(|file| file.fault.is_none() && file.checks.is_empty())
    }

    /// The program's status.
    #[must_use]
    pub fn status(&self) -> ExitCode {
        match (self.is_bad(), self.is_unchecked()) {
            (true, _) => BAD.into(),
            (false, true) => UNCHECKED.into(),
            (false, false) => ExitCode::SUCCESS,
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for store in &self.stores {
            let serial = store.serial.map_or("no manifest".to_owned(), |serial| format!("manifest {serial}"));
            let key = store.signed_by.as_ref().map(|key| format!(", signed by key {key}")).unwrap_or_default();
            let fault = store.fault.as_ref().map(|fault| format!(": {fault}")).unwrap_or_default();
            writeln!(f, "{}: {serial}{key}{fault}", store.store.escape_debug())?;
        }
        for file in &self.files {
            let verdict = match (&file.fault, file.is_bad(), file.checks.is_empty()) {
                (Some(fault), ..) => fault.as_str(),
                (None, true, _) => "not what it was meant to be",
                (None, false, true) => "nothing to check it by",
                (None, false, false) => "good",
            };
            writeln!(f, "{}: {verdict}", file.path.escape_debug())?;
            for check in &file.checks {
                let text = check.fault.clone().unwrap_or_else(|| check.proves.to_string());
                writeln!(f, "  {} of {}: {text}", check.digest, check.by.escape_debug())?;
            }
            for note in &file.notes {
                writeln!(f, "  note: {note}")?;
            }
        }
        Ok(())
    }
}
