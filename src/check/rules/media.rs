//! Install media: a machine has to be found by what it is.

use std::collections::HashMap;

use crate::check::registry::{Check, Report};
use crate::check::view::{Member, SiteView};
use crate::finding::Edit;
use crate::profile::{Spanned, quoted, scalar};

pub(super) static CHECKS: &[&Check] = &[&DUPLICATE_DMI_SERIAL, &INVALID_DMI_SERIAL, &INVALID_REINSTALL];

/// The example's node1 with a number that is fine.
const NODE1: Edit = Edit::Replace("hosts/hosts.yaml", "name: node1\n", "name: node1\ndmi_serial: CZ1234\n");

static DUPLICATE_DMI_SERIAL: Check = Check::error(
    "M001",
    "duplicate-dmi-serial",
    duplicate_dmi_serial,
    "An install medium finds its host by the machine's serial number where one is given. Two hosts with the same one would both be that machine, \
     and the installer stops. No maker numbers two machines alike but for capitals, so that is the same number, once mistyped.",
)
.example(
    &[
        NODE1,
        Edit::Replace(
            "hosts/hosts.yaml",
            "name: node2\n",
            "name: node2\ndmi_serial: CZ1234\n",
        ),
    ],
    &[
        NODE1,
        Edit::Replace(
            "hosts/hosts.yaml",
            "name: node2\n",
            "name: node2\ndmi_serial: CZ1235\n",
        ),
    ],
);

fn duplicate_dmi_serial(site: &SiteView<'_>, report: &mut Report<'_>) {
    let mut first: HashMap<String, (Member<'_>, &Spanned<String>)> = HashMap::new();
    for member in site.members() {
        let Some(serial) = &member.host.host().dmi_serial else {
            continue;
        };
        // Each of these is reported as one that no machine has.
        if dmi_serial_fits(&serial.value).is_err() {
            continue;
        }
        match first.get(&serial.value.to_ascii_lowercase()) {
            Some(&(other, known)) => {
                let (one, other) = site.call(member, other);
                let alike = if known.value == serial.value {
                    ""
                } else {
                    ", but for capitals"
                };
                let message = format!(
                    "the machines {one} and {other} have the same serial number {} (`dmi_serial`){alike}",
                    quoted(&serial.value)
                );
                report
                    .add(serial.span, message, "write the number on the machine's label")
                    .label("used again here")
                    .also(known.span, "first used here");
            }
            None => {
                first.insert(serial.value.to_ascii_lowercase(), (member, serial));
            }
        }
    }
}

static INVALID_DMI_SERIAL: Check = Check::error(
    "M002",
    "invalid-dmi-serial",
    invalid_dmi_serial,
    "The number is compared with what the machine's firmware says in DMI (system-serial-number). Many boards come with a placeholder there, the same on \
     every one of them.",
)
.example(
    &[Edit::Replace(
        "hosts/hosts.yaml",
        "name: node1\n",
        "name: node1\ndmi_serial: To Be Filled By O.E.M.\n",
    )],
    &[NODE1],
);

/// What boards say that were never given a number, in lower case.
const PLACEHOLDERS: &[&str] = &[
    "0",
    "base board serial number",
    "board serial number",
    "chassis serial number",
    "default",
    "default string",
    "empty",
    "invalid",
    "n/a",
    "no asset information",
    "no asset tag",
    "none",
    "not applicable",
    "not available",
    "not present",
    "not provided",
    "not settable",
    "not specified",
    "o.e.m.",
    "oem",
    "oem default string",
    "serial",
    "serial number",
    "serialnumber",
    "system serial number",
    "system serial#",
    "system serial",
    "to be filled by o.e.m",
    "to be filled by o.e.m.",
    "to be filled by oem",
    "to be filled",
    "undefined",
    "unknown",
];

fn invalid_dmi_serial(site: &SiteView<'_>, report: &mut Report<'_>) {
    for host in site.hosts() {
        let Some(serial) = &host.host().dmi_serial else {
            continue;
        };
        let text = &serial.value;
        let Err(why) = dmi_serial_fits(text) else {
            continue;
        };
        report
            .add(
                serial.span,
                format!("{} cannot be the serial number of {}: {why}", quoted(text), host.label()),
                "write what `dmidecode -s system-serial-number` says, or leave `dmi_serial` out: the hardware address is enough",
            )
            .label(why);
    }
}

fn dmi_serial_fits(text: &str) -> Result<(), &'static str> {
    let lower = text.to_ascii_lowercase();
    let mut characters = lower.chars().filter(|c| !" .-_:".contains(*c));
    let first = characters.next();
    let all_same = lower.len() >= 4 && characters.all(|c| Some(c) == first);
    let counts = lower.len() >= 6
        && ["0123456789abcdef", "1234567890abcdef", "123456789abcdef"]
            .iter()
            .any(|row| row.starts_with(&lower));
    if PLACEHOLDERS.contains(&lower.replace(['_', '-'], " ").trim()) || all_same || counts {
        Err("it is what a board says that has no number")
    } else if text.len() > 64 || !text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        Err("it has characters that no serial number has")
    } else if text.trim() != text || text.contains("  ") {
        Err("it has blanks at its ends or two in a row")
    } else {
        Ok(())
    }
}

static INVALID_REINSTALL: Check = Check::error(
    "M003",
    "invalid-reinstall",
    invalid_reinstall,
    "An install medium erases no system that lxseed installed, but the one whose number stands here. The installer's screen shows the number, \
     and it is in `/etc/lxseed/installed` on the machine. The new system has another one, so the word is used up by itself and may stay.",
)
.example(
    &[Edit::Replace(
        "hosts/hosts.yaml",
        "name: node1\n",
        "name: node1\nreinstall: yes-please\n",
    )],
    &[Edit::Replace(
        "hosts/hosts.yaml",
        "name: node1\n",
        "name: node1\nreinstall: c4d8a1f0\n",
    )],
);

fn invalid_reinstall(site: &SiteView<'_>, report: &mut Report<'_>) {
    for host in site.hosts() {
        let Some(number) = &host.host().reinstall else {
            continue;
        };
        let text = &number.value;
        let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() == 8 && text.bytes().all(digit) {
            continue;
        }
        let lower = text.to_ascii_lowercase();
        let finding = report.add(
            number.span,
            format!(
                "{} is not the number of an installation of {}",
                quoted(text),
                host.label()
            ),
            "write the eight hexadecimal digits that the installer's screen shows, or leave `reinstall` out: then nothing is erased",
        );
        finding.label("eight of 0-9 and a-f");
        if lower != *text && lower.len() == 8 && lower.bytes().all(digit) {
            finding.fix(number.span, scalar(&lower));
        }
    }
}
