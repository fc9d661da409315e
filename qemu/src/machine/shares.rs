//! Directories of this machine that a guest sees, by 9p or by virtiofs.
//!
//! 9p is part of QEMU. virtiofs takes a daemon, which has to run as root, and memory that it shares with the guest.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::arguments::escaped;
use super::{POLL, Share};
use crate::tool::{command, text};

/// The daemon: of Debian's package virtiofsd, and of qemu-system-common up to Debian 12, each with its own options.
const DAEMONS: [(&str, bool); 2] = [("/usr/libexec/virtiofsd", true), ("/usr/lib/qemu/virtiofsd", false)];
/// It opens its socket at once, or says why not.
const START: Duration = Duration::from_secs(20);

/// The daemon on this machine, and whether it is the newer one; `None` when there is none, or nobody who may run it.
pub fn virtiofs_daemon() -> Option<(&'static str, bool)> {
    let is_root = rustix::process::geteuid().is_root();
    DAEMONS.into_iter().find(|(path, _)| is_root && Path::new(path).is_file())
}

/// A running daemon. Ends with this value.
#[derive(Debug)]
pub(super) struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended with its machine.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Where the guest's memory and a daemon meet.
fn socket(work: &Path, number: usize) -> PathBuf {
    work.join(format!("share-{number}"))
}

/// Starts what the shares need beside QEMU.
pub(super) fn start(shares: &[Share], work: &Path) -> Result<Vec<Daemon>> {
    let mut daemons = Vec::new();
    for (number, share) in shares.iter().enumerate() {
        let Share::Virtiofs { folder, .. } = share else { continue };
        let (program, newer) = virtiofs_daemon().context("no virtiofsd that may be run")?;
        let socket = socket(work, number);
        let mut daemon = command("setpriv");
        daemon.args(["--pdeathsig", "KILL", program]).arg(format!("--socket-path={}", text(&socket)?));
        match newer {
            true => daemon.arg(format!("--shared-dir={}", text(folder)?)).arg("--sandbox=none"),
            false => daemon.args(["-o", &format!("source={}", text(folder)?), "-o", "sandbox=chroot"]),
        };
        let log = std::fs::File::create(socket.with_extension("txt")).context("the daemon's log")?;
        daemon.stdin(Stdio::null()).stdout(log.try_clone().context("the daemon's log")?).stderr(log);
        let mut daemon = Daemon(daemon.spawn().context("start virtiofsd")?);
        let limit = Instant::now() + START;
        while !socket.exists() {
            if daemon.0.try_wait().context("wait for virtiofsd")?.is_some() || Instant::now() > limit {
                bail!("virtiofsd: {}", std::fs::read_to_string(socket.with_extension("txt")).unwrap_or_default());
            }
            std::thread::sleep(POLL);
        }
        daemons.push(daemon);
    }
    Ok(daemons)
}

/// QEMU's arguments for them.
pub(super) fn arguments(shares: &[Share], memory: u32, work: &Path) -> Result<Vec<String>> {
    let mut list = Vec::new();
    for (number, share) in shares.iter().enumerate() {
        match share {
            Share::NineP { tag, folder } => {
                // Owners are kept in files beside the guest's own, which takes no root.
                let fsdev = format!("local,id=share{number},security_model=mapped-file,path={}", escaped(folder)?);
                let device = format!("virtio-9p-pci,fsdev=share{number},mount_tag={tag}");
                list.extend(["-fsdev".to_owned(), fsdev, "-device".to_owned(), device]);
            }
            Share::Virtiofs { tag, .. } => {
                let chardev = format!("socket,id=share{number},path={}", escaped(&socket(work, number))?);
                let device = format!("vhost-user-fs-pci,chardev=share{number},tag={tag}");
                list.extend(["-chardev".to_owned(), chardev, "-device".to_owned(), device]);
            }
        }
    }
    if shares.iter().any(|share| matches!(share, Share::Virtiofs { .. })) {
        let memory = format!("memory-backend-memfd,id=memory,size={memory}M,share=on");
        list.extend(["-object".to_owned(), memory, "-machine".to_owned(), "memory-backend=memory".to_owned()]);
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_memory_comes_with_virtiofs_alone() {
        let (tag, folder) = ("homes".to_owned(), PathBuf::from("/a,b"));
        let list = |share: Share| arguments(&[share], 320, Path::new("/w")).unwrap().join(" ");
        let nine_p = list(Share::NineP { tag: tag.clone(), folder: folder.clone() });
        assert!(nine_p.contains("path=/a,,b") && nine_p.contains("mount_tag=homes") && !nine_p.contains("memory"));
        let virtiofs = list(Share::Virtiofs { tag, folder });
        assert!(virtiofs.contains("path=/w/share-0") && virtiofs.contains("size=320M,share=on"), "{virtiofs}");
    }
}
