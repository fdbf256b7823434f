//! Names on the network.

use std::net::IpAddr;

/// Whether a text can be a name on the network; an address is none.
pub(crate) fn is_domain(text: &str) -> bool {
    let label_fits = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(label_fits) && !is_address(text)
}

/// Whether the C library reads the text as an address (inet_aton(3)): one to four numbers, each decimal, octal or
/// hexadecimal.
pub(crate) fn is_address(text: &str) -> bool {
    let number = |part: &str| match part.strip_prefix("0x").or_else(|| part.strip_prefix("0X")) {
        Some(digits) => !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()),
    };
    let (address, _) = text.split_once('/').unwrap_or((text, ""));
    address.parse::<IpAddr>().is_ok() || address.split('.').count() <= 4 && address.split('.').all(number)
}
