//! The tests in virtual machines, one program: they share what is built for them, and no processor waits for the last test
//! of a file.
//!
//! `#![allow(clippy::unwrap_used)]` and the like stand in each file: clippy.toml allows them in tests, and clippy takes only
//! functions with `#[test]` for that.

mod common;

mod boots;
mod bridge;
mod containers;
mod devices;
mod engines;
mod exit;
mod extras;
mod families;
mod harm;
mod home;
mod initrd;
mod loader;
mod menu;
mod peers;
mod persist;
mod persist_place;
mod plan;
mod real;
mod refusals;
mod same_root;
mod shipped;
mod stick;
mod stores;
mod trust;
mod zram;
