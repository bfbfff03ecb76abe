//! People who use the cluster as our client library does, and the prober who tries revoked tokens.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use futures_util::future::join_all;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::api::{Answer, Api, Failure, Refusal, Session};
use crate::cluster::Cluster;
use crate::ledger::{Account, Ledger};
use crate::report::Row;

/// Whom everybody's password is compared with: long, and no common phrase.
pub const PASSWORD: &str = "plum tractor ninety seven";
/// Somebody who gets no answer for so long never will.
const PATIENCE: Duration = Duration::from_secs(90);

/// How much is done.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Ordinary users at work.
    pub people: usize,
    /// Operations that have to be acknowledged.
    pub operations: u64,
    /// How often a fault is repeated.
    pub rounds: usize,
    /// How many races are run.
    pub races: usize,
    /// Revocations whose time is taken.
    pub revocations: usize,
}

/// A crowd at work on a cluster.
pub struct Load {
    /// The books.
    pub ledger: Arc<Ledger>,
    size: Size,
    tasks: JoinSet<Result<()>>,
    probers: JoinSet<()>,
}

impl Load {
    /// Registers everybody and lets them begin, an administrator among them.
    pub async fn start(cluster: &Cluster, size: Size) -> Result<Self> {
        let mut load = Self::without_administrator(cluster, size).await?;
        let subjects = (0..2).map(|_| Person::register(&cluster.api, &load.ledger));
        let subjects = join_all(subjects).await;
        let subjects = subjects.into_iter().collect::<Result<_>>()?;
        let admin = Person::administrator(cluster, &load.ledger).await?;
        load.tasks.spawn(administrate(admin, subjects));
        Ok(load)
    }

    /// As [`Self::start`], with nobody who could change what others may do.
    pub async fn without_administrator(cluster: &Cluster, size: Size) -> Result<Self> {
        let ledger = Arc::new(Ledger::default());
        let mut load = Self {
            ledger: Arc::clone(&ledger),
            size,
            tasks: JoinSet::new(),
            probers: JoinSet::new(),
        };
        let people = (0..size.people).map(|_| Person::register(&cluster.api, &ledger));
        for person in join_all(people).await {
            load.tasks.spawn(person?.live());
        }
        for (number, node) in cluster.apis().into_iter().enumerate() {
            load.probers.spawn(probe(Arc::clone(&ledger), node, number));
        }
        Ok(load)
    }

    /// Waits until the cluster can serve and somebody was served; how long that took.
    pub async fn recovered(&self, cluster: &mut Cluster) -> Result<Duration> {
        let start = Instant::now();
        cluster.recovered().await?;
        self.wait_for_operations(self.ledger.operations() + 1)
            .await?;
        Ok(start.elapsed())
    }

    async fn wait_for_operations(&self, count: u64) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while self.ledger.operations() < count {
            ensure!(
                Instant::now() < deadline && !xtask::process::interrupted(),
                "only {} operations were acknowledged",
                self.ledger.operations()
            );
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Works on until enough was acknowledged, ends, and compares everything with the books.
    pub async fn finish(
        mut self,
        fault: &'static str,
        cluster: &Cluster,
        recovery: Duration,
    ) -> Result<Row> {
        self.wait_for_operations(self.size.operations).await?;
        self.ledger.stop();
        while let Some(task) = self.tasks.join_next().await {
            if let Err(error) = task? {
                self.ledger.lost(error.to_string());
            }
        }
        self.ledger.check_database(&cluster.sql().await?).await?;
        self.check_passwords(&cluster.api).await;
        self.ledger.probe_all(&cluster.apis()).await;
        self.probers.shutdown().await;
        ensure!(
            self.ledger.refused() > 0,
            "{fault}: no revoked token was tried"
        );
        Ok(self.row(fault, recovery))
    }

    async fn check_passwords(&self, api: &Api) {
        for account in self.ledger.accounts() {
            let answer = again("login", &self.ledger, || {
                api.login(&account.email, &account.password)
            })
            .await;
            let right = match &answer {
                Ok(Ok(_)) => !account.disabled,
                Ok(Err(refusal)) => account.disabled && refusal.reason == "ACCOUNT_DISABLED",
                Err(_) => false,
            };
            if !right {
                self.ledger
                    .lost(format!("the password of {}: {answer:?}", account.email));
            }
        }
    }

    fn row(&self, fault: &'static str, recovery: Duration) -> Row {
        let [lost, late, signed_out, wrong] = self.ledger.faults();
        let name = |kind: &'static str, texts: &[String]| {
            // The first tell enough.
            let first = texts.iter().take(5).map(|text| format!("{kind}: {text}"));
            let rest = texts.len().checked_sub(6).map(|rest| rest + 1);
            let rest = rest.map(|rest| format!("{kind}: {rest} more"));
            first.chain(rest).collect::<Vec<_>>()
        };
        let problems = [
            name("lost", &lost),
            name("accepted late", &late),
            name("signed out", &signed_out),
            name("wrong", &wrong),
        ];
        Row {
            fault,
            operations: self.ledger.operations(),
            lost: lost.len(),
            accepted_late: late.len(),
            signed_out: signed_out.len(),
            recovery_ms: recovery.as_millis(),
            latency: None,
            problems: problems.concat(),
        }
    }
}

