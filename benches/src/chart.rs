//! A bar for each contestant, as SVG that is read on light and dark pages.

use std::fmt::Write as _;

use crate::report::{Series, number};

/// In user units, which are pixels where the page does not scale.
const WIDTH: f64 = 760.0;
const LEFT: f64 = 270.0;
const LONGEST: f64 = 370.0;
const LINE: f64 = 30.0;

/// The medians as bars, ours first, with a thin line from the least to the greatest round.
pub fn bars(series: &[Series], unit: &str) -> String {
    let most = series.iter().map(|one| one.spread().1);
    let scale = LONGEST / most.fold(f64::MIN_POSITIVE, f64::max);
    let mut rows = String::new();
    let mut top = 0.0;
    for (index, one) in series.iter().enumerate() {
        let (least, most) = one.spread();
        let (length, least, most) = (
            one.median() * scale,
            LEFT + least * scale,
            LEFT + most * scale,
        );
        let (bar, middle, text) = (top + 5.0, top + 15.0, top + 20.0);
        let class = if index == 0 { "ours" } else { "other" };
        let _ = write!(
            rows,
            r#"<text x="{}" y="{text}" text-anchor="end">{}</text><rect class="{class}" x="{LEFT}" y="{bar}" width="{length:.1}" height="20"/><path d="M{least:.1} {middle}H{most:.1}"/><text x="{:.1}" y="{text}">{}</text>"#,
            LEFT - 8.0,
            one.name.replace('&', "&amp;").replace('<', "&lt;"),
            most.max(LEFT + length) + 8.0,
            number(one.median()),
        );
        top += LINE;
    }
    let height = top + LINE;
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"><style>text{{font:13px system-ui,sans-serif;fill:#1f2328}}path{{stroke:#1f2328}}.ours{{fill:#2da44e}}.other{{fill:#8c959f}}@media(prefers-color-scheme:dark){{text{{fill:#e6edf3}}path{{stroke:#e6edf3}}}}</style>{rows}<text x="{LEFT}" y="{}">{unit}</text></svg>
"#,
        top + 20.0,
    )
}
