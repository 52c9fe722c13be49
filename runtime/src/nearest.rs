//! What somebody may have meant who wrote a word that is not known; worded as the macros word it.

/// "did you mean ..?" where a known word is near, and in any case all that are known. `noun` says what they are.
pub fn suggest<'a>(word: &str, noun: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<_> = known.into_iter().collect();
    let all = match known[..] {
        [] => format!("there is no {noun}"),
        [only] => format!("there is only the {noun} `{only}`"),
        _ => format!("there are the {noun}s {}", list(&known)),
    };
    match nearest(word, &known) {
        Some(near) if known.len() == 1 => format!("did you mean `{near}`?"),
        Some(near) => format!("did you mean `{near}`? {}", all.replacen('t', "T", 1)),
        None => all,
    }
}

/// The known word that differs in no more than a third of its letters.
pub(crate) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let near = known.iter().map(|known| (distance(word, known), *known)).min_by_key(|(far, _)| *far);
    near.filter(|(far, known)| far * 3 <= word.len().max(known.len())).map(|(_, known)| known)
}

/// "`a`, `b` and `c`"
fn list(words: &[&str]) -> String {
    let quoted: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((end, [])) => end.clone(),
        Some((end, rest)) => format!("{} and {end}", rest.join(", ")),
        None => String::new(),
    }
}

/// How many letters are to be added, left out, replaced, or swapped with the next, to make `b` of `a`.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<_>, Vec<_>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        let known = ["attempts", "concurrency", "timeout"];
        assert_eq!(nearest("atempts", &known), Some("attempts"));
        assert_eq!(nearest("timeotu", &known), Some("timeout"));
        assert_eq!(nearest("queue", &known), None);
        assert_eq!(
            suggest("concurency", "setting", known),
            "did you mean `concurrency`? There are the settings `attempts`, `concurrency` and `timeout`"
        );
        assert_eq!(suggest("x", "handler", ["charge"]), "there is only the handler `charge`");
        assert_eq!(suggest("x", "handler", []), "there is no handler");
    }
}
