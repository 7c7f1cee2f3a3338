//! The colours of mails: one set for light, one for dark. Every pair that carries text meets WCAG
//! AA, which the tests compute; a state is never told by colour alone. And the colours of pictures,
//! which are light always, since they cannot know what they will lie on.

use std::fmt;

/// The colours of one scheme, as `#RRGGBB`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Palette {
    /// Behind the mail.
    pub(super) page: &'static str,
    /// Behind the text.
    pub(super) card: &'static str,
    /// Text.
    pub(super) ink: &'static str,
    /// Text of lesser weight.
    pub(super) mute: &'static str,
    /// Every other row, boxes.
    pub(super) zebra: &'static str,
    /// Hairlines.
    pub(super) line: &'static str,
    /// Links and the mark of the headline.
    pub(super) accent: &'static str,
    /// Bars of shares.
    pub(super) bar: &'static str,
    /// Good news: text, background.
    pub(super) ok: (&'static str, &'static str),
    /// Take care: text, background.
    pub(super) warn: (&'static str, &'static str),
    /// Bad news: text, background.
    pub(super) bad: (&'static str, &'static str),
}

/// Colours written into the mail. No pure black or white: clients that recolour by themselves
/// leave those alone least gracefully.
pub(super) const LIGHT: Palette = Palette {
    page: "#F2F4F6",
    card: "#FEFEFE",
    ink: "#1F2933",
    mute: "#52606D",
    zebra: "#F4F6F8",
    line: "#D5DBE1",
    accent: "#1D4ED8",
    bar: "#9DB8F2",
    ok: ("#166534", "#DCFCE7"),
    warn: ("#92400E", "#FEF3C7"),
    bad: ("#991B1B", "#FEE2E2"),
};

/// Colours for clients that honour `prefers-color-scheme`.
pub(super) const DARK: Palette = Palette {
    page: "#0F141A",
    card: "#1A2129",
    ink: "#E4E9EE",
    mute: "#A9B4BF",
    zebra: "#222B35",
    line: "#3A4653",
    accent: "#93B4FB",
    bar: "#3F68BF",
    ok: ("#9AE6B4", "#14351F"),
    warn: ("#FBD38D", "#3D2C0B"),
    bad: ("#FDB0B0", "#43181B"),
};

/// A colour as three bytes: nothing else can be written where a colour stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Colour(pub(super) u8, pub(super) u8, pub(super) u8);

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Colour(r, g, b) = self;
        write!(f, "#{r:02X}{g:02X}{b:02X}")
    }
}

impl Colour {
    /// The colour of `#rrggbb`.
    pub(super) fn parse(text: &str) -> Option<Colour> {
        let digits = text.strip_prefix('#')?;
        if digits.len() != 6 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let channel = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
        Some(Colour(channel(0)?, channel(2)?, channel(4)?))
    }

    /// Its channels as amounts of light, 0 to 1.
    fn light(self) -> [f64; 3] {
        [self.0, self.1, self.2].map(|byte| {
            let c = f64::from(byte) / 255.0;
            if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        })
    }

    /// Relative luminance by WCAG 2.2.
    fn luminance(self) -> f64 {
        let [r, g, b] = self.light();
        0.2126 * r + 0.7152 * g + 0.0722 * b
    }

