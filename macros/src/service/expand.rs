//! A service's type and impls.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::Attribute;

use super::ServiceDef;
use crate::{
    docs,
    entries::Entry,
    hash,
    runtime::{Runtime, last_ident, place, plain},
};

impl ServiceDef {
    pub(super) fn expand(&self) -> TokenStream {
        let Self { attrs, vis, ident, name, lists, broken, .. } = self;
        let p = self.runtime.private();
        let cfgs = self.cfgs();
        let handlers = lists.handles.iter().map(|entry| self.listed(entry));
        let published = lists.publishes.iter().map(|entry| self.published(entry));
        let published_by = lists.publishes.iter().map(|entry| self.published_by(entry));
        let provides = lists.state.iter().map(|entry| self.provides(entry));
        let states = self.states();
        let checks = self.checks();
        let hash = hash::hash(name);
        let docs = docs::documented(attrs);
        let manifest = (!broken && !lists.no_manifest && !is_for_tests()).then(|| self.manifest());
        // Placed at the name: where a message shows the service, it shows that and not the whole `service!`.
        quote_spanned! {place(ident.span())=>
            #(#attrs)*
            #[derive(::core::fmt::Debug)]
            #vis enum #ident {}

            #(#cfgs)*
            #[automatically_derived]
            impl #p::Service for #ident {
                const DESCRIPTOR: #p::ServiceDescriptor = {
                    const HANDLERS: &[#p::HandlerDescriptor] = &[#(#handlers),*];
                    const PUBLISHES: &[#p::Events] = &[#(#published),*];
                    #p::ServiceDescriptor::new(#name, #hash, HANDLERS, PUBLISHES, #broken)
                        #docs
                };
            }

            #(#published_by)*
            #(#provides)*
            #states
            #checks
            #manifest
        }
    }

