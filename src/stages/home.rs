//! Stage 13: the home directories that outlive the boot.
//!
//! Takes   the extended root, and the store, which `store` mounted writable if there is a home on it.
//! Gives   [`Inhabited`]: /home of the root, or the live user's own home, is the folder of another file system. Where its
//!         owner there is another id than the live user's, the mount shows it as the live user's; on disk nothing changes.
//! Leaves  a home that was only found, and cannot be used, alone: the boot goes on with a warning. A lease on the home
//!         says who uses it; [`crate::at_exit`] takes it back.
//! Fails   when a home was asked for by name and cannot be used: what is written would be lost without a word.

mod lease;
mod owner;
mod share;
mod source;

use crate::error::{Cause, Error, Result};
use crate::machine::Machine;
use crate::op::{Ids, Op, Place};
use crate::params::{HomeWish, Policy};
use crate::stages::drivers::Drivers;
use crate::stages::extensions::Extended;
use crate::stages::plan::Plan;
use crate::sys::{Level, Sys};
use rustix::io::Errno;
use rustix::mount::MountFlags;
use std::fmt;

/// Where a home that is not on the store is mounted as it is. systemd leaves what is mounted below /run/initramfs to the way
/// out (src/core/mount.c, mount_is_extrinsic; src/shared/fstab-util.c), which has a lease to remove there.
pub(super) const MOUNT: &str = "/run/initramfs/home";
/// No device nodes and no set-uid programs from a home.
const FLAGS: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV);
/// Why a home that was only found is not used.
const UNCOVERED: &str = "isolde.verify=signed takes only a home that isolde.home= names, as no manifest covers one";

/// The root with its home.
#[derive(Debug)]
pub struct Inhabited {
    pub(super) extended: Extended,
    /// What was used: a path on the store, or a word of `isolde.home=`.
    pub(super) home: Option<String>,
    /// Whose files look like whose.
    pub(super) ids: Option<Ids>,
}

impl fmt::Display for Inhabited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.home.as_deref().unwrap_or("none"))
    }
}

/// Mounts it.
pub fn mount<S: Sys>(
    machine: &mut Machine<S>,
    plan: &Plan,
    drivers: &mut Drivers,
    extended: Extended,
) -> Result<Inhabited> {
    let named = !matches!(plan.home, HomeWish::Found | HomeWish::No);
    let (home, ids) = match uncovered(machine, plan, &extended) {
        true => (None, None),
        false => match enter(machine, plan, drivers, &extended) {
            Ok(Some((home, ids))) => (Some(home), ids),
            Ok(None) => (None, None),
            Err(error) if named => return Err(error),
            Err(error) => {
                machine
                    .warn(&format!("what is written to /home is lost at power-off: {}: {}", error.doing, error.cause));
                (None, None)
            }
        },
    };
    Ok(Inhabited { extended, home, ids })
}

/// Whether a home that nobody named is not to be used.
fn uncovered<S: Sys>(machine: &mut Machine<S>, plan: &Plan, extended: &Extended) -> bool {
    let layers = &extended.root.layers;
    if plan.home != HomeWish::Found {
        return false;
    }
    match &layers.store.home {
        // The store's own manifest asks for it, which was not known when the home was found.
        Some(home) if layers.proof.ledger.policy() == Policy::Signed => {
            machine.warn(&[&home.path, " is left out: ", UNCOVERED].concat());
            true
        }
        None if plan.policy == Policy::Signed => {
            machine.say(Level::Info, UNCOVERED);
            true
        }
        _ => false,
    }
}

fn enter<S: Sys>(
    machine: &mut Machine<S>,
    plan: &Plan,
    drivers: &mut Drivers,
    extended: &Extended,
) -> Result<Option<(String, Option<Ids>)>> {
    let Some(source) = source::open(machine, plan, drivers, &extended.root.layers.store)? else { return Ok(None) };
    let user = owner::live_user(machine, plan, &extended.root.layers);
    let (folder, target) = match (plan.home_user.as_deref(), &user) {
        (None, _) => (source.at.clone(), Place::new_root("/home")),
        (Some(name), Some(user)) => {
            let folder = if name == "." { source.at.clone() } else { source.at.join(name) };
            owner::make(machine, &folder, user)?;
            (folder, Place::new_root(&user.account.home))
        }
        (Some(_), None) => {
            let why = "this system has no user whose home it could be; without isolde.home-user= it becomes /home";
            return Err(refuse(machine, &source.name, why.to_owned()));
        }
    };
    lease::take(machine, plan.home_lease, &source, &folder)?;
    machine.apply(&[Op::MakeDir(target.clone())])?;
    let wanted = match &user {
        Some(user) => owner::ids(machine, plan, &folder, user)?.map(|ids| (ids, user.name.as_str())),
        None => None,
    };
    let mapped = show(machine, source.fstype, folder, target, wanted)?;
    Ok(Some((source.name, mapped)))
}

/// The mount itself, mapped where that is wanted and possible.
fn show<S: Sys>(
    machine: &mut Machine<S>,
    fstype: &str,
    source: Place,
    target: Place,
    wanted: Option<(Ids, &str)>,
) -> Result<Option<Ids>> {
    let plain = Op::Bind { source: source.clone(), target: target.clone(), flags: FLAGS };
    let Some((ids, name)) = wanted else { return machine.apply(&[plain]).map(|()| None) };
    let mapped = machine.apply(&[Op::BindMapped { source, target, flags: FLAGS, ids }]);
    let Err(error) = mapped else { return Ok(Some(ids)) };
    let errno = |errno: Errno| matches!(&error.cause, Cause::Os(os) if os.raw_os_error() == Some(errno.raw_os_error()));
    let why = match () {
        () if errno(Errno::INVAL) => ["in this kernel ", fstype, " cannot show other owners"].concat(),
        () if errno(Errno::NOSYS) => "the kernel is older than 5.12".to_owned(),
        () => error.cause.to_string(),
    };
    let ((uid, gid), (live_uid, live_gid)) = (ids.disk, ids.live);
    machine.warn(&format!(
        "{}: {why}; mounted as it is: it belongs to {uid}:{gid}, and {name} is {live_uid}:{live_gid}",
        error.doing
    ));
    machine.apply(&[plain]).map(|()| None)
}

/// Why something that was named is not used.
pub(super) fn refuse<S: Sys>(machine: &Machine<S>, name: &str, why: String) -> Error {
    machine.error(["use ", name, " as the home directory"].concat(), Cause::NoHome { why })
}
