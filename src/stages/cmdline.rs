//! Stage 2: the kernel command line, as it was typed.
//!
//! Takes   the text of /proc/cmdline.
//! Gives   [`Cmdline`]: every known parameter with its last value; nothing is decided here.
//! Leaves  unknown words alone: they belong to the kernel, to the live system's userland, or to the real init.
//! Fails   when an `isolde.*` parameter has a value of another form, or a name that is not in the table.

use crate::error::{Cause, Error, Result, Stage};
use crate::families;
use crate::machine::Machine;
use crate::op::Place;
use crate::params::{self, Cmdline};
use crate::sys::{self, Sys};

/// /proc/cmdline is at most a page or two (COMMAND_LINE_SIZE); anything longer is not a command line.
const LONGEST: u64 = 64 << 10;

/// After this the words are the real init's own (kernel: Documentation/admin-guide/kernel-parameters.rst).
const END: &str = "--";

/// Reads and parses the running kernel's command line.
pub fn read<S: Sys>(machine: &mut Machine<S>) -> Result<Cmdline> {
    let at = Place::at("/proc/cmdline");
    let text = sys::read(machine.sys(), &at, LONGEST).map_err(|e| machine.os(format!("read {at}"), e))?;
    let mut typed = words(&String::from_utf8_lossy(&text));
    typed.truncate(typed.iter().position(|word| word == END).unwrap_or(typed.len()));
    typed.extend(machine.added().iter().cloned());
    let cmdline = parse_words(typed)?;
    for name in cmdline.dialects.not_yet() {
        machine.warn(&format!("{name} is understood and not done yet: the boot goes on as if it were not there"));
    }
    Ok(cmdline)
}

/// Parses a command line. Pure and total.
pub fn parse(text: &str) -> Result<Cmdline> {
    parse_words(words(text).into_iter().take_while(|word| word != END))
}

fn parse_words(words: impl IntoIterator<Item = String>) -> Result<Cmdline> {
    let mut cmdline = Cmdline::default();
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
    Error { stage: Stage::Cmdline, doing: "parse the kernel command line".into(), cause }
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
            "cmdline: parse the kernel command line: isolde.verify=maybe: wanted auto|require|off"
        );
        assert!(parse("isolde.veryfy=off").is_err(), "a misspelt name must not be ignored");
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
