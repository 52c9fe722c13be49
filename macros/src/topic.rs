//! The grammar of topics and patterns, and of the other names that travel: checked while a macro expands, so that
//! the literal itself is underlined.

/// The most bytes of a topic. Kafka allows 249; the rest is room for prefixes.
const MAX_BYTES: usize = 180;
/// The most tokens of a topic.
const MAX_TOKENS: usize = 16;
/// The most characters of a group's or service's name.
const MAX_TOKEN: usize = 40;
/// The most characters of an event's name.
const MAX_NAME: usize = 100;

/// What a topic is for, which decides what it may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// An event is published there.
    Event,
    /// A handler listens to it: wildcards are allowed.
    Handler,
    /// Dead letters go there.
    DeadLetter,
}

/// Checks a topic or pattern.
pub(crate) fn check(topic: &str, used: Use) -> Result<(), String> {
    let tokens: Vec<_> = topic.split('.').collect();
    match (tokens[0], used) {
        _ if topic.is_empty() => return Err("a topic must not be empty".to_owned()),
        ("dead", Use::DeadLetter) if tokens.len() > 1 => {}
        (_, Use::DeadLetter) => {
            return Err(format!("a dead-letter topic begins with `dead.`, as in \"dead.{topic}\""));
        }
        ("dead", _) => return Err("topics that begin with `dead` are reserved for dead letters".to_owned()),
        ("reply", _) => return Err("topics that begin with `reply` are reserved for replies".to_owned()),
        _ => {}
    }
    for (nth, token) in tokens.iter().enumerate() {
        check_token(token, nth + 1 == tokens.len(), used)?;
    }
    if topic.len() > MAX_BYTES {
        return Err(format!("a topic has at most {MAX_BYTES} bytes, and this one has {}", topic.len()));
    }
    if tokens.len() > MAX_TOKENS {
        return Err(format!("a topic has at most {MAX_TOKENS} tokens, and this one has {}", tokens.len()));
    }
    Ok(())
}

fn check_token(token: &str, last: bool, used: Use) -> Result<(), String> {
    match token {
        "" => return Err("a topic must not have an empty token; tokens are joined by one `.`".to_owned()),
        "*" if used == Use::Handler => return Ok(()),
        ">" if used == Use::Handler && last => return Ok(()),
        ">" if used == Use::Handler => {
            return Err("`>` stands for the rest of a topic, so it must be the last token".to_owned());
        }
        _ => {}
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    match token.chars().find(|c| !allowed(*c)) {
        None => Ok(()),
        Some('{' | '}') => check_field(token, used),
        Some('*' | '>') if used == Use::Handler => Err(format!(
            "a wildcard must be a whole token, and `{token}` is more; `*` is one token, a trailing `>` one or more"
        )),
        Some('*' | '>') => Err("a topic to publish on must be exact; wildcards are for handlers".to_owned()),
        Some(other) => Err(format!(
            "a topic must not hold {other:?}; its tokens are letters, digits, `_` and `-`, joined by `.`"
        )),
    }
}

/// Checks a token with a brace: a field of the event, whose value stands there.
fn check_field(token: &str, used: Use) -> Result<(), String> {
    match (field(token), used) {
        (Some(name), Use::Event) if !name.is_empty() => Ok(()),
        (Some(_), Use::Event) => {
            Err("`{}` names no field; a field of the event stands in the braces".to_owned())
        }
        (None, Use::Event) => Err(format!(
            "a field in a topic is a whole token and one of the event's own, without a path, and `{token}` is not; \
             write `{{field}}` between two `.`"
        )),
        (_, Use::Handler) => {
            Err(format!("a handler listens to every value of a field: write `*` in the place of `{token}`"))
        }
        (_, Use::DeadLetter) => {
            Err(format!("dead letters of a group go to one topic, so it has no field like `{token}`"))
        }
    }
}

/// The field that a token of a template names.
fn field(token: &str) -> Option<&str> {
    let name = token.strip_prefix('{')?.strip_suffix('}')?;
    (!name.contains(['{', '}'])).then_some(name)
}

/// A part of a template.
pub(crate) enum Part {
    /// Text that stands there as it is.
    Text(String),
    /// The field of this name.
    Field(String),
}

/// The parts of a topic; `None` for one without a field.
pub(crate) fn template(topic: &str) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    let mut text = String::new();
    for (nth, token) in topic.split('.').enumerate() {
        if nth > 0 {
            text.push('.');
        }
        match field(token) {
            None => text.push_str(token),
            Some(name) => {
                if !text.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut text)));
                }
                parts.push(Part::Field(name.to_owned()));
            }
        }
    }
    let has_field = parts.iter().any(|part| matches!(part, Part::Field(_)));
    if !text.is_empty() {
        parts.push(Part::Text(text));
    }
    has_field.then_some(parts)
}

