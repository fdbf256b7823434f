//! Lower-case hexadecimal, as LXD and `sha256sum` write it. The text may be a key, so it is coded in constant time.

pub(crate) use base16ct::lower::encode_string as encode;

/// Fills `out` from exactly twice as many lower-case digits. Upper case is refused: our own writer never makes it, so
/// it means that the text was retyped.
pub(crate) fn decode(text: &str, out: &mut [u8]) -> Option<()> {
    let fits = text.len() == 2 * out.len();
    (fits && base16ct::lower::decode(text, out).is_ok()).then_some(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn every_byte_survives_and_anything_else_is_refused() {
        let all: Vec<u8> = (0..=255).collect();
        let mut back = vec![0; 256];
        decode(&encode(&all), &mut back).unwrap();
        assert_eq!(back, all);
        assert_eq!(encode(&[0x00, 0x0f, 0xa5]), "000fa5");
        for text in ["0", "000", "0g", "0A", " 0", "é"] {
            assert_eq!(decode(text, &mut [0]), None, "{text}");
        }
    }
}
