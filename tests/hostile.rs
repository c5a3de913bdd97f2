//! Scripts that mean harm: each ends in a load error or a fault, within counted limits and 16 MiB,
//! and what DNS answers stays. One test, so that nothing else allocates while it measures.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "suite/policy/world.rs"]
#[expect(dead_code, reason = "shared with the suite, which uses all of it")]
mod world;

use peak_alloc::PeakAlloc;
use world::{World, service, text};

#[global_allocator]
static PEAK: PeakAlloc = PeakAlloc;

const MIB: usize = 1 << 20;
const FINE: &str = "fn decide(service) { hold(\"fine\") }";

/// What becomes of a script: the load errors, or what a call of it gives; and the peak of memory.
fn run(world: &mut World, source: &str) -> (String, usize) {
    PEAK.reset_peak_usage();
    let before = PEAK.current_usage();
    let loaded = world
        .library
        .candidate(&service(&["primary", "backup"]), &text(source));
    let said = match loaded {
        Err(found) => format!("load: {}", found[0].headline()),
        Ok(candidate) => {
            world.library.adopt(&candidate);
            let view = world.state.view("www").unwrap();
            use sidestep::failover::Policy;
            match world.library.propose(&candidate.version, view) {
                Ok(proposal) => format!("proposal: {proposal:?}"),
                Err(fault) => format!("fault: line {}: {}", fault.line, fault.message),
            }
        }
    };
    let peak = PEAK.peak_usage().saturating_sub(before);
    world.library.retain(&[world.version()]);
    (said, peak)
}

fn body(statements: &str) -> String {
    format!("fn decide(service) {{ {statements}; hold(\"x\") }}")
}

/// As many functions within each other as are allowed, each nested about as deep as is allowed.
fn nested(open: &str, close: &str, levels: usize) -> String {
    let (open, close) = (open.repeat(levels), close.repeat(levels));
    format!(
        "fn f(n) {{ if n > 13 {{ return 1; }} {open}f(n + 1){close} }} \
         fn decide(service) {{ hold(`${{f(0)}}`) }}"
    )
}

