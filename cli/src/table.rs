//! Tables of plain text.

use crate::out::safe;
use std::fmt::Write as _;

/// Columns as wide as their widest cell, two spaces between them, none at the end of a line.
pub(crate) fn render<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    let head = head.map(str::to_owned);
    let rows: Vec<[String; N]> = std::iter::once(&head)
        .chain(rows)
        .map(|row| row.each_ref().map(|cell| safe(cell, false)))
        .collect();
    let widths: [usize; N] = std::array::from_fn(|column| {
        let lengths = rows.iter().map(|row| row[column].chars().count());
        lengths.max().unwrap_or(0)
    });
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            let _ = write!(line, "{cell:width$}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_aligns_columns_and_keeps_lines_short() {
        let rows = [
            ["shop".to_owned(), "live".to_owned(), "höhe".to_owned()],
            ["a-longer-name".to_owned(), String::new(), "x\ny".to_owned()],
        ];
        assert_eq!(
            render(["NAME", "STATE", "NOTE"], &rows),
            "NAME           STATE  NOTE\nshop           live   höhe\na-longer-name         xy\n"
        );
    }
}
