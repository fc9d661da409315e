//! `isolde home create`.

use super::{Size, UNFINISHED, crypt, pieces, tool};
use anyhow::{Context, Result, bail, ensure};
use std::fs::{File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Make an image file with an ext4 file system for a home. A file that is there is not replaced.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// The file to make, such as /media/stick/home.img.
    file: PathBuf,
    /// Its size: bytes, or with K, M, G or T. An encrypted one is 16 MiB larger.
    #[arg(long, value_name = "SIZE")]
    size: Size,
    /// A folder whose content it begins with, with owners and permissions.
    #[arg(long, value_name = "FOLDER")]
    from: Option<PathBuf>,
    /// Who owns its root: for an image that is one user's home (isolde.home-user=.), with --from the owner of that folder.
    /// Default: root, as of /home.
    #[arg(long, value_name = "UID:GID", value_parser = owner)]
    owner: Option<(u32, u32)>,
    /// In a LUKS2 volume.
    #[arg(long)]
    encrypt: bool,
    #[command(flatten)]
    key: crypt::Key,
    #[arg(skip)]
    holds: tool::Holds,
    /// The largest file that it may be in; `None` for what the file system takes.
    #[arg(skip)]
    piece: Option<Size>,
}

impl Args {
    /// For `isolde persist create`.
    pub(crate) fn for_sessions(file: PathBuf, size: Size, encrypt: bool, key: crypt::Key, piece: Option<Size>) -> Args {
        Args { file, size, from: None, owner: None, encrypt, key, holds: tool::Holds::Sessions, piece }
    }
}

fn owner(text: &str) -> Result<(u32, u32), &'static str> {
    let parsed = text.split_once(':').and_then(|(uid, gid)| Some((uid.parse().ok()?, gid.parse().ok()?)));
    parsed.ok_or("wanted two numbers, such as 1000:1000")
}

/// Makes it under another name, and gives it its own when it is whole.
pub(crate) fn create(args: &Args) -> Result<()> {
    let shown = args.file.display();
    ensure!(!args.file.exists(), "{shown} is there already");
    let folder = args.file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Before anything that takes time.
    let key = args.encrypt.then(|| args.key.read(true)).transpose()?;
    let own = args.from.as_ref().map(|from| {
        let found = from.metadata().with_context(|| from.display().to_string())?;
        ensure!(found.is_dir(), "{} is no folder", from.display());
        Ok((found.uid(), found.gid()))
    });
    let owner = args.owner.or(own.transpose()?).unwrap_or((0, 0));
    let limit = args.piece.map(|Size(piece)| piece).map_or_else(|| pieces::limit(folder), |piece| Ok(Some(piece)))?;
    let encrypted = if args.encrypt { crypt::HEADER } else { 0 };
    let piece = limit.filter(|limit| args.size.0.saturating_add(encrypted) > *limit);
    if piece.is_some() && args.holds != tool::Holds::Sessions {
        bail!("{shown}: no file can be so large there, and a home has to be in one");
    }
    let whole = match piece {
        None => unfinished(folder)?,
        Some(_) => tempfile::NamedTempFile::new().context("a temporary file")?,
    };
    match key {
        None => fill(whole.as_file(), whole.path(), args, owner)?,
        Some(key) => {
            // What is not encrypted yet is not put on the medium, where it could be found later.
            let plain = tempfile::NamedTempFile::new().context("a temporary file")?;
            fill(plain.as_file(), plain.path(), args, owner)?;
            crypt::fill(whole.path(), plain.as_file(), &key)?;
        }
    }
    if let Some(piece) = piece {
        return pieces::write(whole.into_file(), piece, &args.file);
    }
    // vfat has no such rights: there it is refused, and not needed.
    let _ = whole.as_file().set_permissions(Permissions::from_mode(0o600));
    whole.as_file().sync_all().with_context(|| format!("write {shown}"))?;
    whole.persist_noclobber(&args.file).with_context(|| format!("give {shown} its name"))?;
    File::open(folder).and_then(|folder| folder.sync_all()).with_context(|| folder.display().to_string())
}

fn fill(file: &File, path: &Path, args: &Args, owner: (u32, u32)) -> Result<()> {
    let Size(size) = args.size;
    file.set_len(size).with_context(|| format!("make a file of {size} bytes"))?;
    tool::make(path, args.holds, owner, args.from.as_deref())
}

/// A file beside the one that it will be.
pub(super) fn unfinished(folder: &Path) -> Result<tempfile::NamedTempFile> {
    let made = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(folder);
    made.with_context(|| format!("write into {}", folder.display()))
}