    /// The test that compares the manifest with the file beside the code.
    fn manifest(&self) -> TokenStream {
        let Self { ident, .. } = self;
        let p = self.runtime.private();
        let cfgs = self.cfgs();
        let test = format_ident!("manifest_of_{}", snake(&plain(ident)));
        quote! {
            #(#cfgs)*
            #[cfg(test)]
            #[::core::prelude::v1::test]
            #[allow(unnameable_test_items)]
            fn #test() {
                #p::keep_manifest::<#ident>(::core::option_env!("CARGO_MANIFEST_DIR"));
            }
        }
    }

    fn cfgs(&self) -> Vec<&Attribute> {
        self.attrs.iter().filter(|attr| attr.path().is_ident("cfg")).collect()
    }

    /// A handler's descriptor; the service has all the state that it needs, or rustc says so at its name.
    fn listed(&self, Entry { cfgs, ty }: &Entry) -> TokenStream {
        let Self { ident, .. } = self;
        let span = last_ident(ty);
        let p = self.runtime.private_at(span);
        quote_spanned!(place(span)=> #(#cfgs)* <#ty as #p::RunsIn<#ident>>::LISTED)
    }

    fn published(&self, Entry { cfgs, ty }: &Entry) -> TokenStream {
        let Self { ident, .. } = self;
        let span = last_ident(ty);
        let p = self.runtime.private_at(span);
        quote_spanned!(place(span)=> #(#cfgs)* #p::published::<#ident, #ty>())
    }

    fn published_by(&self, Entry { cfgs, ty }: &Entry) -> TokenStream {
        let Self { ident, .. } = self;
        let outer = self.cfgs();
        let span = last_ident(ty);
        let p = self.runtime.private_at(span);
        quote_spanned! {place(span)=>
            #(#outer)* #(#cfgs)*
            #[automatically_derived]
            impl #p::PublishedBy<#ident> for #ty {}
        }
    }

    fn provides(&self, Entry { cfgs, ty }: &Entry) -> TokenStream {
        let Self { ident, .. } = self;
        let outer = self.cfgs();
        let span = last_ident(ty);
        let p = self.runtime.private_at(span);
        quote_spanned! {place(span)=>
            #(#outer)* #(#cfgs)*
            #[automatically_derived]
            impl #p::Provides<#ty> for #ident {}
        }
    }

    /// What the builder wants. A tuple's type cannot have `#[cfg]` inside, so each combination has its own impl.
    fn states(&self) -> TokenStream {
        let state = &self.lists.state;
        let optional: Vec<_> = (0..state.len()).filter(|nth| !state[*nth].cfgs.is_empty()).collect();
        let combinations = 0..1_usize << optional.len();
        combinations
            .map(|combination| {
                let absent: Vec<_> = optional
                    .iter()
                    .enumerate()
                    .filter(|(bit, _)| combination >> bit & 1 == 1)
                    .map(|(_, nth)| *nth)
                    .collect();
                let conditions = optional.iter().map(|nth| {
                    let all = conditions(&state[*nth].cfgs);
                    if absent.contains(nth) { quote!(not(#all)) } else { all }
                });
                let cfg = (!optional.is_empty()).then(|| quote!(#[cfg(all(#(#conditions),*))]));
                let present: Vec<_> =
                    (0..state.len()).filter(|nth| !absent.contains(nth)).map(|nth| &state[nth]).collect();
                self.state_of(&cfg, &present)
            })
            .collect()
    }

    fn state_of(&self, cfg: &Option<TokenStream>, present: &[&Entry]) -> TokenStream {
        let Self { ident, .. } = self;
        let p = self.runtime.private();
        let outer = self.cfgs();
        let types = present.iter().map(|entry| &entry.ty);
        let names: Vec<_> = (0..present.len()).map(|nth| format_ident!("state_{nth}")).collect();
        let add = present
            .iter()
            .zip(&names)
            .map(|(Entry { ty, .. }, name)| quote!(#p::States::add::<#ty>(into, #name);));
        let (ty, pattern) = match names.len() {
            0 => (quote!(#p::NoState), quote!(_)),
            1 => (quote!(#(#types)*), quote!(#(#names)*)),
            _ => (quote!((#(#types),*)), quote!((#(#names),*))),
        };
        let into = if present.is_empty() { quote!(_) } else { quote!(into) };
        // What needs no state may be given none, or `()` where an argument is asked for.
        let unit = present.is_empty().then(|| {
            quote_spanned! {place(ident.span())=>
                #(#outer)* #cfg
                #[automatically_derived]
                impl #p::StateOf<()> for #ident {
                    fn collect(_: (), _: &mut #p::States) {}
                }
            }
        });
        quote_spanned! {place(ident.span())=>
            #(#outer)* #cfg
            #[automatically_derived]
            impl #p::StateOf<#ty> for #ident {
                fn collect(#pattern: #ty, #into: &mut #p::States) {
                    #(#add)*
                }
            }
            #unit
        }
    }

    /// The rules among the handlers, each shown at a handler's name, and those for all events, at the service's.
    ///
    /// The compiler looks at the whole service once; each handler then asks what was found.
    fn checks(&self) -> TokenStream {
        let Self { ident, lists, .. } = self;
        let p = self.runtime.private();
        let outer = self.cfgs();
        let conflicts = lists.handles.iter().enumerate().map(|(nth, Entry { cfgs, ty })| {
            let span = last_ident(ty);
            let p = self.runtime.private_at(span);
            check(
                &self.runtime,
                cfgs,
                span,
                &quote_spanned! {place(span)=>
                    SURVEY.conflict(&SERVICE, <#ty as #p::RunsIn<#ident>>::LISTED, #nth)
                },
            )
        });
        let clash =
            check(&self.runtime, &[], ident.span(), &quote_spanned!(place(ident.span())=> SURVEY.clash()));
        quote! {
            #(#outer)*
            const _: () = {
                static SERVICE: #p::ServiceDescriptor = <#ident as #p::Service>::DESCRIPTOR;
                static SURVEY: #p::Survey<{ #p::known(SERVICE) }> = #p::Survey::of(&SERVICE);
                #(#conflicts)*
                #clash
            };
        }
    }
}

/// A check whose `text`, where there is one, is shown at `span`.
pub(crate) fn check(runtime: &Runtime, cfgs: &[Attribute], span: Span, text: &TokenStream) -> TokenStream {
    let p = runtime.private_at(span);
    quote_spanned! {place(span)=>
        #(#cfgs)*
        const _: () = #p::refuse(#text);
    }
}

/// What several `#[cfg]` ask for together.
fn conditions(cfgs: &[Attribute]) -> TokenStream {
    let each = cfgs.iter().map(|cfg| match &cfg.meta {
        syn::Meta::List(list) => list.tokens.clone(),
        other => other.to_token_stream(),
    });
    quote!(all(#(#each),*))
}

/// Whether the code is an integration test or a bench, by the variable that Cargo sets for these alone. Their services
/// are nobody's contract.
fn is_for_tests() -> bool {
    std::env::var_os("CARGO_TARGET_TMPDIR").is_some()
}

/// `BillingOfOrders` as `billing_of_orders`.
fn snake(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !snake.is_empty() && !snake.ends_with('_') {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}
