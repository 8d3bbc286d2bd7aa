//! An export of the audit trail is verified, and whatever is done to it is found.

use devflow_protocol::UnixMillis;
use devflow_protocol::audit::{Line, Personal, Problem, Row, seal, verify};
use devflow_protocol::keys::write_key;
use ed25519_dalek::{SigningKey, VerifyingKey};

fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

fn public() -> VerifyingKey {
    key().verifying_key()
}

fn personal(id: i64) -> Personal {
    Personal {
        salt: format!("salt-{id}"),
        value: "192.0.2.1".to_owned(),
    }
}

fn row(id: i64) -> Row {
    Row {
        id,
        at: UnixMillis(1_000 * id),
        actor: "usr_1".to_owned(),
        action: "session.start".to_owned(),
        subject: "lgn_1".to_owned(),
        detail: String::new(),
        personal: Some(personal(id).hash()),
    }
}

/// Rows 1 to 4 in two segments and row 5 after them, signed by `key`.
fn export_by(key: &SigningKey) -> Vec<Line> {
    export_with([key, key], key, &[])
}

/// The same with the keys of the two segments, and the newest key after `earlier` ones.
fn export_with(signers: [&SigningKey; 2], newest: &SigningKey, earlier: &[&SigningKey]) -> Vec<Line> {
    let text = |key: &SigningKey| write_key(&key.verifying_key());
    let mut lines = vec![Line::Head {
        version: 1,
        edge: "edge_1".to_owned(),
        key: text(newest),
        earlier: earlier.iter().map(|key| text(key)).collect(),
    }];
    let mut before: Option<(u64, String)> = None;
    for (ids, key) in [vec![1, 2], vec![3, 4]].into_iter().zip(signers) {
        let rows: Vec<Row> = ids.into_iter().map(row).collect();
        let last = before.as_ref().map(|(number, head)| (*number, head.as_str()));
        let sealed = seal("edge_1", last, &rows, key, UnixMillis(9_000)).expect("sealed");
        lines.extend(rows.into_iter().map(|row| Line::Row {
            personal: Some(personal(row.id)),
            row,
        }));
        lines.push(Line::Segment {
            envelope: sealed.envelope,
        });
        before = Some((sealed.segment.number, sealed.head));
    }
    lines.push(Line::Row {
        row: row(5),
        personal: Some(personal(5)),
    });
    lines
}

fn export() -> Vec<Line> {
    export_by(&key())
}

fn check(lines: &[Line], known: Option<&str>) -> Result<devflow_protocol::audit::Report, (usize, Problem)> {
    check_with(lines, &[public()], known)
}

fn check_with(
    lines: &[Line],
    keys: &[VerifyingKey],
    known: Option<&str>,
) -> Result<devflow_protocol::audit::Report, (usize, Problem)> {
    let texts: Vec<String> = lines
        .iter()
        .map(|line| serde_json::to_string(line).expect("a line is JSON"))
        .collect();
    verify(texts.iter().map(String::as_str), keys, known, &[]).map_err(|error| (error.line, error.problem))
}

fn edit(line: &mut Line, change: impl FnOnce(&mut Row, &mut Option<Personal>)) {
    match line {
        Line::Row { row, personal } => change(row, personal),
        other => panic!("{other:?} is no row"),
    }
}

#[test]
fn verify_tells_what_a_whole_export_holds() {
    let report = check(&export(), None).unwrap();
    assert_eq!(
        (
            report.sealed_rows,
            report.unsealed_rows,
            report.segments,
            report.erased
        ),
        (4, 1, 2, 0)
    );
    let head = report.head.unwrap();
    assert!(check(&export(), Some(&head)).is_ok());
}

#[test]
fn verify_takes_an_erased_person_and_counts_them() {
    let mut lines = export();
    edit(&mut lines[1], |_, personal| *personal = None);
    assert_eq!(check(&lines, None).unwrap().erased, 1);
}

