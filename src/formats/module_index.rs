//! depmod's binary index files: `modules.dep.bin`, `modules.alias.bin`, `modules.builtin.bin` and their like.
//!
//! Takes   the bytes of a file. Format: kmod's libkmod-index.h; a trie in big endian whose values carry priorities.
//! Gives   the values of a name, or of all patterns that match a name, as modprobe finds them.
//! Fails   when the header is not that of such a file. Damage further in makes a lookup give less, never run for long:
//!         a sound file is a tree, so one lookup reads no byte twice, and that bounds the work.

use super::fields::{be32, slice, u8_at};
use super::{FormatError, glob};

const MAGIC: u32 = 0xb007_f457;
const VERSION_MAJOR: u32 = 2;
const HEADER: usize = 12;

// In the upper bits of a node's offset: which parts the node has.
const PREFIX: u32 = 0x8000_0000;
const VALUES: u32 = 0x4000_0000;
const CHILDREN: u32 = 0x2000_0000;
const OFFSET: u32 = 0x0fff_ffff;

/// One index file in memory.
pub struct Index {
    bytes: Vec<u8>,
    root: u32,
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Index({} bytes)", self.bytes.len())
    }
}

/// A node, cut out of the file.
struct Node<'a> {
    /// What all names below have in common from here on.
    prefix: &'a [u8],
    /// The letter of the first child.
    first: u8,
    /// Offsets of the children, four bytes each; 0: no child.
    children: &'a [u8],
    /// Behind the number of values: priority and text, each.
    values: &'a [u8],
    count: u32,
}

impl Node<'_> {
    fn child(&self, letter: u8) -> Option<u32> {
        let index = usize::from(letter.checked_sub(self.first)?);
        be32(self.children, index * 4).filter(|&child| child != 0)
    }
}

/// What a lookup may still do, in bytes looked at.
struct Budget(usize);

impl Budget {
    fn spend(&mut self, bytes: usize) -> Option<()> {
        self.0 = self.0.checked_sub(bytes)?;
        Some(())
    }
}