/// Checks the name of a service or group: one token.
pub(crate) fn check_name(name: &str, what: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if let Some(other) = name.chars().find(|c| !allowed(*c)) {
        return Err(format!("{what} is made of letters, digits and `-`, so it must not hold {other:?}"));
    }
    check_len(name, what, MAX_TOKEN)
}

/// Checks the stable name of an event.
pub(crate) fn check_event_name(name: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if let Some(other) = name.chars().find(|c| !allowed(*c)) {
        return Err(format!(
            "an event's name is made of letters, digits, `.`, `_` and `-`, so it must not hold {other:?}"
        ));
    }
    check_len(name, "an event's name", MAX_NAME)
}

fn check_len(name: &str, what: &str, max: usize) -> Result<(), String> {
    match name.len() {
        0 => Err(format!("{what} must not be empty")),
        len if len > max => Err(format!("{what} has at most {max} characters, and this one has {len}")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_tokens_joined_by_dots() {
        for topic in ["orders", "shop.orders", "A-1.b_2.0", "deadline.x", "replies", "shop.dead"] {
            assert_eq!(check(topic, Use::Event), Ok(()), "{topic}");
            assert_eq!(check(topic, Use::Handler), Ok(()), "{topic}");
        }
        for topic in [
            "", ".", "a..b", ".a", "a.", "a b", "ä", "a/b", "dead", "dead.a", "reply.a", "{}.a", "a.{x}y",
            "a.{{x}}",
        ] {
            assert!(check(topic, Use::Event).is_err(), "{topic}");
            assert!(check(topic, Use::Handler).is_err(), "{topic}");
        }
    }

    #[test]
    fn a_field_is_a_whole_token_of_an_event() {
        for topic in ["{x}.a", "a.{x}", "a.{x}.b.{y_2}"] {
            assert_eq!(check(topic, Use::Event), Ok(()), "{topic}");
            assert!(check(topic, Use::Handler).is_err(), "{topic}");
        }
        let written = |topic| {
            let parts = template(topic)?.into_iter().map(|part| match part {
                Part::Text(text) => text,
                Part::Field(name) => format!("<{name}>"),
            });
            Some(parts.collect::<Vec<_>>().join("|"))
        };
        assert_eq!(written("a.b"), None);
        assert_eq!(written("a.{x}.b").as_deref(), Some("a.|<x>|.b"));
        assert_eq!(written("{x}.{y}").as_deref(), Some("<x>|.|<y>"));
    }

    #[test]
    fn wildcards_are_whole_tokens_of_handlers() {
        for pattern in ["*", ">", "shop.*", "*.orders", "shop.>", "*.*.>"] {
            assert_eq!(check(pattern, Use::Handler), Ok(()), "{pattern}");
            assert!(check(pattern, Use::Event).is_err(), "{pattern}");
        }
        for pattern in ["shop.ord*", "shop.>.orders", ">.a", "**", "a.>>"] {
            assert!(check(pattern, Use::Handler).is_err(), "{pattern}");
        }
    }

    #[test]
    fn lengths_are_limited() {
        assert_eq!(check(&"a".repeat(180), Use::Event), Ok(()));
        assert!(check(&"a".repeat(181), Use::Event).is_err());
        assert_eq!(check(&["a"; 16].join("."), Use::Event), Ok(()));
        assert!(check(&["a"; 17].join("."), Use::Event).is_err());
        assert_eq!(check_name(&"a".repeat(40), "a group"), Ok(()));
        assert!(check_name(&"a".repeat(41), "a group").is_err());
        assert_eq!(check_event_name(&"a".repeat(100)), Ok(()));
        assert!(check_event_name(&"a".repeat(101)).is_err());
    }

    #[test]
    fn dead_letters_have_a_first_token_of_their_own() {
        assert_eq!(check("dead.billing", Use::DeadLetter), Ok(()));
        for topic in ["dead", "billing", "deadly.a", "dead.", "dead.*", "dead.>", ""] {
            assert!(check(topic, Use::DeadLetter).is_err(), "{topic}");
        }
    }

    #[test]
    fn names_are_one_token() {
        assert_eq!(check_name("billing-2", "a group"), Ok(()));
        assert_eq!(check_name("dead", "a group"), Ok(()));
        for name in ["", "a.b", "a_b", "a b", "ä"] {
            assert!(check_name(name, "a group").is_err(), "{name}");
        }
        assert_eq!(check_event_name("order.placed_2-x"), Ok(()));
        for name in ["", "a b", "a/b", "a>"] {
            assert!(check_event_name(name).is_err(), "{name}");
        }
    }
}
