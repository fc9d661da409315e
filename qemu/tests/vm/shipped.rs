//! What is shipped keeps its promises of size and form.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests; clippy.toml does not see this file as one")]

use crate::common::{init, second_initrd};
use isolde_mkinitrd::{Form, elf};

#[test]
fn init_is_one_small_static_program() {
    let bytes = std::fs::read(init()).unwrap();
    elf::check_static(&bytes).unwrap();
    assert!(bytes.len() <= 2_000_000, "{} bytes", bytes.len());
}

#[test]
fn the_second_initrd_is_small_and_always_the_same() {
    for form in [Form::Init, Form::Rdinit] {
        let first = std::fs::read(second_initrd(form)).unwrap();
        let second = std::fs::read(second_initrd(form)).unwrap();
        assert!(first.len() <= 1_000_000, "{} bytes", first.len());
        assert!(first == second);
    }
}