/// Makes a call again and again until there is a definitive answer.
///
/// # Errors
/// When there is none for a long time.
pub async fn again<T, F: Future<Output = Answer<T>>>(
    operation: &'static str,
    ledger: &Ledger,
    call: impl Fn() -> F,
) -> Result<Result<T, Refusal>> {
    let deadline = Instant::now() + PATIENCE;
    let mut repeated = false;
    loop {
        match call().await {
            Ok(answer) => return Ok(Ok(answer)),
            Err(Failure::Refused(refusal)) => {
                return Ok(Err(Refusal {
                    repeated,
                    ..refusal
                }));
            }
            Err(failure) => {
                ledger.unanswered(operation, &failure);
                if Instant::now() > deadline || xtask::process::interrupted() {
                    bail!("{operation} is not answered: {failure:?}");
                }
                repeated = true;
                sleep(Duration::from_millis(fastrand::u64(50..200))).await;
            }
        }
    }
}

fn address() -> String {
    format!("p{:016x}@example.com", fastrand::u64(..))
}

/// A key for [`Api::refresh`].
pub fn attempt() -> String {
    format!("{:032x}", fastrand::u128(..))
}

/// A user with one session at a time.
pub struct Person {
    /// The account's id.
    pub id: String,
    /// The address to sign in with.
    pub email: String,
    /// The password that is good now.
    pub password: String,
    /// The session.
    pub session: Session,
    /// How the user calls.
    pub api: Api,
    ledger: Arc<Ledger>,
}

impl Person {
    /// Makes an account.
    pub async fn register(api: &Api, ledger: &Arc<Ledger>) -> Result<Self> {
        let email = address();
        let session = match again("register", ledger, || api.register(&email, PASSWORD)).await? {
            Ok(session) => session,
            // The answer was lost.
            Err(refusal) if refusal.reason == "EMAIL_TAKEN" => {
                match again("login", ledger, || api.login(&email, PASSWORD)).await? {
                    Ok(session) => session,
                    Err(refusal) => bail!("{email} cannot sign in: {refusal:?}"),
                }
            }
            Err(refusal) => bail!("{email} cannot register: {refusal:?}"),
        };
        Ok(Self::new(api, ledger, email, "USER", session))
    }

    /// Makes an administrator.
    pub async fn administrator(cluster: &Cluster, ledger: &Arc<Ledger>) -> Result<Self> {
        let email = address();
        let session = cluster.administrator(&email, PASSWORD).await?;
        Ok(Self::new(&cluster.api, ledger, email, "ADMIN", session))
    }

