//! Which tags are locales: a language that there are data for, and a country.

use super::Locale;
use super::facts::Facts;

/// Languages with data, each with the country that its tag has where nothing else is said.
#[rustfmt::skip]
pub(super) const LANGUAGES: &[(&str, &str)] = &[
    ("af", "ZA"), ("am", "ET"), ("ar", "EG"), ("as", "IN"), ("ast", "ES"), ("az", "AZ"), ("be", "BY"), ("bg", "BG"),
    ("bn", "BD"), ("br", "FR"), ("bs", "BA"), ("ca", "ES"), ("ceb", "PH"), ("chr", "US"), ("ckb", "IQ"), ("cs", "CZ"),
    ("cy", "GB"), ("da", "DK"), ("de", "DE"), ("dsb", "DE"), ("el", "GR"), ("en", "GB"), ("es", "ES"), ("et", "EE"),
    ("eu", "ES"), ("fa", "IR"), ("fi", "FI"), ("fil", "PH"), ("fo", "FO"), ("fr", "FR"), ("fy", "NL"),
    ("ga", "IE"), ("gd", "GB"), ("gl", "ES"), ("gu", "IN"), ("ha", "NG"), ("he", "IL"), ("hi", "IN"),
    ("hr", "HR"), ("hsb", "DE"), ("hu", "HU"), ("hy", "AM"), ("id", "ID"), ("ig", "NG"), ("is", "IS"), ("it", "IT"),
    ("ja", "JP"), ("jv", "ID"), ("ka", "GE"), ("kea", "CV"), ("kk", "KZ"), ("km", "KH"), ("kn", "IN"),
    ("ko", "KR"), ("kok", "IN"), ("ks", "IN"), ("ku", "TR"), ("ky", "KG"), ("lb", "LU"), ("lo", "LA"), ("lt", "LT"),
    ("lv", "LV"), ("mg", "MG"), ("mi", "NZ"), ("mk", "MK"), ("ml", "IN"), ("mn", "MN"), ("mni", "IN"), ("mr", "IN"),
    ("ms", "MY"), ("mt", "MT"), ("my", "MM"), ("nb", "NO"), ("ne", "NP"), ("nl", "NL"), ("nn", "NO"), ("no", "NO"),
    ("oc", "FR"), ("om", "ET"), ("or", "IN"), ("pa", "IN"), ("pcm", "NG"), ("pl", "PL"), ("ps", "AF"), ("pt", "BR"),
    ("qu", "PE"), ("rm", "CH"), ("ro", "RO"), ("ru", "RU"), ("rw", "RW"), ("sa", "IN"), ("sat", "IN"), ("sc", "IT"),
    ("sd", "PK"), ("si", "LK"), ("sk", "SK"), ("sl", "SI"), ("so", "SO"), ("sq", "AL"), ("sr", "RS"), ("su", "ID"),
    ("sv", "SE"), ("sw", "TZ"), ("szl", "PL"), ("ta", "IN"), ("te", "IN"), ("tg", "TJ"), ("th", "TH"), ("ti", "ET"),
    ("tk", "TM"), ("to", "TO"), ("tr", "TR"), ("tt", "RU"), ("uk", "UA"), ("ur", "PK"), ("uz", "UZ"), ("vi", "VN"),
    ("wo", "SN"), ("xh", "ZA"), ("yo", "NG"), ("yue", "HK"), ("zh", "CN"), ("zu", "ZA"),
];

/// Countries by ISO 3166.
#[rustfmt::skip]
const COUNTRIES: &str = "\
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ \
    CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO \
    FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE \
    JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO \
    MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW \
    PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM \
    TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW";

/// Countries whose tag people mean where a language of theirs stands earlier in [`LANGUAGES`], or
/// which are no language's own.
#[rustfmt::skip]
const MOSTLY: &[(&str, &str)] = &[
    ("AF", "ps"), ("AT", "de"), ("AU", "en"), ("BE", "nl"), ("CA", "en"), ("CH", "de"), ("CN", "zh"), ("ES", "es"),
    ("ET", "am"), ("FR", "fr"), ("GB", "en"), ("IE", "en"), ("IN", "hi"), ("IQ", "ar"), ("IT", "it"), ("MX", "es"),
    ("NG", "en"), ("NL", "nl"), ("NO", "nb"), ("NZ", "en"), ("PH", "en"), ("PK", "ur"), ("PL", "pl"), ("RU", "ru"),
    ("TR", "tr"), ("UA", "uk"), ("US", "en"), ("ZA", "en"),
];

/// A tag that is no locale.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{tag}` is not a locale")]
pub struct UnknownLocale {
    /// As written.
    pub tag: String,
    /// What was probably meant.
    pub meant: Option<String>,
}

