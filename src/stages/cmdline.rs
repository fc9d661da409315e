//! Stage 2: the kernel command line, as it was typed.
//!
//! Takes   the text of /proc/cmdline, and the words that the initrd itself holds, which stand before it.
//! Gives   [`Cmdline`]: every known parameter with its last value; nothing is decided here. What init trusts is different:
//!         there the stricter one counts of what the initrd and the command line say.
//! Leaves  unknown words alone: they belong to the kernel, to the live system's userland, or to the real init.
//! Fails   when an `isolde.*` parameter has a value of another form, or a name that is not in the table.

use crate::error::{Cause, Error, Failure, Result, Stage};
use crate::families;
use crate::machine::Machine;
use crate::op::Place;
use crate::params::{self, Cmdline, Policy};
use crate::sys::{self, Sys};
use std::io;

/// /proc/cmdline is at most a page or two (COMMAND_LINE_SIZE); anything longer is not a command line.
pub const LONGEST: u64 = 64 << 10;

/// The words of whoever made the initrd.
pub const INITRD: &str = "/isolde/cmdline";

/// After this the words are the real init's own (kernel: Documentation/admin-guide/kernel-parameters.rst).
const END: &str = "--";

/// Reads and parses the running kernel's command line.
pub fn read<S: Sys>(machine: &mut Machine<S>) -> Result<Cmdline> {
    let cmdline = typed(machine)?.parse()?;
    for name in cmdline.dialects.not_yet() {
        machine.warn(&format!("{name} is understood and not done yet: the boot goes on as if it were not there"));
    }
    Ok(cmdline)
}

/// Parses a command line. Pure and total.
pub fn parse(text: &str) -> Result<Cmdline> {
    parse_with("", text)
}

/// Parses a command line behind the words of an initrd. Pure and total.
pub fn parse_with(initrd: &str, text: &str) -> Result<Cmdline> {
    Typed { initrd: until_end(initrd), line: until_end(text) }.parse()
}

/// What was typed, by whom.
#[derive(Clone, Debug, Default)]
pub(crate) struct Typed {
    initrd: Vec<String>,
    /// At the boot loader, and at the console after a failure.
    line: Vec<String>,
}

/// The words that init goes by.
pub(crate) fn typed<S: Sys>(machine: &Machine<S>) -> Result<Typed> {
    let read = |path| {
        let at = Place::at(path);
        match sys::read(machine.sys(), &at, LONGEST) {
            Ok(text) => Ok(until_end(&String::from_utf8_lossy(&text))),
            Err(error) if path == INITRD && error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(machine.os(format!("read {at}"), error)),
        }
    };
    let (initrd, mut line) = (read(INITRD)?, read("/proc/cmdline")?);
    line.extend(machine.added().iter().cloned());
    Ok(Typed { initrd, line })
}

impl Typed {
    /// All of them, those of the initrd first.
    pub(crate) fn words(&self) -> impl Iterator<Item = &str> {
        self.initrd.iter().chain(&self.line).map(String::as_str)
    }

    /// The policy for what the store holds, also where other words are wrong; with one word more at the end. Pure.
    pub(crate) fn policy(&self, more: Option<&str>) -> Policy {
        let last = |words: &[String]| {
            let words =
                words.iter().filter(|word| params::same(word.split('=').next().unwrap_or(word), "isolde.verify"));
            words.rev().find_map(|word| parse(word).ok()?.verify)
        };
        let line: Vec<String> = self.line.iter().map(String::as_str).chain(more).map(str::to_owned).collect();
        last(&self.initrd).max(last(&line)).unwrap_or_default()
    }

    fn parse(self) -> Result<Cmdline> {
        let initrd = parse_words(Cmdline::default(), self.initrd)?;
        let (verify, manifest_min) = (initrd.verify, initrd.manifest_min);
        let mut cmdline = parse_words(Cmdline { verify: None, manifest_min: None, ..initrd }, self.line)?;
        // Whoever types a command line does not loosen what the maker of the initrd asked for.
        cmdline.verify = cmdline.verify.max(verify);
        cmdline.manifest_min = cmdline.manifest_min.max(manifest_min);
        Ok(cmdline)
    }
}

fn parse_words(mut cmdline: Cmdline, words: Vec<String>) -> Result<Cmdline> {
    for typed in words {
        cmdline.words += 1;
        let (name, value) = typed.split_once('=').unwrap_or((&typed, ""));
        let ours = name.starts_with("isolde.");
        let Some(param) = params::find(name) else {
            if ours {
                return Err(refuse(Cause::UnknownParam { word: typed.escape_debug().to_string() }));
            }
            if let Some(word) = families::find_word(name) {
                cmdline.known += 1;
                // An empty value takes nothing back: GRUB writes one where a variable is not set.
                if !(value.is_empty() && typed.contains('=')) {
                    cmdline.dialects.set(word.name, value);
                }
            }
            continue;
        };
        cmdline.known += 1;
        // A foreign word with a value we cannot read is not an error of ours: its own family may know better.
        if !(param.set)(&mut cmdline, value) && ours {
            let value = value.escape_debug().to_string();
            return Err(refuse(Cause::BadParam { key: param.key, value, want: param.form }));
        }
    }
    Ok(cmdline)
}

