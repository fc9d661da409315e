//! No harm: every other disk stays as it is, bit for bit, and devices that are dirty, doubled or removed stop nothing.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests; clippy.toml does not see this file as one")]

mod doubled;
mod foreign;
mod removed;
