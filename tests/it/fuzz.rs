//! The fuzz targets' kept corpus, and mutations of it, through the targets' own functions: what the fuzzer has found
//! once stays found, without a fuzzer. `fuzz/run` runs the fuzzer itself, `fuzz/keep` chooses what is kept.

#[path = "../../fuzz/input.rs"]
mod input;

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

use rayon::prelude::*;
use walkdir::WalkDir;

/// Mutated inputs for each target; about ten seconds in a debug build.
const MUTATIONS: usize = 1000;

/// The numbers of one run. `LXSEED_SEED=N` repeats a run that failed.
struct Random(u64);

impl Random {
    /// Xorshift (Marsaglia 2003), 64 bits.
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % (below.max(1) as u64)).unwrap()
    }
}

fn seed() -> u64 {
    let given = std::env::var("LXSEED_SEED").ok();
    given.map_or(0x5eed_1804, |text| text.parse().expect("LXSEED_SEED is a number"))
}

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let entries = WalkDir::new(folder).sort_by_file_name().into_iter().map(Result::unwrap);
    let files = entries.filter(|entry| entry.file_type().is_file());
    let inputs: Vec<Vec<u8>> = files.map(|entry| fs::read(entry.path()).unwrap()).collect();
    assert!(inputs.len() > 3, "the corpus of {target} has {} inputs", inputs.len());
    inputs
}

/// What fuzzers know to be awkward in YAML, and keys and values of profiles.
fn words() -> Vec<Vec<u8>> {
    let dictionary = include_str!("../../fuzz/profiles.dict").lines();
    let words = dictionary.filter_map(|line| line.strip_prefix('"')?.strip_suffix('"'));
    words.map(unescaped).collect()
}

/// A word of the dictionary: a backslash stands before itself, a quote, or `x` and two hexadecimal digits.
fn unescaped(word: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = word.bytes();
    while let Some(byte) = rest.next() {
        let escaped = if byte == b'\\' { rest.next() } else { None };
        bytes.push(match escaped {
            Some(b'x') => {
                let digits: String = rest.by_ref().take(2).map(char::from).collect();
                u8::from_str_radix(&digits, 16).unwrap()
            }
            Some(escaped) => escaped,
            None => byte,
        });
    }
    bytes
}

/// One change of one input, with parts of the others.
fn mutate(corpus: &[Vec<u8>], words: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut bytes = corpus[random.next(corpus.len())].clone();
    for _ in 0..=random.next(3) {
        let at = random.next(bytes.len() + 1);
        let end = (at + random.next(40)).min(bytes.len());
        match random.next(6) {
            0 => drop(bytes.drain(at..end)),
            1 => {
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            2 => drop(bytes.splice(at..end, words[random.next(words.len())].clone())),
            3 => {
                let other = &corpus[random.next(corpus.len())];
                let from = random.next(other.len() + 1);
                let to = (from + random.next(400)).min(other.len());
                bytes.splice(at..end, other[from..to].iter().copied());
            }
            4 if at < bytes.len() => bytes[at] = u8::try_from(random.next(256)).unwrap(),
            _ => drop(bytes.splice(at..at, [u8::try_from(random.next(256)).unwrap()])),
        }
    }
    bytes
}

fn run(target: &str, look: fn(&[u8])) {
    let corpus = corpus(target);
    let words = words();
    assert!(words.len() > 50, "the dictionary has {} words", words.len());
    let seed = seed();
    eprintln!(
        "{target}: {} inputs, {MUTATIONS} mutations, LXSEED_SEED={seed}",
        corpus.len()
    );
    let mut random = Random(seed);
    let mutated: Vec<Vec<u8>> = (0..MUTATIONS).map(|_| mutate(&corpus, &words, &mut random)).collect();
    let broken: Vec<&Vec<u8>> = corpus
        .par_iter()
        .chain(&mutated)
        .filter(|bytes| catch_unwind(|| look(bytes)).is_err())
        .collect();
    let shown: Vec<_> = broken.iter().map(|bytes| String::from_utf8_lossy(bytes)).collect();
    assert!(
        broken.is_empty(),
        "{} inputs break a promise (LXSEED_SEED={seed}):\n{}",
        broken.len(),
        shown.join("\n----\n")
    );
}

#[test]
fn any_bytes_can_be_a_profile() {
    run("reader", input::reader);
}

#[test]
fn any_bytes_can_be_a_site() {
    run("check", input::check);
}

#[test]
fn any_bytes_can_be_a_snap() {
    run("snap", input::snap);
}

#[test]
fn any_bytes_can_be_assertions() {
    run("assertion", input::assertion);
}

#[test]
fn any_bytes_can_be_an_image() {
    run("iso", input::iso);
    run("seed", input::seed);
}

#[test]
fn any_bytes_can_be_a_disk() {
    run("disk", input::disk);
    run("qcow2", input::qcow2);
}

#[test]
fn any_bytes_can_be_a_text_of_ours() {
    run("facts", input::facts);
    run("manifest", input::manifest);
    run("certificate", input::certificate);
}

/// What nothing understands reaches nothing: of each target's seeds one is what it should be.
#[test]
fn every_target_understands_a_seed() {
    use lxseed::fuzzing as look;
    type Door = fn(&[u8]) -> bool;
    let targets: [(&str, Door); 9] = [
        ("snap", look::snap),
        ("assertion", look::assertion),
        ("iso", look::iso),
        ("seed", look::seed),
        ("facts", look::facts),
        ("disk", look::disk),
        ("qcow2", look::qcow2),
        ("manifest", look::manifest),
        ("certificate", look::certificate),
    ];
    for (target, look) in targets {
        assert!(corpus(target).iter().any(|bytes| look(bytes)), "{target}");
    }
}
