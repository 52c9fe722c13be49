//! A topology's type, impl and checks.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};

use super::TopologyDef;
use crate::{
    entries::Entry,
    runtime::{Runtime, last_ident, place, plain},
    service::check,
};

impl TopologyDef {
    pub(super) fn expand(&self) -> TokenStream {
        let Self { attrs, vis, ident, lists, broken, .. } = self;
        let p = self.runtime.private();
        let cfgs: Vec<_> = attrs.iter().filter(|attr| attr.path().is_ident("cfg")).collect();
        let name = plain(ident);
        let services = lists.services.iter().map(|entry| self.service(entry));
        let [from, to, repeat] = [&lists.from_outside, &lists.to_outside, &lists.may_repeat]
            .map(|list| list.iter().map(|entry| self.events(entry)).collect::<Vec<_>>());
        let checks = (!broken).then(|| self.checks());
        quote_spanned! {place(ident.span())=>
            #(#attrs)*
            #[derive(::core::fmt::Debug)]
            #vis enum #ident {}

            #(#cfgs)*
            #[automatically_derived]
            impl #p::Topology for #ident {
                const DESCRIPTOR: #p::TopologyDescriptor = {
                    const SERVICES: &[#p::ServiceDescriptor] = &[#(#services),*];
                    #p::TopologyDescriptor::new(#name, SERVICES, &[#(#from),*], &[#(#to),*], &[#(#repeat),*])
                };
            }

            #(#cfgs)*
            const _: () = { #checks };
        }
    }

    fn service(&self, Entry { cfgs, ty }: &Entry) -> TokenStream {
        let span = last_ident(ty);
        let p = self.runtime.private_at(span);
        quote_spanned!(place(span)=> #(#cfgs)* <#ty as #p::Service>::DESCRIPTOR)
    }

    fn events(&self, Entry { cfgs, ty }: &Entry) -> TokenStream {
        let span = last_ident(ty);
        let p = self.runtime.private_at(span);
        quote_spanned!(place(span)=> #(#cfgs)* <#ty as #p::EventSet>::EVENTS)
    }

    /// The rules, each shown at the entry that would have to change. The compiler looks at the whole system once.
    fn checks(&self) -> TokenStream {
        let Self { ident, lists, .. } = self;
        let p = self.runtime.private();
        let services = lists.services.iter().enumerate().flat_map(|(nth, entry)| {
            ["conflict", "dead", "orphans", "caught"].map(|rule| {
                let service = self.service(&Entry { cfgs: Vec::new(), ty: entry.ty.clone() });
                let about = if rule == "conflict" { quote!(#service, #nth) } else { service };
                ask(&self.runtime, rule, entry, &about, rule != "caught")
            })
        });
        let entries = [
            ("needless_source", &lists.from_outside),
            ("needless_sink", &lists.to_outside),
            ("needless_repeat", &lists.may_repeat),
        ];
        let entries = entries.into_iter().flat_map(|(rule, list)| {
            list.iter().map(move |entry| {
                let events = self.events(&Entry { cfgs: Vec::new(), ty: entry.ty.clone() });
                ask(&self.runtime, rule, entry, &events, true)
            })
        });
        let span: Span = ident.span();
        let whole = [quote!(SURVEY.clash()), quote!(SURVEY.cycle(&SYSTEM))];
        let whole = whole.into_iter().map(|text| check(&self.runtime, &[], span, &text));
        quote! {
            static SYSTEM: #p::TopologyDescriptor = <#ident as #p::Topology>::DESCRIPTOR;
            static SURVEY: #p::SystemSurvey<{ #p::known_in(SYSTEM) }, { #p::arrivals(SYSTEM) }> =
                #p::SystemSurvey::of(&SYSTEM);
            #(#services)*
            #(#entries)*
            #(#whole)*
        }
    }
}

/// Asks the survey whether an entry breaks a rule.
fn ask(runtime: &Runtime, rule: &str, entry: &Entry, about: &TokenStream, with_system: bool) -> TokenStream {
    let span = last_ident(&entry.ty);
    let rule = format_ident!("{rule}", span = place(span));
    let system = with_system.then(|| quote_spanned!(place(span)=> &SYSTEM,));
    check(runtime, &entry.cfgs, span, &quote_spanned!(place(span)=> SURVEY.#rule(#system &#about)))
}
