//! The database's own members: who has a vote in it. LXD gives and takes votes by itself, and has no call for it; its database, dqlite,
//! has one, which LXD offers to its members under `/internal/database`.

use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::connection::{ANSWER_TIMEOUT, Connection, Unanswered};

// The numbers of dqlite's wire protocol, version 1: each message is a header of eight bytes (how many words of eight bytes follow, the
// kind, and zeros) and its words, all little-endian; a text ends in a zero and is filled up to a word.
const LEADER: u8 = 0;
const ASSIGN: u8 = 13;
const CLUSTER: u8 = 16;
const FAILURE: u8 = 0;

/// With roles, and not the addresses alone.
const WITH_ROLES: u64 = 1;
/// Neither votes nor keeps a copy.
const SPARE: u64 = 2;

/// Longest answer that is read, in words: a list of some thousand members.
const WORDS_MAX: u32 = 1 << 16;

/// A member of the database.
struct Node {
    id: u64,
    address: String,
    role: u64,
}

/// Who leads the database, as the LXD that is asked has it. The connection needs a member's certificate: the desk's is a client's.
pub(super) async fn leader(member: &Connection) -> Result<String, Unanswered> {
    within(async {
        let mut link = open(member).await?;
        let answer = call(&mut link, LEADER, &[0]).await?;
        let mut answer = Words(&answer);
        answer.number()?;
        match answer.text()? {
            none if none.is_empty() => Err(nonsense("the database has no leader at this moment")),
            address => Ok(address),
        }
    })
    .await
}

/// Makes a member a spare: the leader, which is asked, has a majority of the others agree. LXD gives it a role again as soon as it is
/// online and its copy is whole. One that is a spare already is left alone.
pub(super) async fn make_spare(leader: &Connection, address: &str) -> Result<(), Unanswered> {
    within(async {
        let mut link = open(leader).await?;
        let answer = call(&mut link, CLUSTER, &[WITH_ROLES]).await?;
        let mut answer = Words(&answer);
        let count = answer.number()?;
        for _ in 0..count {
            let node = Node {
                id: answer.number()?,
                address: answer.text()?,
                role: answer.number()?,
            };
            if node.address == address && node.role == SPARE {
                return Ok(());
            }
            if node.address == address {
                call(&mut link, ASSIGN, &[node.id, SPARE]).await?;
                return Ok(());
            }
        }
        Err(nonsense(&format!("the database has no member at {address}")))
    })
    .await
}

async fn within<T>(work: impl Future<Output = Result<T, Unanswered>>) -> Result<T, Unanswered> {
    tokio::time::timeout(2 * ANSWER_TIMEOUT, work)
        .await
        .unwrap_or(Err(Unanswered::Hangs))
}

async fn open(member: &Connection) -> Result<impl AsyncRead + AsyncWrite + Unpin + use<>, Unanswered> {
    let upgraded = member
        .upgrade("/internal/database", "dqlite", ("X-Dqlite-Version", "1"))
        .await?;
    let mut link = TokioIo::new(upgraded);
    link.write_all(&1_u64.to_le_bytes()).await.map_err(|why| lost(&why))?;
    Ok(link)
}

async fn call(
    link: &mut (impl AsyncRead + AsyncWrite + Unpin),
    kind: u8,
    words: &[u64],
) -> Result<Vec<u8>, Unanswered> {
    let mut message = u32::try_from(words.len()).unwrap_or_default().to_le_bytes().to_vec();
    message.extend([kind, 0, 0, 0]);
    message.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    link.write_all(&message).await.map_err(|why| lost(&why))?;
    let mut head = [0; 8];
    link.read_exact(&mut head).await.map_err(|why| lost(&why))?;
    let count = u32::from_le_bytes([head[0], head[1], head[2], head[3]]);
    if count > WORDS_MAX {
        return Err(nonsense("the database's answer is too long"));
    }
    let mut body = vec![0; count as usize * 8];
    link.read_exact(&mut body).await.map_err(|why| lost(&why))?;
    if head[4] == FAILURE {
        let mut words = Words(&body);
        let code = words.number()?;
        return Err(Unanswered::Refused {
            // As a trouble that may pass: an election, or a change that is under way.
            code: 503,
            text: format!("the database refuses ({code}): {}", words.text()?),
        });
    }
    Ok(body)
}

/// What is left of an answer.
struct Words<'a>(&'a [u8]);

impl Words<'_> {
    fn number(&mut self) -> Result<u64, Unanswered> {
        let Some((word, rest)) = self.0.split_first_chunk::<8>() else {
            return Err(nonsense("the database's answer is too short"));
        };
        self.0 = rest;
        Ok(u64::from_le_bytes(*word))
    }

    fn text(&mut self) -> Result<String, Unanswered> {
        let end = self.0.iter().position(|byte| *byte == 0);
        let Some(end) = end else {
            return Err(nonsense("the database's answer has a text without an end"));
        };
        let text = String::from_utf8_lossy(&self.0[..end]).into_owned();
        self.0 = self.0.get((end / 8 + 1) * 8..).unwrap_or_default();
        Ok(text)
    }
}

fn nonsense(why: &str) -> Unanswered {
    Unanswered::Nonsense(why.to_owned())
}

fn lost(why: &std::io::Error) -> Unanswered {
    Unanswered::Silent(format!("the connection to its database was lost: {why}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn an_answer_is_read_word_for_word_and_never_past_its_end() {
        let mut body = 3_u64.to_le_bytes().to_vec();
        body.extend(b"10.77.0.13:8443\0");
        body.extend(7_u64.to_le_bytes());
        let mut words = Words(&body);
        assert_eq!(words.number().unwrap(), 3);
        assert_eq!(words.text().unwrap(), "10.77.0.13:8443");
        assert_eq!(words.number().unwrap(), 7);
        assert!(words.number().is_err() && words.text().is_err());
        assert!(Words(b"no end").text().is_err());
        assert_eq!(Words(b"short\0").text().unwrap(), "short");
    }

    #[tokio::test]
    async fn a_refusal_of_the_database_is_told_and_nothing_long_is_read() {
        let (mut near, mut far) = tokio::io::duplex(4096);
        let mut refusal = vec![3, 0, 0, 0, FAILURE, 0, 0, 0];
        refusal.extend(11_u64.to_le_bytes());
        refusal.extend(b"not leader\0\0\0\0\0\0");
        far.write_all(&refusal).await.unwrap();
        let said = call(&mut near, ASSIGN, &[3, SPARE]).await.unwrap_err();
        assert_eq!(said.to_string(), "says: the database refuses (11): not leader");
        far.write_all(&[0xff, 0xff, 0xff, 0xff, 3, 0, 0, 0]).await.unwrap();
        assert!(call(&mut near, CLUSTER, &[WITH_ROLES]).await.is_err());
        let mut asked = vec![0; 24];
        far.read_exact(&mut asked).await.unwrap();
        assert_eq!(asked[..8], [2, 0, 0, 0, ASSIGN, 0, 0, 0]);
    }
}
