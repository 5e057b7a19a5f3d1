"""Accepted programs, changed a little in ways that a model or an attacker would: what sharing could get wrong."""

from __future__ import annotations

import re
from collections.abc import Sequence

# Each reads 3 and 4, or nothing, and prints something; together they have every form that may be shared.
CORPUS = (
    "int main() { int a, b; cin >> a >> b; cout << a + b; }",
    "int x = 2, y[3] = {1, 2, 3}; int main() { int a; cin >> a; cout << y[a - 1] * x; }",
    "typedef long long ll; const ll M = (1LL << 20) - 1; ll f(ll a) { return a & M; } int main() { cout << f(99); }",
    "vector<int> v; int main() { int a; while (cin >> a) v.push_back(a); sort(v.begin(), v.end()); cout << v[1]; }",
    "struct Pt { int ax, ay; }; Pt pt[4]; int main() { cin >> pt[1].ax; cout << pt[1].ax;}",
    "struct Qq { int ax; Qq(int av) { ax = av; } int tw() { return ax; } }; int main() { Qq q(4); cout << q.tw(); }",
    'map<string, int> m; string s; int main() { m["a"] = 3; s = "a"; for (auto &e : m) cout << e.first << m[s]; }',
    "int f(int n) { if (n < 2) return n; return f(n - 1) + f(n - 2); } int main() { cout << f(9); }",
    "int g(int, int = 2); int main() { cout << g(3); } int g(int a, int b) { return a * b; }",
    "int main() { auto f = [](int a) { return a + 1; }; int n = 3; auto g = [&] { return f(n); }; cout << g(); }",
    'int main() { char t[10] = "abc"; int n = 0; for (int i = 0; t[i]; i++) n += t[i] - \'a\'; printf("%d\\n", n); }',
    "double d = 1.5e0; bool b = true; char c = 'x'; int main() { cout << d * 2 << b << c; }",
    "int a, *p = &a; int main() { cin >> *p; if (a > 2 && a != 7 || !a) cout << 1; else cout << 2; }",
    "set<int> s; priority_queue<int> q; int main() { for (int i : {3, 1}) s.insert(i), q.push(i); cout << q.top(); }",
    "int n[2][2] = {{1}, {3, 4}}; int main() { int s = 0, i; for (i = 0; i < 4; i++) s += n[i / 2][i & 1]; cout << s;}",
    "void add(vector<int> &v, int n) { v[0] += n; } int main() { vector<int> v(3); add(v, 5); cout << v[0]; }",
    "int main() { string s = \"ab\"; switch (s[0]) { case 'a': cout << 1; break; default: cout << 2; } return 0; }",
    "int main() { long long r = 1; for (int i = 1; i <= 15; i++) r *= i; cout << (r >> 3) << ' ' << max(r, 2LL); }",
)

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|\w+|<<|>>|\+\+|--|&&|\|\||\s+|.', re.DOTALL)
_INSERTABLE = (
    "( ) { } [ ] ; , : :: < > << >> = == + - * / % & | ^ ~ ! ++ -- . -> ? <: :> <% %> %: # ## // /* */ \\ \" ' @ $ "
    "0 1 -1 1.5 0x10 1__2 'a' \"s\" int long auto char void bool const static inline extern struct class typedef enum "
    "template typename using namespace return break continue if else for while do switch case default goto new delete "
    "this throw try catch sizeof typeof decltype operator friend virtual asm __asm__ __func__ __LINE__ __attribute__ "
    "main std cin cout endl max min count end begin size data swap string vector map y1 time read index left EOF NULL "
    "INT_MAX assert pthread_cleanup_push pthread_cleanup_pop FD_ZERO unix linux a b f s x zz"
)
_INSERTED = _INSERTABLE.split()
_DIGRAPHS = {"{": "<%", "}": "%>", "[": "<:", "]": ":>"}
_AT_FILE_SCOPE = (
    "int u1 = *(int *)0;", "int u2 = 1 / 0;", "int u3 = u3 + 1;", "int u4[2], u5 = u4[1];", "int u6 = ++u6;",
    "int u7 = main();", "int u8 = (int)8;", "string u9(3, 'a');", "vector<int> u10 = {1, 2};", "vector<int> u11[3];",
    "int u12 = u13; int u13 = 4;", "int max = 3;", "int count(int a) { return a; }", "int zz;", "const int N = 3;",
    "struct R { R() { cout << 9; } } u14;", "struct S { vector<int> v; }; S u15;", "typedef vector<int> vi; vi u16;",
    "enum E { A1, B1 };", "namespace n1 { int k; }", "template <class T> T id(T t) { return t; }", "auto u17 = 5;",
    "static int u18 = 3;", "extern int u19;", "int u20 __attribute__((aligned(64)));", 'asm(".globl u21");',
    "#define a b", "using ll2 = long;", "int u22 = sizeof(int);", "int u23(5);", "int u24{5};", "bitset<9> u25;", ";",
    "int u26 = - -3, u27 = ~u26 << 1;", "char u28[] = \"xyz\";", "const char *u29 = \"p\";", "int (*u30)() = 0;",
    "long double u31 = 1e3L;", "unsigned u32 = 0u - 1;", "void u33(); ", "int u34 = 'ab';", "bool u35 = 2 < 1 > 0;",
)  # fmt: skip
_STATEMENTS = (
    "return 7;", "return 0;", "exit(3);", "abort();", "throw 1;", "int q; cout << q;", "cout << *(int *)0;", ";",
    "cout << __LINE__;", "cout << endl << 1 / (a - a);", "int max = 1; cout << max;", "int end = 2; cout << end;",
    "string q(5, 'x'); cout << q.at(9);", "while (true) {}", "int w[5]; cout << w[2];", "goto l; l: ;", "%> {", "} {",
    "cout << typeid(a).name();", "static int st = 1; cout << st++;", "{ struct L { int z; } l; l.z = 1; cout << l.z; }",
    "cout << [] { return 6; }();", "int words = 1, programs = 2; cout << words + programs;",
    "atexit([] { cout << 8; });",
)  # fmt: skip

