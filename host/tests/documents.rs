//! The documents hold what the code has: every field of the JSON, and every status.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // clippy knows test functions as tests, but not what they call

use isolde_host::inspect::checks::{Check, Covers};
use isolde_host::inspect::layers::{Layer, Nested};
use isolde_host::inspect::{Menu, Report, Verdict};
use isolde_host::plan::{Answer, Operation, Outcome, Parameter, Step, Word};
use isolde_host::trust::accept;
use isolde_host::trust::verify::{self, Proof};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeSet;

/// The paths of all fields of some values, as the documents write them.
fn fields(values: &[Value]) -> BTreeSet<String> {
    fn add(value: &Value, at: &str, all: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => fields.iter().for_each(|(name, value)| {
                let at = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
                // A list of lists or of objects is known by what is in it; so is an object that is always there.
                all.insert(at.clone());
                add(value, &at, all);
            }),
            Value::Array(values) => {
                all.remove(at);
                let at = format!("{at}[]");
                if values.iter().any(|value| !value.is_object()) {
                    all.insert(at.clone());
                }
                values.iter().for_each(|value| add(value, &at, all));
            }
            _ => {}
        }
    }
    let mut all = BTreeSet::new();
    values.iter().for_each(|value| add(value, "", &mut all));
    all
}

/// The first column of a document's table of fields.
fn rows(document: &str) -> BTreeSet<String> {
    let text = std::fs::read_to_string(format!("{}/../docs/{document}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let (_, json) = text.split_once("\n## JSON\n").unwrap();
    let (table, _) = json.split_once("\n## ").unwrap();
    let row = |line: &str| Some(line.strip_prefix("| `")?.split_once('`')?.0.to_owned());
    table.lines().filter_map(row).collect()
}

fn json(value: impl Serialize) -> Value {
    serde_json::to_value(value).unwrap()
}

/// Rows without the names that only lead to the fields of an object which is described by these.
fn differ(rows: &BTreeSet<String>, fields: &BTreeSet<String>) -> (Vec<String>, Vec<String>) {
    let leads = |name: &String| rows.iter().any(|row| row.starts_with(&format!("{name}.")));
    let missing = fields.difference(rows).filter(|name| !leads(name)).cloned().collect();
    (missing, rows.difference(fields).cloned().collect())
}

fn text() -> Option<String> {
    Some("x".to_owned())
}

#[test]
fn inspect_has_the_fields_that_its_page_lists() {
    let strings = || vec!["x".to_owned()];
    let report = |verdict| Report {
        image: String::new(),
        bytes: 0,
        format: "",
        names: None,
        volume_id: None,
        uuid: None,
        verdict,
        family: None,
        way: None,
        architecture: None,
        kernel: None,
        kernel_version: None,
        initrd: strings(),
        layers: vec![Layer {
            file: String::new(),
            format: None,
            bytes: 0,
            nested: Some(Nested { file: String::new(), format: None }),
        }],
        checks: [Covers::Image, Covers::File(String::new()), Covers::Files { count: 0, without: strings() }]
            .map(|covers| Check { by: String::new(), place: String::new(), covers })
            .into(),
        menu: Some(Menu { from: None, title: None, words: String::new(), left_out: strings() }),
        grub: None,
        stops: strings(),
        notes: strings(),
    };
    let verdicts = [
        Verdict::Live,
        Verdict::NotLive { what: String::new(), advice: String::new() },
        Verdict::Unknown { seen: strings() },
    ];
    let fields = fields(&verdicts.map(|verdict| json(report(verdict))));
    assert_eq!(differ(&rows("inspect.md"), &fields), (Vec::new(), Vec::new()), "not in the page; not in the code");
}

#[test]
fn plan_has_the_fields_that_its_page_lists() {
    let answer = |outcome| Answer {
        cmdline: String::new(),
        words: vec![Word { word: String::new(), fate: "" }],
        plan: vec![Parameter { name: "", value: text(), word: text() }],
        one_line: None,
        assumed: vec![String::new()],
        stages: vec![Step {
            stage: String::new(),
            says: vec![String::new()],
            operations: vec![Operation { text: String::new(), refused: None }],
        }],
        warnings: vec![String::new()],
        outcome,
    };
    let outcomes = [
        Outcome::Decided,
        Outcome::Boots { executes: String::new() },
        Outcome::Fails { error: String::new(), hint: None, then: String::new() },
    ];
    let fields = fields(&outcomes.map(|outcome| json(answer(outcome))));
    assert_eq!(differ(&rows("plan.md"), &fields), (Vec::new(), Vec::new()), "not in the page; not in the code");
}

#[test]
fn trust_has_the_fields_that_its_page_lists() {
    let answer = accept::Answer {
        policy: "",
        asked: vec![accept::Asked { by: "", policy: "" }],
        keys: vec![accept::Key { file: String::new(), id: String::new() }],
        words: text(),
        least: 1,
        manifest: Some(accept::Manifest { serial: 1, signed_by: text() }),
        fault: text(),
        files: vec![accept::File { path: String::new(), kind: "", fate: accept::Fate::Accepted, why: String::new() }],
        notes: vec![String::new()],
    };
    let fields = fields(&[json(answer)]);
    assert_eq!(differ(&rows("accept.md"), &fields), (Vec::new(), Vec::new()), "not in the page; not in the code");
}

#[test]
fn verify_has_the_fields_that_its_page_lists() {
    let checks = vec![verify::Check { by: String::new(), digest: "", proves: Proof::Origin, fault: text() }];
    let notes = vec![String::new()];
    let files = vec![verify::FileAnswer { path: String::new(), checks, notes, fault: text() }];
    let store = verify::StoreAnswer { store: String::new(), serial: Some(1), signed_by: text(), fault: text() };
    let answer = verify::Answer { stores: vec![store], files };
    let fields = fields(&[json(answer)]);
    assert_eq!(differ(&rows("verify.md"), &fields), (Vec::new(), Vec::new()), "not in the page; not in the code");
}
