//! The colours of mails: one set for light, one for dark. Every pair that carries text meets WCAG
//! AA, which the tests compute; a state is never told by colour alone.

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

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance by WCAG 2.2.
    fn luminance(colour: &str) -> f64 {
        let channel = |at: usize| {
            let byte = u8::from_str_radix(&colour[at..at + 2], 16).unwrap();
            let c = f64::from(byte) / 255.0;
            if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
    }

    fn contrast(a: &str, b: &str) -> f64 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
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
}
