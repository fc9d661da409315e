//! Command lines of real boot loaders and real live systems, with the plan that each must give.
//!
//! `tests/cmdlines/*.txt`: a comment with `#` says whose line it is; `>` begins a command line, as /proc/cmdline has it;
//! the lines with `=` after it are the plan: first what is booted, then what differs from the defaults.

#![allow(clippy::panic, clippy::unwrap_used)] // helpers of tests are outside of what clippy.toml lets off

#[path = "cmdlines/render.rs"]
mod render;

use std::fs;
use std::path::Path;

/// One command line of a file, where it stands, and its plan.
struct Case {
    place: String,
    command_line: String,
    wanted: Vec<String>,
}

fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cmdlines");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    files.sort();
    files.iter().flat_map(|path| cases_of(path)).collect()
}

fn cases_of(path: &Path) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for (number, line) in (1..).zip(fs::read_to_string(path).unwrap().lines()) {
        let place = format!("{}:{number}", path.display());
        match line.split_at_checked(2) {
            Some(("> ", command_line)) => {
                cases.push(Case { place, command_line: command_line.to_owned(), wanted: Vec::new() });
            }
            Some(("= ", plan)) => {
                cases
                    .last_mut()
                    .unwrap_or_else(|| panic!("{place}: a plan without a line"))
                    .wanted
                    .push(plan.to_owned());
            }
            _ => assert!(line.is_empty() || line.starts_with('#'), "{place}: neither #, > nor ="),
        }
    }
    cases
}

#[test]
fn real_command_lines_give_the_wanted_plans() {
    let cases = cases();
    assert!(cases.len() >= 25, "{} command lines were found", cases.len());
    for Case { place, command_line, wanted } in cases {
        assert_eq!(render::lines_of(&command_line), wanted, "{place}");
    }
}

/// Neither a word of the kernel's or the userland's, nor what comes after `--`, changes what is booted.
#[test]
fn foreign_words_around_a_real_command_line_change_nothing() {
    for Case { place, command_line, wanted } in cases().into_iter().filter(|case| !case.command_line.contains(" -- ")) {
        let line = format!("BOOT_IMAGE=(loop)/x quiet rw {command_line} nomodeset -- isolde.image=/other.iso");
        assert_eq!(render::lines_of(&line), wanted, "{place}");
    }
}
