//! Old segments of the audit trail, on their way to the bucket and back into an export.

use crate::platform;
use crate::store::archives::{self, ArchiveRow, BeginRow, NewArchive};
use crate::store::audit::{self, JobKeyRow, SegmentRow, TrailRow, lines};
use crate::store::{Db, StoreError};
use devflow_protocol::UnixMillis;
use devflow_protocol::audit::{Line, prove};
use ed25519_dalek::VerifyingKey;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use std::io::{Read as _, Write as _};
use worker::Bucket;

/// Rows of one archive, at most, unless a single segment has more.
const ROWS: usize = 500;
/// Segments that are looked at for one archive.
const SEGMENTS: usize = 100;
/// Between two archives: so a long past is moved bit by bit, some 12,000 rows a day. Also between two looks at a trail that is
/// not as it was sealed.
const PAUSE_MS: i64 = 3_600_000;
const MINUTE_MS: i64 = 60_000;

/// Segments and their rows, all old enough and as they were sealed.
#[derive(Debug, PartialEq, Eq)]
struct Chosen {
    lines: Vec<Line>,
    last: i64,
    number: u64,
    head: String,
}

/// The whole segments at the beginning of `lines` whose rows are all from before `before`, with at most [`ROWS`] rows.
/// The newest segment is never among `lines`.
///
/// # Errors
/// One sentence, where a segment does not fit its rows: that is to be looked at, and not to be moved out of sight.
fn choose(
    lines: Vec<Line>,
    begin: Option<(u64, String)>,
    keys: &[VerifyingKey],
    before: UnixMillis,
) -> Result<Option<Chosen>, String> {
    let (mut chosen, mut end): (Option<Chosen>, _) = (None, begin);
    let (mut open, mut rows, mut all) = (Vec::new(), Vec::new(), 0);
    for line in lines {
        match &line {
            Line::Row { row, .. } if row.at < before => rows.push(row.clone()),
            Line::Row { .. } | Line::Head { .. } => break,
            Line::Segment { envelope } => {
                all += rows.len();
                if all > ROWS && chosen.is_some() {
                    break;
                }
                let last = rows.last().map(|row| row.id);
                let after = end.as_ref().map(|(number, head)| (*number, head.as_str()));
                let proven =
                    prove(envelope, &std::mem::take(&mut rows), keys, after).map_err(
                        |problem| match last {
                            Some(last) => format!("up to row {last}: {problem}"),
                            None => format!("a segment without rows: {problem}"),
                        },
                    )?;
                let mut whole = chosen.map_or_else(Vec::new, |chosen| chosen.lines);
                whole.append(&mut open);
                whole.push(line);
                end = Some((proven.segment.number, proven.head.clone()));
                chosen = Some(Chosen {
                    lines: whole,
                    last: proven.segment.last,
                    number: proven.segment.number,
                    head: proven.head,
                });
                continue;
            }
        }
        // What a row says about a person stays in the database, where it can be erased.
        let Line::Row { row, .. } = line else { break };
        open.push(Line::Row { row, personal: None });
    }
    Ok(chosen)
}

fn pack(lines: &[Line]) -> Result<Vec<u8>, String> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    for line in lines {
        let text = serde_json::to_string(line).map_err(|error| error.to_string())?;
        let written = packed
            .write_all(text.as_bytes())
            .and_then(|()| packed.write_all(b"\n"));
        written.map_err(|error| error.to_string())?;
    }
    packed.finish().map_err(|error| error.to_string())
}

fn unpack(bytes: &[u8]) -> Result<Vec<Line>, String> {
    let mut text = String::new();
    let read = GzDecoder::new(bytes).read_to_string(&mut text);
    read.map_err(|error| error.to_string())?;
    let lines = text.lines().map(serde_json::from_str);
    lines.collect::<Result<_, _>>().map_err(|error| error.to_string())
}

fn failed(cause: impl std::fmt::Display) -> StoreError {
    StoreError::unreadable("the archive of the audit trail", &cause)
}

