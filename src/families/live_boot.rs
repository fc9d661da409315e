//! Debian's live-boot: Debian, Kali, GParted, Clonezilla, LMDE, grml, …
//!
//! Every image of the folder is a layer, in the order of their names, or in the order of a `.module` list (live-boot(7);
//! /usr/lib/live/boot/9990-overlay.sh). Users and autologin are made later by live-config, in the running system, which
//! looks for the medium at /run/live/medium. Not done: directories as layers (`*.dir`), and the folder that is named
//! after the network card's address.

use super::tree::Tree;
use super::{Asked, Attached, Edit, Family, Layer, Layout, LiveUser, NO_HABITS, Pair, Way, account, mount_name};
use crate::source::{Named, StoreSpec};
use crate::words::Does::{Choice, Discard, NotYet, OverlaySize, Persist, Source, ToRam, Userland};
use crate::words::{Word, Words, word};
use std::io;

/// See the module's own text.
pub const FAMILY: Family = Family {
    name: "live-boot",
    systems: "Debian, Devuan, Kali, Parrot, GParted, Clonezilla, LMDE, grml",
    way: Way::Userland,
    words: WORDS,
    sources,
    recognise,
    duties,
    user,
    pair,
    hints,
    ..NO_HABITS
};

const WORDS: &[Word] = &[
    word("boot", "live|casper", Source),
    word("findiso", "PATH", Source),
    word("fromiso", "[TYPE:]/dev/NODE/PATH|PATH", Source),
    word("isofrom", "[TYPE:]/dev/NODE/PATH|/dev/NODE:PATH", Source),
    // Removable devices are searched first in any case.
    word("live-media", "DEVICE|removable|removable-usb", Source),
    word("bootfrom", "DEVICE", Source),
    word("live-media-path", "DIRECTORY", Choice),
    word("module", "NAME", Choice),
    word("nofstab", "", Choice),
    word("skipconfig", "", Choice),
    word("ignore_uuid", "", Choice),
    word("bootid", "ID", Choice),
    word("ignore_bootid", "", Choice),
    word("live-media-offset", "BYTES", NotYet),
    word("toram", "[FILE]", ToRam),
    word("todisk", "DEVICE", NotYet),
    word("persistence", "", Persist),
    word("persistence-label", "NAME[,NAME]", NotYet),
    word("persistence-path", "DIRECTORY", NotYet),
    word("persistence-media", "removable|removable-usb", NotYet),
    word("persistence-storage", "filesystem,file,directory", NotYet),
    word("persistence-encryption", "none,luks", NotYet),
    word("persistence-read-only", "", Discard),
    word("overlay-size", "SIZE", OverlaySize),
    word("exposedroot", "", NotYet),
    word("plainroot", "", NotYet),
    word("skipunion", "", NotYet),
    word("read-only", "[DEVICES]", NotYet),
    word("live-boot.read-only", "[DEVICES]", NotYet),
    word("verify-checksums", "[DIGESTS]", NotYet),
    word("live-boot.verify-checksums", "[DIGESTS]", NotYet),
    word("dm-verity-root-hash", "IMAGE:HASH", NotYet),
    word("netboot", "nfs|cifs", NotYet),
    word("fetch", "URL", NotYet),
    word("httpfs", "URL", NotYet),
    word("ftpfs", "URL", NotYet),
    word("iscsi", "SERVER;TARGET", NotYet),
    word("nfsoverlay", "SERVER:PATH", NotYet),
    word("nopersistence", "", Userland),
    word("components", "[LIST]", Userland),
    word("config", "[LIST]", Userland),
    word("live-config.username", "NAME", Userland),
];

/// What live-boot takes for an image.
const EXTENSIONS: &[&str] = &["squashfs", "ext2", "ext3", "ext4", "xfs"];
/// Where the images are, unless a word says otherwise.
const FOLDER: &str = "live";
/// A list of modules or an fstab is a page of text, an id a line.
const LARGEST: u64 = 1 << 20;
/// Files of live-config's settings that are read.
const MOST_SETTINGS: usize = 32;
/// The kernel stacks no more layers (kernel: fs/overlayfs/ovl_entry.h, OVL_MAX_STACK).
const MOST_LAYERS: usize = 500;

fn recognise(asked: &Asked) -> io::Result<Option<Layout>> {
    let (tree, words) = (asked.medium, asked.words);
    let folder = match words.get("live-media-path") {
        Some(folder) => folder.trim_matches('/').to_owned(),
        None => default_folder(tree)?,
    };
    layout(tree, &folder, words.get("module"))
}

