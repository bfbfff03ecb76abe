//! The pages inside of the binary answer as the same files in a folder do. They are those of `web-demo/dist`, built before.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, ETAG, HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH,
    LAST_MODIFIED, RANGE,
};
use reqwest::{Method, StatusCode};

use crate::support::{Builder, TestApp, production};

const BUILT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../web-demo/dist");

async fn inside(builder: Builder) -> TestApp {
    builder.on_sqlite().await
}

async fn in_a_folder(builder: Builder) -> TestApp {
    builder.set("http.assets", BUILT).on_sqlite().await
}

/// Status, headers but for those that differ from request to request, and body.
type Seen = (StatusCode, BTreeMap<String, String>, Vec<u8>);

async fn see(app: &TestApp, method: &Method, path: &str, headers: &[(HeaderName, &str)]) -> Seen {
    let mut request = app.request(method.clone(), path);
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    let answer = request.send().await.unwrap();
    let status = answer.status();
    // A file in the folder has the time of its own, to the nanosecond.
    let own = ["x-request-id", "date", "etag", "last-modified"];
    let shown = answer.headers().iter();
    let shown = shown.filter(|(name, _)| !own.contains(&name.as_str()));
    let shown = shown.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    let shown = shown.collect();
    (status, shown, answer.bytes().await.unwrap().to_vec())
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| {
            if path.is_dir() {
                files(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

#[tokio::test]
async fn every_file_is_served_as_from_a_folder() {
    let (inside, folder) = (
        inside(TestApp::builder()).await,
        in_a_folder(TestApp::builder()).await,
    );
    let files = files(Path::new(BUILT));
    assert!(files.len() > 10, "web-demo/dist is not built");
    for file in files {
        let path = file.strip_prefix(BUILT).unwrap().to_str().unwrap();
        let path = format!("/{path}");
        let here = see(&inside, &Method::GET, &path, &[]).await;
        assert_eq!(here.0, StatusCode::OK, "{path}");
        assert_eq!(here.2, std::fs::read(&file).unwrap(), "{path}");
        let there = see(&folder, &Method::GET, &path, &[]).await;
        assert!(here == there, "{path}: {:?}, {:?}", here.1, there.1);
    }
}

#[tokio::test]
async fn pages_and_odd_requests_are_answered_as_from_a_folder() {
    let kinds = [TestApp::builder, production, || {
        TestApp::builder().set("graphql.graphiql", "false")
    }];
    for builder in kinds {
        let (inside, folder) = (inside(builder()).await, in_a_folder(builder()).await);
        for path in [
            "/",
            "/account",
            "/index.html",
            "/index.html/",
            "/graphiql",
            "/graphiql.html",
            "/%67raphiql.html",
            "/assets",
            "/assets/",
            "/assets/nothing.js",
            "//assets",
            "//favicon.svg",
            "/./favicon.svg",
            "/../favicon.svg",
            "/%2e%2e/favicon.svg",
            "/..%2ffavicon.svg",
            "/assets/..%2ffavicon.svg",
            "/assets/%2e%2e%2f%2e%2e%2fsrc/main.tsx",
            "/%5c..%5cfavicon.svg",
            "/favicon.svg%00",
            "/favicon.svg/",
            "/%ff",
            "/etc/passwd",
            "//etc/passwd",
        ] {
            for headers in [
                vec![],
                vec![(ACCEPT, "text/html")],
                vec![(ACCEPT, "text/html"), (ACCEPT_ENCODING, "gzip")],
                vec![(ACCEPT_ENCODING, "gzip;q=0, identity")],
                vec![(RANGE, "bytes=0-9")],
                vec![(RANGE, "bytes=99999999-")],
                vec![(IF_NONE_MATCH, "*")],
            ] {
                for method in [Method::GET, Method::HEAD, Method::POST] {
                    let here = see(&inside, &method, path, &headers).await;
                    let there = see(&folder, &method, path, &headers).await;
                    assert_eq!(here.0, there.0, "{method} {path} {headers:?}");
                    assert_eq!(here.1, there.1, "{method} {path} {headers:?}");
                    assert!(here.2 == there.2, "{method} {path} {headers:?}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_browser_that_has_a_page_is_told_to_keep_it() {
    let app = inside(TestApp::builder()).await;
    for path in ["/", "/graphiql", "/favicon.svg"] {
        let page = app.request(Method::GET, path).send().await.unwrap();
        for (asks, known) in [(IF_NONE_MATCH, ETAG), (IF_MODIFIED_SINCE, LAST_MODIFIED)] {
            let again = app.request(Method::GET, path);
            let again = again.header(asks, &page.headers()[known]).send().await;
            assert_eq!(again.unwrap().status(), StatusCode::NOT_MODIFIED, "{path}");
        }
    }
}

#[tokio::test]
async fn what_was_compressed_at_the_build_is_sent_so() {
    let app = inside(TestApp::builder()).await;
    let gzip = [(ACCEPT, "text/html"), (ACCEPT_ENCODING, "gzip")];
    let (status, headers, body) = see(&app, &Method::GET, "/", &gzip).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(headers[CONTENT_ENCODING.as_str()], "gzip");
    assert_eq!(headers["vary"], "accept-encoding");
    let built = Path::new(BUILT).join("index.html.gz");
    assert!(body == std::fs::read(built).unwrap());
}

#[tokio::test]
async fn they_can_be_switched_off() {
    let app = TestApp::builder().set("http.assets", "off");
    let app = app.on_sqlite().await;
    for path in ["/index.html", "/favicon.svg", "/graphiql", "/account"] {
        let (status, ..) = see(&app, &Method::GET, path, &[(ACCEPT, "text/html")]).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
    }
    let (status, _, body) = see(&app, &Method::GET, "/", &[(ACCEPT, "text/html")]).await;
    assert_eq!(status, StatusCode::OK);
    assert!(body.starts_with(b"Countersign is running."));
}
