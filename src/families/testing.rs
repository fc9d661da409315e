//! A family's questions on fake trees, for the families' own tests.

use super::tree::Mounted;
use super::{Asked, Family, Layout, recognise};
use crate::sys::record::{Record, Tree, World};
use crate::words::Words;

/// The words of a command line, all of them.
pub fn words(line: &str) -> Words {
    crate::stages::cmdline::parse(line).unwrap().dialects
}

/// Asks with the words that a family sees during the boot.
pub fn ask<T>(medium: &Tree, initrd: &Tree, line: &str, question: impl FnOnce(&Asked) -> T) -> T {
    let record = |tree: &Tree| Record::new(&World { initramfs: tree.clone(), ..World::default() });
    let (medium, initrd) = (record(medium), record(initrd));
    let (medium, initrd) = (Mounted::new(&medium, "/"), Mounted::new(&initrd, "/"));
    question(&Asked { medium: &medium, initrd: &initrd, words: &words(line).for_the_family() })
}

/// The family that the whole table gives a medium, and its layout.
pub fn family_of(medium: &Tree, initrd: &Tree, line: &str) -> Option<(Family, Layout)> {
    ask(medium, initrd, line, recognise).unwrap()
}

/// The layers, lowest first: file, and where it is mounted.
pub fn layers(layout: &Layout) -> Vec<(&str, &str)> {
    layout.layers.iter().map(|layer| (layer.file.as_str(), layer.at.as_str())).collect()
}

/// The plan for a command line, as the log says it.
pub fn plan(line: &str) -> String {
    let cmdline = crate::stages::cmdline::parse(line).unwrap();
    crate::stages::plan::decide(&cmdline).map_or_else(|error| error.to_string(), |plan| plan.to_string())
}
