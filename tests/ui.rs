//! What the compiler says to programs that are wrong, and that it says nothing to those that are not.
//!
//! `tests/ui/README.md` has the conventions.

#[test]
fn ui() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("ui/[0-9]*/*.rs");
    cases.compile_fail("ui/many/*.rs");
    cases.pass("ui/pass/*.rs");
}
