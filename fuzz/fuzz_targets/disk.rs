//! Any bytes as the disk of a cloud image.
#![no_main]

#[path = "../input.rs"]
mod input;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| input::disk(bytes));
