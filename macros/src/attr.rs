//! Arguments: `key = value`, `key(..)` and bare words. Every mistake is kept, and each names what would be right.

use std::{fmt::Display, ops::RangeInclusive, time::Duration};

use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{
    Attribute, LitBool, LitInt, LitStr, Meta, Path, Token, Type, parse::Parser, punctuated::Punctuated,
};

use crate::{
    duration,
    errors::Errors,
    nearest::{list, suggest},
    runtime::{opened, plain},
};

/// The arguments that a macro knows.
#[derive(Debug)]
pub(crate) struct Grammar {
    /// Each argument, and how it is written.
    pub(crate) known: &'static [(&'static str, &'static str)],
}

/// The arguments that were given, each once.
#[derive(Debug, Default)]
pub(crate) struct Args {
    list: Vec<Arg>,
    /// Some could not be read, so what is missing may be among them.
    unread: bool,
}

/// One argument.
#[derive(Debug)]
pub(crate) struct Arg {
    pub(crate) key: Ident,
    /// How it should be written, for messages.
    written: &'static str,
    value: Value,
}

#[derive(Debug)]
enum Value {
    /// `broadcast`
    Bare,
    /// `topic = "shop.orders"`
    Is(TokenStream),
    /// `retry(attempts = 5)`
    List(Group),
}

impl Args {
    /// Reads arguments separated by commas.
    pub(crate) fn parse(tokens: TokenStream, grammar: &Grammar, errors: &mut Errors) -> Self {
        let mut args = Self::default();
        let tokens: Vec<_> = opened(tokens).into_iter().collect();
        for part in tokens.split(|token| is_punct(token, ',')) {
            let mut from = 0;
            for at in 1..part.len() {
                if begins_another(part, at) {
                    errors.at(&part[at], format!("expected `,` before `{}`", part[at]));
                    args.add(&part[from..at], grammar, errors);
                    from = at;
                }
            }
            args.add(&part[from..], grammar, errors);
        }
        args
    }

    /// Reads the arguments of every attribute of this name, as if they stood in one.
    pub(crate) fn of(attrs: &[Attribute], name: &str, grammar: &Grammar, errors: &mut Errors) -> Self {
        let mut tokens = TokenStream::new();
        let mut unread = false;
        for attr in attrs.iter().filter(|attr| attr.path().is_ident(name)) {
            match &attr.meta {
                Meta::List(list) => {
                    tokens.extend(list.tokens.clone());
                    tokens.extend(quote::quote!(,));
                }
                Meta::Path(_) => {}
                value @ Meta::NameValue(_) => {
                    errors.at(
                        value,
                        format!("arguments stand in parentheses, as in `#[{name}({})]`", example(grammar)),
                    );
                    unread = true;
                }
            }
        }
        let mut args = Self::parse(tokens, grammar, errors);
        args.unread |= unread;
        args
    }

    fn add(&mut self, part: &[TokenTree], grammar: &Grammar, errors: &mut Errors) {
        if part.is_empty() {
            return;
        }
        match self.read(part, grammar) {
            Ok(arg) => self.list.push(arg),
            Err(error) => {
                errors.push(error);
                self.unread = true;
            }
        }
    }

    fn read(&self, part: &[TokenTree], grammar: &Grammar) -> syn::Result<Arg> {
        let all = || part.iter().cloned().collect::<TokenStream>();
        let TokenTree::Ident(key) = &part[0] else {
            return Err(syn::Error::new_spanned(
                all(),
                format!("expected an argument, as in `{}`", example(grammar)),
            ));
        };
        let name = plain(key);
        let Some((_, written)) = grammar.known.iter().find(|(known, _)| *known == name) else {
            let known = suggest(&name, "argument", grammar.known.iter().map(|(known, _)| *known));
            return Err(syn::Error::new_spanned(key, format!("unknown argument `{name}`; {known}")));
        };
        if self.get(&name).is_some() {
            return Err(syn::Error::new_spanned(key, format!("`{name}` is given twice")));
        }
        let value = match &part[1..] {
            [] => Value::Bare,
            [TokenTree::Group(group)] => Value::List(group.clone()),
            [equals, value @ ..] if is_punct(equals, '=') && !value.is_empty() => {
                Value::Is(value.iter().cloned().collect())
            }
            _ => return Err(syn::Error::new_spanned(all(), format!("`{name}` is written `{written}`"))),
        };
        Ok(Arg { key: key.clone(), written, value })
    }

