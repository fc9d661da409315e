//! A small faithful ISO for every family of live images.
//!
//! Takes   nothing but busybox.
//! Gives   for each [`Sample`] an ISO with the right files at the right paths, and what its own initrd carries beside
//!         programs and modules, as a cpio archive to be put behind a fixture's initrd.
//! Leaves  all of it in the cache, under the digest of what is in it.
//! Fails   when a program that packs is missing.
//!
//! Each root is one static program; each layer leaves a mark of its own, and its name in one file that all layers write,
//! so the order in which they are stacked can be seen from inside. Kernels are stand-ins: a test boots the kernel of a
//! [fixture](crate::fixtures) and what is left of its initrd, see [`Base`].

mod arch;
mod base;
pub mod casper;
pub mod casper_bottom;
mod delegates;
mod dracut;
mod image;
pub mod live_boot;
mod others;
pub mod root;
mod strangers;
mod tree;
pub mod void_hooks;

use std::path::PathBuf;
use std::sync::Mutex;

use anyhow::{Context, Result};

pub use base::{Base, Parts};
pub use image::Format;
pub(crate) use image::initrd as pack_initrd;
pub use tree::Tree;

use crate::cache::{cached, digest};
use crate::tool::say;

/// A live medium of one family.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Name of the sample, and of its ISO.
    pub name: &'static str,
    /// Volume id.
    pub label: &'static str,
    /// The words of its boot entry when it is booted from a file: `$P` is the file's path in its file system, `$U` that
    /// file system's UUID, `$L` the volume id.
    pub words: &'static str,
    /// The initrd that its own is made of.
    pub base: Base,
    /// What is on the medium; its own initrd comes to it.
    pub medium: Tree,
    /// The path of its own initrd on the medium.
    pub initrd_path: &'static str,
    /// What its own initrd carries that the base does not.
    pub initrd: Tree,
    /// Scripts of its own initrd that prepare the root; kept apart, because a boot must do without them too.
    pub scripts: Tree,
}

/// A sample on disk.
#[derive(Debug, Clone)]
pub struct Built {
    /// What it was made of.
    pub sample: Sample,
    /// Its image.
    pub iso: PathBuf,
    /// What its own initrd carries, to be put behind its base.
    pub initrd: PathBuf,
    /// Its own initrd's scripts, to be put behind that.
    pub scripts: PathBuf,
}

impl Built {
    /// The words of its boot entry for a file at that path of the file system with that UUID.
    pub fn words(&self, path: &str, uuid: &str) -> String {
        self.sample.words.replace("$P", path).replace("$U", uuid).replace("$L", self.sample.label)
    }
}

/// All samples: at least one of each family, and media that are none.
///
/// # Errors
/// When there is no static busybox.
pub fn samples() -> Result<Vec<Sample>> {
    let groups = [
        casper::samples()?,
        live_boot::samples()?,
        dracut::samples()?,
        arch::samples()?,
        others::samples()?,
        delegates::samples()?,
        strangers::samples(),
    ];
    Ok(groups.into_iter().flatten().collect())
}

/// Builds all samples, or finds them in the cache.
///
/// # Errors
/// When a program that packs is missing or fails, or there is no static busybox.
pub fn build() -> Result<Vec<Built>> {
    let samples = samples()?;
    let busybox = std::fs::read(root::busybox()?).context("read busybox")?;
    let sources = [include_str!("mod.rs"), include_str!("image.rs"), include_str!("tree.rs")].concat();
    let what = digest(format!("{samples:?}{sources}").as_bytes());
    let recipe = format!("samples {what}\nbusybox {}\n", digest(&busybox));
    let folder = cached("families", &recipe, |folder| {
        say("building a small ISO of each family, once");
        // The packing programs use one processor each.
        let waiting = Mutex::new(samples.iter());
        let next = || waiting.lock().ok()?.next();
        let worker = || -> Result<()> {
            while let Some(sample) = next() {
                sample.build(folder).with_context(|| sample.name.to_owned())?;
            }
            Ok(())
        };
        let count = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..count).map(|_| scope.spawn(worker)).collect();
            workers
                .into_iter()
                .try_for_each(|worker| worker.join().map_err(|_| anyhow::anyhow!("a builder panicked"))?)
        })
    })?;
    let built = |sample: Sample| {
        let file = |suffix: &str| folder.join(format!("{}{suffix}", sample.name));
        Built { iso: file(".iso"), initrd: file(".initrd"), scripts: file(".scripts"), sample }
    };
    Ok(samples.into_iter().map(built).collect())
}

impl Sample {
    fn build(&self, folder: &std::path::Path) -> Result<()> {
        let file = |suffix: &str| folder.join(format!("{}{suffix}", self.name));
        image::initrd(&self.initrd, &file(".initrd"))?;
        image::initrd(&self.scripts, &file(".scripts"))?;
        let own = [&file(".initrd"), &file(".scripts")].map(std::fs::read);
        let own: Vec<u8> = own.into_iter().collect::<std::io::Result<Vec<_>>>().context("read the initrd")?.concat();
        image::iso(&self.medium.clone().bytes(self.initrd_path, own), self.label, &file(".iso"))
    }
}
