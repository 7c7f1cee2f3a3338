//! The look of a company: its logo, its colour, its last line.
//!
//! What is here can be read: an accent that is too light for text is refused when the config is
//! read, and dark mode gets a lighter shade of it.

use serde::{Deserialize, Serialize};

use super::Image;
use super::palette::{Colour, DARK, LIGHT};

/// Least contrast of text with what is behind it: WCAG AA.
const CONTRAST_MIN: f64 = 4.5;
/// Largest size a logo is shown at, in pixels.
const LOGO_SHOWN: (u32, u32) = (200, 60);
/// Largest file of a logo: it goes with every mail.
pub const LOGO_BYTES_MAX: usize = 200_000;
/// Longest footer, in characters.
pub const FOOTER_MAX: usize = 500;

/// The name of the logo within a mail.
pub(super) const LOGO: &str = "logo";
const BLACK: Colour = Colour(0, 0, 0);
const WHITE: Colour = Colour(255, 255, 255);

/// What a config may change of how mails look.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// Stands above the title.
    pub logo: Option<Logo>,
    /// Of links and of the headline's edge, as `#rrggbb`; dark enough to be read on white.
    pub accent: Option<String>,
    /// A line of its own at the end.
    pub footer: Option<String>,
}

/// A picture that stands above the title.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logo {
    /// The file: PNG or JPEG.
    pub bytes: Vec<u8>,
    /// What it says, for those who do not see it.
    pub alt: String,
    /// Width as shown, in pixels.
    pub width: u16,
    /// Height as shown, in pixels.
    pub height: u16,
}

/// The colours that an accent gives a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Accent {
    /// Edges, on light ground.
    pub(super) edge: String,
    /// Links, on light ground: readable on grey rows too.
    pub(super) link: String,
    /// Both, on dark ground.
    pub(super) dark: String,
}

impl Look {
    /// The accent's shades; the house's own where the config has none.
    pub(super) fn shades(&self) -> Accent {
        let Some(accent) = self.accent.as_deref().and_then(Colour::parse) else {
            return Accent {
                edge: LIGHT.accent.to_owned(),
                link: LIGHT.accent.to_owned(),
                dark: DARK.accent.to_owned(),
            };
        };
        Accent {
            edge: written(accent),
            link: written(shade(accent, BLACK, &[LIGHT.card, LIGHT.zebra].map(house))),
            dark: written(shade(accent, WHITE, &[DARK.card, DARK.zebra].map(house))),
        }
    }

    /// The logo as the picture that goes with a mail.
    pub(super) fn image(&self) -> Option<Image> {
        let logo = self.logo.as_ref()?;
        Some(Image { name: LOGO.to_owned(), kind: logo.kind(), bytes: logo.bytes.clone() })
    }
}

/// An accent as the config has it (`#rgb` or `#rrggbb`), written out; the error says what is wrong,
/// with the measured contrast where it is that.
pub fn accent(text: &str) -> Result<String, String> {
    let digits = text.strip_prefix('#').unwrap_or_default();
    let long = match digits.len() {
        3 => digits.chars().flat_map(|digit| [digit, digit]).collect(),
        _ => digits.to_owned(),
    };
    let colour =
        Colour::parse(&format!("#{long}")).ok_or_else(|| format!("`{text}` is not a colour"))?;
    let measured = colour.contrast(WHITE);
    if measured < CONTRAST_MIN {
        // Cut, not rounded: 4.49 is too little and must not read 4.5.
        let shown = (measured * 100.0).floor() / 100.0;
        return Err(format!(
            "the accent `{text}` has a contrast of {shown:.2} to 1 on white, and text needs \
             {CONTRAST_MIN} to 1"
        ));
    }
    Ok(written(colour))
}

/// The nearest darker shade of an accent that [`accent`] takes, to be suggested.
pub fn darker(text: &str) -> Option<String> {
    Some(written(shade(Colour::parse(text)?, BLACK, &[WHITE])))
}

/// Mixes a colour with another in small steps, until it can be read on all these grounds.
fn shade(colour: Colour, towards: Colour, grounds: &[Colour]) -> Colour {
    let readable =
        |shade: &Colour| grounds.iter().all(|ground| shade.contrast(*ground) >= CONTRAST_MIN);
    let mixed = (0..=50).map(|step| {
        let part = f64::from(step) / 50.0;
        let mix = |c: u8, d: u8| (f64::from(c) * (1.0 - part) + f64::from(d) * part).round() as u8;
        Colour(mix(colour.0, towards.0), mix(colour.1, towards.1), mix(colour.2, towards.2))
    });
    // Black and white can be read on every ground this is asked for.
    mixed.into_iter().find(readable).unwrap_or(towards)
}

/// A colour as configs write it.
fn written(colour: Colour) -> String {
    colour.to_string().to_ascii_lowercase()
}

/// A colour of the house's own palettes.
fn house(text: &str) -> Colour {
    Colour::parse(text).expect("palettes hold colours alone")
}

impl Logo {
    /// A logo from its file, shown at most 200 by 60 pixels; the error says why it cannot be one.
    pub fn read(bytes: Vec<u8>, alt: String) -> Result<Logo, String> {
        if bytes.len() > LOGO_BYTES_MAX {
            return Err(format!(
                "the logo has {} bytes, and it goes with every mail: at most {LOGO_BYTES_MAX}",
                bytes.len()
            ));
        }
        let (width, height) = png_size(&bytes)
            .or_else(|| jpeg_size(&bytes))
            .ok_or("the logo is neither a PNG nor a JPEG")?;
        if width == 0 || height == 0 || width > 10_000 || height > 10_000 {
            return Err(format!("a picture of {width} by {height} pixels is no logo"));
        }
        let (width, height) = shown(width, height);
        Ok(Logo { bytes, alt, width, height })
    }

