//! One boot per family and form: its own loop-boot line, from one store that holds all ISOs, asked from inside.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests; clippy.toml does not see this file as one")]

mod arch;
mod casper;
mod delegates;
mod dracut;
mod guest;
mod live_boot;
mod others;
mod snapshot;
mod strangers;
mod void;