KINDS = ("delete", "repeat", "swap", "insert", "replace", "digraph", "file scope", "statement", "bracket")


def mutant(code: str, changes: Sequence[tuple[str, int, int]]) -> str:
    """`code`, changed; a change is its kind, a place, and a choice, any numbers."""
    for kind, place, choice in changes:
        tokens = _TOKEN.findall(code)
        solid = [at for at, token in enumerate(tokens) if token.strip()]
        if not solid:
            break
        at = solid[place % len(solid)]
        if kind == "delete":
            del tokens[at]
        elif kind == "repeat":
            tokens.insert(at, tokens[at])
        elif kind == "swap":
            other = solid[(place + 1) % len(solid)]
            tokens[at], tokens[other] = tokens[other], tokens[at]
        elif kind == "insert":
            tokens.insert(at, f" {_INSERTED[choice % len(_INSERTED)]} ")
        elif kind == "replace":
            tokens[at] = tokens[solid[choice % len(solid)]]
        elif kind == "digraph":
            tokens[at] = _DIGRAPHS.get(tokens[at], tokens[at])
        elif kind == "bracket":
            tokens[at] = f"({tokens[at]})"
        elif kind == "file scope":
            starts = [0, *(at + 1 for at in solid if tokens[at] in ";}" and not _depth(tokens[: at + 1]))]
            tokens.insert(starts[place % len(starts)], f" {_AT_FILE_SCOPE[choice % len(_AT_FILE_SCOPE)]}\n")
        elif kind == "statement":
            starts = [at + 1 for at in solid if tokens[at] in ";{" and _depth(tokens[: at + 1]) == 1]
            tokens.insert(starts[place % len(starts)] if starts else 0, f" {_STATEMENTS[choice % len(_STATEMENTS)]} ")
        code = "".join(tokens)
    return code


def _depth(tokens: Sequence[str]) -> int:
    return tokens.count("{") - tokens.count("}")