    /// Its media type.
    pub(super) fn kind(&self) -> &'static str {
        if png_size(&self.bytes).is_some() { "image/png" } else { "image/jpeg" }
    }
}

/// The size at which a picture fits the room of a logo, its shape kept; never larger than it is.
fn shown(width: u32, height: u32) -> (u16, u16) {
    let fits = (f64::from(LOGO_SHOWN.0) / f64::from(width))
        .min(f64::from(LOGO_SHOWN.1) / f64::from(height))
        .min(1.0);
    let side = |pixels: u32| (f64::from(pixels) * fits).round().max(1.0) as u16;
    (side(width), side(height))
}

fn png_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let header = bytes.get(..24)?;
    (header.starts_with(b"\x89PNG\r\n\x1a\n") && &header[12..16] == b"IHDR").then_some(())?;
    let number = |at: usize| {
        let bytes = header[at..at + 4].try_into().expect("four bytes of a longer slice");
        u32::from_be_bytes(bytes)
    };
    Some((number(16), number(20)))
}

/// The size in the first frame header of a JPEG.
fn jpeg_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let mut rest = bytes.strip_prefix(b"\xff\xd8")?;
    loop {
        // Fill bytes may stand before a marker.
        while rest.first() == Some(&0xff) && rest.get(1) == Some(&0xff) {
            rest = &rest[1..];
        }
        let (&[0xff, marker], after) = rest.split_first_chunk::<2>()? else { return None };
        let length = usize::from(u16::from_be_bytes(*after.first_chunk::<2>()?));
        let frame = (0xc0..=0xcf).contains(&marker) && !matches!(marker, 0xc4 | 0xc8 | 0xcc);
        if frame {
            let number = |at: usize| {
                Some(u32::from(u16::from_be_bytes([*after.get(at)?, *after.get(at + 1)?])))
            };
            return Some((number(5)?, number(3)?));
        }
        // What follows the start of a scan is no list of segments any more.
        (marker != 0xda && length >= 2).then_some(())?;
        rest = after.get(length..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_accent_must_be_a_colour_that_can_be_read() {
        #[track_caller]
        fn check(text: &str, expected: Result<&str, &str>) {
            match (accent(text), expected) {
                (Ok(colour), Ok(expected)) => assert_eq!(colour, expected),
                (Err(message), Err(why)) => assert!(message.contains(why), "{message}"),
                (got, _) => panic!("{got:?}"),
            }
        }
        check("#1D4ED8", Ok("#1d4ed8"));
        check("#00f", Ok("#0000ff"));
        check("#ff6600", Err("contrast of 2.93 to 1 on white"));
        check("#fff", Err("1.00 to 1"));
        check("1d4ed8", Err("not a colour"));
        check("#1d4ed", Err("not a colour"));
        check("#+1+2+3", Err("not a colour"));
        check("#äää", Err("not a colour"));
        assert!(accent(&darker("#ff6600").unwrap()).is_ok());
        assert_eq!(darker("orange"), None);
    }

    #[test]
    fn shades_of_any_accent_can_be_read_on_every_ground_of_a_mail() {
        for colour in ["#1d4ed8", "#767676", "#000000", "#c2410c", "#00f", "#7c3aed", "#0f766e"] {
            let look = Look { accent: Some(accent(colour).unwrap()), ..Look::default() };
            let shades = look.shades();
            let light = [LIGHT.card, LIGHT.zebra].map(|ground| (&shades.link, ground));
            let dark = [DARK.card, DARK.zebra].map(|ground| (&shades.dark, ground));
            for (text, ground) in light.into_iter().chain(dark) {
                let contrast = house(text).contrast(house(ground));
                assert!(contrast >= 4.5, "{text} on {ground}: {contrast:.2}");
            }
        }
        assert_eq!(Look::default().shades().edge, LIGHT.accent);
    }

    fn png(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
        bytes.extend(width.to_be_bytes());
        bytes.extend(height.to_be_bytes());
        bytes
    }

    fn jpeg(width: u16, height: u16) -> Vec<u8> {
        let mut bytes = b"\xff\xd8\xff\xe0\x00\x04ab\xff\xff\xc0\x00\x11\x08".to_vec();
        bytes.extend(height.to_be_bytes());
        bytes.extend(width.to_be_bytes());
        bytes
    }

    #[test]
    fn a_logo_keeps_its_shape_in_the_room_there_is() {
        #[track_caller]
        fn check(bytes: Vec<u8>, kind: &str, size: (u16, u16)) {
            let logo = Logo::read(bytes, "Acme".to_owned()).unwrap();
            assert_eq!((logo.kind(), (logo.width, logo.height)), (kind, size));
        }
        check(png(400, 100), "image/png", (200, 50));
        check(png(100, 600), "image/png", (10, 60));
        check(png(90, 30), "image/png", (90, 30));
        check(jpeg(1_000, 10), "image/jpeg", (200, 2));
    }

    #[test]
    fn what_is_no_logo_says_so() {
        #[track_caller]
        fn check(bytes: Vec<u8>, why: &str) {
            let err = Logo::read(bytes, String::new()).unwrap_err();
            assert!(err.contains(why), "{err}");
        }
        check(b"GIF89a".to_vec(), "neither a PNG nor a JPEG");
        check(vec![], "neither");
        check(b"\xff\xd8\xff\xe0\x00\x00".to_vec(), "neither");
        check(b"\xff\xd8\xff\xda\x00\x04ab".to_vec(), "neither");
        check(png(0, 5), "no logo");
        check(vec![0; LOGO_BYTES_MAX + 1], "at most 200000");
    }
}
