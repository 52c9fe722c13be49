//! Documentation comments, for the contract.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, Expr, ExprLit, Lit, Meta};

/// `.documented("..")`, if there is documentation.
///
/// Doc attributes that are no literals, `#[doc = include_str!(..)]`, stand in a `concat!` as they are.
pub(crate) fn documented(attrs: &[Attribute]) -> Option<TokenStream> {
    let mut parts: Vec<TokenStream> = Vec::new();
    let mut text = String::new();
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("doc")) {
        // `#[doc(hidden)]` is no text.
        let Meta::NameValue(doc) = &attr.meta else { continue };
        match &doc.value {
            Expr::Lit(ExprLit { lit: Lit::Str(line), .. }) => {
                let line = line.value();
                text.push_str(line.strip_prefix(' ').unwrap_or(&line));
                text.push('\n');
            }
            other => {
                let before = std::mem::take(&mut text);
                parts.push(quote!(#before, #other, "\n",));
            }
        }
    }
    if parts.is_empty() {
        let text = text.trim();
        return (!text.is_empty()).then(|| quote!(.documented(#text)));
    }
    Some(quote!(.documented(::core::concat!(#(#parts)* #text))))
}
