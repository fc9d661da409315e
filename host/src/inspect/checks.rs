//! What an image brings along to check itself with: lists of sums, sums beside files, and sums of the whole image.
//!
//! Nothing is computed here: it is said what could be, and which of the files that are booted are in no list. Sources:
//! casper-md5check, live-boot (9990-verify), mkinitcpio-archiso, isomd5sum 1.2.3 and openSUSE's checkmedia.

use crate::iso::optical::Optical;
use isolde::families::tree::Tree;
use isolde::formats::{ReadAt, read_full};
use serde::Serialize;
use std::collections::BTreeSet;
use std::io;

/// A sum that is in the image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// The sum: `md5`, `sha256`, …; `signature` where a key is needed.
    pub by: String,
    /// Where it is.
    #[serde(rename = "in")]
    pub place: String,
    /// What it covers.
    pub covers: Covers,
}

/// What a sum covers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Covers {
    /// The image as a whole.
    Image,
    /// This file.
    File(String),
    /// So many files, and which of those that are booted are not among them.
    Files {
        /// How many.
        count: usize,
        /// Kernel, initrd and layers that are not in the list.
        without: Vec<String>,
    },
}

/// Lists of the image's files, and their sum.
const LISTS: &[(&str, &str)] = &[
    ("md5sum.txt", "md5"),
    ("MD5SUMS", "md5"),
    ("sha1sum.txt", "sha1"),
    ("SHA1SUMS", "sha1"),
    ("sha256sum.txt", "sha256"),
    ("sha256sums.txt", "sha256"),
    ("SHA256SUMS", "sha256"),
    ("sha512sum.txt", "sha512"),
    ("SHA512SUMS", "sha512"),
    ("isoroot_checksums", "sha512"),
    ("isoroot_b2sums", "blake2b"),
    ("live/SHA256SUMS", "sha256"),
    ("live/MD5SUMS", "md5"),
];
/// Ends of names of a sum beside a file, where the file's own extension may be replaced by it.
const BESIDE: &[(&str, &str)] =
    &[("md5", "md5"), ("sha256", "sha256"), ("sha512", "sha512"), ("sig", "signature"), ("cms.sig", "signature")];
/// Bytes of a list of sums: 100 for each of 40,000 files.
const LARGEST: u64 = 4 << 20;
/// The area of the primary volume descriptor that is free for applications (ECMA-119, 8.4.32), from byte 883 on.
const AREA: (u64, usize) = (32_768 + 883, 512);

/// All sums that are found. `booted` are the files that a boot reads.
pub fn find(image: &dyn ReadAt, tree: &Optical, booted: &[String]) -> io::Result<Vec<Check>> {
    let mut found: Vec<Check> = implanted(image)?.into_iter().collect();
    for (list, by) in LISTS {
        if tree.is_file(list)? {
            let text = tree.read(list, LARGEST)?;
            let covers = covers(tree, list, &String::from_utf8_lossy(&text), booted)?;
            found.push(Check { by: (*by).to_owned(), place: (*list).to_owned(), covers });
        }
    }
    for file in booted {
        let stem = file.rsplit_once('.').filter(|(_, extension)| !extension.contains('/')).map(|(stem, _)| stem);
        for (end, by) in BESIDE {
            for name in [Some(file.as_str()), stem].into_iter().flatten().map(|name| format!("{name}.{end}")) {
                if tree.is_file(&name)? {
                    found.push(Check { by: (*by).to_owned(), place: name, covers: Covers::File(file.clone()) });
                    break;
                }
            }
        }
    }
    Ok(found)
}

fn covers(tree: &Optical, list: &str, text: &str, booted: &[String]) -> io::Result<Covers> {
    let folder = list.rsplit_once('/').map(|(folder, _)| format!("{folder}/")).unwrap_or_default();
    let names: BTreeSet<String> = text.lines().filter_map(|line| name(line, &folder)).collect();
    let mut without = Vec::new();
    for file in booted {
        if names.contains(file) {
            continue;
        }
        // The list may name it by its real folder where a menu names it through a link.
        let end = file.rsplit('/').next().unwrap_or(file);
        let mut same = false;
        for other in names.iter().filter(|name| name.rsplit('/').next() == Some(end)) {
            same |= tree.same(file, other)?;
        }
        if !same {
            without.push(file.clone());
        }
    }
    Ok(Covers::Files { count: names.len(), without })
}

/// The name in a line of md5sum(1) and its kin: digits, white space, perhaps an asterisk, the name.
fn name(line: &str, folder: &str) -> Option<String> {
    let (sum, name) = line.split_once(char::is_whitespace)?;
    let is_sum = sum.len() >= 32 && sum.bytes().all(|byte| byte.is_ascii_hexdigit());
    let name = name.trim_start().trim_start_matches('*').trim_start_matches("./").trim_end_matches('\r');
    (is_sum && !name.is_empty()).then(|| match name.strip_prefix('/') {
        Some(absolute) => absolute.to_owned(),
        None => format!("{folder}{name}"),
    })
}

/// A sum of the whole image inside the image.
fn implanted(image: &dyn ReadAt) -> io::Result<Option<Check>> {
    let mut area = [0; AREA.1];
    let count = read_full(image, &mut area, AREA.0)?;
    let text = area.get(..count).unwrap_or_default();
    let by = tag(&String::from_utf8_lossy(text));
    Ok(by.map(|by| Check {
        by,
        place: format!("bytes {} to {}", AREA.0, AREA.0 + AREA.1 as u64 - 1),
        covers: Covers::Image,
    }))
}

/// `ISO MD5SUM = …;…` of implantisomd5, or `check=1;sha256sum=…;…` of tagmedia.
fn tag(text: &str) -> Option<String> {
    text.split(';').find_map(|field| {
        let (key, value) = field.split_once('=')?;
        let key = key.trim();
        let value = value.trim();
        let sum = if key == "ISO MD5SUM" {
            "md5"
        } else {
            key.strip_suffix("sum").filter(|sum| sum.starts_with("sha") || *sum == "md5")?
        };
        let is_sum = value.len() >= 32 && value.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_sum.then(|| sum.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_lists() {
        let sum = "d41d8cd98f00b204e9800998ecf8427e";
        for (line, folder, wanted) in [
            (format!("{sum}  ./casper/vmlinuz"), "", Some("casper/vmlinuz")),
            (format!("{sum} *casper/a b"), "", Some("casper/a b")),
            (format!("{sum}  vmlinuz\r"), "live/", Some("live/vmlinuz")),
            (format!("{sum}  /live/vmlinuz"), "live/", Some("live/vmlinuz")),
            ("# comment".to_owned(), "", None),
            (format!("{sum} "), "", None),
            (format!("{}  a", &sum[..31]), "", None),
        ] {
            assert_eq!(name(&line, folder).as_deref(), wanted, "{line:?}");
        }
    }

    #[test]
    fn sums_of_the_whole_image() {
        let sum = "0123456789abcdef0123456789abcdef";
        let implanted =
            format!("ISO MD5SUM = {sum};SKIPSECTORS = 15;RHLISOSTATUS=0;FRAGMENT SUMS = 0;FRAGMENT COUNT = 20;THIS IS");
        assert_eq!(tag(&implanted).as_deref(), Some("md5"));
        assert_eq!(tag(&format!("check=1;pad=150;sha256sum={sum}{sum};signature=1")).as_deref(), Some("sha256"));
        for text in ["", "   ", "ISO MD5SUM = ;", "xsum=0123456789abcdef0123456789abcdef", "partition=1,2,3"] {
            assert_eq!(tag(text), None, "{text}");
        }
    }
}
