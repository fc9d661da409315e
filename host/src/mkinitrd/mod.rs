//! `isolde mkinitrd`: the second initrd of an image, with the kernel modules that its own initrd lacks.
//!
//! Takes   isolde-init, and an image with the names of what is missing.
//! Gives   what `isolde-mkinitrd` writes, with a bridge of modules from the image's own root, or with all that a boot needs.
//! Leaves  the image as it is; no root, no mount. The same image and options give the same bytes.
//! Fails   with status 1 when something that was asked for cannot come along, and then writes nothing; with 2 when the
//!         image cannot be read or the archive cannot be written.

mod alone;
mod image;
mod select;
mod tables;

pub use image::Image;
pub use select::Answer;
pub use tables::Tables;

use anyhow::{Context, Result, bail};
use isolde::families::Way;
use isolde_mkinitrd::bridge::{self, Module};
use isolde_mkinitrd::cli::Options;
use isolde_mkinitrd::compress::compress;
use isolde_mkinitrd::{Compression, Destination, Form, Source};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The status when a name that was asked for cannot come along, or the system does not boot alone.
const CANNOT: u8 = 1;
/// The status when there is no archive for another reason; clap's own for a wrong command line.
const NO_ANSWER: u8 = 2;
/// Bytes of modules that come along; all that a boot may ask for are a tenth.
const MOST: usize = 512 << 20;
/// What a packed module's name ends with. zstd, as init unpacks it fastest.
const PACKED: &str = ".zst";
/// The program that is packed unless another one is named, beside this program.
const INIT: &str = "isolde-init";

/// What `--help` ends with.
const HELP: &str = "\
Exit status:
  0  it is written, or printed
  1  something that was asked for cannot come along; nothing is written
  2  nothing is written: the image or a file cannot be read, or the output cannot be written

Example:
  isolde mkinitrd --image debian-live.iso --for exfat,ntfs3 -o debian-live.initrd

docs/mkinitrd.md is the manual.";

/// Write the second initrd of an image, with kernel modules out of the image itself.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Args {
    /// The statically linked program isolde-init [default: the one beside this program].
    #[arg(value_name = "INIT")]
    pub init: Option<PathBuf>,
    /// The image whose modules come along: an ISO, or a squashfs, erofs or ext4 file system.
    #[arg(long, value_name = "IMAGE")]
    pub image: Option<PathBuf>,
    /// File systems and modules that come along with all they need, such as exfat,ntfs3,dm_crypt.
    #[arg(long = "for", value_name = "NAMES", value_delimiter = ',', requires = "image")]
    pub names: Vec<String>,
    /// Make a first and only initrd: all modules that a boot may need.
    #[arg(long, requires = "image")]
    pub standalone: bool,
    /// How it is written.
    #[command(flatten)]
    pub options: Options,
}

/// Writes it, and says what came along.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    match write(args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => CANNOT.into(),
        Err(error) => {
            eprintln!("isolde: {error:#}");
            NO_ANSWER.into()
        }
    }
}

/// Does it; `false` when something that was asked for cannot come along, which is said on standard error.
///
/// # Errors
/// When the image or a file cannot be read, or the archive cannot be made or written.
pub fn write(args: &Args) -> Result<bool> {
    let init = match &args.init {
        Some(path) => path.clone(),
        None => beside()?,
    };
    let init = Source::open(&init)?;
    let bridge = match &args.image {
        None => Vec::new(),
        Some(path) => {
            if args.names.is_empty() && !args.standalone {
                bail!("--image: wanted --for NAMES or --standalone beside it, seen neither");
            }
            match come_along(path, &args.names, args.standalone, args.options.form)? {
                Some(files) => files,
                None => return Ok(false),
            }
        }
    };
    let plan = args.options.plan(init, bridge)?;
    args.options.finish(&plan)?;
    Ok(true)
}

fn beside() -> Result<PathBuf> {
    let program = std::env::current_exe().context("the path of this program")?;
    Ok(program.parent().unwrap_or(Path::new("/")).join(INIT))
}

