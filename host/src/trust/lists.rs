//! Names of checksum lists and of their signatures, as distributors choose them.

use super::digest::Algorithm;

/// What a list of a folder ends with; Fedora's are `Fedora-…-CHECKSUM`.
const OF_A_FOLDER: [&str; 7] =
    ["sums", "sums.txt", "sum.txt", "checksum", "checksum.txt", "checksums", "checksums.txt"];
/// What a signature of a list ends with.
const SIGNATURES: [&str; 4] = [".gpg", ".asc", ".sign", ".sig"];

/// What `NAME.sha256`, `SHA256SUMS`, `sha256sum.txt` and the like speak of.
#[must_use]
pub fn algorithm_of(list: &str) -> Option<Algorithm> {
    let list = list.to_ascii_lowercase();
    let base = list.strip_suffix(".txt").unwrap_or(&list);
    let base = base.strip_suffix("sums").or_else(|| base.strip_suffix("sum")).unwrap_or(base);
    let is_named = |algorithm: &Algorithm| {
        base.strip_suffix(algorithm.name()).is_some_and(|rest| rest.is_empty() || rest.ends_with(['.', '-', '_']))
    };
    Algorithm::ALL.into_iter().find(is_named)
}

/// Whether a name is that of a list of a folder, which may speak of any file in it.
#[must_use]
pub fn is_of_a_folder(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let is_word = |rest: &str| rest.is_empty() || rest.ends_with(['-', '_', '.']) || algorithm_of(&lower).is_some();
    OF_A_FOLDER.iter().any(|end| lower.strip_suffix(end).is_some_and(is_word))
}

/// Whether a name is that of a list of one file: the file's own, a dot, and the name of a digest.
#[must_use]
pub fn is_of(name: &str, file: &str) -> bool {
    let rest = name.strip_prefix(file).and_then(|rest| rest.strip_prefix('.')).map(str::to_ascii_lowercase);
    rest.is_some_and(|rest| {
        let rest = rest.strip_suffix(".txt").unwrap_or(&rest);
        Algorithm::ALL.iter().any(|algorithm| rest.strip_suffix("sum").unwrap_or(rest) == algorithm.name())
    })
}

/// Whether a name is that of a list, or of a list's signature, whatever it speaks of.
#[must_use]
pub fn is_any(name: &str) -> bool {
    let name = SIGNATURES.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
    let dots = name.match_indices('.').filter_map(|(at, _)| name.get(..at));
    is_of_a_folder(name) || dots.filter(|file| !file.is_empty()).any(|file| is_of(name, file))
}

/// The signature beside a list, where there is one.
#[must_use]
pub fn signature<'a>(list: &str, names: &'a [String]) -> Option<&'a String> {
    names.iter().find(|name| name.strip_prefix(list).is_some_and(|end| SIGNATURES.contains(&end)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_known_by_their_names() {
        for name in [
            "SHA256SUMS",
            "SHA512SUMS",
            "sha256sums.txt",
            "sha512sum.txt",
            "MD5SUMS",
            "SHA1SUMS",
            "CHECKSUM",
            "Fedora-Workstation-42-1.1-x86_64-CHECKSUM",
        ] {
            assert!(is_of_a_folder(name) && is_any(name) && !is_of(name, "x.iso"), "{name}");
            assert!(is_any(&format!("{name}.gpg")) && !is_of_a_folder(&format!("{name}.gpg")));
        }
        for name in ["x.iso.sha256", "x.iso.sha256sum", "x.iso.sha512", "x.iso.SHA512.txt", "x.iso.md5", "x.iso.md5sum"]
        {
            assert!(is_of(name, "x.iso") && is_any(name) && !is_of(name, "y.iso"), "{name}");
        }
        for name in ["x.iso", "x.iso.sig", "x.iso.torrent", "x.iso.b3", "B3SUMS", "lipsums", "sha256", "x.iso.verity"] {
            assert!(!is_of_a_folder(name) && !is_of(name, "x.iso"), "{name}");
        }
        assert!(!is_any("x.iso") && !is_any("init") && !is_any("isolde.toml"));
        let names = ["SHA256SUMS.txt".to_owned(), "SHA256SUMS.gpg".to_owned()];
        assert_eq!(signature("SHA256SUMS", &names), Some(&names[1]));
    }

    #[test]
    fn names_of_lists_say_which_digest_they_have() {
        for (name, wanted) in [
            ("SHA256SUMS", Some(Algorithm::Sha256)),
            ("sha512sum.txt", Some(Algorithm::Sha512)),
            ("MD5SUMS", Some(Algorithm::Md5)),
            ("x.iso.sha256", Some(Algorithm::Sha256)),
            ("x.iso.sha256sum", Some(Algorithm::Sha256)),
            ("x-sha512.txt", Some(Algorithm::Sha512)),
            ("Fedora-Workstation-42-CHECKSUM", None),
            ("x.iso", None),
        ] {
            assert_eq!(algorithm_of(name), wanted, "{name}");
        }
    }
}
