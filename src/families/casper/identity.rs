//! Who the live user is: /etc/casper.conf of the initrd, the medium's name, and the command line, in this order
//! (mountroot of scripts/casper).

use super::leaf;
use crate::families::account::{names, settings, text};
use crate::families::tree::Tree;
use crate::families::{Asked, Environment, LiveUser};
use std::io;

const CONF: &str = "etc/casper.conf";
/// First word: the flavour (`Ubuntu 24.04 LTS "Noble Numbat" - Release amd64 (20240424)`).
const DISK_INFO: &str = ".disk/info";

/// The names that the scripts, and the duties after them, go by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) user: String,
    pub(super) full_name: String,
    pub(super) host: String,
    flavour: String,
    build_system: String,
    /// casper.conf with these names, where the initrd has one: the running system reads it, too.
    pub(super) conf: Option<String>,
}

/// A name that is not allowed counts as none.
pub(super) fn identity(asked: &Asked) -> io::Result<Identity> {
    let conf = text(asked.initrd, CONF)?;
    let set = |name| settings::variable(&conf, name).filter(|value| !value.is_empty());
    let (mut user, mut host) = (set("USERNAME").and_then(names::user_name), set("HOST").and_then(names::host_name));
    let mut full_name = set("USERFULLNAME");
    // A flavour that the initrd has set keeps its names; otherwise the medium's name takes their place.
    let info = text(asked.medium, DISK_INFO)?;
    let named = info.split(' ').next().unwrap_or_default().trim().to_ascii_lowercase();
    let flavour = match set("FLAVOUR").and_then(names::plain) {
        Some(flavour) => flavour,
        None => {
            user = names::user_name(&named).or(user);
            host = names::host_name(&named).or(host);
            names::plain(&named).unwrap_or_default()
        }
    };
    user = asked.words.get("username").and_then(names::user_name).or(user);
    host = asked.words.get("hostname").and_then(names::host_name).or(host);
    full_name = asked.words.get("userfullname").or(full_name);
    let (user, host) = (user.unwrap_or("casper"), host.unwrap_or("live"));
    let full_name = names::full_name(full_name.unwrap_or("Live session user"));
    let named = [("USERNAME", user), ("USERFULLNAME", &full_name), ("HOST", host)];
    let with = |conf: String, (name, value): &(&str, &str)| {
        settings::with_variable(&conf, name, &["\"", value, "\""].concat())
    };
    let build_system = set("BUILD_SYSTEM").and_then(names::plain).unwrap_or("Custom");
    Ok(Identity {
        user: user.to_owned(),
        host: host.to_owned(),
        flavour: flavour.to_owned(),
        build_system: build_system.to_owned(),
        conf: (!conf.is_empty()).then(|| named.iter().fold(conf.clone(), with)),
        full_name,
    })
}

/// The script that makes the user. Its number was 999 up to Ubuntu 22.10.
const ADD_USER: &str = "scripts/casper-bottom/25adduser";
const NUMBER: &str = "passwd/user-uid";

/// The live user. Without a shell in the initrd nobody runs its scripts, and the user gets the next free id.
pub(super) fn user(asked: &Asked, _: &dyn Tree) -> io::Result<Option<LiveUser>> {
    let mut user = LiveUser::named(&identity(asked)?.user);
    if asked.initrd.is_file("bin/sh")? {
        let script = text(asked.initrd, ADD_USER)?;
        let number = script.lines().find_map(|line| line.trim().split_once(NUMBER)?.1.trim().parse().ok());
        user.uid = number.filter(|uid| (100..60000).contains(uid));
    }
    Ok(Some(user))
}

/// What the scripts find in their environment.
pub(super) fn environment(asked: &Asked) -> io::Result<Environment> {
    let identity = identity(asked)?;
    let folder = super::layers::folder(asked)?;
    let variables = [
        ("PATH", Some("/sbin:/usr/sbin:/bin:/usr/bin".to_owned())),
        ("rootmnt", Some("/root".to_owned())),
        ("USERNAME", Some(identity.user)),
        ("USERFULLNAME", Some(identity.full_name)),
        ("HOST", Some(identity.host)),
        ("FLAVOUR", Some(identity.flavour)),
        ("BUILD_SYSTEM", Some(identity.build_system)),
        ("CASPER_CONF", identity.conf),
        ("LIVE_MEDIA_PATH", folder),
        ("LAYERFS_PATH", leaf(asked)?),
    ];
    Ok(variables.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect())
}
