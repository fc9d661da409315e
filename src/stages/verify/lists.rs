//! Checksum files as b3sum(1) writes them, beside the file that they are about.

use crate::error::{Cause, List};
use crate::formats::b3sums;

/// Larger lists of checksums than this are refused.
pub const LARGEST: u64 = 4 << 20;

/// Reads a list by its path on the store; `None` where there is no such file.
pub type Reader<'a> = &'a dyn Fn(&str) -> std::result::Result<Option<Vec<u8>>, Cause>;

/// A list that is there and cannot be used.
#[must_use]
pub fn bad(list: &str, why: String) -> Cause {
    Cause::Unsound { file: ["checksum file ", list].concat(), why }
}

/// `NAME.b3` and `B3SUMS`, in the file's folder.
pub(super) fn sidecars(path: &str) -> [String; 2] {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    [format!("{path}.b3"), format!("{folder}/B3SUMS")]
}

/// The digest that a checksum file beside the image names. A list that cannot be read is never taken for none.
pub(super) fn beside(path: &str, read: Reader) -> std::result::Result<Option<([u8; 32], String)>, Cause> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let [own, list] = sidecars(path);
    for (file, whole_file_is_about_it) in [(own, true), (list, false)] {
        let Some(text) = read(&file)? else { continue };
        let bad = |why: String| bad(&file, why);
        let entries = b3sums::parse(&text).map_err(|e| bad(e.to_string()))?;
        let found = b3sums::find(&entries, name).map_err(|e| bad(e.to_string()))?;
        match (found, whole_file_is_about_it) {
            (Some(digest), _) => return Ok(Some((digest, file))),
            (None, false) => {}
            (None, true) => {
                let names: Vec<String> = entries.into_iter().map(|entry| entry.name).collect();
                return Err(bad(format!("no line for {name:?}; it has {}", List(&names, "no line at all"))));
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_files_are_looked_for_beside_the_image() {
        assert_eq!(sidecars("/boot/iso/x.iso"), ["/boot/iso/x.iso.b3", "/boot/iso/B3SUMS"]);
        assert_eq!(sidecars("x.iso"), ["x.iso.b3", "/B3SUMS"]);
    }
}
