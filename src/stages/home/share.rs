//! A home that another machine shares: the kernel's own drivers, by options that they read themselves, as there is no
//! helper of mount(8) here (kernel: filesystems/virtiofs.rst, filesystems/9p.rst; nfs(5)).

use super::{FLAGS, MOUNT, refuse};
use crate::error::{Cause, Result};
use crate::machine::Machine;
use crate::op::{Op, Place};
use crate::source::Share;
use crate::stages::drivers::Drivers;
use crate::sys::{self, Sys};
use rustix::io::Errno;

/// Larger packets than the driver's own 128 KiB, and a page cache, without which no program can map a file for writing.
const NINE_P: &str = "trans=virtio,version=9p2000.L,msize=262144,cache=mmap";
/// A server that does not answer for a minute and a half is an error: the network may be down when the way out runs, and
/// nothing may keep that from its end.
const NFS: &str = ",softerr,timeo=150,retrans=3";
/// Nobody negotiates it here. Not 4.2, which has nothing that a home needs: nfs-ganesha before its version 6.2, which Debian 12
/// has, answers a READ_PLUS of Linux 6.6 and newer with zeros (its issue 1188).
const NFS_VERSIONS: [&str; 2] = ["4.1", "4.0"];

/// Mounts it; gives the driver's name.
pub(super) fn mount<S: Sys>(machine: &mut Machine<S>, drivers: &mut Drivers, share: &Share) -> Result<&'static str> {
    let name = share.to_string();
    let (fstype, source, all) = match share {
        Share::Virtiofs(tag) => ("virtiofs", tag.clone(), vec![String::new()]),
        Share::NineP(tag) => ("9p", tag.clone(), vec![NINE_P.to_owned()]),
        Share::Nfs { server, path } => {
            if !has_network(machine, server) {
                let why = "the network is down: init configures none; a kernel with CONFIG_IP_PNP does, by ip=";
                return Err(refuse(machine, &name, why.to_owned()));
            }
            let address = server.trim_matches(['[', ']']);
            let options = |version: &&str| ["vers=", version, NFS, ",addr=", address].concat();
            ("nfs4", [server, ":", path].concat(), NFS_VERSIONS.iter().map(options).collect())
        }
    };
    drivers.share(machine, fstype)?;
    let target = Place::at(MOUNT);
    machine.apply(&[Op::MakeDir(target.clone())])?;
    let mut last = None;
    for options in all {
        let (fstype, source, target) = (fstype.to_owned(), source.clone(), target.clone());
        match machine.apply(&[Op::Mount { fstype, source, target, flags: FLAGS, options }]) {
            Ok(()) => {
                last = None;
                break;
            }
            Err(error) => {
                let is = |errno: Errno| matches!(&error.cause, Cause::Os(os) if os.raw_os_error() == Some(errno.raw_os_error()));
                // The server does not know this version, or this kernel does not.
                let other_version = is(Errno::PROTONOSUPPORT) || is(Errno::INVAL);
                last = Some(error);
                if !other_version {
                    break;
                }
            }
        }
    }
    last.map_or(Ok(fstype), Err)
}

/// Whether packets can leave: any route (kernel: net/ipv4/fib_trie.c), or an address that is not only the loopback's
/// (net/ipv6/addrconf.c, if6_seq_show).
fn has_network<S: Sys>(machine: &Machine<S>, server: &str) -> bool {
    let (path, head) = if server.starts_with('[') { ("/proc/net/if_inet6", 0) } else { ("/proc/net/route", 1) };
    let text = sys::read(machine.sys(), &Place::at(path), 1 << 16).unwrap_or_default();
    String::from_utf8_lossy(&text).lines().skip(head).any(|line| !line.ends_with(" lo"))
}