/// The files of the bridge; `None` when one of the names cannot come along, which is said.
fn come_along(path: &Path, names: &[String], alone: bool, form: Form) -> Result<Option<Vec<(Destination, Source)>>> {
    let image = Image::open(path)?;
    eprintln!("kernel {} of {}", image.release, image.family.name);
    let mut files = Vec::new();
    let mut is_whole = true;
    let mut all = BTreeSet::new();
    // What stays as it is in the image.
    let mut plain = BTreeSet::new();
    for name in names {
        let (taken, text) = match select::ask(&image.tables, name) {
            Answer::Taken(modules) => {
                let text = image.weigh(&modules)?;
                plain.extend(modules.iter().cloned());
                all.extend(modules);
                (true, text)
            }
            Answer::BuiltIn => (true, "built in".to_owned()),
            Answer::Missing => (false, format!("does not exist in kernel {}", image.release)),
            Answer::Incomplete(needed) => (false, format!("needs {needed}, which the image does not have")),
        };
        is_whole &= taken;
        eprintln!("  {:<12} {text}", name.escape_debug().to_string());
    }
    if alone {
        match &image.alone {
            Ok(of_its_initrd) => {
                let modules = select::standalone(&image.tables);
                eprintln!("  {:<12} {}", "standalone", image.weigh(&modules)?);
                all.extend(modules);
                plain.extend(select::usual(&image.tables));
                for (path, bytes) in of_its_initrd {
                    let source = Source::from_bytes(format!("/{path} of the image's initrd"), bytes.clone(), false)?;
                    files.push((Destination::alone(path).map_err(isolde_mkinitrd::Error::from)?, source));
                }
            }
            Err(why) => {
                eprintln!("  {:<12} not possible: {why}", "standalone");
                is_whole = false;
            }
        }
    } else if image.family.way == Way::Delegate && form != Form::Rdinit {
        eprintln!("  {} boots by its own init: use --form rdinit", image.family.name);
    }
    if !is_whole {
        eprintln!("nothing is written");
        return Ok(None);
    }
    files.extend(bridge::files(&image.release, image.modules(&all, &plain)?)?);
    Ok(Some(files))
}

impl Image {
    /// How many modules these are, and how large, in words.
    fn weigh(&self, names: &BTreeSet<String>) -> Result<String> {
        let mut bytes = 0;
        for (_, row) in names.iter().filter_map(|name| self.tables.module(name)) {
            bytes += self.size(&row.path)?;
        }
        let s = if names.len() == 1 { "" } else { "s" };
        Ok(format!("{} module{s}, {bytes} bytes", names.len()))
    }

    /// These modules as a bridge wants them. Those that are not `plain` are packed where the image has them unpacked: the
    /// kernel unpacks an initrd as a whole, and of all modules a boot loads a tenth.
    fn modules(&self, names: &BTreeSet<String>, plain: &BTreeSet<String>) -> Result<Vec<Module>> {
        let is_packed = |path: &str| path.ends_with(".ko") && !plain.contains(&tables::name_of(path));
        let place = |path: &String| if is_packed(path) { [path, PACKED].concat() } else { path.clone() };
        let mut aliases = self.tables.aliases_of(names);
        let mut modules = Vec::new();
        let mut total = 0;
        for (name, row) in names.iter().filter_map(|name| self.tables.module(name)) {
            let mut bytes = self.module(&row.path)?;
            total += bytes.len();
            if total > MOST {
                bail!("modules: wanted at most {MOST} bytes, seen more");
            }
            if is_packed(&row.path) {
                bytes = compress(&bytes, Compression::Zstd)?;
            }
            modules.push(Module {
                name: name.to_owned(),
                path: place(&row.path),
                needs: row.needs.iter().map(place).collect(),
                aliases: aliases.remove(name).unwrap_or_default(),
                before: self.tables.before(name).to_vec(),
                bytes,
            });
        }
        Ok(modules)
    }
}
