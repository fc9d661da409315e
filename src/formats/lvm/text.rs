//! The text that LVM keeps its metadata in (lvm2's lib/format_text and libdm/libdm-config.c).
//!
//! Takes   text: `name { … }`, `name = value`, comments from `#` to the line's end.
//! Gives   [`Section`]s of numbers, strings, lists and sections.
//! Fails   at the byte where something else stands. Depth and length are limited, so any text ends.

/// Sections in sections; LVM has five.
const DEEPEST: usize = 8;
/// Entries in all; a volume group of a thousand volumes has about thirty thousand.
const MOST: usize = 1 << 17;

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Number(u64),
    Text(String),
    List(Vec<Value>),
    Section(Section),
}

/// Names with their values, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Section(Vec<(String, Value)>);

impl Section {
    fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    pub(super) fn number(&self, name: &str) -> Option<u64> {
        if let Some(Value::Number(number)) = self.get(name) { Some(*number) } else { None }
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        if let Some(Value::Text(text)) = self.get(name) { Some(text) } else { None }
    }

    pub(super) fn list(&self, name: &str) -> &[Value] {
        if let Some(Value::List(list)) = self.get(name) { list } else { &[] }
    }

    pub(super) fn section(&self, name: &str) -> Option<&Section> {
        if let Some(Value::Section(section)) = self.get(name) { Some(section) } else { None }
    }

    /// Every section in this one, with its name.
    pub(super) fn sections(&self) -> impl Iterator<Item = (&str, &Section)> {
        self.0.iter().filter_map(|(name, value)| match value {
            Value::Section(section) => Some((name.as_str(), section)),
            _ => None,
        })
    }
}

/// Reads all of it; the byte where it cannot be, otherwise.
pub(super) fn parse(text: &[u8]) -> Result<Section, usize> {
    let mut reader = Reader { text, at: 0, left: MOST };
    let top = reader.section(0).filter(|_| reader.peek().is_none());
    top.ok_or(reader.at)
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    left: usize,
}

impl Reader<'_> {
    /// The next byte that is neither white space nor part of a comment. The text ends at its first NUL.
    fn peek(&mut self) -> Option<u8> {
        loop {
            match self.text.get(self.at).copied() {
                Some(b'#') => {
                    let rest = self.text.get(self.at..).unwrap_or_default();
                    self.at += rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
                }
                Some(byte) if byte.is_ascii_whitespace() => self.at += 1,
                other => return other.filter(|byte| *byte != 0),
            }
        }
    }

    fn take(&mut self, wanted: u8) -> Option<()> {
        (self.peek()? == wanted).then(|| self.at += 1)
    }

    /// Letters, digits and what else names and numbers have.
    fn word(&mut self) -> Option<&str> {
        self.peek()?;
        let rest = self.text.get(self.at..)?;
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-+./".contains(byte);
        let len = rest.iter().position(|byte| !plain(byte)).unwrap_or(rest.len());
        self.at += len;
        std::str::from_utf8(rest.get(..len)?).ok().filter(|word| !word.is_empty())
    }

    /// Up to the brace that ends it, or to the end of the text.
    fn section(&mut self, depth: usize) -> Option<Section> {
        let mut section = Section::default();
        while self.peek().is_some_and(|byte| byte != b'}') {
            self.left = self.left.checked_sub(1)?;
            let name = self.word()?.to_owned();
            let value = if self.take(b'{').is_some() {
                let inner = self.section(Some(depth + 1).filter(|depth| *depth < DEEPEST)?)?;
                self.take(b'}')?;
                Value::Section(inner)
            } else {
                self.take(b'=')?;
                self.value(true)?
            };
            section.0.push((name, value));
        }
        Some(section)
    }

    fn value(&mut self, lists: bool) -> Option<Value> {
        self.left = self.left.checked_sub(1)?;
        match self.peek()? {
            b'"' => self.string(),
            b'[' if lists => {
                self.at += 1;
                let mut list = Vec::new();
                while self.peek()? != b']' {
                    list.push(self.value(false)?);
                    if self.peek()? != b']' {
                        self.take(b',')?;
                    }
                }
                self.at += 1;
                Some(Value::List(list))
            }
            // LVM also writes numbers with a sign or a point, none of which counts here.
            _ => self.word().map(|word| word.parse().map_or_else(|_| Value::Text(word.to_owned()), Value::Number)),
        }
    }

    /// In quotes; a backslash keeps the quote or backslash behind it.
    fn string(&mut self) -> Option<Value> {
        let mut bytes = Vec::new();
        let mut rest = self.text.get(self.at + 1..)?.iter();
        loop {
            match rest.next()? {
                b'"' => break,
                b'\\' => bytes.push(*rest.next()?),
                byte => bytes.push(*byte),
            }
        }
        self.at = self.text.len() - rest.len();
        Some(Value::Text(String::from_utf8_lossy(&bytes).into_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_of_every_kind() {
        let text = b"a { # { }\n b = -1 c = [\"x\\\"y\", 2 , \n] d=\"#\" e { } }\nversion = 1 # end\n\0junk }";
        let top = parse(text).unwrap();
        let a = top.section("a").unwrap();
        assert_eq!(top.number("version"), Some(1));
        assert_eq!((a.number("b"), a.text("d")), (None, Some("#")));
        assert_eq!(a.list("c"), [Value::Text("x\"y".into()), Value::Number(2)]);
        assert_eq!(a.sections().map(|(name, _)| name).collect::<Vec<_>>(), ["e"]);
    }

    #[test]
    fn other_texts_are_refused_where_they_are_wrong() {
        for (text, at) in [("a {", 3), ("a = ", 4), ("a }", 2), ("}", 0), ("a = [1 2]", 7), ("a = \"x", 4)] {
            assert_eq!(parse(text.as_bytes()), Err(at), "{text}");
        }
        assert!(parse("a {".repeat(9).as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "[a-z0-9 {}=\\[\\],\"\\\\#\n\u{0}-]{0,200}") {
            let _ = parse(text.as_bytes());
        }
    }
}
