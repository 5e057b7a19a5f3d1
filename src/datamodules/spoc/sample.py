"""A tiny release in the published file format, written for this project: enough to run everything, not to learn.

A line of a program is `code ## pseudocode ## other pseudocode`; two blanks indent it by one level.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from composed.datamodules.spoc.release import COLUMNS, PARTS
from composed.system.files import write_text

_PROGRAMS = r"""
int main() {
  int a, b;  ## declare integers a and b ## make two integers a, b
  cin >> a >> b;  ## read a and b ## input a, b
  cout << a + b << endl;  ## print the sum of a and b ## output a plus b
  return 0;
}
=
int main() {
  int n, best = 0;  ## create integers n and best = 0 ## n, best are integers, best starts at 0
  cin >> n;  ## read n ## get n from the user
  for (int i = 0; i < n; i++) {  ## for i from 0 to n exclusive ## loop i over 0 .. n - 1
    int x;  ## declare integer x ## x is an integer
    cin >> x;  ## read x ## get x
    best = max(best, x);  ## set best to the larger of best and x ## best = max of best, x
  }
  cout << best << endl;  ## print best ## output best
}
=
int main() {
  string s;  ## create string s ## let s be a string
  cin >> s;  ## read s ## input s
  reverse(s.begin(), s.end());  ## reverse s ## turn s around
  cout << "->  " << s << endl;  ## print "->  " and s ## output "->  ", then s
  return 0;
}
=
int main() {
  long long n;  ## declare long long n ## n is a long long
  cin >> n;  ## read n ## get n
  if (n % 2 == 0) {  ## if n is even ## when n modulo 2 is 0
    cout << "EVEN" << endl;  ## print "EVEN" ## output EVEN
  } else {  ## else ## otherwise
    cout << "ODD" << endl;  ## print "ODD" ## output ODD
  }
  return 0;
}
=
#define TWICE(x) ((x) + (x))  ## define TWICE of x as x plus x ## macro TWICE(x) is (x) + (x)
int a[5];  ## create integer array a of size 5 ## a is an array of 5 integers
int main() {
  for (int i = 0; i < 5; i++) cin >> a[i];  ## read 5 values into a ## for i in 0 to 4 get a[i]
  int total = 0;  ## set total to 0 ## make integer total = 0
  for (int i = 0; i < 5; i++) total += TWICE(a[i]);  ## add TWICE of each a[i] to total ## total += TWICE(a[i])
  cout << total << '\n';  ## print total and a new line ## output total
}
=
bool prime(int n) {  ## function prime with integer n returns a boolean ## bool function prime of int n
  if (n < 2) return false;  ## return false if n is less than 2 ## n below 2 gives false
  for (int i = 2; i * i <= n; i++)  ## for i from 2 while i * i is at most n ## loop i from 2 up to the root of n
    if (n % i == 0) return false;  ## if i divides n return false ## false when n % i is 0
  return true;  ## return true ## give true
}
int main() {
  int n;  ## declare integer n ## n is an int
  cin >> n;  ## read n ## input n
  cout << (prime(n) ? "YES" : "NO");  // one word ## print "YES" if prime of n, else "NO" ## YES or NO by prime(n)
}
=
int main() {
  vector<int> v(3);  ## create vector of integers v of size 3 ## v is a vector of 3 ints
  for (int &x : v) cin >> x;  ## read the elements of v ## read v
  sort(v.rbegin(), v.rend());  ## sort v in descending order ## sort v from large to small
  cout << v[0] << ' ' << v[2] << endl;  ## print the first and the last of v ## output v[0] and v[2]
  return 0;
}
=
int main() {
  int n, k;  ## declare integers n, k ## n and k are ints
  cin >> n >> k;  ## read n and k ## input n, k
  while (k--) n = n % 10 ? n - 1 : n / 10;  ## k times divide n by 10 if it ends in 0, else decrease it ## do it k times
  cout << n << endl;  ## print n ## output n
}
=
int main() {
  map<char, int> seen;  ## create map seen from characters to integers ## seen is a map of char to int
  char c;  ## declare character c ## c is a char
  while (cin >> c) seen[c]++;  ## while c can be read increase seen[c] ## count every c that is read
  cout << seen.size() << endl;  ## print the size of seen ## output how many are in seen
  return 0;
}
=
int main() {
  double x;  ## declare double x ## x is a double
  cin >> x;  ## read x ## get x
  int down = ~int(x) + 1;  ## set down to minus the whole part of x ## down is int(x) negated
  printf("%d %.1f\n", down, x / 2);  ## print down and half of x ## output down and x / 2
  return 0;
}
"""
_TESTS = (
    (("3 4", "7"), ("10 -4", "6"), ("0 0", "0")),
    (("3\n1 9 4", "9"), ("1\n0", "0"), ("2\n5 5", "5")),
    (("abc", "->  cba"), ("x", "->  x"), ("level", "->  level")),
    (("4", "EVEN"), ("7", "ODD"), ("1000000000001", "ODD")),
    (("1 2 3 4 5", "30"), ("0 0 0 0 1", "2"), ("-1 1 -1 1 0", "0")),
    (("7", "YES"), ("1", "NO"), ("91", "NO")),
    (("1 3 2", "3 1"), ("5 5 5", "5 5"), ("-1 0 1", "1 -1")),
    (("512 4", "50"), ("1000000000 9", "1"), ("7 1", "6")),
    (("hello", "4"), ("a", "1"), ("abcabc", "3")),
    (("3.0", "-3 1.5"), ("10.5", "-10 5.2"), ("0.2", "0 0.1")),
)
# The problems (from 1) and wordings (0, 1) of each part; testw has the words of others for problems of training.
_PROGRAMS_OF = {
    "train": [(1, 0), (2, 0), (3, 0), (4, 0), (5, 0), (5, 1), (6, 0), (6, 1)],
    "eval": [(7, 0), (7, 1)],
    "test": [(8, 0), (8, 1)],
    "testw": [(1, 1), (2, 1), (3, 1), (4, 1)],
    "testp": [(9, 0), (9, 1), (10, 0), (10, 1)],
}


def prepare(root: Path) -> Path:
    """The folder of the release below `root`, written where it is missing."""
    files = dict(_files())
    key = hashlib.sha256(repr(files).encode()).hexdigest()[:10]
    folder = root / f"spoc-sample-{key}"
    for name, text in files.items():
        if not (folder / name).exists():
            write_text(folder / name, text)
    return folder


def _files() -> Iterator[tuple[str, str]]:
    programs = [program.strip("\n").split("\n") for program in _PROGRAMS.split("\n=\n")]
    for part, chosen in _PROGRAMS_OF.items():
        rows = [COLUMNS]
        for problem, wording in chosen:
            for number, line in enumerate(programs[problem - 1]):
                code, *texts = line.split(" ## ")
                indent = (len(code) - len(code.lstrip())) // 2
                key = f"{wording:02}", f"{problem}A", f"{100 + problem}"
                rows.append((texts[wording].strip() if texts else "", code.strip(), *key, str(number), str(indent)))
        yield PARTS[part], "".join("\t".join(row) + "\n" for row in rows)
    for problem, cases in enumerate(_TESTS, 1):
        for suffix, some in (("", cases), ("_public", cases[:1]), ("_hidden", cases[1:])):
            text = "".join(f"{given}\n###ENDINPUT###\n{output}\n###ENDOUTPUT###\n" for given, output in some)
            yield f"testcases/{problem}A/{problem}A_testcases{suffix}.txt", text
