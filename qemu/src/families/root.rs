//! A root of one static program and a few files, that starts in a second and answers questions.
//!
//! Takes   busybox of this machine (package busybox-static).
//! Gives   trees for layers: the lowest has programs and an init, and each leaves its mark.
//! Fails   when busybox is missing or needs shared libraries.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::tree::Tree;
use crate::tool::{command, find, run};

/// Where each layer leaves a file of its own name.
pub const MARKS: &str = "etc/layers";
/// The file that every layer writes with its own name: the topmost layer's is seen.
pub const TOP: &str = "etc/layer";

/// Programs of the root, all of them busybox.
const PROGRAMS: &str = "[ awk basename cat chmod chown chroot cmp cp cut date dd diff dirname dmesg env find grep head hostname id \
    kill ln losetup ls md5sum mkdir mktemp mount mv printf ps pwd readlink realpath rm rmdir sed setsid sh sleep sort stat stty su \
    tail test touch tr true umount uname uniq wc";

/// A root shell on the second serial port, as the machine's own [`Shell`](crate::machine::Shell) wants it: a prompt, then
/// a shell that edits no lines, which is why its output is no terminal. Starts again when it ends. The port is open before
/// the prompt is seen: what is typed at a closed one is lost.
pub const SHELL: &str = "while :; do
    { printf '# '; setsid sh 2>&1; } </dev/ttyS1 | cat >/dev/ttyS1
done
";

/// Accounts of a Debian or Ubuntu root before anybody is added, shortened to what the families' scripts name.
const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
polkitd:x:990:990:polkit:/:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
";
/// Groups with the numbers of Debian's base-passwd.
const GROUP: &str = "root:x:0:
adm:x:4:
tty:x:5:
lp:x:7:
dialout:x:20:
cdrom:x:24:
floppy:x:25:
sudo:x:27:
audio:x:29:
dip:x:30:
video:x:44:
plugdev:x:46:
users:x:100:
wheel:x:101:
netdev:x:105:
lpadmin:x:115:
polkitd:x:990:
nogroup:x:65534:
";

/// Process 1 of a root: writes down how it was called, and serves a shell.
fn init() -> String {
    format!("#!/bin/sh\nexport PATH=/usr/sbin:/usr/bin\ncd /\nprintf '%s\\n' \"$0\" \"$@\" >/run/process-1\n{SHELL}")
}

/// The tree of the lowest layer: programs, accounts, an init, and that layer's mark.
///
/// # Errors
/// When there is no static busybox.
pub fn lowest(name: &str) -> Result<Tree> {
    let tree = programs("usr/bin")?.program("usr/sbin/init", init());
    Ok(tree
        .link("bin", "usr/bin")
        .link("sbin", "usr/sbin")
        .link("lib", "usr/lib")
        .folders(&["dev", "home", "media", "mnt", "proc", "root", "run", "sys", "tmp", "usr/lib", "var/log", "var/tmp"])
        .text("etc/passwd", PASSWD)
        .text("etc/group", GROUP)
        .secret("etc/shadow", accounts(PASSWD, |name| format!("{name}:*:19700:0:99999:7:::\n")))
        .secret("etc/gshadow", accounts(GROUP, |name| format!("{name}:*::\n")))
        .text("etc/shells", "/bin/sh\n")
        .with(layer(name)))
}

/// The tree of a further layer: its mark.
pub fn layer(name: &str) -> Tree {
    marks("", name)
}

/// A layer's mark, for roots that are mounted below another folder.
pub fn marks(folder: &str, name: &str) -> Tree {
    Tree::new().text(format!("{folder}{MARKS}/{name}"), "").text(format!("{folder}{TOP}"), format!("{name}\n"))
}

/// busybox, and a link to it for each program.
pub fn programs(folder: &str) -> Result<Tree> {
    let tree = Tree::new().copy(format!("{folder}/busybox"), &busybox()?);
    let link = |tree: Tree, name: &str| tree.link(format!("{folder}/{name}"), "busybox");
    Ok(PROGRAMS.split_whitespace().fold(tree, link))
}

/// Adds a program of this machine and the libraries that it is linked with.
///
/// # Errors
/// When it is not installed.
pub fn with_program(tree: Tree, name: &str) -> Result<Tree> {
    let program = find(name).with_context(|| format!("{name} is not installed; ./setup.sh installs it"))?;
    let list = run("libraries", command("ldd").arg(&program))?;
    let libraries = list.split_whitespace().filter(|word| word.starts_with("/lib") || word.starts_with("/usr/lib"));
    let tree = tree.copy(format!("usr/bin/{name}"), &program);
    Ok(libraries.fold(tree, |tree, library| {
        let place = library.trim_start_matches("/usr").trim_start_matches('/');
        tree.copy(format!("usr/{place}"), Path::new(library))
    }))
}

/// The program on this machine.
pub fn busybox() -> Result<PathBuf> {
    let path = find("busybox").context("busybox is not installed; ./setup.sh installs busybox-static")?;
    let bytes = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
    // A dynamic program names its loader.
    if bytes.windows(LOADER.len()).take(4096).any(|window| window == LOADER) {
        bail!("{} needs shared libraries; install busybox-static", path.display());
    }
    Ok(path)
}

/// How the path of each of Debian's loaders begins; it stands behind the program headers.
const LOADER: &[u8] = b"/lib64/ld-linux";

fn accounts(list: &str, line: impl Fn(&str) -> String) -> String {
    list.lines().filter_map(|entry| entry.split(':').next()).map(line).collect()
}
