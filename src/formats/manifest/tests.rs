use super::path::PathFault;
use super::*;
use proptest::prelude::*;

const HEAD: &str = "version = 1\nserial = 7\n";

fn entry(path: &str) -> String {
    format!("[[file]]\npath = \"{path}\"\nsize = 8192\nblake3 = \"{}\"\n", "0f".repeat(32))
}

fn verity() -> String {
    format!("verity-root = \"{}\"\nverity-salt = \"00ff\"\nverity-block = 2048\n", "ab".repeat(32))
}

fn error(text: &str) -> ManifestError {
    Manifest::parse(text.as_bytes()).unwrap_err()
}

#[test]
fn a_manifest_is_read() {
    let text = format!("# made by hand\n{HEAD}\n{}{}  \n{}", entry("boot/x.iso"), verity(), entry("boot/Größe 日本"));
    for text in [text.clone(), text.replace('\n', "\r\n"), text.replace(" = ", "=")] {
        let manifest = Manifest::parse(text.as_bytes()).unwrap();
        assert_eq!((manifest.serial, manifest.files.len()), (7, 2));
        let first = manifest.find("/boot/x.iso").unwrap();
        assert_eq!(first, manifest.find("boot/x.iso").unwrap());
        assert_eq!((first.size, first.blake3), (8192, [15; 32]));
        assert_eq!(first.verity, Some(Verity { root: vec![0xab; 32], salt: vec![0, 255], block: 2048 }));
        assert_eq!(manifest.files[1].verity, None);
        // Only as it is written: whether a store folds case is not for the manifest to know.
        assert_eq!(manifest.find("boot/X.iso"), None);
        assert_eq!(manifest.find("//boot/x.iso"), None);
    }
    assert_eq!(Manifest::parse(HEAD.as_bytes()).unwrap().files, []);
}

#[test]
fn what_is_no_manifest_is_refused_by_name() {
    let all = format!("{HEAD}{}{}", entry("a"), verity());
    let without = |start: &str| -> String {
        all.lines().filter(|line| !line.starts_with(start)).map(|line| format!("{line}\n")).collect()
    };
    for (key, line) in [
        ("version", 1),
        ("serial", 1),
        ("path", 3),
        ("size", 3),
        ("blake3", 3),
        ("verity-root", 3),
        ("verity-salt", 3),
        ("verity-block", 3),
    ] {
        assert_eq!(error(&without(key)), ManifestError::Missing { key, line });
    }
    assert_eq!(error(""), ManifestError::Missing { key: "version", line: 1 });
    assert_eq!(error("version = 2\nserial = 1"), ManifestError::Version { seen: 2 });
    let text = [HEAD, "serial = 7"].concat();
    assert_eq!(error(&text), ManifestError::Doubled { line: 3, key: "serial".into() });
    assert_eq!(error(&(all.clone() + "path = \"b\"")), ManifestError::Doubled { line: 10, key: "path".into() });
    assert_eq!(error(&(all.clone() + "store = 1")), ManifestError::Unknown { line: 10, key: "store".into() });
    assert_eq!(error(&[HEAD, "files = 1"].concat()), ManifestError::Unknown { line: 3, key: "files".into() });
    for seen in ["x", "[file]", "[[file]] # x", "[[[[[[[[file", "\u{feff}"] {
        assert_eq!(error(&[HEAD, seen].concat()), ManifestError::Line { line: 3, seen: seen.into() });
    }
    let message = error(&[HEAD, "\u{1b}[2J"].concat()).to_string();
    assert!(message.ends_with("seen \"\\u{1b}[2J\""), "{message}");
}

