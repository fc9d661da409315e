//! SystemRescue: archiso with modules above the image and a configuration that its initrd works out.
//!
//! `*.srm` beside the image's folder are layers when `loadsrm` is asked for, on the command line or in
//! `sysrescue.d/*.yaml`; the first by name is the highest. Services of the root read the whole configuration as JSON, which
//! a Lua program of the initrd writes (systemrescue: patches/archiso-v43-05-add-loadsrm.patch,
//! archiso-v43-07-yaml-config.patch, airootfs/usr/bin/sysrescue-configuration.lua).

use super::folders::matching;
use super::{Asked, Edit, Family, Layer, Layout, NO_HABITS, Scripts, Way, archiso, tree::Tree};
use crate::words::{Does, Word, word};
use std::io;

/// See the module's own text.
pub const FAMILY: Family = Family {
    name: "systemrescue",
    systems: "SystemRescue 6 and later",
    way: Way::Scripts,
    words: WORDS,
    recognise,
    duties,
    scripts: Some(SCRIPTS),
    ..NO_HABITS
};

const WORDS: &[Word] = &[
    word("loadsrm", "[y|n]", Does::Choice),
    word("sysrescuecfg", "FILE", Does::Choice),
    word("dostartx", "", Does::Userland),
    word("dovnc", "", Does::Userland),
    word("noautologin", "", Does::Userland),
    word("nofirewall", "", Does::Userland),
    word("rootshell", "PATH", Does::Userland),
    word("rootpass", "TEXT", Does::Userland),
    word("rootcryptpass", "HASH", Does::Userland),
    word("setkmap", "NAME", Does::Userland),
    word("vncpass", "TEXT", Does::Userland),
    word("ar_disable", "", Does::Userland),
    word("ar_nowait", "", Does::Userland),
    word("ar_nodel", "", Does::Userland),
    word("ar_ignorefail", "", Does::Userland),
    word("ar_attempts", "COUNT", Does::Userland),
    word("ar_source", "PATH|URL", Does::Userland),
    word("ar_suffixes", "LIST", Does::Userland),
];

/// Where an archiso of another name has `arch`.
const BASE: &str = "sysresccd";
/// Configuration on the medium.
const SETTINGS: &str = "sysrescue.d";
/// A page of settings each.
const LARGEST: u64 = 1 << 20;
/// What the services of the root read.
const EFFECTIVE: &str = "run/archiso/config/sysrescue-effective-config.json";

/// The program of the releases before 9 writes into the initramfs.
const SCRIPTS: Scripts = Scripts {
    marks: &["/usr/bin/sysrescue-configuration.lua"],
    root: "/new_root",
    beside: &[],
    text: "mkdir -p /run/archiso/config && cd /run/archiso/config || exit
/usr/bin/sysrescue-configuration.lua
status=$?
name=sysrescue-effective-config.json
[ -e $name ] || cp /etc/sysrescue/$name . || exit
exit $status
",
    environment: |_| Ok(Vec::new()),
};

fn recognise(asked: &Asked) -> io::Result<Option<Layout>> {
    let tree = asked.medium;
    if !tree.is_directory(SETTINGS)? && !tree.is_directory(BASE)? {
        return Ok(None);
    }
    let base = asked.words.path("archisobasedir", BASE);
    let Some(mut layout) = archiso::layout(asked, Some(base))? else { return Ok(None) };
    if wants_modules(asked)? {
        let files = matching(tree, base, "", ".srm")?;
        let modules = (1..).zip(files).map(|(n, file)| Layer::plain(file, format!("/run/archiso/sfs/srm{n}")));
        let modules: Vec<Layer> = modules.collect();
        layout.layers.extend(modules.into_iter().rev());
    }
    Ok(Some(layout))
}

/// The last file by name that says something has it; the command line overrules them all.
fn wants_modules(asked: &Asked) -> io::Result<bool> {
    if let Some(wish) = value(asked, "loadsrm").and_then(truth) {
        return Ok(wish);
    }
    let mut wish = false;
    let only = asked.words.get("sysrescuecfg");
    for file in matching(asked.medium, SETTINGS, only.unwrap_or_default(), "")? {
        if file.to_ascii_lowercase().ends_with(".yaml") {
            let text = asked.medium.read(&file, LARGEST)?;
            wish = setting(&String::from_utf8_lossy(&text), "loadsrm").unwrap_or(wish);
        }
    }
    Ok(wish)
}

/// The last value of that name in a YAML file. The name is one of a single scope, so the scopes need not be known.
fn setting(text: &str, name: &str) -> Option<bool> {
    let value = |line: &str| {
        let value = line.trim().strip_prefix(name)?.strip_prefix(':')?;
        let value = value.split('#').next()?.trim().trim_matches(['"', '\'']).to_ascii_lowercase();
        truth(&value).filter(|_| !value.is_empty())
    };
    text.lines().rev().find_map(value)
}

/// As typed; empty for a bare word.
fn value<'a>(asked: &Asked<'a>, name: &str) -> Option<&'a str> {
    asked.words.iter().find(|(word, _)| *word == name).map(|(_, value)| value)
}

/// The spellings that its hook and its Lua program know. A bare word means yes.
fn truth(value: &str) -> Option<bool> {
    match value {
        "" | "y" | "yes" | "t" | "true" | "on" | "1" => Some(true),
        "n" | "no" | "f" | "false" | "off" | "0" | "null" => Some(false),
        _ => None,
    }
}

