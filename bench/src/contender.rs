//! Who is measured, and on what machine.
//!
//! All contenders but one boot from the same stick image, which holds both ISOs on ext4, with the same firmware-less
//! machine, the kernel and initrd of the ISO itself, and the words of the ISO's own menu. They differ in the second initrd,
//! where one has no initrd of the ISO at all, and in one word: Isolde's menus name the store by its UUID. The one whose boot
//! is checked has a stick of its own, sealed, as everybody would otherwise read its manifest.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use isolde::formats::manifest::{PLACE, SIGNATURE};
use isolde_host::mkinitrd;
use isolde_host::trust::{keygen, seal};
use isolde_mkinitrd::cli::Options;
use isolde_mkinitrd::{Compression, Destination, Form, Source};
use isolde_qemu::fixtures::{self, Iso};
use isolde_qemu::machine::{Disk, Machine};
use isolde_qemu::store::{FileSystem, Store};
use serde::Serialize;

use crate::Bus;
use crate::results::Sizes;
use crate::trace;

/// The stick's file system.
const UUID: &str = "6f0c2a51-8b1e-4d0e-9d3a-2f6c1b7e5a90";

/// Somebody who takes an ISO on a stick to a running system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Contender {
    /// The Debian ISO with its own initrd.
    LiveBoot,
    /// The Debian ISO with Isolde.
    IsoldeDebian,
    /// The same, with nothing but the words that live-boot gets: an internal disk is then searched, after USB.
    IsoldeSearch,
    /// The Debian ISO with Isolde and the modules it needs as the only initrd.
    IsoldeStandalone,
    /// The Debian ISO with Isolde on a sealed stick: manifest and signature are checked, and dm-verity checks what is read.
    IsoldeVerity,
    /// The Fedora-like ISO with its own initrd.
    Dracut,
    /// The Fedora-like ISO with Isolde.
    IsoldeFedora,
    /// The Debian ISO with the bare floor.
    Floor,
}

/// What a contender puts behind the ISO's own initrd, or in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Second {
    Nothing,
    Isolde,
    Standalone,
    Sealed,
    Floor,
}

impl Contender {
    /// Is it Isolde that is measured here?
    pub fn is_isolde(self) -> bool {
        matches!(self.second(), Second::Isolde | Second::Standalone | Second::Sealed)
    }

    fn second(self) -> Second {
        match self {
            Self::LiveBoot | Self::Dracut => Second::Nothing,
            Self::IsoldeDebian | Self::IsoldeSearch | Self::IsoldeFedora => Second::Isolde,
            Self::IsoldeStandalone => Second::Standalone,
            Self::IsoldeVerity => Second::Sealed,
            Self::Floor => Second::Floor,
        }
    }

    /// How many boots it has in each round. Those that are to differ by a twentieth at most have more than those that differ by
    /// a factor: in software emulation one boot takes up to a seventh longer than the next.
    pub fn boots_per_round(self) -> u32 {
        if matches!(self, Self::IsoldeDebian | Self::IsoldeVerity) { 3 } else { 1 }
    }

    fn is_debian(self) -> bool {
        !matches!(self, Self::Dracut | Self::IsoldeFedora)
    }
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LiveBoot => "live-boot",
            Self::IsoldeDebian => "isolde-debian",
            Self::IsoldeSearch => "isolde-search",
            Self::IsoldeStandalone => "isolde-standalone",
            Self::IsoldeVerity => "isolde-verity",
            Self::Dracut => "dracut",
            Self::IsoldeFedora => "isolde-fedora",
            Self::Floor => "floor",
        })
    }
}

/// Everything the boots need, made once.
#[derive(Debug)]
pub struct Bench {
    debian: Iso,
    fedora: Iso,
    stick: PathBuf,
    sealed_stick: PathBuf,
    logs: PathBuf,
    bus: Bus,
    words: String,
    init: PathBuf,
    isolde: PathBuf,
    standalone: PathBuf,
    sealed: PathBuf,
    floor: PathBuf,
}

impl Bench {
    /// Makes the stick and the second initrds that the contenders need.
    pub fn prepare(
        work: &Path,
        init: &Path,
        floor: &Path,
        contenders: &[Contender],
        bus: Bus,
        words: &str,
    ) -> Result<Self> {
        let (debian, fedora) = (fixtures::debian()?, fixtures::fedora_like()?);
        let stick = work.join("stick.img");
        let mut store = Store::new(FileSystem::Ext4, "STICK").uuid(UUID);
        for iso in [&debian, &fedora] {
            store = store.copy(&place(iso), &iso.path);
        }
        store.build(&stick).context("the stick")?;
        let bench = Self {
            debian,
            fedora,
            stick,
            sealed_stick: work.join("sealed-stick.img"),
            logs: work.join("logs"),
            bus,
            words: words.to_owned(),
            init: init.to_owned(),
            isolde: work.join("isolde.img"),
            standalone: work.join("standalone.img"),
            sealed: work.join("sealed.img"),
            floor: work.join("floor.img"),
        };
        for (second, program, to) in [(Second::Isolde, init, &bench.isolde), (Second::Floor, floor, &bench.floor)] {
            if contenders.iter().any(|contender| contender.second() == second) {
                second_initrd(program, Vec::new(), to)?;
            }
        }
        if contenders.contains(&Contender::IsoldeVerity) {
            let key = sealed_stick(work, &bench.debian, &bench.sealed_stick).context("the sealed stick")?;
            second_initrd(init, vec![key], &bench.sealed)?;
        }
        if contenders.contains(&Contender::IsoldeStandalone) {
            only_initrd(init, &bench.debian, &bench.standalone)?;
        }
        Ok(bench)
    }

