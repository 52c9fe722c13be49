//! `#[derive(Event)]`.

mod expand;

pub(crate) use expand::carried;

use proc_macro2::TokenStream;
use syn::{Data, DeriveInput, GenericParam, Ident};

use crate::{
    attr::{Arg, Args, Grammar},
    errors::Errors,
    field::FieldPath,
    nearest::suggest,
    runtime::Runtime,
    topic::{self, Use},
};

const GRAMMAR: Grammar = Grammar {
    known: &[
        ("topic", "topic = \"shop.orders\""),
        ("name", "name = \"order.placed\""),
        ("version", "version = 2"),
        ("key", "key = order_id"),
        ("id", "id = payment_id"),
        ("format", "format = \"json\""),
        ("crate", "crate = path::to::typebus"),
    ],
    later: &["upcasts", "reply"],
};

/// An event, as far as it is valid.
struct EventDef {
    runtime: Runtime,
    ident: Ident,
    /// `None` if a mistake was found.
    facts: Option<Facts>,
}

/// What a valid derive says.
struct Facts {
    topic: String,
    name: String,
    version: u16,
    key: Option<FieldPath>,
    id: Option<FieldPath>,
}

pub(crate) fn derive(input: TokenStream) -> TokenStream {
    let input: DeriveInput = match syn::parse2(input) {
        Ok(input) => input,
        Err(error) => return error.into_compile_error(),
    };
    let mut errors = Errors::default();
    let args = Args::of(&input.attrs, "event", &GRAMMAR, &mut errors);
    let runtime = Runtime::new(args.get("crate"), &mut errors);
    check_shape(&input, &mut errors);
    let topic = check_topic(&args, &input.ident, &mut errors);
    let name = check_name(&args, topic.as_deref(), &mut errors);
    let version = args.get("version").map_or(Some(1), |arg| arg.number(1..=u16::MAX, &mut errors));
    check_format(&args, &mut errors);
    let key = args.get("key").and_then(|arg| field(arg, &input, &mut errors));
    let id = args.get("id").and_then(|arg| field(arg, &input, &mut errors));
    let facts = match (topic, name, version) {
        (Some(topic), Some(name), Some(version)) if errors.is_empty() => {
            Some(Facts { topic, name, version, key, id })
        }
        _ => None,
    };
    // What is generic, or a union, cannot even have a fallback: the traits ask for more than such a type can have.
    let able = input.generics.params.is_empty() && !matches!(input.data, Data::Union(_));
    let event = able.then(|| EventDef { runtime, ident: input.ident, facts }.expand());
    let errors = errors.into_tokens();
    quote::quote!(#event #errors)
}

/// Refuses what cannot be an event, and says why.
fn check_shape(input: &DeriveInput, errors: &mut Errors) {
    for param in &input.generics.params {
        match param {
            GenericParam::Lifetime(lifetime) => errors.at(
                lifetime,
                format!(
                    "an event owns its data, because it outlives the bytes it was read from (a handler keeps it across \
                     an await); use `String` or `Arc<str>` for what is borrowed for `{}`",
                    lifetime.lifetime
                ),
            ),
            GenericParam::Type(_) | GenericParam::Const(_) => errors.at(
                param,
                "an event has one name and one schema, so it cannot be generic; write one struct for each payload",
            ),
        }
    }
    if let Data::Union(data) = &input.data {
        errors.at(
            data.union_token,
            "an event is a struct or an enum: serde cannot tell which field of a union is meant",
        );
    }
}

fn check_topic(args: &Args, ident: &Ident, errors: &mut Errors) -> Option<String> {
    let Some(arg) = args.get("topic") else {
        // A topic that is misspelt has its own message.
        if args.complete() {
            errors.at(ident, format!("`{ident}` has no topic; add `#[event(topic = \"..\")]`"));
        }
        return None;
    };
    arg.checked(|topic| topic::check(topic, Use::Event), errors).map(|literal| literal.value())
}

fn check_name(args: &Args, topic: Option<&str>, errors: &mut Errors) -> Option<String> {
    if let Some(arg) = args.get("name") {
        return arg.checked(topic::check_event_name, errors).map(|literal| literal.value());
    }
    let topic = topic?;
    if let (Err(_), Some(arg)) = (topic::check_event_name(topic), args.get("topic")) {
        errors.at(
            &arg.key,
            format!(
                "an event is named after its topic, and this topic is too long for a name ({} characters, 100 are \
                 allowed); add `name = \"..\"`",
                topic.len()
            ),
        );
        return None;
    }
    Some(topic.to_owned())
}

fn check_format(args: &Args, errors: &mut Errors) {
    let Some(arg) = args.get("format") else { return };
    if arg.is_words() {
        if let Some(path) = arg.path(errors) {
            errors
                .at(path, "codecs of your own come in a later version of typebus; the format is `\"json\"`");
        }
        return;
    }
    let Some(literal) = arg.string(errors) else { return };
    match literal.value().as_str() {
        "json" => {}
        later @ ("msgpack" | "cbor") => {
            errors.at(
                &literal,
                format!("the format `{later}` comes in a later version of typebus; use \"json\""),
            );
        }
        other => {
            let known = suggest(other, "format", ["json", "msgpack", "cbor"]);
            errors.at(&literal, format!("unknown format `{other}`; {known}"));
        }
    }
}

/// The field that `key` or `id` names.
fn field(arg: &Arg, input: &DeriveInput, errors: &mut Errors) -> Option<FieldPath> {
    let what = "a field or a path to one";
    let tokens = arg.tokens(what, errors)?;
    let fields = match &input.data {
        Data::Struct(data) => &data.fields,
        Data::Enum(_) => {
            let key = &arg.key;
            errors.at(
                tokens,
                format!(
                    "`{key}` names a field, and an enum has none that all its variants share; make each variant an event \
                     and join them with `#[derive(EventSet)]`"
                ),
            );
            return None;
        }
        Data::Union(_) => return None,
    };
    let Some(path) = FieldPath::parse(tokens.clone()) else {
        errors.at(tokens, format!("`{0}` is {what}, as in `{0} = order_id` or `{0} = customer.id`", arg.key));
        return None;
    };
    if let Err((span, message)) = path.check(&input.ident, fields) {
        errors.at_span(span, message);
        return None;
    }
    Some(path)
}
