//! A thousand reloads under load, half of them broken on purpose: nothing may be lost.
//!
//! Every other text is good and moves a record, the rest are broken in one of four ways. They are
//! loaded in turns by an order, by SIGHUP and by the daemon's own watch. A good one is over when
//! its record is answered, a broken one when the daemon's log says that it is refused; the record
//! must then be what it was.

use super::{
    control::exchange,
    data::{Data, ZONE},
    load::{Generator, Load, Outcome},
    question::{A, Names, Questions, Wire, question},
    report::fact,
    server::{Server, ask},
    settings::Settings,
};
use std::{
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

/// How long one reload may take on a slow machine.
const WITHIN: Duration = Duration::from_secs(30);

/// Loads files again and again while queries run.
pub(crate) fn measure(settings: &Settings, folder: &Path, watched_port: u16) {
    let count = settings.reloads;
    println!(
        "\n{count} reloads, half of them broken, under {} queries a second",
        settings.rate
    );
    let data = Data {
        names: 1_000,
        watched_port,
        targets: 2,
    };
    let folder = folder.join("reloads");
    let Some(server) = Server::ours(&data, &folder, settings.port) else {
        return;
    };
    let questions = Questions::new("www", A, Wire::Plain, Names::One);
    let mut generator = Generator::new(Load::paced(server.address, settings.rate), questions);
    let mut sum = Outcome::default();
    let began = Instant::now();
    let wrong = thread::scope(|scope| {
        let loading = scope.spawn(|| {
            let files = Files::of(&server);
            (0..count).filter(|&number| !files.load(number)).count()
        });
        while !loading.is_finished() {
            let outcome = generator.run(Duration::from_secs(1), &mut ());
            println!(
                "  {} answers a second, {}",
                outcome.per_second() as u64,
                outcome.latency
            );
            sum.asked += outcome.asked;
            sum.lost += outcome.lost;
            sum.wrong += outcome.wrong;
        }
        loading.join().expect("no reload fails")
    });
    let took = began.elapsed().as_secs_f64();
    fact(
        "queries lost or answered wrongly, none",
        sum.lost + sum.wrong == 0,
        format!("{} of {}, in {took:.1} s", sum.lost + sum.wrong, sum.asked),
    );
    fact(
        "broken texts that changed an answer, none",
        wrong == 0,
        format!("{wrong} of {}", count / 2),
    );
}

/// What is written and looked at.
struct Files<'s> {
    server: &'s Server,
    config: PathBuf,
    zone: PathBuf,
    config_text: String,
    zone_text: String,
}

impl<'s> Files<'s> {
    fn of(server: &'s Server) -> Self {
        let config = server.folder.join("sidestep.toml");
        let zone = server.folder.join(format!("{ZONE}.zone"));
        let read = |path: &Path| fs::read_to_string(path).expect("a file of the server");
        Self {
            server,
            config_text: read(&config),
            zone_text: read(&zone),
            config,
            zone,
        }
    }

    /// One reload; whether the answer is then what it should be.
    fn load(&self, number: usize) -> bool {
        let is_good = number.is_multiple_of(2);
        let last_good = number & !1;
        let said = self.log().len();
        let good = format!("{}moves 1 A {}\n", self.zone_text, address(last_good));
        let mark = format!("broken-{number}");
        if is_good {
            write(&self.config, &self.config_text);
            write(&self.zone, &good);
        } else {
            match number / 2 % 4 {
                0 => write(&self.zone, &format!("{good}bad A {mark}\n")),
                1 => write(&self.zone, &format!("{good}bad A 10.0.0.1 (\n; {mark}\n")),
                2 => write(&self.config, &format!("{}\n{mark} = 1\n", self.config_text)),
                // Cut in the middle of a word.
                _ => write(
                    &self.config,
                    &format!("{}\n[[service]\nname = \"{mark}", self.config_text),
                ),
            }
        }
        match number % 3 {
            0 => {
                let socket = self.server.folder.join("data/control.sock");
                let body = "{\"apply_pending\":false}";
                let reply = exchange(&socket, "POST", "/api/v1/reload", body);
                let reply = reply.expect("the control socket");
                assert!(reply.contains(" 200 "), "{reply}");
            }
            1 => self.server.reload().expect("a signal"),
            // Its own watch sees it.
            _ => {}
        }
        let began = Instant::now();
        let is_over = || match is_good {
            true => self.answers(last_good),
            false => self.log()[said..].contains("refused:"),
        };
        while !is_over() {
            assert!(
                began.elapsed() < WITHIN,
                "reload {number} never came in force"
            );
            thread::sleep(Duration::from_millis(1));
        }
        self.answers(last_good)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.server.folder.join("log")).unwrap_or_default()
    }

    fn answers(&self, number: usize) -> bool {
        let asked = question(&format!("moves.{ZONE}"), A, Wire::Plain);
        let reply = ask(self.server.address, &asked, Duration::from_secs(1));
        reply.is_some_and(|reply| reply.ends_with(&address(number).octets()))
    }
}

fn address(number: usize) -> Ipv4Addr {
    Ipv4Addr::from(0x0a01_0000 + number as u32)
}

fn write(path: &Path, text: &str) {
    let new = path.with_extension("new");
    fs::write(&new, text)
        .and_then(|()| fs::rename(&new, path))
        .expect("a file");
}
