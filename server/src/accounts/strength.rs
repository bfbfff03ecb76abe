//! How hard a password is to guess, as zxcvbn estimates it: by the words, names, dates and patterns that attackers try.

use std::collections::BTreeSet;

use zxcvbn::matching::patterns::MatchPattern;
use zxcvbn::{Entropy, Score};

/// 3 of 4 is "safely unguessable" offline against a slow hash.
const LEAST_SCORE: Score = Score::Three;
/// zxcvbn's work grows with their square. What comes after can only make a password harder to guess.
const MOST_CHARS: usize = 48;
/// The letters that signs and digits stand for, where one letter has several of them: zxcvbn looks for words once for each way
/// of choosing one of each.
const DISGUISES: [&str; 7] = ["4@", "({[<", "69", "1!|", "1|7", "$5", "+7"];
/// How many of these ways it is given, at some 2 ms each: all ten digits have 4, and a disguised word has few.
const MOST_WAYS: usize = 16;
/// Stands for no letter.
const NO_DISGUISE: char = '\u{B7}';
/// Parts of an address or a name that are shorter are in every password.
const LEAST_HINT: usize = 3;
/// An address has at most 254 characters and a name 100; this is a bound on the work for those who send others.
const MOST_HINT: usize = 254;

/// What is known of a password before anybody uses it.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// From 0, guessed at once, to 4.
    pub score: u8,
    /// The power of ten of guesses that an attacker needs.
    pub guesses_log10: f64,
    /// What is wrong with it, in a sentence.
    pub warning: Option<String>,
    /// What would make it better, a sentence each.
    pub suggestions: Vec<String>,
}

impl Estimate {
    /// Estimates `password`. `hints` are texts that its user would think of first, such as their address and name.
    pub(super) fn of(password: &str, hints: &[String]) -> Self {
        let password = within_bounds(password);
        let words = words(hints);
        let inputs: Vec<&str> = words.iter().map(String::as_str).collect();
        let entropy = zxcvbn::zxcvbn(&password, &inputs);
        let feedback = entropy.feedback();
        let warning = feedback
            .and_then(|feedback| feedback.warning())
            .map(|warning| warning.to_string());
        let own = || "Your own name or address is easy to guess.".to_owned();
        let is_weak = entropy.score() < LEAST_SCORE;
        Self {
            score: entropy.score().into(),
            guesses_log10: entropy.guesses_log10(),
            warning: warning.or_else(|| (is_weak && uses(&words, &entropy)).then(own)),
            suggestions: feedback.map_or_else(Vec::new, |feedback| {
                feedback
                    .suggestions()
                    .iter()
                    .map(ToString::to_string)
                    .collect()
            }),
        }
    }

    /// Whether it is too easy to guess.
    pub(super) fn is_weak(&self) -> bool {
        self.score < LEAST_SCORE.into()
    }

    /// The warning and the suggestions, as one text.
    pub(super) fn advice(&self) -> String {
        let sentences: Vec<&str> = self
            .warning
            .iter()
            .chain(&self.suggestions)
            .map(String::as_str)
            .collect();
        match sentences.is_empty() {
            true => "Several uncommon words make a good one.".to_owned(),
            false => sentences.join(" "),
        }
    }
}

/// The beginning of a password, without the signs that would give its words too many disguises.
fn within_bounds(password: &str) -> String {
    let mut kept = String::new();
    let chars = password.chars().take(MOST_CHARS);
    chars
        .map(|c| {
            if kept.contains(c) {
                return c;
            }
            kept.push(c);
            if ways(&kept) <= MOST_WAYS {
                return c;
            }
            kept.pop();
            NO_DISGUISE
        })
        .collect()
}

/// In how many ways the disguises in `text` can be chosen.
fn ways(text: &str) -> usize {
    let choices = DISGUISES.map(|signs| signs.chars().filter(|&sign| text.contains(sign)).count());
    choices.iter().map(|&count| count.max(1)).product()
}

/// The hints as they are, and each word of them.
fn words(hints: &[String]) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    for hint in hints {
        let hint: String = hint.chars().take(MOST_HINT).collect();
        let hint = hint.to_lowercase();
        let parts = hint.split(|c: char| !c.is_alphanumeric());
        let parts = parts.filter(|part| part.chars().count() >= LEAST_HINT);
        words.extend(parts.map(str::to_owned));
        words.insert(hint);
    }
    words
}

/// Whether one of the words is a part of the password, in whatever disguise.
fn uses(words: &BTreeSet<String>, entropy: &Entropy) -> bool {
    entropy.sequence().iter().any(|part| match &part.pattern {
        MatchPattern::Dictionary(found) => words.contains(&found.matched_word),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn estimate(password: &str) -> Estimate {
        let hints = ["ana.velasquez@example.com", "Ana Velásquez"];
        Estimate::of(password, &hints.map(str::to_owned))
    }

    #[test]
    fn what_an_attacker_tries_first_is_weak_and_told_why() {
        for (weak, why) in [
            ("password1", "common password"),
            ("qwertyuiop", "common password"),
            ("11111111111", "Repeats"),
            ("abcdefghijk", "Sequences"),
            ("velasquez2024", "Your own name"),
            ("ana.velasquez", "Your own name"),
            ("VELÁSQUEZ!!", "Your own name"),
            ("ana.velasquez@example.com", "Your own name"),
        ] {
            let found = estimate(weak);
            assert!(found.is_weak(), "{weak}: {found:?}");
            let advice = found.advice();
            assert!(advice.contains(why), "{weak}: {advice}");
            assert!(advice.contains("Add another word"), "{weak}: {advice}");
        }
    }

    #[test]
    fn a_few_uncommon_words_are_strong() {
        let found = estimate("plum tractor ninety");
        assert!(!found.is_weak() && found.guesses_log10 > 9.0, "{found:?}");
        assert_eq!((found.warning, found.suggestions), (None, vec![]));
    }

    #[test]
    fn no_more_of_a_password_is_looked_at_than_its_beginning() {
        let long = format!("{}{}", "plum tractor ".repeat(8), "x".repeat(60_000));
        let cut: String = long.chars().take(MOST_CHARS).collect();
        assert_eq!(estimate(&long), estimate(&cut));
    }

    #[test]
    fn a_password_of_nothing_but_disguises_is_bounded_work() {
        let signs: Vec<char> = "4@8({[<3691!|0$5+7%2".chars().collect();
        for start in 0..signs.len() {
            let mut turned = signs.clone();
            turned.rotate_left(start);
            let worst: String = turned.iter().cycle().take(1000).collect();
            let given = within_bounds(&worst);
            assert!(ways(&worst) > 500 && ways(&given) <= MOST_WAYS, "{given}");
            assert_eq!(given.chars().count(), MOST_CHARS);
        }
    }

    #[test]
    fn what_people_type_is_looked_at_as_it_is() {
        for usual in [
            "P@$$w0rd!",
            "!@#$%^&*()",
            "0123456789",
            "Tr0ub4dour&3",
            "(c0rr3ct) [h0r5e] {b4ttery} +1",
            "plum tractor ninety",
        ] {
            assert_eq!(within_bounds(usual), usual);
        }
        assert!(estimate("P@$$w0rd!").is_weak() && estimate("!@#$%^&*()").is_weak());
    }
}
