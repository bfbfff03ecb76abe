//! What a configuration is refused for, and what is only worth a word.

use countersign::config::{Fault, Faults, Flags, Settings, Variables};

/// A good configuration for production, with these changes.
fn production(changes: &[(&str, &str)]) -> Result<Settings, Faults> {
    let good = [
        ("COUNTERSIGN_PROFILE", "production"),
        ("COUNTERSIGN_HTTP__PUBLIC_URL", "https://auth.example.com"),
        ("COUNTERSIGN_HTTP__TRUSTED_PROXIES", "10.0.0.2"),
        ("COUNTERSIGN_TOKENS__ISSUER", "https://auth.example.com"),
        (
            "COUNTERSIGN_KEYS__SECRET",
            "kDq0H3mZ5s7Vw2XbT9cR4yNfLg8JpAeU",
        ),
        (
            "COUNTERSIGN_DATABASE__URL",
            "postgres://db.example.com/countersign",
        ),
    ];
    let variables: Variables = good
        .iter()
        .chain(changes)
        .map(|(name, value)| (name.into(), value.into()))
        .collect();
    Settings::load_from(&Flags::default(), &variables)
}

fn texts(found: &[Fault]) -> String {
    let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

#[test]
fn what_is_a_danger_in_production_is_refused() {
    for (variable, value, fault) in [
        (
            "HTTP__ALLOWED_ORIGINS",
            "*",
            "\"*\" would let every page use the session cookie",
        ),
        (
            "HTTP__ALLOWED_ORIGINS",
            "null",
            "\"null\" is the origin of pages from nowhere",
        ),
        (
            "HTTP__ALLOWED_ORIGINS",
            "http://app.example.com",
            "must be https in production",
        ),
        (
            "HTTP__TRUSTED_PROXIES",
            "0.0.0.0/1,128.0.0.0/1",
            "\"128.0.0.0/1\" is everybody, or nearly",
        ),
        (
            "HTTP__TRUSTED_PROXIES",
            "2000::/3",
            "is everybody, or nearly",
        ),
        (
            "TOKENS__ISSUER",
            "https://ada:hunter2@auth.example.com",
            "must not name a user",
        ),
        (
            "TOKENS__ISSUER",
            "https://auth.example.com?tenant=a",
            "neither query nor fragment",
        ),
        ("OPS__LISTEN", "0.0.0.0:4000", "is http.listen too"),
        (
            "TOKENS__AUDIENCE",
            "",
            "tokens.audience (COUNTERSIGN_TOKENS__AUDIENCE) is empty",
        ),
        (
            "KEYS__SECRET",
            "please-change-me-before-production",
            "is a placeholder from an example",
        ),
        (
            "DATABASE__URL",
            "sqlite:///dev/null/countersign.db",
            "names a file in what is no folder",
        ),
    ] {
        let changes = [(format!("COUNTERSIGN_{variable}"), value)];
        let changes = changes
            .each_ref()
            .map(|(name, value)| (name.as_str(), *value));
        let refused = production(&changes).unwrap_err();
        let faults = texts(&refused.faults);
        assert!(faults.contains(fault), "{fault}: {faults}");
        assert!(!faults.contains("hunter2"), "{faults}");
    }
}

#[test]
fn what_is_seldom_meant_is_said_and_starts() {
    assert_eq!(texts(&production(&[]).unwrap().warnings), "");
    let folder = tempfile::tempdir().unwrap();
    let new = format!("sqlite://{}/new/countersign.db", folder.path().display());
    for (variable, value, warning) in [
        (
            "HTTP__TRUSTED_PROXIES",
            "",
            "names no proxy, and there is no http.tls_cert",
        ),
        ("HTTP__ASSETS", "/nonexistent", "is no folder"),
        ("DATABASE__URL", &new, "a new, empty database is made"),
        (
            "GRAPHQL__INTROSPECTION",
            "true",
            "everybody can ask for the whole schema",
        ),
        ("GRAPHQL__GRAPHIQL", "true", "everybody is shown /graphiql"),
        (
            "LIMITS__FAILURES_PER_HOUR",
            "off",
            "limits.failures_per_hour (COUNTERSIGN_LIMITS__FAILURES_PER_HOUR) is off",
        ),
        ("TOKENS__ACCESS_TTL", "2h", "is more than 1h"),
        (
            "PASSWORDS__ITERATIONS",
            "1",
            "is less than OWASP's weakest recommendation",
        ),
    ] {
        let changes = [(format!("COUNTERSIGN_{variable}"), value)];
        let changes = changes
            .each_ref()
            .map(|(name, value)| (name.as_str(), *value));
        let warnings = texts(&production(&changes).unwrap().warnings);
        assert!(warnings.contains(warning), "{warning}: {warnings}");
        assert_eq!(warnings.lines().count(), 1, "{warnings}");
    }
}

#[test]
fn a_misspelt_name_is_told_what_it_may_have_been_meant_for() {
    for (variable, hint) in [
        (
            "COUNTERSIGN_HTTP__ALOWED_ORIGINS",
            "did you mean http.allowed_origins?",
        ),
        (
            "COUNTERSIGN_HTTP_LISTEN",
            "is no setting: write COUNTERSIGN_HTTP__LISTEN",
        ),
        (
            "COUNTERSIGN_WEATHER__FORECAST",
            "weather.forecast (COUNTERSIGN_WEATHER__FORECAST) is no setting of this version",
        ),
    ] {
        let faults = texts(&production(&[(variable, "x")]).unwrap_err().faults);
        assert!(faults.contains(hint), "{hint}: {faults}");
    }
    let weather = production(&[("COUNTERSIGN_WEATHER__FORECAST", "x")]).unwrap_err();
    assert!(
        !texts(&weather.faults).contains("did you mean"),
        "{weather}"
    );
    // What Kubernetes makes of a service that is called countersign.
    assert!(production(&[("COUNTERSIGN_PORT", "tcp://10.0.0.7:80")]).is_ok());
}
