//! What a kernel's folder says about its modules.
//!
//! Takes   the texts that depmod and the kernel's build leave in `lib/modules/RELEASE`: modules.dep, modules.alias,
//!         modules.softdep, modules.builtin and modules.builtin.modinfo.
//! Gives   [`Tables`]: who needs whom, who answers to what, and what is in the kernel itself. Pure.
//! Leaves  out lines that no depmod writes: paths that are not plain, and what is no path of a module.
//! Fails   never. A module that is in no table does not exist for whoever asks here.

use isolde::formats::{glob, module_index, softdep};
use isolde_mkinitrd::{Destination, index};
use std::collections::{BTreeMap, BTreeSet};

/// The modules of a kernel.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    /// By name, with `_`.
    modules: BTreeMap<String, Row>,
    /// Patterns with the modules that answer to them.
    aliases: Vec<(Vec<u8>, String)>,
    before: BTreeMap<String, Vec<String>>,
    built_in: BTreeSet<String>,
    /// Names and aliases that the kernel itself answers to.
    built_in_aliases: BTreeSet<String>,
}

/// A module's line in modules.dep.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Its path in the kernel's folder.
    pub path: String,
    /// The paths of the modules that it needs, the most basic one last.
    pub needs: Vec<String>,
}

impl Tables {
    /// Reads modules.dep: `PATH: PATH PATH`.
    pub fn depends(&mut self, text: &str) {
        for (path, needs) in text.lines().filter_map(|line| line.split_once(':')) {
            let needs: Vec<&str> = needs.split_ascii_whitespace().collect();
            if is_module(path) && needs.iter().all(|path| is_module(path)) {
                let row = Row { path: path.to_owned(), needs: needs.into_iter().map(str::to_owned).collect() };
                self.modules.insert(name_of(path), row);
            }
        }
    }

    /// Reads modules.alias: `alias PATTERN MODULE`.
    pub fn aliases(&mut self, text: &str) {
        for line in text.lines() {
            let mut words = line.split_ascii_whitespace();
            let (Some("alias"), Some(pattern), Some(name)) = (words.next(), words.next(), words.next()) else {
                continue;
            };
            if pattern.len() <= index::LONGEST && pattern.is_ascii() {
                self.aliases.push((module_index::normalise(pattern), normal(name)));
            }
        }
    }

    /// Reads modules.softdep.
    pub fn soft(&mut self, text: &str) {
        self.before.extend(softdep::parse(text));
    }

    /// Reads modules.builtin: a path each line.
    pub fn built_in(&mut self, text: &str) {
        self.built_in.extend(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(name_of));
    }

    /// Reads modules.builtin.modinfo: `MODULE.alias=ALIAS`, with a zero byte after each.
    pub fn built_in_info(&mut self, bytes: &[u8]) {
        for entry in bytes.split(|byte| *byte == 0).filter_map(|entry| std::str::from_utf8(entry).ok()) {
            if let Some((_, alias)) = entry.split_once(".alias=") {
                self.built_in_aliases.insert(alias.replace('-', "_"));
            }
        }
    }

    /// How many modules there are.
    pub fn count(&self) -> usize {
        self.modules.len()
    }

    /// Names and lines of all.
    pub fn modules(&self) -> impl Iterator<Item = (&str, &Row)> {
        self.modules.iter().map(|(name, row)| (name.as_str(), row))
    }

    /// The line of a module, with its name as the table has it.
    pub fn module(&self, name: &str) -> Option<(&str, &Row)> {
        self.modules.get_key_value(&normal(name)).map(|(name, row)| (name.as_str(), row))
    }

    /// The modules that answer to an alias, and are there.
    pub fn by_alias(&self, alias: &str) -> Vec<&str> {
        let alias = module_index::normalise(alias);
        let found = self.aliases.iter().filter(|(pattern, _)| glob::matches(pattern, &alias));
        let names: BTreeSet<&str> = found.filter_map(|(_, name)| Some(self.module(name)?.0)).collect();
        names.into_iter().collect()
    }

    /// Whether a module, or what answers to the alias, is in the kernel itself.
    pub fn is_built_in(&self, name: &str) -> bool {
        let name = normal(name);
        self.built_in.contains(&name) || self.built_in_aliases.contains(&name)
    }

