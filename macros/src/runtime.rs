//! The crate `typebus` as the user's crate knows it, and where the tokens that name it are placed.

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::Path;

use crate::{attr::Arg, errors::Errors};

/// The path of the runtime: `::typebus`, or what `crate = ..` says.
pub(crate) struct Runtime(Option<Path>);

impl Runtime {
    /// The runtime under its own name, or under the one that an argument gives.
    pub(crate) fn new(arg: Option<&Arg>, errors: &mut Errors) -> Self {
        Self(arg.and_then(|arg| arg.path(errors)))
    }

    /// The runtime at `path`.
    pub(crate) fn at(path: Option<Path>) -> Self {
        Self(path)
    }

    /// The module of everything that generated code names.
    pub(crate) fn private(&self) -> TokenStream {
        match &self.0 {
            Some(path) => quote!(#path::__private),
            None => quote!(::typebus::__private),
        }
    }

    /// The same module, placed where the user's mistake would be, so that it does not draw an error to the attribute.
    pub(crate) fn private_at(&self, span: Span) -> TokenStream {
        match &self.0 {
            Some(_) => placed(self.private(), span),
            None => quote_spanned!(place(span)=> ::typebus::__private),
        }
    }
}

/// `span` as the place of a token that the macro wrote: errors are shown there, lints know that it is generated.
pub(crate) fn place(span: Span) -> Span {
    Span::call_site().located_at(span)
}

/// The tokens, all placed at `span`; names still mean what they meant.
fn placed(tokens: TokenStream, span: Span) -> TokenStream {
    let place = |mut token: TokenTree| {
        let at = token.span().located_at(span);
        if let TokenTree::Group(group) = &token {
            token = Group::new(group.delimiter(), placed(group.stream(), span)).into();
        }
        token.set_span(at);
        token
    };
    tokens.into_iter().map(place).collect()
}

/// The last identifier of a type: `refund` in `billing::refund`, since errors are best shown there.
pub(crate) fn last_ident(tokens: &impl ToTokens) -> Span {
    let tokens = opened(tokens.to_token_stream()).into_iter();
    let first = tokens.clone().next().map(|token| token.span());
    let idents =
        tokens.take_while(|token| !matches!(token, TokenTree::Punct(punct) if punct.as_char() == '<'));
    let last = idents.filter(|token| matches!(token, TokenTree::Ident(_))).last().map(|token| token.span());
    last.or(first).unwrap_or_else(Span::call_site)
}

/// The tokens without the invisible groups that a macro by example puts around what it was given.
pub(crate) fn opened(tokens: TokenStream) -> TokenStream {
    let open = |token| match token {
        TokenTree::Group(group) if group.delimiter() == Delimiter::None => opened(group.stream()),
        token => token.into(),
    };
    tokens.into_iter().flat_map(open).collect()
}

/// The text of an identifier without `r#`.
pub(crate) fn plain(ident: &syn::Ident) -> String {
    let text = ident.to_string();
    text.strip_prefix("r#").map(str::to_owned).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_path_is_used_everywhere() {
        let expanded = [
            crate::event::derive(quote! {
                #[event(topic = "a.b", key = id, id = id, crate = company::bus)]
                struct Placed { id: u8 }
            }),
            crate::event_set::derive(quote!(
                #[event(crate = company::bus)]
                enum Any {
                    Placed(Placed),
                }
            )),
            crate::key::derive(quote!(
                #[key(crate = company::bus)]
                struct Id(u8);
            )),
            crate::handler_error::derive(quote! {
                #[outcome(crate = company::bus)]
                enum Error {
                    #[outcome(retry(after = "1s"))] Late,
                    #[outcome(inherit)] Other(Inner),
                }
            }),
            crate::handler::attribute(
                quote!(topic = "a.b", retry(attempts = 2), timeout = "1s", batch(), crate = company::bus),
                quote!(
                    async fn charge(batch: Batch<Placed>, gateway: State<Gateway>) -> Paid {
                        Paid
                    }
                ),
            ),
            crate::service::function(quote! {
                pub Billing = "billing" { handles: [charge], publishes: [Sent], state: [A, B], crate: company::bus }
            }),
        ];
        for tokens in expanded {
            let text = tokens.to_string();
            assert!(text.contains("company :: bus :: __private"), "{text}");
            assert!(!text.contains("typebus") && !text.contains("compile_error"), "{text}");
        }
    }
}
