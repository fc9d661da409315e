//! The program that runs the scripts, under the shell of this machine, with stand-ins for what an initramfs holds.

use super::FAMILY;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// run_scripts as initramfs-tools has it: the list is sourced.
const FUNCTIONS: &str = "run_scripts() { initdir=$1; [ -d \"$initdir\" ] || return; shift; . \"$initdir/ORDER\"; }\n";
/// A script that asks debconf, as the scripts that source casper-functions do: questions to 3, answers from 4.
const ASKS: &str = "exec <&4\nprintf 'GET passwd/username\\n' >&3\nread -r answer\necho \"$0 got $answer\" >>log\n";

/// An initramfs in a directory of its own, which is the working directory.
struct Initramfs(PathBuf);

impl Drop for Initramfs {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Initramfs {
    fn new(name: &str) -> Initramfs {
        let path = std::env::temp_dir().join(format!("isolde-casper-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        let initramfs = Initramfs(path);
        initramfs.file("scripts/functions", FUNCTIONS);
        initramfs.file("proc/cmdline", "boot=casper quiet splash\n");
        initramfs.file("conf/arch.conf", "DPKG_ARCH=amd64\n");
        initramfs.file("root/etc/hostname", "before\n");
        initramfs
    }

    fn file(&self, path: &str, text: &str) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn program(&self, path: &str, text: &str) {
        self.file(path, &format!("#!/bin/sh\n{text}"));
        fs::set_permissions(self.0.join(path), fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Scripts in the order of the list.
    fn scripts(&self, scripts: &[(&str, &str)]) {
        let mut order = String::new();
        for (name, text) in scripts {
            let path = format!("scripts/casper-bottom/{name}");
            self.program(&path, text);
            order.push_str(&format!(
                "{}/{path} \"$@\"\n[ -e /conf/param.conf ] && . /conf/param.conf\n",
                self.0.display()
            ));
        }
        self.file("scripts/casper-bottom/ORDER", &order);
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.0.join(path)).unwrap_or_default()
    }

    /// Runs it as init does: nothing on the standard input, both outputs in one pipe.
    fn run(&self) -> (bool, String) {
        let stand_ins = format!("{}:/usr/bin:/bin:/usr/sbin:/sbin", self.0.join("bin").display());
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(format!("exec 2>&1\n{}", FAMILY.scripts.unwrap().text)).current_dir(&self.0);
        command.env_clear().env("PATH", stand_ins).env("rootmnt", self.0.join("root")).stdin(Stdio::null());
        let conf = "# USERNAME=x\nexport USERNAME=\"me\"\n";
        for (name, value) in [("USERNAME", "me"), ("HOST", "box"), ("CASPER_CONF", conf)] {
            command.env(name, value);
        }
        let output = command.output().unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    }
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(|line| line.rsplit('/').next().unwrap_or(line).to_owned()).collect()
}

#[test]
fn scripts_run_in_their_order_and_one_that_fails_stops_no_other() {
    let initramfs = Initramfs::new("order");
    let tell = "echo \"$0\" >>log\n";
    initramfs.scripts(&[
        ("05first", tell),
        ("13swap", tell),
        ("20fails", &format!("{tell}exit 3\n")),
        ("21dies", &format!("{tell}kill -9 $$\n")),
        ("22missing-word", &format!("{tell}set -eu\necho $nothing\n")),
        ("10late", tell),
    ]);
    let (ended_well, output) = initramfs.run();
    assert_eq!(lines(&initramfs.read("log")), ["05first", "20fails", "21dies", "22missing-word", "10late"]);
    assert!(ended_well, "{output}");
    assert!(output.contains("13swap is left out"), "{output}");
    assert!(
        output.contains("20fails ended with status 3") && output.contains("21dies ended with status 137"),
        "{output}"
    );
    assert!(!initramfs.0.join("tmp/questions").exists() && !initramfs.0.join("tmp/casper-bottom").exists());
}

#[test]
fn scripts_find_their_environment_and_an_updated_conf() {
    let initramfs = Initramfs::new("environment");
    let tell =
        "echo \"$USERNAME $HOST $rootmnt $quiet $DPKG_ARCH $BOOT ${CASPER_CONF-none}\" >log\ncp etc/casper.conf seen\n";
    initramfs.scripts(&[("01tell", tell), ("25user", "echo box >\"$rootmnt/etc/hostname\"\n")]);
    initramfs.file("etc/casper.conf", "export USERNAME=\"ubuntu\"\n");
    let (ended_well, output) = initramfs.run();
    assert!(ended_well, "{output}");
    let root = initramfs.0.join("root");
    assert_eq!(initramfs.read("log"), format!("me box {} y amd64 casper none\n", root.display()));
    assert_eq!(initramfs.read("seen"), "# USERNAME=x\nexport USERNAME=\"me\"\n");
    assert_eq!(initramfs.read("root/etc/casper.conf"), initramfs.read("seen"), "the running system has it, too");
    assert_eq!(initramfs.read("root/etc/hostname"), "box\n");
    assert!(initramfs.0.join("casper.vars").exists());
}

#[test]
fn questions_are_answered_without_debconf_in_the_root() {
    let initramfs = Initramfs::new("fallback");
    initramfs.scripts(&[("24preseed", ASKS), ("25adduser", ASKS)]);
    let (ended_well, output) = initramfs.run();
    assert!(ended_well, "{output}");
    let log = initramfs.read("log");
    assert_eq!(log.matches(" got 10 there is no debconf").count(), 2, "{log}{output}");
}

/// A debconf-communicate that counts its questions and keeps them in the copy it was given, and a chroot that only
/// changes the directory.
fn with_debconf(initramfs: &Initramfs) {
    let root = initramfs.0.join("root");
    let chroot = "cd \"$1\" || exit 125\nPATH=$1/usr/bin:$PATH\nshift\necho \"$@\" >>../chrooted\nexec \"$@\"\n";
    initramfs.program("bin/chroot", chroot);
    initramfs.program("root/usr/bin/mktemp", "mkdir -p tmp/debconf.123456 && echo /tmp/debconf.123456\n");
    let communicate = "n=0\nwhile read -r question; do\n    n=$((n + 1))\n    echo \"$question\" >>\".$DEBCONF_SYSTEMRC.asked\"\n    echo \"0 answer $n\"\ndone\n";
    initramfs.program("root/usr/bin/debconf-communicate", communicate);
    initramfs.program("root/usr/bin/debconf-copydb", "cat .$(dirname /tmp/debconf.123456/x)/debconf.conf >>copied\n");
    let conf = "Name: config\nFilename: /var/cache/debconf/config.dat\n\nName: templatedb\nDriver: File\nFilename: /var/cache/debconf/templates.dat\n";
    fs::create_dir_all(root.join("var/cache/debconf")).unwrap();
    initramfs.file("root/etc/debconf.conf", conf);
    initramfs.file("root/var/cache/debconf/config.dat", "config\n");
    initramfs.file("root/var/cache/debconf/passwords.dat", "passwords\n");
}

#[test]
fn debconf_of_the_root_answers_all_scripts_and_works_on_a_copy() {
    let initramfs = Initramfs::new("debconf");
    with_debconf(&initramfs);
    initramfs.scripts(&[("19keyboard", ASKS), ("20fails", "exit 1\n"), ("25adduser", ASKS)]);
    let (ended_well, output) = initramfs.run();
    assert!(ended_well, "{output}");
    let log = initramfs.read("log");
    assert!(log.contains("19keyboard got 0 answer 1\n") && log.contains("25adduser got 0 answer 2\n"), "{log}{output}");
    let chrooted = initramfs.read("chrooted");
    let calls = lines(&chrooted);
    assert!(calls.contains(&"debconf-communicate -fnoninteractive casper".to_owned()), "{chrooted}");
    assert_eq!(chrooted.matches("debconf-copydb copy").count(), 2, "{chrooted}");
    let conf = initramfs.read("root/copied");
    assert!(conf.contains("Filename: /tmp/debconf.123456/config.dat\n"), "{conf}");
    assert!(conf.contains("Name: templatedb\nReadonly: true\n"), "{conf}");
    assert!(conf.contains("Filename: /var/cache/debconf/templates.dat\n"), "{conf}");
    assert!(!initramfs.0.join("root/tmp/debconf.123456").exists());
}

#[test]
fn a_debconf_that_does_not_start_hangs_nothing() {
    let initramfs = Initramfs::new("broken-debconf");
    with_debconf(&initramfs);
    initramfs.program("root/usr/bin/debconf-communicate", "exit 1\n");
    initramfs
        .scripts(&[("25adduser", "exec <&4\nread -r answer || echo nothing >>log\n"), ("99last", "echo last >>log\n")]);
    let (_, output) = initramfs.run();
    assert_eq!(initramfs.read("log"), "nothing\nlast\n", "{output}");
}

#[test]
fn the_program_is_one_that_every_shell_reads() {
    for shell in ["/bin/sh", "/bin/bash", "/bin/dash"].iter().filter(|shell| Path::new(shell).exists()) {
        let check = Command::new(shell).args(["-n", "-c", FAMILY.scripts.unwrap().text]).output().unwrap();
        assert!(check.status.success() && check.stderr.is_empty(), "{shell}: {check:?}");
    }
}