impl Index {
    /// Takes a file, and checks its header.
    ///
    /// # Errors
    /// [`FormatError::Unexpected`] for another magic or version, or a file that ends within the header.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, FormatError> {
        let field = |at, expected| {
            be32(&bytes, at).ok_or_else(|| {
                let seen = format!("the end after {} bytes", bytes.len());
                FormatError::Unexpected { expected, seen, offset: at as u64 }
            })
        };
        let magic = field(0, "a module index")?;
        if magic != MAGIC {
            let seen = format!("{magic:08x}");
            return Err(FormatError::Unexpected { expected: "the magic b007f457 of a module index", seen, offset: 0 });
        }
        let version = field(4, "the version of a module index")?;
        if version >> 16 != VERSION_MAJOR {
            let seen = format!("{}.{}", version >> 16, version & 0xffff);
            return Err(FormatError::Unexpected { expected: "version 2 of the module index", seen, offset: 4 });
        }
        let root = field(8, "the root of a module index")?;
        Ok(Self { bytes, root })
    }

    /// The value of exactly this name with the lowest priority number, as for `modules.dep.bin`: `path: path path`.
    #[must_use]
    pub fn exact(&self, key: &str) -> Option<String> {
        let key = normalise(key);
        let mut budget = self.budget();
        let mut rest = key.as_slice();
        let mut node = self.node(self.root, &mut budget)?;
        loop {
            rest = rest.strip_prefix(node.prefix)?;
            let Some((&letter, tail)) = rest.split_first() else { break };
            node = self.node(node.child(letter)?, &mut budget)?;
            rest = tail;
        }
        let mut found = Vec::new();
        push_values(&node, &mut found);
        ordered(found).into_iter().next()
    }

    /// The values of all patterns that match `key`, such as the names of modules for a modalias; lowest priority number
    /// first, each once.
    #[must_use]
    pub fn lookup(&self, key: &str) -> Vec<String> {
        let key = normalise(key);
        let mut found = Vec::new();
        // None: the file is damaged, or the trie has nothing further for this name. Either way that was all.
        let _ended = self.walk(&key, &mut found);
        ordered(found)
    }

    /// Follows the letters of `key`; wherever a pattern begins beside the path, matches everything below it.
    fn walk<'a>(&'a self, key: &[u8], found: &mut Vec<(u32, &'a [u8])>) -> Option<()> {
        let mut budget = self.budget();
        let mut rest = key;
        let mut node = self.node(self.root, &mut budget)?;
        loop {
            let literal = node.prefix.iter().position(|letter| b"*?[".contains(letter));
            if let Some(at) = literal {
                let (letters, pattern) = node.prefix.split_at_checked(at)?;
                rest = rest.strip_prefix(letters)?;
                return self.below(&node, pattern, rest, &mut budget, found);
            }
            rest = rest.strip_prefix(node.prefix)?;
            for wild in *b"*?[" {
                if let Some(child) = node.child(wild) {
                    let child = self.node(child, &mut budget)?;
                    let pattern = [&[wild], child.prefix].concat();
                    self.below(&child, &pattern, rest, &mut budget, found)?;
                }
            }
            let Some((&letter, tail)) = rest.split_first() else {
                push_values(&node, found);
                return Some(());
            };
            node = self.node(node.child(letter)?, &mut budget)?;
            rest = tail;
        }
    }

    /// Collects what matches `rest` at and below `node`, to which the pattern so far is `start`. Its own stack, as the
    /// depth of a damaged trie has no bound that suits the program's.
    fn below<'a>(
        &'a self,
        node: &Node<'a>,
        start: &[u8],
        rest: &[u8],
        budget: &mut Budget,
        found: &mut Vec<(u32, &'a [u8])>,
    ) -> Option<()> {
        let mut pattern = start.to_vec();
        let mut stack: Vec<(u32, usize, u8)> = Vec::new();
        let mut visit = |node: &Node<'a>, pattern: &[u8], stack: &mut Vec<_>, budget: &mut Budget| {
            let children = (node.first..=u8::MAX).zip(node.children.chunks_exact(4));
            let children = children.filter_map(|(letter, bytes)| Some((be32(bytes, 0).filter(|&to| to != 0)?, letter)));
            stack.extend(children.map(|(to, letter)| (to, pattern.len(), letter)));
            if node.count != 0 {
                budget.spend(pattern.len())?;
                if glob::matches(pattern, rest) {
                    push_values(node, found);
                }
            }
            Some(())
        };
        visit(node, &pattern, &mut stack, budget)?;
        while let Some((to, parent_len, letter)) = stack.pop() {
            let node = self.node(to, budget)?;
            pattern.truncate(parent_len);
            pattern.push(letter);
            pattern.extend(node.prefix);
            visit(&node, &pattern, &mut stack, budget)?;
        }
        Some(())
    }

    /// Each byte once, and each pattern once more for matching it; patterns are not longer than the nodes they come from
    /// are deep, so a sound file needs a fraction of this.
    fn budget(&self) -> Budget {
        Budget(self.bytes.len().saturating_mul(4))
    }

    /// Cuts out the node at `reference`.
    fn node(&self, reference: u32, budget: &mut Budget) -> Option<Node<'_>> {
        let start = (reference & OFFSET) as usize;
        if start < HEADER {
            return None;
        }
        let mut at = start;
        let mut node = Node { prefix: &[], first: 0, children: &[], values: &[], count: 0 };
        if reference & PREFIX != 0 {
            node.prefix = text(&self.bytes, at)?;
            at += node.prefix.len() + 1;
        }
        if reference & CHILDREN != 0 {
            node.first = u8_at(&self.bytes, at)?;
            let last = u8_at(&self.bytes, at + 1)?;
            let len = (usize::from(last.checked_sub(node.first)?) + 1) * 4;
            node.children = slice(&self.bytes, at + 2, len)?;
            at += 2 + len;
        }
        if reference & VALUES != 0 {
            node.count = be32(&self.bytes, at)?;
            at += 4;
            let from = at;
            for _ in 0..node.count {
                at += 4 + text(&self.bytes, at + 4)?.len() + 1;
            }
            node.values = self.bytes.get(from..at)?;
        }
        budget.spend(at - start)?;
        Some(node)
    }
}

/// The bytes at `at` up to the next NUL.
fn text(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let rest = bytes.get(at..)?;
    rest.get(..rest.iter().position(|&byte| byte == 0)?)
}

fn push_values<'a>(node: &Node<'a>, found: &mut Vec<(u32, &'a [u8])>) {
    let mut at = 0;
    while let (Some(priority), Some(value)) = (be32(node.values, at), text(node.values, at + 4)) {
        found.push((priority, value));
        at += 4 + value.len() + 1;
    }
}

/// Sorted by priority, each value at its first place only.
fn ordered(mut found: Vec<(u32, &[u8])>) -> Vec<String> {
    found.sort_unstable();
    let mut seen = std::collections::BTreeSet::new();
    found.retain(|&(_, value)| seen.insert(value));
    found.into_iter().map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect()
}

/// A name as the index has it: depmod stores `-` as `_`, but not between brackets.
#[must_use]
pub fn normalise(key: &str) -> Vec<u8> {
    let mut bracket = false;
    let letter = |byte| match byte {
        b'-' if !bracket => b'_',
        b'[' | b']' => {
            bracket = byte == b'[';
            byte
        }
        _ => byte,
    };
    key.bytes().map(letter).collect()
}

#[cfg(test)]
mod tests;
