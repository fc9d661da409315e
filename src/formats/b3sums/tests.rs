use super::*;
use proptest::prelude::*;

const A: &str = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
const B: &str = "AF1349B9F5F9A1A6A0404DEA36DCC9499BCB25C9ADC112B7CC9A93CAE41F3200";

fn one(text: &str) -> Entry {
    let entries = parse(text.as_bytes()).unwrap();
    assert_eq!(entries.len(), 1, "{text:?}");
    entries.into_iter().next().unwrap()
}

#[test]
fn forms() {
    let table = [
        (format!("{A}  debian.iso\n"), "debian.iso"),
        (format!("\r\n{A}  debian.iso\r\n\n"), "debian.iso"),
        (format!("{A}  two  spaces .iso"), "two  spaces .iso"),
        (format!("{A}    indented"), "  indented"),
        (format!("\\{A}  back\\\\slash\\nnew\\r"), "back\\slash\nnew\r"),
        (format!("{A}  back\\nslash"), "back\\nslash"),
        (format!("BLAKE3 (a (1).iso) = {A}"), "a (1).iso"),
        (format!("\\BLAKE3 (a\\n) = {A}"), "a\n"),
        (format!("BLAKE3 (x) = y) = {A}"), "x) = y"),
        (A.to_string(), ""),
        (format!("{A}  größe"), "größe"),
    ];
    for (text, name) in table {
        let entry = one(&text);
        assert_eq!(entry.name, name, "{text:?}");
        assert_eq!(entry.digest, *blake3::hash(b"").as_bytes());
    }
    assert_eq!(one(B).digest[31], 0);
    assert_eq!(parse(b"").unwrap(), []);
}

#[test]
fn refusals_name_the_line() {
    let short = &A[1..];
    let bad = [
        format!("{short}  x"),
        format!("{A} x"),
        format!("{A} *x"),
        format!("{A}  "),
        format!("{A}{A}  x"),
        format!("{}g  x", short),
        format!("\\{A}  a\\x"),
        format!("\\{A}  a\\"),
        format!("BLAKE3 (x) = {short}"),
        format!("SHA256 (x) = {A}"),
        "# comment".into(),
    ];
    for line in bad {
        let text = format!("{A}  good\n\n{line}\n");
        match parse(text.as_bytes()) {
            Err(FormatError::Line { line: 3, seen, .. }) => {
                assert!(line.replace('\\', "\\\\").starts_with(&seen), "{seen}")
            }
            other => panic!("{line:?}: {other:?}"),
        }
    }
}

#[test]
fn finding() {
    let (a, b) = (one(A).digest, one(B).digest);
    let table = [
        (format!("{A}  x.iso\n{B}  y.iso"), Some(a)),
        (format!("{B}  y.iso\n{A}  ./x.iso\n{A}  x.iso"), Some(a)),
        (format!("{B}  old/x.iso\n{A}  x.iso"), Some(a)),
        (format!("{B}  /media/user/x.iso"), Some(b)),
        (B.to_string(), Some(b)),
        (format!("{B}  y.iso\n{A}"), None),
        (format!("{B}  x.iso.old\n{B}  ax.iso"), None),
        (String::new(), None),
    ];
    for (text, wanted) in table {
        let entries = parse(text.as_bytes()).unwrap();
        assert_eq!(find(&entries, "x.iso").unwrap(), wanted, "{text}");
    }
    for text in [format!("{A}  x.iso\n{B}  ./x.iso"), format!("{A}  1/x.iso\n{B}  2/x.iso"), format!("{A}\n{B}")] {
        let entries = parse(text.as_bytes()).unwrap();
        let error = find(&entries, "x.iso").unwrap_err();
        assert_eq!(error.to_string(), "two different checksums for \"x.iso\"", "{text}");
    }
}

/// What b3sum 1.2 and later write for one file.
fn written(digest: [u8; 32], name: &str, tag: bool) -> String {
    let hex = blake3::Hash::from_bytes(digest).to_hex();
    let escaped = name.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r");
    let mark = if escaped == name { "" } else { "\\" };
    if tag { format!("{mark}BLAKE3 ({escaped}) = {hex}\n") } else { format!("{mark}{hex}  {escaped}\n") }
}

proptest! {
    #[test]
    fn total(text in any::<Vec<u8>>()) {
        let _ = parse(&text);
    }

    #[test]
    fn written_is_read(list in proptest::collection::vec((any::<[u8; 32]>(), "[^\0]{1,20}", any::<bool>()), 0..20)) {
        let text: String = list.iter().map(|(digest, name, tag)| written(*digest, name, *tag)).collect();
        let read: Vec<_> = parse(text.as_bytes()).unwrap().into_iter().map(|entry| (entry.digest, entry.name)).collect();
        let wanted: Vec<_> = list.into_iter().map(|(digest, name, _)| (digest, name)).collect();
        prop_assert_eq!(read, wanted);
    }
}
