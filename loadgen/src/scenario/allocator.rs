//! Allocator processes under test.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, anyhow, bail};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::client::{Answer, Asking, Client};
use crate::loopback::Endpoint;

/// Time between looks at `/readyz`.
const READY_POLL: Duration = Duration::from_millis(20);
/// Longest wait for an exit after SIGTERM: Kubernetes' default grace period.
const EXIT_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes of its log shown when it fails.
const LOG_TAIL: usize = 2000;

/// One instance: its address stays, its process comes and goes.
#[derive(Debug)]
pub(crate) struct Instance {
    number: usize,
    address: SocketAddr,
    https: SocketAddr,
    command: Vec<String>,
    environment: Vec<(String, String)>,
    log: PathBuf,
    /// Where its output goes instead of the log.
    output: Option<PathBuf>,
    child: Option<Child>,
}

impl Instance {
    /// Reserves two ports and fills the command's `{config}` and `{listen}`.
    pub(crate) fn new(number: usize, command: &str, config: &Path, directory: &Path) -> anyhow::Result<Self> {
        // free again when the listeners are dropped, and not given out by the kernel again soon
        let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let listeners = (listen()?, listen()?);
        let (address, https) = (listeners.0.local_addr()?, listeners.1.local_addr()?);
        let fill = |word: String| {
            word.replace("{config}", &config.to_string_lossy()).replace("{listen}", &address.to_string())
        };
        let command: Vec<String> = split_command(command)?.into_iter().map(fill).collect();
        if command.is_empty() {
            bail!("the command is empty");
        }
        let log = directory.join(format!("allocator-{number}.log"));
        Ok(Instance { number, address, https, command, environment: Vec::new(), log, output: None, child: None })
    }

    /// Processes have these variables, too.
    pub(super) fn set_environment(&mut self, environment: Vec<(String, String)>) {
        self.environment = environment;
    }

    /// Processes write to this file instead of the log.
    pub(super) fn set_output(&mut self, output: &str) {
        self.output = Some(output.into());
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it is told to listen with HTTPS.
    pub(super) fn https_address(&self) -> SocketAddr {
        self.https
    }

    /// Whether there is a process.
    pub(super) fn runs(&self) -> bool {
        self.child.is_some()
    }

    /// Starts the process; gives its process id.
    pub(crate) fn start(&mut self) -> anyhow::Result<u32> {
        if self.child.is_some() {
            bail!("allocator {} runs already", self.number);
        }
        let log = self.output.as_ref().unwrap_or(&self.log);
        let log = std::fs::OpenOptions::new().create(true).append(true).open(log)?;
        let child = Command::new(&self.command[0])
            .args(&self.command[1..])
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("start {:?}", self.command[0]))?;
        let pid = child.id().ok_or_else(|| anyhow!("allocator {} ended at once", self.number))?;
        self.child = Some(child);
        Ok(pid)
    }

    /// Waits for `/readyz` to answer 200.
    pub(crate) async fn ready(&mut self, limit: Duration) -> anyhow::Result<()> {
        let start = Instant::now();
        loop {
            if is_ready(self.address).await {
                return Ok(());
            }
            let child = self.child.as_mut().ok_or_else(|| anyhow!("allocator {} does not run", self.number))?;
            if let Some(status) = child.try_wait()? {
                bail!(
                    "allocator {} exited ({status}) before it was ready; its log ends:\n{}",
                    self.number,
                    self.tail()
                );
            }
            if start.elapsed() > limit {
                bail!("allocator {} not ready after {limit:?}; its log ends:\n{}", self.number, self.tail());
            }
            sleep(READY_POLL).await;
        }
    }

    /// SIGKILL.
    pub(crate) async fn kill(&mut self) -> anyhow::Result<()> {
        let mut child = self.child.take().ok_or_else(|| anyhow!("allocator {} does not run", self.number))?;
        child.kill().await?;
        Ok(())
    }

