//! A place in the archive that is safe to use in front of any stock initrd.
//!
//! Takes   text such as `/etc/isolde/keys/me.pub`.
//! Gives   [`Destination`]; only [`Destination::parse`] and, for a first and only initrd, [`Destination::alone`] make one,
//!         so the archive cannot hold another path.
//! Fails   when the path is not plain, is a name the archive format keeps for itself, or would replace a symbolic link of
//!         the stock initrd: the kernel replaces a link by a directory of the same name, and with `/lib` gone no tool of
//!         the stock initrd runs any more.

use std::fmt;
use std::str::FromStr;

/// Paths that are symbolic links in some stock initrd: the usrmerge links of all of them, the merged `/usr/sbin` of
/// Fedora 42 and Arch, and the links of dracut into `/run`.
const LINKS_OF_STOCK_INITRDS: [&str; 13] = [
    "bin",
    "sbin",
    "lib",
    "lib32",
    "lib64",
    "libx32",
    "usr/sbin",
    "usr/lib32",
    "usr/lib64",
    "usr/libx32",
    "var/lock",
    "var/run",
    "var/tmp",
];

/// The name that ends a cpio archive: an entry called so would hide all that follow.
const TRAILER: &str = "TRAILER!!!";

/// Longest path in bytes: the kernel skips a name that, with its final zero byte, is longer than PATH_MAX (4096)
/// (`init/initramfs.c`, `do_header`).
const LONGEST: usize = 4095;

/// A path in the archive, without a leading slash.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Destination(String);

/// Why a path cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("destination \"{}\": wanted {}, seen {}", path.escape_debug(), cause.wanted(), cause)]
pub struct Refused {
    /// The path as it was given.
    pub path: String,
    /// What is wrong with it.
    pub cause: Cause,
}

/// What is wrong with a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// No path at all.
    #[error("nothing")]
    Empty,
    /// `//`, or a slash at the end.
    #[error("an empty component")]
    EmptyComponent,
    /// `.` or `..`.
    #[error("a component \".\" or \"..\"")]
    DotComponent,
    /// A zero byte, a line break or the like.
    #[error("a control character")]
    Control,
    /// More bytes than the kernel takes.
    #[error("{0} bytes")]
    TooLong(usize),
    /// The mark of the archive's end.
    #[error("the name that ends a cpio archive")]
    Trailer,
    /// The name, or a directory above it, is a symbolic link in a stock initrd.
    #[error("/{0}, a symbolic link in stock initrds, which this entry would replace; their tools would no longer run")]
    StockLink(&'static str),
}

impl Cause {
    fn wanted(self) -> &'static str {
        match self {
            Self::Empty | Self::EmptyComponent | Self::DotComponent => "a plain path such as /etc/isolde/name",
            Self::Control => "printable text",
            Self::TooLong(_) => "at most 4095 bytes",
            Self::Trailer => "another name",
            Self::StockLink(_) => "a path below a real directory, such as /etc/isolde or /usr/lib",
        }
    }
}

impl Destination {
    /// Checks a path. A leading slash is optional and means the same; there is no other way to write one path in two ways.
    pub fn parse(text: &str) -> Result<Self, Refused> {
        let path = text.strip_prefix('/').unwrap_or(text);
        match fault(path) {
            None => Ok(Self(path.to_owned())),
            Some(cause) => Err(Refused { path: text.to_owned(), cause }),
        }
    }

    /// The same for an archive that is the first and only initrd: there are no links that it could replace.
    pub fn alone(text: &str) -> Result<Self, Refused> {
        let path = text.strip_prefix('/').unwrap_or(text);
        match fault(path).filter(|cause| !matches!(cause, Cause::StockLink(_))) {
            None => Ok(Self(path.to_owned())),
            Some(cause) => Err(Refused { path: text.to_owned(), cause }),
        }
    }

    /// The path without a leading slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The directories above it, the topmost first.
    pub fn parents(&self) -> impl Iterator<Item = &str> {
        self.0.match_indices('/').filter_map(|(at, _)| self.0.get(..at))
    }
}

impl FromStr for Destination {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        Self::parse(text)
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", self.0)
    }
}

/// What is wrong with a path that has lost its leading slash, if anything is. Pure.
fn fault(path: &str) -> Option<Cause> {
    if path.is_empty() {
        return Some(Cause::Empty);
    }
    if path.len() > LONGEST {
        return Some(Cause::TooLong(path.len()));
    }
    if path.chars().any(char::is_control) {
        return Some(Cause::Control);
    }
    if path == TRAILER {
        return Some(Cause::Trailer);
    }
    if path.split('/').any(str::is_empty) {
        return Some(Cause::EmptyComponent);
    }
    if path.split('/').any(|component| component == "." || component == "..") {
        return Some(Cause::DotComponent);
    }
    LINKS_OF_STOCK_INITRDS
        .into_iter()
        .find(|link| path.strip_prefix(link).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
        .map(Cause::StockLink)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_plain_paths_and_knows_their_directories() {
        let cases: [(&str, &str, &[&str]); 5] = [
            ("/etc/isolde/keys/me.pub", "etc/isolde/keys/me.pub", &["etc", "etc/isolde", "etc/isolde/keys"]),
            ("etc/isolde.toml", "etc/isolde.toml", &["etc"]),
            ("/top", "top", &[]),
            ("/usr/lib/modules/x.ko", "usr/lib/modules/x.ko", &["usr", "usr/lib", "usr/lib/modules"]),
            ("/library/…a b", "library/…a b", &["library"]),
        ];
        for (text, path, parents) in cases {
            let destination = Destination::parse(text).unwrap();
            assert_eq!(destination.as_str(), path);
            assert_eq!(destination.parents().collect::<Vec<_>>(), parents);
        }
    }

    #[test]
    fn refuses_paths_that_are_not_plain() {
        let cases = [
            ("", Cause::Empty),
            ("/", Cause::Empty),
            ("//etc/x", Cause::EmptyComponent),
            ("/etc//x", Cause::EmptyComponent),
            ("/etc/x/", Cause::EmptyComponent),
            ("..", Cause::DotComponent),
            ("/../x", Cause::DotComponent),
            ("/etc/../../x", Cause::DotComponent),
            ("/etc/./x", Cause::DotComponent),
            ("/etc/a\0b", Cause::Control),
            ("/etc/a\nb", Cause::Control),
            ("/TRAILER!!!", Cause::Trailer),
        ];
        for (text, cause) in cases {
            assert_eq!(Destination::parse(text), Err(Refused { path: text.to_owned(), cause }), "{text:?}");
        }
        for (text, cause) in cases {
            assert_eq!(Destination::alone(text), Err(Refused { path: text.to_owned(), cause }), "{text:?}");
        }
        let long = "x".repeat(4096);
        assert_eq!(Destination::parse(&long).map_err(|refused| refused.cause), Err(Cause::TooLong(4096)));
        assert!(Destination::parse(&format!("/{}", "x".repeat(4095))).is_ok());
    }

    #[test]
    fn refuses_every_link_of_stock_initrds_and_what_is_below_it() {
        for link in LINKS_OF_STOCK_INITRDS {
            for text in [format!("/{link}"), link.to_owned(), format!("/{link}/x/y")] {
                let refused = Destination::parse(&text).unwrap_err();
                assert_eq!(refused.cause, Cause::StockLink(link), "{text}");
            }
            assert!(Destination::parse(&format!("/{link}-x")).is_ok(), "only whole components count");
            assert_eq!(Destination::alone(&format!("/{link}/x")).unwrap().as_str(), format!("{link}/x"));
        }
    }
}
