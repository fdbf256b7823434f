//! SHA256SUMS, which publishers lay beside their images.

use camino::{Utf8Path, Utf8PathBuf};

use super::MediaError;
use crate::budget::MAX_SUMS_BYTES;
use crate::foreign;

/// The name that it has everywhere.
pub const SHA256SUMS: &str = "SHA256SUMS";

/// What the list beside an image says of it: the list's path, and the lower-case hexadecimal SHA-256. Nothing if there
/// is no list, or it does not name the image.
///
/// # Errors
/// If the list cannot be read, or names the image twice and not alike.
pub fn listed(image: &Utf8Path) -> Result<Option<(Utf8PathBuf, String)>, MediaError> {
    let Some(name) = image.file_name() else { return Ok(None) };
    let path = match image.parent() {
        Some(folder) => folder.join(SHA256SUMS),
        None => SHA256SUMS.into(),
    };
    if path.symlink_metadata().is_err() {
        return Ok(None);
    }
    let broken = |why: String| MediaError::Malformed(format!("{path} beside it cannot be used: {why}"));
    let bytes = foreign::read(&path, MAX_SUMS_BYTES).map_err(|error| broken(error.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|_| broken("it is not text".to_owned()))?;
    let mut found = text.lines().filter_map(entry).filter(|(_, of)| *of == name);
    let Some((digest, _)) = found.next() else {
        return Ok(None);
    };
    if found.any(|(other, _)| other != digest) {
        return Err(broken(format!("it names {name} twice, with different digests")));
    }
    Ok(Some((path, digest)))
}

/// A line of sha256sum: the digest, a space, a space or an asterisk, the name; or with `--tag`, `SHA256 (NAME) = DIGEST`.
fn entry(line: &str) -> Option<(String, &str)> {
    let tagged = line
        .strip_prefix("SHA256 (")
        .and_then(|rest| rest.rsplit_once(") = "))
        .map(|(name, digest)| (digest, name));
    let (digest, name) = tagged.or_else(|| {
        let (digest, name) = line.split_once(' ')?;
        Some((digest, name.strip_prefix([' ', '*'])?))
    })?;
    Some((sha256(digest)?, name.strip_prefix("./").unwrap_or(name)))
}

/// A SHA-256 as it is written, in lower case; nothing if it is none.
#[must_use]
pub fn sha256(text: &str) -> Option<String> {
    let is_one = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_one.then(|| text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_list_says_what_an_image_should_be() {
        let folder = tempfile::tempdir().unwrap();
        let folder = Utf8Path::from_path(folder.path()).unwrap();
        let image = folder.join("a.img");
        assert!(listed(&image).unwrap().is_none());
        let (one, two) = ("0a".repeat(32), "B1".repeat(32));
        let list = folder.join(SHA256SUMS);
        for (text, digest) in [
            (format!("{one} *b.img\n{two} *a.img\n"), Some(&two)),
            (format!("{one}  a.img\n{one}  a.img\n"), Some(&one)),
            (format!("{one}  ./a.img\r\n"), Some(&one)),
            (format!("SHA256 (a.img) = {one}\n"), Some(&one)),
            (format!("{one}  b.img\n"), None),
            (format!("{one}  x/a.img\n"), None),
            ("abc  a.img\n\n*\n".to_owned(), None),
        ] {
            std::fs::write(&list, &text).unwrap();
            let found = listed(&image).unwrap().map(|(_, digest)| digest);
            assert_eq!(found, digest.map(|digest| digest.to_lowercase()), "{text}");
        }
        std::fs::write(&list, format!("{one}  a.img\n{two}  a.img\n")).unwrap();
        assert!(listed(&image).unwrap_err().to_string().contains("twice"));
        std::fs::write(&list, vec![b' '; 2 << 20]).unwrap();
        assert!(listed(&image).unwrap_err().to_string().contains("cannot be used"));
    }
}
