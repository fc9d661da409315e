//! Stage 7: the image file, open.
//!
//! Takes   the mounted store, or what is in its place in memory.
//! Gives   [`Image`]: the open file and its format, read from its own first blocks. Nothing is mounted yet.
//! Leaves  the file unread but for its superblock.
//! Fails   when it is no image, or shorter than the file system in it says.

use crate::error::{Cause, Result};
use crate::formats::ReadAt;
use crate::formats::superblock::{Format, probe};
use crate::machine::Machine;
use crate::op::{Place, Quoted};
use crate::source::ImageSpec;
use crate::stages::ram::Loaded;
use crate::stages::store::Store;
use crate::sys::Sys;
use std::fmt;

/// An open image.
#[derive(Debug)]
pub struct Image<S: Sys> {
    pub(super) store: Store,
    pub(super) source: Source<S::File>,
}

/// Where the image's bytes are.
#[derive(Debug)]
pub(super) enum Source<F> {
    /// In this file of the store.
    File(Opened<F>),
    /// The store is the image.
    Medium,
}

/// An image file.
#[derive(Debug)]
pub(super) struct Opened<F> {
    pub(super) path: String,
    pub(super) file: F,
    pub(super) format: Format,
    /// Bytes.
    pub(super) size: u64,
    /// Where its bytes are to be read instead: the device through which the kernel checks them, and its mapped name.
    pub(super) sealed: Option<(String, String)>,
}

impl<S: Sys> fmt::Display for Image<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Source::File(Opened { path, format, size, .. }) => {
                write!(f, "{}: {}, {} MiB", Quoted(path), format.name(), size >> 20)
            }
            Source::Medium => write!(f, "{} itself", self.store.device),
        }
    }
}

/// Opens the image.
pub fn open<S: Sys>(machine: &mut Machine<S>, loaded: Loaded) -> Result<Image<S>> {
    let Loaded { store, image } = loaded;
    let ImageSpec::File(path) = &image else {
        return Ok(Image { store, source: Source::Medium });
    };
    let at = Place::store(path);
    let doing = || format!("open the image {at}");
    let file = machine.sys().open(&at).map_err(|e| machine.os(doing(), e))?;
    let size = file.size().map_err(|e| machine.os(doing(), e))?;
    let format = recognise(&file, size).map_err(|cause| machine.error(doing(), cause))?;
    Ok(Image { store, source: Source::File(Opened { path: path.clone(), file, format, size, sealed: None }) })
}

/// Which of the formats that can be booted it is, and whether it is whole.
pub(super) fn recognise(file: &dyn ReadAt, size: u64) -> std::result::Result<Format, Cause> {
    let superblock = probe(file)?;
    let Some(superblock) = superblock else {
        return Err(Cause::NotAnImage { seen: format!("no known file system in {size} bytes") });
    };
    let format = superblock.format;
    match format {
        Format::Iso9660 | Format::Udf | Format::Squashfs | Format::Erofs => {}
        Format::Ext2 | Format::Ext3 | Format::Ext4 => {}
        other => return Err(Cause::NotAnImage { seen: other.name().to_owned() }),
    }
    match superblock.size {
        Some(want) if want > size => Err(Cause::Truncated { want, got: size }),
        _ => Ok(format),
    }
}
