//! Topics, patterns and templates: which names what.

/// The tokens of a topic, each a word or a `{field}`.
pub(crate) fn fields(topic: &str) -> impl Iterator<Item = &str> {
    topic.split('.').filter_map(|token| token.strip_prefix('{')?.strip_suffix('}'))
}

/// Whether a pattern takes some topic that a template stands for: `*` is one token, `>` at the end one or more, and a
/// `{field}` may be anything, as in the checks of the compiler.
pub(crate) fn takes(pattern: &str, topic: &str) -> bool {
    let mut topic = topic.split('.');
    let mut pattern = pattern.split('.');
    // Nobody but the bus reads dead letters; a pattern that begins with a wildcard does not mean them.
    if topic.clone().next() == Some("dead") && pattern.clone().next() != Some("dead") {
        return false;
    }
    loop {
        match (pattern.next(), topic.next()) {
            (None, None) => return true,
            (Some(">"), Some(_)) => return true,
            (Some(one), Some(other)) if one == "*" || one == other || is_field(one) || is_field(other) => {}
            _ => return false,
        }
    }
}

/// Whether it stands for more than one topic.
pub(crate) fn is_pattern(topic: &str) -> bool {
    topic.split('.').any(|token| token == "*" || token == ">")
}

fn is_field(token: &str) -> bool {
    token.starts_with('{')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_take_what_the_compiler_says() {
        for (pattern, topic, taken) in [
            ("shop.orders", "shop.orders", true),
            ("shop.orders", "shop.order", false),
            ("shop.*", "shop.orders", true),
            ("shop.*", "shop.orders.eu", false),
            ("shop.>", "shop.orders.eu", true),
            ("shop.>", "shop", false),
            (">", "shop", true),
            (">", "dead.billing", false),
            ("dead.billing", "dead.billing", true),
            ("catalogue.*.moves", "catalogue.{region}.moves", true),
            ("catalogue.eu.moves", "catalogue.{region}.moves", true),
            ("catalogue.eu.prices", "catalogue.{region}.moves", false),
        ] {
            assert_eq!(takes(pattern, topic), taken, "{pattern} {topic}");
        }
    }

    #[test]
    fn fields_of_a_topic_are_found() {
        assert_eq!(fields("catalogue.{region}.{kind}.moves").collect::<Vec<_>>(), ["region", "kind"]);
        assert_eq!(fields("shop.orders").count(), 0);
    }
}