async fn read(bucket: &Bucket, object: &str) -> Result<Vec<u8>, StoreError> {
    let found = bucket.get(object).execute().await.map_err(failed)?;
    let body = found.as_ref().and_then(worker::Object::body);
    let body = body.ok_or_else(|| failed(format!("the object {object} is not in the bucket")))?;
    body.bytes().await.map_err(failed)
}

/// Whether a trail that was not as it was sealed is looked at again in this minute.
fn looks_again(now: UnixMillis) -> bool {
    now.0.rem_euclid(PAUSE_MS) < MINUTE_MS
}

/// Says once that the trail is not as it was sealed: what is told each minute is read by nobody.
async fn tell(db: &Db, problem: &str, now: UnixMillis) -> Result<(), StoreError> {
    let answers = db.batch(archives::note_problem(problem, now).into()).await?;
    if answers.first().is_some_and(|answer| answer.changes() > 0) {
        platform::log_error(&format!(
            "the audit trail is not as it was sealed ({problem}), so nothing more of it moves to the bucket"
        ));
    }
    Ok(())
}

/// Moves the oldest segments to the bucket whose rows are all from before `before`; false where there are none, where some
/// were moved a moment ago, or where they are not as they were sealed.
pub(crate) async fn archive_more(
    db: &Db,
    bucket: &Bucket,
    before: UnixMillis,
    now: UnixMillis,
) -> Result<bool, StoreError> {
    let begin: Option<BeginRow> = db.first(archives::due(before, now.plus(-PAUSE_MS))).await?;
    let Some(begin) = begin.filter(|begin| begin.problem.is_none() || looks_again(now)) else {
        return Ok(false);
    };
    let mut segments: Vec<SegmentRow> = db
        .all(audit::segments_after(begin.last.unwrap_or(0), SEGMENTS))
        .await?;
    segments.pop();
    let rows: Vec<TrailRow> = db
        .all(audit::rows_after(begin.last.unwrap_or(0), 2 * ROWS))
        .await?;
    let lines = lines(rows, segments)?;
    let keys: Vec<JobKeyRow> = db.all(audit::job_keys()).await?;
    let keys: Vec<VerifyingKey> = keys.iter().filter_map(JobKeyRow::key).collect();
    let chosen = match choose(lines, begin.number.zip(begin.head), &keys, before) {
        Ok(chosen) => chosen,
        Err(problem) => return tell(db, &problem, now).await.map(|()| false),
    };
    let Some(chosen) = chosen else { return Ok(false) };
    if begin.problem.is_some() {
        db.run(archives::forget_problem()).await?;
    }
    let object = format!("audit/{:010}-{}.jsonl.gz", chosen.number, &chosen.head[..16]);
    let packed = pack(&chosen.lines).map_err(failed)?;
    bucket
        .put(&object, packed.clone())
        .execute()
        .await
        .map_err(failed)?;
    // What is deleted next is nowhere else.
    if read(bucket, &object).await? != packed {
        return Err(failed(format!(
            "the bucket gives back another object {object} than was put there"
        )));
    }
    let batch = archives::insert(&NewArchive {
        last: chosen.last,
        number: chosen.number,
        head: &chosen.head,
        object: &object,
        now,
    });
    db.batch(batch.into()).await?;
    Ok(true)
}

