//! Which modules the initramfs holds for the running kernel, and what each needs.
//!
//! There are two folders: the bridge, which `isolde mkinitrd` puts beside init, and that of the distribution's initrd. The
//! bridge is asked first, as it is known to hold all that its modules need; it has a place of its own, because the other
//! may be behind a link and has an index that must not be replaced. Either may be missing.
//!
//! The usual source is depmod's binary index (`modules.dep.bin`, `modules.alias.bin`): nothing is parsed up front. Where
//! an index is missing or damaged, the modules themselves are read: each carries its aliases and dependencies.

use crate::error::Cause;
use crate::formats::compressed::decompress;
use crate::formats::modinfo::ModInfo;
use crate::formats::module_index::Index;
use crate::formats::softdep;
use crate::machine::Machine;
use crate::op::Place;
use crate::sys::{self, Kind, Sys};
use std::collections::{BTreeMap, BTreeSet};

/// The largest index or module that is read; Debian's largest module is 8 MB, unpacked 30 MB.
const LARGEST: u64 = 64 << 20;
/// Folders below lib/modules/VERSION are at most this deep; a hostile initramfs is no concern, a looping link is.
const DEEPEST: usize = 12;

/// Where `isolde mkinitrd` puts the modules of a bridge, in a folder for each kernel.
const BRIDGE: &str = "/isolde/modules/";
/// Where distributions have them.
const STOCK: &str = "/lib/modules/";

/// See the module's own text.
#[derive(Debug)]
pub(super) struct Catalogue {
    folders: Vec<Folder>,
}

/// The modules below one folder.
#[derive(Debug)]
struct Folder {
    at: String,
    source: Source,
    soft: BTreeMap<String, Vec<String>>,
}

#[derive(Debug)]
enum Source {
    /// depmod's index.
    Index { depends: Index, aliases: Index },
    /// Read from the modules, by name.
    Modules(BTreeMap<String, Module>),
}

#[derive(Debug)]
struct Module {
    path: String,
    info: ModInfo,
}

impl Catalogue {
    /// One without any module.
    pub(super) fn empty() -> Catalogue {
        Catalogue { folders: Vec::new() }
    }

    /// Reads what is there. Without any module the catalogue is empty: a kernel may have all it needs built in.
    pub(super) fn read<S: Sys>(machine: &mut Machine<S>, release: &str) -> Catalogue {
        let (bridge, stock) = ([BRIDGE, release].concat(), [STOCK, release].concat());
        let has_bridge = matches!(machine.sys().kind(&Place::at(&bridge)), Ok(Some(Kind::Directory)));
        let places = has_bridge.then_some(bridge).into_iter().chain([stock]);
        Catalogue { folders: places.map(|at| Folder::read(machine, at)).collect() }
    }

    /// Looks at the modules of a mounted image too, after all others.
    pub(super) fn add_image<S: Sys>(&mut self, machine: &mut Machine<S>, root: &str) {
        // The last one is the distribution's place.
        let at = self.folders.last().map(|stock| [root, &stock.at].concat());
        if let Some(at) = at.filter(|at| matches!(machine.sys().kind(&Place::at(at)), Ok(Some(Kind::Directory)))) {
            let stock = self.folders.len().saturating_sub(1);
            self.folders.insert(stock, Folder::read(machine, at));
        }
    }

    /// Where modules were looked for, in words.
    pub(super) fn searched(&self) -> String {
        let places: Vec<&str> = self.folders.iter().map(|folder| folder.at.as_str()).collect();
        places.join(" nor in ")
    }

