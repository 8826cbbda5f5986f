//! Somebody outside with a browser's cookies, who leaves notes on the board and looks at it.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use provision::lab::DOMAIN;

use super::example::Deployed;
use crate::outside::{Curl, PROXY, curl};

/// The smallest picture there is: one pixel.
const PICTURE: &[u8] = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\
    \x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x01D\x00;";

/// The visitor.
pub struct Visitor {
    trust: Vec<String>,
    jar: PathBuf,
    picture: PathBuf,
    notes: usize,
}

impl Visitor {
    /// Somebody who was never there.
    pub fn new(site: &Deployed) -> Self {
        let picture = site.dir().join("one.gif");
        fs::write(&picture, PICTURE).unwrap();
        Self {
            trust: site.trust.clone(),
            jar: site.dir().join("cookies"),
            picture,
            notes: 0,
        }
    }

    fn asks(&self, path: &str, more: &[&str]) -> Curl {
        let resolve = format!("{DOMAIN}:443:{}", PROXY[0]);
        let url = format!("https://{DOMAIN}{path}");
        let jar = self.jar.to_str().unwrap();
        let mut all: Vec<&str> = self.trust.iter().map(String::as_str).collect();
        all.extend(["--resolve", &resolve, "-b", jar, "-c", jar, "-e", &url]);
        all.extend(more);
        all.push(&url);
        curl(&all)
    }

    /// A page that must be there.
    fn page(&self, path: &str) -> Curl {
        let page = self.asks(path, &[]);
        assert_eq!((page.exit, page.status), (0, 200), "{path}: {page:?}");
        page
    }

    /// The hidden field against forged requests.
    fn token(page: &Curl) -> String {
        let field = between(&page.body, "name=\"csrfmiddlewaretoken\" value=\"", "\"");
        format!("csrfmiddlewaretoken={}", field.unwrap())
    }

    fn note(&self) -> String {
        format!("Note {} of a stranger", self.notes)
    }

    /// Leaves a note, is led back, and finds it there with the picture.
    pub fn leaves_a_note_with_a_picture(&mut self) {
        self.notes += 1;
        let token = Self::token(&self.page("/"));
        let text = format!("text={}", self.note());
        let picture = format!("picture=@{}", self.picture.display());
        let left = self.asks(
            "/",
            &["-F", &token, "-F", &text, "-F", "name=Ada", "-F", &picture],
        );
        assert_eq!(left.status, 302, "{left:?}");
        assert_eq!(left.header("location"), Some("/"), "{left:?}");
        assert!(self.sees_the_note());
        // By the session, whose name the form has already.
        self.sees("value=\"Ada\"");
        // Without the token nothing is taken.
        let forged = self.asks("/", &["-F", "text=forged"]);
        assert_eq!(forged.status, 403, "{forged:?}");
    }

    /// Whether the last note is on the board.
    pub fn sees_the_note(&self) -> bool {
        let page = self.asks("/", &[]);
        page.status == 200 && page.body.contains(&self.note())
    }

    /// Looks at the board all the while that something is done; the longest time that it wasn't
    /// there.
    pub fn looks_on(&self, done: impl FnOnce() + Send) -> Duration {
        let ended = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let doing = scope.spawn(|| {
                done();
                ended.store(true, Ordering::Relaxed);
            });
            let (mut last, mut longest) = (Instant::now(), Duration::ZERO);
            while !doing.is_finished() {
                if self.sees_the_note() {
                    longest = longest.max(last.elapsed());
                    last = Instant::now();
                }
                sleep(Duration::from_millis(100));
            }
            assert!(ended.load(Ordering::Relaxed), "what was done has failed");
            longest.max(last.elapsed())
        })
    }

    /// Holds the board to have this on it.
    pub fn sees(&self, what: &str) {
        let page = self.page("/");
        assert!(page.body.contains(what), "{what}: {page:?}");
    }

    /// The style sheet and the last picture, as nginx sends them: for everybody to keep for a day.
    pub fn gets_files_from_nginx(&self) {
        let page = self.page("/");
        let style = between(&page.body, "href=\"/static/", "\"").unwrap();
        let picture = between(&page.body, "src=\"/media/", "\"").unwrap();
        let style = self.page(&format!("/static/{style}"));
        assert!(style.body.contains("color-scheme"), "{style:?}");
        let picture = self.page(&format!("/media/{picture}"));
        assert_eq!(
            picture.header("content-type"),
            Some("image/gif"),
            "{picture:?}"
        );
        assert_eq!(
            picture.body,
            String::from_utf8_lossy(PICTURE),
            "{picture:?}"
        );
        for file in [style, picture] {
            assert!(file.headers.contains("max-age=86400"), "{file:?}");
            assert!(file.headers.contains("cache-control: public"), "{file:?}");
            assert!(file.header("expires").is_some(), "{file:?}");
            assert!(
                file.header("server")
                    .is_some_and(|it| it.starts_with("nginx"))
            );
        }
        let other = self.asks("/media/../config/settings.py", &["--path-as-is"]);
        assert!(other.status == 404 || other.status == 400, "{other:?}");
    }

    /// Every visit counts; with Redis there is one count for all processes.
    pub fn counts(&self, redis: bool) {
        let hits = || -> serde_json::Value {
            let told = self.page("/hits/");
            serde_json::from_str(&told.body).unwrap()
        };
        let before = hits();
        let kept_by = if redis { "RedisCache" } else { "LocMemCache" };
        assert_eq!(before["kept_by"], kept_by);
        if !redis {
            return;
        }
        for _ in 0..7 {
            self.page("/");
        }
        let all = before["hits"].as_u64().unwrap() + 7;
        assert_eq!(hits()["hits"], all, "every process counts in one place");
    }

    /// A vote in the polls, which is counted.
    pub fn votes(&mut self) {
        let polls = self.page("/polls/");
        let mut links = polls.body.split("href=\"/polls/").skip(1);
        let question = links.find(|link| link.starts_with(|c: char| c.is_ascii_digit()));
        let question = question.and_then(|link| link.split('"').next());
        let path = format!("/polls/{}", question.unwrap());
        let page = self.page(&path);
        let token = Self::token(&page);
        let choice = between(&page.body, "name=\"choice\" value=\"", "\"").unwrap();
        let voted = self.asks(
            &format!("{path}vote/"),
            &["-d", &token, "-d", &format!("choice={choice}")],
        );
        assert_eq!(voted.status, 302, "{voted:?}");
        let results = self.page(&format!("{path}results/"));
        assert!(results.body.contains("1 vote so far"), "{results:?}");
    }
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    text.split_once(before)?.1.split_once(after).map(|it| it.0)
}