/// The lines of an archive after row `after`.
pub(crate) async fn lines_of(
    bucket: &Bucket,
    archive: &ArchiveRow,
    after: i64,
) -> Result<Vec<Line>, StoreError> {
    let lines = unpack(&read(bucket, &archive.object).await?).map_err(failed)?;
    let mut begun = false;
    let wanted = lines.into_iter().filter(|line| {
        begun |= matches!(line, Line::Row { row, .. } if row.id > after);
        begun
    });
    Ok(wanted.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use devflow_protocol::audit::{Personal, Row, seal};
    use ed25519_dalek::SigningKey;

    fn key() -> SigningKey {
        SigningKey::from_bytes(&[7; 32])
    }

    fn row(id: i64) -> Row {
        Row {
            id,
            at: UnixMillis(id),
            actor: "usr_1".to_owned(),
            action: "session.start".to_owned(),
            subject: String::new(),
            detail: String::new(),
            personal: Some("hash".to_owned()),
        }
    }

    /// Rows in segments of `sizes`.
    fn trail(sizes: &[i64]) -> Vec<Line> {
        let (mut lines, mut before, mut next): (_, Option<(u64, String)>, _) = (vec![], None, 1);
        for size in sizes {
            let rows: Vec<Row> = (next..next + size).map(row).collect();
            next += size;
            let behind = before.as_ref().map(|(number, head)| (*number, head.as_str()));
            let sealed = seal("edge_1", behind, &rows, &key(), UnixMillis(9)).unwrap();
            lines.extend(rows.into_iter().map(|row| Line::Row {
                row,
                personal: Some(Personal {
                    salt: "salt".to_owned(),
                    value: "192.0.2.1".to_owned(),
                }),
            }));
            lines.push(Line::Segment {
                envelope: sealed.envelope,
            });
            before = Some((sealed.segment.number, sealed.head));
        }
        lines
    }

    fn chosen(lines: Vec<Line>, before: i64) -> Result<Option<(i64, u64, usize)>, String> {
        let chosen = choose(lines, None, &[key().verifying_key()], UnixMillis(before))?;
        Ok(chosen.map(|chosen| (chosen.last, chosen.number, chosen.lines.len())))
    }

    #[test]
    fn choose_takes_whole_segments_that_are_old_up_to_the_size_of_one_archive() {
        assert_eq!(chosen(trail(&[2, 3, 1]), 6), Ok(Some((5, 2, 7))));
        assert_eq!(
            chosen(trail(&[2, 3, 1]), 5),
            Ok(Some((2, 1, 3))),
            "row 5 is too young"
        );
        assert_eq!(chosen(trail(&[2, 3, 1]), 1), Ok(None));
        assert_eq!(chosen(trail(&[400, 100, 1]), 9_999), Ok(Some((500, 2, 502))));
        assert_eq!(
            chosen(trail(&[600, 1]), 9_999),
            Ok(Some((600, 1, 601))),
            "one goes in any case"
        );
        let mut unsealed = trail(&[2]);
        unsealed.pop();
        assert_eq!(chosen(unsealed, 9_999), Ok(None));
    }

    #[test]
    fn choose_moves_nothing_that_is_not_as_it_was_sealed() {
        let mut lines = trail(&[2, 2]);
        if let Line::Row { row, .. } = &mut lines[1] {
            row.actor = "usr_2".to_owned();
        }
        let problem = chosen(lines, 9_999).unwrap_err();
        assert!(
            problem.starts_with("up to row 2: the rows are not those"),
            "{problem}"
        );
        let later = trail(&[1, 1]).split_off(2);
        assert!(
            chosen(later, 9_999).is_err(),
            "what is behind nothing follows something"
        );
    }

    #[test]
    fn trail_that_is_not_as_it_was_sealed_is_looked_at_once_an_hour() {
        let minutes = (0..3 * 60).filter(|minute| looks_again(UnixMillis(minute * MINUTE_MS + 1_500)));
        assert_eq!(minutes.collect::<Vec<_>>(), [0, 60, 120]);
    }

    #[test]
    fn archive_comes_back_as_it_was_without_what_is_said_of_people() {
        let chosen = choose(trail(&[2]), None, &[key().verifying_key()], UnixMillis(9)).unwrap();
        let lines = chosen.unwrap().lines;
        assert!(lines.iter().all(|line| !matches!(
            line,
            Line::Row {
                personal: Some(_),
                ..
            }
        )));
        let packed = pack(&lines).unwrap();
        assert_eq!(unpack(&packed), Ok(lines));
        assert!(unpack(&packed[..packed.len() / 2]).is_err());
    }
}
