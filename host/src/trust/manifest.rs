//! Manifests as text, through the crate toml; the form is that of `isolde::formats::manifest`.

pub use super::digest::hex;

use super::digest::unhex;
use anyhow::{Context, Result, bail};
use isolde::formats::manifest::{Entry, Manifest, VERSION, Verity};
use isolde::params::Policy;
use serde::{Deserialize, Serialize};

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Text {
    version: u64,
    serial: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    verify: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    file: Vec<File>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    path: String,
    size: u64,
    blake3: String,
    verity_root: Option<String>,
    verity_salt: Option<String>,
    verity_block: Option<u32>,
}

/// The text of a manifest.
///
/// # Errors
/// When init would not read it as this manifest: a path that it refuses, two entries for one file, a number too large.
pub fn write(manifest: &Manifest) -> Result<String> {
    let file = manifest.files.iter().map(|entry| File {
        path: entry.path.clone(),
        size: entry.size,
        blake3: hex(&entry.blake3),
        verity_root: entry.verity.as_ref().map(|verity| hex(&verity.root)),
        verity_salt: entry.verity.as_ref().map(|verity| hex(&verity.salt)),
        verity_block: entry.verity.as_ref().map(|verity| verity.block),
    });
    let verify = manifest.verify.map(|policy| policy.word().to_owned());
    let text = Text { version: VERSION, serial: manifest.serial, verify, file: file.collect() };
    let text = format!("# Files of this store that may be used. Made by isolde seal.\n{}", toml::to_string(&text)?);
    match Manifest::parse(text.as_bytes()).context("the manifest")? {
        read if read == *manifest => Ok(text),
        _ => bail!("the manifest: init would read another one"),
    }
}

/// Reads a manifest with the crate toml alone, without init's rules for paths; for comparison.
///
/// # Errors
/// When it is none.
pub fn read(text: &str) -> Result<Manifest> {
    let text: Text = toml::from_str(text)?;
    if text.version != VERSION {
        bail!("wanted version {VERSION}, seen {}", text.version);
    }
    let entry = |file: File| {
        let verity = match (file.verity_root, file.verity_salt, file.verity_block) {
            (None, None, None) => None,
            (Some(root), Some(salt), Some(block)) => Some(Verity { root: unhex(&root)?, salt: unhex(&salt)?, block }),
            _ => bail!("{}: wanted all keys of a hash tree, seen some", file.path),
        };
        let blake3 = unhex(&file.blake3)?.try_into().ok().context("blake3: wanted 64 hex digits")?;
        Ok(Entry { path: file.path, size: file.size, blake3, verity })
    };
    let verify =
        text.verify.map(|word| wish(&word).with_context(|| format!("wanted require or signed, seen {word:?}")));
    let verify = verify.transpose()?;
    Ok(Manifest { serial: text.serial, verify, files: text.file.into_iter().map(entry).collect::<Result<_>>()? })
}

/// What a store can ask for by this word.
fn wish(word: &str) -> Option<Policy> {
    let policy = Policy::WORDS.into_iter().find(|(name, _)| *name == word).map(|(_, policy)| policy);
    policy.filter(|policy| *policy > Policy::Auto)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entries() -> impl Strategy<Value = Vec<Entry>> {
        let verity = proptest::option::of((
            proptest::collection::vec(any::<u8>(), 32),
            proptest::collection::vec(any::<u8>(), 0..40),
            prop_oneof![Just(512_u32), Just(4096)],
        ));
        let entry = ("[a-z0-9äé日' +~#=\\[\\]-]{0,12}", 1_u64..1 << 40, any::<[u8; 32]>(), verity);
        proptest::collection::vec(entry, 0..6).prop_map(|all| {
            let one = |(number, (name, blocks, blake3, verity)): (usize, _)| Entry {
                path: format!("boot/{number}{name}.iso"),
                size: blocks * 4096,
                blake3,
                verity: Option::map(verity, |(root, salt, block)| Verity { root, salt, block }),
            };
            all.into_iter().enumerate().map(one).collect()
        })
    }

    proptest! {
        #[test]
        fn init_and_the_crate_toml_read_what_is_written(serial in 0..=i64::MAX as u64, wish in 0..3_usize, files in entries()) {
            let verify = [None, Some(Policy::Require), Some(Policy::Signed)][wish];
            let manifest = Manifest { serial, verify, files };
            let text = write(&manifest).unwrap();
            prop_assert_eq!(&Manifest::parse(text.as_bytes()).unwrap(), &manifest);
            prop_assert_eq!(read(&text).unwrap(), manifest);
        }

        #[test]
        fn what_init_reads_the_crate_toml_reads_alike(at: usize, byte: u8) {
            let files = vec![Entry { path: "boot/x.iso".into(), size: 4096, blake3: [7; 32], verity: Some(Verity { root: vec![1; 32], salt: vec![2], block: 512 }) }];
            let mut text = write(&Manifest { serial: 3, verify: Some(Policy::Signed), files }).unwrap().into_bytes();
            let at = at % text.len();
            text[at] = byte;
            if let Ok(manifest) = Manifest::parse(&text) {
                // A control character in a comment is no TOML; init passes comments by.
                if let Ok(other) = read(std::str::from_utf8(&text).unwrap()) {
                    prop_assert_eq!(manifest, other);
                } else {
                    prop_assert!(text.split(|&byte| byte == b'\n').any(|line| line.starts_with(b"#") && line.iter().any(u8::is_ascii_control)));
                }
            }
        }
    }

    #[test]
    fn what_init_would_refuse_is_not_written() {
        for path in ["../x", "/x", "a\"b", "a\\b", "a\nb"] {
            let files = vec![Entry { path: path.into(), size: 1, blake3: [0; 32], verity: None }];
            assert!(write(&Manifest { serial: 1, verify: None, files }).is_err(), "{path}");
        }
        for policy in [Policy::Off, Policy::Auto] {
            assert!(write(&Manifest { serial: 1, verify: Some(policy), files: Vec::new() }).is_err(), "{policy:?}");
        }
        assert!(write(&Manifest { serial: u64::MAX, verify: None, files: Vec::new() }).is_err());
    }
}