/// grml keeps its images one folder deeper and says so with `live-media-path=`. Without the word it is clear when there
/// is only one such folder.
fn default_folder(tree: &dyn Tree) -> io::Result<String> {
    let mut deeper = Vec::new();
    if tree.is_directory(FOLDER)? && images(tree, FOLDER)?.is_empty() {
        for entry in tree.list(FOLDER)?.into_iter().filter(|entry| entry.is_directory) {
            let folder = format!("{FOLDER}/{}", entry.name);
            if !images(tree, &folder)?.is_empty() {
                deeper.push(folder);
            }
        }
    }
    let only = if deeper.len() == 1 { deeper.pop() } else { None };
    Ok(only.unwrap_or_else(|| FOLDER.to_owned()))
}

/// The layout of a folder, if images are in it.
pub(super) fn layout(tree: &dyn Tree, folder: &str, module: Option<&str>) -> io::Result<Option<Layout>> {
    let files = match module_list(tree, folder, module)? {
        Some(files) => files,
        None => images(tree, folder)?,
    };
    if files.is_empty() {
        return Ok(None);
    }
    let layer = |file: String| {
        let at = format!("/run/live/rootfs/{}", mount_name(&file));
        Layer::plain(file, at)
    };
    let layers = files.into_iter().take(MOST_LAYERS).map(layer).collect();
    Ok(Some(Layout { upper_mount: "/run/live/overlay", ..Layout::new("/run/live/medium", layers) }))
}

/// `filesystem.NAME.module` or `NAME.module`: image names, the lowest first, separated by white space. live-boot passes
/// over those that are not there.
fn module_list(tree: &dyn Tree, folder: &str, module: Option<&str>) -> io::Result<Option<Vec<String>>> {
    let name = module.unwrap_or("filesystem");
    for list in [format!("{folder}/filesystem.{name}.module"), format!("{folder}/{name}.module")] {
        if tree.is_file(&list)? {
            let text = tree.read(&list, LARGEST)?;
            let mut files = Vec::new();
            for image in String::from_utf8_lossy(&text).split_whitespace().take(MOST_LAYERS) {
                let path = format!("{folder}/{image}");
                if tree.is_file(&path)? {
                    files.push(path);
                }
            }
            return Ok(Some(files));
        }
    }
    Ok(None)
}

/// The images of a folder, in the order of their names; none where there is no folder.
fn images(tree: &dyn Tree, folder: &str) -> io::Result<Vec<String>> {
    let mut files = Vec::new();
    if !tree.is_directory(folder)? {
        return Ok(files);
    }
    for entry in tree.list(folder)?.into_iter().filter(|entry| !entry.is_directory) {
        let fits = entry.name.rsplit_once('.').is_some_and(|(_, extension)| EXTENSIONS.contains(&extension));
        let path = format!("{folder}/{}", entry.name);
        if fits && tree.is_file(&path)? {
            files.push(path);
        }
    }
    Ok(files)
}

/// What its scripts leave in the root: 9990-fstab.sh writes two lines, because systemd remounts / by fstab and would
/// have nothing to go by; 9990-main.sh shows /run/live where live-config and old scripts look for the medium.
fn duties(asked: &Asked, root: &dyn Tree) -> io::Result<Vec<Edit>> {
    let mut edits = Vec::new();
    if root.is_directory("lib/live")? && root.kind("lib/live/mount")?.is_none() {
        edits.push(Edit::link("lib/live/mount", "/run/live"));
    }
    if asked.words.is_set("nofstab") || asked.words.is_set("skipconfig") {
        return Ok(edits);
    }
    let before = if root.is_file("etc/fstab")? { root.read("etc/fstab", LARGEST)? } else { Vec::new() };
    let mut text = String::from_utf8_lossy(&before).into_owned();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    for (target, line) in [("/", "overlay / overlay rw 0 0\n"), ("/tmp", "tmpfs /tmp tmpfs nosuid,nodev 0 0\n")] {
        if !text.lines().any(|line| line.split_whitespace().nth(1) == Some(target) && !line.starts_with('#')) {
            text.push_str(line);
        }
    }
    edits.push(Edit::write("etc/fstab", text));
    Ok(edits)
}

