//! The chapters of cmdline-spec.md on live systems' own words, against the families' tables.

use crate::{SPEC, examples, generated, render, samples};
use isolde::families::{FAMILIES, Family, Way, find_word};
use isolde::words::{Does, Word};

/// The text of one numbered section.
fn section(number: &str) -> &'static str {
    let (_, text) = SPEC.split_once(&format!("\n## {number}. ")).expect("the section is there");
    text.split("\n## ").next().unwrap_or(text)
}

/// Name and text of each chapter of section 3.
fn chapters() -> Vec<(&'static str, &'static str)> {
    let chapter = |text: &'static str| text.split_once('\n').expect("a chapter has a text");
    section("3").split("\n### ").skip(1).map(chapter).collect()
}

fn chapter(family: &Family) -> &'static str {
    let text = chapters().into_iter().find(|(name, _)| *name == family.name).map(|(_, text)| text);
    text.unwrap_or_else(|| panic!("section 3 has no chapter \"### {}\"", family.name))
}

/// What a table's cell holds of code.
fn code(text: &str) -> String {
    format!("`{}`", text.replace('|', "\\|"))
}

fn row(word: &Word) -> String {
    let form = if word.form.is_empty() { "bare word".to_owned() } else { code(word.form) };
    format!("| {} | {form} | {} |\n", code(word.name), word.does.text())
}

/// The generated part of a chapter.
fn words_of(family: &Family) -> String {
    let mut text = format!("\nSystems: {}. Taken over: {}.\n\n", family.systems, family.way.text());
    if family.words.is_empty() {
        return text + "It has no words of its own.\n\n";
    }
    text.push_str("| word | form | what init does |\n|---|---|---|\n");
    text.extend(family.words.iter().map(row));
    text + "\n"
}

/// The generated part of section 6: where each family's parts are mounted.
fn mounts() -> String {
    let mut text =
        String::from("\n| family | the medium | its layers, lowest first | writes | the overlay's source |\n");
    text.push_str("|---|---|---|---|---|\n");
    for family in FAMILIES.iter().filter(|family| family.way != Way::Delegate) {
        let layout = samples::first_of(family.name).layout();
        let layers: Vec<String> = layout.layers.iter().map(|layer| code(&layer.at)).collect();
        let writes = code(&format!("{}/{}", layout.upper_mount, layout.upper.0));
        let (medium, source) = (code(layout.medium), code(layout.source));
        text.push_str(&format!("| {} | {medium} | {} | {writes} | {source} |\n", family.name, layers.join(", ")));
    }
    text + "\n"
}

#[test]
fn the_generated_parts_are_the_codes() {
    let mut wanted = SPEC.to_owned();
    for family in FAMILIES {
        chapter(family);
        wanted = generated::with_part(&wanted, &format!("words of {}", family.name), &words_of(family));
    }
    wanted = generated::with_part(&wanted, "mounts of the families", &mounts());
    generated::must_be("cmdline-spec.md", &wanted);
}

#[test]
fn every_family_has_a_chapter_and_no_other_has() {
    let mut written: Vec<&str> = chapters().into_iter().map(|(name, _)| name).filter(|n| !n.contains(' ')).collect();
    let mut coded: Vec<&str> = FAMILIES.iter().map(|family| family.name).collect();
    written.sort_unstable();
    coded.sort_unstable();
    assert_eq!(written, coded, "document, code");
}

/// The document has a fate for each word of each family; init goes by the first family's.
#[test]
fn a_word_of_several_families_has_one_fate() {
    for family in FAMILIES {
        for word in family.words {
            let first = find_word(word.name).map(|first| (first.name, first.does));
            assert_eq!(first, Some((word.name, word.does)), "{}: {}", family.name, word.name);
        }
    }
}

/// Whether a command line has the word, with or without a value, in the spelling of the table.
fn has_word(line: &str, name: &str) -> bool {
    line.split_whitespace().any(|typed| typed.split('=').next() == Some(name))
}

#[test]
fn every_word_that_names_an_image_has_an_example_in_its_chapter() {
    for family in FAMILIES {
        let lines: Vec<String> = examples(chapter(family)).into_iter().map(|(line, _)| line).collect();
        assert!(!lines.is_empty(), "{}: no example", family.name);
        for word in family.words.iter().filter(|word| word.does == Does::Source) {
            assert!(lines.iter().any(|line| has_word(line, word.name)), "{}: no example of {}", family.name, word.name);
        }
    }
}

#[test]
fn every_chapter_says_more_than_its_table() {
    for family in FAMILIES {
        let (before, rest) = chapter(family).split_once("<!-- words of ").expect("the generated part");
        let (_, after) = rest.split_once("<!-- end -->").expect("its end");
        let prose: String = format!("{before}\n{after}").split("```").step_by(2).collect();
        assert!(prose.split_whitespace().count() >= 25, "{}: nothing is explained", family.name);
    }
}

#[test]
fn a_word_that_is_not_done_yet_gives_the_stated_warning_once() {
    let stated = "`cmdline: … is understood and not done yet: the boot goes on as if it were not there`";
    assert!(section("3").contains(stated));
    for word in FAMILIES.iter().flat_map(|family| family.words).filter(|word| word.does == Does::NotYet) {
        let warning = stated.trim_matches('`').replace('…', word.name);
        for line in [word.name.to_owned(), format!("{0}=1 {0}=2", word.name)] {
            assert_eq!(render::warnings_of(&line), [warning.as_str()], "{line}");
        }
        assert!(render::warnings_of(&format!("{0} {0}=0", word.name)).is_empty(), "{}: taken back", word.name);
    }
}

#[test]
fn a_word_that_is_done_or_left_alone_gives_no_warning() {
    for word in FAMILIES.iter().flat_map(|family| family.words).filter(|word| word.does != Does::NotYet) {
        assert!(render::warnings_of(&format!("{}=/x", word.name)).is_empty(), "{}", word.name);
    }
}

/// Every spelling that the document has of a word in the text is one that a table has.
#[test]
fn every_word_in_an_example_that_looks_like_a_dialects_is_in_a_table() {
    let known = |name: &str| {
        find_word(name).is_some()
            || isolde::params::PARAMS.iter().any(|param| param.key.replace('-', "_") == name.replace('-', "_"))
    };
    // Words of the kernel, of boot loaders and of userlands that stand in examples because real lines have them.
    let foreign = ["quiet", "splash", "rhgb", "ro", "rw", "--", "---", "isolde.imagge", "isolde.nonsense"];
    for (line, _) in examples(section("3")) {
        for typed in line.split_whitespace() {
            let name = typed.split('=').next().unwrap_or(typed);
            assert!(known(name) || foreign.contains(&name), "{line}: {name} is in no table");
        }
    }
}

/// The document names the stages in the order in which the boot has them.
#[test]
fn the_stages_are_named_in_the_boots_order() {
    let boot = include_str!("../../src/lib.rs");
    let stages = boot.split("Stage::").skip(1).filter_map(|text| text.split(|c: char| !c.is_alphabetic()).next());
    let stages: Vec<String> = stages.map(str::to_lowercase).filter(|stage| stage != "delegate").collect();
    assert!(stages.len() >= 15, "lib.rs was not understood: {stages:?}");
    let text = section("8").split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains(&format!("{};", stages.join(", "))), "section 8: {}", stages.join(", "));
    assert!(text.contains("or delegate instead of what follows family"));
}
