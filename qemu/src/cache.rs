//! Things that take long to build, kept between runs.
//!
//! Takes   a name, a recipe (the text that decides what comes out) and a function that builds into an empty folder.
//! Gives   the folder `<cache>/isolde/<name>-<digest of the recipe>`, built only if it is not there.
//! Leaves  nothing half built: a folder gets its name when it is whole.
//! Fails   when the cache cannot be written, or the builder fails.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::fs::{FlockOperation, flock};

use crate::tool::say;

/// Characters of the digest in a folder's name: 64 bits, ample for a handful of recipes.
const DIGITS: usize = 16;

/// `$XDG_CACHE_HOME/isolde`, or `~/.cache/isolde`.
///
/// # Errors
/// When neither variable is set.
pub fn folder() -> Result<PathBuf> {
    let base = match std::env::var_os("XDG_CACHE_HOME").filter(|value| !value.is_empty()) {
        Some(base) => PathBuf::from(base),
        None => {
            PathBuf::from(std::env::var_os("HOME").context("neither XDG_CACHE_HOME nor HOME is set")?).join(".cache")
        }
    };
    Ok(base.join("isolde"))
}

/// The folder of a built thing. Only one process builds it; others wait for that one.
///
/// # Errors
/// When the cache cannot be written, or `build` fails.
pub fn cached(name: &str, recipe: &str, build: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    cached_in(&folder()?, name, recipe, build)
}

fn cached_in(base: &Path, name: &str, recipe: &str, build: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let digest = digest(recipe.as_bytes());
    let whole = base.join(format!("{name}-{}", digest.get(..DIGITS).unwrap_or(&digest)));
    if whole.is_dir() {
        return Ok(whole);
    }
    fs::create_dir_all(base).with_context(|| format!("create {}", base.display()))?;
    let lock = lock(base, name)?;
    if !whole.is_dir() {
        remove_half_built(base, name)?;
        // Beside its final place, so that the rename stays within one file system.
        let work = tempfile::Builder::new()
            .prefix(&format!(".{name}-"))
            .tempdir_in(base)
            .with_context(|| format!("a work folder in {}", base.display()))?;
        build(work.path()).with_context(|| format!("build {name}"))?;
        fs::write(work.path().join("recipe.txt"), recipe).context("write recipe.txt")?;
        let made = work.keep();
        fs::rename(&made, &whole).with_context(|| format!("rename {} to {}", made.display(), whole.display()))?;
        open_to_readers(&whole)?;
    }
    drop(lock);
    Ok(whole)
}

/// Removes what a builder that was killed has left. The lock is held, so nobody is building there.
fn remove_half_built(base: &Path, name: &str) -> Result<()> {
    let prefix = format!(".{name}-");
    for entry in fs::read_dir(base).with_context(|| format!("list {}", base.display()))? {
        let entry = entry.with_context(|| format!("list {}", base.display()))?;
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            fs::remove_dir_all(entry.path()).with_context(|| format!("remove {}", entry.path().display()))?;
        }
    }
    Ok(())
}

/// Hexadecimal BLAKE3 of some bytes.
pub fn digest(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

/// Waits until no other process holds the lock of that name; held until the file is dropped.
///
/// # Errors
/// When the lock file cannot be made.
pub fn lock(folder: &Path, name: &str) -> Result<File> {
    let path = folder.join(format!("{name}.lock"));
    let file = File::create(&path).with_context(|| format!("create {}", path.display()))?;
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        say(&format!("waiting for the process that holds {}", path.display()));
        flock(&file, FlockOperation::LockExclusive).with_context(|| format!("lock {}", path.display()))?;
    }
    Ok(file)
}

/// A temporary folder is private to its owner; a cached one need not be.
fn open_to_readers(folder: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))
        .with_context(|| format!("chmod {}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_once_and_again_when_the_recipe_changes() {
        let base = tempfile::tempdir().unwrap();
        let write = |text: &'static str| move |folder: &Path| Ok(fs::write(folder.join("made"), text)?);
        let first = cached_in(base.path(), "thing", "one", write("a")).unwrap();
        let again = cached_in(base.path(), "thing", "one", write("b")).unwrap();
        let other = cached_in(base.path(), "thing", "two", write("c")).unwrap();
        assert_eq!(first, again);
        assert_ne!(first, other);
        assert_eq!(fs::read_to_string(first.join("made")).unwrap(), "a");
        assert_eq!(fs::read_to_string(first.join("recipe.txt")).unwrap(), "one");
        assert_eq!(fs::read_to_string(other.join("made")).unwrap(), "c");
    }

    #[test]
    fn a_failed_build_leaves_nothing_that_looks_built() {
        let base = tempfile::tempdir().unwrap();
        let fail = |folder: &Path| {
            fs::write(folder.join("half"), "x")?;
            anyhow::bail!("no space")
        };
        let error = cached_in(base.path(), "thing", "one", fail).unwrap_err();
        assert_eq!(format!("{error:#}"), "build thing: no space");
        let left: Vec<_> = fs::read_dir(base.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["thing.lock"]);
    }

    #[test]
    fn what_a_killed_builder_left_is_removed() {
        let base = tempfile::tempdir().unwrap();
        fs::create_dir(base.path().join(".thing-abc")).unwrap();
        fs::create_dir(base.path().join(".other-abc")).unwrap();
        cached_in(base.path(), "thing", "one", |_| Ok(())).unwrap();
        assert!(!base.path().join(".thing-abc").exists());
        assert!(base.path().join(".other-abc").exists());
    }

    #[test]
    fn two_builders_do_not_build_at_the_same_time() {
        let base = tempfile::tempdir().unwrap();
        let built = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    cached_in(base.path(), "thing", "one", |_| {
                        built.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                        std::thread::sleep(std::time::Duration::from_millis(50));
                        Ok(())
                    })
                    .unwrap()
                });
            }
        });
        assert_eq!(built.into_inner(), 1);
    }
}
