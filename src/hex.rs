//! Lower-case hexadecimal, as LXD and `sha256sum` write it.

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Two digits per byte.
pub(crate) fn encode(bytes: &[u8]) -> String {
    // Reserved at once: the text may be a key, and growing would leave copies of it in freed memory.
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

/// Fills `out` from exactly twice as many lower-case digits. Upper case is refused: our own writer never makes it, so
/// it means that the text was retyped.
pub(crate) fn decode(text: &str, out: &mut [u8]) -> Option<()> {
    if text.len() != 2 * out.len() {
        return None;
    }
    for (byte, pair) in out.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = value(pair[0])? << 4 | value(pair[1])?;
    }
    Some(())
}

fn value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn every_byte_survives() {
        let all: Vec<u8> = (0..=255).collect();
        let mut back = vec![0; 256];
        decode(&encode(&all), &mut back).unwrap();
        assert_eq!(back, all);
        assert_eq!(encode(&[0x00, 0x0f, 0xa5]), "000fa5");
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["0", "000", "0g", "0A", " 0", "é"] {
            assert_eq!(decode(text, &mut [0]), None, "{text}");
        }
    }
}
