//! A handler's marker and its impls.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;

use super::{Facts, HandlerDef};
use crate::runtime::{last_ident, place, plain};

impl HandlerDef {
    pub(super) fn expand(&self) -> TokenStream {
        let Self { cfgs, vis, ident, facts, .. } = self;
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
            #(#cfgs)*
            #[doc(hidden)]
            #[allow(non_camel_case_types, missing_debug_implementations, unreachable_pub)]
            #vis enum #ident {}

            #(#cfgs)*
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
        let attempts = self.attempts(facts);
        let at_input = self.runtime.private_at(last_ident(input));
        let at_output = self.runtime.private_at(last_ident(output));
        let publishers = extractors.iter().map(|extractor| {
            let p = self.runtime.private_at(last_ident(extractor));
            quote!(<#extractor as #p::FromDelivery>::PUBLISHES)
        });
        let topic = topic.iter().map(|topic| quote!(.on_topic(#topic)));
        let group = group.iter().map(|group| quote!(.in_group(#group)));
        let policy = policy.expand(&p).map(|policy| quote!(.with_policy(#policy)));
        // What the types owe stands first and once: rustc reports the rest of the body only where that is paid.
        quote! {{
            let accepts = <#input as #at_input::Input>::ACCEPTS;
            let any = <#input as #at_input::Input>::ANY;
            let batch = <#input as #at_input::Input>::BATCH;
            let publishes = #p::Events::Many(&[<#output as #at_output::Outputs>::PUBLISHES, #(#publishers),*]);
            #p::HandlerDescriptor::new(#name, #module, #attempts)
                .accepting(accepts, any, batch)
                .publishing(publishes)
                #(#topic)*
                #(#group)*
                #policy
        }}
    }

    /// Decodes, extracts, calls. The future is the function's own.
    fn attempts(&self, facts: &Facts) -> TokenStream {
        let ident = &self.ident;
        let Facts { input, extractors, output, .. } = facts;
        let at_input = self.runtime.private_at(last_ident(input));
        let names: Vec<_> = (0..extractors.len()).map(|nth| format_ident!("extracted_{nth}")).collect();
        let extract = names.iter().zip(extractors).map(|(name, extractor)| {
            let p = self.runtime.private_at(last_ident(extractor));
            quote!(let #name = #p::extract::<#extractor>(arrival)?;)
        });
        let span = place(ident.span());
        let at_ident = self.runtime.private_at(ident.span());
        let call = quote_spanned!(span=> ::core::result::Result::Ok(#ident(input, #(#names),*)));
        let closure = quote! {
            |arrival| {
                let input = <#input as #at_input::Input>::from_arrival(arrival)?;
                #(#extract)*
                #call
            }
        };
        let attempts = quote_spanned!(span=> #at_ident::attempts::<#output, _, _>(slots, #closure));
        quote!(|slots| #attempts)
    }

    /// The rules that concern the handler alone, each where its mistake would be.
    fn checks(&self, facts: &Facts) -> TokenStream {
        let topic = match &facts.topic {
            Some(topic) => self.check("topic_mismatch", topic.span()),
            None => self.check("topic_missing", facts.input.span()),
        };
        let batch = facts.batch.map(|word| self.check("batch_mismatch", word));
        quote!(#topic #batch)
    }

    /// A check of the descriptor, whose message is shown at `span`.
    ///
    /// It is not a `const _`, since whatever that names counts as used, and rustc should say of a handler that no
    /// service lists that it is never used.
    fn check(&self, rule: &str, span: Span) -> TokenStream {
        let ident = &self.ident;
        let p = self.runtime.private_at(span);
        let name = format_ident!("_{}", rule.to_uppercase());
        let rule = format_ident!("{rule}");
        quote_spanned! {place(span)=>
            const #name: () = {
                let handler = <#ident as #p::Handler>::DESCRIPTOR;
                if let ::core::option::Option::Some(text) = #p::#rule(&handler) {
                    ::core::panic!("{}", text.as_str());
                }
            };
        }
    }
}
