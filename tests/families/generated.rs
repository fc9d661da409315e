//! Parts of documents that are written from the code: between a line `<!-- NAME -->` and the next `<!-- end -->`.

#![allow(dead_code)] // each test crate that has this module uses another part of it

use std::path::Path;

const END: &str = "<!-- end -->";

/// The document with a new text in that part.
pub fn with_part(document: &str, name: &str, text: &str) -> String {
    let start = format!("<!-- {name} -->\n");
    let (before, rest) = document.split_once(&start).unwrap_or_else(|| panic!("no line {start:?}"));
    let (_, after) = rest.split_once(END).unwrap_or_else(|| panic!("no {END:?} after {start:?}"));
    assert!(!after.contains(&start), "{start:?} stands twice");
    format!("{before}{start}{text}{END}{after}")
}

/// The document of this repository is as wanted; with `UPDATE_DOCS=1` it is made so.
pub fn must_be(path: &str, wanted: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        return std::fs::write(file, wanted).unwrap();
    }
    let written = std::fs::read_to_string(file).unwrap_or_default();
    let number = written.lines().zip(wanted.lines()).take_while(|(one, other)| one == other).count();
    let line = |text: &str| text.lines().nth(number).unwrap_or("(nothing)").to_owned();
    assert!(
        written == wanted,
        "{path}:{}: UPDATE_DOCS=1 accepts this; read what changed\nthere: {}\ncode:  {}",
        number + 1,
        line(&written),
        line(wanted)
    );
}
