//! docs/families.md says what the families' table says, and a medium of each family is recognised as what it is.
//!
//! `UPDATE_DOCS=1 cargo test --test families` writes docs/families.md anew.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)] // helpers of tests are outside of what clippy.toml lets off

#[path = "families/generated.rs"]
mod generated;
#[path = "families/page.rs"]
mod page;
#[path = "families/samples.rs"]
mod samples;
#[path = "families/tree.rs"]
mod tree;

use isolde::families::{Asked, FAMILIES, Way, recognise, strangers};
use isolde::words::Words;
use samples::SAMPLES;
use std::path::Path;
use tree::Paths;

#[test]
fn the_page_is_the_tables() {
    generated::must_be("docs/families.md", &page::text());
}

#[test]
fn every_sample_is_recognised_as_its_own_family() {
    let said = SAMPLES.iter().map(|sample| (sample.like, sample.recognised().map(|(family, _)| family.name)));
    let wanted = SAMPLES.iter().map(|sample| (sample.like, Some(sample.family)));
    assert_eq!(said.collect::<Vec<_>>(), wanted.collect::<Vec<_>>());
}

#[test]
fn every_family_has_a_sample() {
    for family in FAMILIES {
        assert!(SAMPLES.iter().any(|sample| sample.family == family.name), "{}", family.name);
    }
}

#[test]
fn what_is_mounted_of_a_sample_has_places_of_its_own_below_run() {
    for sample in SAMPLES {
        let Some((family, layout)) = sample.recognised() else { panic!("{}", sample.like) };
        if family.way == Way::Delegate {
            continue; // its own init mounts them
        }
        let mut places: Vec<&str> = layout.layers.iter().map(|layer| layer.at.as_str()).collect();
        places.extend([layout.medium, layout.upper_mount]);
        assert!(places.iter().all(|at| at.starts_with("/run/")), "{}: {places:?}", sample.like);
        places.sort_unstable();
        places.dedup();
        assert_eq!(places.len(), layout.layers.len() + 2, "{}: {places:?}", sample.like);
    }
}

#[test]
fn a_medium_that_is_no_live_system_is_said_by_name_and_is_of_no_family() {
    for (paths, what) in page::STRANGERS {
        let (medium, initrd) = (Paths::new(paths), Paths::default());
        let stranger = strangers::recognise(&medium).unwrap().expect(what);
        assert_eq!(stranger.what, *what);
        let asked = Asked { medium: &medium, initrd: &initrd, words: &Words::default() };
        assert!(recognise(&asked).unwrap().is_none(), "{what}");
    }
}

#[test]
fn the_page_has_every_medium_that_is_refused_by_name() {
    let source = include_str!("../src/families/strangers.rs").split("#[cfg(test)]").next().unwrap();
    let coded = ["what: \"", "installer(\"", "foreign(\""].into_iter().flat_map(|before| source.split(before).skip(1));
    let mut coded: Vec<&str> = coded.map(|text| text.split('"').next().unwrap()).collect();
    let mut listed: Vec<&str> = page::STRANGERS.iter().map(|(_, what)| *what).collect();
    coded.sort_unstable();
    listed.sort_unstable();
    assert_eq!(listed, coded, "page.rs, strangers.rs");
}

#[test]
fn every_test_that_the_page_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (place, name) in page::named_tests() {
        let file = std::fs::read_to_string(root.join(&place)).unwrap_or_else(|error| panic!("{place}: {error}"));
        assert!(file.contains(&format!("fn {name}(")), "{place} has no test {name}");
    }
}
