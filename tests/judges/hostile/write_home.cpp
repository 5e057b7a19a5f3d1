// expect: runtime_error
#include <cstdio>
int main() { FILE *f = fopen("@HOME@/pwned", "w"); if (!f) return 9; fputs("pwned\n", f); fclose(f); }
