//! GRUB's language, read: a text becomes statements.
//!
//! Takes   the text of a config file, which is hostile.
//! Gives   [`Statement`]s. What is quoted, what is a variable and what is plain text is kept apart, as GRUB itself does
//!         (GRUB's manual, "Shell-like scripting"; grub-core/script/yylex.l and parser.y).
//! Fails   for blocks in blocks in blocks beyond [`DEPTH`]. Anything else that is not understood ends with its line.

use std::rc::Rc;

/// Blocks within one another.
pub(super) const DEPTH: usize = 24;

/// A part of a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Itself.
    Text(String),
    /// The value of a variable; between quotes it stays one word.
    Variable { name: String, quoted: bool },
}

/// A word before its variables are replaced. A quoted empty word is an empty text.
pub(super) type Word = Vec<Piece>;

/// A statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Statement {
    /// A command with its arguments.
    Command(Vec<Word>),
    /// A command with a block behind it: `menuentry`, `submenu`.
    Block(Vec<Word>, Vec<Statement>),
    /// Conditions with what follows them; the last may be without.
    If(Vec<(Vec<Statement>, Vec<Statement>)>, Vec<Statement>),
    /// `function NAME { … }`. Shared, so that a call costs no copy.
    Function(String, Rc<[Statement]>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(Word),
    /// A line's end, or `;`.
    End,
    Open,
    Close,
    /// A character with a meaning that is not understood here; its command is dropped.
    Strange,
}

impl Token {
    /// The text of a word that is nothing but text.
    fn plain(&self) -> Option<&str> {
        match self {
            Token::Word(pieces) => match pieces.as_slice() {
                [Piece::Text(text)] => Some(text),
                _ => None,
            },
            _ => None,
        }
    }
}

/// Parses a file; `None` when its blocks are nested too deeply.
pub(super) fn parse(text: &str) -> Option<Vec<Statement>> {
    let mut parser = Parser { tokens: tokens(text).into_iter().peekable(), deep: false };
    let mut all = Vec::new();
    while parser.tokens.peek().is_some() {
        all.extend(parser.statements(&[], 0));
        // A closing word without an opening one: what is behind it is read all the same.
        parser.tokens.next();
    }
    (!parser.deep).then_some(all)
}

struct Parser {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
    deep: bool,
}

impl Parser {
    /// Statements up to one of these words, a `}`, or the end; that is left.
    fn statements(&mut self, until: &[&str], depth: usize) -> Vec<Statement> {
        let mut all = Vec::new();
        if depth > DEPTH {
            self.deep = true;
            return all;
        }
        while let Some(token) = self.tokens.peek() {
            match token {
                Token::End => {
                    self.tokens.next();
                }
                Token::Close => break,
                token if token.plain().is_some_and(|word| until.contains(&word)) => break,
                _ => all.extend(self.statement(depth)),
            }
        }
        all
    }

    fn statement(&mut self, depth: usize) -> Option<Statement> {
        match self.tokens.peek()?.plain() {
            Some("if") => Some(self.conditions(depth)),
            Some("function") => self.function(depth),
            Some("for" | "while" | "until") => {
                // Loops are read and not run: no loopback.cfg makes its entries in one.
                self.tokens.next();
                self.statements(&["do"], depth + 1);
                self.tokens.next();
                self.statements(&["done"], depth + 1);
                self.tokens.next();
                None
            }
            _ => self.command(depth),
        }
    }

    fn conditions(&mut self, depth: usize) -> Statement {
        let (mut arms, mut other) = (Vec::new(), Vec::new());
        self.tokens.next();
        loop {
            let condition = self.statements(&["then", "fi"], depth + 1);
            self.take("then");
            let body = self.statements(&["elif", "else", "fi"], depth + 1);
            arms.push((condition, body));
            if !self.take("elif") {
                break;
            }
        }
        if self.take("else") {
            other = self.statements(&["fi"], depth + 1);
        }
        self.take("fi");
        Statement::If(arms, other)
    }

