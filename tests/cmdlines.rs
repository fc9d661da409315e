//! Command lines of real boot loaders and real live systems, with the plan that each must give.
//!
//! `tests/cmdlines/*.txt`: a comment with `#` says whose line it is; `>` begins a command line, as /proc/cmdline has it;
//! the lines with `=` after it are the plan: first what is booted, then what differs from the defaults, then the words
//! that are not done yet. Below, what must hold for every line, also for one that nobody would write.

#![allow(clippy::panic, clippy::unwrap_used)] // helpers of tests are outside of what clippy.toml lets off

#[path = "cmdlines/render.rs"]
mod render;

use isolde::error::Result;
use isolde::families::FAMILIES;
use isolde::params::PARAMS;
use isolde::source::{ImageSpec, StoreSpec};
use isolde::stages::cmdline::parse;
use isolde::stages::plan::{Plan, decide};
use proptest::prelude::*;
use std::collections::BTreeSet;
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
    assert!(cases.len() >= 150, "{} command lines were found", cases.len());
    let mut wrong = Vec::new();
    for Case { place, command_line, wanted } in cases {
        let lines = render::lines_of(&command_line);
        if lines != wanted {
            wrong.push(format!("{place}:\n> {command_line}\nwanted {wanted:#?}\ngot {lines:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of them:\n{}", wrong.len(), wrong.join("\n"));
}

/// Neither a word of the kernel's or the userland's, nor what comes after `--`, changes what is booted.
#[test]
fn foreign_words_around_a_real_command_line_change_nothing() {
    let closed = |case: &Case| case.command_line.matches('"').count().is_multiple_of(2);
    for Case { place, command_line, wanted } in
        cases().into_iter().filter(|case| !case.command_line.contains(" -- ") && closed(case))
    {
        let line = format!("BOOT_IMAGE=(loop)/x quiet panic=1 {command_line} nomodeset -- isolde.image=/other.iso");
        assert_eq!(render::lines_of(&line), wanted, "{place}");
    }
}

/// Only words of one name have an order.
#[test]
fn the_order_of_different_words_changes_nothing() {
    for Case { place, command_line, wanted } in cases().into_iter().filter(|case| !case.command_line.contains('"')) {
        let words: Vec<&str> = command_line.split_whitespace().take_while(|word| *word != "--").collect();
        let names: BTreeSet<String> =
            words.iter().map(|word| word.split('=').next().unwrap_or(word).replace('-', "_")).collect();
        if names.len() == words.len() {
            let reversed: Vec<&str> = words.into_iter().rev().collect();
            assert_eq!(render::lines_of(&reversed.join(" ")), wanted, "{place}");
        }
    }
}

fn plan(line: &str) -> Result<Plan> {
    decide(&parse(line)?)
}

#[test]
fn a_real_plan_as_a_command_line_is_the_same_plan() {
    let mut compared = 0;
    for Case { place, command_line, .. } in cases() {
        if let Ok(wanted) = plan(&command_line) {
            let line = wanted.to_cmdline();
            assert_eq!(plan(&line).unwrap_or_else(|error| panic!("{place}: {line}: {error}")), wanted, "{place}");
            compared += 1;
        }
    }
    assert!(compared >= 100, "{compared} plans were compared");
}

/// Twice the same word is one warning: what a hostile line can put into the log and into the report has a bound.
#[test]
fn a_word_is_warned_of_once_and_a_later_no_takes_it_back() {
    assert_eq!(render::warnings_of(&"todisk ".repeat(9_000)).len(), 1);
    assert!(render::warnings_of("todisk persistence=1 todisk=0 persistence=off").is_empty());
}

/// Names of every table, each once.
fn names() -> Vec<&'static str> {
    let words = FAMILIES.iter().flat_map(|family| family.words).map(|word| word.name);
    let all: BTreeSet<&str> = PARAMS.iter().map(|param| param.key).chain(words).collect();
    all.into_iter().collect()
}

/// What is kept of a line is no longer than the line, however often a word stands in it.
fn check_size(line: &str) {
    let Ok(cmdline) = parse(line) else { return };
    let Ok(plan) = decide(&cmdline) else { return };
    let kept: usize = plan.words.iter().map(|(_, value)| value.len()).sum();
    assert!(kept <= line.len() && plan.words.iter().count() <= names().len(), "{kept} of {} bytes", line.len());
    // A path gets at most one slash more, a place its own spelling: `live:CDLABEL=X` is `LABEL=X`.
    assert!(plan.image.to_string().len() <= 10 * line.len() + 20 && plan.store.to_string().len() <= line.len() + 20);
}

/// A line that is twice as long as what init reads, of the shapes that would show work that grows faster than the line:
/// this test would not end.
#[test]
fn a_very_long_line_is_read() {
    const LONG: usize = 128 << 10;
    let fill = |text: &str| text.repeat(LONG / text.len());
    let value = |word: &str, text: &str| format!("{word}{}", fill(text));
    let mut lines = vec![fill("a "), fill("\""), fill("="), fill("toram "), fill("findiso=/x "), fill("é\u{1b} ")];
    lines.extend([value("findiso=", "/"), value("findiso=/", "é"), value("isolde.image=/", "\\x41")]);
    lines.extend([value("fromiso=/dev/disk/by-label/", "\\x20"), value("fromiso=", ":/"), value("isolde.wait=", "9")]);
    lines.extend([
        value("img_dev=UUID=", "-"),
        value("root=live:", "live:"),
        value("isolde.", "x"),
        fill("isolde.log=info "),
    ]);
    lines.extend(["from", "livemedia", "isofrom"].map(|name| value(&format!("{name}="), ":/dev/disk/by-uuid/")));
    for line in lines {
        check_size(&line);
    }
}

/// A value that somebody who means harm might write.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{0,40}",
        "[/a-z.]{0,20}",
        "(/dev/)?(disk/)?(by-(uuid|label|id)/)?[A-Za-z0-9\\\\:/. -]{0,20}",
        "(live:|mgalive:|scandev:|ext4:)?(UUID|LABEL|CDLABEL|PARTUUID)?[=:]?[a-z0-9:/-]{0,16}",
        "[\\x00-\\x1f\\x7f\"=]{0,12}",
        "[a-z]{0,3}".prop_map(|text| text.repeat(3000)),
        Just(String::new()),
    ]
}

