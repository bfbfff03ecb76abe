//! A strict reader for the two small JSON objects of a token (RFC 8259).
//!
//! Names are unique at every depth, because a second reader might keep the other member (RFC 7515 §4, RFC 7519 §4).
//! It is written by hand because what serde_json and its error texts need is twice the size of everything else here.

/// Deeper nesting is refused: reading it would use stack without bound.
const MAX_DEPTH: u32 = 32;
/// The largest integer that JavaScript holds exactly.
const MAX_WHOLE: i64 = (1 << 53) - 1;

/// The members of a JSON object.
#[derive(Debug, PartialEq)]
pub(super) struct Object(Vec<(String, Value)>);

/// What rules need of a value; the rest is only known to be well-formed.
#[derive(Debug, PartialEq)]
enum Value {
    Text(String),
    /// An integer from 0 to 2^53 − 1, written without fraction or exponent.
    Whole(i64),
    List(Vec<Value>),
    Object(Object),
    Switch(bool),
    Other,
}

impl Object {
    /// Reads exactly one object, with nothing but white space around it.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut reader = Reader { rest: text };
        reader.skip_space();
        let object = reader.object(0)?;
        reader.skip_space();
        reader.rest.is_empty().then_some(object)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// `Some(None)` when there is no such member, `None` when it is there and of another type.
    pub(super) fn optional<T>(
        &self,
        name: &str,
        read: impl Fn(&Self, &str) -> Option<T>,
    ) -> Option<Option<T>> {
        if self.has(name) {
            read(self, name).map(Some)
        } else {
            Some(None)
        }
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.get(name)?.text()
    }

    pub(super) fn whole(&self, name: &str) -> Option<i64> {
        match self.get(name)? {
            Value::Whole(number) => Some(*number),
            _ => None,
        }
    }

    pub(super) fn switch(&self, name: &str) -> Option<bool> {
        match self.get(name)? {
            Value::Switch(switch) => Some(*switch),
            _ => None,
        }
    }

    pub(super) fn texts(&self, name: &str) -> Option<Vec<String>> {
        match self.get(name)? {
            Value::List(values) => values.iter().map(Value::text).collect(),
            _ => None,
        }
    }

    /// One text, or a list of texts (RFC 7519 §4.1.3).
    pub(super) fn text_or_texts(&self, name: &str) -> Option<Vec<String>> {
        self.texts(name).or_else(|| Some(vec![self.text(name)?]))
    }

    /// The objects of a list, whatever else is in it.
    pub(super) fn objects(&self, name: &str) -> Option<impl Iterator<Item = &Self>> {
        let Value::List(values) = self.get(name)? else {
            return None;
        };
        Some(values.iter().filter_map(|value| match value {
            Value::Object(object) => Some(object),
            _ => None,
        }))
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value)
    }
}

