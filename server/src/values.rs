//! The plain values that every layer may name: ids, addresses, roles, times.
//!
//! Each is checked once, where it enters; past that point its type is the proof.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use email_address::{EmailAddress, Options};
use icu_properties::props::{
    CanonicalCombiningClass, DefaultIgnorableCodePoint, GeneralCategory, GeneralCategoryGroup,
    JoiningType,
};
use icu_properties::{CodePointMapData, CodePointSetData};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use unicode_script::{Script, UnicodeScript as _};
use uuid::Uuid;

/// A text is not what it should be. It does not say what it is instead: that may be personal.
#[derive(Debug, thiserror::Error)]
#[error("this is not {0}")]
pub struct Mismatch(pub &'static str);

/// Gives an enum its one text each, in the database, in tokens and in the contract.
macro_rules! text_enum {
    ($name:ident, $what:literal, { $($variant:ident => $text:literal,)+ }) => {
        impl $name {
            /// The name in the database and in the contract.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> String {
                value.as_str().to_owned()
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::values::Mismatch;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    _ => Err($crate::values::Mismatch($what)),
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::values::Mismatch;
            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }
    };
}
pub(crate) use text_enum;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Uuid);

        impl $name {
            /// A UUIDv7 (RFC 9562 §5.7): ids sort by the time they were made.
            pub fn new(now: UnixMillis, random: [u8; 10]) -> Self {
                let millis = u64::try_from(now.0).unwrap_or_default();
                Self(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
            }

            /// Sorts before every other id.
            pub const FIRST: Self = Self(Uuid::nil());

            /// Reads the canonical lower-case text; every other spelling is `None`.
            pub fn parse(text: &str) -> Option<Self> {
                let id = Self(Uuid::try_parse(text).ok()?);
                (id.to_string() == text).then_some(id)
            }

            /// The 16 bytes, most significant first.
            pub fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.to_string()
            }
        }

        impl TryFrom<String> for $name {
            type Error = Mismatch;
            fn try_from(text: String) -> Result<Self, Mismatch> {
                Self::parse(&text).ok_or(Mismatch($what))
            }
        }
    };
}

uuid_id!(
    /// An account's id.
    UserId,
    "a user id"
);
uuid_id!(
    /// A session's id; `sid` in tokens.
    SessionId,
    "a session id"
);
uuid_id!(
    /// The id of one line of the audit trail.
    EventId,
    "an event id"
);

/// An e-mail address as accounts are told apart by it: NFC, lower case, at most 254 bytes (RFC 5321 §4.5.3.1), the domain in
/// its ASCII form (RFC 5891 §4.4).
///
/// The part before the `@` is not in quotes. It holds nothing that is only another shape of plainer characters, such as
/// full-width letters, nothing invisible, and no word of two alphabets: such an address would pass for another one among those
/// who read it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Email(String);

impl Email {
    /// Trims, normalises and checks; `None` when it is no address that mail could be sent to.
    pub fn parse(text: &str) -> Option<Self> {
        let (local, domain) = text.trim().rsplit_once('@')?;
        let local = lower_case(local);
        // In quotes, every other part could be written once more: "ana" is ana (RFC 5321 §4.1.2).
        if local.contains('"') || imitates(&local) {
            return None;
        }
        // Maps what UTS 46 takes for the same: case, full-width letters and dots. One spelling is left.
        let domain = idna::domain_to_ascii(domain).ok()?;
        let normalised = format!("{local}@{domain}");
        let rules = Options::default()
            .with_required_tld()
            .without_display_text()
            .without_domain_literal();
        let fits = normalised.len() <= 254;
        (fits && EmailAddress::parse_with_options(&normalised, rules).is_ok())
            .then_some(Self(normalised))
    }

    /// The normalised address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Addresses are personal data, so a log shows only their domain.
impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "[redacted]@{}",
            self.0.rsplit('@').next().unwrap_or_default()
        )
    }
}

impl From<Email> for String {
    fn from(email: Email) -> String {
        email.0
    }
}

/// Takes an address out of storage. It was checked on its way in, by the rules of its day: an account must not become
/// unreadable by a later rule.
impl From<String> for Email {
    fn from(stored: String) -> Self {
        Self(stored)
    }
}

