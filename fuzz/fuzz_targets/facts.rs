//! Any bytes as the texts of a seed.
#![no_main]

#[path = "../input.rs"]
mod input;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| input::facts(bytes));