    /// Somebody who has just signed in for the first time.
    fn new(
        api: &Api,
        ledger: &Arc<Ledger>,
        email: String,
        role: &'static str,
        session: Session,
    ) -> Self {
        let account = Account {
            email: email.clone(),
            password: PASSWORD.to_owned(),
            role,
            disabled: false,
            events: HashMap::from([("REGISTERED", 1)]),
        };
        ledger.made(&session.user.id, account);
        Self {
            id: session.user.id.clone(),
            email,
            password: PASSWORD.to_owned(),
            session,
            api: api.clone(),
            ledger: Arc::clone(ledger),
        }
    }

    /// Mostly renewals and looks; now and then something that ends sessions.
    async fn live(mut self) -> Result<()> {
        while !self.ledger.is_stopping() {
            match fastrand::u32(..100) {
                0..45 => self.refresh().await?,
                45..90 => self.look().await?,
                90..94 => self.leave_and_return().await?,
                94..97 => self.leave_everywhere_and_return().await?,
                _ => self.change_password().await?,
            }
            sleep(Duration::from_millis(fastrand::u64(2..20))).await;
        }
        // The session that is left has to be good.
        self.refresh().await
    }

    /// Renews the session, with one attempt key however often it takes.
    pub async fn refresh(&mut self) -> Result<()> {
        let (token, attempt) = (self.session.refresh_token.clone(), attempt());
        let api = self.api.clone();
        match again("refresh", &self.ledger, || api.refresh(&token, &attempt)).await? {
            Ok(session) => {
                self.ledger.acknowledged();
                self.session = session;
                Ok(())
            }
            Err(refusal) => {
                self.ledger.signed_out(&self.email, "refresh", &refusal);
                self.login().await
            }
        }
    }

    /// Asks who they are.
    async fn look(&mut self) -> Result<()> {
        let (api, token) = (self.api.clone(), self.session.access_token.clone());
        match again("me", &self.ledger, || api.me(&token)).await? {
            Ok(_) => self.ledger.acknowledged(),
            Err(refusal) => self.recover("me", &refusal).await?,
        }
        Ok(())
    }

    /// A renewal where that helps; else the user was signed out.
    async fn recover(&mut self, during: &str, refusal: &Refusal) -> Result<()> {
        if refusal.is_stale() {
            return self.refresh().await;
        }
        self.ledger.signed_out(&self.email, during, refusal);
        self.login().await
    }

    /// Signs in.
    pub async fn login(&mut self) -> Result<()> {
        let login = again("login", &self.ledger, || {
            self.api.login(&self.email, &self.password)
        });
        match login.await? {
            Ok(session) => {
                self.ledger.changed(&self.id, "LOGIN_SUCCEEDED", |_| {});
                self.session = session;
                Ok(())
            }
            Err(refusal) => bail!("the password of {} is lost: {refusal:?}", self.email),
        }
    }

    async fn leave_and_return(&mut self) -> Result<()> {
        let token = &self.session.refresh_token;
        match again("logout", &self.ledger, || self.api.logout(token)).await? {
            Ok(()) => self.ended("logout", "LOGGED_OUT"),
            Err(refusal) => self.ledger.signed_out(&self.email, "logout", &refusal),
        }
        self.login().await
    }

    async fn leave_everywhere_and_return(&mut self) -> Result<()> {
        let token = &self.session.access_token;
        let everywhere = again("logoutEverywhere", &self.ledger, || {
            self.api.logout_everywhere(token)
        });
        match everywhere.await? {
            Ok(()) => self.ended("logoutEverywhere", "LOGGED_OUT"),
            // It had happened, and the answer was lost.
            Err(refusal) if refusal.repeated && refusal.is_revocation() => {}
            Err(refusal) if refusal.is_stale() => return self.refresh().await,
            Err(refusal) => {
                self.ledger
                    .signed_out(&self.email, "logoutEverywhere", &refusal);
            }
        }
        self.login().await
    }

    fn ended(&self, by: &'static str, event: &'static str) {
        let Session {
            access_token,
            session_id,
            ..
        } = &self.session;
        self.ledger.revoked(access_token, Some(session_id), by);
        self.ledger.changed(&self.id, event, |_| {});
    }

