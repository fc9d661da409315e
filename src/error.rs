//! What can go wrong, as values: the stage, what it was doing, and the cause with its data.
//!
//! Text is made in one place, the `Display` of [`Cause`]; tests match on the data. A message says what was wanted and
//! what was seen; what the reader can do about it is separate, in [`Cause::hint`].

mod cause;

pub use cause::Cause;

use std::{fmt, io};

/// One step of the boot. The order here is the order of the boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Mounts /proc, /sys, /dev and /run and opens the log.
    Early,
    /// Reads the kernel command line as it was typed.
    Cmdline,
    /// Turns it into what will be done: defaults, conflicts, policy.
    Plan,
    /// Loads kernel modules for what is plugged in.
    Drivers,
    /// Finds and mounts the file system that holds the image files.
    Store,
    /// Copies what is used of the store to memory, where that is wanted.
    Ram,
    /// Opens the image and recognises its format.
    Image,
    /// Checks the image against its checksum.
    Verify,
    /// Mounts the medium and recognises its family.
    Family,
    /// Hands over to the distribution's own init, instead of the stages that follow.
    Delegate,
    /// Mounts the layers.
    Layers,
    /// Finds what earlier sessions saved.
    Persist,
    /// Assembles the root file system from the layers and an upper.
    Root,
    /// Mounts the extensions and links them into the root.
    Extensions,
    /// Mounts the persistent home.
    Home,
    /// Does in the root what the family's own initrd would do.
    Identity,
    /// Runs the extensions' programs and the user's script in the root.
    Customize,
    /// Leaves the initramfs and executes the real init.
    Handoff,
    /// Takes everything apart when the system stops.
    Exit,
}

impl Stage {
    /// The stage's word, the same in log, report, documents and file names.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Early => "early",
            Stage::Cmdline => "cmdline",
            Stage::Plan => "plan",
            Stage::Drivers => "drivers",
            Stage::Store => "store",
            Stage::Ram => "ram",
            Stage::Image => "image",
            Stage::Verify => "verify",
            Stage::Family => "family",
            Stage::Delegate => "delegate",
            Stage::Layers => "layers",
            Stage::Persist => "persist",
            Stage::Root => "root",
            Stage::Extensions => "extensions",
            Stage::Home => "home",
            Stage::Identity => "identity",
            Stage::Customize => "customize",
            Stage::Handoff => "handoff",
            Stage::Exit => "exit",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A failed boot step, as one pointer: it is moved through every result of every function, and rarely there.
pub type Error = Box<Failure>;

/// What failed. Printed as `stage: doing: cause`.
#[derive(Debug)]
pub struct Failure {
    /// Where in the boot.
    pub stage: Stage,
    /// What was being done, as a phrase with its object: `mount -t ext4 /dev/sda1 /run/isolde/store`.
    pub doing: String,
    /// Why it failed.
    pub cause: Cause,
}

/// The result of a boot step.
pub type Result<T> = std::result::Result<T, Error>;

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.stage, self.doing, self.cause)
    }
}

impl std::error::Error for Failure {}

/// An errno by its plain name, without the number that Rust's own text appends.
pub(crate) struct OsText<'a>(pub &'a io::Error);

impl fmt::Display for OsText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        let plain = text.split_once(" (os error").map_or(text.as_str(), |(plain, _)| plain);
        let mut letters = plain.chars();
        match letters.next() {
            Some(first) => write!(f, "{}{}", first.to_lowercase(), letters.as_str()),
            None => f.write_str("unknown error"),
        }
    }
}

/// A list for people: at most twelve entries, and a word for none.
pub(crate) struct List<'a>(pub &'a [String], pub &'a str);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST: usize = 12;
        if self.0.is_empty() {
            return f.write_str(self.1);
        }
        f.write_str(&self.0.iter().take(MOST).map(String::as_str).collect::<Vec<_>>().join(", "))?;
        match self.0.len().checked_sub(MOST) {
            Some(more) if more > 0 => write!(f, " and {more} more"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_stage_object_cause_and_what_was_seen() {
        let error = Failure {
            stage: Stage::Store,
            doing: "find the store".into(),
            cause: Cause::NoStore {
                wanted: "file system labelled \"LIVE\"".into(),
                seen: vec!["/dev/sda1 vfat \"EFI\"".into(), "/dev/sr0 iso9660 \"OTHER\"".into()],
                waited: 30,
            },
        };
        assert_eq!(
            error.to_string(),
            "store: find the store: no file system labelled \"LIVE\" after 30 s; \
             saw /dev/sda1 vfat \"EFI\", /dev/sr0 iso9660 \"OTHER\""
        );
    }

    #[test]
    fn an_errno_is_plain_lower_case_text() {
        assert_eq!(Cause::Os(io::Error::from_raw_os_error(2)).to_string(), "no such file or directory");
    }

    #[test]
    fn a_long_list_is_cut_and_says_so() {
        let many: Vec<String> = (0..20).map(|n| n.to_string()).collect();
        assert!(List(&many, "none").to_string().ends_with("11 and 8 more"));
        assert_eq!(List(&[], "none").to_string(), "none");
    }
}
