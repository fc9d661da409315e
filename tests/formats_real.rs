//! The parsers of `formats` against the tools that make those formats, and the tools that read them.
//!
//! Everything is generated here and compared with what blkid, partx, modprobe, modinfo and b3sum say. A missing tool is a
//! failure, not a skip: a comparison that silently does not happen proves nothing. `./setup.sh test` installs them.

// A test fails by panicking, and so do its helpers, which clippy.toml's exceptions for test functions do not cover.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod formats_real {
    mod images;
    mod lists;
    mod modules;
    mod ntfs;
    mod partitions;
    mod superblocks;
    mod tools;
}
