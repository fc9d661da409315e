//! A store as the host sees it: a directory with `boot/isolde/manifest.toml`, its signature, and its files.

use anyhow::{Context, Result, bail};
use isolde::formats::manifest::{MOST, Manifest, PLACE, SIGNATURE};
use isolde::formats::minisig::{self, MOST_KEYS, MOST_SIGNATURE, PublicKey, Signature};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Where a file may be used from: the store's root, and the file's path on it.
pub type Home = (PathBuf, String);

/// What a manifest is worth.
#[derive(Debug)]
pub struct Sealed {
    /// As it is read; none when there is none, or it cannot be read.
    pub manifest: Option<Manifest>,
    /// The key that signed it, when keys were given and one of them did.
    pub signed_by: Option<String>,
    /// What is wrong with the manifest as a whole.
    pub fault: Option<String>,
}

impl Sealed {
    /// Reads the manifest of a store. Where keys are given or a serial number is wanted, it has to be there.
    #[must_use]
    pub fn open(root: &Path, keys: Option<&[PublicKey]>, least: u64) -> Sealed {
        match Self::read(root, keys, least) {
            Ok(sealed) => sealed,
            Err(error) => Sealed { manifest: None, signed_by: None, fault: Some(format!("{error:#}")) },
        }
    }

    fn read(root: &Path, keys: Option<&[PublicKey]>, least: u64) -> Result<Sealed> {
        let place = root.join(PLACE);
        let Some(text) = limited(&place, MOST)? else {
            if keys.is_some() || least > 0 {
                bail!("{}: wanted a manifest, seen none", place.display());
            }
            return Ok(Sealed { manifest: None, signed_by: None, fault: None });
        };
        let manifest = Manifest::parse(&text).with_context(|| place.display().to_string())?;
        let signed = keys.map(|keys| signed_by(root, &text, keys)).transpose();
        let old = manifest.check_serial(least);
        let (signed_by, fault) = match (signed, old) {
            (Ok(signed), Ok(())) => (signed, None),
            (Err(error), _) => (None, Some(format!("{error:#}"))),
            (Ok(signed), Err(error)) => (signed, Some(error.to_string())),
        };
        Ok(Sealed { manifest: Some(manifest), signed_by, fault })
    }
}

/// The key that signed the manifest whose text this is.
fn signed_by(root: &Path, text: &[u8], keys: &[PublicKey]) -> Result<String> {
    let path = root.join(SIGNATURE);
    let shown = || path.display().to_string();
    let signature = limited(&path, MOST_SIGNATURE)?.with_context(|| format!("{}: there is none", shown()))?;
    let signature = Signature::parse(&signature).with_context(shown)?;
    let signed = signature.verify(text, keys).with_context(shown)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock")?;
    signed.check_expiry(now.as_secs()).with_context(shown)?;
    Ok(signed.key.to_string())
}

/// The public keys in a file, which may be a pipe, as whoever asks names it.
///
/// # Errors
/// When it cannot be read, or has none.
pub fn keys(path: &Path) -> Result<Vec<PublicKey>> {
    let text = File::open(path).map_err(Into::into).and_then(|file| bounded(file, MOST_KEYS));
    minisig::keys(&text.with_context(|| path.display().to_string())?).with_context(|| path.display().to_string())
}

/// The store that a file is on: the nearest directory above it with a manifest.
///
/// # Errors
/// When the file is not there.
pub fn home(file: &Path) -> Result<Option<Home>> {
    let real = file.canonicalize().with_context(|| file.display().to_string())?;
    let root = real.ancestors().skip(1).find(|folder| folder.join(PLACE).symlink_metadata().is_ok());
    let Some(root) = root else { return Ok(None) };
    let path = real.strip_prefix(root)?.to_str();
    let path = path.with_context(|| format!("{}: wanted a path in UTF-8", real.display()))?;
    Ok(Some((root.to_owned(), path.to_owned())))
}

/// Opens a file of a store. A link on the way to it could lead out of the store.
///
/// # Errors
/// When it cannot be opened, is no regular file, or there is a link.
pub fn open(root: &Path, path: &str) -> Result<File> {
    let root = root.canonicalize()?;
    let at = root.join(path);
    if at.canonicalize()? != at {
        bail!("wanted a file, seen a link on the way to it");
    }
    regular(&at)?.context("there is no such file")
}

/// Opens a regular file; none when there is no such file. Anything else is not opened at all: a pipe on a hostile medium
/// would keep the program waiting.
///
/// # Errors
/// When it is something else, or cannot be opened.
pub fn regular(path: &Path) -> Result<Option<File>> {
    match path.metadata() {
        Ok(meta) if !meta.is_file() => bail!("wanted a file, seen something else"),
        Ok(_) => Ok(Some(File::open(path)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A regular file's bytes, of which there may be only so many; none when there is no such file.
///
/// # Errors
/// When it cannot be read, or has more.
pub fn limited(path: &Path, most: usize) -> Result<Option<Vec<u8>>> {
    let file = regular(path).with_context(|| path.display().to_string())?;
    file.map(|file| bounded(file, most)).transpose().with_context(|| path.display().to_string())
}

fn bounded(file: File, most: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if file.take(most as u64 + 1).read_to_end(&mut bytes)? > most {
        bail!("wanted at most {most} bytes, seen more");
    }
    Ok(bytes)
}