    /// Names of the modules that answer to an alias: a modalias, `fs-ext4`, or a module's own name.
    pub(super) fn by_alias(&self, alias: &str) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for folder in &self.folders {
            for name in folder.by_alias(alias) {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        names
    }

    /// The paths of the module's file and of those it needs, in the order in which they are loaded: itself last. `None`:
    /// not here.
    pub(super) fn files(&self, name: &str) -> Option<Vec<String>> {
        self.folders.iter().find_map(|folder| folder.files(name))
    }

    /// What should be loaded before the module, by alias or name.
    pub(super) fn soft(&self, name: &str) -> Vec<String> {
        self.folders.iter().map(|folder| folder.soft(name)).find(|soft| !soft.is_empty()).unwrap_or_default()
    }
}

impl Folder {
    fn read<S: Sys>(machine: &mut Machine<S>, at: String) -> Folder {
        let folder = Place::at(&at);
        let source = match (index(machine, &folder, "modules.dep.bin"), index(machine, &folder, "modules.alias.bin")) {
            (Some(depends), Some(aliases)) => Source::Index { depends, aliases },
            _ => Source::Modules(scan(machine, &folder)),
        };
        let soft = match sys::read(machine.sys(), &folder.join("modules.softdep"), LARGEST) {
            Ok(text) => softdep::parse(&String::from_utf8_lossy(&text)),
            Err(_) => BTreeMap::new(), // depmod writes none when there is nothing to say
        };
        Folder { at, source, soft }
    }

    fn by_alias(&self, alias: &str) -> Vec<String> {
        match &self.source {
            Source::Index { aliases, .. } => aliases.lookup(alias),
            Source::Modules(all) => {
                let matches = |module: &Module| {
                    module.info.aliases.iter().any(|a| crate::formats::glob::matches(a.as_bytes(), alias.as_bytes()))
                };
                all.iter().filter(|(_, module)| matches(module)).map(|(name, _)| name.clone()).collect()
            }
        }
    }

    fn files(&self, name: &str) -> Option<Vec<String>> {
        let mut files = Vec::new();
        match &self.source {
            Source::Index { depends, .. } => {
                // modules.dep: `path: needs…`, the most basic one last.
                let line = depends.exact(&normal(name))?;
                let (path, needs) = line.split_once(':')?;
                files.extend(needs.split_whitespace().rev().chain([path]).map(|path| self.path(path)));
            }
            Source::Modules(all) => {
                collect(all, &normal(name), &mut BTreeSet::new(), &mut files);
                files.iter_mut().for_each(|path| *path = self.path(path));
            }
        }
        (!files.is_empty()).then_some(files)
    }

    fn path(&self, path: &str) -> String {
        [&self.at, "/", path].concat()
    }