#[test]
fn hostile_scripts_end_within_their_limits() {
    let mut world = World::new(&["primary", "backup"], FINE);
    let deep = |open: &str, close: &str, levels: usize| {
        format!("{}1{}", open.repeat(levels), close.repeat(levels))
    };
    let big = "1, ".repeat(250);
    let cases: Vec<(&str, String, &str)> = vec![
        (
            "endless loop",
            body("loop { }"),
            "fault: line 1: more than 20,000 operations",
        ),
        (
            "endless while",
            body("let x = 0; while true { x += 1; }"),
            "fault: line 1: more than 20,000 operations",
        ),
        (
            "endless do",
            body("do { } while true"),
            "fault: line 1: more than 20,000 operations",
        ),
        (
            "long range",
            body("let n = 9223372036854775807; for i in 0..n { }"),
            "fault: line 1: more than 20,000 operations",
        ),
        (
            "endless callback",
            body("[1].map(|x| { loop { } })"),
            "load: failover.rhai:1:30: functions without a name",
        ),
        (
            "function pointer",
            body("let f = Fn(\"decide\"); f.call(service)"),
            "load: failover.rhai:1:30: 'Fn' is not available",
        ),
        (
            "recursion",
            "fn f(x) { f(x + 1) } fn decide(service) { f(0) }".into(),
            "fault: line 1: more than 16 functions within each other",
        ),
        (
            "mutual recursion",
            "fn f(x) { g(x) } fn g(x) { f(x) } fn decide(service) { f(0) }".into(),
            "fault: line 1: more than 16 functions",
        ),
        (
            "decide again",
            "fn decide(service) { decide(service) }".into(),
            "fault: line 1: more than 16 functions",
        ),
        (
            "string doubling",
            body("let a = \"x\"; loop { a += a; }"),
            "fault: line 1: a string longer than 1024 bytes",
        ),
        (
            "interpolation",
            body("let a = \"x\"; loop { a = `${a}${a}`; }"),
            "fault: line 1: a string longer than 1024 bytes",
        ),
        (
            "list push",
            body("let a = []; loop { a.push(1); }"),
            "fault: line 1: a list of more than 256 elements",
        ),
        (
            "list doubling",
            body("let a = [1]; loop { a += a; }"),
            "fault: line 1: a list of more than 256 elements",
        ),
        (
            "lists in lists",
            body("let a = [1, 2]; loop { a = [a, a]; }"),
            "fault: line 1: a list of more than 256 elements",
        ),
        (
            "push of a list",
            body("let a = []; let b = []; loop { a.push(b); }"),
            "fault: line 1: push takes a target",
        ),
        (
            "element of a list",
            body(&format!(
                "let b = [{big}]; let a = [{big}]; loop {{ a[0] = b; }}"
            )),
            "load: failover.rhai:1:",
        ),
        (
            "map growth",
            body("let m = #{}; let i = 0; loop { m[`k${i}`] = i; i += 1; }"),
            "load: failover.rhai:1:",
        ),
        (
            "map in map",
            body("let m = #{}; loop { m.a = m; }"),
            "load: failover.rhai:1:",
        ),
        (
            "map doubling",
            body("let m = #{a: 1}; loop { m = #{a: m, b: m}; }"),
            "fault: line 1: a map of more than 64 entries",
        ),
        (
            "many big variables",
            {
                let lists: String = (0..26).map(|i| format!("let a{i} = [{big}]; ")).collect();
                format!("fn f(x) {{ {lists} f(x) }} fn decide(service) {{ f(0) }}")
            },
            "fault: line 1: more than 16 functions",
        ),
        (
            "many big maps",
            {
                let entries: String = (0..60).map(|i| format!("a{i}: 1, ")).collect();
                let maps: String = (0..26)
                    .map(|i| format!("let a{i} = #{{{entries}}}; "))
                    .collect();
                format!("fn f(x) {{ {maps} f(x) }} fn decide(service) {{ f(0) }}")
            },
            "fault: line 1: more than 16 functions",
        ),
        (
            "many copies of lists",
            {
                let lists: String = (0..26).map(|i| format!("let a{i} = b; ")).collect();
                format!(
                    "fn f(b, x) {{ {lists} f(b, x) }} fn decide(service) {{ let b = service.all_targets; while b.len < 128 {{ b += b; }} f(b, 0) }}"
                )
            },
            "fault: line 1: more than 16 functions",
        ),
        (
            "deep calls in deep calls",
            nested("abs(", ")", 28),
            "proposal",
        ),
        (
            "deep blocks in deep calls",
            nested("if true {", "}", 18),
            "proposal",
        ),
        (
            "unknown names",
            body(&(0..6_000).map(|i| format!("a{i}x;")).collect::<String>()),
            "load: failover.rhai:1:22: unknown variable",
        ),
        (
            "unknown names and many constants",
            (0..2_500)
                .map(|i| format!("const A{i} = 1;\n"))
                .collect::<String>()
                + body(&(0..3_000).map(|i| format!("AA{i};")).collect::<String>()).as_str(),
            "load: failover.rhai:2501:",
        ),
        (
            "long unknown names",
            body(&format!("{}; {}", "a".repeat(60_000), "b".repeat(5_000))),
            "load: failover.rhai:1:22: unknown variable 'aaaa",
        ),
        (
            "proposals without end",
            body("loop { let p = hold(\"x\"); }"),
            "fault: line 1: more than 20,000 operations",
        ),
        (
            "windows without end",
            body("loop { service.active.loss(1000); }"),
            "fault: line 1: more than 20,000 operations",
        ),
        (
            "remembering without end",
            body("let p = hold(\"x\"); let i = 0; loop { p.remember(`k${i}`, i); i += 1; }"),
            "fault: line 1: more than 32 keys in one proposal",
        ),
        (
            "alerts without end",
            body(
                "let p = hold(\"x\"); loop { p.alert(\"0123456789012345678901234567890123456789\"); }",
            ),
            "fault: line 1: an alert longer than 1024 bytes",
        ),
        (
            "many variables",
            body(
                &(0..40)
                    .map(|i| format!("let a{i} = 1; "))
                    .collect::<String>(),
            ),
            "fault: line 1: more than 32 variables",
        ),
        (
            "overflow",
            body("let x = 9223372036854775807; x += 1"),
            "fault: line 1: a number beyond 64 bits",
        ),
        (
            "overflow of power",
            body("let x = 10; x = x ** 40"),
            "fault: line 1: a number beyond 64 bits",
        ),
        (
            "negation of the least",
            body("let x = -9223372036854775807 - 1; x = -x"),
            "fault: line 1: a number beyond 64 bits",
        ),
        (
            "least by minus one",
            body("let x = -9223372036854775807 - 1; x /= -1"),
            "fault: line 1: a number beyond 64 bits",
        ),
        (
            "remainder of the least",
            body("let x = -9223372036854775807 - 1; x = x % -1"),
            "fault: line 1: a number beyond 64 bits",
        ),
        (
            "shift",
            body("let x = 1; x = x << 4611686018427387904"),
            "proposal",
        ),
        (
            "shift by the least",
            body("let x = 1; let y = -9223372036854775807 - 1; x = x << y; x = x >> y"),
            "proposal",
        ),
        (
            "absolute value",
            body("let x = -9223372036854775807 - 1; x = abs(x)"),
            "fault: line 1: a number beyond 64 bits",
        ),
        (
            "division by zero",
            body("let x = 0; x = 1 / x"),
            "fault: line 1: division by zero",
        ),
        (
            "remainder by zero",
            body("let x = 0; x = 1 % x"),
            "fault: line 1: division by zero",
        ),
        ("throw", body("throw \"up\""), "fault: line 1: throw: up"),
        (
            "caught limit",
            body("try { loop { } } catch { }"),
            "fault: line 1: more than 20,000 operations",
        ),
        (
            "wrong return",
            "fn decide(service) { 42 }".into(),
            "fault: line 1: decide returned an int, not serve()",
        ),
        (
            "no return",
            "fn decide(service) { }".into(),
            "fault: line 1: decide returned nothing, not serve()",
        ),
        (
            "eval",
            body("eval(\"hold(1)\")"),
            "load: failover.rhai:1:22: 'eval' is not available to policies",
        ),
        (
            "import",
            "import \"/etc/passwd\" as x; fn decide(service) { hold(\"x\") }".into(),
            "load: failover.rhai:1:1: 'import' is not available to policies",
        ),
        (
            "print",
            body("print(\"x\")"),
            "load: failover.rhai:1:22: 'print' is not available to policies",
        ),
        (
            "debug",
            body("debug(\"x\")"),
            "load: failover.rhai:1:22: 'debug' is not available to policies",
        ),
        (
            "sleep",
            body("sleep(1)"),
            "load: failover.rhai:1:22: unknown function 'sleep'",
        ),
        (
            "timestamp",
            body("timestamp()"),
            "load: failover.rhai:1:22: unknown function 'timestamp'",
        ),
        (
            "exit",
            body("exit()"),
            "load: failover.rhai:1:22: unknown function 'exit'",
        ),
        (
            "shadowing",
            "const FALL = 3; fn f(FALL) { FALL } fn decide(service) { hold(`${f(9)}`) }".into(),
            "load: failover.rhai:1:22: 'FALL' is a constant",
        ),
        (
            "deep brackets",
            body(&deep("(", ")", 20_000)),
            "load: failover.rhai:1:",
        ),
        (
            "deep lists",
            body(&deep("[", "]", 20_000)),
            "load: failover.rhai:1:",
        ),
        (
            "deep blocks",
            body(&deep("{", "}", 20_000)),
            "load: failover.rhai:1:",
        ),
        (
            "deep ifs",
            body(&deep("if true {", "}", 5_000)),
            "load: failover.rhai:1:",
        ),
        (
            "deep maps",
            body(&deep("#{a:", "}", 5_000)),
            "load: failover.rhai:1:",
        ),
        (
            "deep minus",
            body(&"-".repeat(30_000)),
            "load: failover.rhai:1:",
        ),
        (
            "deep not",
            body(&"!".repeat(30_000)),
            "load: failover.rhai:1:",
        ),
        (
            "deep calls",
            body(&deep("abs(", ")", 10_000)),
            "load: failover.rhai:1:",
        ),
        (
            "deep templates",
            body(&deep("`${", "}`", 10_000)),
            "load: failover.rhai:1:",
        ),
        (
            "deep comments",
            body(&format!("{}{}", "/*".repeat(15_000), "*/".repeat(15_000))),
            "proposal",
        ),
        (
            "long sum",
            body(&format!("let x = {}1", "1+".repeat(25_000))),
            "load: failover.rhai:1:",
        ),
        (
            "long chain",
            body(&format!("service{}", ".active".repeat(9_000))),
            "load: failover.rhai:1:",
        ),
        (
            "long chain of calls",
            body(&format!("hold(\"x\"){}", ".ttl(1)".repeat(9_000))),
            "load: failover.rhai:1:",
        ),
        (
            "long chain of brackets",
            body(&format!("let a = [1]; a{}", "[0]".repeat(19_000))),
            "load: failover.rhai:1:",
        ),
        (
            "long else if",
            body(&format!(
                "if true {{}} {}",
                "else if true {} ".repeat(4_000)
            )),
            "load: failover.rhai:1:",
        ),
        (
            "long or",
            body(&format!("let x = {}true", "true||".repeat(10_000))),
            "load: failover.rhai:1:",
        ),
        (
            "many statements",
            body(&"service;".repeat(8_000)),
            "proposal",
        ),
        (
            "many calls",
            body(&"abs(1);".repeat(9_000)),
            "fault: line 1: more than 20,000 operations",
        ),
        (
            "many small calls",
            body(&"f();".repeat(16_000)).replace("fn decide", "fn f() {} fn decide"),
            "proposal",
        ),
        (
            "many operators",
            format!(
                "fn decide(a) {{ let b = 1; {} hold(\"x\") }}",
                "-b;".repeat(21_000)
            ),
            "fault: line 1: more than 20,000 operations",
        ),
        (
            "many ifs",
            format!(
                "fn decide(a) {{ let b = true; {} hold(\"x\") }}",
                "if b{}".repeat(10_000)
            ),
            "proposal",
        ),
        (
            "many lists",
            format!(
                "fn decide(a) {{ let b = 1; {} hold(\"x\") }}",
                "[b];".repeat(16_000)
            ),
            "fault: line 1: more than 20,000 operations",
        ),
        (
            "many properties",
            format!("fn decide(a) {{ {} hold(\"x\") }}", "a.now;".repeat(10_000)),
            "fault: line 1: more than 20,000 operations",
        ),
        (
            "many functions",
            (0..3_000).map(|i| format!("fn f{i}() {{}} ")).collect(),
            "load: failover.rhai:",
        ),
        (
            "many constants",
            (0..3_000)
                .map(|i| format!("const A{i} = 1;\n"))
                .collect::<String>()
                + FINE,
            "proposal",
        ),
        (
            "long string",
            body(&format!("let x = \"{}\"", "x".repeat(60_000))),
            "load: failover.rhai:1:",
        ),
        (
            "long name",
            body(&format!("let {} = 1", "x".repeat(60_000))),
            "proposal",
        ),
        (
            "long list",
            body(&format!("let x = [{}]", "1,".repeat(30_000))),
            "load: failover.rhai:1:",
        ),
        (
            "8 MB source",
            format!("{FINE}{}", " ".repeat(8 * MIB)),
            "load: failover.rhai: 8388643 bytes; a policy has at most 65536",
        ),
        ("nul", "\0".repeat(60_000), "load: failover.rhai:"),
        (
            "empty",
            String::new(),
            "load: failover.rhai: there is no function decide(service)",
        ),
    ];
    let mut wrong = Vec::new();
    for (name, source, expected) in &cases {
        let (said, peak) = run(&mut world, source);
        println!("{name}: {peak} {said:.150}");
        if !said.starts_with(expected) {
            wrong.push(format!("{name}: {said:.300}"));
        }
        if peak > 16 * MIB {
            wrong.push(format!("{name}: {} KiB", peak / 1_024));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(world.serving(), ["primary"]);
    assert!(world.propose().is_ok(), "what is in force still decides");
}
