//! Assertions of the Snap Store: signed documents of headers, a body and a signature.
//!
//! Signatures are not verified here: snapd does that on the machine, with the keys it trusts (`snap ack`). What is read
//! here tells which snap, revision and bytes a file is meant to be, so that a mix-up shows before a medium is made.

use std::collections::BTreeMap;

/// What the assertions that came with a snap say of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claims {
    /// The snap's name in the store.
    pub(crate) name: String,
    /// The store's number of this build.
    pub(crate) revision: u32,
    /// In bytes.
    pub(crate) size: u64,
    /// SHA3-384 of the file, as the store writes it: base64 for URLs, without padding.
    pub(crate) digest: String,
}

impl Claims {
    /// Reads the stream of assertions that `snap download` writes beside a snap: a `snap-revision` tells digest, size
    /// and number, the `snap-declaration` of the same snap-id its name.
    pub(crate) fn read(text: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(text).map_err(|_| "it is not text".to_owned())?;
        let (mut revision, mut declarations) = (None, Vec::new());
        for assertion in assertions(text)? {
            match assertion.get("type").map(String::as_str) {
                Some("snap-revision") if revision.is_some() => {
                    return Err("it speaks of more than one snap".to_owned());
                }
                Some("snap-revision") => revision = Some(assertion),
                Some("snap-declaration") => declarations.push(assertion),
                _ => {}
            }
        }
        let revision = revision.ok_or("there is no snap-revision in it")?;
        let id = header(&revision, "snap-id")?;
        let declaration = declarations
            .iter()
            .find(|declaration| declaration.get("snap-id").map(String::as_str) == Some(id))
            .ok_or("there is no snap-declaration of its snap in it")?;
        let number = |name: &str| {
            header(&revision, name)?
                .parse::<u64>()
                .map_err(|_| format!("its {name} is no number"))
        };
        let digest = header(&revision, "snap-sha3-384")?;
        // 384 bits in base64.
        if digest.len() != 64 {
            return Err("its snap-sha3-384 is no SHA3-384".to_owned());
        }
        let name = header(declaration, "snap-name")?;
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.len() > 40 || !name.chars().all(fits) {
            return Err("its snap-name is no name of a snap".to_owned());
        }
        Ok(Self {
            name: name.to_owned(),
            revision: u32::try_from(number("snap-revision")?)
                .map_err(|_| "its snap-revision is too large".to_owned())?,
            size: number("snap-size")?,
            digest: digest.to_owned(),
        })
    }
}

fn header<'a>(assertion: &'a BTreeMap<String, String>, name: &str) -> Result<&'a str, String> {
    assertion
        .get(name)
        .map(String::as_str)
        .filter(|value| !value.is_empty())
        .ok_or_else(|| format!("its {name} is missing"))
}

/// The headers of each assertion: `name: value` lines up to an empty one, then a body of `body-length` bytes where
/// there is one, then the signature, each set off by an empty line.
fn assertions(text: &str) -> Result<Vec<BTreeMap<String, String>>, String> {
    let mut found = Vec::new();
    let mut rest = text.trim_start_matches('\n');
    while !rest.is_empty() {
        let (head, behind) = rest.split_once("\n\n").ok_or("it ends within an assertion")?;
        let headers = headers(head)?;
        let behind = match headers.get("body-length") {
            None => behind,
            Some(length) => {
                let length = length
                    .parse::<usize>()
                    .map_err(|_| "a body-length in it is no number")?;
                let (_, behind) = behind.split_at_checked(length).ok_or("it ends within an assertion")?;
                if length == 0 {
                    behind
                } else {
                    behind
                        .strip_prefix("\n\n")
                        .ok_or("a body in it has another length than it says")?
                }
            }
        };
        let (signature, behind) = behind.split_once("\n\n").unwrap_or((behind, ""));
        if signature.trim().is_empty() {
            return Err("an assertion in it has no signature".to_owned());
        }
        found.push(headers);
        rest = behind.trim_start_matches('\n');
    }
    Ok(found)
}

fn headers(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut headers = BTreeMap::new();
    for line in text.lines() {
        // A value of several lines, a list or a mapping goes on in lines that are indented; none of what is asked for
        // is one.
        if line.starts_with(' ') {
            continue;
        }
        let (name, value) = line.split_once(':').ok_or("it is not a file of assertions")?;
        headers.insert(name.to_owned(), value.trim().to_owned());
    }
    if headers.contains_key("type") {
        Ok(headers)
    } else {
        Err("it is not a file of assertions".to_owned())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const DIGEST: &str = "F5gwZqB3EBPQ62fhu2CL65TPNdyLbxCVdsxEReYrnp5sNu2z2BXAjdk_BRfUKJgV";

    /// With the parts in the order in which the store's client writes them.
    fn stream() -> String {
        format!(
            "type: account-key\nauthority-id: canonical\nname: store\nbody-length: 5\n\nAB\n\nC\n\nAcLB\nUgQA\n\n\
             type: snap-declaration\nformat: 4\nplugs:\n  lxd-support:\n    allow-auto-connection: true\nsnap-id: J60k\n\
             snap-name: lxd\n\nAcLB\n\n\
             type: snap-revision\nsnap-sha3-384: {DIGEST}\nsnap-id: J60k\nsnap-revision: 24322\nsnap-size: 4096\n\nAcLB\n"
        )
    }

    #[test]
    fn a_stream_tells_which_snap_it_is_of() {
        let claims = Claims::read(stream().as_bytes()).unwrap();
        assert_eq!(
            (&*claims.name, claims.revision, claims.size, &*claims.digest),
            ("lxd", 24322, 4096, DIGEST)
        );
    }

    #[test]
    fn what_is_no_such_stream_is_refused() {
        let stream = stream();
        for (text, why) in [
            ("", "no snap-revision"),
            ("PK\u{3}\u{4}", "ends within an assertion"),
            ("<html>\n\nnot found\n", "not a file of assertions"),
            (&stream[..stream.len() - 40], "ends within an assertion"),
            (&stream[..stream.find("type: snap-rev").unwrap()], "no snap-revision"),
            (&stream.replace("length: 5", "length: 4"), "another length"),
            (&stream.replace("length: 5", "length: 5000"), "ends within"),
            (
                &stream.replace("snap-id: J60k\nsnap-rev", "snap-id: XXXX\nsnap-rev"),
                "no snap-declaration",
            ),
            (&stream.replace("size: 4096", "size: many"), "snap-size is no number"),
            (&stream.replace(DIGEST, "F5gw"), "no SHA3-384"),
            (&stream.replace("name: lxd", "name: ../lxd"), "no name of a snap"),
            (&format!("{stream}\n{stream}"), "more than one snap"),
        ] {
            let said = Claims::read(text.as_bytes()).unwrap_err();
            assert!(said.contains(why), "{said:?} does not say {why:?}:\n{text}");
        }
    }
}
