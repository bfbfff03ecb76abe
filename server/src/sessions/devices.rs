//! What a user is shown of their sessions: the devices that they are signed in on.

use woothee::parser::{Parser, WootheeResult};

use super::{SessionError, Sessions};
use crate::storage::SessionRow;
use crate::values::{Email, Identity, SessionId, UnixMillis};

/// A session, as its own user sees it.
#[derive(Clone, Debug)]
pub struct Session {
    /// The session's id.
    pub id: SessionId,
    /// When the user signed in.
    pub created_at: UnixMillis,
    /// When it last signed in or renewed.
    pub last_used_at: UnixMillis,
    /// When it ends if it is not used.
    pub expires_at: UnixMillis,
    /// The address that it was last used from.
    pub ip_address: Option<String>,
    /// The `User-Agent` that it was last used with.
    pub user_agent: Option<String>,
    /// The same in words for people.
    pub device_name: String,
    /// Whether it is the session of whoever asks.
    pub current: bool,
}

/// Nobody reads through more devices. Only who switched the limit of sessions off, or set it higher, can have more.
const MOST_LISTED: i64 = 1000;

impl Sessions {
    /// The caller's sessions that are alive now, newest first: the newest 1000 and their own.
    ///
    /// # Errors
    /// [`SessionError::Ended`] when the caller's own session is not alive any more.
    pub async fn list(&self, caller: &Identity) -> Result<Vec<Session>, SessionError> {
        let now = self.clock.now();
        let mut rows = self
            .storage
            .list_sessions(&caller.user, now, MOST_LISTED)
            .await?;
        if !rows.iter().any(|row| row.id == caller.session) {
            let own = self.storage.find_session(&caller.session).await?;
            let own = own.map(|(session, _)| session);
            let own = own.filter(|session| session.is_alive(now));
            rows.push(own.ok_or(SessionError::Ended)?);
        }
        let shown = |row| shown(row, Some(&caller.session));
        Ok(rows.into_iter().map(shown).collect())
    }

    /// The newest 1000 sessions that are alive now of the user with this address; `None` when there is no such user.
    ///
    /// # Errors
    /// [`SessionError::Storage`] when the database did not do its part.
    pub async fn list_for(&self, email: &Email) -> Result<Option<Vec<Session>>, SessionError> {
        let Some(user) = self.storage.find_user_by_email(email).await? else {
            return Ok(None);
        };
        let now = self.clock.now();
        let rows = self.storage.list_sessions(&user.id, now, MOST_LISTED);
        let shown = |row| shown(row, None);
        Ok(Some(rows.await?.into_iter().map(shown).collect()))
    }
}

fn shown(row: SessionRow, current: Option<&SessionId>) -> Session {
    Session {
        current: current == Some(&row.id),
        id: row.id,
        created_at: row.created_at,
        last_used_at: row.rotated_at,
        expires_at: row.expires_at.min(row.refresh_expires_at),
        ip_address: row.ip_address,
        device_name: device_name(row.user_agent.as_deref().unwrap_or_default()),
        user_agent: row.user_agent,
    }
}

/// What woothee says of what it does not know.
const UNKNOWN: &str = "UNKNOWN";
/// What does not say its own name.
const APP: &str = "An app";

/// A name for people of what sent this `User-Agent`: "Chrome on Linux", "curl", "Unknown device".
///
/// No versions: people know their devices by less, and browsers report versions of the system that are frozen
/// (Chromium's User-Agent reduction, Safari's `10_15_7`).
fn device_name(user_agent: &str) -> String {
    let parsed = Parser::new().parse(user_agent);
    let system = parsed.as_ref().and_then(system);
    let program = match parsed.as_ref().map(|parsed| parsed.name) {
        None | Some(UNKNOWN | "HTTP Library") => product(user_agent),
        Some("Webview") => Some(APP),
        Some("SamsungBrowser") => Some("Samsung Internet"),
        known => known,
    };
    match (program, system) {
        (Some(program), Some(system)) => format!("{program} on {system}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => "Unknown device".to_owned(),
    }
}

fn system<'a>(parsed: &WootheeResult<'a>) -> Option<&'a str> {
    match parsed.os {
        UNKNOWN => None,
        // Windows 11 says that it is Windows 10.
        windows if windows.starts_with("Windows") && windows != "Windows Phone OS" => {
            Some("Windows")
        }
        "Windows Phone OS" => Some("Windows Phone"),
        "Mac OSX" => Some("macOS"),
        other => Some(other),
    }
}