    fn function(&mut self, depth: usize) -> Option<Statement> {
        self.tokens.next();
        let name = self.tokens.next().and_then(|token| token.plain().map(str::to_owned));
        while self.tokens.next_if_eq(&Token::End).is_some() {}
        self.tokens.next_if_eq(&Token::Open)?;
        let body = self.statements(&[], depth + 1);
        self.tokens.next_if_eq(&Token::Close);
        name.map(|name| Statement::Function(name, body.into()))
    }

    fn command(&mut self, depth: usize) -> Option<Statement> {
        let (mut words, mut strange) = (Vec::new(), false);
        loop {
            match self.tokens.peek() {
                Some(Token::Word(_)) => {
                    if let Some(Token::Word(word)) = self.tokens.next() {
                        words.push(word);
                    }
                }
                Some(Token::Strange) => {
                    self.tokens.next();
                    strange = true;
                }
                Some(Token::Open) => {
                    self.tokens.next();
                    let body = self.statements(&[], depth + 1);
                    self.tokens.next_if_eq(&Token::Close);
                    return (!strange).then_some(Statement::Block(words, body));
                }
                Some(Token::End | Token::Close) | None => break,
            }
        }
        (!strange && !words.is_empty()).then_some(Statement::Command(words))
    }

    fn take(&mut self, word: &str) -> bool {
        self.tokens.next_if(|token| token.plain() == Some(word)).is_some()
    }
}

fn tokens(text: &str) -> Vec<Token> {
    let mut all = Vec::new();
    let mut letters = text.chars().peekable();
    let mut word: Option<Word> = None;
    while let Some(letter) = letters.next() {
        let end = |word: &mut Option<Word>, all: &mut Vec<Token>| all.extend(word.take().map(Token::Word));
        match letter {
            '\\' => match letters.next() {
                // A line that goes on in the next one.
                Some('\n') | None => {}
                // Red Hat's GRUB leaves `\x20` as it is, which the menus of its family rely on for blanks in labels.
                Some('x') if letters.clone().take(2).filter(char::is_ascii_hexdigit).count() == 2 => {
                    push_text(&mut word, "\\x".to_owned());
                }
                Some('\r') if letters.peek() == Some(&'\n') => {
                    letters.next();
                }
                Some(letter) => push(&mut word, letter),
            },
            '\'' => {
                word.get_or_insert_default();
                push_text(&mut word, letters.by_ref().take_while(|letter| *letter != '\'').collect());
            }
            '"' => double_quoted(&mut letters, &mut word),
            // A text that is translated.
            '$' if letters.peek() == Some(&'"') => {}
            '$' => match variable(&mut letters) {
                Some(name) => word.get_or_insert_default().push(Piece::Variable { name, quoted: false }),
                None => push(&mut word, '$'),
            },
            '#' if word.is_none() => while letters.next_if(|letter| *letter != '\n').is_some() {},
            letter => {
                let token = match letter {
                    '\n' | ';' => Some(Token::End),
                    '{' => Some(Token::Open),
                    '}' => Some(Token::Close),
                    '|' | '&' | '<' | '>' => Some(Token::Strange),
                    _ => None,
                };
                if token.is_some() || letter.is_whitespace() {
                    end(&mut word, &mut all);
                    all.extend(token);
                } else {
                    push(&mut word, letter);
                }
            }
        }
    }
    all.extend(word.map(Token::Word));
    all
}

/// Up to the closing quote. A backslash takes the meaning of `$`, `"` and itself only.
fn double_quoted(letters: &mut std::iter::Peekable<std::str::Chars>, word: &mut Option<Word>) {
    // An empty text keeps `""` a word.
    push_text(word, String::new());
    while let Some(letter) = letters.next() {
        match letter {
            '"' => return,
            '\\' => match letters.next_if(|next| matches!(next, '$' | '"' | '\\' | '\n')) {
                Some('\n') => {}
                Some(next) => push(word, next),
                None => push(word, '\\'),
            },
            '$' => match variable(letters) {
                Some(name) => word.get_or_insert_default().push(Piece::Variable { name, quoted: true }),
                None => push(word, '$'),
            },
            letter => push(word, letter),
        }
    }
}

