//! Tries made by code; depmod's are in tests/formats_real.rs.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// A name, and its values with their priorities.
type Named<'a> = (&'a [u8], &'a [(u32, &'a str)]);

/// Writes the trie of some names below a common start, and gives the reference of its root.
fn write(names: &[Named], out: &mut Vec<u8>) -> u32 {
    let first = names[0].0;
    let shared =
        first.iter().enumerate().take_while(|(at, letter)| names.iter().all(|(name, _)| name.get(*at) == Some(letter)));
    let prefix = first[..shared.count()].to_vec();
    let mut children: BTreeMap<u8, Vec<Named>> = BTreeMap::new();
    let mut values: &[(u32, &str)] = &[];
    for (name, own) in names {
        match name[prefix.len()..].split_first() {
            Some((&letter, rest)) => children.entry(letter).or_default().push((rest, own)),
            None => values = own,
        }
    }
    let children: BTreeMap<u8, u32> =
        children.into_iter().map(|(letter, names)| (letter, write(&names, out))).collect();
    let mut reference = out.len() as u32;
    if !prefix.is_empty() {
        reference |= PREFIX;
        out.extend(&prefix);
        out.push(0);
    }
    if let (Some((&first, _)), Some((&last, _))) = (children.first_key_value(), children.last_key_value()) {
        reference |= CHILDREN;
        out.extend([first, last]);
        for letter in first..=last {
            out.extend(children.get(&letter).unwrap_or(&0).to_be_bytes());
        }
    }
    if !values.is_empty() {
        reference |= VALUES;
        out.extend((values.len() as u32).to_be_bytes());
        for (priority, value) in values {
            out.extend(priority.to_be_bytes());
            out.extend(value.as_bytes());
            out.push(0);
        }
    }
    reference
}

fn file(names: &[(&str, &[(u32, &str)])]) -> Vec<u8> {
    let mut out = [MAGIC, 0x0002_0001, 0].map(u32::to_be_bytes).concat();
    let names: Vec<_> = names.iter().map(|(name, values)| (name.as_bytes(), *values)).collect();
    let root = write(&names, &mut out);
    out[8..12].copy_from_slice(&root.to_be_bytes());
    out
}

fn sample() -> Vec<u8> {
    file(&[
        ("usb:v*p*d*ic08isc06ip50in*", &[(20, "usb_storage")]),
        ("usb:v*p*d*ic08isc06ip62in*", &[(21, "uas")]),
        ("usb:v1D6Bp000[13]d*", &[(3, "hub"), (1, "early")]),
        ("usb:v1D6Bp0001d1", &[(9, "exactly"), (8, "hub")]),
        ("fs_ext4", &[(5, "ext4")]),
        ("?s_ext4", &[(2, "odd")]),
        ("[e-g]s_ext4", &[(4, "range")]),
        ("*", &[(99, "any")]),
    ])
}

#[test]
fn lookups() {
    let index = Index::parse(sample()).unwrap();
    let table: [(&str, &[&str]); 6] = [
        ("usb:v0781p5567d0100ic08isc06ip50in00", &["usb_storage", "any"]),
        ("usb:v1D6Bp0001d1", &["early", "hub", "exactly", "any"]),
        ("usb:v1D6Bp0002d1", &["any"]),
        ("fs-ext4", &["odd", "range", "ext4", "any"]),
        ("fs-ext", &["any"]),
        ("", &["any"]),
    ];
    for (key, wanted) in table {
        assert_eq!(index.lookup(key), wanted, "{key}");
    }
    assert_eq!(index.exact("fs-ext4").as_deref(), Some("ext4"));
    assert_eq!(index.exact("usb:v1D6Bp0001d1").as_deref(), Some("hub"), "the lowest number wins");
    for missing in ["fs-ext", "fs-ext44", "", "usb:"] {
        assert_eq!(index.exact(missing), None, "{missing}");
    }
}

#[test]
fn headers() {
    let table: [(&[u8], &str); 4] = [
        (b"", "expected a module index at byte 0, saw the end after 0 bytes"),
        (b"\x7fELF........", "expected the magic b007f457 of a module index at byte 0, saw 7f454c46"),
        (b"\xb0\x07\xf4\x57\0\x03\0\0", "expected version 2 of the module index at byte 4, saw 3.0"),
        (b"\xb0\x07\xf4\x57\0\x02\0\x01", "expected the root of a module index at byte 8, saw the end after 8 bytes"),
    ];
    for (bytes, wanted) in table {
        assert_eq!(Index::parse(bytes.to_vec()).unwrap_err().to_string(), wanted);
    }
}

/// A node whose 256 children are all itself.
#[test]
fn cycles_end() {
    let mut bytes = [MAGIC, 0x0002_0001, 0].map(u32::to_be_bytes).concat();
    let root = 12 | CHILDREN | VALUES | PREFIX;
    bytes.extend(b"*\0\x00\xff");
    for _ in 0..256 {
        bytes.extend(root.to_be_bytes());
    }
    bytes.extend([0, 0, 0, 1, 0, 0, 0, 7, b'x', 0]);
    bytes[8..12].copy_from_slice(&root.to_be_bytes());
    let index = Index::parse(bytes).unwrap();
    assert_eq!(index.lookup(&"a".repeat(10_000)), ["x"]);
    assert_eq!(index.exact(&"*".repeat(10_000)), None);
}

proptest! {
    #[test]
    fn total(bytes in any::<Vec<u8>>(), root in any::<u32>(), key in "[a-z*?\\[\\]:-]{0,20}") {
        let file = [MAGIC.to_be_bytes().as_slice(), &[0, 2, 0, 1], &root.to_be_bytes(), &bytes].concat();
        let index = Index::parse(file).unwrap();
        let _ = (index.lookup(&key), index.exact(&key));
    }

    #[test]
    fn total_when_damaged(damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..8), cut in any::<proptest::sample::Index>()) {
        let mut bytes = sample();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(cut.index(bytes.len() + 1));
        if let Ok(index) = Index::parse(bytes) {
            for key in ["usb:v1D6Bp0001d1", "fs-ext4", "usb:v0781p5567d0100ic08isc06ip50in00"] {
                let _ = (index.lookup(key), index.exact(key));
            }
        }
    }

    /// Against the plain way: each pattern by itself.
    #[test]
    fn same_as_one_by_one(names in proptest::collection::btree_map("[ab*?]{1,5}", 0..100_u32, 1..12), key in "[ab]{0,6}") {
        let texts: Vec<_> = names.iter().map(|(name, priority)| (name.clone(), [(*priority, name.as_str())])).collect();
        let list: Vec<_> = texts.iter().map(|(name, values)| (name.as_str(), values.as_slice())).collect();
        let index = Index::parse(file(&list)).unwrap();
        let mut found = index.lookup(&key);
        found.sort();
        let wanted: Vec<_> = names.keys().filter(|name| glob::matches(name.as_bytes(), key.as_bytes())).cloned().collect();
        prop_assert_eq!(found, wanted);
        for name in names.keys() {
            prop_assert_eq!(index.exact(name), Some(name.clone()));
        }
    }
}
