//! GRUB config files of an image: the entries that they would show.
//!
//! Takes   the image's tree, the file to begin with, and where the image is to be on its store.
//! Gives   [`Entry`] values, with the variables of the convention of loopback.cfg filled in: `iso_path` is set, and `root`
//!         is the image itself (supergrubdisk.org, "Loopback.cfg"). Nothing else of GRUB's is passed on.
//! Fails   when a file is too long, or blocks or files are nested too deeply; the rest of a hostile file costs at most
//!         [`STEPS`] words.
//!
//! The file system that will hold the image is not known here. What depends on it, such as the UUID that `probe` gives,
//! is marked with [`UNKNOWN`], and a word that holds the mark is left out of the entry.

mod script;
mod test;

use super::{Entry, LARGEST, UNKNOWN};
use isolde::families::tree::Tree;
use script::{DEPTH, Piece, Statement, Word};
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;

/// Words of commands that are run for one image.
const STEPS: usize = 100_000;
/// Words that one command may have after its variables were replaced.
const WORDS: usize = 500;
/// Bytes that these words may have together.
const COMMAND: usize = 64 << 10;
/// Variables that there may be.
const VARIABLES: usize = 200;
/// Files that are read for one image.
const FILES: usize = 40;
/// Entries that are kept.
const ENTRIES: usize = 300;
/// Bytes of a word after its variables were replaced: more than a whole command line of the kernel.
const LONGEST: usize = 8192;
/// What GRUB calls the image while it runs the image's own config files.
const MEDIUM: &str = "loop";

/// Commands that change what is on the screen or in GRUB, and nothing in an entry.
const HARMLESS: &[&str] = &[
    "background_color",
    "background_image",
    "badram",
    "clear",
    "cutmem",
    "echo",
    "export",
    "font",
    "gfxmode",
    "gfxpayload",
    "insmod",
    "keymap",
    "load_env",
    "loadfont",
    "play",
    "rmmod",
    "save_env",
    "serial",
    "setparams",
    "sleep",
    "terminal_input",
    "terminal_output",
    "true",
    "videoinfo",
];

/// What is known of the image before its config files are read.
#[derive(Clone, Copy)]
pub struct Medium<'a> {
    /// Its tree.
    pub tree: &'a dyn Tree,
    /// Where it is to be on its store.
    pub iso_path: &'a str,
    /// Its label.
    pub label: &'a str,
    /// Its identifier.
    pub uuid: &'a str,
}

/// The entries that a config file shows, in its order.
pub fn entries(medium: Medium, file: &str) -> io::Result<Vec<Entry>> {
    let mut grub = Grub {
        medium,
        variables: start(medium, file),
        functions: BTreeMap::new(),
        entries: Vec::new(),
        steps: 0,
        files: 0,
    };
    grub.source(file, 0)?;
    Ok(grub.entries)
}

fn start(medium: Medium, file: &str) -> BTreeMap<String, String> {
    let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
    let unknown = UNKNOWN.to_string();
    [
        ("iso_path", medium.iso_path.to_owned()),
        // SystemImageKit's menu sets it beside iso_path.
        ("rootuuid", unknown),
        ("root", MEDIUM.to_owned()),
        ("prefix", format!("({MEDIUM})/{folder}")),
        ("grub_platform", "efi".to_owned()),
        ("grub_cpu", "x86_64".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

impl std::fmt::Debug for Medium<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Medium").field("iso_path", &self.iso_path).finish_non_exhaustive()
    }
}

struct Grub<'a> {
    medium: Medium<'a>,
    variables: BTreeMap<String, String>,
    functions: BTreeMap<String, Rc<[Statement]>>,
    entries: Vec<Entry>,
    steps: usize,
    files: usize,
}

/// What the statements of a block belong to.
enum Within<'a> {
    /// The menu, below these titles.
    Menu(&'a str),
    /// An entry.
    Entry(&'a mut Entry),
}

impl Within<'_> {
    fn again(&mut self) -> Within<'_> {
        match self {
            Within::Menu(title) => Within::Menu(title),
            Within::Entry(entry) => Within::Entry(entry),
        }
    }
}

