//! The documents say what the code does.
//!
//! `cmdline-spec.md` against the table of parameters, the families' tables (`spec/dialects.rs`) and, with every example,
//! against the parser; `docs/report.md` against the structs that become report.json; `docs/troubleshooting.md` against
//! every cause and hint; `docs/dependencies.md` against the manifests.
//!
//! `UPDATE_DOCS=1 cargo test --test spec` writes the generated parts of cmdline-spec.md anew.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)] // helpers of tests are outside of what clippy.toml lets off

#[path = "spec/dialects.rs"]
mod dialects;
#[path = "families/generated.rs"]
mod generated;
#[path = "cmdlines/render.rs"]
mod render;
#[path = "families/samples.rs"]
mod samples;
#[path = "families/tree.rs"]
mod tree;

use isolde::error::Cause;
use isolde::params::PARAMS;
use isolde::stages::cmdline;
use isolde::stages::plan::decide;
use std::collections::{BTreeMap, BTreeSet};

const SPEC: &str = include_str!("../cmdline-spec.md");
const REPORT: &str = include_str!("../docs/report.md");
const TROUBLESHOOTING: &str = include_str!("../docs/troubleshooting.md");
const DEPENDENCIES: &str = include_str!("../docs/dependencies.md");

/// One section of a parameter: its key, and the text up to the next heading.
fn sections() -> Vec<(&'static str, &'static str)> {
    SPEC.split("\n### `")
        .skip(1)
        .map(|section| {
            let (key, rest) = section.split_once("`\n").expect("a heading is a name between backticks");
            (key, rest.split("\n## ").next().unwrap_or(rest))
        })
        .collect()
}

/// The rest of the one line that starts with `- NAME: `.
fn item<'a>(section: &'a str, name: &str) -> Option<&'a str> {
    let start = format!("- {name}: ");
    let mut found = section.lines().filter_map(|line| line.strip_prefix(start.as_str()));
    found.next().filter(|_| found.next().is_none())
}

/// Command lines of ```` ```cmdline ```` blocks, each with the lines that its plan must have.
fn examples(text: &str) -> Vec<(String, Vec<String>)> {
    text.split("```cmdline\n")
        .skip(1)
        .map(|block| {
            let block = block.split("```").next().unwrap_or(block);
            let (command_line, wanted) = block.split_once('\n').expect("a block has a second line");
            let wanted =
                wanted.lines().map(|l| l.strip_prefix("=> ").expect("a plan's line begins with =>").to_owned());
            (command_line.to_owned(), wanted.collect())
        })
        .collect()
}

#[test]
fn the_document_and_the_table_have_the_same_parameters_in_the_same_order() {
    let written: Vec<_> = sections()
        .into_iter()
        .map(|(key, section)| {
            let form = item(section, "Form").unwrap_or_else(|| panic!("{key}: one line \"- Form: `…`\""));
            let default = item(section, "Default").unwrap_or_else(|| panic!("{key}: one line \"- Default: …\""));
            (key, form.trim_matches('`'), default)
        })
        .collect();
    let coded: Vec<_> = PARAMS.iter().map(|param| (param.key, param.form, param.default)).collect();
    for (written, coded) in written.iter().zip(&coded) {
        assert_eq!(written, coded, "document, code");
    }
    let names = |all: &[(&str, &str, &str)]| all.iter().map(|(key, _, _)| (*key).to_owned()).collect::<Vec<_>>();
    assert_eq!(names(&written), names(&coded), "document, code");
}

#[test]
fn every_parameter_has_a_meaning_a_failure_and_an_example_that_uses_it() {
    for (key, section) in sections() {
        assert!(item(section, "Meaning").is_some(), "{key}: one line \"- Meaning: …\"");
        assert!(item(section, "Failure").is_some(), "{key}: one line \"- Failure: …\"");
        assert!(examples(section).iter().any(|(line, _)| line.contains(key)), "{key}: no example with it");
    }
}

#[test]
fn every_wanted_form_in_the_failures_is_the_tables() {
    for (key, section) in sections().into_iter().filter(|(key, _)| key.starts_with("isolde.")) {
        let form = PARAMS.iter().find(|param| param.key == key).map(|param| param.form).expect("a known parameter");
        let text = section.split_whitespace().collect::<Vec<_>>().join(" ");
        let start = format!("`cmdline: parse the kernel command line: {key}=");
        assert!(
            text.contains(&start) && text.contains(&format!(": wanted {form}`")),
            "{key}: the refusal's exact text"
        );
    }
}

