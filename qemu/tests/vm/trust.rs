//! Sealed stores in virtual machines: what is refused, what the kernel refuses later, and what boots.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests; clippy.toml does not see this file as one")]

mod boots;
mod door;
mod flips;
mod recipe;
mod refusals;
mod sealed;
