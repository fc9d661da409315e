//! A plan as text: the parameters that say the same, and where each came from.
//!
//! Takes   a [`Plan`], and for the origins also the command line that it was decided from.
//! Gives   words of a command line. For every plan that [`decide`](super::decide) gives, the words give that plan again;
//!         save for devices that no boot finds: one without a name, and a medium on a link of udev's that nothing makes.
//! Leaves  out what is no decision of init's: words that only the kernel or the running system reads.

pub mod origins;

use super::{Plan, decide};
use crate::formats::lvm::VolumeName;
use crate::params::{Cmdline, Extras, HomeWish, Verbosity};
use crate::source::{ImageSpec, StoreSpec};

/// The word that stands for "any live medium": of all dialects' words, it asks for nothing else.
const ANY_MEDIUM: (&str, &str) = ("boot", "live");

impl Plan {
    /// Every parameter of the plan with its value as it is typed, defaults too, in the order of cmdline-spec.md. `None`
    /// where nothing is typed for it.
    #[must_use]
    pub fn parameters(&self) -> Vec<(&'static str, Option<String>)> {
        // Taken apart by name, so that a new field cannot be forgotten here.
        let Plan {
            store,
            image,
            luks,
            luks_key,
            lvm,
            wait,
            policy,
            manifest_min,
            on_corruption,
            digest,
            to_ram,
            overlay_size,
            zram,
            persist,
            other_base,
            persist_keep,
            persist_on,
            persist_size,
            session,
            extensions,
            home,
            home_user,
            home_lease,
            customize,
            program_limit,
            init,
            words: _,
            delegate,
            verbosity,
        } = self;
        let image = match image {
            ImageSpec::File(path) => Some(path.clone()),
            ImageSpec::Medium => None,
        };
        vec![
            ("isolde.image", image),
            ("isolde.store", Some(store).filter(|store| **store != StoreSpec::Any).map(StoreSpec::to_string)),
            ("isolde.luks", list(luks, luks_text)),
            ("isolde.luks-key", luks_key.clone()),
            ("isolde.lvm", list(lvm, VolumeName::to_string)),
            ("isolde.wait", Some(wait.as_secs().to_string())),
            ("isolde.blake3", digest.map(|digest| blake3::Hash::from_bytes(digest).to_hex().to_string())),
            ("isolde.verify", Some(policy.word().to_owned())),
            ("isolde.manifest-min", Some(manifest_min.to_string())),
            ("isolde.oncorruption", Some(on_corruption.word().to_owned())),
            ("isolde.toram", Some(to_ram.word().to_owned())),
            ("isolde.overlay-size", overlay_size.map(|size| size.to_string())),
            ("isolde.zram", Some(zram.map_or_else(|| "no".to_owned(), |size| size.to_string()))),
            ("isolde.persist", Some(persist.to_string())),
            ("isolde.persist-base", Some(other_base.word().to_owned())),
            ("isolde.persist-keep", Some(persist_keep.to_string())),
            ("isolde.persist-on", persist_on.as_ref().map(StoreSpec::to_string)),
            ("isolde.persist-size", persist_size.map(|bytes| bytes.to_string())),
            ("isolde.session", Some(session.word().to_owned())),
            ("isolde.extensions", Some(extras_word(*extensions).to_owned())),
            ("isolde.home", Some(home_word(home))),
            ("isolde.home-user", home_user.clone()),
            ("isolde.home-lease", Some(home_lease.word().to_owned())),
            ("isolde.customize", Some(extras_word(*customize).to_owned())),
            ("isolde.customize-limit", Some(program_limit.as_secs().to_string())),
            ("isolde.delegate", delegate.then(String::new)),
            ("isolde.log", Some(verbosity_word(*verbosity).to_owned())),
            ("init", init.clone()),
        ]
    }

    /// The words that give this plan again: what differs from the defaults in Isolde's own words, and the dialects' words
    /// that a family reads. No value holds a double quote, as the command line has no way to say one.
    #[must_use]
    pub fn to_cmdline(&self) -> String {
        let usual = decide(&Cmdline { image: Some("/".to_owned()), ..Cmdline::default() });
        let usual = usual.map(|plan| plan.parameters()).unwrap_or_default();
        let source = self.source_in_a_dialect();
        let given = |(name, value): &(&'static str, Option<String>)| {
            // The image is what every line has to say, even where it is the one of the plan compared with.
            let image = *name == "isolde.image";
            let elsewhere = source.is_some() && (image || *name == "isolde.store");
            !elsewhere && (image || !usual.contains(&(*name, value.clone())))
        };
        let parameters = self.parameters().into_iter().filter(given);
        let mut words: Vec<String> =
            parameters.filter_map(|(name, value)| value.map(|value| word(name, &value))).collect();
        if (&self.image, &self.store) == (&ImageSpec::Medium, &StoreSpec::Any) {
            words.push(word(ANY_MEDIUM.0, ANY_MEDIUM.1));
        }
        words.extend(source);
        words.extend(self.words.iter().map(|(name, value)| word(name, value)));
        words.join(" ")
    }
}

impl Plan {
    /// Dialects also name devices by links that nothing makes here, such as those in /dev/disk/by-id; `isolde.store` does
    /// not have them.
    fn source_in_a_dialect(&self) -> Option<String> {
        let StoreSpec::Device(name) = &self.store else { return None };
        let device = name.starts_with("disk/").then(|| format!("/dev/{name}"))?;
        Some(match &self.image {
            ImageSpec::File(path) => [word("img_dev", &device), word("img_loop", path)].join(" "),
            ImageSpec::Medium => word("root", &format!("live:{device}")),
        })
    }
}

/// Separated by commas; `None` for none.
fn list<T>(all: &[T], text: fn(&T) -> String) -> Option<String> {
    (!all.is_empty()).then(|| all.iter().map(text).collect::<Vec<_>>().join(","))
}

/// A comma of a label would end it.
fn luks_text(spec: &StoreSpec) -> String {
    if *spec == StoreSpec::Any { "auto".to_owned() } else { spec.to_string().replace(',', "\\x2c") }
}

/// One word, in the quotes that a value with white space needs.
fn word(name: &str, value: &str) -> String {
    if value.is_empty() {
        name.to_owned()
    } else if value.contains(|c: char| c.is_ascii_whitespace()) {
        format!("{name}=\"{value}\"")
    } else {
        format!("{name}={value}")
    }
}

fn extras_word(extras: Extras) -> &'static str {
    match extras {
        Extras::Use => "yes",
        Extras::Leave => "no",
    }
}

fn home_word(home: &HomeWish) -> String {
    match home {
        HomeWish::Found => "auto".to_owned(),
        HomeWish::No => "no".to_owned(),
        HomeWish::Path(path) => path.clone(),
        HomeWish::Volume(spec) => spec.to_string(),
        HomeWish::Share(share) => share.to_string(),
    }
}

fn verbosity_word(verbosity: Verbosity) -> &'static str {
    match verbosity {
        Verbosity::Info => "info",
        Verbosity::Debug => "debug",
    }
}

#[cfg(test)]
mod tests;
