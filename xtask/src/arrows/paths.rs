//! The paths that a source file writes, without a parser: words, `::`, and braces after `use` say enough.

use std::collections::BTreeSet;

/// A path, with the line in which it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) line: usize,
    pub(super) root: Root,
    /// From the root on. A glob ends in `*`.
    pub(super) segments: Vec<String>,
    /// What it is called from then on, after `as`.
    pub(super) renamed: Option<String>,
}

/// Where a path begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Root {
    /// In this crate's root, after `super` and `self` are resolved.
    Crate,
    /// In another crate, or at a name that the file itself imports.
    Elsewhere,
}

/// Reads the paths of a file that is the module `here`. `modules` are all that the crate has, so that `child::X`
/// can be told from another crate.
pub(super) fn read(text: &str, here: &[String], modules: &BTreeSet<Vec<String>>) -> Vec<Named> {
    let mut reader =
        Reader { tokens: tokens(text), at: 0, module: here.to_vec(), modules, found: Vec::new() };
    reader.file();
    reader.found
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Token<'a> {
    /// A word, `::`, or one character.
    text: &'a str,
    line: usize,
}

struct Reader<'a> {
    tokens: Vec<Token<'a>>,
    at: usize,
    /// With the modules that are written into the file.
    module: Vec<String>,
    modules: &'a BTreeSet<Vec<String>>,
    found: Vec<Named>,
}

impl<'a> Reader<'a> {
    fn file(&mut self) {
        // For each open brace, whether it is that of a module.
        let mut braces = Vec::new();
        while let Some(text) = self.text(0) {
            match text {
                "mod" if self.is_word(1) && self.text(2) == Some("{") => {
                    self.module.extend(self.text(1).map(str::to_owned));
                    braces.push(true);
                    self.at += 3;
                }
                "{" => {
                    braces.push(false);
                    self.at += 1;
                }
                "}" => {
                    if braces.pop() == Some(true) {
                        self.module.pop();
                    }
                    self.at += 1;
                }
                "use" => {
                    self.at += 1;
                    self.tree(&[]);
                }
                _ if self.is_word(0) && self.text(1) == Some("::") && self.is_start() => self.path(),
                _ => self.at += 1,
            }
        }
    }

    fn text(&self, ahead: usize) -> Option<&'a str> {
        self.tokens.get(self.at + ahead).map(|token| token.text)
    }

    fn is_word(&self, ahead: usize) -> bool {
        self.text(ahead).is_some_and(is_word)
    }

    /// Whether a path begins here: it does not after `a::`, but after the `::` of `::a`.
    fn is_start(&self) -> bool {
        let before = |back: usize| self.at.checked_sub(back).map(|at| self.tokens[at].text);
        before(1) != Some("::") || !before(2).is_some_and(|text| is_word(text) || text == ">")
    }

    /// `a::b::c`, outside of a `use`.
    fn path(&mut self) {
        let mut segments = Vec::new();
        let mut line = 0;
        while let Some(token) = self.tokens.get(self.at).copied().filter(|token| is_word(token.text)) {
            segments.push(token.text);
            line = token.line;
            self.at += 1;
            if self.text(0) != Some("::") {
                break;
            }
            self.at += 1;
        }
        self.add(&segments, line, None);
    }

    /// What follows `use`: `a::b`, `a::{b, c as d}`, `a::*`.
    fn tree(&mut self, before: &[&'a str]) {
        let mut segments = before.to_vec();
        while let Some(Token { text, line }) = self.tokens.get(self.at).copied() {
            self.at += 1;
            match text {
                "::" => {}
                "{" => {
                    while self.text(0).is_some_and(|text| text != "}") {
                        self.tree(&segments);
                        if self.text(0) == Some(",") {
                            self.at += 1;
                        }
                    }
                    self.at += 1;
                    return;
                }
                "*" => {
                    segments.push(text);
                    return self.add(&segments, line, None);
                }
                _ if is_word(text) => {
                    segments.push(text);
                    if self.text(0) == Some("::") {
                        continue;
                    }
                    let renamed = self.text(1).filter(|_| self.text(0) == Some("as"));
                    self.at += if renamed.is_some() { 2 } else { 0 };
                    return self.add(&segments, line, renamed);
                }
                _ => return,
            }
        }
    }

    fn add(&mut self, written: &[&str], line: usize, renamed: Option<&str>) {
        let mut words = written.iter().copied().peekable();
        let mut root = Root::Crate;
        let mut segments: Vec<String> = match words.peek().copied() {
            Some("crate") => {
                words.next();
                Vec::new()
            }
            Some("self") => {
                words.next();
                self.module.clone()
            }
            Some("super") => self.module.clone(),
            Some(name) => {
                let mut child = self.module.clone();
                child.push(name.to_owned());
                if self.modules.contains(&child) {
                    self.module.clone()
                } else {
                    // Another crate, or imported by a `use` that is read as well.
                    root = Root::Elsewhere;
                    Vec::new()
                }
            }
            None => return,
        };
        while words.next_if_eq(&"super").is_some() {
            segments.pop();
        }
        // `a::{self}` is `a`.
        segments.extend(
            words.filter(|word| *word != "self").map(|word| word.trim_start_matches("r#").to_owned()),
        );
        if root == Root::Crate && segments.is_empty() {
            // The root under another name would hide everything.
            segments.push("*".to_owned());
        }
        self.found.push(Named { line, root, segments, renamed: renamed.map(str::to_owned) });
    }
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c == '_' || c.is_alphabetic())
}