/// The name behind a `$`, with and without braces; `None` when there is none.
fn variable(letters: &mut std::iter::Peekable<std::str::Chars>) -> Option<String> {
    let is_name = |letter: &char| letter.is_ascii_alphanumeric() || *letter == '_';
    if letters.next_if_eq(&'{').is_some() {
        let name: String =
            std::iter::from_fn(|| letters.next_if(|letter| is_name(letter) || "?@#*".contains(*letter))).collect();
        letters.next_if_eq(&'}');
        return Some(name);
    }
    if let Some(special) = letters.next_if(|letter| "?@#*".contains(*letter)) {
        return Some(special.to_string());
    }
    let name: String = std::iter::from_fn(|| letters.next_if(is_name)).collect();
    (!name.is_empty()).then_some(name)
}

fn push(word: &mut Option<Word>, letter: char) {
    match word.get_or_insert_default().last_mut() {
        Some(Piece::Text(text)) => text.push(letter),
        _ => push_text(word, letter.to_string()),
    }
}

fn push_text(word: &mut Option<Word>, more: String) {
    let word = word.get_or_insert_default();
    match word.last_mut() {
        Some(Piece::Text(text)) => text.push_str(&more),
        _ => word.push(Piece::Text(more)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<Word> {
        match parse(line).unwrap().pop() {
            Some(Statement::Command(words)) => words,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn text(word: &str) -> Word {
        vec![Piece::Text(word.into())]
    }

    #[test]
    fn quotes_as_grub_reads_them() {
        assert_eq!(words(r#"a 'b $c "d' "" e\ f g"h i"j"#), ["a", "b $c \"d", "", "e f", "gh ij"].map(text));
        assert_eq!(words(r#""\$a\"\\\x" # b"#), [text(r#"$a"\\x"#)]);
        assert_eq!(words("a \\\n b; "), ["a", "b"].map(text));
        assert_eq!(words(r#"A\x20B\xgh $"c d""#), [r"A\x20B\xgh".replace("\\xg", "xg").as_str(), "c d"].map(text));
        let variable = |name: &str, quoted| Piece::Variable { name: name.into(), quoted };
        assert_eq!(words("${a}b"), [vec![variable("a", false), Piece::Text("b".into())]]);
        assert_eq!(
            words("\"$a_1/\""),
            [vec![Piece::Text(String::new()), variable("a_1", true), Piece::Text("/".into())]]
        );
    }

    #[test]
    fn blocks() {
        let one = parse("menuentry 'a' --class b {\n linux /k\n initrd /i\n}\nset x=1").unwrap();
        let [Statement::Block(words, body), Statement::Command(_)] = one.as_slice() else { panic!("{one:?}") };
        assert_eq!((words.len(), body.len()), (4, 2));
        let two = parse("if a; then b; elif c; then if d; then e; fi; else f\nfi; g").unwrap();
        let [Statement::If(arms, other), Statement::Command(_)] = two.as_slice() else { panic!("{two:?}") };
        assert_eq!((arms.len(), other.len()), (2, 1));
        let three = parse("function f {\n a\n}\nfor x in a b; do c; done\nf").unwrap();
        assert!(
            matches!(three.as_slice(), [Statement::Function(name, _), Statement::Command(_)] if name == "f"),
            "{three:?}"
        );
        assert_eq!(parse("a | b; c > d; e").unwrap(), [Statement::Command(vec![text("e")])]);
        assert_eq!(parse("} fi a").unwrap().len(), 1);
    }

    #[test]
    fn nesting_has_an_end() {
        assert!(parse(&"if a; then ".repeat(100)).is_none());
        assert!(parse(&"submenu {".repeat(100_000)).is_none());
        assert!(parse(&"submenu {".repeat(DEPTH)).is_some());
    }
}
