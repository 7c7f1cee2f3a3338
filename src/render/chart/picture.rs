//! From SVG to PNG.
//!
//! The file has no alpha channel at all: a picture that is clear somewhere vanishes in part on the
//! dark ground that many mail programs show.

use std::cmp::Reverse;
use std::collections::HashMap;

use resvg::tiny_skia::{Color, Pixmap, Transform};
use resvg::usvg::{ImageHrefResolver, Options, Tree};

use crate::render::palette::Colour;

use super::font;

/// Pixels of the file for one as shown.
const SCALE: u32 = 2;
/// A palette of a PNG holds so many colours.
const PALETTE_MAX: usize = 256;

/// Draws a document of this size on a ground; `None` if it is no SVG, or has no size.
pub(super) fn png(svg: &str, width: u32, height: u32, ground: Colour) -> Option<Vec<u8>> {
    let options = Options {
        font_family: font::Weight::Regular.family().to_owned(),
        fontdb: font::database(),
        // Nothing is ever loaded from anywhere.
        image_href_resolver: ImageHrefResolver {
            resolve_data: Box::new(|_, _, _| None),
            resolve_string: Box::new(|_, _| None),
        },
        ..Options::default()
    };
    let tree = Tree::from_str(svg, &options).ok()?;
    let mut pixels = Pixmap::new(width * SCALE, height * SCALE)?;
    pixels.fill(Color::from_rgba8(ground.0, ground.1, ground.2, u8::MAX));
    let scale = SCALE as f32;
    resvg::render(&tree, Transform::from_scale(scale, scale), &mut pixels.as_mut());
    encode(&pixels)
}

/// The pixels as a PNG without alpha, by a palette: a third of the size of one without.
fn encode(pixels: &Pixmap) -> Option<Vec<u8>> {
    let (palette, indexes) = indexed(pixels);
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, pixels.width(), pixels.height());
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(palette);
    encoder.set_compression(png::Compression::Balanced);
    encoder.set_filter(png::Filter::NoFilter);
    let mut writer = encoder.write_header().ok()?;
    writer.write_image_data(&indexes).ok()?;
    writer.finish().ok()?;
    Some(file)
}

/// The palette and each pixel's place in it. The colours that most pixels have are kept as they
/// are; of the shades at the edges of letters, the rarest take the nearest kept one, which no eye
/// tells apart. The order depends on the pixels alone.
fn indexed(pixels: &Pixmap) -> (Vec<u8>, Vec<u8>) {
    let width = pixels.width() as usize;
    let (all, _) = pixels.data().as_chunks::<4>();
    let mut counts: HashMap<[u8; 4], usize> = HashMap::new();
    let mut rows = all.chunks_exact(width).peekable();
    while let Some(row) = rows.next() {
        // Most rows are like the one above, and most pixels like the one before.
        let mut alike = 1;
        while rows.next_if(|next| *next == row).is_some() {
            alike += 1;
        }
        for run in row.chunk_by(|a, b| a == b) {
            *counts.entry(run[0]).or_default() += run.len() * alike;
        }
    }
    let mut ranked: Vec<([u8; 4], usize)> = counts.into_iter().collect();
    ranked.sort_unstable_by_key(|(colour, n)| (Reverse(*n), *colour));
    let kept = ranked.len().min(PALETTE_MAX);
    let mut places: HashMap<[u8; 4], u8> = HashMap::with_capacity(ranked.len());
    for (place, (colour, _)) in ranked.iter().enumerate() {
        let place = if place < kept { place } else { nearest(*colour, &ranked[..kept]) };
        places.insert(*colour, u8::try_from(place).unwrap_or(u8::MAX));
    }
    let mut indexes: Vec<u8> = Vec::with_capacity(all.len());
    let mut above: Option<&[[u8; 4]]> = None;
    for row in all.chunks_exact(width) {
        if above == Some(row) {
            indexes.extend_from_within(indexes.len() - width..);
            continue;
        }
        for run in row.chunk_by(|a, b| a == b) {
            let place = places.get(&run[0]).copied().unwrap_or_default();
            indexes.extend(std::iter::repeat_n(place, run.len()));
        }
        above = Some(row);
    }
    (ranked[..kept].iter().flat_map(|([r, g, b, _], _)| [*r, *g, *b]).collect(), indexes)
}

fn nearest(colour: [u8; 4], kept: &[([u8; 4], usize)]) -> usize {
    let distance = |other: [u8; 4]| -> u32 {
        let channels = colour.iter().zip(other);
        channels.map(|(a, b)| u32::from(a.abs_diff(b)).pow(2)).sum()
    };
    (0..kept.len()).min_by_key(|place| distance(kept[*place].0)).unwrap_or_default()
}
