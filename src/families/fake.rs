//! Small fake media, and what the families make of them, for their own tests.

use super::testing::{family_of, words};
use super::{Family, Layout};
use crate::source::Named;
use crate::sys::record::Tree;

/// The family's name and its layers' files, lowest first.
pub fn layers(medium: Tree, line: &str) -> Option<(&'static str, Vec<String>)> {
    let (family, layout) = family_of(&medium, &Tree::new(), line)?;
    Some((family.name, files(&layout)))
}

/// The layers' files.
pub fn files(layout: &Layout) -> Vec<String> {
    layout.layers.iter().map(|layer| layer.file.clone()).collect()
}

/// What a family's words name.
pub fn named(family: &Family, line: &str) -> Vec<Named> {
    (family.sources)(&words(line))
}

/// A medium with these files.
pub fn medium(files: &[&str]) -> Tree {
    files.iter().fold(Tree::new(), |tree, file| tree.file(file, "x"))
}