    /// What should be loaded before a module, by name or alias.
    pub fn before(&self, name: &str) -> &[String] {
        self.before.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// The modules that devices ask for, each with the buses that these are on: `pci`, `usb`, `scsi`, …
    pub fn for_devices(&self) -> BTreeMap<&str, BTreeSet<&[u8]>> {
        let mut all: BTreeMap<&str, BTreeSet<&[u8]>> = BTreeMap::new();
        for (pattern, name) in &self.aliases {
            // A modalias begins with its bus; names of nodes and of symbols have a colon too.
            let bus = pattern.iter().position(|byte| *byte == b':').and_then(|at| pattern.get(..at));
            if let Some(bus) = bus.filter(|bus| !matches!(*bus, b"devname" | b"symbol")) {
                all.entry(name).or_default().insert(bus);
            }
        }
        all
    }

    /// What each of these modules answers to.
    pub fn aliases_of(&self, names: &BTreeSet<String>) -> BTreeMap<&str, Vec<Vec<u8>>> {
        let mut all: BTreeMap<&str, Vec<Vec<u8>>> = BTreeMap::new();
        for (pattern, name) in self.aliases.iter().filter(|(_, name)| names.contains(name)) {
            all.entry(name).or_default().push(pattern.clone());
        }
        all
    }
}

/// `-` and `_` are the same in module names; the kernel and depmod write `_`.
pub fn normal(name: &str) -> String {
    name.replace('-', "_")
}

/// `kernel/fs/ext4/ext4.ko.xz` is the module `ext4`.
pub fn name_of(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    normal(file.split_once(".ko").map_or(file, |(name, _)| name))
}

/// Whether it is a plain path of a module within its kernel's folder.
fn is_module(path: &str) -> bool {
    !path.starts_with('/') && path.contains(".ko") && Destination::parse(path).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tables_as_depmod_writes_them() {
        let mut tables = Tables::default();
        tables.depends("kernel/fs/ext4/ext4.ko: kernel/fs/jbd2/jbd2.ko kernel/lib/crc16.ko\nkernel/lib/crc16.ko:\n");
        tables.aliases(
            "# Aliases\nalias fs-ext4 ext4\nalias fs-ext3 ext4\nalias crypto-crc32c* crc16\nalias fs-x gone\n",
        );
        tables.soft("softdep ext4 pre: crc32c\n");
        tables.built_in("kernel/fs/fuse/fuse.ko\n");
        tables.built_in_info(b"fuse.alias=fs-fuse\0fuse.license=GPL\0fuse.alias=devname:fuse\0");
        let (name, row) = tables.module("ext4").unwrap();
        assert_eq!((name, row.path.as_str()), ("ext4", "kernel/fs/ext4/ext4.ko"));
        assert_eq!(row.needs, ["kernel/fs/jbd2/jbd2.ko", "kernel/lib/crc16.ko"]);
        assert_eq!(tables.by_alias("fs-ext3"), ["ext4"]);
        assert_eq!(tables.by_alias("crypto-crc32c-x"), ["crc16"]);
        assert_eq!(tables.by_alias("fs-x"), [""; 0]);
        assert_eq!(tables.before("ext4"), ["crc32c"]);
        assert!(tables.is_built_in("fuse") && tables.is_built_in("fs-fuse") && !tables.is_built_in("ext4"));
    }

    #[test]
    fn paths_that_lead_elsewhere_are_no_modules() {
        let mut tables = Tables::default();
        for path in ["../x.ko", "/etc/x.ko", "kernel/../../x.ko", "kernel//x.ko", "kernel/x.txt", "lib/x.ko", ""] {
            tables.depends(&format!("{path}:\nkernel/user.ko: {path}\n"));
        }
        // `kernel/user.ko:` needs nothing, in the line whose dependency is the empty path.
        assert_eq!(tables.modules().map(|(name, _)| name).collect::<Vec<_>>(), ["user"]);
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in any::<String>(), name in any::<String>()) {
            let mut tables = Tables::default();
            tables.depends(&text);
            tables.aliases(&text);
            tables.soft(&text);
            tables.built_in(&text);
            tables.built_in_info(text.as_bytes());
            tables.by_alias(&name);
            for (_, row) in tables.modules() {
                prop_assert!(!row.path.split('/').any(|part| part == ".."));
            }
        }
    }
}
