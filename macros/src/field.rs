//! A field, or a path to one inside: `order_id`, `customer.id`, `id.0`.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{Fields, Ident, Index, Member};

use crate::{nearest::suggest, runtime::plain};

/// A path whose first part is a field of the struct; the rest is left to rustc.
pub(crate) struct FieldPath(Vec<Member>);

impl FieldPath {
    /// Reads a path; `None` if the tokens are none.
    pub(crate) fn parse(tokens: TokenStream) -> Option<Self> {
        let mut parts = Vec::new();
        let mut dot = true;
        for token in tokens {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == '.' && !dot => {
                    dot = true;
                    continue;
                }
                TokenTree::Ident(ident) if dot => parts.push(Member::Named(ident)),
                // `id.0.1` holds the number `0.1`.
                TokenTree::Literal(literal) if dot => {
                    for number in literal.to_string().split('.') {
                        let index = number.parse().ok()?;
                        parts.push(Member::Unnamed(Index { index, span: literal.span() }));
                    }
                }
                _ => return None,
            }
            dot = false;
        }
        (!dot).then_some(Self(parts))
    }

    /// The field that a topic names in braces, placed at the literal.
    pub(crate) fn named(name: &str, span: Span) -> Option<Self> {
        if let Ok(index) = name.parse() {
            return Some(Self(vec![Member::Unnamed(Index { index, span })]));
        }
        let ident = match syn::parse_str::<Ident>(name) {
            Ok(ident) => Ident::new(&ident.to_string(), span),
            // A keyword, which as the name of a field is written `r#type`.
            Err(_) => {
                let raw = syn::parse_str::<Ident>(&format!("r#{name}")).ok()?;
                Ident::new_raw(&plain(&raw), span)
            }
        };
        Some(Self(vec![Member::Named(ident)]))
    }

    /// As it is written, without `r#`.
    pub(crate) fn name(&self) -> String {
        let part = |member: &Member| match member {
            Member::Named(ident) => plain(ident),
            Member::Unnamed(index) => index.index.to_string(),
        };
        self.0.iter().map(part).collect::<Vec<_>>().join(".")
    }

    /// What is wrong with the first part, and where.
    pub(crate) fn check(&self, ty: &Ident, fields: &Fields) -> Result<(), (Span, String)> {
        let first = &self.0[0];
        let members: Vec<_> = fields.members().collect();
        if members.contains(first) {
            return Ok(());
        }
        let names: Vec<_> = members.iter().map(text).collect();
        let message = match names[..] {
            [] => format!("no field `{}` on `{ty}`, which has no fields", text(first)),
            _ => {
                let known = suggest(&text(first), "field", names.iter().map(String::as_str));
                format!("no field `{}` on `{ty}`; {known}", text(first))
            }
        };
        Err((span(first), message))
    }

    /// The place of the last part.
    pub(crate) fn span(&self) -> Span {
        self.0.last().map_or_else(Span::call_site, span)
    }
}

fn text(member: &Member) -> String {
    match member {
        Member::Named(ident) => plain(ident),
        Member::Unnamed(index) => index.index.to_string(),
    }
}

fn span(member: &Member) -> Span {
    match member {
        Member::Named(ident) => ident.span(),
        Member::Unnamed(index) => index.span,
    }
}

impl ToTokens for FieldPath {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let parts = &self.0;
        tokens.extend(quote!(#(#parts).*));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(tokens: TokenStream) -> Option<Vec<String>> {
        FieldPath::parse(tokens).map(|path| path.0.iter().map(text).collect())
    }

    #[test]
    fn a_path_is_fields_joined_by_dots() {
        assert_eq!(parse(quote!(order_id)), Some(vec!["order_id".to_owned()]));
        assert_eq!(parse(quote!(r#type.id)), Some(vec!["type".to_owned(), "id".to_owned()]));
        assert_eq!(parse(quote!(id.0.1)), Some(vec!["id".to_owned(), "0".to_owned(), "1".to_owned()]));
        assert_eq!(parse(quote!(0)), Some(vec!["0".to_owned()]));
    }

    #[test]
    fn anything_else_is_not() {
        for tokens in [
            quote!(),
            quote!(.a),
            quote!(a.),
            quote!(a..b),
            quote!(a + b),
            quote!(a()),
            quote!("a"),
            quote!(a b),
        ] {
            assert_eq!(parse(tokens.clone()), None, "{tokens}");
        }
    }
}
