//! Runs the programs that build media.
//!
//! Takes   a `Command` and a noun phrase for what it makes.
//! Gives   its output; prints a line every few seconds while a slow one works.
//! Fails   when the program is missing, or ends with an error: the message holds the end of its output.

use std::ffi::OsString;
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Silence that needs no explanation.
const QUIET: Duration = Duration::from_secs(2);
/// Time between two lines of progress.
const BEAT: Duration = Duration::from_secs(5);
/// Time between two looks at a running program.
const POLL: Duration = Duration::from_millis(20);
/// Lines of a failed program's output that go into the message.
const TAIL: usize = 20;

/// A command that also finds the programs of the administrator.
///
/// mke2fs, sfdisk and their like are in `/usr/sbin`, which is not on the search path of an ordinary Debian user.
pub fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(OsString::from(":/usr/sbin:/sbin"));
    command.env("PATH", path).env("LC_ALL", "C");
    command
}

/// Runs a command to its end and gives what it printed, output and errors mixed.
///
/// `what` names what is being made, as in "the squashfs".
///
/// # Errors
/// When the program is not installed, or does not end with status 0.
pub fn run(what: &str, command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let mut output = tempfile::tempfile().context("a file for a program's output")?;
    let both = |file: &File| file.try_clone().map(Stdio::from);
    command.stdin(Stdio::null()).stdout(both(&output)?).stderr(both(&output)?);
    let mut child = match command.spawn() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            bail!("{what}: {program} is not installed; ./setup.sh installs it")
        }
        other => other.with_context(|| format!("{what}: start {program}"))?,
    };
    let started = Instant::now();
    let mut next = QUIET;
    let status = loop {
        if let Some(status) = child.try_wait().with_context(|| format!("{what}: wait for {program}"))? {
            break status;
        }
        if started.elapsed() > next {
            next = started.elapsed() + BEAT;
            let text = text_of(&mut output)?;
            let last = last_lines(&text, 1);
            say(&format!("  {what}: {program}, {} s  {}", started.elapsed().as_secs(), clipped(&last)));
        }
        std::thread::sleep(POLL);
    };
    let text = text_of(&mut output)?;
    if status.success() {
        return Ok(text);
    }
    bail!("{what}: {program}: {status}\n{}", last_lines(&text, TAIL))
}

/// One line for the user, on the error stream so that a caller's output stays clean.
pub fn say(line: &str) {
    eprintln!("{line}");
}

/// The program, if it is on the (administrator's) search path.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let extra = [PathBuf::from("/usr/sbin"), PathBuf::from("/sbin")];
    std::env::split_paths(&path).chain(extra).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// A path as text, for the many programs whose arguments mix paths with other words.
///
/// # Errors
/// When the path is not UTF-8.
pub fn text(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))
}

/// Everything written to `file` so far; the program keeps writing at the end, as both share one offset.
fn text_of(file: &mut File) -> Result<String> {
    use std::os::unix::fs::FileExt;
    let length = usize::try_from(file.metadata()?.len())?;
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, 0).context("a program's output")?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.split(['\n', '\r']).filter(|line| !line.trim().is_empty()).collect();
    lines.get(lines.len().saturating_sub(count)..).unwrap_or_default().join("\n")
}

fn clipped(line: &str) -> String {
    line.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_output_and_errors_of_a_program() {
        let text = run("a test", command("sh").args(["-c", "echo out; echo err >&2"])).unwrap();
        assert_eq!(text, "out\nerr\n");
    }

    #[test]
    fn a_failure_names_the_thing_the_program_and_the_last_lines() {
        let error = run("the image", command("sh").args(["-c", "echo no space left; exit 3"])).unwrap_err().to_string();
        assert!(error.starts_with("the image: sh: exit status: 3"), "{error}");
        assert!(error.ends_with("no space left"), "{error}");
    }

    #[test]
    fn a_missing_program_says_how_to_get_it() {
        let error = run("the image", &mut command("no-such-program-here")).unwrap_err().to_string();
        assert!(error.contains("no-such-program-here is not installed; ./setup.sh"), "{error}");
    }

    #[test]
    fn last_lines_skips_empty_ones_and_splits_at_carriage_returns() {
        assert_eq!(last_lines("a\n\nb\rc\n", 2), "b\nc");
        assert_eq!(last_lines("", 2), "");
    }
}
