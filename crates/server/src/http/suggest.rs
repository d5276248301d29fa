//! "Did you mean …?"

/// The candidate that `word` is most likely a slip of, if one is near enough.
pub fn closest<'c>(word: &str, candidates: impl Iterator<Item = &'c str>) -> Option<&'c str> {
    let word: Vec<char> = word.chars().take(64).collect();
    let near_enough = (word.len() / 3).max(1);
    candidates
        .map(|candidate| (distance(&word, &candidate.chars().collect::<Vec<_>>()), candidate))
        .filter(|(distance, _)| *distance <= near_enough)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// How many letters must be changed, added, left out or swapped with their neighbour.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1];
        for j in 0..b.len() {
            let change = last[j] + usize::from(a[i] != b[j]);
            let mut cost = change.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                cost = cost.min(before[j - 1] + 1);
            }
            row.push(cost);
        }
        before = last;
        last = row;
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_strangers_are_not() {
        check("display_nmae", Some("display_name"));
        check("displayName", Some("display_name"));
        check("nam", Some("name"));
        check("tols", Some("tools"));
        check("instruction", Some("instructions"));
        check("colour", None);
        check("", None);
    }

    #[track_caller]
    fn check(word: &str, expected: Option<&str>) {
        let members = ["name", "display_name", "instructions", "tools"];
        assert_eq!(closest(word, members.into_iter()), expected);
    }
}
