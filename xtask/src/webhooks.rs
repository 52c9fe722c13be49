//! The example `webhooks` from outside: it accounts for every event, and every run comes to the same.

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::shell::Shell;

pub(crate) fn check(shell: &Shell) -> Result<()> {
    let run = || shell.cargo(["run", "--quiet", "--example", "webhooks", "--", "--json"]).output();
    let (one, other) = (String::from_utf8(run()?)?, String::from_utf8(run()?)?);
    if let Some((line, one, other)) = difference(&one, &other) {
        bail!("two runs of webhooks differ in line {line}:\n  {one}\n  {other}");
    }
    let counted = account(&one)?;
    println!("webhooks accounts for {counted} deliveries, twice in the same way");
    Ok(())
}

/// Runs it in memory and on these brokers: the summaries are the same.
pub(crate) fn check_elsewhere<'a>(shell: &Shell, urls: impl Iterator<Item = &'a str>) -> Result<()> {
    let run = |url: &str| {
        let run = ["run", "--quiet", "--example", "webhooks", "--features", "kafka,nats,rabbitmq"];
        let summary = shell.cargo(run).args(["--", "--json"]).secret_env("TYPEBUS_URL", url).output()?;
        String::from_utf8(summary).context("the summary of webhooks is no text")
    };
    let in_memory = run("memory:")?;
    let counted = account(&in_memory)?;
    for url in urls {
        let scheme = url.split(':').next().unwrap_or_default();
        if let Some((line, one, other)) = difference(&in_memory, &run(url)?) {
            bail!("webhooks differ in line {line}:\n  memory: {one}\n  {scheme}: {other}");
        }
        println!("webhooks accounts for the same {counted} deliveries on {scheme}: as in memory");
    }
    Ok(())
}

/// The first line in which they differ.
fn difference<'a>(one: &'a str, other: &'a str) -> Option<(usize, &'a str, &'a str)> {
    let (mut ones, mut others) = (one.lines(), other.lines());
    for line in 1.. {
        match (ones.next(), others.next()) {
            (None, None) => return None,
            (one, other) if one == other => {}
            (one, other) => return Some((line, one.unwrap_or("(nothing)"), other.unwrap_or("(nothing)"))),
        }
    }
    None
}

/// Checks that per group published = handled + discarded + skipped + dead-lettered, from the runtime's own counters,
/// and gives the number of deliveries.
fn account(summary: &str) -> Result<u64> {
    let summary: Value = serde_json::from_str(summary).context("the summary of webhooks is not JSON")?;
    let groups = summary["groups"].as_array().context("the summary of webhooks has no `groups`")?;
    let (mut counted, mut dead) = (0, 0);
    for group in groups {
        let count =
            |name: &str| group[name].as_u64().with_context(|| format!("a group without `{name}`: {group}"));
        let published = count("published")?;
        let settled = count("handled")? + count("discarded")? + count("skipped")? + count("dead_lettered")?;
        if published != settled {
            bail!("{published} events were published for a group, and {settled} are accounted for: {group}");
        }
        counted += settled;
        dead += count("dead_lettered")?;
    }
    // The same once more, from the publishing side.
    let topics = summary["published"].as_object().context("the summary of webhooks has no `published`")?;
    let letters = topics.iter().filter(|(topic, _)| topic.starts_with("dead."));
    let letters: u64 = letters.filter_map(|(_, count)| count.as_u64()).sum();
    if letters != dead {
        bail!("{dead} deliveries were dead-lettered, and {letters} dead letters were published");
    }
    if counted == 0 {
        bail!("no group of webhooks received anything");
    }
    Ok(counted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_that_lost_an_event_is_found() {
        let summary = |skipped: u64, letters: u64| {
            format!(
                r#"{{"published": {{"github.push": 10, "dead.triage": {letters}}},
                "groups": [{{"group": "triage", "topic": "github.>", "published": 10, "handled": 5,
                "discarded": 2, "skipped": {skipped}, "dead_lettered": 1}}]}}"#
            )
        };
        assert_eq!(account(&summary(2, 1)).unwrap(), 10);
        let error = account(&summary(1, 1)).unwrap_err().to_string();
        assert!(
            error.starts_with("10 events were published for a group, and 9 are accounted for"),
            "{error}"
        );
        let error = account(&summary(2, 0)).unwrap_err().to_string();
        assert_eq!(error, "1 deliveries were dead-lettered, and 0 dead letters were published");
        let error = account(r#"{"published": {}, "groups": []}"#).unwrap_err().to_string();
        assert_eq!(error, "no group of webhooks received anything");
        let error = account(r#"{"published": {}, "groups": [{"published": 0}]}"#).unwrap_err().to_string();
        assert!(error.starts_with("a group without `handled`"), "{error}");
    }

    #[test]
    fn the_first_difference_is_shown() {
        assert_eq!(difference("a\nb", "a\nb"), None);
        assert_eq!(difference("a\nb", "a\nc"), Some((2, "b", "c")));
        assert_eq!(difference("a", "a\nc"), Some((2, "(nothing)", "c")));
    }
}
