//! In which language a text is.

use whatlang::Lang;

/// Characters of a text that are looked at; more do not make it surer.
const ENOUGH: usize = 20_000;
/// Letters without which nobody could say.
const LEAST: usize = 40;

/// The language in which most of `text` is, as ISO 639-1 calls it; `None` if that is not clear.
#[must_use]
pub fn language(text: &str) -> Option<&'static str> {
    let end = text.char_indices().nth(ENOUGH).map_or(text.len(), |(end, _)| end);
    let text = &text[..end];
    let found = whatlang::detect(text)?;
    let is_enough = text.chars().filter(|it| it.is_alphabetic()).nth(LEAST).is_some();
    // Scripts that write few languages are clear sooner.
    let is_clear = found.is_reliable() && (is_enough || found.confidence() >= 1.0);
    is_clear.then(|| code(found.lang()))
}

#[expect(clippy::too_many_lines, reason = "it is a table")]
fn code(language: Lang) -> &'static str {
    match language {
        Lang::Epo => "eo",
        Lang::Eng => "en",
        Lang::Rus => "ru",
        Lang::Cmn => "zh",
        Lang::Spa => "es",
        Lang::Por => "pt",
        Lang::Ita => "it",
        Lang::Ben => "bn",
        Lang::Fra => "fr",
        Lang::Deu => "de",
        Lang::Ukr => "uk",
        Lang::Kat => "ka",
        Lang::Ara => "ar",
        Lang::Hin => "hi",
        Lang::Jpn => "ja",
        Lang::Heb => "he",
        Lang::Yid => "yi",
        Lang::Pol => "pl",
        Lang::Amh => "am",
        Lang::Jav => "jv",
        Lang::Kor => "ko",
        Lang::Nob => "nb",
        Lang::Dan => "da",
        Lang::Swe => "sv",
        Lang::Fin => "fi",
        Lang::Tur => "tr",
        Lang::Nld => "nl",
        Lang::Hun => "hu",
        Lang::Ces => "cs",
        Lang::Ell => "el",
        Lang::Bul => "bg",
        Lang::Bel => "be",
        Lang::Mar => "mr",
        Lang::Kan => "kn",
        Lang::Ron => "ro",
        Lang::Slv => "sl",
        Lang::Hrv => "hr",
        Lang::Srp => "sr",
        Lang::Mkd => "mk",
        Lang::Lit => "lt",
        Lang::Lav => "lv",
        Lang::Est => "et",
        Lang::Tam => "ta",
        Lang::Vie => "vi",
        Lang::Urd => "ur",
        Lang::Tha => "th",
        Lang::Guj => "gu",
        Lang::Uzb => "uz",
        Lang::Pan => "pa",
        Lang::Aze => "az",
        Lang::Ind => "id",
        Lang::Tel => "te",
        Lang::Pes => "fa",
        Lang::Mal => "ml",
        Lang::Ori => "or",
        Lang::Mya => "my",
        Lang::Nep => "ne",
        Lang::Sin => "si",
        Lang::Khm => "km",
        Lang::Tuk => "tk",
        Lang::Aka => "ak",
        Lang::Zul => "zu",
        Lang::Sna => "sn",
        Lang::Afr => "af",
        Lang::Lat => "la",
        Lang::Slk => "sk",
        Lang::Cat => "ca",
        Lang::Tgl => "tl",
        Lang::Hye => "hy",
        Lang::Cym => "cy",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_is_told_by_its_words() {
        for (text, expected) in [
            ("Parental leave lasts fourteen months, and may be shared between both parents.", "en"),
            (
                "Die Elternzeit dauert vierzehn Monate und kann unter den Eltern aufgeteilt werden.",
                "de",
            ),
            (
                "Le congé parental dure quatorze mois et peut être partagé entre les deux parents.",
                "fr",
            ),
            (
                "El permiso parental dura catorce meses y puede repartirse entre los dos padres.",
                "es",
            ),
            (
                "Отпуск по уходу за ребёнком длится четырнадцать месяцев и делится между родителями.",
                "ru",
            ),
            ("育児休業は十四か月続き、両親の間で分けることができます。", "ja"),
            ("육아 휴직은 십사 개월 동안 지속되며 부모가 나누어 쓸 수 있습니다.", "ko"),
        ] {
            assert_eq!(language(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_not_clear_is_not_said() {
        for text in ["", "12, 34; 56", "OK", "Cats.", "id: 7\nsum: 9\n"] {
            assert_eq!(language(text), None, "{text}");
        }
    }
}
