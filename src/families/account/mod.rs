//! Users, autologin and names, changed in a root that is not running: what the initrds of casper and Void do there.
//!
//! Nothing here writes. Each function looks at the root and adds the edits that are still missing to [`Changes`], so
//! what an initrd's own scripts have done stays as they did it.

pub mod autologin;
pub mod changes;
pub mod home;
pub mod names;
pub mod passwd;
pub mod settings;

#[cfg(test)]
pub(crate) mod fake;

pub use changes::{Changes, text};
pub use passwd::{User, add_user};

use std::io;

/// Lets the user run everything with sudo, without a password (sudoers(5)). `file` is a name below /etc/sudoers.d.
pub fn allow_sudo(changes: &mut Changes, file: &str, line: &str) -> io::Result<()> {
    if !changes.root().is_directory("etc/sudoers.d")? {
        return Ok(());
    }
    let path = format!("etc/sudoers.d/{file}");
    if changes.create(&path, line)? {
        changes.own(&path, 0o440, 0, 0);
    }
    Ok(())
}
