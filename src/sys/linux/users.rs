//! Who uses what is mounted somewhere: proc_pid_fd(5), proc_pid_cwd(5), proc_pid_root(5), proc_pid_exe(5), proc_pid_maps(5).

use crate::sys::User;
use std::fs;
use std::path::Path;

/// Every process with something open below a mount point, each once. Those that end meanwhile are passed over.
pub(super) fn of(at: &str) -> Vec<User> {
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    let numbers = processes.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.filter_map(|pid: u32| user(pid, at)).collect()
}

fn user(pid: u32, at: &str) -> Option<User> {
    let folder = Path::new("/proc").join(pid.to_string());
    let link = |name: &str| Some(fs::read_link(folder.join(name)).ok()?.to_string_lossy().into_owned());
    let mut files = ["root", "cwd", "exe"].into_iter().filter_map(link);
    let file =
        files.find(|file| is_below(file, at)).or_else(|| open_file(&folder, at)).or_else(|| mapped(&folder, at))?;
    let name = fs::read_to_string(folder.join("comm")).unwrap_or_default().trim().to_owned();
    Some(User { pid, name, file })
}

fn open_file(folder: &Path, at: &str) -> Option<String> {
    let mut links = fs::read_dir(folder.join("fd")).ok()?.flatten().filter_map(|fd| fs::read_link(fd.path()).ok());
    links.find_map(|file| Some(file.to_string_lossy().into_owned()).filter(|file| is_below(file, at)))
}

fn mapped(folder: &Path, at: &str) -> Option<String> {
    let maps = fs::read_to_string(folder.join("maps")).ok()?;
    let files = maps.lines().filter_map(|line| line.find('/').and_then(|start| line.get(start..)));
    files.into_iter().find(|file| is_below(file, at)).map(str::to_owned)
}

fn is_below(file: &str, at: &str) -> bool {
    file.strip_prefix(at.trim_end_matches('/')).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_file_is_found_and_a_neighbour_is_not() {
        let folder = std::env::temp_dir().join(format!("isolde-users-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let at = folder.to_str().unwrap().to_owned();
        assert!(of(&at).is_empty());
        let held = fs::File::create(folder.join("held")).unwrap();
        let users = of(&at);
        assert_eq!((users.len(), users[0].pid), (1, std::process::id()));
        assert_eq!(users[0].file, format!("{at}/held"));
        drop(held);
        fs::remove_dir_all(&folder).unwrap();
        assert!(!is_below("/run/isolde/storehouse", "/run/isolde/store") && is_below("/x/y", "/x/"));
    }
}