    /// Contrast by WCAG 2.2, 1 to 21.
    pub(super) fn contrast(self, other: Colour) -> f64 {
        let (a, b) = (self.luminance(), other.luminance());
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    /// What can be read best on it: the ground of pictures, or black.
    pub(super) fn text_on(self) -> Colour {
        let black = Colour(0, 0, 0);
        if self.contrast(GROUND) >= self.contrast(black) { GROUND } else { black }
    }

    /// How different two colours look to the eye that tells them apart worst: the smallest distance
    /// in OKLab as seen with all cones, without red ones and without green ones. Two shades that
    /// can just be told apart side by side differ by about 0.02.
    pub(super) fn difference(self, other: Colour) -> f64 {
        let seen = SIGHTS.iter().map(|sight| {
            let (a, b) = (lab(seen_by(self.light(), sight)), lab(seen_by(other.light(), sight)));
            a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
        });
        seen.fold(f64::INFINITY, f64::min)
    }
}

/// Behind every picture.
pub(super) const GROUND: Colour = Colour(0xFE, 0xFE, 0xFE);
/// What is left over in a picture: others.
pub(super) const REST: Colour = Colour(0x87, 0x91, 0x9D);
/// Colours of the series of a picture, in order: chosen by search for the largest distance to the
/// eyes that see no red or no green, at a contrast of at least 3 to the ground.
pub(super) const SERIES: [Colour; 5] = [
    Colour(0x1D, 0x4E, 0xD8),
    Colour(0xD8, 0x79, 0x22),
    Colour(0x21, 0x69, 0x6E),
    Colour(0x50, 0x11, 0x35),
    Colour(0x73, 0x90, 0xC0),
];
/// Series must look so different at least.
const APART: f64 = 0.12;

/// The colours of series with a colour of the company's as the first, where that can be seen on the
/// ground. Those of the others that it could be taken for come last, so that they are used only
/// where there are many series.
pub(super) fn series(accent: Option<&str>) -> [Colour; 5] {
    let accent = accent.and_then(Colour::parse).filter(|c| c.contrast(GROUND) >= 3.0);
    let Some(accent) = accent.filter(|accent| *accent != SERIES[0]) else { return SERIES };
    let mut rest = SERIES;
    // A stable sort: those far enough keep their order.
    rest.sort_by_key(|colour| colour.difference(accent) < APART);
    [accent, rest[0], rest[1], rest[2], rest[3]]
}

/// Sight as a matrix over light: all cones, without red ones, without green ones (Machado, Oliveira
/// and Fernandes 2009, full strength).
const SIGHTS: [[[f64; 3]; 3]; 3] = [
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
    [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
];

fn seen_by(light: [f64; 3], sight: &[[f64; 3]; 3]) -> [f64; 3] {
    let row = |row: [f64; 3]| row.iter().zip(light).map(|(a, b)| a * b).sum::<f64>();
    sight.map(|weights| row(weights).clamp(0.0, 1.0))
}

/// OKLab of an amount of light.
fn lab([r, g, b]: [f64; 3]) -> [f64; 3] {
    let l = (0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b).cbrt();
    let m = (0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b).cbrt();
    let s = (0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b).cbrt();
    [
        0.2104542553 * l + 0.7936177850 * m - 0.0040720468 * s,
        1.9779984951 * l - 2.4285922050 * m + 0.4505937099 * s,
        0.0259040371 * l + 0.7827717662 * m - 0.8086757660 * s,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contrast(a: &str, b: &str) -> f64 {
        Colour::parse(a).unwrap().contrast(Colour::parse(b).unwrap())
    }

    /// What a client makes of a colour when it inverts lightness wholesale.
    fn inverted(colour: &str) -> String {
        let value = u32::from_str_radix(&colour[1..], 16).unwrap();
        format!("#{:06X}", 0xFF_FF_FF - value)
    }

    fn text_pairs(p: &Palette) -> Vec<(&'static str, &'static str)> {
        let mut pairs = vec![p.ok, p.warn, p.bad, (p.mute, p.page)];
        for background in [p.card, p.zebra] {
            pairs.extend([p.ink, p.mute, p.accent].map(|text| (text, background)));
        }
        pairs
    }

    #[test]
    fn text_meets_wcag_aa_in_light_in_dark_and_inverted() {
        assert!((contrast("#000000", "#FFFFFF") - 21.0).abs() < 0.01);
        for palette in [LIGHT, DARK] {
            for (text, background) in text_pairs(&palette) {
                let plain = contrast(text, background);
                assert!(plain >= 4.5, "{text} on {background}: {plain:.2}");
            }
        }
        for (text, background) in text_pairs(&LIGHT) {
            let turned = contrast(&inverted(text), &inverted(background));
            assert!(turned >= 4.5, "{text} on {background} inverted: {turned:.2}");
        }
    }

    /// The smallest difference between any two of some colours.
    fn closest(colours: &[Colour]) -> f64 {
        let pairs = colours.iter().enumerate();
        let pairs = pairs.flat_map(|(i, a)| colours[..i].iter().map(move |b| a.difference(*b)));
        pairs.fold(f64::INFINITY, f64::min)
    }

    #[test]
    fn series_can_be_seen_and_told_apart_by_those_who_see_no_red_or_no_green() {
        // Red and green of the same lightness are what the measure is for.
        let (red, green) = (Colour(0xA0, 0x40, 0x20), Colour(0x4F, 0x6B, 0x1E));
        assert!(red.difference(green) < 0.06, "{}", red.difference(green));
        assert!(closest(&SERIES) > 0.16, "{}", closest(&SERIES));
        for colour in SERIES.into_iter().chain([REST]) {
            assert!(colour.contrast(GROUND) >= 3.0, "{colour} on the ground");
            let text = colour.text_on();
            assert!(text.contrast(colour) >= 4.5, "{text} on {colour}");
        }
        assert!(closest(&[SERIES[0], SERIES[1], SERIES[2], SERIES[3], REST]) > APART);
        let ink = Colour::parse(LIGHT.ink).unwrap();
        let mute = Colour::parse(LIGHT.mute).unwrap();
        assert!(ink.contrast(GROUND) >= 4.5 && mute.contrast(GROUND) >= 4.5);
    }

    #[test]
    fn a_companys_colour_comes_first_and_its_like_last() {
        assert_eq!(series(None), SERIES);
        assert_eq!(series(Some("#1d4ed8")), SERIES);
        for unusable in ["#FFFF00", "red", "#12345", "#+12345", "#é1234", ""] {
            assert_eq!(series(Some(unusable)), SERIES, "{unusable}");
        }
        for accent in ["#B00020", "#007A3D", "#6D28D9", "#0369A1", "#111111", "#C2410C"] {
            let colours = series(Some(accent));
            assert_eq!(Some(colours[0]), Colour::parse(accent));
            assert!(closest(&colours[..3]) >= APART, "{accent}: {}", closest(&colours[..3]));
        }
        assert!(!series(Some("#1E40AF")).contains(&SERIES[0]), "no blue beside a blue");
    }
}