#[test]
fn values_of_another_form_are_refused() {
    let all = format!("{HEAD}{}{}", entry("a"), verity());
    let table = [
        ("serial = 7", ["", "\"7\"", "-1", "+7", "07", "0x7", "1_0", "7 # x", "9223372036854775808", "1.0"].as_slice()),
        ("size = 8192", &["8k", " ", "true", "99999999999999999999"]),
        ("path = \"a\"", &["a", "'a'", "\"a", "\"\"\"a\"\"\"", "\"a\" # x", "\"a\\u0062\"", "\"a\tb\"", "\""]),
        ("verity-block = 2048", &["0", "8192", "2047", "\"4096\""]),
        ("verity-salt = \"00ff\"", &["\"0\"", "\"0g\"", "00", "\"FF\""]),
    ];
    for (line, values) in table {
        let (key, _) = line.split_once(" = ").unwrap();
        assert!(all.contains(line), "{line}");
        for value in values {
            let error = error(&all.replace(line, &format!("{key} = {value}")));
            assert!(matches!(&error, ManifestError::Value { key: seen, .. } if seen == key), "{value}: {error}");
        }
    }
    for (key, digits) in [("blake3", "0f".repeat(32)), ("verity-root", "ab".repeat(32)), ("verity-salt", "00ff".into())]
    {
        for value in [digits.repeat(200), digits.clone() + "é", digits.clone() + "0"] {
            let error = error(&all.replace(&format!("\"{digits}\""), &format!("\"{value}\"")));
            assert!(matches!(&error, ManifestError::Value { key: seen, .. } if seen == key), "{key}: {error}");
        }
    }
    let error = error(&all.replace("8192", "8193"));
    assert_eq!(error, ManifestError::Blocks { path: "a".into(), size: 8193, block: 2048 });
}

#[test]
fn paths_that_lead_elsewhere_are_refused_by_name() {
    for (path, fault) in [
        ("", PathFault::Empty),
        ("../x", PathFault::Dots),
        ("/etc/passwd", PathFault::Absolute),
        ("a//b", PathFault::EmptyName),
        ("a.", PathFault::Tail),
    ] {
        assert_eq!(error(&(HEAD.to_owned() + &entry(path))), ManifestError::Path { path: path.into(), fault });
    }
    for (first, second) in [("a/x.iso", "a/x.iso"), ("a/x.iso", "A/X.iso"), ("Ä", "ä")] {
        let text = [HEAD, &entry(first), &entry("other"), &entry(second)].concat();
        assert_eq!(error(&text), ManifestError::Twice { first: first.into(), second: second.into() });
    }
}

#[test]
fn huge_and_deep_manifests_are_refused() {
    let huge = vec![b'#'; MOST + 1];
    assert_eq!(Manifest::parse(&huge), Err(ManifestError::TooLarge { most: MOST }));
    let deep = HEAD.to_owned() + &"[".repeat(MOST - HEAD.len());
    assert_eq!(error(&deep), ManifestError::Line { line: 3, seen: "[".repeat(100) });
    assert_eq!(Manifest::parse(b"version = 1\n# \xff"), Err(ManifestError::NotText { at: 14 }));
    let many: String = (0..20_000).map(|number| entry(&number.to_string())).collect();
    assert_eq!(Manifest::parse((HEAD.to_owned() + &many).as_bytes()).unwrap().files.len(), 20_000);
}

#[test]
fn an_older_manifest_is_refused() {
    let manifest = Manifest::parse(HEAD.as_bytes()).unwrap();
    assert_eq!(manifest.check_serial(7), Ok(()));
    let error = manifest.check_serial(8).unwrap_err();
    assert_eq!(error.to_string(), "wanted serial 8 or a later one, seen 7");
}

proptest! {
    #[test]
    fn any_bytes_are_a_value_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Manifest::parse(&bytes);
    }

    #[test]
    fn a_change_is_never_read_as_the_same(at in 0_usize..500, bit in 0_u8..8) {
        let text = format!("{HEAD}{}{}", entry("boot/x.iso"), verity());
        let mut changed = text.clone().into_bytes();
        let at = at % changed.len();
        changed[at] ^= 1 << bit;
        // Only white space may be other white space.
        if let Ok(manifest) = Manifest::parse(&changed) {
            let is_same = manifest == Manifest::parse(text.as_bytes()).unwrap();
            prop_assert!(!is_same || text.as_bytes()[at].is_ascii_whitespace());
        }
    }
}
