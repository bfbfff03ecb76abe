//! Steps that several transactions have in common, each expanded for both databases.

/// Reads the caller's session and user anew: who was signed out, disabled or demoted changes nothing, on any node.
macro_rules! authorise {
    ($conn:expr, $caller:expr, $needs:expr, $now:expr) => {{
        use $crate::storage::Denied;
        use $crate::storage::schema::{sessions, users};
        let caller: Option<$crate::storage::UserRow> = sessions::table
            .inner_join(users::table.on(users::id.eq(sessions::user_id)))
            .filter(sessions::id.eq($caller.session.to_string()))
            .filter(users::id.eq($caller.user.to_string()))
            .filter(users::disabled_at.is_null())
            .filter(alive!($now))
            .select($crate::storage::UserRow::as_select())
            .first($conn)
            .await
            .optional()?;
        match caller {
            None => return Err(Denied::CallerEnded.into()),
            Some(user) if user.token_version > $caller.version => {
                return Err(Denied::CallerStale.into());
            }
            Some(user) if user.role < $needs => return Err(Denied::RoleRequired($needs).into()),
            Some(user) => user,
        }
    }};
}

/// What makes a session alive at `now`.
macro_rules! alive {
    ($now:expr) => {
        $crate::storage::schema::sessions::ended_at
            .is_null()
            .and($crate::storage::schema::sessions::expires_at.gt($now.0))
            .and($crate::storage::schema::sessions::refresh_expires_at.gt($now.0))
    };
}

/// Locks the user of a proof and goes on only if the proof still holds.
macro_rules! proven {
    ($conn:expr, $proof:expr) => {{
        let user = $conn.lock_user(&$proof.caller.user).await?;
        authorise!($conn, $proof.caller, crate::values::Role::User, $proof.now);
        user.filter(|user| user.password_hash == $proof.password_hash)
            .ok_or($crate::storage::Denied::PasswordChanged)?
    }};
}

/// Writes a new nonce into the caller's session; the row as it is then.
macro_rules! renew_nonce {
    ($conn:expr, $id:expr, $renewal:expr, $now:expr) => {{
        use $crate::storage::schema::sessions;
        let id = $id.to_string();
        let session: $crate::storage::SessionRow = sessions::table
            .find(&id)
            .select($crate::storage::SessionRow::as_select())
            .first($conn)
            .await?;
        let refresh_expires_at = session.expires_at.min($renewal.refresh_expires_at);
        diesel::update(sessions::table.find(&id))
            .set((
                sessions::nonce.eq(&$renewal.nonce),
                sessions::nonce_before.eq(sessions::nonce.nullable()),
                sessions::generation.eq(sessions::generation + 1),
                sessions::attempt_hash.eq(&$renewal.attempt_hash),
                sessions::rotated_before_at.eq(sessions::rotated_at),
                sessions::rotated_at.eq($now.0),
                sessions::refresh_expires_at.eq(refresh_expires_at.0),
            ))
            .execute($conn)
            .await?;
        sessions::table
            .find(&id)
            .select($crate::storage::SessionRow::as_select())
            .first::<$crate::storage::SessionRow>($conn)
            .await?
    }};
}

/// Raises a user's token version, ends the sessions but for `$spared`, records each, and takes it all back by one row.
/// How many sessions ended.
macro_rules! end_all {
    ($conn:expr, $user:expr, $spared:expr, $reason:expr, $event:expr, $now:expr) => {{
        use $crate::storage::schema::{sessions, users};
        let (user, spared): (&$crate::storage::UserRow, Option<SessionId>) = ($user, $spared);
        let but = spared.map(|id| id.to_string()).unwrap_or_default();
        let others = sessions::user_id
            .eq(user.id.to_string())
            .and(sessions::id.ne(but));
        let ended = end_sessions!($conn, others, $now, $event);
        diesel::update(users::table.find(user.id.to_string()))
            .set(users::token_version.eq(users::token_version + 1))
            .execute($conn)
            .await?;
        let revoked = $crate::storage::Revoked::User {
            id: user.id,
            min_version: user.token_version + 1,
            ends: $crate::storage::Ends::AllBut(spared),
        };
        revoke!($conn, revoked, $reason, $now);
        $crate::storage::revocations::count_ended($reason, ended.len());
        ended.len()
    }};
}

/// Ends the sessions that `$filter` picks of those alive, and records each; which.
macro_rules! end_sessions {
    ($conn:expr, $filter:expr, $now:expr, $event:expr) => {{
        use $crate::storage::schema::sessions;
        let ended: Vec<(String, String)> = diesel::update(sessions::table)
            .filter($filter)
            .filter(alive!($now))
            .set(sessions::ended_at.eq($now.0))
            .returning((sessions::id, sessions::user_id))
            .get_results($conn)
            .await?;
        let ended: Vec<(SessionId, UserId)> = ended
            .into_iter()
            .filter_map(|(id, user)| Some((id.try_into().ok()?, user.try_into().ok()?)))
            .collect();
        let lines = ended.iter().map(|(id, user)| $event(*id, *user));
        $conn.insert_events(lines.collect()).await?;
        ended.into_iter().map(|(id, _)| id).collect::<Vec<_>>()
    }};
}