/// What a person is called: 1 to 100 characters, NFC, one line, a letter or digit among them.
///
/// It holds nothing that could imitate another name: no other shapes of plainer characters, no invisible ones, no word of two
/// alphabets, no runs of spaces and no piles of marks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(String);

impl Name {
    /// The most characters that a name may have.
    pub const MAX_CHARS: usize = 100;

    /// Trims, normalises and checks; `None` when it is not as described above.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        // Line breaks are spaces, too, and a name has none.
        if text.contains(|c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')) {
            return None;
        }
        let words: Vec<&str> = text.split_whitespace().collect();
        let normalised: String = words.join(" ").nfc().collect();
        let length = normalised.chars().count();
        let named = normalised.contains(char::is_alphanumeric);
        let honest = !normalised.split(' ').any(imitates) && !piles_marks(&normalised);
        ((1..=Self::MAX_CHARS).contains(&length) && named && honest).then_some(Self(normalised))
    }

    /// The normalised name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// NFC and lower case. Some lower-case letters compose anew.
fn lower_case(text: &str) -> String {
    let lower = text.nfc().collect::<String>().to_lowercase();
    lower.nfc().collect()
}

/// Whether a word in NFC could pass for another one.
fn imitates(word: &str) -> bool {
    let unseen = word
        .char_indices()
        .any(|(at, c)| is_unseen(c) && !is_needed(c, &word[..at], &word[at + c.len_utf8()..]));
    unseen || word.contains(is_disguised) || mixes_alphabets(word)
}

/// Characters that reorder or hide text, have no picture or are nobody's: control and format characters, private and unassigned
/// ones, those that are ignored where they mean nothing (Unicode TR36 §2.10), and two with a blank picture.
fn is_unseen(c: char) -> bool {
    let category = CodePointMapData::<GeneralCategory>::new().get(c);
    GeneralCategoryGroup::Other
        .union(GeneralCategoryGroup::LineSeparator)
        .union(GeneralCategoryGroup::ParagraphSeparator)
        .contains(category)
        || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
        || matches!(c, '\u{2800}' | '\u{1D159}')
}

/// Whether an unseen character does something to what stands beside it: a joiner where a script needs it (RFC 5892, A.1 and
/// A.2), and the selector that makes a symbol an emoji.
fn is_needed(c: char, before: &str, after: &str) -> bool {
    let Some(last) = before.chars().next_back() else {
        return false;
    };
    let class = CodePointMapData::<CanonicalCombiningClass>::new().get(last);
    let after_virama = class == CanonicalCombiningClass::Virama;
    match c {
        '\u{200D}' => after_virama,
        '\u{200C}' => {
            let joining = |c| CodePointMapData::<JoiningType>::new().get(c);
            let shown = |joining: &JoiningType| *joining != JoiningType::Transparent;
            let left = before.chars().rev().map(joining).find(shown);
            let right = after.chars().map(joining).find(shown);
            let joins_on = [JoiningType::LeftJoining, JoiningType::DualJoining];
            let joins_back = [JoiningType::RightJoining, JoiningType::DualJoining];
            after_virama
                || left.is_some_and(|left| joins_on.contains(&left))
                    && right.is_some_and(|right| joins_back.contains(&right))
        }
        '\u{FE0F}' => {
            CodePointMapData::<GeneralCategory>::new().get(last) == GeneralCategory::OtherSymbol
        }
        _ => false,
    }
}

/// Whether a character in NFC is only another shape of plainer ones, such as a full-width letter. Unicode takes some letters of
/// Armenian, Thai and Lao for that, too, which are the usual way to write them.
fn is_disguised(c: char) -> bool {
    let usual = ['\u{587}', '\u{E33}', '\u{EB3}', '\u{EDC}', '\u{EDD}'];
    !usual.contains(&c) && !std::iter::once(c).nfkc().eq([c])
}

/// Whether a word has letters of two alphabets that look alike, as `Аna` with a Cyrillic А (UTS 39 §5.1). Names of one alphabet
/// pass whichever it is, and so do Chinese and Japanese characters beside Latin ones.
fn mixes_alphabets(word: &str) -> bool {
    const ALIKE: [Script; 5] = [
        Script::Latin,
        Script::Cyrillic,
        Script::Greek,
        Script::Armenian,
        Script::Cherokee,
    ];
    let used = |script: &&Script| word.chars().any(|c| c.script() == **script);
    ALIKE.iter().filter(used).count() > 1
}

