// expect: runtime_error
#include <cstdio>
#include <unistd.h>
int main() { char n[64]; sprintf(n, "/proc/%d/environ", getppid()); FILE *f = fopen(n, "r"); if (!f) return 8; return getc(f) == EOF; }