/// live-config makes it at each start of the system: by the command line, else by its settings (live-config(7);
/// lib/live/boot-config.sh, whose later files overrule earlier ones).
fn user(asked: &Asked, root: &dyn Tree) -> io::Result<Option<LiveUser>> {
    const SETTINGS: &str = "etc/live/config.conf";
    const MORE: &str = "etc/live/config.conf.d";
    if !root.is_directory("lib/live/config")? {
        return Ok(None);
    }
    let mut settings = account::text(root, SETTINGS)?;
    let more = if root.is_directory(MORE)? { root.list(MORE)? } else { Vec::new() };
    for entry in more.iter().filter(|entry| entry.name.ends_with(".conf")).take(MOST_SETTINGS) {
        settings.push('\n');
        settings.push_str(&account::text(root, &[MORE, "/", &entry.name].concat())?);
    }
    let word = || ["live-config.username", "username"].into_iter().find_map(|name| asked.words.get(name));
    let set = account::settings::variable(&settings, "LIVE_USERNAME");
    let name = word().or(set).and_then(account::names::user_name).unwrap_or("user");
    Ok(Some(LiveUser::named(name)))
}

/// /conf/uuid.conf of the initrd against /.disk/live-uuid*; grml has a word or a file of its own for the same.
fn pair(asked: &Asked) -> io::Result<Option<Pair>> {
    const GRML: &str = "conf/bootid.txt";
    let (medium, words) = (asked.medium, asked.words);
    let of = |tree: &dyn Tree, path: &str| -> io::Result<Option<String>> {
        if !tree.is_file(path)? {
            return Ok(None);
        }
        let text = tree.read(path, LARGEST)?;
        Ok(Some(String::from_utf8_lossy(&text).trim().to_owned()))
    };
    let grml = words.get("bootid").map(str::to_owned).map_or_else(|| of(asked.initrd, GRML), |id| Ok(Some(id)))?;
    if let Some(initrd) = grml.filter(|_| !words.is_set("ignore_bootid")) {
        return Ok(Some(Pair { initrd, medium: of(medium, GRML)?.into_iter().collect() }));
    }
    let Some(initrd) = of(asked.initrd, "conf/uuid.conf")?.filter(|_| !words.is_set("ignore_uuid")) else {
        return Ok(None);
    };
    let mut ids = Vec::new();
    let notes = if medium.is_directory(".disk")? { medium.list(".disk")? } else { Vec::new() };
    for entry in notes.iter().filter(|entry| entry.name.starts_with("live-uuid")) {
        ids.extend(of(medium, &format!(".disk/{}", entry.name))?);
    }
    Ok(Some(Pair { initrd, medium: ids }))
}

/// Its init reads this file after the command line (9990-main.sh). The words for a file are emptied: it would look for
/// the ISO inside the ISO.
pub(super) fn hints(attached: &Attached) -> Vec<Edit> {
    let text = format!("LIVE_MEDIA={}\nFINDISO=\nFROMISO=\n", attached.device);
    vec![Edit::MakeDir { path: "conf".to_owned() }, Edit::write("conf/param.conf", text)]
}

fn sources(words: &Words) -> Vec<Named> {
    let findiso = words.get("findiso").map(|path| Named::file(format!("findiso={path}"), StoreSpec::Any, path));
    let from = ["fromiso", "isofrom"].into_iter().filter_map(|name| from_device(name, words.get(name)?));
    let device = ["live-media", "bootfrom"].into_iter().filter_map(|name| {
        let text = words.get(name)?;
        let (store, _) = StoreSpec::parse_with_path(text).filter(|(_, path)| path.is_empty())?;
        Some(Named::medium(format!("{name}={text}"), store))
    });
    let any = (words.get("boot") == Some("live")).then(|| Named::medium("boot=live".into(), StoreSpec::Any));
    findiso.into_iter().chain(from).chain(device).chain(any).collect()
}

/// `[TYPE:]` device, directly followed by the path; antiX's form is the path alone. Mageia's `/dev/NODE:PATH` is not
/// this form.
fn from_device(name: &str, text: &str) -> Option<Named> {
    let word = format!("{name}={text}");
    let text = match text.split_once(':') {
        Some((kind, rest)) if rest.starts_with('/') && !kind.contains('/') => rest,
        _ => text,
    };
    match StoreSpec::parse_with_path(text) {
        Some((store, path)) if path.starts_with('/') && !text.contains(':') => Some(Named::file(word, store, path)),
        Some(_) => None,
        None => Some(Named::file(word, StoreSpec::Any, text)),
    }
}

#[cfg(test)]
mod tests;