#[test]
fn verify_finds_every_change_of_a_row() {
    let changes: [fn(&mut Row); 6] = [
        |row| row.at = UnixMillis(1),
        |row| row.actor = "usr_2".to_owned(),
        |row| row.action = "session.end".to_owned(),
        |row| row.subject = String::new(),
        |row| row.detail = "x".to_owned(),
        // The same letters, split otherwise.
        |row| {
            row.actor = "usr_1s".to_owned();
            row.action = "ession.start".to_owned();
        },
    ];
    for change in changes {
        let mut lines = export();
        edit(&mut lines[2], |row, _| change(row));
        assert_eq!(check(&lines, None), Err((4, Problem::Rows(1))));
    }
}

#[test]
fn verify_finds_rows_and_segments_that_are_missing_moved_or_added() {
    let case = |change: fn(&mut Vec<Line>)| {
        let mut lines = export();
        change(&mut lines);
        check(&lines, None).map(|_| ()).unwrap_err()
    };
    assert_eq!(case(|lines| drop(lines.remove(1))), (3, Problem::Rows(1)));
    assert_eq!(case(|lines| lines.swap(1, 2)), (3, Problem::Order));
    assert_eq!(
        case(|lines| lines.insert(2, lines[1].clone())),
        (3, Problem::Order)
    );
    // A whole segment with its rows.
    assert_eq!(case(|lines| drop(lines.drain(1..4))), (4, Problem::Chain));
    assert_eq!(case(|lines| drop(lines.remove(3))), (6, Problem::Chain));
    assert_eq!(case(|lines| drop(lines.remove(0))), (1, Problem::NoHead));
    assert_eq!(case(Vec::clear), (1, Problem::NoHead));
}

#[test]
fn verify_finds_a_person_s_part_that_was_changed_or_made_up() {
    let mut lines = export();
    edit(&mut lines[1], |_, personal| {
        personal.as_mut().unwrap().value = "192.0.2.9".to_owned();
    });
    assert_eq!(check(&lines, None), Err((2, Problem::Personal)));
    let mut lines = export();
    edit(&mut lines[1], |row, _| row.personal = None);
    assert_eq!(check(&lines, None), Err((2, Problem::Personal)));
}

#[test]
fn verify_refuses_a_trail_that_another_key_signed() {
    let forged = export_by(&SigningKey::from_bytes(&[8; 32]));
    assert!(matches!(check(&forged, None), Err((4, Problem::Signature(_)))));
}

#[test]
fn verify_follows_a_key_that_was_handed_on_and_never_back() {
    let (old, new) = (SigningKey::from_bytes(&[6; 32]), key());
    let keys = [old.verifying_key(), public()];
    let checked = |signers| {
        let lines = export_with(signers, &new, &[&old]);
        check_with(&lines, &keys, None).map(|report| report.segments)
    };
    assert_eq!(checked([&old, &new]), Ok(2));
    assert_eq!(checked([&new, &new]), Ok(2));
    // Whoever has the old key signs behind the new one, makes all of it again, or cuts off what the new one signed.
    assert!(matches!(checked([&new, &old]), Err((7, Problem::Signature(_)))));
    assert_eq!(checked([&old, &old]), Err((9, Problem::EarlierKey)));
    let cut = &export_with([&old, &new], &new, &[&old])[..4];
    assert_eq!(
        check_with(cut, &keys, None).map(|_| ()),
        Err((5, Problem::EarlierKey))
    );
    // Nothing but the head: there is nothing that an earlier key could have changed.
    assert!(check_with(&cut[..1], &keys, None).is_ok());
}

#[test]
fn verify_misses_a_known_head_where_the_end_was_cut_off() {
    let whole = export();
    let head = check(&whole, None).unwrap().head;
    assert!(check(&whole[..4], None).is_ok());
    assert_eq!(check(&whole[..4], head.as_deref()), Err((5, Problem::KnownHead)));
}