impl Grub<'_> {
    /// Runs a file; whether it is there.
    fn source(&mut self, path: &str, depth: usize) -> io::Result<bool> {
        self.files += 1;
        if depth > DEPTH || self.files > FILES {
            return Err(io::Error::other(format!("{path}: config files that include one another without an end")));
        }
        if !self.medium.tree.is_file(path)? {
            return Ok(false);
        }
        let text = self.medium.tree.read(path, LARGEST)?;
        let Some(statements) = script::parse(&String::from_utf8_lossy(&text)) else {
            return Err(io::Error::other(format!("{path}: more than {DEPTH} blocks within one another")));
        };
        self.run(&statements, &mut Within::Menu(""), depth)?;
        Ok(true)
    }

    /// Runs statements; whether the last one succeeded.
    fn run(&mut self, statements: &[Statement], within: &mut Within, depth: usize) -> io::Result<bool> {
        let mut success = true;
        for statement in statements {
            self.steps += match statement {
                Statement::Command(words) => 1 + words.len(),
                // A block costs a copy of the variables.
                Statement::Block(words, _) => 1 + words.len() + self.variables.len(),
                Statement::If(..) | Statement::Function(..) => 1,
            };
            if self.steps > STEPS || self.entries.len() >= ENTRIES || depth > 2 * DEPTH {
                return Ok(false);
            }
            success = match statement {
                Statement::Command(words) => self.command(&self.expand_all(words), within, depth)?,
                Statement::Block(words, body) => self.block(&self.expand_all(words), body, within, depth)?,
                Statement::Function(name, body) => {
                    self.functions.insert(name.clone(), body.clone());
                    true
                }
                Statement::If(arms, other) => self.choose(arms, other, within, depth)?,
            };
        }
        Ok(success)
    }

    fn choose(
        &mut self,
        arms: &[(Vec<Statement>, Vec<Statement>)],
        other: &[Statement],
        within: &mut Within,
        depth: usize,
    ) -> io::Result<bool> {
        for (condition, body) in arms {
            if self.run(condition, within, depth + 1)? {
                return self.run(body, within, depth + 1);
            }
        }
        self.run(other, within, depth + 1)
    }

    fn block(&mut self, words: &[String], body: &[Statement], within: &Within, depth: usize) -> io::Result<bool> {
        let (Some((kind, words)), Within::Menu(above)) = (words.split_first(), within) else { return Ok(false) };
        let title = match (*above, title(words)) {
            ("", title) => title,
            (above, title) => format!("{above}: {title}"),
        };
        // What a block sets ends with it: it runs when it is chosen, if at all.
        let before = self.variables.clone();
        match kind.as_str() {
            "submenu" => {
                self.run(body, &mut Within::Menu(&title), depth + 1)?;
            }
            "menuentry" => {
                let mut entry = Entry { title, ..Entry::default() };
                self.run(body, &mut Within::Entry(&mut entry), depth + 1)?;
                if !entry.kernel.is_empty() {
                    self.entries.push(entry);
                }
            }
            _ => return Ok(false),
        }
        self.variables = before;
        Ok(true)
    }

    fn command(&mut self, words: &[String], within: &mut Within, depth: usize) -> io::Result<bool> {
        let Some((name, arguments)) = words.split_first() else { return Ok(true) };
        let first = arguments.first().map(String::as_str).unwrap_or_default();
        if let Some((name, value)) = name.split_once('=').filter(|(name, _)| is_name(name)) {
            return Ok(self.set(name, value));
        }
        match name.as_str() {
            "set" => match first.split_once('=') {
                Some((name, value)) => Ok(self.set(name, value)),
                None => Ok(true),
            },
            "unset" => {
                self.variables.remove(first);
                Ok(true)
            }
            "source" | "configfile" | "." => match self.path(first) {
                Some(path) => self.source(&path, depth + 1),
                None => Ok(false),
            },
            "[" | "test" => {
                let arguments = match arguments {
                    [inner @ .., last] if name == "[" && last == "]" => inner,
                    all => all,
                };
                test::holds(arguments, &|path| match self.path(path) {
                    Some(path) => self.medium.tree.kind(&path),
                    None => Ok(None),
                })
            }
            "search" => Ok(self.search(arguments)?),
            "probe" => Ok(self.probe(arguments)),
            // A computer of 64 bits, as the images here are for.
            "cpuid" => Ok(true),
            "linux" | "linux16" | "linuxefi" => {
                if let (Within::Entry(entry), Some(kernel)) = (within, self.path(first)) {
                    entry.kernel = kernel;
                    entry.words = arguments.get(1..).unwrap_or_default().to_vec();
                }
                Ok(true)
            }
            "initrd" | "initrd16" | "initrdefi" => {
                if let Within::Entry(entry) = within {
                    // Each call replaces what an earlier one loaded.
                    entry.initrd = arguments.iter().filter_map(|path| self.path(path)).collect();
                }
                Ok(true)
            }
            name if HARMLESS.contains(&name) => Ok(true),
            name => match self.functions.get(name).cloned() {
                Some(body) => self.call(&body, arguments, &mut within.again(), depth),
                None => {
                    if let Within::Entry(entry) = within {
                        entry.not_understood.push(name.to_owned());
                    }
                    Ok(false)
                }
            },
        }
    }

    fn call(
        &mut self,
        body: &[Statement],
        arguments: &[String],
        within: &mut Within,
        depth: usize,
    ) -> io::Result<bool> {
        for (number, argument) in arguments.iter().take(9).enumerate() {
            self.variables.insert((number + 1).to_string(), argument.clone());
        }
        self.run(body, within, depth + 1)
    }

    fn set(&mut self, name: &str, value: &str) -> bool {
        let room = self.variables.len() < VARIABLES || self.variables.contains_key(name);
        if is_name(name) && room {
            self.variables.insert(name.to_owned(), value.to_owned());
        }
        is_name(name) && room
    }

    /// `search`: the image has what it is searched for, or the store has it, which is known for the image itself only.
    fn search(&mut self, arguments: &[String]) -> io::Result<bool> {
        let (mut variable, mut by_file, mut what) = (None, false, None);
        let mut rest = arguments.iter().peekable();
        while let Some(argument) = rest.next() {
            match argument.split_once('=').unwrap_or((argument, "")) {
                ("--set" | "-s", "") => {
                    // The name may be left out; then the next word is an option or what is searched for.
                    variable = Some(match rest.next_if(|next| is_name(next)) {
                        Some(name) => name.clone(),
                        None => "root".to_owned(),
                    });
                }
                ("--set", name) => variable = Some(name.to_owned()),
                ("--file" | "-f", "") => by_file = true,
                ("--hint" | "-h", "") => drop(rest.next()),
                (option, _) if option.starts_with('-') => {}
                _ => what = Some(argument),
            }
        }
        let found = match what {
            Some(path) if by_file && path == self.medium.iso_path => UNKNOWN.to_string(),
            Some(path) if by_file && !self.medium.tree.is_file(path)? => return Ok(false),
            _ => MEDIUM.to_owned(),
        };
        Ok(variable.is_none_or(|variable| self.set(&variable, &found)))
    }

    /// `probe --set=NAME --fs-uuid|--label|… DEVICE`.
    fn probe(&mut self, arguments: &[String]) -> bool {
        let (mut variable, mut what, mut device) = (None, "", "");
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            match argument.split_once('=').unwrap_or((argument, "")) {
                ("--set" | "-s", "") => variable = rest.next().cloned(),
                ("--set", name) => variable = Some(name.to_owned()),
                (option, _) if option.starts_with('-') => what = option,
                _ => device = argument,
            }
        }
        let of_medium = device.trim_start_matches('(').trim_end_matches(')') == MEDIUM;
        let found = match what {
            "--fs-uuid" | "-u" if of_medium => self.medium.uuid.to_owned(),
            "--label" | "-l" if of_medium => self.medium.label.to_owned(),
            _ => UNKNOWN.to_string(),
        };
        variable.is_none_or(|variable| self.set(&variable, &found))
    }

    /// A path of the image; `None` for one of another device.
    fn path(&self, text: &str) -> Option<String> {
        let path = match text.strip_prefix('(') {
            Some(rest) => {
                let (device, path) = rest.split_once(')')?;
                (device == MEDIUM).then_some(path)?
            }
            None => (self.variables.get("root").map(String::as_str) == Some(MEDIUM)).then_some(text)?,
        };
        Some(path.trim_start_matches('/').to_owned()).filter(|path| !path.is_empty() && !path.contains(UNKNOWN))
    }

    fn expand_all(&self, words: &[Word]) -> Vec<String> {
        let mut room = COMMAND;
        let fits = |word: &String| {
            room = room.saturating_sub(word.len());
            room > 0
        };
        words.iter().flat_map(|word| self.expand(word)).take(WORDS).take_while(fits).collect()
    }

    /// A word with its variables replaced: several words where an unquoted variable holds white space, and none where
    /// there is nothing but empty variables.
    fn expand(&self, word: &Word) -> Vec<String> {
        let mut all = Vec::new();
        let mut current: Option<String> = None;
        for piece in word {
            let value = match piece {
                Piece::Text(text) => {
                    let too_long = text.len() > LONGEST;
                    let unknown = too_long.then(|| UNKNOWN.to_string());
                    current.get_or_insert_default().push_str(unknown.as_deref().unwrap_or(text));
                    continue;
                }
                Piece::Variable { name, .. } => self.variables.get(name).map(String::as_str).unwrap_or_default(),
            };
            match piece {
                Piece::Variable { quoted: true, .. } => current.get_or_insert_default().push_str(value),
                _ => {
                    for (number, part) in value.split(char::is_whitespace).enumerate() {
                        if number > 0 {
                            all.extend(current.take());
                        }
                        if !part.is_empty() {
                            current.get_or_insert_default().push_str(part);
                        }
                    }
                }
            }
        }
        all.extend(current);
        for word in &mut all {
            if word.len() > LONGEST {
                // Marked, so that the word is left out, and short, so that words of words cannot fill the memory.
                *word = UNKNOWN.to_string();
            }
        }
        all
    }
}

/// The first argument that is no option; most options have a value.
fn title(words: &[String]) -> String {
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        match word.as_str() {
            "--class" | "--users" | "--hotkey" | "--source" | "--id" => drop(rest.next()),
            option if option.starts_with("--") => {}
            title => return title.to_owned(),
        }
    }
    String::new()
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests;
