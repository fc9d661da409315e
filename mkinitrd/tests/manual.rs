//! The manual page (README.md) and `--help` say the same: the section OPTIONS is compared word by word with what the
//! command line parser knows, and the examples are parsed.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // clippy knows test functions as tests, but not what they call

use clap::{Arg, ArgAction, CommandFactory, Parser};
use isolde_mkinitrd::cli::Cli;

const MANUAL: &str = include_str!("../README.md");

/// The text of a section of the manual, without its heading.
fn section(name: &str) -> &'static str {
    let start = MANUAL.find(&format!("\n## {name}\n")).unwrap_or_else(|| panic!("no section {name}"));
    let body = MANUAL[start..].split_once(&format!("{name}\n")).unwrap().1;
    body.split("\n## ").next().unwrap().trim()
}

/// An option as the manual writes it.
fn render(arg: &Arg) -> String {
    let value = arg
        .get_value_names()
        .filter(|_| !matches!(arg.get_action(), ArgAction::SetTrue))
        .map(|names| names[0].as_str());
    let mut names: Vec<String> = Vec::new();
    names.extend(arg.get_short().map(|short| format!("-{short}")));
    names.extend(arg.get_long().map(|long| format!("--{long}")));
    let mut head = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    match (names.is_empty(), value) {
        (true, Some(value)) => head = format!("*{value}*"),
        (false, Some(value)) if arg.get_action().takes_values() => head += &format!(" *{value}*"),
        _ => {}
    }
    let mut text = format!("{head}\n: {}.", arg.get_help().unwrap());
    if arg.get_action().takes_values() {
        for default in arg.get_default_values() {
            text += &format!(" Default: `{}`.", default.to_str().unwrap());
        }
        for value in arg.get_possible_values() {
            text += &format!("\n  - `{}`: {}", value.get_name(), value.get_help().unwrap());
        }
    }
    text
}

#[test]
fn the_manual_holds_exactly_the_options_of_the_program() {
    let mut command = Cli::command();
    command.build();
    let wanted: Vec<String> = command.get_arguments().map(render).collect();
    assert_eq!(section("OPTIONS"), wanted.join("\n\n"));
}

#[test]
fn the_manual_shows_the_usage_of_the_program() {
    let mut command = Cli::command();
    command.build();
    let usage = command.render_usage().to_string();
    let wanted: Vec<&str> = usage.trim_start_matches("Usage: ").lines().map(str::trim).collect();
    let seen: Vec<&str> = section("SYNOPSIS").lines().map(str::trim).collect();
    assert_eq!(seen, wanted);
}

#[test]
fn every_example_is_a_command_line_the_program_takes() {
    let lines: Vec<&str> = MANUAL.lines().filter_map(|line| line.strip_prefix("    isolde-mkinitrd ")).collect();
    assert!(lines.len() >= 4, "the examples are gone: {lines:?}");
    for line in lines.iter().filter(|line| !line.starts_with('[')) {
        // the two lines of the synopsis are no command lines
        let words = ["isolde-mkinitrd"].into_iter().chain(line.split_whitespace());
        if let Err(error) = Cli::try_parse_from(words) {
            panic!("{line}: {error}");
        }
    }
}