impl Value {
    fn text(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.clone()),
            _ => None,
        }
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn value(&mut self, depth: u32) -> Option<Value> {
        match self.rest.bytes().next()? {
            b'"' => self.string().map(Value::Text),
            b'{' => self.object(depth + 1).map(Value::Object),
            b'[' => self.list(depth + 1).map(Value::List),
            b't' => self.expect("true").map(|()| Value::Switch(true)),
            b'f' => self.expect("false").map(|()| Value::Switch(false)),
            b'n' => self.expect("null").map(|()| Value::Other),
            _ => self.number(),
        }
    }

    fn object(&mut self, depth: u32) -> Option<Object> {
        let mut members: Vec<(String, Value)> = Vec::new();
        self.items("{", "}", depth, |reader| {
            let name = reader.string()?;
            reader.skip_space();
            reader.expect(":")?;
            reader.skip_space();
            let value = reader.value(depth)?;
            if members.iter().any(|(known, _)| *known == name) {
                return None;
            }
            members.push((name, value));
            Some(())
        })?;
        Some(Object(members))
    }

    fn list(&mut self, depth: u32) -> Option<Vec<Value>> {
        let mut values = Vec::new();
        self.items("[", "]", depth, |reader| {
            values.push(reader.value(depth)?);
            Some(())
        })?;
        Some(values)
    }

    /// Items between `open` and `close`, separated by commas.
    fn items(
        &mut self,
        open: &str,
        close: &str,
        depth: u32,
        mut item: impl FnMut(&mut Self) -> Option<()>,
    ) -> Option<()> {
        if depth > MAX_DEPTH {
            return None;
        }
        self.expect(open)?;
        self.skip_space();
        if self.expect(close).is_some() {
            return Some(());
        }
        loop {
            self.skip_space();
            item(self)?;
            self.skip_space();
            if self.expect(close).is_some() {
                return Some(());
            }
            self.expect(",")?;
        }
    }

    fn string(&mut self) -> Option<String> {
        self.expect("\"")?;
        let mut text = String::new();
        loop {
            let is_plain = |byte: u8| !matches!(byte, b'"' | b'\\' | ..b' ');
            let plain = self.rest.bytes().take_while(|&byte| is_plain(byte)).count();
            let (run, rest) = self.rest.split_at_checked(plain)?;
            text.push_str(run);
            self.rest = rest;
            match self.character()? {
                '"' => return Some(text),
                '\\' => text.push(self.escape()?),
                _control => return None,
            }
        }
    }

    fn escape(&mut self) -> Option<char> {
        Some(match self.character()? {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => return self.unicode_escape(),
            plain @ ('"' | '\\' | '/') => plain,
            _ => return None,
        })
    }

    /// Four hexadecimal digits, or two such escapes that make a pair (RFC 8259 §7).
    fn unicode_escape(&mut self) -> Option<char> {
        let first = self.hex()?;
        if !(0xD800..0xDC00).contains(&first) {
            return char::from_u32(first);
        }
        self.expect("\\u")?;
        let second = self.hex()?;
        if !(0xDC00..0xE000).contains(&second) {
            return None;
        }
        char::from_u32(0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00))
    }

    fn hex(&mut self) -> Option<u32> {
        (0..4).try_fold(0, |number, _| {
            Some(number * 16 + self.character()?.to_digit(16)?)
        })
    }

    fn number(&mut self) -> Option<Value> {
        let negative = self.expect("-").is_some();
        let whole = self.digits()?;
        if whole.len() > 1 && whole.starts_with('0') {
            return None;
        }
        let mut plain = !negative;
        if self.expect(".").is_some() {
            self.digits()?;
            plain = false;
        }
        if self.expect("e").or_else(|| self.expect("E")).is_some() {
            let _sign = self.expect("+").or_else(|| self.expect("-"));
            self.digits()?;
            plain = false;
        }
        let exact = whole
            .parse()
            .ok()
            .filter(|number| plain && *number <= MAX_WHOLE);
        Some(exact.map_or(Value::Other, Value::Whole))
    }

    /// One digit or more.
    fn digits(&mut self) -> Option<String> {
        let count = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        (count > 0).then(|| digits.to_owned())
    }

    fn character(&mut self) -> Option<char> {
        let mut characters = self.rest.chars();
        let first = characters.next();
        self.rest = characters.as_str();
        first
    }

    fn expect(&mut self, text: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(text)?;
        Some(())
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_are_read_as_what_they_are() {
        let object = Object::parse(
            r#" { "text" : "a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00é" , "whole":12,"list":["a","b"],"not":true } "#,
        )
        .expect("well-formed");
        assert_eq!(
            object.text("text").as_deref(),
            Some("a\"\\/\u{8}\u{c}\n\r\té😀é")
        );
        assert_eq!(object.whole("whole"), Some(12));
        assert_eq!(
            object.text_or_texts("list"),
            Some(vec!["a".to_owned(), "b".to_owned()])
        );
        assert_eq!(object.text("not"), None);
        assert_eq!(object.optional("absent", Object::text), Some(None));
        assert_eq!(object.optional("not", Object::text), None);
    }

    #[test]
    fn only_exact_integers_are_whole() {
        for text in [
            "-1",
            "-0",
            "1.0",
            "1e3",
            "9007199254740992",
            "18446744073709551616",
        ] {
            let object = Object::parse(&format!(r#"{{"n":{text}}}"#)).expect("well-formed");
            assert_eq!(object.whole("n"), None, "{text}");
        }
        let largest = Object::parse(r#"{"n":9007199254740991}"#).expect("well-formed");
        assert_eq!(largest.whole("n"), Some(MAX_WHOLE));
    }

    #[test]
    fn what_is_not_one_json_object_is_refused() {
        for text in [
            "",
            "null",
            "[]",
            "{",
            "{}x",
            "{}{}",
            "{,}",
            r#"{"a":1,}"#,
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{a:1}"#,
            r#"{"a":01}"#,
            r#"{"a":1.}"#,
            r#"{"a":.5}"#,
            r#"{"a":1e}"#,
            r#"{"a":+1}"#,
            r#"{"a":tru}"#,
            "{\"a\":\"\n\"}",
            r#"{"a":"\x"}"#,
            r#"{"a":"\ud800"}"#,
            r#"{"a":"\ud800\u0041"}"#,
            r#"{"a":"\udc00"}"#,
            r#"{"a":"\u00g0"}"#,
            r#"{"a":"#,
            "\u{feff}{}",
            r#"{"a":[1,]}"#,
            r#"{"a":[1 2]}"#,
        ] {
            assert!(Object::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_name_stands_once_at_every_depth() {
        assert!(Object::parse(r#"{"a":1,"a":1}"#).is_none());
        assert!(Object::parse(r#"{"a":1,"\u0061":1}"#).is_none());
        assert!(Object::parse(r#"{"x":[{"a":1,"a":1}]}"#).is_none());
        assert!(Object::parse(r#"{"x":{"a":1},"y":{"a":1}}"#).is_some());
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth| format!(r#"{{"a":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
        assert!(Object::parse(&nested(MAX_DEPTH as usize)).is_some());
        assert!(Object::parse(&nested(100_000)).is_none());
    }

    proptest! {
        #[test]
        fn what_we_read_serde_json_reads_too(text in r#"[{}\[\]",:.0-9eE+\-a\\u\ndt ]{0,24}"#) {
            let text = format!("{{\"a\":{text}}}");
            if Object::parse(&text).is_some() {
                prop_assert!(serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&text).is_ok());
            }
        }

        #[test]
        fn any_text_survives_as_a_value(value in any::<String>()) {
            let text = serde_json::json!({ "a": value }).to_string();
            prop_assert_eq!(Object::parse(&text).and_then(|object| object.text("a")), Some(value));
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in any::<String>()) {
            let _object = Object::parse(&text);
        }
    }
}
