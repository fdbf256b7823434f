#![allow(clippy::unwrap_used)]

use std::io::Cursor;

use super::*;

fn sample() -> Vec<u8> {
    let member = |name, private, bytes| Member { name, private, bytes };
    write(
        "cidata",
        &[
            member("user-data", true, &[7_u8; 5000][..]),
            member("meta-data", false, b"instance-id: x\n"),
            member("network-config", false, b""),
        ],
    )
    .unwrap()
}

/// Fixed bytes: whoever changes the layout sees it here.
#[test]
fn the_layout_is_fixed() {
    let image = sample();
    assert_eq!(image.len(), (25 + 3 + 1) * BLOCK);
    // ECMA-119 keeps the sixteen blocks of the system area for others: whoever makes a partition table writes there.
    assert!(image[..16 * BLOCK].iter().all(|byte| *byte == 0));
    assert!(image[25 * BLOCK..][..5000] == [7; 5000]);
    for (block, kind) in [(16, PRIMARY), (17, SUPPLEMENTARY), (18, TERMINATOR)] {
        assert_eq!(image[block * BLOCK], kind);
        assert_eq!(&image[block * BLOCK + 1..][..5], MAGIC);
    }
    assert_eq!(image, sample());
}

#[test]
fn every_set_of_names_leads_to_the_files() {
    let mut image = Image::open(Cursor::new(sample())).unwrap();
    for (names, expected) in [
        (Names::RockRidge, ["meta-data", "network-config", "user-data"]),
        (Names::Joliet, ["meta-data", "network-config", "user-data"]),
        (Names::Plain, ["META_DATA", "NETWORK_CONFIG", "USER_DATA"]),
    ] {
        let root = image.root(names).clone();
        let nodes = image.list(&root, names).unwrap();
        let listed: Vec<&str> = nodes.iter().map(|node| node.name.as_str()).collect();
        assert_eq!(listed, expected);
        assert_eq!(image.read(&nodes[2], 5000).unwrap(), [7; 5000]);
        assert!(image.read(&nodes[2], 4999).is_err());
        let private = (names == Names::RockRidge).then_some(0o100_400);
        assert_eq!(nodes[2].mode, private);
    }
    let found = image.find("meta-data").unwrap().unwrap();
    assert_eq!(image.read(&found, 100).unwrap(), b"instance-id: x\n");
    assert!(image.find("meta-data/x").unwrap().is_none());
    assert!(image.find("nothing").unwrap().is_none());
    assert_eq!(image.files().unwrap().len(), 3);
}

/// Whatever is cut off or overwritten, the reader says so or reads something; it never panics and never runs on.
#[test]
fn damaged_images_do_no_harm() {
    let whole = sample();
    let walk = |bytes: Vec<u8>| {
        let mut image = Image::open(Cursor::new(bytes))?;
        for (_, node) in image.files()? {
            image.read(&node, 1 << 20)?;
        }
        Ok::<_, crate::media::MediaError>(())
    };
    assert!(walk(whole.clone()).is_ok());
    for cut in (0..whole.len()).step_by(512) {
        assert!(walk(whole[..cut].to_vec()).is_err(), "cut at {cut}");
    }
    for at in 16 * BLOCK..25 * BLOCK {
        for value in [0, 1, 0x7f, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] = value;
            let _ = walk(bytes);
        }
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let member = |name| Member {
        name,
        private: false,
        bytes: b"",
    };
    assert!(write("a-label-that-is-too-long", &[]).is_err());
    assert!(write("x", &[member("user-data"), member("user_data")]).is_err());
    assert!(write("x", &[member("a-name-of-more-than-thirty-one-characters")]).is_err());
    let many: Vec<String> = (0..40).map(|n| format!("file-{n}")).collect();
    let many: Vec<Member<'_>> = many.iter().map(|name| member(name)).collect();
    assert!(write("x", &many).is_err());
}
