//! `#[derive(Event)]`.

mod expand;

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Data, DeriveInput, GenericParam, Ident, LitStr, Path, Type};

use crate::{
    attr::{Arg, Args, Grammar},
    docs,
    errors::Errors,
    field::FieldPath,
    nearest::suggest,
    runtime::Runtime,
    topic::{self, Part, Use},
};

const GRAMMAR: Grammar = Grammar {
    known: &[
        ("topic", "topic = \"shop.orders\""),
        ("name", "name = \"order.placed\""),
        ("version", "version = 2"),
        ("key", "key = order_id"),
        ("id", "id = payment_id"),
        ("upcasts", "upcasts(OrderPlacedV1)"),
        ("format", "format = \"json\""),
        ("reply", "reply = Quote"),
        ("crate", "crate = path::to::typebus"),
    ],
};

/// An event, as far as it is valid.
struct EventDef {
    runtime: Runtime,
    ident: Ident,
    /// `.documented(..)`
    docs: Option<TokenStream>,
    /// The type that answers it.
    reply: Option<Type>,
    /// `None` if a mistake was found.
    facts: Option<Facts>,
}

/// What a valid derive says.
struct Facts {
    topic: LitStr,
    /// The fields that stand in the topic.
    fields: Vec<FieldPath>,
    name: String,
    version: u16,
    key: Option<FieldPath>,
    id: Option<FieldPath>,
    format: Format,
    upcasts: Vec<Type>,
}

/// How the payload is written.
enum Format {
    /// What an event without `format` is.
    Json,
    /// One of typebus' own, behind a feature of its name.
    Featured(LitStr),
    /// A codec of the user's.
    Codec(Path),
}

/// Those of typebus' own.
const FORMATS: [&str; 3] = ["json", "msgpack", "cbor"];

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
    let fields = topic.as_ref().and_then(|topic| topic_fields(topic, &input, &mut errors));
    let name = check_name(&args, topic.as_ref(), &mut errors);
    let version = args.get("version").map_or(Some(1), |arg| arg.number(1..=u16::MAX, &mut errors));
    let format = args.get("format").map_or(Some(Format::Json), |arg| check_format(arg, &mut errors));
    let key = args.get("key").and_then(|arg| field(arg, &input, &mut errors));
    let id = args.get("id").and_then(|arg| field(arg, &input, &mut errors));
    let upcasts = args.get("upcasts").map(|arg| check_upcasts(arg, &input.ident, &mut errors));
    let reply = args.get("reply").and_then(|arg| arg.ty(&mut errors));
    let facts = match (topic, fields, name, version, format) {
        (Some(topic), Some(fields), Some(name), Some(version), Some(format)) if errors.is_empty() => {
            let upcasts = upcasts.unwrap_or_default();
            Some(Facts { topic, fields, name, version, key, id, format, upcasts })
        }
        _ => None,
    };
    // What is generic, or a union, cannot even have a fallback: the traits ask for more than such a type can have.
    let able = input.generics.params.is_empty() && !matches!(input.data, Data::Union(_));
    let event = able.then(|| {
        let docs = docs::documented(&input.attrs);
        EventDef { runtime, ident: input.ident, docs, reply, facts }.expand()
    });
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

fn check_topic(args: &Args, ident: &Ident, errors: &mut Errors) -> Option<LitStr> {
    let Some(arg) = args.get("topic") else {
        // A topic that is misspelt has its own message.
        if args.complete() {
            errors.at(ident, format!("`{ident}` has no topic; add `#[event(topic = \"..\")]`"));
        }
        return None;
    };
    arg.checked(|topic| topic::check(topic, Use::Event), errors)
}

/// The fields that stand in the topic; `None` if one of them is none.
fn topic_fields(topic: &LitStr, input: &DeriveInput, errors: &mut Errors) -> Option<Vec<FieldPath>> {
    let mut fields = Vec::new();
    for part in topic::template(&topic.value()).unwrap_or_default() {
        let Part::Field(name) = part else { continue };
        let Data::Struct(data) = &input.data else {
            errors.at(
                topic,
                format!("`{{{name}}}` stands for a field, and only a struct has fields that it always has"),
            );
            return None;
        };
        let Some(field) = FieldPath::named(&name, topic.span()) else {
            errors.at(
                topic,
                format!("`{{{name}}}` is no field; a field's name stands in the braces, as in `{{tenant}}`"),
            );
            return None;
        };
        if let Err((_, message)) = field.check(&input.ident, &data.fields) {
            errors.at(topic, message);
            return None;
        }
        fields.push(field);
    }
    Some(fields)
}

fn check_name(args: &Args, topic: Option<&LitStr>, errors: &mut Errors) -> Option<String> {
    if let Some(arg) = args.get("name") {
        return arg.checked(topic::check_event_name, errors).map(|literal| literal.value());
    }
    let topic = topic?.value();
    if let (Some(_), Some(arg)) = (topic::template(&topic), args.get("topic")) {
        errors.at(
            &arg.key,
            "an event is named after its topic, and a topic with a field is none for a name; add `name = \"..\"`",
        );
        return None;
    }
    if let (Err(_), Some(arg)) = (topic::check_event_name(&topic), args.get("topic")) {
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
    Some(topic)
}

/// What `format` names; `None` where it is wrong.
fn check_format(arg: &Arg, errors: &mut Errors) -> Option<Format> {
    let what = "\"json\", \"msgpack\", \"cbor\" or the path of a codec";
    if let Some(word) = FORMATS.into_iter().find(|word| arg.is_word(word)) {
        errors.at(
            arg.value_tokens(),
            format!("a format of typebus' own is written in quotes: `format = \"{word}\"`"),
        );
        return None;
    }
    if arg.is_words() {
        return arg.parsed(Path::parse_mod_style, what, errors).map(Format::Codec);
    }
    let literal = arg.parsed(<LitStr as syn::parse::Parse>::parse, what, errors)?;
    match literal.value().as_str() {
        "json" => Some(Format::Json),
        "msgpack" | "cbor" => Some(Format::Featured(literal)),
        other => {
            let known = suggest(other, "format", FORMATS);
            errors.at(
                &literal,
                format!("unknown format `{other}`; {known}; a codec of your own is written without quotes"),
            );
            None
        }
    }
}

/// The older versions, each once, and not the event itself.
fn check_upcasts(arg: &Arg, ident: &Ident, errors: &mut Errors) -> Vec<Type> {
    let mut types: Vec<Type> = Vec::new();
    for ty in arg.types(errors).unwrap_or_default() {
        let text = ty.to_token_stream().to_string();
        if text == "Self" || *ident == text {
            errors.at(&ty, "an event is not an older version of itself");
        } else if types.iter().any(|other| other.to_token_stream().to_string() == text) {
            errors.at(&ty, format!("`{}` is named twice; name it once", text.replace(' ', "")));
        } else {
            types.push(ty);
        }
    }
    types
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
