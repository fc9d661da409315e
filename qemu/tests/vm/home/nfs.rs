//! A home on an NFS server: nfs-ganesha on this machine's loopback, which the guest reaches by QEMU's own router.
//!
//! Debian's kernels have no CONFIG_IP_PNP, so `ip=` configures nothing. A program of the test stands in for it: it sets the
//! address and executes init.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests; clippy.toml does not see this file as one")]

use super::{refused, store};
use crate::common::small::Guest;
use crate::common::{folder, second_initrd_with};
use isolde_qemu::families::root;
use isolde_qemu::machine::{Bus, Disk, Machine};
use isolde_qemu::modules;
use isolde_qemu::store::FileSystem;
use isolde_qemu::tool::command;
use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// The server of Debian's package nfs-ganesha; nfs-ganesha-vfs has its access to directories.
const SERVER: &str = "/usr/bin/ganesha.nfsd";
/// It opens its port within a second.
const START: Duration = Duration::from_secs(30);

/// In the place of the kernel's own configuration by `ip=`.
const NETWORK: &str = "#!/up/busybox sh
/up/busybox insmod /lib/modules/*/kernel/drivers/net/ethernet/intel/e1000/e1000.ko
/up/busybox ip link set lo up
/up/busybox ip address add 10.0.2.15/24 dev eth0
/up/busybox ip link set eth0 up
/up/busybox ip route add default via 10.0.2.2
exec /init
";

/// A running server. Ends with this value.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Exports a directory as /home, on the port that every client asks at. It speaks NFS 4.2 too, by which this server, before its
/// version 6.2, gives zeros to Linux 6.6 and newer (nfs-ganesha's issue 1188): init does not.
fn serve(work: &Path, shared: &Path) -> Server {
    let text = format!(
        "NFS_CORE_PARAM {{ Protocols = 4; Bind_addr = 127.0.0.1; NFS_Port = 2049; Enable_NLM = false; \
         Enable_RQUOTA = false; }}\n\
         NFSV4 {{ Graceless = true; Minor_Versions = 0, 1, 2; RecoveryRoot = {work}; Only_Numeric_Owners = true; }}\n\
         EXPORT {{ Export_Id = 1; Path = {shared}; Pseudo = /home; Access_Type = RW; Squash = No_Root_Squash; \
         SecType = sys; Transports = TCP; Protocols = 4; FSAL {{ Name = VFS; }} }}\n",
        work = work.display(),
        shared = shared.display()
    );
    fs::write(work.join("conf"), text).unwrap();
    let mut server = command("setpriv");
    server.args(["--pdeathsig", "KILL", SERVER, "-F"]).arg("-f").arg(work.join("conf"));
    server.arg("-L").arg(work.join("log")).arg("-p").arg(work.join("pid"));
    let server = server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let server = Server(server);
    let limit = Instant::now() + START;
    while TcpStream::connect("127.0.0.1:2049").is_err() {
        assert!(Instant::now() < limit, "{}", fs::read_to_string(work.join("log")).unwrap_or_default());
        std::thread::sleep(Duration::from_millis(100));
    }
    server
}

fn empty(name: &str) -> PathBuf {
    let path = folder().join(name);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

#[test]
#[ignore = "long: it wants Debian's packages nfs-ganesha and nfs-ganesha-vfs, and root"]
fn a_home_on_an_nfs_server() {
    // It opens files by their handles, which takes a privilege.
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    if !(is_root && Path::new(SERVER).is_file()) {
        // Written past the test harness, which hides what a passing test prints.
        let why = b"skipped: a_home_on_an_nfs_server: there is no ganesha.nfsd, or no root to run it\n";
        return std::io::Write::write_all(&mut std::io::stderr(), why).unwrap();
    }
    let (work, shared) = (empty("home-nfs-server"), empty("home-nfs-shared"));
    fs::create_dir(shared.join("live")).unwrap();
    chown(shared.join("live"), Some(1000), Some(1000)).unwrap();
    let _server = serve(&work, &shared);

    let store = store("home-nfs-real", FileSystem::Ext4, |store| store);
    let script = folder().join("home-nfs-up");
    fs::write(&script, NETWORK).unwrap();
    fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let ours = second_initrd_with("home-nfs", &[("/up/busybox", &root::busybox().unwrap()), ("/up/init", &script)]);
    let parts = modules::with_network().unwrap();
    let machine = |name: &str, more: &str| {
        let words = format!("rdinit=/up/init isolde.image=/live.squashfs isolde.home=nfs:10.0.2.2:/home {more}");
        let machine = Machine::direct(name, &folder(), &parts.kernel, &[&parts.initrd, &ours], &words);
        machine.memory(400).processors(1).network().disk(Disk::new("stick", &store, Bus::Usb))
    };
    let mut first = Guest::boot(&machine("home-nfs-1", ""));
    let (source, kind, options) = first.mount_at("/home");
    assert_eq!((source.as_str(), kind.as_str()), ("10.0.2.2:/home", "nfs4"));
    for option in ["rw", "nosuid", "nodev", "vers=4.1", "softerr"] {
        assert!(options.contains(&format!(",{option},")), "{option}: {options}");
    }
    assert_eq!(first.warnings(), Vec::<String>::new());
    first.ask("su live -c 'echo seen >/home/live/note'; sync");
    let note = shared.join("live/note");
    assert_eq!((fs::read_to_string(&note).unwrap().as_str(), note.metadata().unwrap().uid()), ("seen\n", 1000));
    let lease = fs::read_to_string(shared.join(".isolde-lease")).unwrap();
    drop(first);

    // The power went, and nobody gave the home back.
    refused(
        &machine("home-nfs-2", "isolde.onfail=poweroff"),
        "isolde: home: use nfs:10.0.2.2:/home as the home directory: .*isolde-lease says who has it",
    );
    assert_eq!(fs::read_to_string(shared.join(".isolde-lease")).unwrap(), lease);
    let mut third = Guest::boot(&machine("home-nfs-3", "isolde.home-lease=take"));
    assert_eq!(third.ask("cat /home/live/note"), "seen");
    assert_ne!(fs::read_to_string(shared.join(".isolde-lease")).unwrap(), lease);
}
