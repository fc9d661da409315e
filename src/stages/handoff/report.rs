//! `/run/isolde/report.json`: what was booted, and how. The format is described in docs/report.md.

use crate::machine::Machine;
use crate::stages::customize::Customized;
use crate::stages::plan::Plan;
use crate::stages::store::Access;
use crate::stages::verify::{MANIFEST, Proof, Trust};
use crate::sys::Sys;
use serde::Serialize;

/// Raised when a field changes its meaning or goes away; new fields do not raise it.
const FORMAT: u32 = 1;

#[derive(Serialize)]
struct Report<'a> {
    format: u32,
    version: &'static str,
    plan: String,
    store: StoreReport<'a>,
    image: &'a str,
    family: &'static str,
    way: &'static str,
    medium: &'static str,
    layers: Vec<LayerReport<'a>>,
    init: &'a str,
    overlay_size: String,
    zram: Option<u64>,
    saved_sessions: usize,
    session: Option<u32>,
    check: Check<'a>,
    extensions: Vec<ExtensionReport<'a>>,
    home: Option<&'a str>,
    home_ids: Option<String>,
    scripts: Option<&'a str>,
    programs: Vec<ProgramReport<'a>>,
    warnings: &'a [String],
    /// Milliseconds of each stage, in order.
    stages: Vec<StageReport>,
    /// Milliseconds from the kernel's start to the hand-off.
    handoff_at_ms: u64,
    peak_rss_kib: Option<u64>,
}

#[derive(Serialize)]
struct StoreReport<'a> {
    device: String,
    fstype: &'static str,
    description: &'a str,
    writable: bool,
    refused: Option<&'a str>,
    in_memory: Option<u64>,
}

#[derive(Serialize)]
struct LayerReport<'a> {
    file: &'a str,
    at: &'a str,
    device: &'a str,
}

#[derive(Serialize)]
struct Check<'a> {
    policy: &'static str,
    blake3: Option<&'a str>,
    verity_root: Option<&'a str>,
    source: Option<&'a str>,
    not_checked: Option<&'static str>,
    manifest_serial: Option<u64>,
    signed_by: Option<String>,
}

#[derive(Serialize)]
struct ExtensionReport<'a> {
    name: &'a str,
    file: &'a str,
    links: usize,
}

#[derive(Serialize)]
struct ProgramReport<'a> {
    path: &'a str,
    end: &'a str,
}

#[derive(Serialize)]
struct StageReport {
    stage: &'static str,
    ms: u64,
}

fn check(proof: &Proof) -> Check<'_> {
    let (blake3, verity_root, source, not_checked) = match &proof.image {
        Trust::Blake3 { digest, source } => (Some(digest.as_str()), None, Some(source.as_str()), None),
        Trust::Verity { root } => (None, Some(root.as_str()), Some(MANIFEST), None),
        Trust::NotAsked(why) => (None, None, None, Some(*why)),
    };
    let ledger = &proof.ledger;
    let (policy, manifest_serial) = (ledger.policy().word(), ledger.serial());
    let signed_by = ledger.signed_by().map(|key| key.to_string());
    Check { policy, blake3, verity_root, source, not_checked, manifest_serial, signed_by }
}

/// The report's text.
pub(super) fn json<S: Sys>(machine: &Machine<S>, plan: &Plan, done: &Customized) -> String {
    let extended = &done.settled.inhabited.extended;
    let layers = &extended.root.layers;
    let store = &layers.store;
    let ms = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let report = Report {
        format: FORMAT,
        version: env!("CARGO_PKG_VERSION"),
        plan: plan.to_string(),
        store: StoreReport {
            device: format!("/dev/{}", store.device),
            fstype: store.format.name(),
            description: &store.description,
            in_memory: store.in_memory,
            writable: store.access == Access::ReadWrite,
            refused: match &store.access {
                Access::Refused(why) => Some(why.as_str()),
                Access::ReadOnly | Access::ReadWrite => None,
            },
        },
        image: &layers.image,
        family: layers.family.name,
        way: layers.family.way.text(),
        medium: layers.layout.medium,
        layers: layers
            .layers
            .iter()
            .map(|layer| LayerReport { file: &layer.file, at: &layer.at, device: &layer.device })
            .collect(),
        init: &extended.root.init,
        overlay_size: extended.root.overlay_size.to_string(),
        zram: extended.root.zram,
        saved_sessions: extended.root.saved,
        session: extended.root.session,
        check: check(&layers.proof),
        extensions: extended
            .extensions
            .iter()
            .map(|extension| ExtensionReport { name: &extension.name, file: &extension.file, links: extension.links })
            .collect(),
        home: done.settled.inhabited.home.as_deref(),
        home_ids: done.settled.inhabited.ids.map(|ids| ids.to_string()),
        scripts: done.settled.scripts.as_deref(),
        programs: done.programs.iter().map(|ran| ProgramReport { path: &ran.path, end: &ran.end }).collect(),
        warnings: machine.warnings(),
        stages: machine
            .finished()
            .iter()
            .map(|finished| StageReport { stage: finished.stage.name(), ms: ms(finished.took) })
            .collect(),
        handoff_at_ms: ms(machine.sys().now()),
        peak_rss_kib: machine.sys().peak_memory(),
    };
    // Serialising plain structs to a string cannot fail; should it, the reader gets valid JSON that says so.
    serde_json::to_string_pretty(&report).unwrap_or_else(|error| format!("{{\"error\": {:?}}}\n", error.to_string()))
}
