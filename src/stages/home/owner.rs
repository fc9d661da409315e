//! Whose the home is on disk, and who the live user is or will be.

use crate::error::{Cause, Result};
use crate::families::account::passwd::{Account, expected, is_person, only_person};
use crate::families::account::{Changes, home};
use crate::families::tree::Mounted;
use crate::families::{Asked, LiveUser};
use crate::machine::Machine;
use crate::op::{Ids, NEW_ROOT, Place};
use crate::stages::identity;
use crate::stages::layers::Layers;
use crate::stages::plan::Plan;
use crate::sys::{Kind, Sys};
use std::io;

/// People that one home is for; also what bounds the time on a hostile disk.
const MOST_FOLDERS: usize = 256;

/// The user that the live system runs as.
#[derive(Debug)]
pub(super) struct User {
    pub(super) name: String,
    pub(super) account: Account,
}

/// By what the family makes of the root; where it makes nobody, the only person that is in the root already.
pub(super) fn live_user<S: Sys>(machine: &mut Machine<S>, plan: &Plan, layers: &Layers) -> Option<User> {
    let found = (|| -> io::Result<Option<User>> {
        let root = Mounted::new(machine.sys(), NEW_ROOT);
        let (medium, initrd) = (Mounted::new(machine.sys(), layers.layout.medium), Mounted::new(machine.sys(), "/"));
        let asked = Asked { medium: &medium, initrd: &initrd, words: &plan.words };
        Ok(match (layers.family.user)(&asked, &root)? {
            Some(LiveUser { name, uid }) => Some(User { account: expected(&root, &name, uid)?, name }),
            None => only_person(&root)?.map(|(name, account)| User { name, account }),
        })
    })();
    found.unwrap_or_else(|error| {
        machine.warn(&["who the live user will be is not known: ", &Cause::Os(error).to_string()].concat());
        None
    })
}

/// Makes the live user's folder as the system would make it, when it is missing.
pub(super) fn make<S: Sys>(machine: &mut Machine<S>, folder: &Place, user: &User) -> Result<()> {
    let doing = || ["look for ", &folder.to_string()].concat();
    if machine.sys().kind(folder).map_err(|e| machine.os(doing(), e))? == Some(Kind::Directory) {
        return Ok(());
    }
    let edits = {
        let root = Mounted::new(machine.sys(), NEW_ROOT);
        let mut changes = Changes::new(&root);
        let full = folder.full().to_string_lossy().trim_start_matches('/').to_owned();
        home::make(&mut changes, &Account { home: full, ..user.account.clone() }).map(|()| changes.finish())
    };
    for edit in edits.map_err(|e| machine.os(["make ", &folder.to_string()].concat(), e))? {
        machine.apply(&[identity::op(NEW_ROOT, edit)])?;
    }
    Ok(())
}

/// Whose files are to look like whose; `None` where they do already, or there is nobody to choose.
pub(super) fn ids<S: Sys>(machine: &mut Machine<S>, plan: &Plan, folder: &Place, user: &User) -> Result<Option<Ids>> {
    let live = (user.account.uid, user.account.gid);
    let disk = match plan.home_user {
        Some(_) => {
            let disk = owner(machine, folder)?;
            if !is_person(disk.0) && disk.0 != live.0 {
                let number = disk.0.to_string();
                machine.warn(
                    &[
                        &folder.to_string(),
                        " belongs to the system's user ",
                        &number,
                        ", and stays so: ",
                        &user.name,
                        " may not be able to write to it",
                    ]
                    .concat(),
                );
            }
            Some(disk)
        }
        None => among(machine, folder, user)?,
    };
    Ok(disk.filter(|disk| is_person(disk.0) && *disk != live).map(|disk| Ids { disk, live }))
}

/// Of all folders the one with the user's name, or else the only one of a person.
fn among<S: Sys>(machine: &Machine<S>, home: &Place, user: &User) -> Result<Option<(u32, u32)>> {
    let mut people = Vec::new();
    for folder in folders(machine, home)? {
        let owner = owner(machine, &folder)?;
        if user.account.home.strip_prefix("home/").is_some_and(|name| folder.inner().ends_with(name)) {
            return Ok(Some(owner));
        }
        people.extend(Some(owner).filter(|owner| is_person(owner.0)));
    }
    Ok(if people.len() == 1 { people.pop() } else { None })
}

/// The folders of a home for several people.
pub(super) fn folders<S: Sys>(machine: &Machine<S>, home: &Place) -> Result<Vec<Place>> {
    let entries = machine.sys().list(home).map_err(|e| machine.os(["read ", &home.to_string()].concat(), e))?;
    let folders = entries.into_iter().filter(|entry| entry.is_directory && entry.name != "lost+found");
    Ok(folders.take(MOST_FOLDERS).map(|entry| home.join(entry.name)).collect())
}

fn owner<S: Sys>(machine: &Machine<S>, at: &Place) -> Result<(u32, u32)> {
    machine.sys().owner(at).map_err(|e| machine.os(["look whose ", &at.to_string(), " is"].concat(), e))
}
