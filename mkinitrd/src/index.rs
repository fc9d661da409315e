//! kmod's index files, which say where a name's value is without reading all of them.
//!
//! Takes   keys with their values; several values for one key are kept in order.
//! Gives   the bytes of such a file, `modules.dep.bin` or `modules.alias.bin`: a trie in big endian. Format: kmod's
//!         libkmod-index.h. The same input gives the same bytes.
//! Fails   when the file would be longer than its own offsets reach, or a key is longer than any alias.

use std::collections::BTreeMap;

use crate::error::{Error, Result};

const MAGIC: u32 = 0xb007_f457;
const VERSION: u32 = 0x0002_0001;
const HEADER: usize = 12;

// In the upper bits of a node's offset: which parts the node has.
const PREFIX: u32 = 0x8000_0000;
const VALUES: u32 = 0x4000_0000;
const CHILDREN: u32 = 0x2000_0000;
const OFFSET: u32 = 0x0fff_ffff;

/// Bytes of a key: an alias of the kernel's own tables has some hundred. It bounds how deep the trie is.
pub const LONGEST: usize = 1024;

/// Keys in order, each with its values.
pub type Keys = BTreeMap<Vec<u8>, Vec<String>>;

/// Makes the file. Keys and values must not hold a zero byte, nor keys one beyond ASCII, which no alias has.
pub fn index(keys: &Keys) -> Result<Vec<u8>> {
    let bad = |key: &[u8]| key.len() > LONGEST || key.iter().any(|byte| !matches!(byte, 1..=127));
    if let Some(key) = keys.keys().find(|key| bad(key)) {
        return Err(Error::Key { seen: key.escape_ascii().to_string() });
    }
    let mut out = Vec::with_capacity(HEADER);
    out.extend([MAGIC, VERSION, 0].map(u32::to_be_bytes).concat());
    let all: Vec<(&[u8], &[String])> = keys.iter().map(|(key, values)| (key.as_slice(), values.as_slice())).collect();
    let root = node(&all, 0, &mut out)?;
    if let Some(place) = out.get_mut(HEADER - 4..HEADER) {
        place.copy_from_slice(&root.to_be_bytes());
    }
    Ok(out)
}

/// Writes the node for keys that have their first `depth` letters in common, after its children; gives where it is.
fn node(keys: &[(&[u8], &[String])], depth: usize, out: &mut Vec<u8>) -> Result<u32> {
    let rest = |key: &'_ [u8]| key.get(depth..).map(<[u8]>::to_vec).unwrap_or_default();
    let first = keys.first().map(|(key, _)| rest(key)).unwrap_or_default();
    let last = keys.last().map(|(key, _)| rest(key)).unwrap_or_default();
    // The keys are in order: what the first and the last have in common, all have.
    let common = first.iter().zip(&last).take_while(|(a, b)| a == b).count();
    let prefix = first.get(..common).unwrap_or_default();
    let end = depth + common;
    let (values, below) = match keys.split_first() {
        Some(((key, values), below)) if key.len() == end => (*values, below),
        _ => (&[][..], keys),
    };
    let letter = |(key, _): &(&[u8], &[String])| key.get(end).copied();
    let mut children: BTreeMap<u8, u32> = BTreeMap::new();
    for group in below.chunk_by(|a, b| letter(a) == letter(b)) {
        if let Some(letter) = group.first().and_then(letter) {
            children.insert(letter, node(group, end + 1, out)?);
        }
    }
    let at = u32::try_from(out.len()).ok().filter(|at| *at <= OFFSET).ok_or(Error::Index)?;
    let mut parts = 0;
    if !prefix.is_empty() {
        parts |= PREFIX;
        out.extend(prefix.iter().chain(&[0]));
    }
    if let (Some((&from, _)), Some((&to, _))) = (children.first_key_value(), children.last_key_value()) {
        parts |= CHILDREN;
        out.extend([from, to]);
        for letter in from..=to {
            out.extend(children.get(&letter).copied().unwrap_or(0).to_be_bytes());
        }
    }
    if !values.is_empty() {
        parts |= VALUES;
        out.extend(u32::try_from(values.len()).map_err(|_| Error::Index)?.to_be_bytes());
        for (priority, value) in (0_u32..).zip(values) {
            out.extend(priority.to_be_bytes());
            out.extend(value.bytes().filter(|byte| *byte != 0).chain([0]));
        }
    }
    Ok(at | parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use isolde::formats::module_index::Index;
    use proptest::prelude::*;

    fn keys(all: &[(&str, &[&str])]) -> Keys {
        let owned = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
        all.iter().map(|(key, values)| (key.as_bytes().to_vec(), owned(values))).collect()
    }

    #[test]
    fn what_init_reads_is_what_was_written() {
        let bytes = index(&keys(&[
            ("fs_exfat", &["exfat"]),
            ("fs_ext", &["a", "b"]),
            ("exfat", &["kernel/fs/exfat/exfat.ko:"]),
            ("pci:v00001B36d*sv*sd*bc01sc08i02*", &["nvme"]),
            ("pci:v00001B36d00000010sv*", &["other"]),
        ]))
        .unwrap();
        let index = Index::parse(bytes).unwrap();
        assert_eq!(index.exact("exfat").as_deref(), Some("kernel/fs/exfat/exfat.ko:"));
        assert_eq!(index.lookup("fs-exfat"), ["exfat"]);
        assert_eq!(index.lookup("fs_ext"), ["a", "b"]);
        assert_eq!(index.lookup("pci:v00001B36d00000010sv00001AF4sd00001100bc01sc08i02"), ["nvme", "other"]);
        for none in ["", "fs", "fs_exfa", "fs_exfatt", "pci:v00001B36d00000010"] {
            assert_eq!(index.lookup(none), [""; 0], "{none}");
        }
    }

    #[test]
    fn no_key_at_all_is_an_index_too() {
        let index = Index::parse(index(&Keys::new()).unwrap()).unwrap();
        assert_eq!(index.exact(""), None);
        assert_eq!(index.lookup("x"), [""; 0]);
    }

    #[test]
    fn keys_that_no_kernel_has_are_refused() {
        for key in [vec![b'a'; LONGEST + 1], b"a\0b".to_vec(), "ä".as_bytes().to_vec()] {
            let keys = Keys::from([(key, vec!["x".to_owned()])]);
            assert!(matches!(index(&keys), Err(Error::Key { .. })), "{keys:?}");
        }
        assert!(index(&Keys::from([(vec![b'a'; LONGEST], vec!["x".to_owned()])])).is_ok());
    }

    proptest! {
        #[test]
        fn every_key_is_found_with_its_values(
            keys in proptest::collection::btree_map("[a-d_:]{1,8}", proptest::collection::vec("[a-z]{1,4}", 1..3), 0..40)
        ) {
            let keys: Keys = keys.into_iter().map(|(key, values)| (key.into_bytes(), values)).collect();
            let index = Index::parse(index(&keys).unwrap()).unwrap();
            for (key, values) in &keys {
                let key = std::str::from_utf8(key).unwrap();
                prop_assert_eq!(index.exact(key), values.first().cloned());
                let mut each: Vec<String> = Vec::new();
                values.iter().for_each(|value| if !each.contains(value) { each.push(value.clone()) });
                prop_assert_eq!(index.lookup(key), each);
            }
        }
    }
}
