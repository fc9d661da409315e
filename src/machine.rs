//! The machine during a boot: the kernel behind it, the stage it is in, and what has been reported so far.
//!
//! Every stage takes `&mut Machine`. It adds to [`Sys`] what every stage needs and none should repeat: errors that name
//! the operation, a log with the stage's name in it, the time that each stage took, and the list of warnings for
//! `/run/isolde/report.json`.

use crate::corruption::{self, Sealed};
use crate::error::{Cause, Error, Failure, Result, Stage};
use crate::op::{ImageMount, Mapping, Op, Verity};
use crate::params::Verbosity;
use crate::sys::{Level, Sys};
use std::collections::VecDeque;
use std::fmt::Display;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// More than a person types ahead.
const MOST_TYPED: usize = 4096;

/// One finished stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// Which.
    pub stage: Stage,
    /// How long it took.
    pub took: Duration,
}

/// See the module's own text.
#[derive(Debug)]
pub struct Machine<S> {
    sys: S,
    stage: Stage,
    verbosity: Verbosity,
    finished: Vec<Finished>,
    warnings: Vec<String>,
    /// Typed at a console and not read yet.
    typed: VecDeque<u8>,
    /// Words that were chosen at the console; they count as if they stood at the end of the command line.
    added: Vec<String>,
    /// The image whose blocks the kernel compares with a hash tree.
    sealed: Option<Sealed>,
    /// Bad blocks that the kernel's log tells of since earlier attempts.
    bad_blocks: usize,
}

impl<S: Sys> Machine<S> {
    /// A machine at the start of its boot.
    pub fn new(sys: S) -> Self {
        Machine {
            sys,
            stage: Stage::Early,
            verbosity: Verbosity::Info,
            finished: Vec::new(),
            warnings: Vec::new(),
            typed: VecDeque::new(),
            added: Vec::new(),
            sealed: None,
            bad_blocks: 0,
        }
    }

    /// The kernel, for questions.
    pub fn sys(&self) -> &S {
        &self.sys
    }

    /// The kernel, for the few calls that are no [`Op`].
    pub fn sys_mut(&mut self) -> &mut S {
        &mut self.sys
    }

    /// From now on, log this much.
    pub fn set_verbosity(&mut self, verbosity: Verbosity) {
        self.verbosity = verbosity;
    }

    /// From now on, errors and lines belong to this stage.
    pub fn set_stage(&mut self, stage: Stage) {
        self.stage = stage;
    }

    /// Runs one stage: its value goes to the log in one line, with the time it took.
    pub fn run<T: Display>(&mut self, stage: Stage, step: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.set_stage(stage);
        let start = self.sys.now();
        let value = step(self).map_err(|error| self.explain(error))?;
        let took = self.sys.now().saturating_sub(start);
        self.finished.push(Finished { stage, took });
        self.say(Level::Info, &format!("{value} ({} ms)", took.as_millis()));
        Ok(value)
    }

    /// From now on the kernel compares the blocks of this image; what it finds explains later errors.
    pub fn set_sealed(&mut self, sealed: Sealed) {
        self.sealed = Some(sealed);
    }

    /// The image whose blocks the kernel compares.
    pub fn sealed(&self) -> Option<&Sealed> {
        self.sealed.as_ref()
    }

    /// What the kernel says of a bad block is in its log only: the error that reaches a stage is that of a mount or a read.
    fn explain(&self, error: Error) -> Error {
        let (Cause::Os(_), Some(sealed)) = (&error.cause, &self.sealed) else { return error };
        let log = self.sys.kernel_log().unwrap_or_default();
        match sealed.bad_block(&log, self.bad_blocks) {
            Some(cause) => Box::new(Failure { cause, ..*error }),
            None => error,
        }
    }

    /// Applies operations in order; the error names the one that failed, and none comes after it.
    pub fn apply(&mut self, ops: &[Op]) -> Result<()> {
        for op in ops {
            self.debug(op);
            self.sys.apply(op).map_err(|e| self.os(op.to_string(), e))?;
        }
        Ok(())
    }

    /// Mounts an open image file; gives its loop device.
    pub fn mount_image(&mut self, image: &S::File, mount: &ImageMount) -> Result<PathBuf> {
        self.debug(mount);
        self.sys.mount_image(image, mount).map_err(|e| self.os(mount.to_string(), e))
    }

    /// Has the kernel check each block of an open image by its hash tree; gives the device in its place.
    pub fn seal(&mut self, image: &S::File, tree: &S::File, verity: &Verity) -> Result<PathBuf> {
        self.debug(verity);
        self.sys.seal(image, tree, verity).map_err(|e| self.os(verity.to_string(), e))
    }

    /// Makes a mapped device of open images; gives the device.
    pub fn map_images(&mut self, images: &[S::File], mapping: &Mapping) -> Result<PathBuf> {
        let text = ["dmsetup create ", &mapping.to_string()].concat();
        self.debug(&text);
        self.sys.map_images(images, mapping).map_err(|e| self.os(text, e))
    }

    /// Applies an operation that the boot can do without; `without` says what is then missing.
    pub fn best_effort(&mut self, op: &Op, without: &str) {
        self.debug(op);
        if let Err(error) = self.sys.apply(op) {
            self.warn(&format!("{op}: {}; {without}", Cause::Os(error)));
        }
    }

    /// An error of the present stage.
    pub fn error(&self, doing: impl Into<String>, cause: Cause) -> Error {
        Box::new(Failure { stage: self.stage, doing: doing.into(), cause })
    }

    /// An error of the present stage that the kernel gave.
    pub fn os(&self, doing: impl Into<String>, error: io::Error) -> Error {
        self.error(doing, Cause::Os(error))
    }

    /// Something was left out. It goes to the log and to the report.
    pub fn warn(&mut self, text: &str) {
        self.warnings.push(format!("{}: {text}", self.stage));
        self.say(Level::Warning, text);
    }

    /// Somebody is waiting and must see this.
    pub fn notice(&mut self, text: &str) {
        self.say(Level::Notice, text);
    }

    /// A line that only `isolde.log=debug` shows.
    pub fn debug(&mut self, text: &dyn Display) {
        if self.verbosity == Verbosity::Debug {
            self.say(Level::Debug, &text.to_string());
        }
    }

    /// A line of the log.
    pub fn say(&mut self, level: Level, text: &str) {
        let line = format!("{}: {text}", self.stage);
        self.sys.log(level, &line);
    }

    /// Somebody typed.
    pub fn keep_typed(&mut self, bytes: &[u8]) {
        self.typed.extend(bytes.iter().take(MOST_TYPED.saturating_sub(self.typed.len())));
    }

    /// The next byte that was typed. It may be of a pass phrase, so none stays behind.
    pub fn next_key(&mut self) -> Option<u8> {
        let key = self.typed.front_mut().map(std::mem::take);
        self.typed.pop_front();
        key
    }

    /// The words that were chosen at the console, in order.
    pub fn added(&self) -> &[String] {
        &self.added
    }

    /// The boot begins again, with these words added. What the stages said before belongs to the attempt that failed.
    pub fn begin_again(&mut self, words: Vec<String>) {
        self.added.extend(words);
        self.finished.clear();
        if self.sealed.take().is_some() {
            self.bad_blocks = corruption::bad_blocks(&self.sys.kernel_log().unwrap_or_default()).count();
        }
        self.warnings.clear();
    }

    /// The stages so far, in order.
    pub fn finished(&self) -> &[Finished] {
        &self.finished
    }

    /// The warnings so far, each with its stage in front.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}