/// Whether more than four marks stand on one letter (UTS 39 §5.4): no language needs so many, and they cover other lines.
fn piles_marks(text: &str) -> bool {
    let marks = text.chars().scan(0, |run, c| {
        *run = if is_combining_mark(c) { *run + 1 } else { 0 };
        Some(*run)
    });
    marks.max() > Some(4)
}

impl From<Name> for String {
    fn from(name: Name) -> String {
        name.0
    }
}

/// Takes a name out of storage, as [`Email`] does an address.
impl From<String> for Name {
    fn from(stored: String) -> Self {
        Self(stored)
    }
}

/// What a user may do. Ordered: every role may do what the roles before it may do.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
// Not by name of the variant: serde would take `{"USER":null}` for one, too.
#[serde(into = "String", try_from = "String")]
pub enum Role {
    /// Their own account.
    User,
    /// Sees all accounts.
    Manager,
    /// Changes other accounts.
    Admin,
}

impl Role {
    /// Every role, least powerful first.
    pub const ALL: [Self; 3] = [Self::User, Self::Manager, Self::Admin];
}

text_enum!(Role, "USER, MANAGER or ADMIN", {
    User => "USER",
    Manager => "MANAGER",
    Admin => "ADMIN",
});

/// How a session's refresh token travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// In a cookie that scripts cannot read.
    Cookie,
    /// In the answer's body.
    Body,
}

text_enum!(Transport, "COOKIE or BODY", {
    Cookie => "COOKIE",
    Body => "BODY",
});

/// A point in time: whole milliseconds since 1970 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnixMillis(pub i64);

impl UnixMillis {
    /// Whole seconds since 1970, as JWTs have them (RFC 7519 §2, NumericDate).
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// How long after `earlier` this is; zero when it is before.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or_default())
    }
}

impl std::ops::Add<Duration> for UnixMillis {
    type Output = Self;
    fn add(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)),
        )
    }
}

impl std::ops::Sub<Duration> for UnixMillis {
    type Output = Self;
    fn sub(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)),
        )
    }
}

/// The seconds to wait for, none too few.
pub fn whole_seconds(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u64::MAX)
}

impl From<UnixMillis> for i64 {
    fn from(time: UnixMillis) -> i64 {
        time.0
    }
}

impl From<i64> for UnixMillis {
    fn from(millis: i64) -> Self {
        Self(millis)
    }
}

/// Who is at the other end of the connection, as far as the connection tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// The address of the client, not of a proxy that the configuration trusts.
    pub ip: Option<IpAddr>,
    /// The `User-Agent` header, cut to 512 bytes.
    pub user_agent: Option<String>,
}

impl Peer {
    /// The network that the address is in: /24 for IPv4, /48 for IPv6, as text. People move within one all day.
    pub fn network(ip: &str) -> String {
        match ip.parse() {
            Ok(IpAddr::V4(v4)) => {
                let [a, b, c, _] = v4.octets();
                format!("{a}.{b}.{c}.0/24")
            }
            Ok(IpAddr::V6(v6)) => {
                let [a, b, c, ..] = v6.segments();
                format!("{a:x}:{b:x}:{c:x}::/48")
            }
            Err(_) => ip.to_owned(),
        }
    }
}

/// Whom a verified access token speaks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The user.
    pub user: UserId,
    /// The session.
    pub session: SessionId,
    /// The user's token version when the token was signed.
    pub version: i64,
    /// What the user may do.
    pub role: Role,
    /// When the user last proved their password.
    pub auth_time: UnixMillis,
}

/// Why a session was ended or has to be renewed, as its clients are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Ended by its user.
    LoggedOut,
    /// Ended with all others by its user.
    LoggedOutEverywhere,
    /// Ended by its user from another session.
    SessionRevoked,
    /// Ended by an administrator.
    EndedByAdministrator,
    /// The password was changed.
    PasswordChanged,
    /// Its refresh token was stolen.
    RefreshReused,
    /// The account was switched off.
    AccountDisabled,
    /// The account was deleted.
    AccountDeleted,
    /// The user had too many sessions, and it was the oldest.
    SessionLimit,
    /// Another sign-in took its cookie.
    SessionReplaced,
    /// It was not used for too long, or reached its absolute end.
    SessionExpired,
    /// The user's role was changed.
    RoleChanged,
    /// The user's name or address was changed.
    ProfileChanged,
    /// The token is older than the last change.
    TokenStale,
    /// The keys were changed.
    KeysChanged,
}

