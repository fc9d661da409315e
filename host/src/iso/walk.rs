//! Paths of a tree: from the root down, through links, and never out.
//!
//! Takes   a tree that can name what is in a directory and what a link says.
//! Gives   what stands at a path, as `openat2(2)` with RESOLVE_IN_ROOT gives it to init: `..` at the root stays there,
//!         and an absolute link counts from the root of the tree.
//! Fails   for a path or links that are too long; a link that leads back to itself leads nowhere.

use std::collections::VecDeque;
use std::io;

/// Links that are followed for one path: the kernel's own bound (MAXSYMLINKS).
const LINKS: usize = 40;
/// Components that one path may have after its links were put in: PATH_MAX of single letters.
const COMPONENTS: usize = 2048;

/// What stands somewhere, itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file, and whether it may be executed.
    File {
        /// Any of the three bits.
        executable: bool,
    },
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A block device.
    BlockDevice,
    /// Anything else.
    Other,
}

/// A tree of directories, link by link.
pub trait Nodes {
    /// What names a node.
    type Id: Clone;
    /// The root.
    fn root(&self) -> Self::Id;
    /// What a directory holds by that name.
    fn child(&self, folder: &Self::Id, name: &str) -> io::Result<Option<(Self::Id, Kind)>>;
    /// What a link says; `None` when it is no text.
    fn link(&self, id: &Self::Id) -> io::Result<Option<String>>;
}

/// What stands at a path, links followed; `None` when nothing does.
pub fn resolve<N: Nodes>(nodes: &N, path: &str) -> io::Result<Option<(N::Id, Kind)>> {
    let mut rest: VecDeque<String> = components(path).collect();
    // The directories on the way, so that `..` needs no look-up.
    let mut way = vec![nodes.root()];
    let mut links = 0;
    while let Some(name) = rest.pop_front() {
        if name == ".." {
            if way.len() > 1 {
                way.pop();
            }
            continue;
        }
        let Some(folder) = way.last() else { return Ok(None) };
        let Some((id, kind)) = nodes.child(folder, &name)? else { return Ok(None) };
        match kind {
            Kind::Directory => way.push(id),
            Kind::Link => {
                links += 1;
                let Some(target) = nodes.link(&id)?.filter(|_| links <= LINKS) else { return Ok(None) };
                if target.starts_with('/') {
                    way.truncate(1);
                }
                for name in components(&target).collect::<Vec<_>>().into_iter().rev() {
                    rest.push_front(name);
                }
                if rest.len() > COMPONENTS {
                    return Err(super::damaged("a path of too many links"));
                }
            }
            _ if rest.is_empty() => return Ok(Some((id, kind))),
            _ => return Ok(None),
        }
    }
    Ok(way.pop().map(|id| (id, Kind::Directory)))
}

fn components(path: &str) -> impl Iterator<Item = String> {
    path.split('/').filter(|name| !name.is_empty() && *name != ".").map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Paths with what stands there; links begin with `@`.
    struct Sketch(&'static [&'static str]);

    impl Nodes for Sketch {
        type Id = String;
        fn root(&self) -> String {
            String::new()
        }
        fn child(&self, folder: &String, name: &str) -> io::Result<Option<(String, Kind)>> {
            let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
            let line = self.0.iter().find(|line| line.split('@').next() == Some(&path));
            let below = format!("{path}/");
            let kind = match line {
                Some(line) if line.contains('@') => Kind::Link,
                Some(_) => Kind::File { executable: false },
                None if self.0.iter().any(|line| line.starts_with(&below)) => Kind::Directory,
                None => return Ok(None),
            };
            Ok(Some((path, kind)))
        }
        fn link(&self, id: &String) -> io::Result<Option<String>> {
            let line = self.0.iter().find(|line| line.split('@').next() == Some(id));
            Ok(line.and_then(|line| line.split_once('@')).map(|(_, target)| target.to_owned()))
        }
    }

    const TREE: Sketch = Sketch(&[
        "casper@casper_pop",
        "casper_pop/vmlinuz",
        "deep/down/up@../../casper/vmlinuz",
        "out@../../../casper_pop/vmlinuz",
        "absolute@/casper_pop",
        "self@self",
        "ping@pong",
        "pong@ping",
        "broken@nowhere/at/all",
        "file",
        "twice@casper/./..//casper/vmlinuz",
    ]);

    #[test]
    fn links_lead_within_the_tree() {
        let file = Some("casper_pop/vmlinuz".to_owned());
        for path in [
            "casper/vmlinuz",
            "/casper/vmlinuz/",
            "deep/down/up",
            "out",
            "absolute/vmlinuz",
            "../../casper/vmlinuz",
            "twice",
        ] {
            assert_eq!(resolve(&TREE, path).unwrap().map(|(id, _)| id), file, "{path}");
        }
        for path in ["self", "ping/x", "broken", "file/x", "file/../file", "casper/none", "nothing"] {
            assert_eq!(resolve(&TREE, path).unwrap(), None, "{path}");
        }
        assert_eq!(resolve(&TREE, "").unwrap(), Some((String::new(), Kind::Directory)));
        assert_eq!(resolve(&TREE, "casper/..").unwrap(), Some((String::new(), Kind::Directory)));
    }

    #[test]
    fn links_that_grow_are_refused() {
        let grow =
            Sketch(&["a@a/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x"]);
        assert_eq!(resolve(&grow, "a").unwrap(), None);
    }

    proptest! {
        #[test]
        fn every_path_has_an_end(path in "[a-z./]{0,40}") {
            let _ = resolve(&TREE, &path);
        }
    }
}