fn refuse(cause: Cause) -> Error {
    Box::new(Failure { stage: Stage::Cmdline, doing: "parse the kernel command line".into(), cause })
}

/// The words before those of the real init. Pure.
fn until_end(text: &str) -> Vec<String> {
    words(text).into_iter().take_while(|word| word != END).collect()
}

/// Splits as the kernel does (lib/cmdline.c, next_arg): white space separates, except between double quotes. The quotes
/// themselves go, wherever they stand: people write `LABEL="MY STICK"` as often as `"LABEL=MY STICK"`.
pub(crate) fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quoted = false;
    for letter in text.chars() {
        match letter {
            '"' => quoted = !quoted,
            c if c.is_ascii_whitespace() && !quoted => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            c => word.push(c),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn double_quotes_hold_white_space_together() {
        for line in [
            "isolde.image=\"/my isos/a b.iso\" quiet",
            "\"isolde.image=/my isos/a b.iso\" quiet",
            "quiet isolde.image=\"/my isos/a b.iso",
            "isolde.image=/my\" isos\"/a\" \"b.iso",
        ] {
            assert_eq!(parse(line).unwrap().image.as_deref(), Some("/my isos/a b.iso"), "{line}");
        }
    }

    #[test]
    fn the_last_value_wins() {
        assert_eq!(parse("isolde.wait=1 isolde.wait=2").unwrap().wait, Some(2));
    }

    #[test]
    fn words_after_two_dashes_are_the_inits_own() {
        assert_eq!(
            parse("findiso=/a.iso -- findiso=/b.iso isolde.nonsense").unwrap().dialects.get("findiso"),
            Some("/a.iso")
        );
        assert_eq!(
            parse("--- findiso=/b.iso").unwrap().dialects.get("findiso"),
            Some("/b.iso"),
            "Ubuntu's three dashes"
        );
    }

    #[test]
    fn a_wrong_value_names_key_value_and_form() {
        let error = parse("isolde.verify=maybe").unwrap_err();
        assert_eq!(
            error.to_string(),
            "cmdline: parse the kernel command line: isolde.verify=maybe: wanted auto|require|signed|off"
        );
        assert!(parse("isolde.veryfy=off").is_err(), "a misspelt name must not be ignored");
    }

    #[test]
    fn the_initrd_speaks_first_and_is_not_loosened() {
        let verify = |initrd: &str, line: &str| parse_with(initrd, line).unwrap().verify;
        assert_eq!(verify("isolde.verify=signed", "isolde.verify=off"), Some(Policy::Signed));
        assert_eq!(verify("isolde.verify=auto", "isolde.verify=require"), Some(Policy::Require));
        assert_eq!(verify("", "isolde.verify=require isolde.verify=off"), Some(Policy::Off), "one writer's last word");
        assert_eq!(parse_with("isolde.manifest-min=7", "isolde.manifest-min=3").unwrap().manifest_min, Some(7));
        assert_eq!(parse_with("isolde.wait=7 isolde.image=/x", "isolde.wait=3").unwrap().wait, Some(3));
        assert!(parse_with("isolde.verify=maybe", "").is_err());
    }

    #[test]
    fn the_policy_is_found_among_words_that_are_wrong() {
        let typed = |initrd, line| Typed { initrd: until_end(initrd), line: until_end(line) };
        assert_eq!(typed("isolde.verify=signed", "isolde.nonsense isolde.verify=of").policy(None), Policy::Signed);
        assert_eq!(typed("", "isolde.verify=require").policy(Some("isolde.verify=off")), Policy::Off);
        assert_eq!(typed("isolde.verify=auto", "").policy(Some("isolde.verify=off")), Policy::Auto);
        assert_eq!(typed("", "quiet -- isolde.verify=off").policy(None), Policy::Auto);
    }

    #[test]
    fn foreign_words_never_stop_the_boot() {
        assert!(parse("findiso= root= boot= rd.live.dir quiet splash ---").is_ok());
    }

    proptest! {
        #[test]
        fn parsing_is_total(text in "\\PC*") {
            let _ = parse(&text);
        }

        #[test]
        fn unknown_words_change_nothing(word in "[a-z]{1,8}(\\.[a-z]{1,5})?(=[a-z0-9/]{0,9})?") {
            let name = word.split('=').next().unwrap_or_default().to_owned();
            prop_assume!(params::find(&name).is_none() && families::find_word(&name).is_none() && !name.starts_with("isolde."));
            let line = "boot=live findiso=/x.iso";
            let mut with = parse(&format!("{word} {line} {word}")).unwrap();
            with.words -= 2;
            prop_assert_eq!(with, parse(line).unwrap());
        }

        #[test]
        fn a_quoted_value_comes_back(value in "/[a-zA-Z0-9 ._:,%\\\\-]{1,40}") {
            let parsed = parse(&format!("quiet isolde.image=\"{value}\" splash")).unwrap();
            prop_assert_eq!(parsed.image, Some(value));
        }
    }
}