/// Without its initrd there is no Lua program: then the words of the command line are the configuration.
fn duties(asked: &Asked, _: &dyn Tree) -> io::Result<Vec<Edit>> {
    if asked.initrd.is_file(EFFECTIVE)? {
        return Ok(Vec::new());
    }
    let (mut global, mut autorun) = (String::new(), String::new());
    for (name, typed) in asked.words.iter().filter(|(name, _)| WORDS.iter().any(|word| word.name == *name)) {
        let scope = if name.starts_with("ar_") { &mut autorun } else { &mut global };
        if !scope.is_empty() {
            scope.push(',');
        }
        let typed = match truth(typed) {
            Some(wish) => wish.to_string(),
            None => serde_json::to_string(typed)?,
        };
        scope.push_str(&format!("\"{name}\":{typed}"));
    }
    let text = format!("{{\"global\":{{{global}}},\"autorun\":{{{autorun}}},\"sysconfig\":{{}}}}\n");
    let path = EFFECTIVE.to_owned();
    let private = Edit::Own { path: path.clone(), mode: 0o600, uid: 0, gid: 0 };
    Ok(vec![Edit::MakeDir { path: "run/archiso/config".into() }, Edit::write(path, text), private])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::families::testing::{ask, family_of, layers, plan};
    use crate::sys::record::Tree as Files;

    const AIROOTFS: (&str, &str) = ("sysresccd/x86_64/airootfs.sfs", "/run/archiso/airootfs");

    fn medium() -> Files {
        let tree = Files::new().file(AIROOTFS.0, "").file("sysresccd/2.srm", "").file("sysresccd/1:a,b.srm", "");
        tree.file("sysrescue.d/100-defaults.yaml", "---\nglobal:\n    copytoram: false\n    loadsrm: false\n")
    }

    fn names(medium: &Files, line: &str) -> Vec<String> {
        let (family, layout) = family_of(medium, &Files::new(), line).unwrap();
        assert_eq!((family.name, layout.medium), ("systemrescue", "/run/archiso/bootmnt"));
        layers(&layout).into_iter().map(|(file, at)| format!("{file} {at}")).collect()
    }

    #[test]
    fn modules_lie_above_the_image_the_first_name_highest() {
        let all = [
            "sysresccd/x86_64/airootfs.sfs /run/archiso/airootfs",
            "sysresccd/2.srm /run/archiso/sfs/srm2",
            "sysresccd/1:a,b.srm /run/archiso/sfs/srm1",
        ];
        assert_eq!(names(&medium(), "archisobasedir=sysresccd loadsrm"), all);
        assert_eq!(names(&medium(), "archisobasedir=sysresccd loadsrm=y"), all);
        for line in ["archisobasedir=sysresccd", "", "loadsrm=n", "loadsrm=maybe"] {
            assert_eq!(names(&medium(), line), all[..1], "{line}");
        }
    }

    #[test]
    fn modules_can_be_asked_for_in_a_file_of_settings() {
        let asks = |text: &str| medium().file("sysrescue.d/500-mine.YAML", text);
        for (text, line, count) in [
            ("global:\n  loadsrm: true  # mine\n", "", 3),
            ("global: {}\n  loadsrm: \"Yes\"\n", "", 3),
            ("global:\n  loadsrm: true\n", "loadsrm=false", 1),
            ("global:\n  loadsrm: true\n  loadsrm: no\n", "", 1),
            ("global:\n  loadsrm:\n#  loadsrm: true\n  xloadsrm: true\n", "", 1),
            ("global:\n  loadsrm: true\n", "sysrescuecfg=100-defaults.yaml", 1),
            ("global:\n  loadsrm: true\n", "sysrescuecfg=500-mine.YAML", 3),
        ] {
            assert_eq!(names(&asks(text), line).len(), count, "{text:?} {line}");
        }
    }

    #[test]
    fn a_crowd_of_modules_is_refused() {
        let many = (0..1000).fold(medium(), |tree, n| tree.file(&format!("sysresccd/{n}.srm"), ""));
        assert!(ask(&many, &Files::new(), "loadsrm", recognise).is_err());
    }

    #[test]
    fn real_command_lines_name_the_file() {
        let line =
            "archisobasedir=sysresccd img_dev=/dev/disk/by-uuid/1501-DE00 img_loop=/iso/systemrescue.iso copytoram";
        assert_eq!(plan(line), "boot /iso/systemrescue.iso from UUID=1501-DE00");
    }

    #[test]
    fn the_configuration_is_written_where_the_initrd_has_not() {
        let line = "setkmap=de \"rootpass=a b\\c\" nofirewall ar_disable=n loadsrm=y archisobasedir=sysresccd";
        let edits = |initrd: &Files| ask(&medium(), initrd, line, |asked| duties(asked, asked.initrd)).unwrap();
        let written = edits(&Files::new());
        let Edit::Write { path, text } = &written[1] else { panic!("{written:?}") };
        assert_eq!(path, EFFECTIVE);
        let json: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(json["global"]["setkmap"], "de");
        assert_eq!(json["global"]["rootpass"], "a b\\c");
        assert_eq!(json["global"]["nofirewall"], true);
        assert_eq!(json["global"]["loadsrm"], true);
        assert_eq!(json["autorun"]["ar_disable"], false);
        assert_eq!(json["global"].as_object().unwrap().len(), 4);
        assert!(edits(&Files::new().file(EFFECTIVE, "{}")).is_empty());
    }
}
