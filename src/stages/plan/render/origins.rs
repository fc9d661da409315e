//! Which word of a command line decided what.
//!
//! Takes   the command line as typed, and the plan that was decided from it.
//! Gives   for each word what becomes of it, and for each parameter of the plan the word that it comes from.
//! Leaves  the deciding to `plan`: what is said here is found by comparing values with the plan's.

use crate::families::{FAMILIES, find_word};
use crate::params::{self, Cmdline, Param};
use crate::source::{Named, StoreSpec};
use crate::stages::cmdline;
use crate::stages::plan::Plan;
use crate::words::{Does, Words};

/// What becomes of a word.
#[derive(Clone, Copy, Debug)]
pub enum Fate {
    /// It is a parameter of init, with a value that it can have.
    Parameter(&'static Param),
    /// It is a parameter of init with a value of another form, or an `isolde.` word that is none: no boot.
    Refused,
    /// It is a word of a live system's dialect.
    Dialect(Does),
    /// It is for the kernel or the running system, and stays as it is.
    Foreign,
    /// It comes after `--` and belongs to the real init.
    Init,
}

impl Fate {
    /// The fate in one phrase.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Fate::Parameter(_) => "is a parameter of init",
            Fate::Refused => "is refused",
            Fate::Dialect(does) => does.text(),
            Fate::Foreign => "is left to the kernel and the system",
            Fate::Init => "is an argument of the real init",
        }
    }
}

/// A word of the command line.
#[derive(Clone, Debug)]
pub struct Typed {
    /// As typed, without its quotes.
    pub text: String,
    /// What becomes of it.
    pub fate: Fate,
}

impl Typed {
    fn split(&self) -> (&str, &str) {
        self.text.split_once('=').unwrap_or((&self.text, ""))
    }
}

/// Every word, in order.
#[must_use]
pub fn words(line: &str) -> Vec<Typed> {
    let mut ended = false;
    let mut all = Vec::new();
    for text in cmdline::words(line) {
        let mut typed = Typed { text, fate: Fate::Init };
        if !ended && typed.text != "--" {
            typed.fate = fate(&typed);
        }
        ended |= typed.text == "--";
        all.push(typed);
    }
    all
}

fn fate(typed: &Typed) -> Fate {
    let (name, value) = typed.split();
    match params::find(name) {
        Some(param) if (param.set)(&mut Cmdline::default(), value) => Fate::Parameter(param),
        _ if name.starts_with("isolde.") => Fate::Refused,
        Some(_) => Fate::Foreign,
        None => find_word(name).map_or(Fate::Foreign, |word| Fate::Dialect(word.does)),
    }
}

/// A parameter of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name in cmdline-spec.md.
    pub name: &'static str,
    /// Its value as it would be typed; `None` where nothing is typed for it.
    pub value: Option<String>,
    /// The word that it comes from; `None`: it is the default.
    pub word: Option<String>,
}

/// The plan's parameters with their origins, for the plan that this line gives.
#[must_use]
pub fn parameters(plan: &Plan, line: &str) -> Vec<Parameter> {
    let typed = words(line);
    let with_origin = |(name, value)| Parameter { name, value, word: origin(plan, &typed, name) };
    plan.parameters().into_iter().map(with_origin).collect()
}

fn origin(plan: &Plan, typed: &[Typed], name: &str) -> Option<String> {
    let own = |key: &str| {
        // The last value wins.
        let is_it = |typed: &&Typed| matches!(typed.fate, Fate::Parameter(param) if param.key == key);
        typed.iter().rev().find(is_it).map(|typed| typed.text.clone())
    };
    let named = || {
        let mut dialects = Words::default();
        for typed in typed.iter().filter(|typed| matches!(typed.fate, Fate::Dialect(_))) {
            let (name, value) = typed.split();
            if let Some(word) = find_word(name) {
                dialects.set(word.name, value);
            }
        }
        let all = FAMILIES.iter().flat_map(|family| (family.sources)(&dialects)).collect::<Vec<Named>>();
        all.into_iter().filter(|named| named.image == plan.image)
    };
    match name {
        "isolde.image" => own(name).or_else(|| named().next().map(|named| named.word)).or_else(|| own("isolde.store")),
        "isolde.store" if plan.store == StoreSpec::Any => None,
        "isolde.store" => own(name).or_else(|| named().find(|named| named.store == plan.store).map(|named| named.word)),
        "isolde.extensions" | "isolde.home" | "isolde.customize" => own("isolde.pristine").or_else(|| own(name)),
        _ => own(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stages::plan::decide;

    fn origins(line: &str) -> Vec<(&'static str, String)> {
        let plan = decide(&cmdline::parse(line).unwrap()).unwrap();
        parameters(&plan, line).into_iter().filter_map(|found| Some((found.name, found.word?))).collect()
    }

    #[test]
    fn the_word_that_decided_is_named() {
        let from =
            |line: &str| origins(line).into_iter().map(|(name, word)| format!("{name} {word}")).collect::<Vec<_>>();
        assert_eq!(from("boot=live findiso=/x.iso quiet"), ["isolde.image findiso=/x.iso"]);
        assert_eq!(from("boot=live"), ["isolde.image boot=live"]);
        let line = "fromiso=/dev/sda1/x.iso isolde.wait=1 isolde.wait=2 init=/bin/sh -- isolde.wait=3";
        assert_eq!(
            from(line),
            [
                "isolde.image fromiso=/dev/sda1/x.iso",
                "isolde.store fromiso=/dev/sda1/x.iso",
                "isolde.wait isolde.wait=2",
                "init init=/bin/sh"
            ]
        );
        let line =
            "findiso=/old.iso isolde.image=/x.iso isolde.store=LABEL=\"MY STICK\" isolde.home=/h isolde.pristine";
        assert_eq!(
            from(line),
            [
                "isolde.image isolde.image=/x.iso",
                "isolde.store isolde.store=LABEL=MY STICK",
                "isolde.extensions isolde.pristine",
                "isolde.home isolde.pristine",
                "isolde.customize isolde.pristine"
            ]
        );
        assert_eq!(
            from("isolde.store=LABEL=X"),
            ["isolde.image isolde.store=LABEL=X", "isolde.store isolde.store=LABEL=X"]
        );
    }

    #[test]
    fn every_word_has_its_fate() {
        let line =
            "findiso=/x.iso read-only components quiet isolde.wait=1 isolde.wait=x isolde.nonsense init= -- init=/x";
        let fates: Vec<&str> = words(line).into_iter().map(|typed| typed.fate.text()).collect();
        let (source, later, system) = (Does::Source.text(), Does::NotYet.text(), Does::Userland.text());
        let (own, foreign, init) = (Fate::Refused.text(), Fate::Foreign.text(), Fate::Init.text());
        let parameter = "is a parameter of init";
        assert_eq!(fates, [source, later, system, foreign, parameter, own, own, foreign, init, init]);
    }
}
