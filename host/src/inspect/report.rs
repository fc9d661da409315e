//! The answer: one value, as JSON and as text.

use super::checks::{Check, Covers};
use super::layers::Layer;
use isolde::families::Family;
use isolde::formats::superblock::Superblock;
use serde::Serialize;
use std::fmt;

/// What an image is, and how it would boot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The file, as it was named.
    pub image: String,
    /// Its length.
    pub bytes: u64,
    /// Its file system, as blkid(8) calls it.
    pub format: &'static str,
    /// Where the names in it come from.
    pub names: Option<&'static str>,
    /// Its label.
    pub volume_id: Option<String>,
    /// Its identifier.
    pub uuid: Option<String>,
    /// Whether it can be booted.
    pub verdict: Verdict,
    /// The family of live systems that it belongs to.
    pub family: Option<&'static str>,
    /// How it is taken over.
    pub way: Option<&'static str>,
    /// The processor of its kernel, as uname(1) calls it.
    pub architecture: Option<&'static str>,
    /// The kernel's path in the image.
    pub kernel: Option<String>,
    /// What `uname -r` will say.
    pub kernel_version: Option<String>,
    /// The paths of the initrd's files.
    pub initrd: Vec<String>,
    /// The layers of its root, lowest first.
    pub layers: Vec<Layer>,
    /// What it can be checked with.
    pub checks: Vec<Check>,
    /// The entry of its own menu.
    pub menu: Option<Menu>,
    /// The entry for the menu of a store.
    pub grub: Option<String>,
    /// What would stop the boot: layers that are not there, cut short, or of no known file system.
    pub stops: Vec<String>,
    /// What else is to be known.
    pub notes: Vec<String>,
}

/// Whether an image can be booted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is a live system, or a root.
    Live,
    /// It is something else.
    NotLive {
        /// What, with an article.
        what: String,
        /// What can be done with it.
        advice: String,
    },
    /// Nobody knows it.
    Unknown {
        /// The first names at its top.
        seen: Vec<String>,
    },
}

/// The entry of an image's own menu.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Menu {
    /// The config file; `None` when names that distributions use were found without one.
    pub from: Option<String>,
    /// What it shows.
    pub title: Option<String>,
    /// The kernel command line, with what Isolde needs.
    pub words: String,
    /// Words that are not passed on, and why.
    pub left_out: Vec<String>,
}

impl Report {
    /// An answer that knows the image's superblock.
    pub(super) fn new(image: &str, bytes: u64, superblock: &Superblock) -> Report {
        Report {
            image: image.to_owned(),
            bytes,
            format: superblock.format.name(),
            names: None,
            volume_id: superblock.label.clone(),
            uuid: superblock.uuid.clone(),
            verdict: Verdict::Unknown { seen: Vec::new() },
            family: None,
            way: None,
            architecture: None,
            kernel: None,
            kernel_version: None,
            initrd: Vec::new(),
            layers: Vec::new(),
            checks: Vec::new(),
            menu: None,
            grub: None,
            stops: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Whether it boots, as far as can be seen.
    #[must_use]
    pub fn boots(&self) -> bool {
        self.verdict == Verdict::Live && self.stops.is_empty()
    }

    pub(super) fn is_of(&mut self, family: &Family) {
        self.family = Some(family.name);
        self.way = Some(family.way.text());
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", visible(&self.image))?;
        let mut line = |key: &str, value: &str| match value {
            "" => Ok(()),
            value => writeln!(f, "  {key:<14} {}", visible(value)),
        };
        let join =
            |one: Option<&str>, other: Option<&str>| [one, other].into_iter().flatten().collect::<Vec<_>>().join(", ");
        match &self.verdict {
            Verdict::Live => line("family", &join(self.family, self.way))?,
            Verdict::NotLive { what, advice } => line("family", &format!("none: it is {what}; {advice}"))?,
            Verdict::Unknown { seen } => {
                line("family", &format!("none: no known live system; at its top: {}", seen.join(", ")))?;
            }
        }
        line("format", &join(Some(&join(Some(self.format), self.names)), Some(&size(self.bytes))))?;
        line("volume id", self.volume_id.as_deref().unwrap_or_default())?;
        line("uuid", self.uuid.as_deref().unwrap_or_default())?;
        line("architecture", self.architecture.unwrap_or_default())?;
        line("kernel", &join(self.kernel.as_deref(), self.kernel_version.as_deref()))?;
        self.initrd.iter().try_for_each(|path| line("initrd", path))?;
        for layer in &self.layers {
            line("layer", &layer_text(layer))?;
        }
        self.checks.iter().try_for_each(|check| line("checked", &check_text(check)))?;
        if let Some(menu) = &self.menu {
            line("menu", &join(menu.from.as_deref(), menu.title.as_deref()))?;
            line("words", &menu.words)?;
            menu.left_out.iter().try_for_each(|word| line("left out", word))?;
        }
        self.stops.iter().try_for_each(|stop| line("will not boot", stop))?;
        self.notes.iter().try_for_each(|note| line("note", note))?;
        match &self.grub {
            Some(text) => write!(f, "\n{text}"),
            None => Ok(()),
        }
    }
}

fn layer_text(layer: &Layer) -> String {
    let mut text = format!("{}, {}, {}", layer.file, layer.format.unwrap_or("unknown"), size(layer.bytes));
    if let Some(nested) = &layer.nested {
        text += &format!("; in it {}, {}", nested.file, nested.format.unwrap_or("unknown"));
    }
    text
}

fn check_text(check: &Check) -> String {
    let what = match &check.covers {
        Covers::Image => "the whole image".to_owned(),
        Covers::File(file) => file.clone(),
        Covers::Files { count, without } => {
            let files = if *count == 1 { "1 file".to_owned() } else { format!("{count} files") };
            if without.is_empty() { files } else { format!("{files}, but not {}", without.join(", ")) }
        }
    };
    format!("{} of {what}, in {}", check.by, check.place)
}

fn size(bytes: u64) -> String {
    match bytes {
        0..=1_048_575 => format!("{bytes} bytes"),
        _ => format!("{} MiB", bytes >> 20),
    }
}

/// A text without anything that would steer a terminal: names and titles come from the image.
fn visible(text: &str) -> String {
    // Zero-width and bidirectional marks count as well: they are neither graphic nor white space to Unicode.
    let hidden = |letter: char| {
        letter.is_control()
            || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    text.chars()
        .flat_map(|letter| match hidden(letter) {
            true => letter.escape_unicode().collect::<Vec<_>>(),
            false => vec![letter],
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_steers_the_terminal() {
        assert_eq!(visible("a\u{1b}[2J\nb\u{202e}c é"), "a\\u{1b}[2J\\u{a}b\\u{202e}c é");
    }
}