    async fn change_password(&mut self) -> Result<()> {
        let new = format!("{PASSWORD} {:08x}", fastrand::u32(..));
        let token = &self.session.access_token;
        match self.api.change_password(token, &self.password, &new).await {
            Ok(session) => {
                self.ledger.revoked(token, None, "changePassword");
                self.ledger
                    .changed(&self.id, "PASSWORD_CHANGED", |account| {
                        account.password.clone_from(&new);
                    });
                self.session = session;
                self.password = new;
                Ok(())
            }
            Err(Failure::Refused(refusal)) => self.recover("changePassword", &refusal).await,
            Err(failure) => {
                self.ledger.unanswered("changePassword", &failure);
                self.try_passwords(new).await
            }
        }
    }

    /// After a change that nobody answered: one of the two passwords is good. While the change is under way, neither may be.
    async fn try_passwords(&mut self, new: String) -> Result<()> {
        for _ in 0..10 {
            for password in [new.clone(), self.password.clone()] {
                let login = again("login", &self.ledger, || {
                    self.api.login(&self.email, &password)
                });
                if let Ok(session) = login.await? {
                    self.ledger.changed(&self.id, "LOGIN_SUCCEEDED", |account| {
                        account.password.clone_from(&password);
                    });
                    (self.session, self.password) = (session, password);
                    return Ok(());
                }
            }
        }
        bail!("{} has no password any more", self.email)
    }
}

/// An administrator who changes the roles of others, and switches their accounts off and on.
async fn administrate(mut admin: Person, mut subjects: Vec<Person>) -> Result<()> {
    while !admin.ledger.is_stopping() {
        let subject = subjects.first_mut().context("there are no subjects")?;
        change_role(&mut admin, subject).await?;
        switch_off_and_on(&mut admin, subject).await?;
        admin.refresh().await?;
        subjects.rotate_left(1);
    }
    Ok(())
}

async fn change_role(admin: &mut Person, subject: &mut Person) -> Result<()> {
    for role in ["MANAGER", "USER"] {
        act(admin, "setRole", |api, token| {
            let id = subject.id.clone();
            async move { api.set_role(&token, &id, role).await }
        })
        .await?;
        let ledger = &admin.ledger;
        ledger.revoked(&subject.session.access_token, None, "setRole");
        ledger.role_changed(&subject.id, role);
        subject.refresh().await?;
        subject.look().await?;
    }
    Ok(())
}

async fn switch_off_and_on(admin: &mut Person, subject: &mut Person) -> Result<()> {
    for disabled in [true, false] {
        act(admin, "setDisabled", |api, token| {
            let id = subject.id.clone();
            async move { api.set_disabled(&token, &id, disabled).await }
        })
        .await?;
        let ledger = &admin.ledger;
        if disabled {
            let Session {
                access_token,
                session_id,
                ..
            } = &subject.session;
            ledger.revoked(access_token, Some(session_id), "setDisabled");
        }
        ledger.switched(&subject.id, disabled);
    }
    subject.login().await
}

/// An act of an administrator, with what the client library does about stale tokens.
async fn act<F: Future<Output = Answer<()>>>(
    admin: &mut Person,
    operation: &'static str,
    call: impl Fn(Api, String) -> F,
) -> Result<()> {
    for _ in 0..3 {
        let (api, token) = (admin.api.clone(), admin.session.access_token.clone());
        match again(operation, &admin.ledger, || {
            call(api.clone(), token.clone())
        })
        .await?
        {
            Ok(()) => return Ok(()),
            Err(refusal) if refusal.reason == "REAUTHENTICATION_REQUIRED" => {
                admin.login().await?;
            }
            Err(refusal) => admin.recover(operation, &refusal).await?,
        }
    }
    bail!("{operation} was refused three times")
}

async fn probe(ledger: Arc<Ledger>, node: Api, number: usize) {
    loop {
        if let Some(revoked) = ledger.a_revoked_token() {
            ledger.probe(&node, number, &revoked).await;
        }
        sleep(Duration::from_millis(20)).await;
    }
}
