//! What is in folders of a guest, so that two roots can be compared.

use super::guest::Guest;
use std::collections::BTreeMap;

/// Path → kind, mode and owner, then the target of a link or the lines of a file, sorted and without comments: an order of
/// settings that means the same is no difference, nor is a setting in the place of its example.
pub type Snapshot = BTreeMap<String, String>;

/// Takes it.
pub fn take(guest: &mut Guest, folders: &str) -> Snapshot {
    let command = format!(
        r#"find {folders} | while read -r path; do
            echo "=== $path $(stat -c '%F %a %u:%g' "$path")"
            if [ -L "$path" ]; then readlink "$path"; elif [ -f "$path" ]; then grep -v '^#' "$path" | sort; fi
        done"#
    );
    let text = guest.ask(&command);
    let entries = text.split("=== ").filter(|entry| !entry.is_empty());
    entries.filter_map(|entry| entry.split_once(' ')).map(|(path, rest)| (path.to_owned(), rest.to_owned())).collect()
}

/// The paths at which they differ.
pub fn differences(one: &Snapshot, other: &Snapshot) -> Vec<String> {
    let paths: std::collections::BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    let differ = paths.into_iter().filter(|path| one.get(*path) != other.get(*path));
    differ.map(|path| format!("{path}: {:?} / {:?}", one.get(path), other.get(path))).collect()
}
