//! Lists of names in `service!` and `topology!`: `[charge, billing::refund]`.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Attribute, Token, Type, parse::ParseStream};

use crate::errors::Errors;

/// An entry of a list.
pub(crate) struct Entry {
    pub(crate) cfgs: Vec<Attribute>,
    pub(crate) ty: Type,
}

/// Reads what stands in the brackets, as in `example`; what follows a mistake is read as far as that is possible.
pub(crate) fn parse_entries(input: ParseStream<'_>, example: &str, errors: &mut Errors) -> Vec<Entry> {
    let mut entries = Vec::new();
    while !input.is_empty() {
        match parse_entry(input, errors) {
            Ok(entry) => entries.push(entry),
            Err(error) => {
                errors.at_span(error.span(), format!("expected a name, as in {example}"));
                skip_entry(input);
                continue;
            }
        }
        if !input.is_empty() && input.parse::<Token![,]>().is_err() {
            errors.at_span(input.span(), "expected `,`");
            skip_entry(input);
        }
    }
    entries
}

fn parse_entry(input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<Entry> {
    let (cfgs, others): (Vec<_>, Vec<_>) =
        input.call(Attribute::parse_outer)?.into_iter().partition(|attr| attr.path().is_ident("cfg"));
    for other in others {
        errors.at(other, "an entry can have `#[cfg(..)]`, and no other attribute");
    }
    Ok(Entry { cfgs, ty: input.parse()? })
}

/// Reports an entry that stands there twice, and keeps one. Those with `#[cfg]` may exclude each other.
pub(crate) fn drop_repeated(entries: &mut Vec<Entry>, why: &str, errors: &mut Errors) {
    let mut seen: Vec<String> = Vec::new();
    entries.retain(|Entry { cfgs, ty }| {
        let text = ty.to_token_stream().to_string();
        let repeated = cfgs.is_empty() && seen.contains(&text);
        if repeated {
            errors.at(ty, format!("`{}` is listed twice; {why}", text.replace(' ', "")));
        } else if cfgs.is_empty() {
            seen.push(text);
        }
        !repeated
    });
}

/// Passes over everything up to and with the next comma.
pub(crate) fn skip_entry(input: ParseStream<'_>) {
    skip(input, |input| input.peek(Token![,]));
    // At the end there is no comma.
    let _ = input.parse::<Token![,]>();
}

/// Passes over everything up to what `until` finds.
pub(crate) fn skip(input: ParseStream<'_>, until: impl Fn(ParseStream<'_>) -> bool) {
    while !input.is_empty() && !until(input) && input.parse::<TokenTree>().is_ok() {}
}

/// Everything that is left.
pub(crate) fn rest(input: ParseStream<'_>) -> TokenStream {
    input.parse().unwrap_or_default()
}
