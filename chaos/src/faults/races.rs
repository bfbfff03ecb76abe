//! Acts that race one another on different nodes.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{Result, bail};
use futures_util::future::{join, join_all};
use tokio::time::sleep;

use crate::Suite;
use crate::api::{Answer, Api, Session};
use crate::cluster::{Cluster, Plan};
use crate::ledger::Ledger;
use crate::load::{Load, PASSWORD, Person, Size, again, attempt};
use crate::report::Row;

/// The races are most of the work.
fn beside(size: Size) -> Size {
    Size {
        people: size.people / 2,
        ..size
    }
}

fn any(apis: &[Api]) -> &Api {
    &apis[fastrand::usize(..apis.len())]
}

const NEW_PASSWORD: &str = "plum tractor ninety eight";

/// What a login must not survive.
#[derive(Clone, Copy, Debug)]
enum Act {
    ChangePassword,
    Disable,
    DeleteUser,
    DeleteAccount,
}

const ACTS: [Act; 4] = [
    Act::ChangePassword,
    Act::Disable,
    Act::DeleteUser,
    Act::DeleteAccount,
];

/// Logins on every node while the password is changed, the account switched off or deleted. None of them may leave a session
/// behind.
pub async fn logins(fault: &'static str, suite: &mut Suite) -> Result<Row> {
    let mut cluster = suite.cluster(&Plan::default()).await?;
    let load = Load::start(&cluster, beside(suite.size)).await?;
    let admin = Person::administrator(&cluster, &load.ledger).await?;
    for act in ACTS.into_iter().cycle().take(suite.size.races) {
        race_logins(&cluster, &load, &admin, act).await?;
    }
    let recovery = load.recovered(&mut cluster).await?;
    load.finish(fault, &cluster, recovery).await
}

async fn race_logins(cluster: &Cluster, load: &Load, admin: &Person, act: Act) -> Result<()> {
    let (apis, ledger) = (cluster.apis(), &load.ledger);
    let person = Person::register(&cluster.api, ledger).await?;
    let logins = apis.iter().chain(&apis).map(async |node| {
        sleep(Duration::from_millis(fastrand::u64(..40))).await;
        again("login", ledger, || node.login(&person.email, PASSWORD)).await
    });
    let acting = async {
        sleep(Duration::from_millis(fastrand::u64(..20))).await;
        let node = any(&apis);
        again("an act", ledger, || act.call(node, admin, &person)).await
    };
    let (logins, acted) = join(join_all(logins), acting).await;
    if let Err(refusal) = acted? {
        ledger.lost(format!("{act:?} was refused: {refusal:?}"));
        return Ok(());
    }
    act.note(ledger, &person);
    for login in logins {
        // A refusal is right: the act came first.
        if let Ok(session) = login? {
            ledger.acknowledged();
            must_have_ended(&apis, ledger, act, &session).await?;
        }
    }
    Ok(())
}

impl Act {
    async fn call(self, node: &Api, admin: &Person, person: &Person) -> Answer<()> {
        let (token, admin) = (&person.session.access_token, &admin.session.access_token);
        match self {
            Self::ChangePassword => {
                let changed = node.change_password(token, PASSWORD, NEW_PASSWORD).await;
                changed.map(|_| ())
            }
            Self::Disable => node.set_disabled(admin, &person.id, true).await,
            Self::DeleteUser => node.delete_user(admin, &person.id).await,
            Self::DeleteAccount => node.delete_account(token, PASSWORD).await,
        }
    }

    fn note(self, ledger: &Ledger, person: &Person) {
        match self {
            Self::ChangePassword => ledger.changed(&person.id, "PASSWORD_CHANGED", |account| {
                NEW_PASSWORD.clone_into(&mut account.password);
            }),
            Self::Disable => ledger.switched(&person.id, true),
            Self::DeleteUser | Self::DeleteAccount => ledger.deleted(&person.id),
        }
        let token = &person.session.access_token;
        ledger.revoked(token, None, "an act that raced a login");
    }
}

async fn must_have_ended(apis: &[Api], ledger: &Ledger, act: Act, session: &Session) -> Result<()> {
    let Session {
        access_token,
        refresh_token,
        session_id,
        ..
    } = session;
    ledger.revoked(
        access_token,
        Some(session_id),
        "an act that raced the login",
    );
    let attempt = attempt();
    let refresh = again("refresh", ledger, || {
        any(apis).refresh(refresh_token, &attempt)
    });
    if refresh.await?.is_ok() {
        ledger.lost(format!("a login outlived {act:?}: {session_id}"));
    }
    Ok(())
}

/// How two administrators get at each other.
#[derive(Clone, Copy, Debug)]
enum Attack {
    Demote,
    Disable,
    Leave,
}

const ATTACKS: [Attack; 3] = [Attack::Demote, Attack::Disable, Attack::Leave];

/// The only two administrators demote each other, switch each other off, or leave, at the same time on two nodes. One is
/// always left, and one of them always succeeds.
pub async fn administrators(fault: &'static str, suite: &mut Suite) -> Result<Row> {
    let mut cluster = suite.cluster(&Plan::default()).await?;
    let load = Load::without_administrator(&cluster, beside(suite.size)).await?;
    let sql = cluster.sql().await?;
    let mut pair = [
        Person::administrator(&cluster, &load.ledger).await?,
        Person::administrator(&cluster, &load.ledger).await?,
    ];
    for attack in ATTACKS.into_iter().cycle().take(suite.size.races) {
        let done = fight(&cluster, &load.ledger, attack, &pair).await?;
        let query = "SELECT count(*) FROM users WHERE role = 'ADMIN' AND disabled_at IS NULL";
        let left: i64 = sql.query_one(query, &[]).await?.get(0);
        if left < 1 || done[0] == done[1] {
            let text = format!("{attack:?}: {done:?} left {left} administrators");
            load.ledger.lost(text);
            break;
        }
        let [first, second] = &mut pair;
        match winner(attack, done) {
            0 => make_peace(&cluster, &load, attack, first, second).await?,
            _ => make_peace(&cluster, &load, attack, second, first).await?,
        }
    }
    let recovery = load.recovered(&mut cluster).await?;
    load.finish(fault, &cluster, recovery).await
}

