use super::*;

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

#[test]
fn link_headers_are_read_as_the_standard_says() {
    let check = |headers: &[&str], expected: Option<&str>| {
        let headers = headers.iter().map(|value| (LINK, value.parse().unwrap()));
        assert_eq!(linked(&headers.collect()).as_deref(), expected);
    };
    check(
        &[r#"<https://a/?page=2>; rel="next", <https://a/?page=9>; rel="last""#],
        Some("https://a/?page=2"),
    );
    check(&[r#"<https://a/1>; rel="prev", </2?a=1,2;3>; rel="next""#], Some("/2?a=1,2;3"));
    check(&["</2>;rel=next"], Some("/2"));
    check(&[r#"</2>; REL="last NEXT"; title="a, b; rel=x""#], Some("/2"));
    check(&[r#"</1>; title="<x>; rel=\"next\", y"; rel=prev, </2>; rel=next"#], Some("/2"));
    check(&["</1>; rel=prev", "</2>; rel=next"], Some("/2"));
    check(&["</1>; rel=prev; rel=next"], None);
    check(&["</1>"], None);
    check(&["</1; rel=next"], None);
    check(&[r#"</1>; rel="next"#], Some("/1"));
    check(&[""], None);
    check(&[], None);
}

#[test]
fn parameters_are_set_in_their_place() {
    let check = |before: &str, expected: &str| {
        assert_eq!(with_parameter(&url(before), "page", "2&3").as_str(), expected);
    };
    check("https://a/x", "https://a/x?page=2%263");
    check("https://a/x?b=%20c", "https://a/x?b=%20c&page=2%263");
    check("https://a/x?page=1&b=c&page=7", "https://a/x?page=2%263&b=c");
}

#[test]
fn a_server_behind_a_proxy_that_believes_in_http_is_understood() {
    let home = url("https://desk.example.com/api");
    let paging = Paging::LinkHeader;
    let pages = Pages::new(&paging, &home, home.clone(), 10);
    let check = |link: &str, expected: Result<&str, &str>| {
        let joined = pages.joined(&home, link);
        match (joined, expected) {
            (Ok(url), Ok(expected)) => assert_eq!(url.as_str(), expected),
            (Err(said), Err(expected)) => assert!(said.contains(expected), "{said}"),
            (joined, _) => panic!("{joined:?}"),
        }
    };
    check("http://desk.example.com/api?page=2", Ok("https://desk.example.com/api?page=2"));
    check("http://desk.example.com:80/api", Ok("https://desk.example.com/api"));
    check("//desk.example.com/x", Ok("https://desk.example.com/x"));
    check("http://desk.example.com:8080/api", Err("`http://desk.example.com:8080/api`"));
    check("//evil.example.com/x?s3cret", Err("`https://evil.example.com/x`, which is not"));
    check("https://desk.example.com@evil.example.com/", Err("`https://evil.example.com/`"));
    check("javascript:alert(1)", Err("which is not"));
    check("http://[", Err("is none"));
}