#[test]
fn every_example_of_the_document_gives_the_stated_plan() {
    let all = examples(SPEC);
    assert!(all.len() > PARAMS.len(), "{} examples were found", all.len());
    let mut wrong = Vec::new();
    for (command_line, wanted) in all {
        let lines = render::lines_of(&command_line);
        if lines != wanted {
            wrong.push(format!("{command_line}\nwanted {wanted:#?}\ngot {lines:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of them:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_stated_default_is_what_the_absent_word_means() {
    let mut checked = 0;
    for param in PARAMS.iter().filter(|param| param.key.starts_with("isolde.")) {
        if !matches!(param.default, "none" | "absent") && !param.default.contains(' ') {
            let line = format!("isolde.image=/x {}={}", param.key, param.default);
            let (typed, absent) = (cmdline::parse(&line).unwrap(), cmdline::parse("isolde.image=/x").unwrap());
            assert_eq!(decide(&typed).unwrap(), decide(&absent).unwrap(), "{line}");
            checked += 1;
        }
    }
    assert!(checked >= 8, "{checked} defaults were checked");
}

/// A default that is not in the plan, but where the word is used.
#[test]
fn the_stated_default_of_init_is_the_one_in_its_code() {
    let default = PARAMS.iter().find(|param| param.key == "init").map(|param| param.default).unwrap();
    let inits: Vec<&str> = default.split(", ").collect();
    assert!(include_str!("../src/stages/root.rs").contains(&format!("= {inits:?};")), "{inits:?}");
}

#[test]
fn every_option_against_replay_is_in_the_document() {
    let source = include_str!("../src/mounting.rs");
    let ways = source.split("how(\"").skip(1).map(|way| {
        let words: Vec<&str> = way.split('"').collect();
        (words[0], words[2])
    });
    let ways: Vec<_> = ways.filter(|(_, options)| !options.is_empty()).collect();
    assert!(ways.contains(&("ext4", "noload")), "mounting.rs was not understood: {ways:?}");
    for (fstype, options) in ways {
        assert!(SPEC.contains(&format!("`ro,nosuid,nodev,{options}`")), "{fstype}: {options}");
    }
}

/// Every path of report.json, from the source of its structs: `store.device`, `layers[].file`.
fn fields_in_code() -> BTreeSet<String> {
    let source = include_str!("../src/stages/handoff/report.rs");
    let mut structs: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
    for text in source.split("#[derive(Serialize)]\nstruct ").skip(1) {
        let name = text.split([' ', '<']).next().unwrap_or_default();
        let (_, body) = text.split_once("{\n").expect("a struct has a body");
        let body = body.split("\n}").next().unwrap_or(body);
        let fields = body.lines().map(str::trim).filter(|line| !line.starts_with("//"));
        let fields = fields.filter_map(|line| line.trim_end_matches(',').split_once(": ")).collect();
        structs.insert(name, fields);
    }
    let mut paths = BTreeSet::new();
    let mut todo = vec![(String::new(), "Report")];
    while let Some((before, name)) = todo.pop() {
        for (field, kind) in &structs[name] {
            let list = if kind.contains("Vec<") || kind.contains("[String]") { "[]" } else { "" };
            let path = format!("{before}{field}{list}");
            match structs.keys().find(|name| kind.split(|c: char| !c.is_alphanumeric()).any(|word| word == **name)) {
                Some(inner) => todo.push((format!("{path}."), inner)),
                None => _ = paths.insert(path),
            }
        }
    }
    paths
}

#[test]
fn every_field_of_the_report_is_described_and_no_other() {
    let described: BTreeSet<String> = REPORT
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` |"))
        .map(|(field, _)| field.to_owned())
        .collect();
    let coded = fields_in_code();
    assert!(coded.len() > 20, "the structs of report.rs were not found: {coded:?}");
    assert_eq!(described, coded, "docs/report.md, report.rs");
}

/// The data that docs/troubleshooting.md uses in its messages. The `match` makes a new cause a compile error.
fn causes() -> Vec<Cause> {
    let text = |text: &str| text.to_owned();
    let all = vec![
        Cause::Os(std::io::Error::from_raw_os_error(5)),
        Cause::BadParam { key: "isolde.verify", value: text("maybe"), want: "auto|require|signed|off" },
        Cause::UnknownParam { word: text("isolde.verfy=require") },
        Cause::WrongKey { device: text("/dev/sdb1 crypto_LUKS (30000 MiB)"), tries: 3 },
        Cause::NotOpened { why: text("the cipher \"serpent-xts-plain64\" is not supported") },
        Cause::Incomplete {
            volume: text("vg/store"),
            missing: vec![text("mUNVSf-ah0x-bHzu-GUQk-76d0-Vptu-3p9lm9, last seen as /dev/sdc1")],
        },
        Cause::NothingAsked,
        Cause::Conflict { one: text("findiso=/a.iso"), other: text("iso-scan/filename=/b.iso") },
        Cause::NoStore {
            wanted: text("file system labelled \"LIVE\""),
            seen: vec![text("/dev/sda1 vfat \"EFI\" (200 MiB)")],
            waited: 60,
        },
        Cause::Stopped { wanted: text("file system labelled \"LIVE\"") },
        Cause::NoSuchFile {
            path: text("/iso/a.iso"),
            store: text("/dev/sdb1 ext4 \"STICK\" (30000 MiB)"),
            seen: vec![text("b.iso"), text("c.iso")],
        },
        Cause::NoDriver { name: text("exfat"), searched: text("/lib/modules/6.1.0-18-amd64") },
        Cause::NotAnImage { seen: text("no known file system in 4096 bytes") },
        Cause::Truncated { want: 3_000_000_000, got: 1_000_000_000 },
        Cause::DigestMismatch { source: text("/iso/a.iso.b3"), want: text("af13…"), got: text("0b22…") },
        Cause::NoChecksum { looked: vec![text("/iso/a.iso.b3"), text("/iso/B3SUMS")] },
        Cause::Unsound {
            file: text("checksum file /iso/a.iso.b3"),
            why: text("two different checksums for \"a.iso\""),
        },
        Cause::WrongSize { want: 734003200, got: 734003199 },
        Cause::NotCovered { why: text("/iso/a.iso is not in the manifest") },
        Cause::Corrupted { image: text("/iso/a.iso"), block: text("data block 5"), at: Some(20480) },
        Cause::NoFamily { seen: vec![text("install"), text("pool")] },
        Cause::NotLive {
            what: "a Debian installer",
            advice: "write it to a medium of its own, or start it in a virtual machine: it installs, it does not run live",
        },
        Cause::NoDelegate,
        Cause::NoInit { tried: vec![text("/sbin/init"), text("/bin/sh")] },
        Cause::NoHome { why: text("iso9660 cannot be written") },
        Cause::NoPersistence { why: text("8 sessions of work are to be left out, and there are 3") },
        Cause::OtherBase { was: text("/iso/a.iso"), image: text("/iso/b.iso") },
        Cause::TooLong { what: "a list of layers", got: 5000, limit: 4095 },
        Cause::TooMany { what: "layers", got: 600, limit: 500 },
    ];
    let number = |cause: &Cause| match cause {
        Cause::Os(_) => 0,
        Cause::BadParam { .. } => 1,
        Cause::NothingAsked => 2,
        Cause::Conflict { .. } => 3,
        Cause::NoStore { .. } => 4,
        Cause::NoSuchFile { .. } => 5,
        Cause::NoDriver { .. } => 6,
        Cause::NotAnImage { .. } => 7,
        Cause::Truncated { .. } => 8,
        Cause::DigestMismatch { .. } => 9,
        Cause::NoChecksum { .. } => 10,
        Cause::Unsound { .. } => 11,
        Cause::NoFamily { .. } => 12,
        Cause::NoInit { .. } => 13,
        Cause::NoHome { .. } => 14,
        Cause::TooLong { .. } => 15,
        Cause::UnknownParam { .. } => 16,
        Cause::NotLive { .. } => 17,
        Cause::NoDelegate => 18,
        Cause::TooMany { .. } => 19,
        Cause::Stopped { .. } => 20,
        Cause::WrongKey { .. } => 21,
        Cause::NotOpened { .. } => 22,
        Cause::Incomplete { .. } => 23,
        Cause::WrongSize { .. } => 24,
        Cause::NotCovered { .. } => 25,
        Cause::Corrupted { .. } => 26,
        Cause::NoPersistence { .. } => 27,
        Cause::OtherBase { .. } => 28,
    };
    assert!(all.iter().map(number).collect::<BTreeSet<_>>().into_iter().eq(0..29), "one of each");
    all
}

#[test]
fn every_cause_is_explained_with_its_exact_message_and_hint() {
    for cause in causes() {
        let heading = format!("\n### `{cause}`\n");
        let (_, section) = TROUBLESHOOTING.split_once(&heading).unwrap_or_else(|| panic!("no heading {heading:?}"));
        let section = section.split("\n#").next().unwrap_or(section);
        match cause.hint() {
            Some(hint) => assert!(section.contains(&format!("\nhint: `{hint}`\n")), "{cause}: its hint is {hint:?}"),
            None => assert!(!section.contains("\nhint: "), "{cause} has no hint"),
        }
    }
}

/// Names of the packages in the dependency tables of a manifest.
fn packages(manifest: &str) -> Vec<String> {
    let mut inside = false;
    let mut names = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line.ends_with("dependencies]");
        } else if let (true, Some((name, _))) = (inside && !line.starts_with('#'), line.split_once(['=', '.'])) {
            names.push(name.trim().to_owned());
        }
    }
    names
}

#[test]
fn every_dependency_is_argued() {
    let manifests = [
        include_str!("../Cargo.toml"),
        include_str!("../mkinitrd/Cargo.toml"),
        include_str!("../qemu/Cargo.toml"),
        include_str!("../bench/Cargo.toml"),
        include_str!("../host/Cargo.toml"),
        include_str!("../fuzz/Cargo.toml"),
    ];
    let all: BTreeSet<String> = manifests.iter().flat_map(|manifest| packages(manifest)).collect();
    assert!(all.contains("rustix") && all.contains("proptest"), "the manifests were not read: {all:?}");
    for name in all.iter().filter(|name| !name.starts_with("isolde")) {
        assert!(DEPENDENCIES.contains(&format!("| {name} |")), "docs/dependencies.md has no row for {name}");
    }
}
