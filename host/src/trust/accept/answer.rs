//! What `isolde trust` answers, as text and as JSON.

use isolde::params::Policy;
use serde::Serialize;
use std::fmt;

/// The answer.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Answer {
    /// The policy that holds.
    pub policy: &'static str,
    /// Who asked for which policy; the strictest holds.
    pub asked: Vec<Asked>,
    /// The keys of the initrd.
    pub keys: Vec<Key>,
    /// The words of the initrd.
    pub words: Option<String>,
    /// The serial number of the oldest manifest that is accepted.
    #[serde(rename = "manifest_min")]
    pub least: u64,
    /// The manifest that init would use.
    pub manifest: Option<Manifest>,
    /// Why init would not boot anything from the store.
    pub fault: Option<String>,
    /// The files that it would use.
    pub files: Vec<File>,
    /// What else follows.
    pub notes: Vec<String>,
}

/// A wish for a policy.
#[derive(Clone, Debug, Serialize)]
pub struct Asked {
    /// Whose.
    pub by: &'static str,
    /// Which.
    pub policy: &'static str,
}

/// A key of the initrd.
#[derive(Clone, Debug, Serialize)]
pub struct Key {
    /// Its file in the initrd.
    pub file: String,
    /// Its id, as minisign shows it.
    pub id: String,
}

/// A manifest that init would use.
#[derive(Clone, Debug, Serialize)]
pub struct Manifest {
    /// Its serial number.
    pub serial: u64,
    /// The key of the initrd that signed it.
    pub signed_by: Option<String>,
}

/// A file of the store.
#[derive(Clone, Debug, Serialize)]
pub struct File {
    /// On the store.
    pub path: String,
    /// `image`, `extension`, `script` or `settings`.
    pub kind: &'static str,
    /// What becomes of it.
    pub fate: Fate,
    /// What it is accepted by, or why it is not.
    pub why: String,
}

/// What becomes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// init uses it.
    Accepted,
    /// The boot goes on without it.
    LeftOut,
    /// The boot stops.
    Refused,
}

/// The files of a store, and what else is to be said.
#[derive(Debug, Default)]
pub(super) struct StoreFiles {
    pub(super) files: Vec<File>,
    pub(super) notes: Vec<String>,
}

impl Answer {
    pub(super) fn asks(&mut self, by: &'static str, policy: Option<Policy>) {
        self.asked.extend(policy.map(|policy| Asked { by, policy: policy.word() }));
    }

    /// Whether init would accept all of it.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.fault.is_none() && self.files.iter().all(|file| file.fate == Fate::Accepted)
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fate::Accepted => "accepted",
            Fate::LeftOut => "left out",
            Fate::Refused => "refused",
        })
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let asked: Vec<String> =
            self.asked.iter().map(|asked| format!("{} asks for {}", asked.by, asked.policy)).collect();
        let asked = if asked.is_empty() { "nobody asks for one".to_owned() } else { asked.join(", ") };
        writeln!(f, "policy     {}; {asked}", self.policy)?;
        for Key { file, id } in &self.keys {
            writeln!(f, "key        {id}, {}", file.escape_debug())?;
        }
        if self.keys.is_empty() {
            writeln!(f, "key        none")?;
        }
        if let Some(words) = &self.words {
            writeln!(f, "words      {}", words.escape_debug())?;
        }
        if self.least > 0 {
            writeln!(f, "serial     {} or a later one", self.least)?;
        }
        if let Some(Manifest { serial, signed_by }) = &self.manifest {
            let by = signed_by
                .as_ref()
                .map_or("not signed by a key of the initrd".to_owned(), |key| format!("signed by key {key}"));
            writeln!(f, "manifest   {serial}, {by}")?;
        }
        if let Some(fault) = &self.fault {
            writeln!(f, "refused    {}", fault.escape_debug())?;
        }
        for file in &self.files {
            writeln!(
                f,
                "{:<10} {} {}: {}",
                file.fate.to_string(),
                file.kind,
                file.path.escape_debug(),
                file.why.escape_debug()
            )?;
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "note       {}", note.escape_debug()))
    }
}
