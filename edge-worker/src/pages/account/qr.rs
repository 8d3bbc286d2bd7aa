//! A QR code as inline SVG: shapes alone, so that the content security policy has nothing against it.

use askama::filters::HtmlSafe;
use qrcodegen::{QrCode, QrCodeEcc};
use std::fmt;

/// The quiet zone around a code, in modules (ISO/IEC 18004).
const QUIET: i32 = 4;

/// A QR code.
pub(crate) struct Qr(QrCode);

impl Qr {
    /// The code of a text; None where it is too long for one.
    pub(crate) fn new(text: &str) -> Option<Self> {
        QrCode::encode_text(text, QrCodeEcc::Medium).ok().map(Self)
    }
}

/// Dark on light in both themes: many readers want it so.
impl fmt::Display for Qr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (size, whole) = (self.0.size(), self.0.size() + 2 * QUIET);
        write!(
            f,
            r##"<svg class="qr" viewBox="0 0 {whole} {whole}" role="img" aria-label="QR code" shape-rendering="crispEdges"><rect width="{whole}" height="{whole}" fill="#fff"/><path fill="#000" d=""##
        )?;
        for y in 0..size {
            for x in (0..size).filter(|x| self.0.get_module(*x, y)) {
                write!(f, "M{} {}h1v1h-1z", x + QUIET, y + QUIET)?;
            }
        }
        f.write_str(r#""/></svg>"#)
    }
}

impl HtmlSafe for Qr {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn qr_is_a_square_with_its_three_finders_and_a_quiet_zone() {
        let svg = Qr::new("otpauth://totp/x?secret=GEZDGNBVGY3TQOJQ")
            .unwrap()
            .to_string();
        let whole: i32 = svg
            .split('"')
            .nth(3)
            .unwrap()
            .rsplit(' ')
            .next()
            .unwrap()
            .parse()
            .unwrap();
        let far = whole - QUIET - 7;
        for (x, y) in [(QUIET, QUIET), (far, QUIET), (QUIET, far)] {
            for place in 0..7 {
                assert!(svg.contains(&format!("M{} {y}h1", x + place)), "{svg}");
            }
        }
        assert!(!svg.contains("M3 ") && !svg.contains(" 3h1") && !svg.contains("style"));
    }
}