    fn soft(&self, name: &str) -> Vec<String> {
        match (&self.source, self.soft.get(&normal(name))) {
            (_, Some(pre)) => pre.clone(),
            (Source::Modules(all), None) => {
                all.get(&normal(name)).map(|module| module.info.softdep_pre.clone()).unwrap_or_default()
            }
            (Source::Index { .. }, None) => Vec::new(),
        }
    }
}

/// A module's path from its kernel's folder on: `kernel/fs/ext4/ext4.ko`. No release has a slash in it.
pub(super) fn inner(path: &str) -> &str {
    let rest = [BRIDGE, STOCK].iter().find_map(|place| path.strip_prefix(place));
    rest.and_then(|rest| rest.split_once('/')).map_or(path, |(_, inner)| inner)
}

/// `-` and `_` are the same in module names; the kernel and depmod write `_`.
pub(super) fn normal(name: &str) -> String {
    name.replace('-', "_")
}

/// `kernel/fs/ext4/ext4.ko.xz` is the module `ext4`.
pub(super) fn name_of(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    normal(file.split_once(".ko").map_or(file, |(name, _)| name))
}

fn index<S: Sys>(machine: &mut Machine<S>, folder: &Place, name: &str) -> Option<Index> {
    let at = folder.join(name);
    let bytes = match sys::read(machine.sys(), &at, LARGEST) {
        Ok(bytes) => bytes,
        Err(error) => {
            machine.debug(&format!("{at}: {}; the modules themselves are read", Cause::Os(error)));
            return None;
        }
    };
    match Index::parse(bytes) {
        Ok(index) => Some(index),
        Err(error) => {
            machine.warn(&format!("{at}: {error}; the modules themselves are read, which takes longer"));
            None
        }
    }
}

/// Reads every module below the folder.
fn scan<S: Sys>(machine: &mut Machine<S>, folder: &Place) -> BTreeMap<String, Module> {
    let mut all = BTreeMap::new();
    let mut folders = vec![(String::from("kernel"), 0), (String::from("updates"), 0), (String::from("extra"), 0)];
    while let Some((path, depth)) = folders.pop() {
        let Ok(entries) = machine.sys().list(&folder.join(&path)) else { continue };
        for entry in entries {
            let path = format!("{path}/{}", entry.name);
            if entry.is_directory && depth < DEEPEST {
                folders.push((path, depth + 1));
            } else if entry.name.contains(".ko") {
                let bytes =
                    sys::read(machine.sys(), &folder.join(&path), LARGEST).map_err(|e| Cause::Os(e).to_string());
                let parsed = bytes.and_then(|packed| {
                    let unpacked = decompress(&packed, LARGEST).map_err(|e| e.to_string())?;
                    ModInfo::parse(&unpacked).map_err(|e| e.to_string())
                });
                match parsed {
                    Ok(info) => {
                        all.insert(name_of(&path), Module { path, info });
                    }
                    Err(why) => machine.warn(&format!("module {path} is left out: {why}")),
                }
            }
        }
    }
    all
}

/// Depth first, so that what is needed comes before what needs it. Each module is entered once, so that a circle ends.
fn collect(all: &BTreeMap<String, Module>, name: &str, entered: &mut BTreeSet<String>, files: &mut Vec<String>) {
    let Some(module) = all.get(name) else { return };
    if !entered.insert(name.to_owned()) {
        return;
    }
    for needed in &module.info.depends {
        collect(all, &normal(needed), entered, files);
    }
    files.push(module.path.clone());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(path: &str, depends: &[&str]) -> (String, Module) {
        let info = ModInfo { depends: depends.iter().map(|d| (*d).to_owned()).collect(), ..ModInfo::default() };
        (name_of(path), Module { path: path.to_owned(), info })
    }

    #[test]
    fn a_module_comes_after_what_it_needs_and_once() {
        let all: BTreeMap<_, _> = [
            module("kernel/fs/ext4/ext4.ko.xz", &["jbd2", "mbcache", "crc16"]),
            module("kernel/fs/jbd2/jbd2.ko.xz", &["crc16"]),
            module("kernel/fs/mbcache.ko.xz", &[]),
            module("kernel/lib/crc16.ko.xz", &["ext4"]), // a circle must not loop
        ]
        .into();
        let mut files = Vec::new();
        collect(&all, "ext4", &mut BTreeSet::new(), &mut files);
        let names: Vec<String> = files.iter().map(|path| name_of(path)).collect();
        assert_eq!(names.iter().filter(|name| *name == "crc16").count(), 1);
        assert!(names.iter().position(|n| n == "crc16") < names.iter().position(|n| n == "jbd2"));
        assert!(names.iter().position(|n| n == "jbd2") < names.iter().position(|n| n == "ext4"));
    }

    #[test]
    fn paths_within_either_folder() {
        for path in ["/lib/modules/6.1.0/kernel/fs/x.ko", "/isolde/modules/6.1.0/kernel/fs/x.ko", "kernel/fs/x.ko"] {
            assert_eq!(inner(path), "kernel/fs/x.ko");
        }
    }

    #[test]
    fn names_of_files() {
        for path in ["kernel/drivers/usb/storage/usb-storage.ko", "usb-storage.ko.zst", "x/usb_storage.ko.gz"] {
            assert_eq!(name_of(path), "usb_storage");
        }
    }
}
