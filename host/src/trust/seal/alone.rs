//! Files alone, wherever they are: `FILE.b3` as b3sum writes it, and `FILE.verity`.
//!
//! Takes   files that are in no manifest: a tree with another salt beside one that is would fit its manifest no longer.
//! Gives   what was written, and for an image what its tree is trusted by.
//! Fails   when a file is in the manifest of a store, or cannot be read, or its name cannot be in a list.

use super::{Args, tree};
use crate::trust::digest::hex;
use crate::trust::measure::measure;
use crate::trust::meter::Meter;
use crate::trust::replace::replace;
use crate::trust::store::{self, Sealed};
use anyhow::{Context, Result, bail};
use std::ffi::OsStr;
use std::fs::File;
use std::io::Seek;
use std::path::{Path, PathBuf};

/// Seals all files that are named; the text that says so.
pub fn seal(args: &Args) -> Result<String> {
    if args.key.is_some() || args.verify.is_some() {
        bail!("--key and --verify: wanted a store, which has a manifest, seen a file");
    }
    let paths: Vec<PathBuf> = std::iter::once(args.store.clone()).chain(args.files.iter().map(PathBuf::from)).collect();
    let mut files = Vec::new();
    for path in paths {
        let shown = || path.display().to_string();
        refuse_sealed(&path)?;
        let file = store::regular(&path).and_then(|file| file.context("there is no such file"));
        let file = file.with_context(shown)?;
        let size = file.metadata().with_context(shown)?.len();
        files.push((path, file, size));
    }
    let meter = Meter::new("sealing", files.iter().map(|(.., size)| size).sum());
    let mut text = String::new();
    // One after another: each keeps all processors busy, and images are large.
    for (path, file, size) in &files {
        text += &one(args, path, file, *size, &meter).with_context(|| path.display().to_string())?;
    }
    Ok(text)
}

/// Whether the file is one of a store, and its manifest has it.
fn refuse_sealed(path: &Path) -> Result<()> {
    let Some((root, on_it)) = store::home(path)? else { return Ok(()) };
    if Sealed::open(&root, None, 0).manifest.is_some_and(|manifest| manifest.find(&on_it).is_some()) {
        bail!("{}: the manifest of {} has it: isolde seal {0} {on_it}", path.display(), root.display());
    }
    Ok(())
}

fn one(args: &Args, path: &Path, mut file: &File, size: u64, meter: &Meter) -> Result<String> {
    let name = path.file_name().and_then(OsStr::to_str).context("wanted a name in UTF-8")?;
    let head = if args.no_verity { None } else { tree::head(file, size, None)? };
    file.rewind()?;
    let mut task = meter.task();
    let measured = measure(file, head.clone(), &mut |progress| task.said(progress))?;
    let mut list = path.as_os_str().to_owned();
    list.push(".b3");
    let line = line(&hex(&measured.blake3), name);
    replace(Path::new(&list), [line.as_bytes()])?;
    let mut text = line;
    if let Some(verity) = tree::write(path, head, measured.tree)? {
        text += &format!("  root hash   {}\n", hex(&verity.root));
        text += &format!("  salt        {}\n", hex(&verity.salt));
        text += &format!("  data block  {}\n", verity.block);
        text += "  init uses this tree only when a manifest has its root hash: isolde seal STORE\n";
    }
    Ok(text)
}

/// A line of b3sum, for a file in the list's own folder.
fn line(digest: &str, name: &str) -> String {
    match name.contains(['\\', '\n', '\r']) {
        false => format!("{digest}  {name}\n"),
        true => {
            let name = name.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r");
            format!("\\{digest}  {name}\n")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use isolde::formats::b3sums::{find, parse};

    #[test]
    fn a_line_is_read_as_it_was_meant() {
        for name in ["x.iso", "a b.iso", "a\\b\nc\rd"] {
            let text = line(&"0f".repeat(32), name);
            let entries = parse(text.as_bytes()).unwrap();
            assert_eq!(find(&entries, name).unwrap(), Some([0x0f; 32]), "{text:?}");
        }
    }
}
