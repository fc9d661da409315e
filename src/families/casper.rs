//! casper: Ubuntu and its flavours, and what is built on them.
//!
//! Several images in one folder, `casper` as a rule. Since Ubuntu 24.04 the initrd names the highest one, and the dots in
//! its name say what is below it; before, all images of the folder were layers (casper(7); scripts/casper, setup_overlay,
//! in casper 1.498 of Ubuntu 24.04). The user, autologin and much else are made by /scripts/casper-bottom of the initrd,
//! which look for the medium at /cdrom, and for the lowest layer at /rofs.

mod duties;
mod identity;
mod layers;
#[cfg(test)]
mod tests;
mod words;

use super::account::{settings, text};
use super::{Asked, Attached, Edit, Family, Layer, Layout, Pair, Scripts, Target, Way, mount_name};
use crate::source::{Named, StoreSpec};
use crate::words::Words;
use std::io;

/// See the module's own text.
pub const FAMILY: Family = Family {
    name: "casper",
    systems: "Ubuntu and its flavours, Mint, Pop!_OS, elementary, Zorin, KDE neon, Bodhi",
    way: Way::Scripts,
    words: words::WORDS,
    sources,
    recognise,
    duties: duties::duties,
    user: identity::user,
    pair,
    hints,
    scripts: Some(Scripts {
        marks: &["scripts/casper-bottom/ORDER"],
        root: "/root",
        beside: &["/cdrom"],
        text: include_str!("casper/bottom.sh"),
        environment: identity::environment,
    }),
};

/// casper's own main script in the initramfs.
const MAIN_SCRIPT: &str = "scripts/casper";
const DEFAULT_LAYER: &str = "conf/conf.d/default-layer.conf";
const INITRD_ID: &str = "conf/uuid.conf";
/// Ids that are read of a medium: one for each kernel on it.
const MOST_IDS: usize = 16;

fn sources(words: &Words) -> Vec<Named> {
    let medium = (words.get("boot") == Some("casper")).then(|| Named::medium("boot=casper".into(), StoreSpec::Any));
    medium.into_iter().collect()
}

/// Its init reads this file after each script, and looks there before anywhere else (find_livefs of scripts/casper).
fn hints(attached: &Attached) -> Vec<Edit> {
    let text = ["LIVEMEDIA=", &attached.device, "\n"].concat();
    vec![Edit::MakeDir { path: "conf".to_owned() }, Edit::write("conf/param.conf", text)]
}

fn recognise(asked: &Asked) -> io::Result<Option<Layout>> {
    let Some(folder) = layers::folder(asked)? else { return Ok(None) };
    let files = layers::files(asked, &folder)?;
    if files.is_empty() {
        return Ok(None);
    }
    let at = |file: &String| format!("/run/isolde/layers/{}", mount_name(file));
    let lowest = files.iter().find(|file| file.ends_with(".squashfs")).map(at);
    let shown = lowest.map(|lowest| (lowest, "/rofs"));
    let medium = "/run/isolde/medium";
    let layers = files.iter().map(|file| Layer::plain(file, at(file))).collect();
    Ok(Some(Layout {
        // Programs that ask whether this is a live system look for this name in /proc/mounts.
        source: "/cow",
        shown: Some((medium.to_owned(), "/cdrom")).into_iter().chain(shown).collect(),
        links: vec![("/media/cdrom", Target::Text("/cdrom"))],
        ..Layout::new(medium, layers)
    }))
}

/// The id that casper's hook left in the initrd, against those on the medium; `uuid=` overrules the former.
fn pair(asked: &Asked) -> io::Result<Option<Pair>> {
    let baked = text(asked.initrd, INITRD_ID)?;
    let initrd = asked.words.get("uuid").unwrap_or(baked.trim()).to_owned();
    if initrd.is_empty() || asked.words.is_set("ignore_uuid") {
        return Ok(None);
    }
    let mut medium = Vec::new();
    if asked.medium.is_directory(".disk")? {
        let entries = asked.medium.list(".disk")?;
        for entry in entries.iter().filter(|entry| entry.name.starts_with("casper-uuid")).take(MOST_IDS) {
            medium.push(text(asked.medium, &[".disk/", &entry.name].concat())?.trim().to_owned());
        }
    }
    Ok(Some(Pair { initrd, medium }))
}

/// The image whose name says the whole stack: from the command line, or from the initrd.
fn leaf(asked: &Asked) -> io::Result<Option<String>> {
    if let Some(word) = asked.words.get("layerfs-path") {
        return Ok(Some(word.to_owned()));
    }
    let conf = text(asked.initrd, DEFAULT_LAYER)?;
    Ok(settings::variable(&conf, "LAYERFS_PATH").filter(|leaf| !leaf.is_empty()).map(str::to_owned))
}
