//! The tables, as Diesel sees them on both databases.

diesel::table! {
    users (id) {
        id -> Text,
        email -> Text,
        name -> Text,
        name_key -> Text,
        role -> Text,
        password_hash -> Text,
        token_version -> BigInt,
        disabled_at -> Nullable<BigInt>,
        created_at -> BigInt,
    }
}

diesel::table! {
    sessions (id) {
        id -> Text,
        user_id -> Text,
        transport -> Text,
        nonce -> Text,
        generation -> BigInt,
        attempt_hash -> Nullable<Text>,
        rotated_at -> BigInt,
        rotated_before_at -> BigInt,
        foreign_repeats -> BigInt,
        foreign_repeat_generation -> BigInt,
        created_at -> BigInt,
        refresh_expires_at -> BigInt,
        expires_at -> BigInt,
        ended_at -> Nullable<BigInt>,
        ip_address -> Nullable<Text>,
        user_agent -> Nullable<Text>,
        nonce_before -> Nullable<Text>,
    }
}

diesel::table! {
    auth_events (id) {
        id -> Text,
        kind -> Text,
        at -> BigInt,
        user_id -> Nullable<Text>,
        actor_id -> Nullable<Text>,
        session_id -> Nullable<Text>,
        ip_address -> Nullable<Text>,
        user_agent -> Nullable<Text>,
    }
}

diesel::table! {
    keys (id) {
        id -> Text,
        purpose -> Text,
        algorithm -> Text,
        sealed -> Text,
        created_at -> BigInt,
        signs_from -> BigInt,
    }
}

diesel::table! {
    longest_refresh_ttl (id) {
        id -> Integer,
        millis -> BigInt,
    }
}

diesel::table! {
    locks (name) {
        name -> Text,
    }
}

diesel::table! {
    revocations (seq) {
        seq -> BigInt,
        kind -> Text,
        subject -> Text,
        min_version -> Nullable<BigInt>,
        ends_sessions -> Integer,
        spared_session -> Nullable<Text>,
        reason -> Text,
        at -> BigInt,
        expires_at -> BigInt,
    }
}

diesel::table! {
    longest_access_ttl (id) {
        id -> Integer,
        millis -> BigInt,
    }
}

diesel::table! {
    marks (name) {
        name -> Text,
        copy_id -> Text,
        other -> Text,
        at -> BigInt,
    }
}

diesel::table! {
    throttle (key) {
        key -> Text,
        tries -> BigInt,
        free_at -> BigInt,
        forgotten_at -> BigInt,
        noted -> Integer,
    }
}

diesel::table! {
    recoveries (user_id) {
        user_id -> Text,
        token_hash -> Text,
        expires_at -> BigInt,
    }
}

diesel::allow_tables_to_appear_in_same_query!(users, sessions);
diesel::allow_tables_to_appear_in_same_query!(users, recoveries);
