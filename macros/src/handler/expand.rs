//! A handler's marker and its impls.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};

use super::{Facts, HandlerDef};
use crate::{
    hash,
    runtime::{last_ident, place, plain},
};

impl HandlerDef {
    pub(super) fn expand(&self) -> TokenStream {
        let Self { vis, ident, facts, .. } = self;
        let p = self.runtime.private();
        let name = plain(ident);
        let module = quote!(::core::module_path!());
        let descriptor = match facts {
            Some(facts) => self.descriptor(facts, &name, &module),
            None => quote!(#p::HandlerDescriptor::broken(#name, #module)),
        };
        let asked = facts.iter().flat_map(|facts| &facts.extractors).map(|extractor| {
            let p = self.runtime.private_at(last_ident(extractor));
            quote!(#extractor: #p::AskedIn<S>,)
        });
        let checks = facts.as_ref().map(|facts| self.checks(facts));
        quote! {
            #[doc(hidden)]
            #[allow(non_camel_case_types, missing_debug_implementations, unreachable_pub)]
            #vis enum #ident {}

            const _: () = {
                #[automatically_derived]
                impl #p::Handler for #ident {
                    const DESCRIPTOR: #p::HandlerDescriptor = #descriptor;
                }

                #[automatically_derived]
                impl<S> #p::RunsIn<S> for #ident where #(#asked)* {}

                #checks
            };
        }
    }

    fn descriptor(&self, facts: &Facts, name: &str, module: &TokenStream) -> TokenStream {
        let p = self.runtime.private();
        let Facts { topic, group, policy, input, extractors, output, .. } = facts;
        let slots = self.slots(facts);
        let publishers = extractors.iter().map(|extractor| {
            let p = self.runtime.private_at(last_ident(extractor));
            quote!(<#extractor as #p::FromDelivery>::PUBLISHES)
        });
        let publishing =
            (!extractors.is_empty()).then(|| quote!(.publishing(#p::Events::Many(&[#(#publishers),*]))));
        let hash = hash::hash(name);
        let topic = topic.iter().map(|topic| {
            let hashed = hash::topic(&topic.value(), &p);
            quote!(.on_topic(#hashed))
        });
        let group = group.iter().map(|group| {
            let hash = hash::hash(&group.value());
            quote!(.in_group(#group, #hash))
        });
        let docs = &self.docs;
        let policy = policy.expand(&p).map(|policy| quote!(.with_policy(#policy)));
        quote! {
            #p::HandlerDescriptor::of::<#input, _, #output>(#name, #hash, #module, #slots)
                #publishing
                #(#topic)*
                #(#group)*
                #policy
                #docs
        }
    }

    /// Decodes, extracts, calls. The future is the function's own.
    fn slots(&self, facts: &Facts) -> TokenStream {
        let ident = &self.ident;
        let Facts { input, extractors, output, .. } = facts;
        let names: Vec<_> = (0..extractors.len()).map(|nth| format_ident!("extracted_{nth}")).collect();
        let extract = names.iter().zip(extractors).map(|(name, extractor)| {
            let p = self.runtime.private_at(last_ident(extractor));
            quote!(let #name = <#extractor as #p::FromDelivery>::extract(arrival.first())?;)
        });
        let arrival = if extractors.is_empty() { quote!(_) } else { quote!(arrival) };
        let span = place(ident.span());
        let at_ident = self.runtime.private_at(ident.span());
        let call = quote_spanned!(span=> ::core::result::Result::Ok(#ident(input, #(#names),*)));
        let closure = quote! {
            |input, #arrival| {
                #(#extract)*
                #call
            }
        };
        let slots = quote_spanned! {span=>
            #at_ident::HandlerDescriptor::slots::<#input, _, #output, _, _>(slots, #closure)
        };
        quote!(|slots| #slots)
    }

    /// The rules that concern the handler alone, each shown where its mistake would be.
    ///
    /// They are no `const _`, since whatever that names counts as used, and rustc should say of a handler that no
    /// service lists that it is never used.
    fn checks(&self, facts: &Facts) -> TokenStream {
        let topic = facts.topic.iter().map(|topic| self.check("topic_mismatch", topic.span()));
        let input = self.check("input_mismatch", last_ident(&facts.input));
        // It is written beside any of the others, so it has a constant of its own.
        let batch = facts.batch.iter().map(|word| {
            let check = self.check("batch_mismatch", *word);
            quote!(const _BATCH: () = #check;)
        });
        quote! {
            const _CHECKED: () = {
                #(#topic;)*
                #input
            };
            #(#batch)*
        }
    }

    fn check(&self, rule: &str, span: Span) -> TokenStream {
        let ident = &self.ident;
        let p = self.runtime.private_at(span);
        let rule = format_ident!("{rule}");
        quote_spanned!(place(span)=> #p::refuse(#p::#rule(<#ident as #p::Handler>::DESCRIPTOR)))
    }
}