    /// The argument of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&Arg> {
        self.list.iter().find(|arg| plain(&arg.key) == name)
    }

    /// Whether every argument that was given could be read.
    pub(crate) fn complete(&self) -> bool {
        !self.unread
    }

    /// Every argument, in the order in which they were given.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arg> {
        self.list.iter()
    }
}

impl Arg {
    /// The place of what follows the key, or of the key itself.
    pub(crate) fn value_tokens(&self) -> TokenStream {
        match &self.value {
            Value::Bare => self.key.to_token_stream(),
            Value::Is(tokens) => tokens.clone(),
            Value::List(group) => group.to_token_stream(),
        }
    }

    /// Reports that the value should be something else.
    fn expected(&self, what: impl Display, errors: &mut Errors) {
        errors.at(self.value_tokens(), format!("`{}` is {what}, as in `{}`", plain(&self.key), self.written));
    }

    pub(crate) fn parsed<T>(
        &self,
        parser: impl Parser<Output = T>,
        what: impl Display,
        errors: &mut Errors,
    ) -> Option<T> {
        let parsed = match &self.value {
            Value::Is(tokens) => parser.parse2(tokens.clone()).ok(),
            Value::Bare | Value::List(_) => None,
        };
        if parsed.is_none() {
            self.expected(what, errors);
        }
        parsed
    }

