//! A store in every file system, on every bus, found by identity and by search: one small boot each, asked from inside.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests; clippy.toml does not see this file as one")]

mod cell;
mod drivers;
mod files;
mod matrix;