    /// SIGTERM, then waits for exit code 0.
    pub(super) async fn terminate(&mut self) -> anyhow::Result<Duration> {
        let mut child = self.child.take().ok_or_else(|| anyhow!("allocator {} does not run", self.number))?;
        let pid = child.id().ok_or_else(|| anyhow!("allocator {} is gone already", self.number))?;
        let start = Instant::now();
        // the shell's built-in kill: no unsafe code and no package needed for one signal
        let sent = Command::new("sh").args(["-c", &format!("kill -TERM {pid}")]).status().await?;
        if !sent.success() {
            bail!("no SIGTERM could be sent to allocator {}", self.number);
        }
        let status = timeout(EXIT_TIMEOUT, child.wait()).await;
        let status =
            status.map_err(|_| anyhow!("allocator {} still runs {EXIT_TIMEOUT:?} after SIGTERM", self.number))??;
        if !status.success() {
            bail!("allocator {} exited with {status} on SIGTERM; its log ends:\n{}", self.number, self.tail());
        }
        Ok(start.elapsed())
    }

    fn tail(&self) -> String {
        let log = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&log[log.len().saturating_sub(LOG_TAIL)..]).into_owned()
    }
}

/// Whether `/readyz` answers 200 within a second.
pub(super) async fn is_ready(address: SocketAddr) -> bool {
    ask(address, "/readyz").await.is_some_and(|answer| answer.status == 200)
}

/// What it takes the time to be, by the `Date` of its answers.
pub(super) async fn time_shown(address: SocketAddr) -> Option<SystemTime> {
    httpdate::parse_http_date(&ask(address, "/livez").await?.date?).ok()
}

/// The answer, if it comes within a second.
async fn ask(address: SocketAddr, path: &str) -> Option<Answer> {
    let mut client = Client::new(Arc::new(Endpoint::from(address)), None, Arc::default());
    timeout(Duration::from_secs(1), client.get(path, Asking::Targets)).await.ok()?.ok()
}

/// Splits a command line at white space; single and double quotes keep words together.
fn split_command(command: &str) -> anyhow::Result<Vec<String>> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for character in command.chars() {
        match (quote, character) {
            (Some(open), _) if open == character => quote = None,
            (None, '\'' | '"') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None, _) if character.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(character),
        }
    }
    if quote.is_some() {
        bail!("the command has an open quote: {command}");
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_split_like_a_shell_does() {
        let words = split_command("a  --x='b c' \"d\" ''").unwrap();
        assert_eq!(words, ["a", "--x=b c", "d", ""]);
        assert!(split_command("a 'b").is_err());
    }

    #[tokio::test]
    async fn an_allocator_that_fails_is_shown_with_its_log() {
        let directory = tempfile::tempdir().unwrap();
        let command = "sh -c 'echo cannot read {config}; exit 3'";
        let mut instance = Instance::new(0, command, Path::new("/c.yaml"), directory.path()).unwrap();
        instance.start().unwrap();
        let error = instance.ready(Duration::from_secs(20)).await.unwrap_err().to_string();
        assert!(error.contains("exit status: 3") && error.contains("cannot read /c.yaml"), "{error}");
    }

    #[tokio::test]
    async fn terminate_wants_exit_code_zero() {
        let directory = tempfile::tempdir().unwrap();
        for (trap, good) in [("exit 0", true), ("exit 4", false)] {
            // the shell tells through the log that its trap is set
            let command = format!("sh -c 'trap \"{trap}\" TERM; echo set; while true; do sleep 0.01; done'");
            let mut instance = Instance::new(0, &command, Path::new("/c"), directory.path()).unwrap();
            instance.start().unwrap();
            while !instance.tail().ends_with("set\n") {
                tokio::task::yield_now().await;
            }
            assert_eq!(instance.terminate().await.is_ok(), good, "{trap}");
            std::fs::remove_file(&instance.log).unwrap();
        }
    }
}
