//! `isolde keygen`, `isolde seal`, `isolde verify` and `isolde trust`, against the programs minisign, veritysetup, b3sum,
//! sha256sum and its kin, and isomd5sum.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // clippy knows test functions as tests, but not what they call

mod accept;
mod alone;
mod fixture;
mod interrupted;
mod lists;
mod sealed;
