//! `service!`.

mod expand;

pub(crate) use expand::check;

use proc_macro2::TokenStream;
use quote::quote;
use syn::{
    Attribute, Ident, LitStr, Path, Token, Visibility,
    ext::IdentExt,
    parse::{ParseStream, Parser},
    token,
};

use crate::{
    entries::{Entry, drop_repeated, parse_entries, rest, skip, skip_entry},
    errors::Errors,
    nearest::suggest,
    runtime::{Runtime, plain},
    topic,
};

const FORM: &str = "a service is written `pub Billing = \"billing\" { handles: [charge], publishes: [InvoiceSent], state: [Gateway] }`";

const LISTS: [(&str, &str); 5] = [
    ("handles", "handles: [charge]"),
    ("publishes", "publishes: [InvoiceSent]"),
    ("state", "state: [Gateway]"),
    ("manifest", "manifest: none"),
    ("crate", "crate: path::to::typebus"),
];

/// A state list with `#[cfg]` on its entries becomes an impl for each combination.
const MAX_CFG_STATES: usize = 4;

/// A service, as far as it is valid.
struct ServiceDef {
    runtime: Runtime,
    attrs: Vec<Attribute>,
    vis: Visibility,
    ident: Ident,
    name: String,
    lists: Lists,
    /// Whether a mistake was found.
    broken: bool,
}

#[derive(Default)]
struct Lists {
    handles: Vec<Entry>,
    publishes: Vec<Entry>,
    state: Vec<Entry>,
    /// `manifest: none`
    no_manifest: bool,
}

pub(crate) fn function(input: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let service = (|input: ParseStream<'_>| Ok(parse(input, &mut errors))).parse2(input);
    let service = match service {
        Ok(service) => service.map(|service| ServiceDef { broken: !errors.is_empty(), ..service }.expand()),
        Err(error) => {
            errors.push(error);
            None
        }
    };
    let errors = errors.into_tokens();
    quote!(#service #errors)
}

/// Reads a service; what follows a mistake is read as far as that is possible. `None` if not even its name is there.
fn parse(input: ParseStream<'_>, errors: &mut Errors) -> Option<ServiceDef> {
    let head = || Ok((input.call(Attribute::parse_outer)?, input.parse()?, input.parse()?));
    let (attrs, vis, ident) = match head() {
        Ok(head) => head,
        Err(error) => {
            let error: syn::Error = error;
            errors.at_span(error.span(), FORM);
            skip(input, |_| false);
            return None;
        }
    };
    let name = parse_name(input, errors).unwrap_or_default();
    let mut runtime = None;
    let mut lists = Lists::default();
    match braces(input) {
        Ok(content) => parse_lists(&content, &mut lists, &mut runtime, errors),
        Err(error) => {
            errors.at_span(error.span(), FORM);
            skip(input, |_| false);
        }
    }
    if !input.is_empty() {
        errors.at(
            rest(input),
            "nothing follows a service's `}`; write a second service into a `service!` of its own",
        );
    }
    drop_repeated(&mut lists.handles, "a handler is listed once", errors);
    drop_repeated(&mut lists.publishes, "an event is listed once", errors);
    drop_repeated(
        &mut lists.state,
        "a state is known by its type, so there is one of each; wrap the second in a newtype",
        errors,
    );
    let cfgs = lists.state.iter().filter(|entry| !entry.cfgs.is_empty());
    if let Some(entry) = cfgs.clone().nth(MAX_CFG_STATES) {
        errors.at(
            &entry.ty,
            format!(
                "at most {MAX_CFG_STATES} entries of `state` may have `#[cfg]`; put several into one struct"
            ),
        );
        lists.state.clear();
    }
    Some(ServiceDef { runtime: Runtime::at(runtime), attrs, vis, ident, name, lists, broken: false })
}

fn braces(input: ParseStream<'_>) -> syn::Result<syn::parse::ParseBuffer<'_>> {
    let content;
    syn::braced!(content in input);
    Ok(content)
}

/// `= "billing"`
fn parse_name(input: ParseStream<'_>, errors: &mut Errors) -> Option<String> {
    let written = || input.parse::<Token![=]>().and_then(|_| input.parse::<LitStr>());
    let literal = written().map_err(|error| {
        errors.at_span(error.span(), FORM);
        skip(input, |input| input.peek(token::Brace));
    });
    let literal = literal.ok()?;
    match topic::check_name(&literal.value(), "a service's name") {
        Ok(()) => Some(literal.value()),
        Err(message) => {
            errors.at(&literal, message);
            None
        }
    }
}

fn parse_lists(input: ParseStream<'_>, lists: &mut Lists, runtime: &mut Option<Path>, errors: &mut Errors) {
    let mut seen: Vec<String> = Vec::new();
    while !input.is_empty() {
        let Ok(key) = input.call(Ident::parse_any) else {
            errors.at_span(input.span(), "expected a list, as in `handles: [charge]`");
            skip_entry(input);
            continue;
        };
        let name = plain(&key);
        let Some((_, written)) = LISTS.iter().find(|(known, _)| *known == name) else {
            let known = suggest(&name, "list", LISTS.iter().map(|(known, _)| *known));
            errors.at(&key, format!("unknown list `{name}`; {known}"));
            skip_entry(input);
            continue;
        };
        if seen.contains(&name) {
            errors.at(&key, format!("`{name}` is given twice; put everything into one list"));
        }
        match parse_list(input, &name, errors) {
            Ok(Listed::Entries(entries)) => lists.named(&name).extend(entries),
            Ok(Listed::Crate(path)) => *runtime = Some(path),
            Ok(Listed::NoManifest) => lists.no_manifest = true,
            Err(error) => {
                errors.at_span(error.span(), format!("`{name}` is written `{written}`"));
                skip_entry(input);
                continue;
            }
        }
        seen.push(name);
        if !input.is_empty() && input.parse::<Token![,]>().is_err() {
            errors.at_span(input.span(), "expected `,`");
        }
    }
}

impl Lists {
    fn named(&mut self, name: &str) -> &mut Vec<Entry> {
        match name {
            "handles" => &mut self.handles,
            "publishes" => &mut self.publishes,
            _ => &mut self.state,
        }
    }
}

enum Listed {
    Entries(Vec<Entry>),
    Crate(Path),
    NoManifest,
}

/// `: [charge, refund]`, or `: path` for the crate, or `: none` for the manifest.
fn parse_list(input: ParseStream<'_>, name: &str, errors: &mut Errors) -> syn::Result<Listed> {
    input.parse::<Token![:]>()?;
    if name == "crate" {
        return input.call(Path::parse_mod_style).map(Listed::Crate);
    }
    if name == "manifest" {
        let word: Ident = input.parse()?;
        return match word == "none" {
            true => Ok(Listed::NoManifest),
            false => Err(syn::Error::new(word.span(), "")),
        };
    }
    let content;
    syn::bracketed!(content in input);
    Ok(Listed::Entries(parse_entries(&content, "`charge` or `billing::charge`", errors)))
}