/// Which of the two succeeded.
async fn fight(
    cluster: &Cluster,
    ledger: &Ledger,
    attack: Attack,
    pair: &[Person; 2],
) -> Result<[bool; 2]> {
    let apis = cluster.apis();
    let offset = fastrand::usize(..apis.len());
    let strike = async |number: usize| {
        let (node, own) = (&apis[(offset + number) % apis.len()], &pair[number]);
        let (token, other) = (&own.session.access_token, &pair[1 - number].id);
        let answer = again("an act", ledger, || attack.call(node, token, other));
        Ok::<_, anyhow::Error>(answer.await?.is_ok())
    };
    let (first, second) = join(strike(0), strike(1)).await;
    Ok([first?, second?])
}

impl Attack {
    async fn call(self, node: &Api, token: &str, other: &str) -> Answer<()> {
        match self {
            Self::Demote => node.set_role(token, other, "USER").await,
            Self::Disable => node.set_disabled(token, other, true).await,
            Self::Leave => node.delete_account(token, PASSWORD).await,
        }
    }
}

/// Who is an administrator still, where one of the two succeeded. Who leaves is the one that is gone.
fn winner(attack: Attack, done: [bool; 2]) -> usize {
    let successful = usize::from(done[1]);
    match attack {
        Attack::Leave => 1 - successful,
        Attack::Demote | Attack::Disable => successful,
    }
}

/// Makes two administrators of them again.
async fn make_peace(
    cluster: &Cluster,
    load: &Load,
    attack: Attack,
    winner: &mut Person,
    loser: &mut Person,
) -> Result<()> {
    let ledger = &load.ledger;
    let Session {
        access_token,
        session_id,
        ..
    } = &loser.session;
    let ended = (!matches!(attack, Attack::Demote)).then_some(session_id.as_str());
    ledger.revoked(access_token, ended, "the other administrator");
    match attack {
        Attack::Demote => ledger.role_changed(&loser.id, "USER"),
        Attack::Disable => ledger.switched(&loser.id, true),
        Attack::Leave => {
            ledger.deleted(&loser.id);
            *loser = Person::register(&cluster.api, ledger).await?;
        }
    }
    let (api, token) = (&winner.api, &winner.session.access_token);
    let answer = again("an act", ledger, async || match attack {
        Attack::Disable => api.set_disabled(token, &loser.id, false).await,
        Attack::Demote | Attack::Leave => api.set_role(token, &loser.id, "ADMIN").await,
    });
    if let Err(refusal) = answer.await? {
        bail!("{attack:?}: the winner is no administrator: {refusal:?}");
    }
    match attack {
        Attack::Disable => ledger.switched(&loser.id, false),
        Attack::Demote | Attack::Leave => ledger.role_changed(&loser.id, "ADMIN"),
    }
    loser.login().await
}

/// How many clients use one refresh token at the same time.
const CLIENTS: usize = 64;

/// All of them are answered, with the same next generation, and with tokens that work.
pub async fn refreshes(fault: &'static str, suite: &mut Suite) -> Result<Row> {
    let mut cluster = suite.cluster(&Plan::default()).await?;
    let load = Load::start(&cluster, beside(suite.size)).await?;
    let mut person = Person::register(&cluster.api, &load.ledger).await?;
    for _ in 0..suite.size.races.div_ceil(8) {
        race_refreshes(&cluster.apis(), &load.ledger, &mut person).await?;
    }
    let recovery = load.recovered(&mut cluster).await?;
    load.finish(fault, &cluster, recovery).await
}

async fn race_refreshes(apis: &[Api], ledger: &Ledger, person: &mut Person) -> Result<()> {
    let token = &person.session.refresh_token;
    let calls = (0..CLIENTS).map(async |client| {
        let (node, attempt) = (&apis[client % apis.len()], attempt());
        again("refresh", ledger, || node.refresh(token, &attempt)).await
    });
    let mut sessions = Vec::new();
    for answer in join_all(calls).await {
        match answer? {
            Ok(session) => sessions.push(session),
            Err(refusal) => ledger.signed_out(&person.email, "a race of renewals", &refusal),
        }
    }
    let generations: HashSet<_> = sessions
        .iter()
        .map(|session| generation(&session.refresh_token))
        .collect();
    let next = generation(token).map(|generation| generation + 1);
    if generations != HashSet::from([next]) {
        ledger.lost(format!(
            "generation {:?} became {generations:?}",
            generation(token)
        ));
    }
    let looks = sessions
        .iter()
        .map(async |session| again("me", ledger, || any(apis).me(&session.access_token)).await);
    for look in join_all(looks).await {
        match look? {
            Ok(_) => ledger.acknowledged(),
            Err(refusal) => ledger.signed_out(&person.email, "me after a race", &refusal),
        }
    }
    for _ in &sessions {
        ledger.acknowledged();
    }
    match sessions.pop() {
        Some(session) => person.session = session,
        None => person.login().await?,
    }
    Ok(())
}

/// The fourth part of a refresh token (docs/architecture.md).
fn generation(token: &str) -> Option<u64> {
    token.split('.').nth(3)?.parse().ok()
}
