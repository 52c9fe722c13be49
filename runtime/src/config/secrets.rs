//! A URL as it may be shown: without what could be a secret.

const HIDDEN: &str = "***";

/// What the name of an option has in it whose value is hidden.
const SECRET: [&str; 14] = [
    "pass", "pwd", "secret", "token", "key", "cred", "auth", "sasl", "jwt", "seed", "cert", "sig", "private",
    "user",
];

/// Hides user-info, and the values of options that could be secret. What is no URL is hidden as a whole.
pub(crate) fn without_secrets(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once(':').filter(|(scheme, _)| is_scheme(scheme)) else {
        return HIDDEN.to_owned();
    };
    let (slashes, rest) = rest.strip_prefix("//").map_or(("", rest), |rest| ("//", rest));
    // A password may hold anything, `/` and `@` among it, if somebody forgot to encode it, so everything before the
    // last `@` is hidden. After a `?` it may be a part of either side, so all is.
    let (hidden, rest) = match rest.rsplit_once('@') {
        Some((before, _)) if before.contains('?') => return format!("{scheme}:{slashes}{HIDDEN}"),
        Some((_, rest)) => (format!("{HIDDEN}@"), rest),
        None => (String::new(), rest),
    };
    let (place, query) = match rest.split_once('?') {
        Some((place, query)) => (place, Some(query)),
        None => (rest, None),
    };
    let place = place.split_once('#').map_or(place, |(place, _)| place);
    let query = query.map(|query| {
        let options: Vec<_> = query.split('&').map(option).collect();
        format!("?{}", options.join("&"))
    });
    format!("{scheme}:{slashes}{hidden}{place}{}", query.unwrap_or_default())
}

fn option(option: &str) -> String {
    let Some((name, value)) = option.split_once('=') else { return HIDDEN.to_owned() };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    if !name.bytes().all(plain) {
        return format!("{HIDDEN}={HIDDEN}");
    }
    let lower = name.to_ascii_lowercase();
    let harmless = value.bytes().all(|byte| plain(byte) || byte == b',');
    let value = if SECRET.iter().any(|word| lower.contains(word)) || !harmless { HIDDEN } else { value };
    format!("{name}={value}")
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_lowercase())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+.-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden_and_the_rest_is_not() {
        for (url, shown) in [
            ("memory:shop?capacity=1000", "memory:shop?capacity=1000"),
            ("kafka://localhost:9092", "kafka://localhost:9092"),
            ("kafka://me:hunter2@a:1,b:2?linger=5", "kafka://***@a:1,b:2?linger=5"),
            ("amqp://me:hun/ter2@h/vhost", "amqp://***@h/vhost"),
            ("amqp://me:hun@ter#2@h/vhost", "amqp://***@h/vhost"),
            ("amqp://me:hun?ter2@h/vhost", "amqp://***"),
            ("kafka://h?password=hun@ter2", "kafka://***"),
            ("nats://hunter2@a,hunter2@b", "nats://***@b"),
            ("kafka://h?sasl.Password=hunter2&a=1", "kafka://h?sasl.Password=***&a=1"),
            ("kafka://h?pass%77ord=hunter2", "kafka://h?***=***"),
            ("kafka://h?hunter2", "kafka://h?***"),
            ("kafka://h?x=a%20hunter2", "kafka://h?x=***"),
            ("pulsar://h#hunter2", "pulsar://h"),
            ("hunter2", "***"),
            ("Hunter2:x", "***"),
            ("", "***"),
        ] {
            assert_eq!(without_secrets(url), shown);
        }
    }
}
