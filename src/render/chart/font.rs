//! The bundled font: what it can show, and how wide it is.
//!
//! Fonts of the machine are never looked at: a picture has the same bytes everywhere.

use std::sync::{Arc, OnceLock};

use resvg::usvg::fontdb;
use skrifa::instance::{LocationRef, Size};
use skrifa::{FontRef, MetadataProvider};

use crate::render::format::clean;

const REGULAR: &[u8] = include_bytes!("../../../assets/fonts/inter-regular.ttf");
const BOLD: &[u8] = include_bytes!("../../../assets/fonts/inter-semibold.ttf");
/// What stands where a text was cut.
const ELLIPSIS: char = '\u{2026}';

/// How heavy a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    Regular,
    Bold,
}

impl Weight {
    /// The family that has this weight.
    pub(super) fn family(self) -> &'static str {
        match self {
            Weight::Regular => "Inter",
            Weight::Bold => "Inter SemiBold",
        }
    }

    /// The weight as a number of CSS.
    pub(super) fn number(self) -> u16 {
        match self {
            Weight::Regular => 400,
            Weight::Bold => 600,
        }
    }
}

/// Both weights, for measuring and for the renderer.
struct Fonts {
    regular: FontRef<'static>,
    bold: FontRef<'static>,
    database: Arc<fontdb::Database>,
}

impl Fonts {
    fn face(&self, weight: Weight) -> &FontRef<'static> {
        match weight {
            Weight::Regular => &self.regular,
            Weight::Bold => &self.bold,
        }
    }
}

fn fonts() -> &'static Fonts {
    static FONTS: OnceLock<Fonts> = OnceLock::new();
    FONTS.get_or_init(|| {
        let mut database = fontdb::Database::new();
        for bytes in [REGULAR, BOLD] {
            database.load_font_source(fontdb::Source::Binary(Arc::new(bytes)));
        }
        Fonts {
            regular: FontRef::new(REGULAR).expect("the bundled font is a font"),
            bold: FontRef::new(BOLD).expect("the bundled font is a font"),
            database: Arc::new(database),
        }
    })
}

/// The fonts as the renderer wants them.
pub(super) fn database() -> Arc<fontdb::Database> {
    Arc::clone(&fonts().database)
}

/// Whether the font has this character.
pub(super) fn shows(c: char) -> bool {
    fonts().regular.charmap().map(c).is_some()
}

/// A text with nothing in it that the font cannot show: signs without a sound (an emoji, a
/// flag) are dropped. `None` where letters or digits would be lost, or nothing is left: such a
/// text is not shown at all rather than in part.
pub(super) fn showable(text: &str) -> Option<String> {
    let text = clean(text);
    if text.chars().any(|c| c.is_alphanumeric() && !shows(c)) {
        return None;
    }
    let kept: String = text.chars().filter(|c| shows(*c)).collect();
    let kept = kept.split_whitespace().collect::<Vec<_>>().join(" ");
    (!kept.is_empty()).then_some(kept)
}

/// How wide a text is, in pixels; kerning, which mostly makes it narrower, is left out.
pub(super) fn width(text: &str, size: f64, weight: Weight) -> f64 {
    let face = fonts().face(weight);
    let (letters, metrics) =
        (face.charmap(), face.glyph_metrics(Size::new(size as f32), LocationRef::default()));
    let advance = |c: char| {
        let glyph = letters.map(c).unwrap_or_default();
        f64::from(metrics.advance_width(glyph).unwrap_or_default())
    };
    text.chars().map(advance).sum()
}

/// A text cut to so many pixels, with an ellipsis where it was cut; empty where not even that fits.
pub(super) fn cut(text: &str, size: f64, weight: Weight, room: f64) -> String {
    if width(text, size, weight) <= room {
        return text.to_owned();
    }
    let mut left = room - width("\u{2026}", size, weight);
    if left < 0.0 {
        return String::new();
    }
    let mut kept = String::new();
    let mut letter = [0; 4];
    for c in text.chars() {
        left -= width(c.encode_utf8(&mut letter), size, weight);
        if left < 0.0 {
            break;
        }
        kept.push(c);
    }
    let mut kept = kept.trim_end().to_owned();
    kept.push(ELLIPSIS);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_font_has_the_letters_of_europe_and_every_sign_of_a_figure() {
        for text in [
            "Grüße, Łódź, Çeşme, Ångström, Ţară, Việt Nam",
            "Ελλάδα, Україна, Қазақстан",
            "0123456789 \u{a0}\u{202f}\u{2009}\u{2212}%‰€£¥₹₴ <≤≥≈…–—’“”·±×→↑↓",
        ] {
            let shown = showable(text).unwrap_or_default();
            let blank = |text: &str| text.split_whitespace().collect::<String>();
            assert_eq!(blank(&shown), blank(text));
        }
    }

    #[test]
    fn what_cannot_be_shown_is_left_out_whole_or_dropped() {
        #[track_caller]
        fn check(text: &str, shown: Option<&str>) {
            assert_eq!(showable(text).as_deref(), shown);
        }
        check("Web chat", Some("Web chat"));
        check("🎉 Launch 🚀", Some("Launch"));
        check("微信", None);
        check("WeChat 微信", None);
        check("שלום", None);
        check("🎉", None);
        check("", None);
        check("a\u{0}\n\u{202e}b", Some("a b"));
    }

    #[test]
    fn digits_are_of_one_width_and_bold_is_wider() {
        for weight in [Weight::Regular, Weight::Bold] {
            let one = width("1", 14.0, weight);
            for digit in "023456789".chars() {
                assert!((width(&digit.to_string(), 14.0, weight) - one).abs() < 1e-6);
            }
        }
        let wide = |weight| width("Sessions", 14.0, weight);
        assert!(wide(Weight::Regular) < wide(Weight::Bold));
    }

    #[test]
    fn a_long_text_is_cut_to_its_room() {
        let text = "An account with a name that goes on and on";
        for room in [0.0, 5.0, 20.0, 120.0, 1000.0] {
            let shown = cut(text, 14.0, Weight::Regular, room);
            assert!(width(&shown, 14.0, Weight::Regular) <= room, "{shown} in {room}");
            assert_eq!(shown.ends_with(ELLIPSIS), (20.0..200.0).contains(&room), "{shown}");
        }
    }
}
