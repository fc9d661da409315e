//! The bridge: kernel modules that init finds beside those of the distribution's initrd.
//!
//! Takes   [`Module`]s of one kernel, each with what it needs and answers to.
//! Gives   the files for [`plan`](crate::plan()): the modules below `/isolde/modules/RELEASE`, and the tables that depmod
//!         would write for them. The folder is our own, as `/lib` is a link in most initrds and the tables there must not
//!         be replaced. A module stays packed as it is: init, or the kernel, unpacks it when it is loaded.
//! Fails   when the release or a path is not plain, or two modules want one place.

use std::collections::BTreeMap;

use crate::destination::Destination;
use crate::error::{Error, Result};
use crate::index::{Keys, index};
use crate::source::Source;

/// Where init looks for them, in a folder for each kernel; src/stages/drivers/catalogue.rs has the same.
pub const FOLDER: &str = "isolde/modules";

/// One module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// Its name, with `_`.
    pub name: String,
    /// Its path in the kernel's folder: `kernel/fs/exfat/exfat.ko.xz`.
    pub path: String,
    /// The paths of the modules that it needs, as modules.dep has them: the most basic one last.
    pub needs: Vec<String>,
    /// What it answers to: `fs_exfat`; `-` is written as `_`, but not between brackets.
    pub aliases: Vec<Vec<u8>>,
    /// What should be loaded before it, by name or alias.
    pub before: Vec<String>,
    /// Its file.
    pub bytes: Vec<u8>,
}

/// The files of a bridge for the kernel of that release, as `uname -r` prints it.
pub fn files(release: &str, modules: Vec<Module>) -> Result<Vec<(Destination, Source)>> {
    if release.is_empty() || release.contains('/') || release.contains(char::is_whitespace) {
        return Err(Error::Release { seen: release.escape_debug().to_string() });
    }
    let place = |path: &str| Destination::parse(&[FOLDER, release, path].join("/"));
    let (mut depends, mut aliases, mut before) = (Keys::new(), Keys::new(), BTreeMap::new());
    let mut files = Vec::new();
    for module in modules {
        let needs: String = module.needs.iter().flat_map(|path| [" ", path]).collect();
        depends.insert(module.name.clone().into_bytes(), vec![[&module.path, ":", &needs].concat()]);
        for alias in module.aliases {
            let names = aliases.entry(alias).or_default();
            if !names.contains(&module.name) {
                names.push(module.name.clone());
            }
        }
        if !module.before.is_empty() {
            before.insert(module.name, module.before.join(" "));
        }
        let destination = place(&module.path)?;
        files.push((destination, Source::from_bytes(format!("the image's {}", module.path), module.bytes, false)?));
    }
    let softdep: String = before.iter().map(|(name, before)| format!("softdep {name} pre: {before}\n")).collect();
    for (name, bytes) in [
        ("modules.alias.bin", index(&aliases)?),
        ("modules.dep.bin", index(&depends)?),
        ("modules.softdep", softdep.into_bytes()),
    ] {
        if !bytes.is_empty() {
            files.push((place(name)?, Source::from_bytes(format!("the bridge's {name}"), bytes, false)?));
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use isolde::formats::module_index::Index;
    use isolde::formats::softdep;

    fn module(path: &str, needs: &[&str], aliases: &[&str], before: &[&str]) -> Module {
        let owned = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
        let name = path.rsplit('/').next().unwrap().split('.').next().unwrap();
        Module {
            name: name.replace('-', "_"),
            path: path.to_owned(),
            needs: owned(needs),
            aliases: aliases.iter().map(|alias| alias.as_bytes().to_vec()).collect(),
            before: owned(before),
            bytes: path.as_bytes().to_vec(),
        }
    }

    #[test]
    fn tables_and_modules_are_where_init_looks_for_them() {
        let modules = vec![
            module("kernel/fs/ext4/ext4.ko.xz", &["kernel/fs/jbd2/jbd2.ko.xz"], &["fs_ext4", "fs_ext3"], &["crc32c"]),
            module("kernel/fs/jbd2/jbd2.ko.xz", &[], &[], &[]),
        ];
        let files = files("6.1.0-x", modules).unwrap();
        let of = |name: &str| {
            let place = format!("isolde/modules/6.1.0-x/{name}");
            let found = files.iter().find(|(destination, _)| destination.as_str() == place);
            found.unwrap_or_else(|| panic!("{place}")).1.bytes().to_vec()
        };
        assert_eq!(of("kernel/fs/jbd2/jbd2.ko.xz"), b"kernel/fs/jbd2/jbd2.ko.xz");
        let depends = Index::parse(of("modules.dep.bin")).unwrap();
        assert_eq!(depends.exact("ext4").unwrap(), "kernel/fs/ext4/ext4.ko.xz: kernel/fs/jbd2/jbd2.ko.xz");
        assert_eq!(depends.exact("jbd2").unwrap(), "kernel/fs/jbd2/jbd2.ko.xz:");
        assert_eq!(Index::parse(of("modules.alias.bin")).unwrap().lookup("fs-ext3"), ["ext4"]);
        assert_eq!(softdep::parse(&String::from_utf8(of("modules.softdep")).unwrap())["ext4"], ["crc32c"]);
        assert_eq!(files.len(), 5);
    }

    #[test]
    fn what_leads_out_of_the_folder_is_refused() {
        for path in ["../x.ko", "kernel/../../x.ko", "/x.ko", "kernel//x.ko", "a\nb.ko"] {
            assert!(files("6.1", vec![module(path, &[], &[], &[])]).is_err(), "{path}");
        }
        for release in ["", ".", "..", "../..", "6.1/x", "6 1"] {
            assert!(files(release, vec![module("kernel/x.ko", &[], &[], &[])]).is_err(), "{release}");
        }
    }
}
