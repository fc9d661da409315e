//! Paths in a manifest: one text for one file, and none that leads out of the store.

use std::fmt;

/// Bytes of a path (PATH_MAX of Linux, less its NUL).
const MOST: usize = 4095;
/// Bytes of a name (NAME_MAX of Linux).
const MOST_NAME: usize = 255;
/// Names of a path. Live media nest five deep.
const MOST_DEPTH: usize = 32;

/// What is wrong with a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathFault {
    /// There is none.
    Empty,
    /// It begins with a slash.
    Absolute,
    /// A name is `.` or `..`.
    Dots,
    /// Two slashes in a row, or one at the end.
    EmptyName,
    /// The path or one of its names is too long.
    Long,
    /// Too many names.
    Deep,
    /// A control character, a double quote, or a backslash, which other systems separate names with.
    Letter(char),
    /// A name ends with a dot or a space: to vfat that is the file without it.
    Tail,
}

impl fmt::Display for PathFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PathFault::Empty => "seen none",
            PathFault::Absolute => "seen a slash at its start",
            PathFault::Dots => "seen a name of dots",
            PathFault::EmptyName => "seen an empty name",
            PathFault::Long => "seen a longer one than a file can have",
            PathFault::Deep => "seen more than 32 names",
            PathFault::Letter(letter) => return write!(f, "seen the character {letter:?}"),
            PathFault::Tail => "seen a name that ends with a dot or a space",
        })
    }
}

/// Is it the path of one file below the store's root?
///
/// # Errors
/// The first rule that it breaks.
pub fn check(path: &str) -> Result<(), PathFault> {
    if path.is_empty() {
        return Err(PathFault::Empty);
    }
    if path.starts_with('/') {
        return Err(PathFault::Absolute);
    }
    if let Some(letter) = path.chars().find(|letter| letter.is_control() || matches!(letter, '"' | '\\')) {
        return Err(PathFault::Letter(letter));
    }
    if path.len() > MOST {
        return Err(PathFault::Long);
    }
    for (depth, name) in path.split('/').enumerate() {
        let fault = match name {
            _ if depth >= MOST_DEPTH => PathFault::Deep,
            "" => PathFault::EmptyName,
            "." | ".." => PathFault::Dots,
            _ if name.len() > MOST_NAME => PathFault::Long,
            _ if name.ends_with(['.', ' ']) => PathFault::Tail,
            _ => continue,
        };
        return Err(fault);
    }
    Ok(())
}

/// Equal for paths that one file can have where upper and lower case are one.
///
/// Those file systems each have a table of their own; this one misses a few letters, such as the sigma at a word's end.
/// It finds mistakes and proves nothing: a file is only ever compared with the entry that has its path as it was asked for.
/// By way of upper case it would miss none, and make init 14 kB larger.
#[must_use]
pub fn folded(path: &str) -> String {
    path.chars().flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_are_refused() {
        let long_name = "x".repeat(256);
        let long = "abcdefg/".repeat(20) + &"y/".repeat(3000) + "z";
        let deep = "d/".repeat(32) + "f";
        let table = [
            ("", PathFault::Empty),
            ("/boot/x.iso", PathFault::Absolute),
            ("//boot/x.iso", PathFault::Absolute),
            ("..", PathFault::Dots),
            ("../x", PathFault::Dots),
            ("boot/../../etc/shadow", PathFault::Dots),
            ("boot/./x", PathFault::Dots),
            ("boot/..", PathFault::Dots),
            ("boot//x", PathFault::EmptyName),
            ("boot/", PathFault::EmptyName),
            ("boot\\..\\x", PathFault::Letter('\\')),
            ("a\"b", PathFault::Letter('"')),
            ("a\0b", PathFault::Letter('\0')),
            ("a\nb", PathFault::Letter('\n')),
            ("a\u{7f}b", PathFault::Letter('\u{7f}')),
            ("a\u{85}b", PathFault::Letter('\u{85}')),
            (&long_name, PathFault::Long),
            (&long, PathFault::Long),
            (&deep, PathFault::Deep),
            ("x.iso.", PathFault::Tail),
            ("boot /x.iso", PathFault::Tail),
            ("...", PathFault::Tail),
        ];
        for (path, fault) in table {
            assert_eq!(check(path), Err(fault), "{path:?}");
        }
    }

    #[test]
    fn paths_that_are_accepted() {
        let deepest = "d/".repeat(31) + "f";
        let longest = "x".repeat(255);
        for path in
            ["x", "boot/iso/debian-12.5.0.iso", ".hidden", "..a/b", "boot/Größe 日本.iso", "it's", &deepest, &longest]
        {
            assert_eq!(check(path), Ok(()), "{path:?}");
        }
    }

    #[test]
    fn case_is_folded_as_stores_fold_it() {
        for (one, other) in [("boot/X.ISO", "BOOT/x.iso"), ("Größe", "GRÖßE"), ("Ω", "\u{2126}")] {
            assert_eq!(folded(one), folded(other), "{one} {other}");
        }
        assert_ne!(folded("a"), folded("b"));
    }
}
