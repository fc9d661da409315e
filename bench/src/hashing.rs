//! BLAKE3, as init computes it, against the programs that people check downloads with, and against the disk itself.
//!
//! Takes   a folder on the disk to be measured.
//! Gives   for each reader its speed with the file in the page cache (warm), and with none of it there (cold), in turns.
//! Fails   when a program is missing, a digest is wrong, or a cold reader did not read the whole file from the disk.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::Command;
use std::thread::available_parallelism;

use anyhow::{Context, Result, ensure};
use isolde::stages::verify::hash::hash;
use serde::Serialize;

use crate::cache::{Cache, State};
use crate::statistics::Spread;

/// Size of the file in bytes.
pub const SIZE: u64 = 1 << 30;
/// Rounds; each measures all readers in both states.
pub const ROUNDS: u32 = 5;

/// Who reads the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reader {
    /// The disk's own rate: dd past the page cache (O_DIRECT), in reads that keep every queue of the disk busy.
    Disk,
    /// The program sha256sum.
    Sha256sum,
    /// The program md5sum.
    Md5sum,
    /// The program b3sum: the reference, on all processors.
    B3sum,
    /// init's function on one thread.
    OneThread,
    /// The same on as many threads as there are processors, as init calls it.
    AllThreads,
}

impl Reader {
    /// In the order in which they take their turns.
    const ALL: [Reader; 6] =
        [Self::Disk, Self::Sha256sum, Self::Md5sum, Self::B3sum, Self::OneThread, Self::AllThreads];

    /// Its name in the table.
    pub fn name(self, threads: usize) -> String {
        match self {
            Self::Disk => "the disk".to_owned(),
            Self::Sha256sum => "sha256sum".to_owned(),
            Self::Md5sum => "md5sum".to_owned(),
            Self::B3sum => "b3sum".to_owned(),
            Self::OneThread => "BLAKE3, 1 thread".to_owned(),
            Self::AllThreads => format!("BLAKE3, {threads} threads"),
        }
    }

    /// Reads the file once.
    fn read(self, subject: &Subject, threads: usize) -> Result<()> {
        match self {
            Self::Disk => subject.disk(),
            Self::Sha256sum => subject.program("sha256sum"),
            Self::Md5sum => subject.program("md5sum"),
            Self::B3sum => subject.program("b3sum"),
            Self::OneThread => subject.blake3(1),
            Self::AllThreads => subject.blake3(threads),
        }
    }
}

/// One reader's speed in millions of bytes per second.
#[derive(Debug, Clone, Serialize)]
pub struct Speed {
    /// Who.
    pub reader: Reader,
    /// With the file in the page cache; the disk has none.
    pub warm: Option<Spread>,
    /// With nothing of it there.
    pub cold: Option<Spread>,
}

/// All speeds.
#[derive(Debug, Clone, Serialize)]
pub struct Hashing {
    /// How many processors there are.
    pub threads: usize,
    /// By reader.
    pub speeds: Vec<Speed>,
}

impl Hashing {
    /// The median of a reader.
    pub fn median(&self, reader: Reader, state: State) -> Option<f64> {
        let speed = self.speeds.iter().find(|speed| speed.reader == reader)?;
        Some(match state {
            State::Warm => speed.warm?.median,
            State::Cold => speed.cold?.median,
        })
    }
}

/// Measures. The file is made in `folder` and removed.
pub fn measure(folder: &Path) -> Result<Hashing> {
    let subject = Subject::make(folder)?;
    let threads = available_parallelism().context("the number of processors")?.get();
    let mut speeds: Vec<(Reader, Vec<f64>, Vec<f64>)> =
        Reader::ALL.iter().map(|&reader| (reader, Vec::new(), Vec::new())).collect();
    for _ in 0..ROUNDS {
        for (reader, warm, cold) in &mut speeds {
            for (state, speeds) in [(State::Cold, cold), (State::Warm, warm)] {
                if *reader == Reader::Disk && state == State::Warm {
                    continue;
                }
                let name = || reader.name(threads);
                let work = || reader.read(&subject, threads);
                let seconds = subject.cache.timed(state, work).with_context(name)?;
                speeds.push(SIZE as f64 / 1e6 / seconds);
            }
        }
    }
    let speed = |(reader, warm, cold)| Speed { reader, warm: Spread::of(warm), cold: Spread::of(cold) };
    Ok(Hashing { threads, speeds: speeds.into_iter().map(speed).collect() })
}

/// What is read.
struct Subject {
    file: tempfile::NamedTempFile,
    image: File,
    cache: Cache,
    blake3: blake3::Hash,
}

impl Subject {
    /// Writes bytes without pattern; what their BLAKE3 is the crate's own sequential hasher says.
    fn make(folder: &Path) -> Result<Self> {
        let file = tempfile::NamedTempFile::new_in(folder).context("create the file to be hashed")?;
        let blake3 = fill(file.as_file(), SIZE).context("write the file to be hashed")?;
        let image = file.reopen().context("open the file to be hashed")?;
        let cache = Cache::of(file.path())?;
        Ok(Self { file, image, cache, blake3 })
    }

    fn disk(&self) -> Result<()> {
        let mut dd = Command::new("dd");
        let mut input = std::ffi::OsString::from("if=");
        input.push(self.file.path());
        run(dd.arg(input).args(["of=/dev/null", "bs=16M", "iflag=direct"]))
    }

    fn program(&self, name: &str) -> Result<()> {
        run(Command::new(name).arg(self.file.path()))
    }

    fn blake3(&self, threads: usize) -> Result<()> {
        let (seen, wanted) = (hash(&self.image, threads, &mut |_| {}).context("hash the file")?, self.blake3);
        ensure!(seen == wanted, "BLAKE3 on {threads} threads: wanted {wanted}, seen {seen}");
        Ok(())
    }
}

fn run(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("start {name}; ./setup.sh installs it"))?;
    ensure!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// Fills a file with bytes without pattern, and brings them to the disk.
pub fn fill(file: &File, size: u64) -> io::Result<blake3::Hash> {
    let mut bytes = blake3::Hasher::new().update(b"isolde-bench").finalize_xof();
    let mut hasher = blake3::Hasher::new();
    let mut out = file;
    let mut block = vec![0; 1 << 20];
    for _ in 0..size >> 20 {
        bytes.read_exact(&mut block)?;
        hasher.update(&block);
        out.write_all(&block)?;
    }
    file.sync_all()?; // or the disk is busy with it during the first rounds
    Ok(hasher.finalize())
}