/// Words and signs, without comments and literals.
fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let (mut rest, mut line) = (text, 1);
    while let Some(first) = rest.chars().next() {
        let literal = literal(rest);
        let len = match first {
            _ if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            _ if rest.starts_with("/*") => comment(rest),
            _ if literal > 0 => literal,
            _ if rest.starts_with("::") => 2,
            _ if is_word(rest) => word(rest),
            _ => first.len_utf8(),
        };
        let (token, after) = rest.split_at(len);
        let is_token =
            is_word(token) && literal == 0 || token == "::" || token.len() == 1 && !first.is_whitespace();
        if is_token {
            tokens.push(Token { text: token, line });
        }
        line += token.matches('\n').count();
        rest = after;
    }
    tokens
}

/// The length of a word, `r#type` included.
fn word(text: &str) -> usize {
    let raw = if text.starts_with("r#") { 2 } else { 0 };
    let end = |c: char| c != '_' && !c.is_alphanumeric();
    text[raw..].find(end).map_or(text.len(), |len| raw + len)
}

/// The length of a comment that may hold others.
fn comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        match &text.as_bytes()[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

/// The length of a string, character or lifetime; 0 if none begins here.
fn literal(text: &str) -> usize {
    let prefix = ["br", "cr", "b", "c", "r", ""].into_iter().find(|prefix| {
        let after = text.strip_prefix(prefix).unwrap_or_default();
        after.starts_with(['"', '\''])
            || prefix.ends_with('r') && after.trim_start_matches('#').starts_with('"')
    });
    let Some(prefix) = prefix else { return 0 };
    let after = &text[prefix.len()..];
    if prefix.ends_with('r') {
        let hashes = after.len() - after.trim_start_matches('#').len();
        let end = format!("\"{}", &after[..hashes]);
        let inside = prefix.len() + hashes + 1;
        return text[inside..].find(&end).map_or(text.len(), |len| inside + len + end.len());
    }
    let mut inside = after.chars();
    match (inside.next(), inside.next(), inside.next()) {
        // A lifetime, or a label.
        (Some('\''), Some(first), second) if first != '\\' && second != Some('\'') => 1 + word(&after[1..]),
        (Some(quote), ..) => prefix.len() + quoted(after, quote),
        (None, ..) => 0,
    }
}

/// The length of what stands in quotes, with them.
fn quoted(text: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            _ if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<&str> {
        tokens(text).into_iter().map(|token| token.text).collect()
    }

    #[test]
    fn literals_and_comments_are_passed_over() {
        assert_eq!(texts("a::b // c\nd"), ["a", "::", "b", "d"]);
        assert_eq!(texts("a /* b /* c */ d */ e"), ["a", "e"]);
        assert_eq!(texts(r#"a "b \" c" d"#), ["a", "d"]);
        assert_eq!(texts("a r#\"b \" c\"# br\"d\" e r#type"), ["a", "e", "r#type"]);
        assert_eq!(texts(r"a '\'' b '\\' c 'd' e 'é'"), ["a", "b", "c", "e"]);
        assert_eq!(texts("&'a str"), ["&", "str"]);
        assert_eq!(texts("'outer: loop"), [":", "loop"]);
    }

    #[test]
    fn lines_are_those_of_the_file() {
        let lines: Vec<_> = tokens("a\n\"b\n\"\nc /*\n*/ d").into_iter().map(|token| token.line).collect();
        assert_eq!(lines, [1, 4, 5]);
    }

    #[test]
    fn a_tree_is_written_out() {
        let modules = BTreeSet::from([vec!["here".to_owned(), "child".to_owned()]]);
        let text =
            "use crate::{a, b::{self, c as d, *}};\nuse super::e;\nuse child::F;\nuse {std::fmt, ::other};";
        let found = read(text, &["here".to_owned()], &modules);
        let found: Vec<_> = found
            .into_iter()
            .map(|Named { line, root, segments, .. }| (line, root == Root::Crate, segments.join("::")))
            .collect();
        let expected = [
            (1, true, "a"),
            (1, true, "b"),
            (1, true, "b::c"),
            (1, true, "b::*"),
            (2, true, "e"),
            (3, true, "here::child::F"),
            (4, false, "std::fmt"),
            (4, false, "other"),
        ];
        assert_eq!(found, expected.map(|(line, is_ours, path)| (line, is_ours, path.to_owned())));
    }
}
