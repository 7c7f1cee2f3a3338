//! What fuzzers are seeded with goes through their targets, and so does what is made of it by cutting,
//! doubling and exchanging pieces. The long runs are `tests/fuzz/run`; this is the same in small, on
//! any toolchain. Targets with a door inside the library are run beside that door.

use std::path::Path;

#[allow(unreachable_pub, reason = "a crate of its own elsewhere")]
#[path = "../../fuzz/src/lib.rs"]
mod targets;

/// A small generator (splitmix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((x ^ (x >> 31)) % end.max(1) as u64) as usize
    }
}

/// Seeds of a target.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

/// One seed, changed a little, with a piece of another one perhaps.
fn changed(seed: &[u8], other: &[u8], chance: &mut Chance) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=chance.below(3) {
        let (from, to) = (chance.below(bytes.len() + 1), chance.below(bytes.len() + 1));
        let (from, to) = (from.min(to), from.max(to));
        match chance.below(5) {
            0 => drop(bytes.drain(from..to)),
            1 => bytes.truncate(to),
            2 => {
                let piece = bytes[from..to].to_vec();
                bytes.splice(to..to, piece);
            }
            3 => {
                let (a, b) = (chance.below(other.len() + 1), chance.below(other.len() + 1));
                bytes.splice(from..to, other[a.min(b)..a.max(b)].iter().copied());
            }
            _ => {
                if let Some(byte) = bytes.get_mut(from) {
                    *byte = chance.below(256) as u8;
                }
            }
        }
    }
    bytes
}

#[track_caller]
fn check(target: &str, times: usize, run: fn(&[u8])) {
    let seeds = corpus(target);
    assert!(seeds.len() >= 5, "{target} has {} seeds", seeds.len());
    seeds.iter().for_each(|seed| run(seed));
    let mut chance = Chance(7);
    for _ in 0..times {
        let seed = &seeds[chance.below(seeds.len())];
        let other = &seeds[chance.below(seeds.len())];
        run(&changed(seed, other, &mut chance));
    }
}

#[test]
fn configs() {
    check("config", 60, targets::config);
}

#[test]
fn queries() {
    check("query", 400, targets::query);
}

#[test]
fn templates() {
    check("template", 200, targets::template);
}

#[test]
fn schedules() {
    check("schedule", 200, targets::schedule);
}

#[test]
fn words() {
    check("words", 2_000, targets::words);
}