/// The name of the first product, where it is one that a program gives itself and not what every browser begins with
/// (RFC 9110 §10.1.5).
fn product(user_agent: &str) -> Option<&str> {
    const LONGEST: usize = 40;
    let name = user_agent.split(['/', ' ']).next()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let fits = (1..=LONGEST).contains(&name.len()) && name.chars().all(plain);
    match name {
        "Mozilla" => None,
        // The name of Android's runtime, not of the app on it.
        "Dalvik" => Some(APP),
        name => fits.then_some(name),
    }
}

#[cfg(test)]
mod tests {
    use super::device_name;

    #[test]
    fn a_device_has_a_name_that_its_owner_knows() {
        let webkit = "AppleWebKit/605.1.15 (KHTML, like Gecko)";
        let chromium = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0";
        let iphone = format!("Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) {webkit}");
        let windows = "Mozilla/5.0 (Windows NT 10.0; Win64; x64";
        let android = format!("Mozilla/5.0 (Linux; Android 10; K) {chromium}");
        for (user_agent, name) in [
            (
                format!("Mozilla/5.0 (X11; Linux x86_64) {chromium} Safari/537.36"),
                "Chrome on Linux",
            ),
            (
                format!(
                    "Mozilla/5.0 (X11; Linux x86_64) {} Safari/537.36",
                    chromium.replace("Chrome", "HeadlessChrome")
                ),
                "Chrome on Linux",
            ),
            (
                format!("Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {chromium} Safari/537.36"),
                "Chrome on ChromeOS",
            ),
            (
                format!("{windows}) {chromium} Safari/537.36"),
                "Chrome on Windows",
            ),
            (
                format!("{windows}) {chromium} Safari/537.36 Edg/142.0.0.0"),
                "Edge on Windows",
            ),
            (
                format!("{windows}) {chromium} Safari/537.36 OPR/124.0.0.0"),
                "Opera on Windows",
            ),
            (
                format!("{windows}; rv:145.0) Gecko/20100101 Firefox/145.0"),
                "Firefox on Windows",
            ),
            (
                "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
                    .to_owned(),
                "Firefox on Linux",
            ),
            (
                "Mozilla/5.0 (Android 15; Mobile; rv:145.0) Gecko/145.0 Firefox/145.0".to_owned(),
                "Firefox on Android",
            ),
            (
                format!(
                    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {webkit} Version/26.0 Safari/605.1.15"
                ),
                "Safari on macOS",
            ),
            (
                format!("{iphone} Version/26.0 Mobile/15E148 Safari/604.1"),
                "Safari on iPhone",
            ),
            (
                format!(
                    "{} Version/17.5 Mobile/15E148 Safari/604.1",
                    iphone.replace("iPhone; CPU iPhone", "iPad; CPU")
                ),
                "Safari on iPad",
            ),
            (
                format!("{iphone} CriOS/142.0.7444.46 Mobile/15E148 Safari/604.1"),
                "Chrome on iPhone",
            ),
            (
                format!("{iphone} FxiOS/145.0 Mobile/15E148 Safari/605.1.15"),
                "Firefox on iPhone",
            ),
            (format!("{iphone} Mobile/15E148"), "An app on iPhone"),
            (
                format!("{android} Mobile Safari/537.36"),
                "Chrome on Android",
            ),
            (
                format!("{android} Mobile Safari/537.36")
                    .replace("Chrome/", "SamsungBrowser/28.0 Chrome/"),
                "Samsung Internet on Android",
            ),
            (
                "Dalvik/2.1.0 (Linux; U; Android 14; Pixel 8 Build/UD1A)".to_owned(),
                "An app on Android",
            ),
            (
                "ShopApp/42 CFNetwork/1568.100.1 Darwin/24.0.0".to_owned(),
                "ShopApp on iOS",
            ),
            (
                "ShopApp/3.2.1 (com.example.shop; build:42; iOS 18.6.0) Alamofire/5.9.1".to_owned(),
                "ShopApp",
            ),
            ("okhttp/4.12.0".to_owned(), "okhttp"),
            ("curl/8.16.0".to_owned(), "curl"),
            ("python-requests/2.32.3".to_owned(), "python-requests"),
            ("node".to_owned(), "node"),
            (String::new(), "Unknown device"),
            ("Mozilla/5.0".to_owned(), "Unknown device"),
            ("<b>your bank</b>/1.0".to_owned(), "Unknown device"),
            ("x".repeat(512), "Unknown device"),
        ] {
            assert_eq!(device_name(&user_agent), name, "{user_agent}");
        }
    }
}