    /// The machine for one boot of a contender, which is recorded.
    pub fn machine(&self, contender: Contender) -> Machine {
        self.machine_with(contender, trace::WORDS)
    }

    /// The same with other kernel words.
    pub fn machine_with(&self, contender: Contender, words: &str) -> Machine {
        let iso = if contender.is_debian() { &self.debian } else { &self.fedora };
        let mut initrds = vec![iso.initrd.as_path()];
        let mut words = format!("{words} {} {}", self.words, iso.stock_words(&place(iso)));
        if contender.is_isolde() && contender != Contender::IsoldeSearch {
            words = format!("{words} isolde.store=UUID={UUID}");
        }
        match contender.second() {
            Second::Nothing => {}
            Second::Isolde => initrds.push(&self.isolde),
            Second::Standalone => initrds = vec![&self.standalone],
            Second::Sealed => {
                initrds.push(&self.sealed);
                words = format!("{words} isolde.verify=signed");
            }
            Second::Floor => {
                initrds.push(&self.floor);
                words = format!("{words} -- {}", self.bus.word());
            }
        }
        let stick = if contender == Contender::IsoldeVerity { &self.sealed_stick } else { &self.stick };
        let machine = Machine::direct(&contender.to_string(), &self.logs, &iso.kernel, &initrds, &words);
        machine.disk(Disk::new("stick", stick, self.bus.machine()))
    }

    /// Where the report of Isolde's last boot is kept: it tells where the time went.
    pub fn report_file(&self, contender: Contender) -> PathBuf {
        self.logs.join(format!("{contender}.report.json"))
    }

    /// Sizes of init and of the initrds, when Isolde takes part.
    pub fn sizes(&self) -> Result<Option<Sizes>> {
        if !self.isolde.exists() {
            return Ok(None);
        }
        let size =
            |path: &Path| Ok::<_, anyhow::Error>(fs::metadata(path).with_context(|| path.display().to_string())?.len());
        let standalone = if self.standalone.exists() { Some(size(&self.standalone)?) } else { None };
        Ok(Some(Sizes {
            init: size(&self.init)?,
            second_initrd: size(&self.isolde)?,
            standalone,
            stock: size(&self.debian.initrd)?,
        }))
    }
}

/// Path of an ISO on the stick.
fn place(iso: &Iso) -> String {
    format!("/boot/iso/{}", iso.file_name())
}

/// A stick with the Debian ISO, sealed with a new key; the key's public half, for the initrd.
fn sealed_stick(work: &Path, iso: &Iso, to: &Path) -> Result<(Destination, Source)> {
    let folder = tempfile::tempdir_in(work).context("a folder for the store")?;
    let (key, root) = (folder.path().join("owner"), folder.path().join("store"));
    let path = place(iso);
    let below = |path: &str| root.join(path.trim_start_matches('/'));
    fs::create_dir_all(below("boot/iso")).context("the store")?;
    fs::copy(&iso.path, below(&path)).with_context(|| format!("copy {}", iso.path.display()))?;
    keygen::make(&key)?;
    let key = |ending: &str| PathBuf::from(format!("{}.{ending}", key.display()));
    seal::seal(&seal::Args {
        store: root.clone(),
        files: Vec::new(),
        key: Some(key("key")),
        verify: None,
        no_verity: false,
    })?;
    let mut store = Store::new(FileSystem::Ext4, "STICK").uuid(UUID);
    for path in [path.clone(), format!("{path}.verity"), format!("/{PLACE}"), format!("/{SIGNATURE}")] {
        store = store.copy(&path, &below(&path));
    }
    store.build(to)?;
    Ok((Destination::parse("/isolde/keys/owner.pub")?, Source::open(&key("pub"))?))
}

/// Writes a second initrd as `isolde-mkinitrd` does without options, but for the files that are added.
fn second_initrd(program: &Path, add: Vec<(Destination, Source)>, to: &Path) -> Result<()> {
    let plan = isolde_mkinitrd::plan(Form::Init, Source::open(program)?, add)?;
    let bytes = isolde_mkinitrd::build(&plan, Compression::Zstd, 0)?;
    isolde_mkinitrd::output::save(to, &bytes)?;
    Ok(())
}

/// Writes a first and only initrd as `isolde mkinitrd --standalone` does.
fn only_initrd(program: &Path, iso: &Iso, to: &Path) -> Result<()> {
    let options = Options {
        output: Some(to.to_owned()),
        form: Form::Init,
        compress: Compression::Zstd,
        add: Vec::new(),
        key: Vec::new(),
        words: None,
        dry_run: false,
    };
    let (init, image) = (Some(program.to_owned()), Some(iso.path.clone()));
    ensure!(mkinitrd::write(&mkinitrd::Args { init, image, names: Vec::new(), standalone: true, options })?);
    Ok(())
}
