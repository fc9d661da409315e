//! The answer as a value: the decisions, the operations by stage, and the end.
//!
//! Takes   a command line, and a store where there is one.
//! Gives   [`Answer`]. Its operations are the journal of the fake kernel on which init's own code booted.
//! Fails   when the store's files cannot be read.

use super::world::world;
use anyhow::Result;
use isolde::machine::Machine;
use isolde::stages::cmdline;
use isolde::stages::plan::render::origins::{self, Fate};
use isolde::stages::plan::{Plan, decide};
use isolde::sys::Level;
use isolde::sys::record::{Ending, Journal, Line, Record};
use serde::Serialize;
use std::path::Path;

/// Everything that `isolde plan` says.
#[derive(Clone, Debug, Serialize)]
pub struct Answer {
    /// The command line as it was asked about.
    pub cmdline: String,
    /// Its words, and what becomes of each.
    pub words: Vec<Word>,
    /// Init's decisions; empty when it refuses the command line.
    pub plan: Vec<Parameter>,
    /// Words that give the same plan again; nothing when there is no plan.
    pub one_line: Option<String>,
    /// What was assumed about the machine, its initramfs, and file systems that are not read here.
    pub assumed: Vec<String>,
    /// The stages that are reached, in order, with what each does; empty without a store.
    pub stages: Vec<Step>,
    /// What init would warn about, each with its stage in front.
    pub warnings: Vec<String>,
    /// How it ends.
    pub outcome: Outcome,
}

/// A word of the command line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Word {
    /// As typed, without its quotes.
    pub word: String,
    /// What becomes of it, in one phrase.
    pub fate: &'static str,
}

/// A parameter of the plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Parameter {
    /// Its name in cmdline-spec.md.
    pub name: &'static str,
    /// Its value as it would be typed.
    pub value: Option<String>,
    /// The word that it comes from; nothing when it is the default.
    pub word: Option<String>,
}

/// What one stage does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The stage's word.
    pub stage: String,
    /// Its lines in the log: what it found and decided.
    pub says: Vec<String>,
    /// What it does, in order.
    pub operations: Vec<Operation>,
}

/// One change to the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Operation {
    /// In the words of init's log.
    pub text: String,
    /// Why the kernel would refuse it.
    pub refused: Option<String>,
}

/// How the boot ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The real init is executed, or the distribution's own.
    Boots {
        /// Its path in the root that it runs in, and its arguments.
        executes: String,
    },
    /// Init stops with a message.
    Fails {
        /// The message.
        error: String,
        /// What can be done about it.
        hint: Option<&'static str>,
        /// What init does after it: the word that says so, or the default.
        then: String,
    },
    /// The command line is understood; the rest needs a store.
    Decided,
}

/// Answers.
///
/// # Errors
/// When the store cannot be read, or stands for something that the fake kernel cannot have.
pub fn answer(line: &str, store: Option<&Path>) -> Result<Answer> {
    let typed = origins::words(line);
    let words = typed.iter().map(|typed| Word { word: typed.text.clone(), fate: typed.fate.text() }).collect();
    let decided = cmdline::parse(line).and_then(|typed| decide(&typed));
    let plan = decided.as_ref().map(|plan| parameters(plan, line)).unwrap_or_default();
    let one_line = decided.as_ref().ok().map(Plan::to_cmdline);
    let then = || {
        let asked =
            typed.iter().rev().find(|typed| matches!(typed.fate, Fate::Parameter(p) if p.key == "isolde.onfail"));
        asked.map_or_else(|| "isolde.onfail=shell, the default".to_owned(), |typed| typed.text.clone())
    };
    let fails = |error: &isolde::error::Error| Outcome::Fails {
        error: error.to_string(),
        hint: error.cause.hint(),
        then: then(),
    };
    let answer = Answer {
        cmdline: line.to_owned(),
        words,
        plan,
        one_line,
        assumed: Vec::new(),
        stages: Vec::new(),
        warnings: Vec::new(),
        outcome: decided.as_ref().map_or_else(fails, |_| Outcome::Decided),
    };
    let Some(store) = store else { return Ok(answer) };
    let (world, notes) = world(line, store)?;
    let mut machine = Machine::new(Record::new(&world));
    let Err(error) = isolde::boot(&mut machine);
    let record = machine.sys();
    let outcome = match record.ending() {
        Some(Ending::Exec) => Outcome::Boots { executes: executed(record.journal()) },
        _ => fails(&error),
    };
    let stages = steps(record.journal(), error.stage.name());
    if record.journal().changes().any(|text| text.starts_with("chroot ")) {
        notes.say("programs are not run: each is taken to succeed, and to change nothing".to_owned());
    }
    let warnings = machine.warnings().to_vec();
    Ok(Answer { assumed: notes.all(), stages, warnings, outcome, ..answer })
}

fn parameters(plan: &Plan, line: &str) -> Vec<Parameter> {
    let same = |p: origins::Parameter| Parameter { name: p.name, value: p.value, word: p.word };
    origins::parameters(plan, line).into_iter().map(same).collect()
}

fn executed(journal: &Journal) -> String {
    let last = journal.changes().last().unwrap_or_default();
    last.strip_prefix("exec ").unwrap_or(last).to_owned()
}

/// The journal by stages. Every line of the log begins with its stage, and a stage that succeeds ends with one; what
/// comes after the last line belongs to the stage that the boot ended in.
fn steps(journal: &Journal, last: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut operations = Vec::new();
    for line in journal.lines() {
        match line {
            Line::Change { text, refused } => {
                operations.push(Operation { text: without_length(text), refused: refused.clone() });
            }
            Line::Shown { .. } => {} // for a person who is not there
            Line::Log { level, text } => {
                let (stage, says) = text.split_once(": ").unwrap_or(("", text));
                let says = match level {
                    // Somebody is waiting: time that does not pass here.
                    Level::Notice => None,
                    // The operations themselves, which are here already.
                    Level::Debug => None,
                    Level::Info => Some(without_time(says).to_owned()),
                    Level::Error | Level::Warning => Some(format!("warning: {says}")),
                };
                take(&mut steps, stage, &mut operations, says);
            }
        }
    }
    if !operations.is_empty() {
        take(&mut steps, last, &mut operations, None);
    }
    steps
}

/// Lets the stage's step take it; a stage that is not there yet is the next one.
fn take(steps: &mut Vec<Step>, stage: &str, operations: &mut Vec<Operation>, says: Option<String>) {
    let new = || Step { stage: stage.to_owned(), says: Vec::new(), operations: Vec::new() };
    if !steps.iter().any(|step| step.stage == stage) {
        steps.push(new());
    }
    if let Some(step) = steps.iter_mut().find(|step| step.stage == stage) {
        step.operations.append(operations);
        step.says.extend(says);
    }
}

/// The report holds times, so its length is another one at each boot.
fn without_length(text: &str) -> String {
    let report = text.split_once("report.json (").filter(|_| text.starts_with("write "));
    report.map_or_else(|| text.to_owned(), |(before, _)| format!("{before}report.json"))
}

/// No time passes on the fake kernel.
fn without_time(text: &str) -> &str {
    text.strip_suffix(" ms)").and_then(|text| text.rsplit_once(" (")).map_or(text, |(before, _)| before)
}