text_enum!(Reason, "a reason", {
    LoggedOut => "LOGGED_OUT",
    LoggedOutEverywhere => "LOGGED_OUT_EVERYWHERE",
    SessionRevoked => "SESSION_REVOKED",
    EndedByAdministrator => "ENDED_BY_ADMINISTRATOR",
    PasswordChanged => "PASSWORD_CHANGED",
    RefreshReused => "REFRESH_REUSED",
    AccountDisabled => "ACCOUNT_DISABLED",
    AccountDeleted => "ACCOUNT_DELETED",
    SessionLimit => "SESSION_LIMIT",
    SessionReplaced => "SESSION_REPLACED",
    SessionExpired => "SESSION_EXPIRED",
    RoleChanged => "ROLE_CHANGED",
    ProfileChanged => "PROFILE_CHANGED",
    TokenStale => "TOKEN_STALE",
    KeysChanged => "KEYS_CHANGED",
});

/// Text that must not reach a log.
#[derive(Clone, PartialEq, Eq, zeroize::Zeroize, zeroize::ZeroizeOnDrop)]
pub struct Secret(String);

impl Secret {
    /// Takes the text over.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that uses it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_trimmed_and_lower_case() {
        assert_eq!(
            Email::parse(" Ana@Example.COM ").unwrap().as_str(),
            "ana@example.com"
        );
    }

    #[test]
    fn what_mail_cannot_reach_is_no_address() {
        for text in [
            "",
            "ana",
            "ana@",
            "@example.com",
            "ana@localhost",
            "ana b@example.com",
            "Ana <ana@example.com>",
            "a\n@b.cd",
        ] {
            assert!(Email::parse(text).is_none(), "{text:?}");
        }
        assert!(Email::parse(&format!("{}@example.com", "a".repeat(250))).is_none());
    }

    #[test]
    fn an_address_has_one_form() {
        for (spellings, form) in [
            (
                // The Kelvin sign is a K.
                [
                    "\u{212A}ate@example.com",
                    "KATE@EXAMPLE.COM",
                    "kate@ＥＸＡＭＰＬＥ．com",
                ],
                "kate@example.com",
            ),
            (
                [
                    "zoe\u{301}@example.com",
                    "ZO\u{c9}@example.com",
                    "zo\u{e9}@example。com",
                ],
                "zo\u{e9}@example.com",
            ),
            (
                [
                    "a@bu\u{308}cher.example",
                    "A@B\u{dc}CHER.example",
                    "a@XN--bcher-kva.example",
                ],
                "a@xn--bcher-kva.example",
            ),
        ] {
            for spelling in spellings {
                let parsed = Email::parse(spelling).unwrap_or_else(|| panic!("{spelling}"));
                assert_eq!(parsed.as_str(), form, "{spelling}");
                assert_eq!(Email::parse(form), Some(parsed), "{form} is its own form");
            }
        }
    }

    #[test]
    fn addresses_that_are_not_one_stay_apart() {
        let plain = Email::parse("mike@example.com").unwrap();
        // A dotless i is another letter, whatever its capital looks like.
        for other in ["m\u{131}ke@example.com", "mike@examp1e.com"] {
            assert_ne!(Email::parse(other).unwrap(), plain, "{other}");
        }
    }

    #[test]
    fn an_address_that_passes_for_another_is_refused() {
        for text in [
            "ｍike@example.com",
            "ﬁona@example.com",
            "M\u{130}KE@example.com",
            "\u{430}dmin@example.com",
            "mi\u{200B}ke@example.com",
            "mi\u{200D}ke@example.com",
            "mike\u{202E}@example.com",
            "mike@exam\u{200B}ple.com\u{0}",
            "mike@example.com.",
            "mike@xn--a.com",
            "mike@-.com",
            "\"mike\"@example.com",
            "\"mike \"@example.com",
            "mi\"ke@example.com",
        ] {
            assert!(Email::parse(text).is_none(), "{text:?}");
        }
        for text in [
            "иван@почта.рф",
            "δοκιμή@example.gr",
            "o'brien+x@example.ie",
            "用户@例子.广告",
        ] {
            assert!(Email::parse(text).is_some(), "{text:?}");
        }
    }

    #[test]
    fn a_name_is_one_visible_line() {
        assert_eq!(Name::parse(" Ana  María ").unwrap().as_str(), "Ana María");
        for text in [
            "",
            "  ",
            "a\nb",
            "a\u{85}b",
            "a\u{2028}b",
            "a\0b",
            "evil\u{202E}live",
            "\u{3164}",
            "A\u{61C}",
            "...",
            "An\u{200B}a",
            "An\u{200D}a",
            "Ana\u{FE0F}",
            "7\u{FE0F}",
            "7\u{200D}",
            "田中\u{200D}",
            "\u{200D}1",
            "\u{200C}علی",
            "علی\u{200C}",
            "علی\u{200D}رضا",
            "मोहन्\u{200D}\u{200D}दास",
            "मो\u{200D}हन",
            // Private, unassigned, music, shorthand, a number sign that shapes what follows, a blank of braille.
            "Ana\u{E000}",
            "Ana\u{378}",
            "Ana\u{1D173}",
            "Ana\u{1BCA0}",
            "Ana\u{110BD}",
            "Ana\u{2800}",
            "Ana\u{34F}",
            "Z\u{300}\u{301}\u{302}\u{303}\u{304}\u{305}alg",
            &"x".repeat(101),
        ] {
            assert!(Name::parse(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn a_name_of_two_alphabets_imitates_another() {
        for text in [
            "\u{410}na",
            "An\u{3B1}",
            "Admin\u{456}strator",
            "P\u{430}ul Smith",
        ] {
            assert!(Name::parse(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn a_name_in_other_shapes_of_letters_imitates_another() {
        for text in ["𝐀dmin", "ａdmin", "Ⓐdmin", "ﬁona", "ᴬna", "A\u{2024}na"] {
            assert!(Name::parse(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn names_pass_in_the_spelling_of_their_language() {
        for text in [
            "Анна",
            "Пётр Ильич",
            "Αλέξανδρος",
            "Ana Анна",
            "O’Brien",
            "María-José Ñíguez",
            "Nguyễn Thị Ánh",
            "田中 Taro",
            "DJたろう",
            "김철수",
            "मोहन्\u{200D}दास",
            "علی\u{200C}رضا",
            "נועם",
            "สมชาย",
            "Jean-Luc 3",
            "X Æ A-12",
            "Zoë",
            "Zoe\u{308}",
            "山田\u{3000}太郎",
            "髙橋 﨑",
            "สำราญ อำนาจ",
            "ໜູນ້ອຍ",
            "Սևակ",
            "ශ්\u{200D}රී",
            "മോഹൻ",
            "ক্\u{200C}ষ",
            "محمد",
            "אַבְרָהָם",
            "Ana ❤\u{FE0F}",
        ] {
            assert!(Name::parse(text).is_some(), "{text:?}");
        }
    }

    #[test]
    fn an_id_has_one_spelling() {
        let id = UserId::new(UnixMillis(1_700_000_000_000), [7; 10]);
        let text = id.to_string();
        assert_eq!(UserId::parse(&text), Some(id));
        for other in [
            text.to_uppercase(),
            text.replace('-', ""),
            format!("{{{text}}}"),
        ] {
            assert_eq!(UserId::parse(&other), None, "{other}");
        }
    }

    #[test]
    fn roles_are_ordered_by_power() {
        assert!(Role::User < Role::Manager && Role::Manager < Role::Admin);
    }

    #[test]
    fn a_network_hides_the_host() {
        assert_eq!(Peer::network("203.0.113.77"), "203.0.113.0/24");
        assert_eq!(Peer::network("2001:db8:1:2::3"), "2001:db8:1::/48");
    }

    #[test]
    fn secrets_do_not_print() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "[redacted]");
        assert_eq!(
            format!("{:?}", Email::parse("ana@example.com").unwrap()),
            "[redacted]@example.com"
        );
    }
}