    /// The tokens after `=`.
    pub(crate) fn tokens(&self, what: &str, errors: &mut Errors) -> Option<TokenStream> {
        self.parsed(|input: syn::parse::ParseStream<'_>| input.parse::<TokenStream>(), what, errors)
    }

    /// A string.
    pub(crate) fn string(&self, errors: &mut Errors) -> Option<LitStr> {
        self.parsed(<LitStr as syn::parse::Parse>::parse, "a string", errors)
    }

    /// A string that `check` accepts.
    pub(crate) fn checked(
        &self,
        check: impl FnOnce(&str) -> Result<(), String>,
        errors: &mut Errors,
    ) -> Option<LitStr> {
        let literal = self.string(errors)?;
        match check(&literal.value()) {
            Ok(()) => Some(literal),
            Err(message) => {
                errors.at(&literal, message);
                None
            }
        }
    }

    /// A whole number within a range.
    pub(crate) fn number<T>(&self, range: RangeInclusive<T>, errors: &mut Errors) -> Option<T>
    where
        T: std::str::FromStr<Err: Display> + PartialOrd + Display,
    {
        let literal = self.parsed(<LitInt as syn::parse::Parse>::parse, "a whole number", errors)?;
        let number = literal.base10_parse().ok().filter(|number| range.contains(number));
        if number.is_none() || !literal.suffix().is_empty() {
            let (min, max) = range.into_inner();
            errors.at(&literal, format!("`{}` is a whole number from {min} to {max}", plain(&self.key)));
            return None;
        }
        number
    }

    /// `true` or `false`.
    pub(crate) fn boolean(&self, errors: &mut Errors) -> Option<bool> {
        self.parsed(<LitBool as syn::parse::Parse>::parse, "`true` or `false`", errors)
            .map(|literal| literal.value)
    }

    /// A duration as a string.
    pub(crate) fn duration(&self, errors: &mut Errors) -> Option<Duration> {
        let literal = self.parsed(<LitStr as syn::parse::Parse>::parse, "a duration in quotes", errors)?;
        duration::parse(&literal.value()).map_err(|message| errors.at(&literal, message)).ok()
    }

    /// A duration as a string, longer than nothing.
    pub(crate) fn positive_duration(&self, errors: &mut Errors) -> Option<Duration> {
        let duration = self.duration(errors)?;
        if duration.is_zero() {
            errors.at(self.value_tokens(), format!("`{}` must be more than zero", plain(&self.key)));
            return None;
        }
        Some(duration)
    }

    /// Whether the value is this one word.
    pub(crate) fn is_word(&self, word: &str) -> bool {
        matches!(&self.value, Value::Is(tokens) if syn::parse2::<Ident>(tokens.clone()).is_ok_and(|ident| ident == word))
    }

    /// Whether the value is made of words, not of a literal.
    pub(crate) fn is_words(&self) -> bool {
        let first = match &self.value {
            Value::Is(tokens) => tokens.clone().into_iter().next(),
            Value::Bare | Value::List(_) => None,
        };
        first.is_some_and(|first| matches!(first, TokenTree::Ident(_)) || is_punct(&first, ':'))
    }

    /// One of several words; gives what stands beside it.
    pub(crate) fn word<T: Copy>(&self, words: &[(&'static str, T)], errors: &mut Errors) -> Option<T> {
        let names: Vec<_> = words.iter().map(|(name, _)| *name).collect();
        let ident = self.parsed(<Ident as syn::ext::IdentExt>::parse_any, list(&names, "or"), errors)?;
        let found = words.iter().find(|(name, _)| ident == *name).map(|(_, value)| *value);
        if found.is_none() {
            let known = suggest(&ident.to_string(), "word", names);
            errors.at(&ident, format!("unknown word `{ident}` for `{}`; {known}", plain(&self.key)));
        }
        found
    }

    /// A path.
    pub(crate) fn path(&self, errors: &mut Errors) -> Option<Path> {
        self.parsed(Path::parse_mod_style, "a path", errors)
    }

    /// A type.
    pub(crate) fn ty(&self, errors: &mut Errors) -> Option<Type> {
        self.parsed(<Type as syn::parse::Parse>::parse, "a type", errors)
    }

    /// The types in parentheses, at least one.
    pub(crate) fn types(&self, errors: &mut Errors) -> Option<Vec<Type>> {
        let parsed = match &self.value {
            Value::List(group) if group.delimiter() == proc_macro2::Delimiter::Parenthesis => {
                Punctuated::<Type, Token![,]>::parse_terminated.parse2(group.stream()).ok()
            }
            Value::Bare | Value::Is(_) | Value::List(_) => None,
        };
        let types: Vec<_> = parsed.into_iter().flatten().collect();
        if types.is_empty() {
            errors.at(self.value_tokens(), format!("`{}` is written `{}`", plain(&self.key), self.written));
            return None;
        }
        Some(types)
    }

    /// A bare word, without a value.
    pub(crate) fn bare(&self, errors: &mut Errors) -> Option<Span> {
        if matches!(self.value, Value::Bare) {
            return Some(self.key.span());
        }
        errors.at(self.value_tokens(), format!("`{}` is a bare word; it takes no value", plain(&self.key)));
        None
    }

    /// Whether there is neither `=` nor `(..)`.
    pub(crate) fn is_bare(&self) -> bool {
        matches!(self.value, Value::Bare)
    }

    /// The arguments in parentheses.
    pub(crate) fn list(&self, grammar: &Grammar, errors: &mut Errors) -> Option<Args> {
        match &self.value {
            Value::List(group) if group.delimiter() == proc_macro2::Delimiter::Parenthesis => {
                Some(Args::parse(group.stream(), grammar, errors))
            }
            _ => {
                errors
                    .at(self.value_tokens(), format!("`{}` is written `{}`", plain(&self.key), self.written));
                None
            }
        }
    }
}

/// Where another argument begins although no comma says so: at `name =` or `name(` after a value.
fn begins_another(part: &[TokenTree], at: usize) -> bool {
    let before = matches!(&part[at - 1], TokenTree::Literal(_) | TokenTree::Ident(_) | TokenTree::Group(_));
    let name = matches!(&part[at], TokenTree::Ident(_));
    before
        && name
        && part.get(at + 1).is_some_and(|next| is_punct(next, '=') || matches!(next, TokenTree::Group(_)))
}

fn is_punct(token: &TokenTree, punct: char) -> bool {
    matches!(token, TokenTree::Punct(found) if found.as_char() == punct)
}

fn example(grammar: &Grammar) -> &'static str {
    grammar.known.first().map_or("", |(_, written)| written)
}

#[cfg(test)]
mod tests {
    use quote::quote;

    use super::*;

    const GRAMMAR: Grammar = Grammar {
        known: &[
            ("topic", "topic = \"a.b\""),
            ("order", "order = key"),
            ("retry", "retry(attempts = 5)"),
            ("broadcast", "broadcast"),
            ("concurrency", "concurrency = 32"),
        ],
    };

    fn parse(tokens: TokenStream) -> (Args, Errors) {
        let mut errors = Errors::default();
        let args = Args::parse(tokens, &GRAMMAR, &mut errors);
        (args, errors)
    }

    #[test]
    fn every_form_is_read() {
        let (args, mut errors) =
            parse(quote!(topic = "a.b", order = partition, retry(attempts = 5), broadcast,));
        assert_eq!(args.iter().count(), 4);
        let topic = args.get("topic").and_then(|arg| arg.string(&mut errors));
        assert_eq!(topic.map(|literal| literal.value()).as_deref(), Some("a.b"));
        let order = args.get("order").and_then(|arg| arg.word(&[("key", 1), ("partition", 2)], &mut errors));
        assert_eq!(order, Some(2));
        assert!(args.get("broadcast").and_then(|arg| arg.bare(&mut errors)).is_some());
        let inner = Grammar { known: &[("attempts", "attempts = 5")] };
        let retry = args.get("retry").and_then(|arg| arg.list(&inner, &mut errors));
        let attempts = retry.and_then(|retry| retry.get("attempts")?.number(1..=9_u32, &mut errors));
        assert_eq!(attempts, Some(5));
        assert!(errors.is_empty(), "{:?}", errors.messages());
    }

    #[test]
    fn every_mistake_is_kept() {
        let (args, errors) =
            parse(quote!(topik = "a", topic = "a" order = key, topic = "b", "c", rety = X, retry =));
        let known = "There are the arguments `topic`, `order`, `retry`, `broadcast` and `concurrency`";
        assert_eq!(
            errors.messages(),
            [
                &format!("unknown argument `topik`; did you mean `topic`? {known}"),
                "expected `,` before `order`",
                "`topic` is given twice",
                "expected an argument, as in `topic = \"a.b\"`",
                &format!("unknown argument `rety`; did you mean `retry`? {known}"),
                "`retry` is written `retry(attempts = 5)`",
            ]
        );
        assert_eq!(args.iter().count(), 2);
    }

    #[test]
    fn values_of_another_form_are_refused() {
        let (args, mut errors) =
            parse(quote!(topic = 5, order = "key", concurrency = 70000, broadcast = true, retry = 5));
        let none = args.get("topic").and_then(|arg| arg.string(&mut errors));
        assert!(none.is_none());
        assert_eq!(args.get("order").and_then(|arg| arg.word(&[("key", ())], &mut errors)), None);
        assert_eq!(args.get("concurrency").and_then(|arg| arg.number(1..=u16::MAX, &mut errors)), None);
        assert!(args.get("broadcast").and_then(|arg| arg.bare(&mut errors)).is_none());
        assert!(args.get("retry").and_then(|arg| arg.list(&GRAMMAR, &mut errors)).is_none());
        assert_eq!(
            errors.messages(),
            [
                "`topic` is a string, as in `topic = \"a.b\"`",
                "`order` is `key`, as in `order = key`",
                "`concurrency` is a whole number from 1 to 65535",
                "`broadcast` is a bare word; it takes no value",
                "`retry` is written `retry(attempts = 5)`",
            ]
        );
    }
}