impl UnknownLocale {
    /// What to write instead.
    pub fn advice(&self) -> String {
        match &self.meant {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "write a language and a country, e.g. `en-GB`".to_owned(),
        }
    }
}

/// A tag taken apart: language, script if it has one, country if it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tag {
    pub(super) language: String,
    pub(super) script: Option<String>,
    pub(super) country: Option<String>,
}

impl Tag {
    /// Reads a tag in any capitals, its parts with `-` or `_` between; `None` if it has other parts.
    pub(super) fn read(text: &str) -> Option<Tag> {
        let mut parts = text.split(['-', '_']).peekable();
        let letters = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphabetic());
        let language =
            parts.next().filter(|part| (2..=3).contains(&part.len()) && letters(part))?;
        let script = parts.next_if(|part| part.len() == 4 && letters(part));
        let country = parts.next_if(|part| part.len() == 2 && letters(part));
        if parts.next().is_some() {
            return None;
        }
        let titled = |script: &str| {
            let small = script.to_ascii_lowercase();
            format!("{}{}", small[..1].to_ascii_uppercase(), &small[1..])
        };
        Some(Tag {
            language: language.to_ascii_lowercase(),
            script: script.map(titled),
            country: country.map(str::to_ascii_uppercase),
        })
    }

    /// Without what there are no data for: an unknown language is English, an unknown country none.
    pub(super) fn or_english(tag: Option<Tag>) -> Tag {
        match tag {
            Some(tag) if home(&tag.language).is_some() => {
                Tag { country: tag.country.filter(|country| is_country(country)), ..tag }
            }
            _ => Tag { language: "en".to_owned(), script: None, country: Some("GB".to_owned()) },
        }
    }

    /// In its usual capitals.
    pub(super) fn written(&self) -> String {
        let parts = [Some(&self.language), self.script.as_ref(), self.country.as_ref()];
        let parts: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
        parts.join("-")
    }
}

/// The country of a language; `None` for one without data.
fn home(language: &str) -> Option<&'static str> {
    LANGUAGES.iter().find(|(known, _)| *known == language).map(|(_, home)| *home)
}

fn is_country(code: &str) -> bool {
    COUNTRIES.split_ascii_whitespace().any(|country| country == code)
}

impl Locale {
    /// The locale of a tag that is written as locales are: a known language in small letters, a
    /// script if there is one, a country in capitals: `de-DE`, `zh-Hant-TW`. Any country goes with
    /// any language: what there are no data for is written as the language's own country does.
    pub fn known(tag: &str) -> Result<Locale, UnknownLocale> {
        let read = Tag::read(tag).filter(|read| {
            let country = read.country.as_deref().is_some_and(is_country);
            country && home(&read.language).is_some() && read.written() == tag
        });
        match read {
            Some(read) => Ok(Locale(Facts::of(&read))),
            None => Err(UnknownLocale { tag: tag.to_owned(), meant: meant(tag) }),
        }
    }
}

/// The locale that was probably meant.
fn meant(text: &str) -> Option<String> {
    let at_home = |language: &str| Some(format!("{language}-{}", home(language)?));
    let Some(tag) = Tag::read(text) else {
        return nearest(text);
    };
    // People write the country for the language: `jp-JP`, `dk`.
    let of_country = |country: &str| {
        let country = if country == "UK" { "GB" } else { country };
        let mostly = MOSTLY.iter().find(|(known, _)| *known == country);
        let at_home = || LANGUAGES.iter().find(|(_, home)| *home == country).map(|(own, _)| *own);
        let language = mostly.map(|(_, language)| *language).or_else(at_home)?;
        Some(format!("{language}-{country}"))
    };
    match tag.country.as_deref() {
        Some("UK") if tag.language == "en" => Some("en-GB".to_owned()),
        Some(country) if is_country(country) && home(&tag.language).is_some() => {
            Some(tag.written())
        }
        Some(_) if home(&tag.language).is_some() => at_home(&tag.language),
        None if home(&tag.language).is_some() => at_home(&tag.language),
        Some(country) if is_country(country) => of_country(country),
        _ => of_country(&tag.language.to_ascii_uppercase()).or_else(|| nearest(text)),
    }
}

/// The tag of a language at home that is one letter away.
fn nearest(text: &str) -> Option<String> {
    let tags = LANGUAGES.iter().map(|(language, country)| format!("{language}-{country}"));
    let near = tags.map(|tag| (strsim::damerau_levenshtein(&tag, text), tag));
    near.filter(|(distance, _)| *distance <= 1).min().map(|(_, tag)| tag)
}