/// Words of the tables with any value, and any other words.
fn hostile_line() -> impl Strategy<Value = String> {
    let known = (prop::sample::select(names()), value()).prop_map(|(name, value)| format!("{name}={value}"));
    let bare = prop::sample::select(names()).prop_map(str::to_owned);
    let word = prop_oneof![4 => known, 2 => bare, 1 => "\\PC{0,30}", 1 => Just("--".to_owned())];
    prop::collection::vec(word, 0..30).prop_map(|words| words.join(" "))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })] // each is a line of 10,000 words

    #[test]
    fn ten_thousand_words_keep_no_more_than_the_tables_have(word in value(), name in prop::sample::select(names())) {
        check_size(&format!("boot=live {}", format!("{name}={word} ").repeat(10_000)));
    }
}

proptest! {
    #[test]
    fn any_line_gives_a_plan_or_a_refusal_that_can_be_printed(line in hostile_line()) {
        check_size(&line);
        match plan(&line) {
            Ok(plan) => prop_assert!(plan.to_string().starts_with("boot ")),
            Err(error) => prop_assert!(!error.to_string().chars().any(char::is_control), "{error:?}"),
        }
    }

    /// The kernel hands bytes over; what is no UTF-8 is replaced, as init does it.
    #[test]
    fn any_bytes_are_a_line(bytes in prop::collection::vec(any::<u8>(), 0..4096)) {
        check_size(&String::from_utf8_lossy(&bytes));
    }

    /// A word that names an image either has a place in the plan, or is overruled, or refuses the boot: two of them never
    /// give a file that neither names. antiX's bare word names one file.
    #[test]
    fn what_is_booted_is_what_a_word_names(line in hostile_line()) {
        if let Ok(Plan { image: ImageSpec::File(path), .. }) = plan(&line) {
            let typed = line.replace('"', "");
            prop_assert!(path == "/antiX/antiX.iso" || typed.contains(path.trim_start_matches('/')), "{path}");
        }
    }

    #[test]
    fn a_plan_as_a_command_line_is_the_same_plan(line in hostile_line()) {
        if let Ok(wanted) = plan(&line) {
            // A device below /dev/disk that is no identity can be typed in a dialect's word alone.
            prop_assume!(!matches!(&wanted.store, StoreSpec::Device(name) if name.starts_with("disk/")));
            let again = plan(&wanted.to_cmdline());
            prop_assert_eq!(again.map_err(|error| error.to_string()), Ok(wanted));
        }
    }
}
