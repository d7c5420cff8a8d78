//! Proxies in the environment.

use super::*;

/// The proxy of an endpoint, and what it is shown.
fn proxy(endpoint: &str, variables: Variables<'_>) -> Option<(String, Option<String>)> {
    let mut all = vec![(ENDPOINT, endpoint)];
    all.extend(variables);
    let proxy = of(&all).proxy?;
    let authorization = proxy.authorization.map(|shown| {
        assert!(shown.is_sensitive());
        shown.to_str().expect("text").to_owned()
    });
    Some((proxy.uri.to_string(), authorization))
}

#[test]
fn a_collector_of_this_host_is_never_sent_to_a_proxy() {
    let every = [
        ("HTTP_PROXY", "http://p:1"),
        ("HTTPS_PROXY", "http://p:1"),
        ("ALL_PROXY", "http://p:1"),
    ];
    for host in [
        "localhost",
        "LocalHost.",
        "otel.localhost",
        "127.0.0.1",
        "127.8.8.8",
        "[::1]",
        "[::ffff:127.0.0.1]",
    ] {
        for scheme in ["http", "https"] {
            let endpoint = format!("{scheme}://{host}:4317");
            assert_eq!(proxy(&endpoint, &every), None, "{endpoint}");
        }
    }
    for host in ["collector", "localhost.example.org", "10.0.0.1", "[::2]"] {
        let endpoint = format!("http://{host}:4317");
        let through = Some(("http://p:1/".to_owned(), None));
        assert_eq!(proxy(&endpoint, &every), through, "{endpoint}");
    }
}

#[test]
fn the_scheme_chooses_the_proxy_and_the_small_letters_come_second() {
    let each = [
        ("HTTP_PROXY", "http://plain:1"),
        ("HTTPS_PROXY", "http://secure:2"),
        ("ALL_PROXY", "http://all:3"),
        ("http_proxy", "http://small:4"),
    ];
    let goes = |to: &str| Some((to.to_owned(), None));
    assert_eq!(proxy("http://c:1", &each), goes("http://plain:1/"));
    assert_eq!(proxy("https://c:1", &each), goes("http://secure:2/"));
    assert_eq!(proxy("http://c:1", &each[1..]), goes("http://small:4/"));
    assert_eq!(proxy("https://c:1", &each[2..]), goes("http://all:3/"));
    assert_eq!(proxy("http://c:1", &[("HTTP_PROXY", "")]), None);
}

#[test]
fn the_user_of_a_proxy_is_shown_to_it_and_to_nobody_else() {
    let secret = [("HTTP_PROXY", "http://Aladdin:open%20sesame@p:1")];
    assert_eq!(
        proxy("http://c:1", &secret),
        Some((
            "http://p:1/".to_owned(),
            Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==".to_owned())
        ))
    );
    let settings = of(&[(ENDPOINT, "http://c:1"), secret[0]]);
    let told = format!("{settings:?}");
    assert!(!told.contains("sesame") && !told.contains("QWx"), "{told}");
}

#[test]
fn no_proxy_lists_hosts_domains_addresses_and_networks() {
    for (endpoint, list, is_direct) in [
        ("http://c.example.org:1", "example.org", true),
        ("http://c.example.org:1", "b, .example.org", true),
        ("http://c.example.org:1", "ample.org", false),
        ("http://10.1.2.3:1", "10.0.0.0/8", true),
        ("http://10.1.2.3:1", "10.1.2.3", true),
        ("http://10.1.2.3:1", "*", true),
        ("http://c:1", "a,*", true),
        ("http://c:1", "", false),
    ] {
        let variables = [("HTTP_PROXY", "http://p:1"), ("no_proxy", list)];
        let found = proxy(endpoint, &variables).is_none();
        assert_eq!(found, is_direct, "{endpoint} {list}");
    }
}

#[test]
fn a_proxy_of_another_kind_is_refused_without_repeating_its_password() {
    let wanted = "it must be http://[user:password@]host:port, other kinds of proxies are not \
                  supported; hosts in NO_PROXY are reached without";
    for bad in [
        "socks5://u:secret@p:1",
        "https://u:secret@p:1",
        "ftp://p",
        "http://",
    ] {
        let found = error(&[(ENDPOINT, "http://c:1"), ("http_proxy", bad)]);
        assert_eq!(found, format!("http_proxy: {wanted}"));
        // It is not in the way where it is not used.
        assert_eq!(proxy("http://localhost:1", &[("http_proxy", bad)]), None);
        let excepted = [("http_proxy", bad), ("NO_PROXY", "c")];
        assert_eq!(proxy("http://c:1", &excepted), None);
    }
}
